#!/usr/bin/env bash
# train.sh INGOT - programs of examples/ and small ones are trained to a stated result, and
# refuse bad data.
. "$(dirname "$0")/frame.sh"
examples=$(realpath "$(dirname "$0")/../examples")
cd "$dir" || exit 1

# below NUMBER BOUND [COLUMN]: is the last value of a number in the log below it?
below()
{
    awk -F, -v name="$1" -v bound="$2" -v part="${3:-train}" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
        $3 == part { value = $at }
        END { exit !(value != "" && value + 0 < bound + 0) }' log.csv
}

# ---- examples ------------------------------------------------------------------------

check "perceptron learns AND" "$ingot" train "$examples/perceptron.ingot" --run --log log.csv
check "perceptron: no errors" below errors 0.01
check "perceptron on XOR" "$ingot" train "$examples/perceptron.ingot" --run --fresh --log log.csv \
    --epochs 300 --data 'x,t=[[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]'
check "every example says how it is run" sh -c 'for f in "$0"/*.ingot; do
    sed -n "/^[^#]/q;p" "$f" | grep -q "^#   ingot" || { echo "$f"; exit 1; }; done' "$examples"
check "examples without data: no warnings" sh -c '"$1" check "$0/alexnet.ingot" >warned 2>&1 &&
    "$1" check "$0/resnet.ingot" >>warned 2>&1 && "$1" check "$0/cartpole.ingot" >>warned 2>&1 &&
    test ! -s warned' "$examples" "$ingot"
check "perceptron on XOR errs" sh -c '! "$@"' sh awk -F, 'END { exit !($4 == 0) }' log.csv
check "XOR" "$ingot" train "$examples/xor.ingot" --run --log log.csv --plot xor.svg
check "XOR: loss" below loss 1e-5
check "XOR: plot" grep -q '</svg>' xor.svg
check "little work is one piece of code" sh -c '"$1" build "$2/xor.ingot" --entry xor \
    --shape x=1x2 --emit llvm -o xor.ll &&
    ! sed -n "/define.*_entry(/,/^}/p" xor.ll | grep -q _start' sh "$ingot" "$examples"
echo 'entry main(x: [2, 2]) { y = sigmoid(x) }' >few.ingot
check "equal elements are vectors" sh -c '"$1" build few.ingot --emit llvm -o few.ll &&
    sed -n "/define.*_entry(/,/^}/p" few.ll | grep -q "x float>"' sh "$ingot"
check "more work is in kernels of vectors" sh -c '"$1" build "$2/xor.ingot" --entry xor \
    --shape x=64x2 --emit llvm -o xor.ll &&
    sed -n "/define.*_entry(/,/^}/p" xor.ll | grep -q _start' sh "$ingot" "$examples"

cat >middle.ingot <<'PROGRAM'
net f(x: [.., 1]) -> [.., 2] = x |> dense(2)
train t(x: [.., 1], label: int<2>[..]) {
    data x, label = [[0, 0], [1, 1], [2, 1], [3, 1]]
    y = f(x);  track accuracy = argmax(y) == label
    minimize cross_entropy(y, label) using sgd(0.1);  batch 1
}
PROGRAM
cat >deep.ingot <<'END'
layer cell(x: [..]) -> [..] { param w = 1; param b = 0; tanh(w * x + b) }
net f(x: [..]) -> [..] { h = x; repeat i in 150 { h = cell(h) }; h }
train t(x: [..]) { data x = [1, 2]; minimize f(x)^2 using sgd(1e-3); epochs 1 }
END
check "300 parameters" "$ingot" train deep.ingot --run
check "an end in mid-epoch tells what is tracked" sh -c \
    '"$1" train middle.ingot --run --steps 3 2>&1 | grep "step 3 .*accuracy [01]"' sh "$ingot"

# Weights of another width are weights; of another shape they are not.
cat >halves.py <<'PYTHON'
import json, struct
data = open('middle.safetensors', 'rb').read()
size = struct.unpack('<Q', data[:8])[0]
head, out, rest = json.loads(data[8:8 + size]), {}, b''
for name, t in head.items():
    if name.startswith('f.'):
        begin, end = t['data_offsets']
        reals = struct.unpack(f'<{(end - begin) // 4}f', data[8 + size:][begin:end])
        half = struct.pack(f'<{len(reals)}e', *reals)
        out[name] = {'dtype': 'F16', 'shape': t['shape'], 'data_offsets': [len(rest), len(rest) + len(half)]}
        rest += half
