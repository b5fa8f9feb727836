#!/usr/bin/env bash
# lines.sh INGOT - with -g, instructions have lines of the printed loop IR; the code and
# the determinism of the output are what they are without.
. "$(dirname "$0")/frame.sh"
cd "$dir" || exit 1

# An unrolled tile, a tail, a loop in a loop: rows of a product, and their softmax.
cat >net.ir <<'IR'
dim n
entry main(%x: f32[n,40], %w: f32[40,24]) {
  %1 = dot %x, %w {sum_a=[1], sum_b=[0]} : f32[n,24]
  %2 = reduce %1 {axes=[1], op=max} : f32[n]
  %3 = reshape %2 {shape=[n,1]} : f32[n,1]
  %4 = broadcast %3 {shape=[n,24], axes=[0,1]} : f32[n,24]
  %5 = sub %1, %4 : f32[n,24]
  %6 = exp %5 : f32[n,24]
  return %6
}
IR

# Each line of the table is a statement or the head of a kernel, and the first is the head.
has_statements()
{
    readelf --debug-dump=decodedline "$1" | awk -v text="$2" '
        BEGIN { while ((getline l < text) > 0) line[++n] = l }
        $1 ~ /\.lp$/ && $2 ~ /^[0-9]+$/ && $2 > 0 {
            rows++
            if (!($2 in line) || line[$2] ~ /^ *}?$/) { print "line " $2; bad = 1 }
            heads += line[$2] ~ /^kernel /
        }
        END { exit bad || !heads || rows < 20 }'
}

# Is there code in both files, and the same?
same_code()
{
    objcopy -O binary --only-section=.text "$1" "$1.text" &&
        objcopy -O binary --only-section=.text "$2" "$2.text" &&
        [ -s "$1.text" ] && cmp "$1.text" "$2.text"
}

mkdir -p a b/c plain
for kind in exe obj shared lib; do
    check "$kind" "$ingot" build net.ir --emit $kind -g -o a/net.$kind
    check "$kind: lines" has_statements a/net.$kind a/net.$kind.lp
    check "$kind: elsewhere" "$ingot" build net.ir --emit $kind -g --jobs 1 -o b/c/net.$kind
    check "$kind: the same bytes" cmp a/net.$kind b/c/net.$kind
    check "$kind: the same text" cmp a/net.$kind.lp b/c/net.$kind.lp
done
for kind in obj shared; do
    "$ingot" build net.ir --emit $kind -o plain/net.$kind >out 2>&1
    check "$kind: the same code" same_code plain/net.$kind a/net.$kind
    check "$kind: no file beside" test ! -e plain/net.$kind.lp
done
check "runs" a/net.exe --random-inputs --dim n=3
check "text reads back" cmp a/net.exe.lp <("$ingot" inspect a/net.exe.lp)
check "assembly" "$ingot" build net.ir --emit asm -g -o net.s
check "assembly: lines" grep -q '\.loc' net.s
check "not stripped" test "$("$ingot" build net.ir -g --strip -o no 2>/dev/null; echo $?)" = 2
check "not over the model" test "$(cp net.ir net.lp; "$ingot" build net.lp -g -o net 2>/dev/null; echo $?)" = 2

summary
