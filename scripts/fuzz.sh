#!/usr/bin/env bash
# Fuzzing, for longer than tests may take (docs/fuzzing.md).
#
#   scripts/fuzz.sh [--cases N] [--adapter SUBSTRING] [--seed N]    random cases on the software adapters, against the oracle
#   scripts/fuzz.sh --case RECIPE:CASE [--adapter SUBSTRING]        one of them alone
#   scripts/fuzz.sh --plan [--runs N]                               plan and bind what libFuzzer thinks of
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} != --plan ]]; then
    # shellcheck source=scripts/adapters.sh
    source scripts/adapters.sh
    arguments=("$@")
    [[ " $* " == *" --cases "* || " $* " == *" --case "* ]] || arguments+=(--cases 20000)
    # In the profile of the tests, which is built anyway.
    exec cargo run -q -p bmru-fuzz --bin differential -- "${arguments[@]}"
fi

shift
runs=10000000
if [[ ${1:-} == --runs ]]; then
    runs=${2:?--runs wants a number}
    shift 2
fi
if (($#)); then
    echo "unknown argument: $1" >&2
    exit 2
fi

# shellcheck source=scripts/packages.sh
source scripts/packages.sh
target=$(target_directory)/fuzz
if ! rustup toolchain list 2>/dev/null | grep -q ^nightly; then
    echo "NOT CHECKED: libFuzzer needs a nightly compiler (rustup toolchain install nightly); random bytes instead"
    exec cargo run -q -p bmru-fuzz --bin plan -- --runs "$runs"
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
mkdir -p "$target/corpus" "$target/artifacts"

# Debug assertions and checks of overflow are on. No sanitizer: there is no unsafe code.
status=0
cargo +nightly fuzz run --fuzz-dir integrations/fuzz --target-dir "$target" --sanitizer none plan "$target/corpus" -- \
    -runs="$runs" -len_control=0 -max_len=256 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$target/artifacts/" || status=$?
if ((status)); then
    newest=$(find "$target/artifacts" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
    [[ -z $newest ]] || echo "add to integrations/fuzz/regressions/plan.txt: $(od -An -v -tx1 "$newest" | tr -d ' \n')"
fi
exit "$status"
