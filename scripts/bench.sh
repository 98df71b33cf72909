#!/usr/bin/env bash
# Baselines of the benches: `scripts/bench.sh save NAME [FILTER]`, later `scripts/bench.sh compare NAME [FILTER]`.
# Each runs both benches in five processes. The comparison prints medians over them, and fails where a row of the library is
# slower than before by more than 10 %. FILTER is a part of the names, as criterion takes it; BMRU_ADAPTER chooses an adapter.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
}
(($# == 2 || $# == 3)) || usage
name=$2 filter=${3:-}
target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
baselines=$target/baselines

measure() {
    rm -rf "$1"
    for process in 1 2 3 4 5; do
        echo "process $process of 5"
        CRITERION_HOME=$1/$process cargo bench --quiet --bench forward --bench backward -- ${filter:+"$filter"}
    done
}

case $1 in
save)
    measure "$baselines/$name"
    ;;
compare)
    [[ -d $baselines/$name ]] || {
        echo "no baseline $name: save it first" >&2
        exit 2
    }
    measure "$baselines/.now"
    cargo run --quiet --release -p bmru-measure --bin compare-baselines -- "$baselines/$name" "$baselines/.now"
    ;;
*)
    usage
    ;;
esac
