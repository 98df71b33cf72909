#!/usr/bin/env bash
# Runs the host code that needs no GPU under miri: the oracle, shapes and elements, plans and what they refuse. Minutes.
# What takes longer there (random plans by the thousand, twins of the stages, naga) is left to `cargo test --test cpu`.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! rustup toolchain list 2>/dev/null | grep -q ^nightly; then
    echo "NOT CHECKED: miri needs a nightly compiler (rustup toolchain install nightly)"
    exit 0
fi
if ! rustup +nightly component add miri rust-src 2>/dev/null; then
    echo "NOT CHECKED: miri is not installed and cannot be added here"
    exit 0
fi

# Tests read files and the environment.
export MIRIFLAGS=-Zmiri-disable-isolation
# Roundings of millions of numbers are left out, and the tables once more for each planted mistake.
tests=(--skip element::numbers --skip oracle::tables_find element:: oracle::)
(($# == 0)) || tests=("$@")
cargo +nightly miri test --test cpu --no-default-features -- "${tests[@]}"
