#!/usr/bin/env bash
# Sets up all that the tests need on a Debian machine with Rust, and runs everything. An adapter that is missing is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/adapters.sh
source scripts/adapters.sh

step() { printf '\n== %s\n' "$*"; }

step formatting
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/fmt/rustfmt}"
done
cargo fmt --all --check

step lints
cargo clippy "${whole[@]}" --all-targets -- -D warnings

step "each feature alone"
for features in "" wgpu host; do
    cargo clippy -p bmru --lib --no-default-features --features "$features" -- -D warnings
done

step documentation
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

step "wasm32 and the oldest Rust"
if rustup target list --installed 2>/dev/null | grep -q wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown 2>/dev/null; then
    for features in "" wgpu host; do
        cargo check -p bmru --lib --target wasm32-unknown-unknown --no-default-features --features "$features"
    done
    cargo check -p bmru-reports --lib --target wasm32-unknown-unknown
else
    echo "NOT CHECKED: wasm32-unknown-unknown is not installed and cannot be added here"
fi
msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
toolchain=$(rustup toolchain list 2>/dev/null | grep -o "^${msrv//./\\.}[^ ]*" | head -n 1 || true)
if [[ -n $toolchain ]]; then
    cargo "+$toolchain" check -p bmru --lib --all-features
else
    echo "NOT CHECKED: Rust $msrv is not installed"
fi

step "the supply chain, what is quick of it"
scripts/supply.sh --quick

step examples
example quickstart
example embed
example bidirectional
example stream
example train --all
# The tests run all of them.
example conformance --quick --case value/
example roofline --quick
example roofline --quick --variants
example roofline --quick --stages --try usual --try strategy=tiles,tile=32,ahead=4,lookback=64 --rows /element
example report --quick --case value/ --jobs 2 --adapter "Vulkan, llvmpipe" --folder "$(mktemp -d)"

step "other compilers"
scripts/shaders.sh --quick

# One core for minutes, while the other goes on. What it needs is installed by now. One case in six, and one in four of others on the
# page: the same implementation, in a browser.
other_host=$(mktemp)
scripts/dawn.sh --every 6 >"$other_host" 2>&1 &
dawn=$!
trap 'kill "$dawn" 2>/dev/null || true' EXIT

step "the page in a browser"
scripts/web.sh test Trial

step benchmarks
# In the profile of the tests, which is built anyway.
cargo test -q "${whole[@]}" --bench forward --bench backward -- --test

step "a minute of soak"
scripts/soak.sh --duration 1m

step "another host"
status=0
wait "$dawn" || status=$?
trap - EXIT
cat "$other_host"
((status == 0))

step faults
# On their own: devices that are lost take time, and threads their turns.
cargo test "${whole[@]}" --test faults

step tests
cargo test "${whole[@]}" --no-fail-fast
