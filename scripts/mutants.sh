#!/usr/bin/env bash
# Changes the code in one place at a time, and looks whether the tests see it. docs/mutants.md has what came of it.
#
#   scripts/mutants.sh --shaders [OPTION…]   the shaders, by the quick conformance matrix on one adapter; --help lists the options
#   scripts/mutants.sh --host [OPTION…]      the host code, by the tests without a GPU; options of cargo mutants, such as
#                                            --re src/shape.rs or --shard 0/20
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
--shaders)
    # shellcheck source=scripts/adapters.sh
    source scripts/adapters.sh
    exec nice cargo run -q --release -p bmru-mutants -- --log "$(target_directory)/mutants.log" "${@:2}"
    ;;
--host)
    # shellcheck source=scripts/packages.sh
    source scripts/packages.sh
    cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked
    exec nice cargo mutants --package bmru --output "$(target_directory)" "${@:2}"
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
