#!/usr/bin/env bash
# aarch64.sh INGOT PYTHON CASE... - code for aarch64 under qemu: an executable from each
# case, then a library that a C program calls.  Needs Debian's gcc-aarch64-linux-gnu and
# qemu-user; without them all is skipped.
set -uo pipefail
ingot=$(realpath "$1") python=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for program in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v $program >/dev/null; then
        echo "no $program"
        echo "0 passed, 0 failed, $(($# + 2)) skipped"
        exit 0
    fi
done

# The square of 1..5, by a library of this kind.
library()
{
    printf 'entry main(%%x: f32[5]) {\n  %%1 = mul %%x, %%x : f32[5]\n  return y=%%1\n}\n' \
        >"$tmp/square.ir"
    cat >"$tmp/use.c" <<'END'
#include "square.h"
int main(void)
{
    float x[5] = {1, 2, 3, 4, 5}, y[5] = {0};
    struct square_outputs out = {.y = y};
    struct square_inputs in = {.x = x};
    return square_run(&in, &out, 0, 0) || y[4] != 25;
}
END
    "$ingot" build "$tmp/square.ir" --cpu "$2" --emit "$1" -o "$tmp/libsquare.$1" &&
        aarch64-linux-gnu-gcc "$tmp/use.c" "$tmp/libsquare.$1" -o "$tmp/use" &&
        LD_LIBRARY_PATH=$tmp $emulator "$tmp/use"
}

line=$("$python" "$here/executables.py" --cpu aarch64 --emulator "$emulator" "$ingot" "$@" |
    tee "$tmp/log" | tail -n 1)
head -n -1 "$tmp/log"
passed=${line%% passed*} failed=${line#*, } skipped=${line##*failed, }
failed=${failed%% failed*} skipped=${skipped%% skipped*}
for kind in lib shared; do
    if library $kind aarch64+dotprod; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $kind"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