text = json.dumps(out).encode()
open('half.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + rest)
text = text.replace(b'[1, 2]', b'[2, 1]')
open('turned.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + rest)
text = json.dumps(out).encode()
open('nan.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + rest[:-2] + b'\x01\x7e')
del out['f.dense1.b']
text = json.dumps(out).encode()
open('part.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + rest)
PYTHON
check "a trainer" "$ingot" train middle.ingot -o middle
check "it trains" ./middle --fresh --quiet --epochs 300
check "halves of its weights" python3 halves.py
check "--init takes halves" ./middle --fresh --quiet --epochs 1 --init half.safetensors \
    --save again.safetensors --log log.csv
check "which know what was learned" below loss 0.1
refuse "--init of another shape" "state 'f.dense1.w' is f16[2,1] there, in the model it is f32" \
    ./middle --fresh --init turned.safetensors --save again.safetensors
refuse "--init of no number" "nan.safetensors: 'f.dense1." \
    ./middle --fresh --init nan.safetensors --save again.safetensors
tell "--init of a part" "part.safetensors: lacks 1 of the parameters, which begin as the program says: 'f.dense1.b'" \
    ./middle --fresh --init part.safetensors --save again.safetensors --epochs 1
refuse "an entry of a part" "part.safetensors: lacks 1 of the parameters that 'f' uses: 'f.dense1.b'" \
    ./middle f x='[[1]]' --init part.safetensors
cat >two.ingot <<'PROGRAM'
net f(x: [.., 1]) -> [.., 2] = x |> dense(2)
net g(x: [.., 1]) -> [.., 2] = x |> dense(2)
train t(x: [.., 1]) { data x = [[1], [2]];  minimize sum[j] (f(x) - g(x))[.., j]^2 using sgd(0.1);  epochs 1 }
PROGRAM
check "two nets" "$ingot" train two.ingot -o two
check "an entry of one of two nets: as alone" cmp <(./two f x='[[1]]' --init half.safetensors) \
    <(./middle f x='[[1]]' --init half.safetensors)
refuse "an entry of the other net" "half.safetensors: lacks 2 of the parameters that 'g' uses: 'g.dense1." \
    ./two g x='[[1]]' --init half.safetensors

# An entry needs what its results are made of, in branches and loops, too.
cat >reads.ingot <<'PROGRAM'
net f(x: [.., 2]) -> [..] = x |> standardize |> dense(1) |> scalar
net g(x: [.., 2]) -> [..] = x |> dense(1) |> scalar
train t(x: [.., 2], y: [..]) {
    data x, y = [[1, 1, 1], [2, 2, 3]]
    minimize (f(x) + g(x) - y)^2 using sgd(0.01);  epochs 3
}
entry either(x: [N, 2], n: int) -> [N] = if n > 3 then f(x) else g(x)
entry often(x: [N, 2], n: int) -> [N] {
    scan t in n with y: [N] = 1 { y <- f(x) * y }
    y
}
entry linear(x: [N, 2]) -> [N] { unused = f(x);  g(x) }
PROGRAM
cat >pick.py <<'PYTHON'
import json, struct, sys
source, out, prefix = sys.argv[1:]
data = open(source, 'rb').read()
size = struct.unpack('<Q', data[:8])[0]
kept, rest = {}, b''
for name, t in json.loads(data[8:8 + size]).items():
    if name.startswith(prefix):
        begin, end = t['data_offsets']
        kept[name] = t | {'data_offsets': [len(rest), len(rest) + end - begin]}
        rest += data[8 + size:][begin:end]
text = json.dumps(kept).encode()
open(out, 'wb').write(struct.pack('<Q', len(text)) + text + rest)
PYTHON
check "entries of two nets" "$ingot" train reads.ingot -o reads
check "entries of two nets: trained" ./reads --quiet --fresh
check "entries of two nets: weights" sh -c 'python3 pick.py reads.safetensors g.safetensors g. &&
    python3 pick.py reads.safetensors dense.safetensors f.dense'
check "an entry needs no more than it uses" ./reads linear x='[[1, 2]]' --init g.safetensors
for entry in "either n=4" "often n=2" f; do
    # shellcheck disable=SC2086
    refuse "an entry needs what it uses: $entry" "g.safetensors: lacks 5 of the parameters that" \
        ./reads $entry x='[[1, 2]]' --init g.safetensors
done
refuse "an entry needs what is fitted" "that 'f' uses: 'f.standardize" \
    ./reads f x='[[1, 2]]' --init dense.safetensors

# .. and begins as the program says, with the configs that it was trained with.
cat >slope.ingot <<'PROGRAM'
config slope = 0.5
net line(x: [.., 1]) -> [..] = x |> dense(1) |> scalar
net f(x: [.., 1]) -> [..] { state scale = 2.0;  slope * scale * line(x) }
train t(x: [.., 1], y: [..]) {
    data x, y = [[1, 1], [2, 2]]
    minimize (f(x) - y)^2 using sgd(0.01);  epochs 3
}
entry factor(x: [.., 1]) -> [..] = f(x) / line(x)
PROGRAM
check "configs of an entry" "$ingot" train slope.ingot -o slope
check "configs of an entry: trained" ./slope --quiet --fresh --set slope=0.25
check "configs of an entry: weights" python3 pick.py slope.safetensors weights.safetensors line.
check "configs of an entry: as trained" grep -qx "y: f32\[1\] 0.5" <(./slope factor x='[[1]]')
check "configs of an entry: as set" grep -qx "y: f32\[1\] 1.5" <(./slope factor x='[[1]]' --set slope=0.75)
check "configs of an entry: as the program says" grep -qx "y: f32\[1\] 1" \
    <(./slope factor x='[[1]]' --init weights.safetensors)
refuse "configs of an entry: misspelt" "did you mean 'slope'?" ./slope factor x='[[1]]' --set slop=0.75

# A batch is of the rows that are trained on, however few are looked at.
cat >few.ingot <<'PROGRAM'
net f(x: [.., 1]) -> [..] = x |> dense(1) |> scalar
train t(x: [.., 1], y: [..]) {
    data x, y = [[1, 1], [2, 2], [3, 3], [4, 4]];  valid x, y = [[1, 1]];  test x, y = [[5, 5], [6, 6]]
    minimize (f(x) - y)^2 using sgd(0.01);  epochs 3
}
PROGRAM
check "a short table to look at" "$ingot" train few.ingot -o few
tell "a short table to look at: the batch" "train t: batches of 4, 3 epochs" ./few --info
check "a short table to look at: trained" ./few --quiet --log log.csv
check "a short table to look at: steps" grep -q '^3,3,valid,' log.csv

check "earlier files alone" sh -c 'rm -f again.safetensors.[13] &&
    mv again.safetensors again.safetensors.2'
refuse "earlier files alone: which" "again.safetensors.2: exists; --resume" ./middle --save again.safetensors

# Two objectives of one net, in steps of several pieces: its states change once for each piece,
# where it is called around the objectives, and once more where one of them calls it.
cat >once.ingot <<'PROGRAM'
config rows = 4, pieces = 1
layer counted(x: [..]) -> [..] {
    state times = 0, rows = 0
    if training { times <- times + 1;  rows <- rows + sum[..] 1 }
    x
}
net f(x: [..]) -> [..] { param a = 1, b = 1;  a * (x |> counted) + b }
net g(x: [..]) -> [..] { param a = 1;  a * (x |> counted) }
net h(x: [..]) -> [..] { param a = 1;  a * (x |> counted) }
train t(x: [..]) {
    data x = [[1], [2], [3], [4]]
    y = f(x)
    minimize (y - 1)^2 over f.a using sgd(0.01)
    minimize (y - g(x))^2 over f.b, g using sgd(0.01)
    track far = h(x)
    batch rows;  accumulate pieces;  epochs 3
}
entry seen() -> [6] = [f.counted1.times, f.counted1.rows, g.counted1.times, g.counted1.rows,
                       h.counted1.times, h.counted1.rows]
PROGRAM
# counts WANT OPTIONS..: is that what a trainer has counted?
counts()
{
    "$ingot" train once.ingot -o once "${@:2}" && ./once --fresh --quiet &&
        [ "$(./once seen | sed 's/.*\] //')" = "$1" ]
}
check "two objectives, one piece" counts "3 12 3 12 3 12"
check "two objectives, two pieces" counts "6 12 6 12 6 12" --set rows=2 --set pieces=2
check "two objectives, four pieces" counts "12 12 12 12 12 12" --set rows=1 --set pieces=4

# ---- gradients against differences ------------------------------------------------------

# says WORD PARAMETER ARGUMENT...: is that what `check --grad` has of the parameter?
says()
{
    "$ingot" check --grad "${@:3}" >slopes && awk -v word="$1" -v what="$2" '
        $1 == what { ok = $2 == word } END { exit !ok }' slopes
}
check "gradients: XOR" says ok xor.dense2.b "$examples/xor.ingot"
check "gradients: of all parameters" sh -c '[ "$(grep -c " ok " slopes)" = 4 ]'
check "gradients: data that lack" says ok tumour.dense1.w "$examples/tumour.ingot"
check "gradients: two objectives, draws" says ok gen.dense1.b "$examples/gan.ingot" --rows 1 \
    --engine compiled
check "gradients: a block without rows" says ok policy.dense1.w "$examples/cartpole.ingot" \
    --engine compiled
cat >slopes.ingot <<'PROGRAM'
net f(x: [..]) -> [..] {
    param kinked: [3] = 0, hidden: [3] ~ normal(0, 1), seen: [3] ~ normal(0, 1)
    x * sum(abs(kinked) + relu(kinked) + hidden^2 * detach(hidden) + seen^2)
}
train t(x: [..]) { data x = [[1], [2]]; minimize f(x) using sgd(1) }
PROGRAM
check "gradients: a kink" says kink f.kinked slopes.ingot
check "gradients: detach" says detached f.hidden slopes.ingot
check "gradients: beside them" says ok f.seen slopes.ingot
cp slopes slopes1
check "gradients: another seed" says ok f.seen slopes.ingot --seed 1
check "gradients: the seed decides" sh -c '! cmp -s slopes slopes1'
sed 's/seen^2/log(-seen^2)/' slopes.ingot >no.ingot
refuse "gradients: no number" "train t: the loss is no number" "$ingot" check --grad no.ingot
echo 'net f(x: [..]) -> [..] = x' >no.ingot
refuse "gradients: no block" "has no train block" "$ingot" check --grad no.ingot

# ---- what a step takes in memory, beside a call ------------------------------------------

"$ingot" inspect --stage summary "$examples/digits.ingot" >memory
# of BYTES WHAT PLACE: has the table of that place a line of these bytes?
of()
{
    awk -v bytes="$1" -v what="$2" -v place="$3" '/^memory/ { here = index($0, place) }
        here && $1 == bytes && index($0, what) { ok = 1 } END { exit !ok }' memory
}
check "memory: a call's weights" of 437544 weights "call of digits"
check "memory: two states of Adam a weight" of $((2 * 437544)) "states of the optimizer" "step of"
check "memory: gradients" grep -q "gradients lie in it, 437544" memory
check "memory: lines sum up" awk '/^memory/ { sum = 0 } $2 == "all" && sum != $1 { exit 1 }
    $1 + 0 { sum += $1 }' memory
cat >lacking.ingot <<'PROGRAM'
dim S
net f(x: [.., 2]) -> [..] = x |> dense(1) |> scalar
train t(y: [.., S]) { data y = "none.csv"; minimize f(y)^2 using sgd(1) }
PROGRAM
check "memory: data that lack" sh -c '"$1" inspect --stage summary lacking.ingot |
    grep "memory of training: not known" | grep -q none.csv' sh "$ingot"

# ---- examples whose data are elsewhere: they compile, and tell what they want -------------------

for e in digits digits_conv tumour autoencoder gan cartpole; do
    check "$e" "$ingot" train "$examples/$e.ingot" -o "$e"
    check "$e: info" sh -c './"$1" --info | grep -q parameters' sh "$e"
done
for e in digits digits_conv tumour autoencoder gan cartpole; do
    check "$e: 500 kB at most" [ "$(wc -c <"$e")" -le 500000 ]
done
for e in alexnet resnet vgg; do
    check "$e" "$ingot" train "$examples/fashion_$e.ingot" -o "$e"
    check "$e: 500 kB at most" [ "$(wc -c <"$e")" -le 500000 ]
done
refuse "no pictures" "train-images-idx3-ubyte.gz: No such file" ./digits

# ---- convolutions in squares, forward and back: the same bits on any threads ---------------------

awk 'BEGIN {
    srand(1); for (i = 0; i < 143; i++) printf "p%d,", i; print "label"
    for (r = 0; r < 20; r++) {
        for (i = 0; i < 143; i++) printf "%f,", rand() * 2 - 1
        print int(rand() * 3)
    } }' >pictures.csv
cat >squares.ingot <<'PROGRAM'
net f(x: [.., 1, 13, 11]) -> [.., 3] =
    x |> conv(32, 3) |> relu |> conv(32, 3) |> relu |> conv(32, 3) |> relu |> flatten |> dense(3)
train learn(x: [.., 143], label: int<3>[..]) {
    data x, label = "pictures.csv"
    p[.., c in 1, i in 13, j in 11] = x[.., 11 * i + j]
    minimize cross_entropy(f(p), label) using momentum(1e-2, beta = 0.9)
    batch 5
}
PROGRAM
check "squares" "$ingot" train squares.ingot --cpu x86-64 -o squares
check "squares: it has some" sh -c '"$1" inspect --stage schedules --cpu x86-64 squares.ingot |
    grep -q "f=32 .*square=4"' sh "$ingot"
check "squares: rows of a batch are likely" sh -c '"$1" inspect squares.ingot --train \
    --stage import | grep -q "^dim N .* hint 5$"' sh "$ingot"
check "squares: a step for any rows has the products of a batch" sh -c '"$1" inspect squares.ingot \
    --train --stage loops | grep -c "_taps .*dims n in" | grep -q "[1-9]"' sh "$ingot"
echo 'dot m=5 n=3 k=1 f32 schedule{rows=1 vectors=1 lanes=4 parts=1}' >list
check "squares: a list of schedules is followed" sh -c '! "$1" train squares.ingot --cpu x86-64 \
    --schedule list -o listed 2>message && grep -q "the model has no such problem" message' sh "$ingot"
for i in 1 2 3; do
    check "squares: $i threads" ./squares --steps 4 --quiet --fresh --save "at$i" --threads "$i"
done
check "squares: of 260 kB" [ "$(wc -c <at1)" -gt 260000 ]
check "squares: two threads" cmp <(tail -c 260000 at1) <(tail -c 260000 at2)
check "squares: three threads" cmp <(tail -c 260000 at1) <(tail -c 260000 at3)
for i in 1 2 3 4 5 6 7 8; do echo "to be, or not to be, that is the question $i"; done \
    >tiny_shakespeare.txt
check "speaker" "$ingot" train "$examples/speaker.ingot" -o speaker
for i in 1 2 3 4 5 6 7 8; do echo "über Berg und Tal $i, und zurück und wieder über Berg und Tal"; done >own.txt
refuse "a text with other characters" "is not in the alphabet" ./speaker --fresh --data text=own.txt
check "a text of one's own decides the alphabet" \
    "$ingot" train "$examples/speaker.ingot" --run --fresh --steps 2 --data text=own.txt --save own.safetensors
check "transformer" "$ingot" train "$examples/transformer.ingot" -o transformer
check "transformer: 500 kB at most" [ "$(wc -c <transformer)" -le 500000 ]
cat >tile.ingot <<'PROGRAM'
net f(x: [.., 64]) -> [.., 256] = x |> dense(256) |> gelu
PROGRAM
check "functions of several tiles are called" sh -c '"$1" build tile.ingot --cpu x86-64-v4 \
    --emit llvm -o tile.ll && grep -q "call .*@erf.f32.16" tile.ll' sh "$ingot"
check "speaker: no names" sh -c 'nm speaker >names 2>nm_said && [ ! -s names ]'
check "speaker: names" sh -c '"$1" train "$2/speaker.ingot" --names -o named &&
    nm named | grep -q "_k0_"' sh "$ingot" "$examples"
check "names of nothing" sh -c '"$1" train "$2/speaker.ingot" --names --run 2>&1 |
    grep -q "in a trainer that -o makes"' sh "$ingot" "$examples"
check "speaker: steps" ./speaker --steps 2 --batch 2 --valid 0 --quiet --save speaker.safetensors
check "speaker: a sample" sh -c \
    './speaker sample prompt="to be" n=20 --save speaker.safetensors >sampled && [ -s sampled ]'
check "speaker: inputs as options" sh -c \
    './speaker sample --prompt "to be" --n=20 --save speaker.safetensors | cmp - sampled'
refuse "speaker: another alphabet" "'X' is not in the alphabet" \
    ./speaker sample prompt=X --save speaker.safetensors

# A text with a line a row stands between marks, in an entry as in the training.
printf 'ab\nabb\nb\n' >lines.txt
cat >lines.ingot <<'PROGRAM'
dim V
net f(x: int<V>[.., T]) -> [.., T, V] = x |> embedding(8) |> dense(V)
train t(x: int<V>[.., T]) {
    data x = chars("lines.txt", pad = true)
    minimize cross_entropy(f(x), x) using adam(1e-2);  epochs 2
}
entry numbers(x: int<V>[S]) -> [S] = real(x)
entry same(x: int<V>[S]) -> int<V>[2 * S] = concat(x, x)
PROGRAM
check "lines" "$ingot" train lines.ingot -o lines
check "lines: train" ./lines --quiet
check "lines: marks" sh -c './lines numbers x=ab | grep -q "1 3 4 2"'
check "lines: up to the end" sh -c '[ "$(./lines same x=ab)" = ab ]'

# ---- a table with categories and missing values ------------------------------------------

awk 'BEGIN {
    srand(3); print "a,b,place,y"
    for (i = 0; i < 1200; i++) {
        a = rand() * 100; b = rand(); p = int(rand() * 3)
        print a "," (i % 50 ? b : "") "," substr("XYZ", p + 1, 1) "," a / 50 - b + p
    } }' >places.csv
cat >places.ingot <<'PROGRAM'
dim P
net price(x: [.., 2], near: int<P>[..]) -> [..] =
    concat(standardize(x), onehot(near)) |> dense(32) |> relu |> dense(1) |> scalar
train places(x: [.., 2], near: int<P>[..], y: [..]) {
    data x, near, y = "places.csv"
    e = price(x, near) - y
    minimize e^2 using adam(1e-2)
    track rmse = sqrt(mean[..] e^2)
    valid 0.2;  test 0.1;  epochs 30;  stop after 10 without lower valid.rmse
}
PROGRAM
check "places: trainer" "$ingot" train places.ingot -o places
check "places: size" sh -c '[ "$(stat -c %s places)" -lt 500000 ]'
check "places" ./places --log log.csv --save one.safetensors --threads 1
check "places: rmse" below rmse 0.2 valid
check "places: test" below rmse 0.3 test
check "places: threads" ./places --save two.safetensors --threads 2
check "places: any threads" cmp <(tail -c 2600 one.safetensors) <(tail -c 2600 two.safetensors)
check "places: info" sh -c './places --info | grep -q "near: i64\[..\] below 3"'
sed '7s/.*/1,2,Q,3/' places.csv >bad.csv
refuse "unknown category" "bad.csv:7: place: 'Q' is none of the 3 categories" \
    ./places --fresh --data x,near,y=bad.csv
sed '9s/.*/1,2/' places.csv >bad.csv
refuse "short row" "bad.csv:9: 2 fields, the header has 4" ./places --fresh --data x,near,y=bad.csv
refuse "two files" "exists; --resume goes on from it" ./places --save one.safetensors

# A header as pandas writes it, with its index, has no name for one column: none is looked for.
printf '%s\n' ,a,y 0,1,2 1,2,4 >index.csv
printf '%s\n' y,i,a 0,1,2 >turned.csv
printf '%s\n' y,a, 0,1,2 >behind.csv
cat >index.ingot <<'PROGRAM'
net f(x: [.., 2]) -> [..] = x |> dense(1) |> scalar
train t(x: [.., 2], y: [..]) { data x, y = "index.csv";  minimize (f(x) - y)^2 using sgd(0.1);  epochs 1 }
PROGRAM
check "a column without a name" "$ingot" train index.ingot -o index
for table in index turned behind; do
    check "a column without a name: $table" ./index --fresh --test x,y=$table.csv
done
printf '%s\n' i,a,y 0,1,2 1,2,4 >index.csv
check "all have names: another order" ./index --fresh --test x,y=turned.csv
refuse "all have names: not these" "behind.csv: has no column 'i', as the training data have" \
    ./index --fresh --test x,y=behind.csv

# Where the training data name the classes, a table has names, or the numbers themselves.
cat >named.py <<'PYTHON'
import struct, zipfile
def npy(type, shape, data):
    head = f"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
    return b'\x93NUMPY\1\0' + struct.pack('<H', 118) + head.encode() + data
for path, names in ('named.npz', b'ant\nbee\ncow\n'), ('digits.npz', b'1\n2\n7\n'):
    with zipfile.ZipFile(path, 'w') as z:
        z.writestr('label.npy', npy('<i8', (3,), struct.pack('<3q', 0, 1, 2)))
        z.writestr('label.names', names)
PYTHON
python3 named.py
printf '%s\n' 0 1 2 >numbers.csv
printf '%s\n' cow bee ant >names.csv
printf '%s\n' 0 3 >above.csv
cat >kinds.ingot <<'PROGRAM'
net f(x: [.., 3]) -> [.., 3] = x |> dense(3)
train t(k: int<3>[..]) {
    data k = "named.npz"["label"]
    minimize cross_entropy(f(onehot(k)), k) using sgd(0.1);  epochs 1
}
PROGRAM
check "kinds" "$ingot" train kinds.ingot -o kinds
check "kinds: a table of names" ./kinds --fresh --test k=names.csv
check "kinds: a table of numbers" ./kinds --fresh --test k=numbers.csv
refuse "kinds: a number above" "above.csv:2: column 1: '3' is none of the 3 categories" \
    ./kinds --fresh --test k=above.csv
refuse "kinds: names that are numbers" "numbers.csv:1: column 1: '0' is none of the 3 categories" \
    ./kinds --fresh --data 'k="digits.npz"["label"]' --test k=numbers.csv

# ---- numbers that the trainer takes ------------------------------------------------------------

cat >knobs.ingot <<'PROGRAM'
config lr = 0.5, hidden = 3, keep = 0.5
net xor(x: [.., 2]) -> [..] = x |> dense(hidden) |> sigmoid |> dense(1) |> sigmoid |> scalar
train bp(x: [.., 2], t: [..]) {
    data x, t = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    minimize (xor(x) - t)^2 / 2 using sgd(lr);  track rate = lr;  epochs 3;  valid keep
}
PROGRAM
check "knobs: trainer" "$ingot" train knobs.ingot -o knobs
check "knobs" ./knobs --quiet --log log.csv --set lr=0.25
check "knobs: the rate" grep -q '^3,3,train,.*,0.25,0.25,' log.csv
check "knobs: on the way" ./knobs --resume --quiet --log log.csv --set lr=0.125 --epochs 4
check "knobs: another rate" grep -q '^4,4,train,.*,0.125,0.125,' log.csv
refuse "knobs: a shape" "'hidden' is compiled into the trainer: give it to \`ingot train\`" ./knobs --fresh --set hidden=4
refuse "knobs: a misspelt shape" "no config 'hidde'; did you mean 'hidden'?" ./knobs --fresh --set hidde=4
refuse "knobs: a share of rows" "give it to \`ingot train\`" ./knobs --fresh --set keep=0.25
refuse "knobs: half a step" "or a whole number of steps, not '2.5'" ./knobs --fresh --every 2.5
refuse "knobs: too many steps" "or a whole number of steps, not '1e30'" ./knobs --fresh --every 1e30
refuse "knobs: another seed on the way" "was begun with --seed 0, not 7; --fresh begins anew" \
    ./knobs --resume --seed 7
refuse "knobs: other first weights on the way" "--init is for a beginning" \
    ./knobs --resume --init knobs.safetensors
tell "knobs: other steps on the way" "goes on in steps of 1 rows, not 2" \
    ./knobs --resume --epochs 5 --batch 1
refuse "knobs: other steps on the way, without a word" "in steps of 1 rows, now they have 2: give --batch" \
    ./knobs --resume --epochs 6
check "knobs: the same seed, the same steps" ./knobs --resume --epochs 6 --batch 1 --seed 0
check "equal trainings" ./knobs --quiet --fresh --save equal1.safetensors
check "equal trainings" ./knobs --quiet --fresh --save equal2.safetensors --threads 1
check "equal trainings: equal files" cmp equal1.safetensors equal2.safetensors
check "the seconds of a log" ./knobs --quiet --fresh --log log.csv --epochs 3000
check "the seconds of a log go on" sh -c './knobs --quiet --resume --log log.csv --epochs 3001 &&
    awk -F, "NR > 1 { if (\$NF < last) exit 1; last = \$NF }" log.csv'
refuse "knobs: one twice" "--set lr is given twice: 0.5 and 0.25" ./knobs --set lr=0.5 --set lr=0.25
check "knobs: inference" "$ingot" build knobs.ingot --weights knobs.safetensors -o alone
check "knobs: more of them" "$ingot" train knobs.ingot --set lr=0.75 -o knobs
refuse "knobs: another program" "of another version of this one" ./knobs --resume

# ---- several batches a step, entries -----------------------------------------------------------

sed 's/epochs 30;/batch 32; epochs 3;/' places.ingot >large.ingot
sed 's/epochs 30;/batch 8; accumulate 4; epochs 3;/' places.ingot >small.ingot
cat >>small.ingot <<'PROGRAM'
entry cost(x: [.., 2], near: int<P>[..]) -> [..] = price(x, near)
entry double(b = 0.5) -> [4] = [1, 1, 1, 1] * b
PROGRAM
check "large batches" "$ingot" train large.ingot --run --log large.csv
check "small batches: trainer" "$ingot" train small.ingot -o small
check "small batches" ./small --log small.csv --save small.safetensors
check "the same losses" cmp <(cut -d, -f4 large.csv | cut -c1-5) <(cut -d, -f4 small.csv | cut -c1-5)
check "an entry" sh -c './small double b=0.25 --save small.safetensors | grep -q "0.25 0.25 0.25"'
refuse "an entry without input" "x is not given" ./small cost --save small.safetensors
refuse "an unknown entry" "no block or entry 'tripple'" ./small tripple

# npy TYPE SHAPE BYTES: an array as a file.
npy()
{
    printf '\223NUMPY\1\0\166\0%-117s\n' "{'descr': '$1', 'fortran_order': False, 'shape': $2, }"
    printf "$3"
}
cat >nets.ingot <<'PROGRAM'
net f(x: [.., 1]) -> [..] = x |> dense(1) |> scalar
net g = f
net template(x) = x |> dense(1)
net idle(x: [.., 1]) -> [..] = x |> dense(7) |> dense(1) |> scalar
train t(x: [.., 1], y: [..]) {
    data x, y = [[1, 2], [2, 4]];  epochs 1
    minimize (f(x) + 2 * g(x) + (x |> template |> scalar) - y)^2 using sgd(0.1)
}
entry same(x: [.., 1]) -> [..] = f(x)
PROGRAM
check "nets" "$ingot" train nets.ingot -o nets
check "nets: train" ./nets --quiet
npy '<f4' '(2, 1)' '\0\0\200\77\0\0\0\100' >one.npy
for entry in f g same; do
    check "nets: $entry" ./nets $entry x=one.npy -o $entry.npy
done
check "nets: a net as an entry" cmp f.npy same.npy
check "nets: a list" ./nets f x='[[1], [2]]' -o list.npy
check "nets: a list is a file's numbers" cmp f.npy list.npy
refuse "nets: a list of another rank" "input 'x' has 2 axes, 1 are given" ./nets f x='[1, 2]'
npy '<f4' '(0, 1)' '' >none.npy
refuse "nets: no rows" "input 'x', axis 0: 'N' must be from 1 to" ./nets f x=none.npy
refuse "nets: an input twice" "input 'x' is given twice: 'one.npy' and 'two.npy'" \
    ./nets f x=one.npy x=two.npy
refuse "nets: a log of an entry" "--log is for a training, and 'f' is an entry" \
    ./nets f x=one.npy --log log.csv
refuse "nets: a result of a training" "--save is where the weights go" ./nets --fresh -o w.safetensors
refuse "nets: another input" "input 'y' is unknown: give x" ./nets f y=one.npy
refuse "nets: a file alone" "'one.npy' is no NAME=VALUE" ./nets f one.npy
refuse "nets: no value" "--x takes a number, a list or a file, not ''" ./nets f x=
gzip -c one.npy >one.npy.gz
echo 'entry main(x: [.., 1]) -> [..] = scalar(x)' >same.ingot
check "a packed file by its input's name" "$ingot" run same.ingot x=one.npy.gz
check "nets: a net of a net" sh -c '! cmp -s f.npy g.npy'
refuse "nets: a template" "no block or entry 'template'" ./nets template x=one.npy
refuse "nets: one that nothing trains" "no block or entry 'idle'" ./nets idle x=one.npy

# ---- a page of a training ------------------------------------------------------------------------

# page FILE: is it a page, whole, and without references to elsewhere?
page()
{
    python3 - "$1" <<'PYTHON'
import base64, html.parser, re, sys, zlib
text = open(sys.argv[1], encoding='utf-8').read()
void, open_tags = {'meta', 'img'}, []
class Tags(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        if tag not in void:
            open_tags.append(tag)
        for name, value in attrs:
            assert name not in ('src', 'href') or value.startswith('data:'), value
    def handle_endtag(self, tag):
        assert open_tags.pop() == tag, tag
Tags().feed(text)
assert not open_tags and 'NaN' not in text and '>nan' not in text
for picture in re.findall('data:image/png;base64,([^"]*)', text):
    data = base64.b64decode(picture, validate=True)
    at, names = 8, []
    while at < len(data):
        size, name = int.from_bytes(data[at:at + 4], 'big'), data[at + 4:at + 8]
        body = data[at + 4:at + 8 + size]
        assert zlib.crc32(body) == int.from_bytes(data[at + 8 + size:at + 12 + size], 'big')
        names.append(name)
        if name == b'IDAT':
            lines = zlib.decompress(body[4:])
            assert sorted(lines) == [0] * 5 + [255] and lines[0] == lines[3] == 0
        at += 12 + size
    assert names == [b'IHDR', b'IDAT', b'IEND']
PYTHON
}

cat >sides.ingot <<'PROGRAM'
net side(x: u8[.., 2, 2]) -> [.., 2] = real(x) / 255 |> flatten |> dense(2)
train learn(x: u8[.., 2, 2], label: int<2>[..]) {
    data x = "sides.idx", label = "labels.idx"
    minimize cross_entropy(side(x), label) using adam(0.1);  epochs 40
}
entry classify(x: u8[.., 2, 2]) -> int<2>[..] = argmax(side(x))
PROGRAM
printf '\0\0\10\3\0\0\0\4\0\0\0\2\0\0\0\2\377\0\0\0\0\377\0\0\0\0\377\0\0\0\0\377' >sides.idx
printf '\0\0\10\1\0\0\0\4\0\0\1\1' >labels.idx
check "a page of classes" "$ingot" train sides.ingot --run --quiet --report sides.html
check "a page of classes is whole" page sides.html
check "a page of classes: all right" grep -q "4 of 4 are right: 100.00 %" sides.html
check "a page of classes: pictures" sh -c '[ "$(grep -o data:image/png sides.html | wc -l)" = 4 ]'
check "a page of numbers" "$ingot" train small.ingot --run --quiet --fresh --epochs 2 \
    --report small.html --log page.csv
check "a page of numbers is whole" page small.html
check "a page of numbers: the rest" grep -q "of the variance is explained" small.html
check "a page goes on" "$ingot" train small.ingot --run --quiet --resume --epochs 3 \
    --report small.html --log page.csv
check "a page goes on with the curves" sh -c \
    'grep -o "points=\"[^\"]*" small.html | head -n 1 | grep -q " .* "'

# judged NAME ENTRY TEXT [TYPE]: a net is trained on rows of four numbers, in a program with the
# entry; the page has the text, and what was trained is saved.
judged()
{
    rm -f judged.*
    printf '%s\n' "state seen: int = 0" "net f(x: [.., 4]) -> [..] = x |> dense(1) |> scalar" \
        "train learn(x: [.., 4], y: ${4:-}[..]) {" '    data x, y = "judged_rows.csv"' \
        "    minimize (f(x) - real(y))^2 using sgd(0.01);  epochs 3" "}" "$2" >judged.ingot
    check "judged: $1" "$ingot" train judged.ingot --run --quiet --report judged.html
    check "judged: $1: the page" page judged.html
    check "judged: $1: says" grep -qF -- "$3" judged.html
    check "judged: $1: saved" test -s judged.safetensors
}
awk 'BEGIN { print "a,b,c,d,y"
    for (i = 0; i < 300; i++) print i % 7 / 7 "," i % 5 / 5 "," i % 3 / 3 ",1," i % 2 }' >judged_rows.csv
judged "an entry of one row" 'entry one(x: [1, 4]) -> [1] = f(x)' "What the objective of <code>learn</code> compares"
judged "an entry of other rows" 'entry p(x: [.., 7]) -> [..] = sum[i] x[.., i]' "What the objective of <code>learn</code> compares"
judged "an entry without rows" 'dim N
entry total(x: [N, 4]) -> [4] { y[j] = sum[i] x[i, j] }' "What the objective of <code>learn</code> compares"
judged "an entry that cannot run" 'dim N
entry p(x: [N, N]) -> [N] = sum[i] x[.., i]' "Nothing is judged: "
judged "no table of very many classes" 'entry p(x: [.., 4]) -> int[..] = int(0 * f(x))' \
    "150 of 300 are right" "int<4294967296>"
judged "answers that are no numbers" 'entry p(x: [.., 4]) -> [..] = log(sum[k] x[.., k] - 1.3)' \
    "answers are no numbers, and are left out"
check "judged: no points of them" sh -c '! grep -q "\"-*nan\|\"-*inf" judged.html'
judged "an entry that writes" 'entry p(x: [.., 4]) -> [..] { seen <- seen + 1; f(x) }' \
    "of the variance is explained"
rm judged.html
check "judged: a finished training" "$ingot" train judged.ingot --run --quiet --resume \
    --report judged.html
check "judged: a finished training: the page" page judged.html
check "judged: a finished training: the answers" grep -q "of the variance is explained" judged.html
refuse "judged: a page that cannot be" "none/x.html: cannot be written: No such file" \
    "$ingot" train judged.ingot --run --fresh --report none/x.html --log never.csv
check "judged: a page that cannot be: nothing was trained" test ! -e never.csv
sed -n '3,6p' judged.ingot | sed 's/learn/again/' >>judged.ingot
check "judged: two blocks" "$ingot" train judged.ingot --run --quiet --fresh --report judged.html
check "judged: two blocks without a page" "$ingot" train judged.ingot --run --quiet --save bare.safetensors
check "judged: the page writes no state" cmp \
    <(tail -c 44 judged.safetensors) <(tail -c 44 bare.safetensors)

# compared NAME OBJECTIVE TEXT [ROWS [ITEM]]: what the page of a training by this objective says, whose program
# has no entry: y is a number, k a class, b 0 or 1, o a number twice.
compared()
{
    rm -f compared.*
    cat >compared.ingot <<PROGRAM
${5:-}
net f(x: [.., 4]) -> [..] = x |> dense(1) |> scalar
net g(x: [.., 4]) -> [.., 3] = x |> dense(3)
net h(x: [.., 4]) -> [.., 2] = x |> dense(2)
train learn(x: [${4:-..}, 4], y: [${4:-..}], k: int<3>[${4:-..}], b: int<2>[${4:-..}], o: [${4:-..}, 2]) {
    data x, y, k, b, o = "compared_rows.csv"
    e = f(x) - y / 10
    $2 using adam(1e-2);  epochs 3;  test 0.5
}
PROGRAM
    check "compared: $1" "$ingot" train compared.ingot --run --quiet --report compared.html
    check "compared: $1: the page" page compared.html
    check "compared: $1: says" grep -qF -- "$3" compared.html
}
awk 'BEGIN { print "one,two,three,four,price,kind,is,left,right"
    for (i = 0; i < 100; i++) print i % 7 / 7 "," i % 5 / 5 "," i % 3 / 3 ",1," i % 2 "," i % 3 \
        "," i % 2 "," i % 4 "," i % 5 }' >compared_rows.csv
for rows in .. N; do
    compared "scores, $rows" 'minimize cross_entropy(g(x), k)' "of 50 are right" $rows
    compared "numbers, $rows" 'minimize e^2 / 2' "of the variance is explained" $rows
    compared "logits, $rows" 'minimize bce(f(x), real(b))' "of 50 are right" $rows
done
check "compared: names of columns" grep -q \
    "<th>said</th><th>is</th><th>one</th><th>two</th><th>three</th><th>four</th><th>price</th>" compared.html
compared "what is, less what is said" 'minimize 0.5 * (y - f(x))^2' "of the variance is explained"
compared "mse" 'minimize mse(f(x), y)' "of the variance is explained"
compared "smoothed" 'minimize label_smoothed(0.1)(g(x), k)' "of 50 are right"
compared "two numbers a row" 'minimize (h(x) - o)^2' "would be judged here"
# turned OBJECTIVE: on its page a net's numbers are said, the tenth of y is.
turned()
{
    compared "$1" "minimize $1" "of the variance is explained"
    check "compared: $1: a row" grep -qE '^<tr><td>-?0\.[0-9]{3,}</td><td>0\.1</td>' compared.html
    check "compared: $1: no row is turned" sh -c \
        '! grep -qE "^<tr><td>0(\.1)?</td><td>-?0\.[0-9]{3,}</td>" compared.html'
}
turned '(f(x) - y / 10)^2'
turned '(y / 10 - f(x))^2'
turned 'mse(f(x), y / 10)'
turned 'mae(y / 10, f(x))'
turned 'huber(real(b) / 10, f(x))'
compared "a function of the name mse" 'minimize mse(f(x), y)' "would be judged here" .. 'fn mse(x, t) = x * t'
compared "a name that is something else by now" 'z = f(x);  d = z - y;  z = 0 * z;  minimize d^2' \
    "would be judged here"
compared "a difference that is something else in a loop" 'z = f(x);  d = z - y
    repeat i in 2 { d = 2 * d }
    minimize d^2' "would be judged here"
compared "a name that was something else" 'z = x;  z = f(z);  d = z - y;  minimize d^2' \
    "of the variance is explained"
compared "another form" 'minimize log(1 + e^2)' "would be judged here"
compared "the second of two" 'minimize exp(e) over f using adam(1e-3)
    minimize cross_entropy(g(x), k) over g' "of 50 are right"
cat >shades.py <<'PYTHON'
import struct
with open('shades.npy', 'wb') as f:
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 64), }".ljust(117) + '\n'
    f.write(b'\x93NUMPY\1\0' + struct.pack('<H', 118) + head.encode())
    f.write(struct.pack('<256f', *(i % 7 - 3 for i in range(256))))
