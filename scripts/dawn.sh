#!/usr/bin/env bash
# Runs the conformance matrix on Dawn, by a script that knows nothing of this library but the plans it exports:
# `scripts/dawn.sh [--whole] [--case SUBSTRING] [--every N] [--reports DIRECTORY] [DRIVER…]`.
#
# DRIVER is swiftshader or lavapipe (of Mesa 25; Dawn refuses Mesa 22); without any, swiftshader. Without --whole it is the quick
# matrix, and with --every one case in so many. --reports writes a report for each driver, as docs/gpus has them. A few cases are
# spoilt first, to see that failures are seen. Sets up what it needs on a Debian machine with Rust.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/adapters.sh
source scripts/adapters.sh

scope=(--quick) cases=() reports='' drivers=()
while (($#)); do
    case $1 in
    --whole) scope=() ;;
    --case) cases+=(--case "${2:?}") && shift ;;
    --every) cases+=(--every "${2:?}") && shift ;;
    --reports) reports=${2:?} && shift ;;
    swiftshader | lavapipe) drivers+=("$1") ;;
    *)
        sed -n '2,7s/^# \?//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done
((${#drivers[@]})) || drivers=(swiftshader)
dawn
cargo build -q "${whole[@]}" --example export
exporter=$(target_directory)/debug/examples/export
commit=$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)
[[ -z $reports ]] || mkdir -p "$reports"

failed=0
for driver in "${drivers[@]}"; do
    # The two ways of laying out a pipeline, one for each.
    case $driver in
    swiftshader) manifest=$VK_ADD_DRIVER_FILES layouts=auto ;;
    lavapipe) manifest=$(scripts/mesa25.sh) layouts=declared ;;
    esac
    run() { VK_DRIVER_FILES=$manifest VK_ADD_DRIVER_FILES='' node integrations/dawn/plans.mjs - --layouts "$layouts" "$@"; }
    "$exporter" --quick --case 'view/rows/4' | run --spoil
    report=()
    [[ -z $reports ]] || report=(--json "$reports/dawn-$driver.json" --commit "$commit")
    "$exporter" "${scope[@]}" "${cases[@]}" | run "${report[@]}" || failed=1
done
exit $failed
