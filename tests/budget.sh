#!/usr/bin/env bash
# budget.sh INGOT - a training step in less memory: the same bits, within the
# budget, and an error that names bytes which do suffice.
. "$(dirname "$0")/frame.sh"
cd "$dir" || exit 1

# Twelve layers; with momentum, whose states are written while the step runs.
layers=12
{
    echo 'const @first = f32[64,64] splat 0.02'
    for i in $(seq $layers); do
        echo "state @w$i : f32[64,64] = @first trainable"
        echo "state @m$i : f32[64,64]"
    done
    echo 'entry step(%x: f32[96,64]) {'
    echo '  %h0 = tanh %x : f32[96,64]'
    for i in $(seq $layers); do
        echo "  %w$i = state @w$i : f32[64,64]"
        echo "  %m$i = state @m$i : f32[64,64]"
        echo "  %d$i = dot %h$((i - 1)), %w$i {sum_a=[1], sum_b=[0]} : f32[96,64]"
        echo "  %h$i = tanh %d$i : f32[96,64]"
    done
    echo "  %q = mul %h$layers, %h$layers : f32[96,64]"
    echo '  %loss = reduce %q {axes=[0,1], op=sum} : f32[]'
    all=$(seq -f '%%w%.0f' -s ', ' $layers) types=$(yes 'f32[64,64]' | head -n $layers | paste -sd, -)
    echo "  $(seq -f '%%g%.0f' -s ', ' $layers) = grad %loss, $all : ${types//,f/, f}"
    updates=
    for i in $(seq $layers); do
        echo "  %s$i = add %m$i, %g$i : f32[64,64]"
        echo "  %n$i = sub %w$i, %s$i : f32[64,64]"
        updates+="${updates:+, }@w$i=%n$i, @m$i=%s$i"
    done
    echo "  return loss=%loss update $updates"
    echo '}'
} >step.ir

# bytes FILE OPTIONS..: what the plan of the step takes.
bytes()
{
    "$ingot" inspect --stage memory "$@" | sed -n '1s/.*: \([0-9]*\) bytes.*/\1/p'
}

# run NAME OPTIONS..: three steps, their loss and states in NAME.
run()
{
    "$ingot" run step.ir --random-inputs=3 --steps 3 --states "$1" --output-dir "$1.out" "${@:2}"
}

all=$(bytes step.ir)
check "all memory" run all
for percent in 80 60 45; do
    budget=$((all * percent / 100))
    check "$percent %: kept" [ "$(bytes step.ir --memory-budget $budget)" -le $budget ]
    check "$percent %: runs" run "less$percent" --memory-budget $budget --threads 2
    check "$percent %: the same states" cmp all "less$percent"
    check "$percent %: the same loss" cmp all.out/loss.npy "less$percent.out/loss.npy"
done
check "the plan shows it" grep -q 'again"' <("$ingot" inspect --stage plan --memory-budget $budget step.ir)
check "an executable" "$ingot" build --memory-budget $budget step.ir -o step
check "the executable runs" ./step --random-inputs=3 --steps 3 --states built
check "the executable: the same states" cmp all built

"$ingot" build --memory-budget 1k step.ir -o none 2>message
met=$(sed -n "s/.* \([0-9]*\) bytes of workspace suffice.*/\1/p" message)
check "bytes that suffice are named" grep -q "allows 1024" message
check "they suffice" run least --memory-budget "$met"
check "they suffice: the same states" cmp all least
"$ingot" build --memory-budget 3k step.ir -o none 2>message
check "they are the same for another budget" grep -q " $met bytes of workspace suffice" message
"$ingot" grad --loss loss --memory-budget 1k step.ir -o grad.ir 2>message
check "a model has no budget" grep -q -- "--memory-budget" message
check "nor does the help list it" sh -c '! "$1" grad --help | grep -q budget' sh "$ingot"
"$ingot" inspect --stage plan step.ir >plan
check "a plan" test -s plan
check "ample memory changes nothing" \
    cmp plan <("$ingot" inspect --stage plan --memory-budget 64MB step.ir)
summary