PYTHON
python3 shades.py
cat >shades.ingot <<'PROGRAM'
net f(x: [.., 64]) -> [.., 2] = x |> dense(2)
train learn(x: [.., 64], label: int<2>[..]) {
    data x = "shades.npy", label = [0, 1, 0, 1]
    minimize cross_entropy(f(x), label) using adam(0.1);  epochs 3
}
PROGRAM
check "reals that are pictures" "$ingot" train shades.ingot --run --quiet --report shades.html
check "reals that are pictures: shown" sh -c '[ "$(grep -o data:image/png shades.html | wc -l)" = 4 ]'

# Bytes of a text and columns of a table are no pictures, as many as they may be.
printf '%512s' '' | tr ' ' 'a' >plain.txt
awk 'BEGIN { for (i = 0; i < 4; i++) { for (k = 0; k < 64; k++) printf "%d,", i * k; print i % 2 } }' >wide.csv
awk 'BEGIN { for (i = 0; i < 4; i++) { for (k = 0; k < 10; k++) printf "%d,", i * k; print i % 2 } }' >ten.csv
# shown NAME COLUMN DATA: is the page of a training on them a table?
shown()
{
    cat >plain.ingot <<PROGRAM
net f(x: $2) -> [..] = real(x) / 255 |> dense(1) |> scalar
train learn(x: $2, y: [..]) { $3;  minimize (f(x) - y)^2 using sgd(1e-4);  epochs 1 }
PROGRAM
    check "no pictures: $1" "$ingot" train plain.ingot --run --quiet --fresh --report plain.html
    check "no pictures: $1: none" sh -c '! grep -q "<img" plain.html && grep -q "<th>is</th>" plain.html'
}
shown "a text" 'u8[.., 64]' 'data x = windows(bytes("plain.txt"), 64, 128), y = [0, 1, 0, 1]'
shown "a table" '[.., 64]' 'data x, y = "wide.csv"'
check "no pictures: more columns" grep -qF '<th>..</th>' plain.html
shown "ten columns" '[.., 10]' 'data x, y = "ten.csv"'
check "no pictures: no more columns" sh -c '! grep -qF "<th>..</th>" plain.html'

