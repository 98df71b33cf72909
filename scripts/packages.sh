# shellcheck shell=bash
# Sourced: what scripts need of Debian and npm, and examples.

# packages NAME…: installs those that are missing.
packages() {
    local package missing=() as_root=()
    for package; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    echo "installing ${missing[*]}"
    ((EUID == 0)) || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# Dawn with Tint, for node.
dawn() {
    command -v node >/dev/null || packages nodejs
    command -v npm >/dev/null || packages npm
    # npm leaves this file when it is done.
    [[ integrations/dawn/node_modules/.package-lock.json -nt integrations/dawn/package-lock.json ]] && return
    npm ci --prefix integrations/dawn --ignore-scripts --no-audit --no-fund --silent
    touch integrations/dawn/node_modules/.package-lock.json
}

# The target directory of cargo.
target_directory() {
    cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# What to build. A package alone asks less of naga and serde than the workspace, and cargo builds them and all that stands on them
# once for each wish; this is what the tests are built with.
whole=(--workspace --all-features)

# example NAME ARGUMENT…: builds an example and runs it.
example() {
    cargo build --quiet "${whole[@]}" --example "$1" &&
        "$(target_directory)/debug/examples/$1" "${@:2}"
}
