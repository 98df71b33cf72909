#!/usr/bin/env bash
# Gives every shader of the conformance matrix, under all tunings and accesses, to compilers that are not wgpu's:
# `scripts/shaders.sh [--quick] [--fxc]`; --quick takes fewer sizes and one tuning.
#
# naga validates with no capability allowed and translates as wgpu does; Tint reads the WGSL itself, spirv-val the SPIR-V, DXC the
# HLSL, glslangValidator the GLSL ES 3.20. MSL is written, but no compiler for it is here. --fxc adds FXC, run by wine, for bands of
# one vector, which are what GPUs get: a long one takes it a minute. With --quick it gets every eighth, and DXC every third.
# Each is given broken texts first, and must refuse them.
# Sets up what it needs on a Debian machine (x86-64) with Rust.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

scope=() sample=1 thin=1 checkers=(naga tint spirv glslang dxc)
for option; do
    case $option in
    --quick) scope=(--quick --tuning software) sample=8 thin=3 ;;
    --fxc) checkers+=(fxc) ;;
    *)
        sed -n '2,3s/^# //p' "$0" >&2
        exit 2
        ;;
    esac
done

packages spirv-tools glslang-tools g++ python3-pip
dawn
target=$(target_directory)
work=$target/shaders
cores=$(nproc)
mkdir -p "$work"

# DXC is a shared library inside the source package of compushady, with its headers.
dxc=$target/dxc-compushady-0.17.5
if [[ ! -e $dxc/libdxcompiler.so.3.7 ]]; then
    echo "fetching DXC"
    rm -rf "$dxc"
    mkdir -p "$dxc"
    python3 -m pip download --quiet --no-deps --no-binary compushady --dest "$dxc" compushady==0.17.5
    tar -xzf "$dxc"/compushady-*.tar.gz -C "$dxc" --strip-components=3 --wildcards '*/backends/dxcapi.h' '*/backends/WinAdapter.h' \
        '*/backends/libdxcompiler_x86_64.so.3.7'
    rm "$dxc"/compushady-*.tar.gz
    mv "$dxc/libdxcompiler_x86_64.so.3.7" "$dxc/libdxcompiler.so.3.7"
fi
sources=integrations/translate/compilers
if [[ ! $dxc/dxc -nt $sources/dxc.cpp || ! $dxc/dxc -nt $sources/check.hpp ]]; then
    # -w: the headers are not ours.
    g++ -std=c++17 -w -I"$dxc" -o "$dxc/dxc" $sources/dxc.cpp "$dxc/libdxcompiler.so.3.7" -pthread -Wl,-rpath,"$dxc"
fi

# FXC is a library for Windows, which the npm package of Dawn brings.
if [[ ${checkers[*]} == *fxc* ]]; then
    packages wine wine64 g++-mingw-w64-x86-64-posix
    mkdir -p "$target/fxc/home"
    cp integrations/dawn/node_modules/webgpu/dist/win32-x64/d3dcompiler_47.dll "$target/fxc"
    x86_64-w64-mingw32-g++-posix -std=c++17 -static -o "$target/fxc/fxc.exe" $sources/fxc.cpp
fi

# Every checker ends with a line `NAME FILES FAILURES`, parted by tabs.
naga() { "$translate" translate "$@"; }
tint() { node integrations/dawn/tint.mjs "$1"; }
dxc() {
    seq 0 $((cores - 1)) | xargs -P "$cores" -I PART "$dxc/dxc" "$1" PART $((cores * thin)) |
        awk -F '\t' -v OFS='\t' '$1 == "DXC" && NF == 3 { files += $2; failures += $3; next } { print } END { print "DXC", files, failures }'
}
# Its own library and not wine's; no desktop, no installers.
fxc() {
    HOME=$target/fxc/home WINEPREFIX=$target/fxc/wine WINEDEBUG=-all WINEDLLOVERRIDES='d3dcompiler_47=n;mscoree=;mshtml=' \
        wine "$target/fxc/fxc.exe" "$1" 2>/dev/null | tr -d '\r'
}
spirv() { each spirv-val 1 spv "$1" spirv-val --target-env vulkan1.1; }
glslang() { each glslangValidator 64 comp "$1" glslangValidator -S comp; }