check "weights of one training" "$ingot" train sides.ingot -o sides
cp sides.safetensors same.safetensors
sed 's/adam(0.1)/adam(0.2)/' sides.ingot >others.ingot
check "weights of another" "$ingot" train others.ingot -o others
refuse "an entry with a file of another program" "same.safetensors: is of another program, 'sides'" \
    ./others classify x=sides.idx --save same.safetensors
check "an entry with weights of another program" ./others classify x=sides.idx --init same.safetensors
check "an entry with its own" ./sides classify x=sides.idx

# ---- several blocks in one picture, log and page --------------------------------------------------

cat >turns.ingot <<'PROGRAM'
net f(x: [.., 2]) -> [..] = x |> dense(1) |> scalar
train first(x: [.., 2], t: [..]) {
    data x, t = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]];  test x, t = [[1, 1, 1]]
    minimize (f(x) - t)^2 using sgd(0.05);  track far = abs(f(x) - t);  epochs 1000;  batch 1
}
train second(x: [.., 2], t: [..]) {
    data x, t = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]];  test x, t = [[1, 1, 1]]
    minimize (f(x) - t)^2 using sgd(0.05);  epochs 6000;  batch 1
}
PROGRAM
cat >turns.py <<'PYTHON'
"""Lines never go back; two for each colour of the first diagram, with a mark between them; the
page has results of both blocks, as the log has them."""
import csv, re, sys
picture, page = open('turns.svg').read(), open('turns.html').read()
lines = re.findall('points="([^"]*)"', picture)
for line in lines:
    x = [float(p.split(',')[0]) for p in line.split()]
    assert x == sorted(x), line[:80]
