#!/usr/bin/env bash
# train_library.sh INGOT - training as a C library: the caller's memory, no I/O, weights as bytes.
. "$(dirname "$0")/frame.sh"
examples=$(realpath "$(dirname "$0")/../examples")
cd "$dir" || exit 1

cat >xor.c <<'C'
#include <stdio.h>
#include <string.h>
#include "net.h"

static const float x[] = {0, 0, 0, 1, 1, 0, 1, 1}, t[] = {0, 1, 1, 0};
static const struct net_bp_rows rows = {.x = x, .t = t};
static _Alignas(64) struct net_training one, two;
static _Alignas(64) unsigned char workspace[1 << 16];
static unsigned char bytes[NET_SAVED_SIZE];

static int steps(struct net_training *n, int count)
{
    int status = 0;

    while (!status && count--)
        status = net_bp_step(n, &rows, 4, workspace, 0);
    return status;
}

/* A call that fails leaves the counters and the sums. */
static int fails(void)
{
    struct net_bp_numbers none;
    int64_t step = one.step;

    return net_bp_step(&one, &rows, 4, workspace + 1, 0) && one.step == step &&
           net_bp_metrics(&one, &none, workspace + 1, 0);
}

static int save(const char *path)
{
    FILE *f = fopen(path, "wb");

    net_save(&one, bytes);
    return !f || fwrite(bytes, 1, sizeof bytes, f) != sizeof bytes || fclose(f);
}

int main(void)
{
    struct net_bp_numbers all, half;

    if (net_training_workspace_size(4, 1) > sizeof workspace ||
        net_begin(&one, 3, workspace, 0) || steps(&one, 3000) || !fails())
        return 1;
    if (net_bp_metrics(&one, &all, workspace, 0) || net_bp_eval(&one, &rows, 2, workspace, 0) ||
        net_bp_metrics(&one, &half, workspace, 0))
        return 2;
    if (!(all.loss > 0))
        return 7;
    net_save(&one, bytes);
    if (net_load(&two, bytes, sizeof bytes) || steps(&one, 100) || steps(&two, 100) ||
        memcmp(&one.states, &two.states, sizeof one.states) || two.step != 3100)
        return 3;
    for (size_t i = 0; i < 8 * sizeof bytes; i++) {
        bytes[i / 8] ^= 1 << i % 8;
        if (!net_load(&two, bytes, sizeof bytes) || !two.message)
            return 4;
        bytes[i / 8] ^= 1 << i % 8;
    }
    if (!net_load(&two, bytes, 5))
        return 4;
    if (net_bp_step(&one, &rows, 3, workspace, 0) || save("trained.safetensors"))
        return 5;
    printf("%.4f %.4f %.4f\n", all.loss, half.loss, one.loss);
    return one.loss < 1e-3 && half.loss < 1e-3 ? 0 : 6;
}
C
check "a library" "$ingot" train "$examples/xor.ingot" --emit lib --name net -o libnet.a
check "a program with it" cc -Wall -Wextra -Wpedantic -Werror -O1 xor.c libnet.a -o xor
check "learns XOR" ./xor
check "needs no more than memory functions" sh -c \
    '! nm -u libnet.a | grep -vE "^$|:$| (memcpy|memset|memmove|_GLOBAL_OFFSET_TABLE_)$" | grep .'
check "inference from its bytes" "$ingot" build "$examples/xor.ingot" \
    --weights trained.safetensors -o inference
check "a trainer from its bytes" "$ingot" train "$examples/xor.ingot" --run --init \
    trained.safetensors --steps 1 --log log.csv
check "which knows XOR" awk -F, 'END { exit !($4 < 1e-3) }' log.csv
check "a shared object" "$ingot" train "$examples/xor.ingot" --emit shared --name net -o libnet.so
check "in C++" sh -c 'echo "#include \"net.h\"" >h.cpp && c++ -Wall -Wextra -Werror -c h.cpp'

# Preprocessing that is fitted, several batches a step, two objectives, counters; an entry with a
# name that the training has.
cat >two.ingot <<'PROGRAM'
net line(x: [.., 2]) -> [..] = x |> standardize |> dense(1) |> scalar
entry training(x: [.., 2]) -> [..] = 2 * line(x)
train learn(x: [.., 2], y: [..]) {
    data x, y = [[1, 10, 2], [2, 10, 4], [3, 30, 6], [4, 20, 8]]
    minimize (line(x) - y)^2 using sgd(cosine(0.1, warmup = 2)) clip norm(9)
    minimize 0.001 * sum(line^2) over line using adam(1e-3)
    batch 2;  accumulate 2;  epochs 50
}
PROGRAM
cat >two.c <<'C'
#include "two.h"

