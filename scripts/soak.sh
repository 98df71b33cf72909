#!/usr/bin/env bash
# Random cases on every adapter, one device each: `scripts/soak.sh [--release] [--duration 1m] [--adapter SUBSTRING] [--seed N]`.
# A minute by default, all adapters together. Before that two short runs leave something behind, and must be found out.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/adapters.sh
source scripts/adapters.sh

# Else in the profile of the tests, which is built anyway.
profile=dev folder=debug
if [[ ${1:-} == --release ]]; then
    profile=release folder=release
    shift
fi
cargo build --quiet "${whole[@]}" --profile "$profile" --example soak
soak=$(target_directory)/$folder/examples/soak

# planted WHAT MESSAGE
planted() {
    local told
    told=$("$soak" --duration 4s --adapter swiftshader --plant "$1" 2>&1 || true)
    grep -o "FAILED: $2" <<<"$told" | sed "s/FAILED/a planted $1 is found/" || {
        printf '%s\nsoak.sh: nobody finds the planted %s\n' "$told" "$1" >&2
        exit 1
    }
}
planted object 'left on the device'
planted memory 'the process grew by .*'
"$soak" "$@"