far = picture.index('>far<')
assert len(re.findall('<polyline', picture[:far])) == 4 and picture[:far].count('dasharray') == 1
assert picture[:far].count('<circle') == 2
begin = float(re.search('line x1="([0-9.]*)"[^>]*dasharray', picture).group(1))
ends = [[float(p.split(',')[0]) for p in line.split()] for line in lines[:2]]
assert ends[0][-1] <= begin <= ends[1][0] and begin - ends[0][-1] < 0.2, ends
with open('turns.csv', newline='') as f:
    rows = list(csv.DictReader(f))
for name, epochs in ('first', '1000'), ('second', '6000'):
    of = [r for r in rows if r['block'] == name]
    assert of[-1]['part'] == 'test' and of[-1]['epoch'] == epochs
    test = f'<tr><td>{name}</td><td>test</td><td>{epochs}</td><td>{float(of[-1]["loss"]):.5g}</td>'
    assert test in page, test
PYTHON
check "two blocks" "$ingot" train turns.ingot --run --quiet --log turns.csv --plot turns.svg --report turns.html
check "two blocks: picture, log, page" python3 turns.py
check "two blocks: the page is whole" page turns.html
cp turns.svg whole.svg
cut -d, -f1-6 turns.csv >whole.csv
rm turns.s* turns.csv
check "two blocks: the first" "$ingot" train turns.ingot --run --quiet --steps 300 --log turns.csv
check "two blocks: gone on" "$ingot" train turns.ingot --run --quiet --fresh --log turns.csv --time 0.01
check "two blocks: to the end" "$ingot" train turns.ingot --run --quiet --resume --log turns.csv --plot turns.svg
check "two blocks: the log of both" cmp <(cut -d, -f1-6 turns.csv) whole.csv
check "two blocks: the picture of both" cmp turns.svg whole.svg
check "powers of ten, and twice and five times those" sh -c \
    'grep -q ">0.05<" turns.svg && grep -q ">0.2<" turns.svg && ! grep -q ">0.0[1-9][1-9][0-9]*<" turns.svg'

