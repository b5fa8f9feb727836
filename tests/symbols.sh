#!/usr/bin/env bash
# symbols.sh INGOT - a library with every scalar function of every float type,
# and casts between all types, needs nothing of its surroundings but memcpy,
# memset and memmove; for each instruction set.  So does one that sorts and chooses.
set -euo pipefail
ingot=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
table=$(dirname "$0")/../ir/scalar.def

# functions TYPE: all functions of it but casts, on one line each, by the table's columns
functions()
{
    sed -nE 's/^SCALAR\(\w+, *"(\w+)", *(\w+), *(\w+), *(\w+),.*/\1 \2 \3 \4/p' "$table" |
        awk -v type="$1" '
            $3 == "INT" || $1 ~ /cast|select/ { next }
            {
                split("%x|%x, %z|%x, %z, %x", operands, "|")
                print type, ($4 == "BOOL" ? "bool" : type), $1, operands[$2]
            }'
}

casts()
{
    local to
    for to in f64 f32 f16 bf16 i64 i32 i16 i8 u64 u32 u16 u8 bool; do
        if [ "$to" != "$1" ]; then
            echo "$1 $to cast %x {to=$to}"
        fi
    done
}

# model TYPE: an entry with a result for each line of stdin
model()
{
    awk -v type="$1" '
        {
            call[NR] = $0
            sub(/^[^ ]+ [^ ]+ /, "", call[NR])
            kind[NR] = $2
        }
        END {
            printf "entry main(%%x: %s[37], %%z: %s[37]) {\n", type, type
            for (i = 1; i <= NR; i++)
                printf "  %%%d = %s : %s[37]\n", i, call[i], kind[i]
            printf "  return "
            for (i = 1; i <= NR; i++)
                printf "%sy%d=%%%d", (i > 1 ? ", " : ""), i, i
            print "\n}"
        }'
}

for type in f32 f64 f16 bf16; do
    { functions $type; casts $type; } | model $type >"$dir/$type.ir"
done
for type in i64 i32 i8 u64 u8 bool; do
    casts $type | model $type >"$dir/$type.ir"
done
cat >"$dir/ordered.ir" <<'TEXT'
dim n any
dim c any
entry main(%x: f32[m,4], %s: f64[9], %b: f32[1,s,4], %w: f32[1,2,s], %k: i64[], %o: f32[]) {
  %1 = nonzero %x {sym=n} : i64[2,n]
  %2, %3 = topk %s {k=3, largest=true} : f64[3], i64[3]
  %4 = sort %x {axis=1} : f32[m,4]
  %5 = nms %b, %w, %k, %o, %o {sym=c} : i64[c,3]
  return %1, best=%2, at=%3, y=%4, chosen=%5
}
TEXT
for cpu in x86-64 x86-64-v2 x86-64-v3 x86-64-v4; do
    for model in "$dir"/*.ir; do
        name=$cpu-$(basename "$model" .ir)
        if ! "$ingot" build "$model" --emit lib --cpu $cpu -o "$dir/net.a"; then
            echo "$name: FAILED to build"
            failed=$((failed + 1))
            continue
        fi
        ld -r -o "$dir/all.o" --whole-archive "$dir/net.a"
        nm -u "$dir/all.o" >"$dir/undefined"
        foreign=$(awk '{ print $2 }' "$dir/undefined" |
            grep -vxE 'memcpy|memset|memmove|_GLOBAL_OFFSET_TABLE_' || true)
        if [ -n "$foreign" ]; then
            echo "$name: FAILED, needs ${foreign//$'\n'/ }"
            failed=$((failed + 1))
        else
            passed=$((passed + 1))
        fi
    done
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