# each NAME BATCH EXTENSION DIRECTORY COMMAND…: the command on so many files at once, and alone on those of a batch that fails.
each() {
    local name=$1 batch=$2 extension=$3 directory=$4 failures
    shift 4
    # shellcheck disable=SC2016
    failures=$(find "$directory" -name "*.$extension" -print0 | NAME=$name COMMAND=$* xargs -r -0 -P "$cores" -n "$batch" bash -c '
        $COMMAND "$@" >/dev/null 2>&1 && exit
        for file; do
            said=$($COMMAND "$file" 2>&1) || echo "$NAME: $file: ${said//[[:cntrl:]]/ }"
        done' each)
    [[ -z $failures ]] || echo "$failures"
    printf '%s\t%s\t%s\n' "$name" "$(find "$directory" -name "*.$extension" | wc -l)" "$(grep -c . <<<"$failures" || true)"
}

# refuses CHECKER DIRECTORY…: ends all if the checker takes any file there.
refuses() {
    local checked name files failures
    checked=$("$@" | tail -n 1)
    IFS=$'\t' read -r name files failures <<<"$checked"
    ((files > 0 && files == failures)) || {
        echo "$name took $((files - failures)) of $files broken files: it proves nothing" >&2
        exit 1
    }
    printf '%-18s refuses %s of %s\n' "$name" "$failures" "$files"
}

cargo build -q "${whole[@]}" --example export
cargo build -q "${whole[@]}" --bin bmru-translate
translate=$target/debug/bmru-translate

echo "broken shaders:"
broken=integrations/translate/broken
refuses naga $broken/everywhere "$work/broken"
refuses tint $broken/everywhere
refuses tint $broken/tint
# What naga takes of those, broken after its translation.
naga $broken/tint "$work/broken" >/dev/null
"$translate" spoil "$work/broken" "$work/broken/spoilt"
for checker in "${checkers[@]:2}"; do
    refuses "$checker" "$work/broken/spoilt"
done

"$target/debug/examples/export" "${scope[@]}" --shaders "$work/wgsl"
tint "$work/wgsl" >"$work/tint.txt" &
naga "$work/wgsl" "$work" >"$work/naga.txt"
for checker in "${checkers[@]:2}"; do
    case $checker in
    spirv) directory=spv ;;
    glslang) directory=glsl ;;
    dxc) directory=hlsl_6_5 ;;
    fxc)
        directory=hlsl_for_gpus
        rm -rf "${work:?}/$directory"
        mkdir "$work/$directory"
        # Bands of one vector; of the quick ones every eighth, by names that begin with the stage and go on at random.
        grep -lr '^const BAND: u32 = 1u;' "$work/wgsl" | sort | sed -n "1~${sample}s|.*/\(.*\)\.wgsl|$work/hlsl_5_1/\1.hlsl|p" |
            xargs -d '\n' cp -t "$work/$directory"
        ;;
    esac
    "$checker" "$work/$directory" >"$work/$checker.txt"
done
wait $!

for checker in "${checkers[@]}"; do
    sed '$d' "$work/$checker.txt"
done
printf '\n%-18s %8s %9s\n' checker shaders failures
all=0 failed=0
for checker in "${checkers[@]}"; do
    IFS=$'\t' read -r name files failures < <(tail -n 1 "$work/$checker.txt")
    printf '%-18s %8s %9s\n' "$name" "$files" "$failures"
    ((all += files, failed += failures)) || true
done
printf '%-18s %8s %9s\n\n' 'MSL, written only' "$(find "$work/msl" -name '*.metal' | wc -l)" -
echo "$((all - failed)) passed, $failed failed"
((all > 0 && failed == 0))
