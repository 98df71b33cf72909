#!/usr/bin/env bash
# Changes the code in one place at a time, and looks whether the tests see it. docs/mutants.md has what came of it.
#
#   scripts/mutants.sh --shaders [OPTION…]   the shaders, by the quick conformance matrix on one adapter; --help lists the options
#   scripts/mutants.sh --host [OPTION…]      the host code, all mutants of cargo-mutants in one build, by the tests without a GPU
#   scripts/mutants.sh --cargo [OPTION…]     the same by cargo-mutants itself, one build for each: options such as --re src/shape.rs
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
source scripts/packages.sh
with_cargo_mutants() {
    cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked
}

case ${1:-} in
--shaders)
    # shellcheck source=scripts/adapters.sh
    source scripts/adapters.sh
    exec nice cargo run -q --release -p bmru-mutants -- --log "$(target_directory)/mutants.log" "${@:2}"
    ;;
--host)
    with_cargo_mutants
    packages python3
    exec nice python3 -u integrations/mutants/host.py --target "$(target_directory)/host-mutants" "${@:2}"
    ;;
--cargo)
    with_cargo_mutants
    exec nice cargo mutants --package bmru --output "$(target_directory)" "${@:2}"
    ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
