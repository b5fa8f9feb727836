#!/usr/bin/env bash
# states.sh INGOT - a model that is trained goes on where an earlier process
# ended: executables and `ingot run`, compiled and interpreted, through a file.
. "$(dirname "$0")/frame.sh"
cd "$dir" || exit 1

# Least squares: w follows the gradient of the mean square of x w - y.
cat >fit.ir <<'IR'
const @first = f32[3] [0.5,-0.25,0.125]
state @w : f32[3] = @first trainable
state @n : i64[]
entry step(%x: f32[b,3], %y: f32[b]) {
  %1 = state @w : f32[3]
  %2 = dot %x, %1 {sum_a=[1], sum_b=[0]} : f32[b]
  %3 = sub %2, %y : f32[b]
  %4 = mul %3, %3 : f32[b]
  %5 = reduce %4 {axes=[0], op=sum} : f32[]
  %6 = grad %5, %1 : f32[3]
  %7 = const 0.01 : f32[]
  %8 = broadcast %7 {shape=[3]} : f32[3]
  %9 = mul %6, %8 : f32[3]
  %10 = sub %1, %9 : f32[3]
  %11 = state @n : i64[]
  %12 = const 1 : i64[]
  %13 = add %11, %12 : i64[]
  return loss=%5 update @w=%10, @n=%13
}
entry weights() {
  %1 = state @w : f32[3]
  %2 = state @n : i64[]
  return w=%1, n=%2
}
IR
check build "$ingot" build fit.ir -o fit
check apart "$ingot" build fit.ir --weights file -o fit_apart

# go NAME COMMAND...: twice two steps end where four do, bit for bit.
go()
{
    local name=$1
    shift
    local step=("$@" step --random-inputs=3)
    check "$name: four steps" "${step[@]}" "${dims[@]}" --steps 4 --states "$name.four"
    check "$name: two steps" "${step[@]}" "${dims[@]}" --steps 2 --states "$name.two"
    check "$name: two more" "${step[@]}" "${dims[@]}" --steps 2 --states "$name.two"
    check "$name: the same states" cmp "$name.four" "$name.two"
    check "$name: read back" sh -c '"$@" | grep -q "n: i64\[\] 4"' sh "$@" weights \
        --states "$name.two"
    check "$name: a bench changes nothing" "${step[@]}" "${dims[@]}" --bench 3
}

dims=(--dim b=5)
go executable ./fit
go apart ./fit_apart
dims=(--shape x=5x3 --shape y=5)
go compiled "$ingot" run fit.ir
go interpreted "$ingot" run --engine interpreter fit.ir
check "executable and run agree" cmp executable.four apart.four
summary