static const float x[] = {1, 10, 2, 10, 3, 30, 4, 20}, y[] = {2, 4, 6, 8};
static const struct two_learn_rows rows = {.x = x, .y = y};
static _Alignas(64) struct two_training t;
static _Alignas(64) unsigned char workspace[1 << 16];

int main(void)
{
    if (two_begin(&t, 1, workspace, 0) || two_learn_fit(&t, &rows, 4, workspace, 0))
        return 1;
    t.steps = 200;
    for (t.epoch = 1; t.epoch <= 200; t.epoch++)
        if (two_learn_step(&t, &rows, 4, workspace, 0))
            return 2;
    struct two_learn_numbers n;
    if (two_learn_metrics(&t, &n, workspace, 0) || two_learn_eval(&t, &rows, 4, workspace, 0) ||
        two_learn_metrics(&t, &n, workspace, 0))
        return 3;
    return n.loss < 0.5f ? 0 : 4;
}
C
check "several batches a step" "$ingot" train two.ingot --emit lib --name two -o libtwo.a
check "a program with it" cc -Wall -Wextra -Wpedantic -Werror -O1 two.c libtwo.a -o two
check "learns a line" ./two

# The loop of an executable, and one of one's own, from one seed and over the same rows: the same
# bits in all states behind so many steps, with draws, schedules and what is fitted.
cat >same.ingot <<'PROGRAM'
net f(x: [.., 2]) -> [..] {
    u ~ normal(x, 0.1)
    u |> standardize |> rescale |> dense(40) |> tanh |> dropout(0.2) |> dense(1) |> scalar
}
train learn(x: [.., 2], y: [..]) {
    data x, y = [[1, 10, 2], [2, 10, 4], [3, 30, 6], [4, 20, 8]]
    minimize (f(x) - y)^2 using adam(cosine(1e-2, warmup = 3)) clip norm(9)
    epochs 60
}
PROGRAM
cat >same.c <<'C'
#include <stdio.h>
#include "same.h"

static const float x[] = {1, 10, 2, 10, 3, 30, 4, 20}, y[] = {2, 4, 6, 8};
static const struct same_learn_rows rows = {.x = x, .y = y};
static _Alignas(64) struct same_training t;
static _Alignas(64) unsigned char workspace[1 << 18];
static unsigned char bytes[SAME_SAVED_SIZE];

int main(void)
{
    if (same_begin(&t, SEED, workspace, 0) || same_learn_fit(&t, &rows, 4, workspace, 0) ||
        same_learn_fit2(&t, &rows, 4, workspace, 0))
        return 1;
    t.steps = 60;
    for (t.epoch = 1; t.epoch <= 60; t.epoch++)
        if (same_learn_step(&t, &rows, 4, workspace, 0))
            return 2;
    same_save(&t, bytes);
    return fwrite(bytes, 1, sizeof bytes, stdout) != sizeof bytes;
}
C
cat >compare.py <<'PYTHON'
import json, struct, sys
def tensors(path):
    data = open(path, 'rb').read()
    size = struct.unpack('<Q', data[:8])[0]
    head = json.loads(data[8:8 + size])
    return {name: (t['dtype'], t['shape'], data[8 + size:][slice(*t['data_offsets'])])
            for name, t in head.items() if name not in ('__metadata__', 'training/counters', 'training/hash')
            and '.sum/' not in name}                # of the numbers since somebody asked
a, b = map(tensors, sys.argv[1:])
wrong = [n for n in a.keys() | b.keys() if a.get(n) != b.get(n)]
sys.exit(f'{wrong} differ' if wrong else len(a) < 15)
PYTHON
check "a trainer" "$ingot" train same.ingot -o trainer
check "its library" "$ingot" train same.ingot --emit lib --name same -o libsame.a
for seed in 0 7; do
    check "seed $seed: trains" ./trainer --fresh --quiet --seed $seed --save "same$seed.safetensors"
    check "seed $seed: a program" cc -Wall -Wextra -Wpedantic -Werror -O1 -DSEED=$seed same.c \
        libsame.a -o same
    check "seed $seed: steps" sh -c './same >own.safetensors'
    check "seed $seed: the same bits" python3 compare.py "same$seed.safetensors" own.safetensors
done
check "another seed has others" sh -c '! python3 compare.py same0.safetensors own.safetensors'

summary