# ---- files that are one ---------------------------------------------------------------------------

# apart NAME TEXT COMMAND...: is wrong usage, which says so, and sides.idx is what it was.
apart()
{
    "${@:3}" >"$dir/out" 2>&1
    [ $? = 2 ] && grep -qF -- "$2" "$dir/out" && cmp -s sides.idx sides.kept
    verdict $? "$1"
}
cp sides.idx sides.kept
ln -f sides.idx linked
side=("$ingot" train sides.ingot --run --fresh --epochs 1)
apart "weights over data" "--save and a file of the training data are one file, sides.idx" \
    "${side[@]}" --save sides.idx
apart "a log over data, by a link" "--log and a file of the training data" "${side[@]}" --log linked
apart "a plot over packed data" "--plot and a file of the training data" \
    "${side[@]}" --data x=sides.idx --plot sides.idx.gz
apart "a plot over weights" "--plot and --save are one file" \
    "${side[@]}" --plot sides.safetensors
apart "a page over a log" "--report and --log are one file" "${side[@]}" --log q --report ./q
apart "weights over the program" "--save and what is trained" "${side[@]}" --save sides.ingot
apart "a log over first weights" "--log and --init are one file" \
    "${side[@]}" --init first --log first
check "a trainer" "$ingot" train sides.ingot -o sides
apart "a trainer's log over its weights" "--log and --save are one file" \
    ./sides --log sides.safetensors
