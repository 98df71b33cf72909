#!/usr/bin/env bash
# The supply chain: `scripts/supply.sh [--quick]`.
# Quick: no unsafe code, and a package that has what it shall have and builds from its own files. Without it also the oldest Rust,
# cargo-deny and cargo-semver-checks, which are built where they are missing: a quarter of an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/adapters.sh
source scripts/adapters.sh

deny=0.20.2
semver_checks=0.51.0
# What the interface is compared with as long as no release has a tag.
baseline=7d4c2a6

step() { printf '\n-- %s\n' "$*"; }
fail() {
    echo "supply.sh: $*" >&2
    exit 1
}

step "no unsafe code"
grep -q '^unsafe_code = "deny"$' Cargo.toml || fail "Cargo.toml denies no unsafe code"
for manifest in Cargo.toml integrations/*/Cargo.toml; do
    grep -A1 '^\[lints\]$' "$manifest" | grep -q '^workspace = true$' || fail "$manifest does not take the lints of the workspace"
done
if git grep -nE '(allow|expect)\(.*unsafe_code' -- '*.rs'; then
    fail "unsafe code is let through"
fi
echo "denied in $(cat <(echo Cargo.toml) <(ls integrations/*/Cargo.toml) | wc -l) manifests, let through nowhere"

step "the package"
listed=$(cargo package -p bmru --list --allow-dirty --quiet)
while read -r file; do
    grep -Fxq "$file" <<<"$listed" || fail "the package lacks $file"
done < <(git ls-files 'src/*.rs' 'shaders/*.wgsl' README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE)
if surplus=$(grep -vE '^(src/.*\.rs|shaders/.*\.wgsl|examples/bidirectional\.rs|docs/health\.md|README\.md|CHANGELOG\.md|LICENSE-(MIT|APACHE)|Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json)$' <<<"$listed"); then
    fail "the package has what nobody needs there: $surplus"
fi
# The tests and examples that are not packed are warned of, each.
cargo package -p bmru --no-verify --allow-dirty --quiet 2>/dev/null
target=$(target_directory)
package=bmru-$(cargo pkgid -p bmru | sed 's/.*[#@]//')
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
tar -xzf "$target/package/$package.crate" -C "$elsewhere"
# With what clippy has checked of the dependencies.
CARGO_TARGET_DIR=$target cargo check --quiet --lib --features host --manifest-path "$elsewhere/$package/Cargo.toml"
echo "$(wc -l <<<"$listed") files, $(du -k "$target/package/$package.crate" | cut -f1) KiB packed; checks on its own"
[[ ${1:-} == --quick ]] && exit

step "the package, built, with its example"
CARGO_TARGET_DIR=$target cargo run --quiet --all-features --example bidirectional --manifest-path "$elsewhere/$package/Cargo.toml" >/dev/null
echo "built, and the example runs"

step "the oldest Rust"
msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if toolchain=$(rustup toolchain list 2>/dev/null | grep -o "^${msrv//./\\.}[^ ]*" | head -n 1) && [[ -n $toolchain ]]; then
    cargo "+$toolchain" check -p bmru --lib --all-features --quiet
    echo "$toolchain builds the library"
else
    echo "NOT CHECKED: Rust $msrv is not installed"
fi

# tool NAME VERSION: installs that one.
tool() {
    cargo "${1#cargo-}" --version 2>/dev/null | grep -q " $2\$" || cargo install --quiet --locked "$1" --version "$2"
}

step "licences, sources, duplicates"
tool cargo-deny "$deny"
cargo deny --log-level error check bans licenses sources
cargo tree --workspace --all-features --duplicates --depth 0 --prefix none | grep . | sort -u | sed 's/^/twice: /'

step "advisories"
# The database is a git repository, which not every machine reaches.
if timeout 120 cargo deny --log-level off fetch db >/dev/null 2>&1; then
    cargo deny --log-level error check advisories
else
    echo "NOT CHECKED: the database of advisories is not reachable from here"
fi

step "the interface"
tool cargo-semver-checks "$semver_checks"
if tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    cargo semver-checks -p bmru --all-features --baseline-rev "$tag"
elif git cat-file -e "$baseline^{commit}" 2>/dev/null; then
    echo "no release has a tag yet, nothing is promised: what has changed since $baseline"
    cargo semver-checks -p bmru --all-features --baseline-rev "$baseline" --release-type minor || echo "TOLD, NOT JUDGED: see above"
else
    echo "NOT CHECKED: no release has a tag, and $baseline is not in this clone"
fi
