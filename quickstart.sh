#!/usr/bin/env bash
# Builds ingot, turns a trained network into an executable, and runs it.
#
# The network is magika, which tells the type of a file from its bytes; the
# executable then looks at a file of yours or, without one, at this script.
#   ./quickstart.sh [FILE]
#   ./quickstart.sh --train
# The second trains a convolutional network on 60,000 pictures of clothes instead, in under
# a minute, and draws its curve.  Both install missing Debian packages (as root or by
# sudo), ask nothing, and can be run again.  Everything they write lies in build/.
set -euo pipefail

usage="usage: ./quickstart.sh [FILE | --train]"

wrong()
{
    printf 'error: %s\n%s\n' "$1" "$usage" >&2
    exit 2
}

case ${1:-} in
--help | -h)
    echo "$usage"
    echo "Builds ingot and an executable that tells what FILE is (default: this script),"
    echo "or, with --train, one that learns to tell clothes, and draws how it learns."
    exit
    ;;
--train) train=1 && shift ;;
-*) wrong "there is no option $1" ;;
esac
[ $# -le 1 ] || wrong "one file at a time"
file=${1:-$0}
if [ ! -f "$file" ] || [ ! -r "$file" ]; then
    wrong "$file is no file that can be read"
fi
file=$(realpath "$file")
cd "$(dirname "$0")"
exec </dev/null
. scripts/setup.sh

# clothes FOLDER: puts the files of Debian's package dataset-fashion-mnist there.
clothes()
{
    local from=/usr/share/datasets/fashion-mnist
    if [ ! -d $from ]; then
        from=$1/package$from
        mkdir -p "$1/package"
        (cd "$1/package" && { apt-get -qq download dataset-fashion-mnist ||
            { as_root apt-get -qq update && apt-get -qq download dataset-fashion-mnist; }; } &&
            dpkg -x dataset-fashion-mnist_*.deb .)
    fi
    ln -sf "$(realpath "$from")"/*.gz "$1"
}

train()
{
    local to=build/clothes
    mkdir -p $to
    [ -e $to/train-images-idx3-ubyte.gz ] || { say "fetching pictures of clothes" && clothes $to; }
    say "compiling examples/digits_conv.ingot to $to/trainer"
    build/ingot train examples/digits_conv.ingot -o $to/trainer
    say "training it: 60,000 pictures, twice"
    (cd $to && ./trainer --fresh --epochs 2 --log log.csv --plot curve.svg)
    python3 scripts/curve.py $to/log.csv
    say "the curves of loss and accuracy as a picture: $to/curve.svg"
    say "what was learned, alone: build/ingot build examples/digits_conv.ingot" \
        "--weights $to/digits_conv.safetensors -o classify"
}

mkdir -p build
install_packages
make_venv
build_in build
if [ "${train:-}" ]; then
    train
    exit
fi
say "fetching the model and its test data"
build/venv/bin/python scripts/fetch.py
model=build/data/models/magika__model.onnx

say "compiling $model ($(du -Lh "$model" | cut -f1)) to build/magika"
time=$(date +%s%N)
build/ingot build "$model" -o build/magika
echo "one file of $(du -h build/magika | cut -f1)," \
    "made in $((($(date +%s%N) - time) / 1000000)) ms"

say "asking build/magika what $file is"
build/venv/bin/python scripts/magika_io.py encode "$file" build/magika-in.npy
build/magika --input bytes=build/magika-in.npy --output-dir build/magika-out
build/venv/bin/python scripts/magika_io.py decode \
    build/magika-out/target_label.npy

say "time of one run, generated code beside the interpreter"
build/ingot bench "$model" --shape bytes=1x2048 --threads 1 --runs 20 \
    --test-data build/data/real/magika_1/test_data_set_0

cat <<'TEXT'
== next steps
  build/ingot --help               what the command can do
  build/magika --help              what the executable can do
  ./quickstart.sh --train          train a network, in under a minute
  ./test.sh                        run all tests
TEXT