refuse "mpirun of a trainer for one process" "mpirun starts trainers that \`ingot train --shards" \
    env OMPI_COMM_WORLD_SIZE=4 flock held.lock ./sides --save held
refuse "another trainer, without mpirun" "another trainer is writing to it" \
    flock held.lock ./sides --save held
silent "another trainer: nothing of mpirun" mpirun
refuse "--mpi without shards" "give --shards N" "$ingot" train sides.ingot --mpi -o team
cat >knob.ingot <<'PROGRAM'
config speed = 0.5
net f(x: [..]) -> [..] { param w = 1; w * x }
train t(x: [..]) { data x = [1, 2]; minimize f(x)^2 using sgd(speed * 0.01); epochs 3 }
PROGRAM
check "a number of a trainer" "$ingot" train knob.ingot -o knob
refuse "a misspelt number" "did you mean 'speed'?" ./knob --set sped=0.1
tell "two outputs that go nowhere" "saved" "${side[@]}" --log /dev/null --plot /dev/null
refuse "no folder for the trained model" "none/m.onnx: cannot be written: No such file" \
    "${side[@]}" --save never --save-onnx none/m.onnx
check "no folder: nothing is trained" test ! -e never

mkdir folder
refuse "a folder as --save" "folder: is a folder" ./once --fresh --save folder
silent "a folder as --save: told before the training" epoch
refuse "a device as --save" "/dev/null: is not a regular file" ./once --fresh --save /dev/null

