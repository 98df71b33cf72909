#!/usr/bin/env bash
# Builds the page of integrations/web into target/web, and runs its tests in headless Chromium on SwiftShader, with the quick conformance
# matrix; `scripts/web.sh test Trial` with one case in four of it, `scripts/web.sh test Full` with all cases.
# `scripts/web.sh build` only builds; `scripts/web.sh serve [PORT]` builds, and serves the page on this machine.
# Installs what is missing, in the exact versions: the wasm32 target, wasm-bindgen, Node.js, Chromium and playwright-core.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

# The newest that runs on the Node.js of Debian 12.
playwright=1.60.0
target=$(target_directory)
site=$target/web tools=$target/web-tools
step() { printf '== %s\n' "$*"; }
usage() {
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
}

build() {
    step "tools to build"
    rustup target list --installed | grep -qx wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
    # Its version must be that of the library, to the last digit.
    local bindgen
    bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
    if [[ $("$tools/bin/wasm-bindgen" --version 2>/dev/null) != "wasm-bindgen $bindgen" ]]; then
        # Without optimisations it is built in half the time, runs for two seconds more, and writes the same.
        CARGO_TARGET_DIR=$tools/build cargo install --quiet --debug --config profile.dev.debug=false wasm-bindgen-cli \
            --version "$bindgen" --bin wasm-bindgen --root "$tools"
        rm -rf "$tools/build"
    fi

    step "the page"
    local commit
    commit=$(git rev-parse --short=12 HEAD)
    [[ -z $(git status --porcelain -- . ':!docs') ]] || commit+=-dirty
    BMRU_COMMIT=$commit cargo build --quiet --release -p bmru-web --target wasm32-unknown-unknown
    # In one move, so that no old file stays and no half page is seen.
    rm -rf "$site.new"
    mkdir -p "$site.new"
    cp integrations/web/page/* "$site.new"
    "$tools/bin/wasm-bindgen" --target web --no-typescript --out-dir "$site.new" "$target/wasm32-unknown-unknown/release/bmru_web.wasm"
    rm -rf "$site"
    mv "$site.new" "$site"
    echo "$site: $(du -sb "$site" | cut -f 1) bytes, no server needed but one of files"
}

browser() {
    step "tools to test"
    packages chromium
    command -v npm >/dev/null || packages nodejs npm
    if [[ ! -d $tools/node_modules/playwright-core ]] ||
        ! grep -q "\"version\": \"$playwright\"" "$tools/node_modules/playwright-core/package.json"; then
        mkdir -p "$tools"
        echo '{ "private": true }' >"$tools/package.json"
        npm install --prefix "$tools" --silent --no-audit --no-fund --no-save "playwright-core@$playwright"
    fi
}

case ${1:-test} in
test)
    [[ $# -le 2 && ${2:-Quick} =~ ^(Trial|Quick|Full)$ ]] || usage
    build
    browser
    step "the tests"
    node integrations/web/test/page.mjs "$site" "$tools" "$target/web-pictures" "${2:-Quick}"
    ;;
build)
    build
    ;;
serve)
    build
    browser
    node integrations/web/test/server.mjs "$site" "${2:-8080}"
    ;;
*)
    usage
    ;;
esac