# ---- a file that cannot be written -----------------------------------------------------------------

# full ARGUMENT...: steps where no file may have more than a kilobyte.
full()
{
    (ulimit -f 1; ./sides --steps 6 --batch 4 --every 1 --save full "$@" 2>&1; true) | cat >said
}
full
check "a full disk: no checkpoint before it" grep -q \
    "^warning: full: cannot be written: File too large; there is no checkpoint before it" said
check "a full disk: told once" sh -c '[ "$(grep -c "^warning" said)" = 1 ]'
check "room again" ./sides --steps 2 --save full
full --resume
check "a full disk: the checkpoint before it" grep -q "^warning: .*the checkpoint before it is kept" said

# ---- bad data -------------------------------------------------------------------------------------

printf '\0\0\10\1\0\0\0\4\1\1\1\1' >ones.idx
tell "one class" "all 4 training rows have 1 as 'label'" \
    "$ingot" train sides.ingot --run --fresh --epochs 1 --data label=ones.idx
head -c 20 sides.idx >cut.idx
refuse "a file is cut off" "cut.idx: cut off, 32 bytes expected, 20 found" \
    "$ingot" train sides.ingot --run --fresh --data x=cut.idx
printf '\0\0\10\1\0\0\0\4\0\0\3\1' >three.idx
refuse "a label is out of range" "three.idx: row 3: 3, must be below 2" \
    "$ingot" train sides.ingot --run --fresh --data label=three.idx
refuse "a source without quotes" 'a file in quotes, as "f.npz"["x"]' \
    "$ingot" train sides.ingot --run --fresh --data 'x=sides.npz["x"]'
refuse "rows of one file are missing" "'x' has 4 rows, 'label' has 3" \
    "$ingot" train sides.ingot --run --fresh --data 'label=[0, 1, 1]'
printf '\0\0\10\1\0\0\0\0' >none.idx
refuse "no rows" "none.idx: has no rows" \
    "$ingot" train sides.ingot --run --fresh --data label=none.idx

# A file that becomes shorter while it is mapped: the checkpoint before it stays, and no lock.
cat >cut.ingot <<'PROGRAM'
net f(x: [.., 1]) -> [..] = x |> dense(1) |> scalar
train t(x: [.., 1]) { data x = "long.npy";  minimize (f(x) - 1)^2 using sgd(1e-3);  batch 64 }
PROGRAM
{ npy '<f4' '(65536, 1)' ''; head -c 262144 /dev/zero; } >long.npy
cp long.npy whole.npy
check "a trainer of a long file" "$ingot" train cut.ingot -o cut
# shortened SIZE: is the message that of a file that was shortened, the exit code 1, and no lock
# left?
shortened()
{
    rm -f cut.safetensors*
    timeout 60 ./cut --quiet --epochs 1000000 --every 100 2>said & local trainer=$!
    for _ in $(seq 600); do [ -s cut.safetensors ] && break; sleep 0.1; done
    truncate -s "$1" long.npy
    wait "$trainer"
    [ $? = 1 ] && grep -q "long.npy: was cut off" said && [ ! -e cut.safetensors.lock ]
}
check "a file is cut off in its last page in the training" shortened 262200
cp whole.npy long.npy
check "a file is cut off in the training" shortened 4096
cp whole.npy long.npy
check "the checkpoint before it" ./cut --resume --quiet --time 1s
# hung_up COMMAND...: does a hang-up end the step, save and say so?  Under nohup, too, whose
# children ignore it.
hung_up()
{
    rm -f cut.safetensors*
    env --default-signal=HUP "$@" --epochs 1000000 --every 100 --time 60s >said 2>&1 & local trainer=$!
    for _ in $(seq 600); do [ -s cut.safetensors ] && break; sleep 0.1; done
    kill -HUP "$trainer"
    wait "$trainer"
    [ $? = 129 ] && grep -q "interrupted; saved cut.safetensors" said
}
check "a hang-up" hung_up ./cut --threads 1

# ---- numbers of layers, states that are written in places, a library ------------------------------

cat >watched.ingot <<'PROGRAM'
layer watched(x: [.., K]) -> [.., K] { track size = sum[k] x[k]^2;  x }
net f(x: [.., 2]) -> [..] = x |> dense(4) |> tanh |> watched |> dense(1) |> scalar
state seen: [8] = 0
train t(x: [.., 2], y: [..]) {
    data x, y = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    slot[e in 2] = (2 * step + e) % 8
    v[e in 2] = real(step) + 0 * e
    seen[slot[e]] <- v[e]
    minimize (f(x) - y)^2 using adam(0.05);  epochs 300
}
PROGRAM
check "a layer's number" "$ingot" train watched.ingot --run --log log.csv
check "a layer's number is logged" below f.watched1.size 4
check "a layer's net learns" below loss 0.01
check "a library" "$ingot" train watched.ingot --emit lib -o libwatched.a
check "a library: header" grep -q "watched_t_step_run" watched.h

cat >lost.ingot <<'PROGRAM'
net f(x: [..]) -> [..] { param w = 1; w * x }
train t(x: [..]) {
    data x = [1, 2, 3];  test x = [-1, 1];  minimize f(x)^2 using sgd(0.001);  epochs 2
    track size = log(x)
}
PROGRAM
tell "a metric that is no number" "  size nan" "$ingot" train lost.ingot --run --log log.csv
check "a metric that is no number: logged" grep -q "^2,2,test,.*,nan," log.csv

# ---- what was trained is built without the training ------------------------------------------------

check "a net with trained weights" "$ingot" build small.ingot --weights small.safetensors \
    --dim P=3 -o alone
check "a net with trained weights runs" sh -c './alone --help | grep -q cost'

# ---- programs that are wrong ------------------------------------------------------------------

wrong()
{
    printf '%s\n' "$3" >wrong.ingot
    refuse "$1" "$2" "$ingot" train wrong.ingot --run
}
wrong "no block" "has no train block" 'net f(x: [.., 2]) -> [.., 2] = x'
wrong "no optimizer" "the objective has no optimizer" 'net f(x: [..]) -> [..] { param w = 1; w * x }
train t(x: [..]) { data x = [1, 2]; minimize f(x)^2 }'
wrong "nothing to train" "the objective does not depend on a parameter" 'train t(x: [..]) {
    data x = [1, 2]; minimize x^2 using sgd(1) }'
wrong "unknown column" "train t has no column z" 'net f(x: [..]) -> [..] { param w = 1; w * x }
train t(x: [..]) { data z = [1, 2]; minimize f(x)^2 using sgd(1) }'
wrong "lost numbers" "loss is " 'net f(x: [..]) -> [..] { param w = 1; w * x }
train t(x: [..]) { data x = [1, 2]; minimize f(x)^4 using sgd(1e9); epochs 100 }'
summary
