#!/usr/bin/env bash
# Printing, parsing and printing again is the identity, for the imported and the
# optimized form of every model, its kernels and its plan; and the schedules that are
# chosen, followed, are the same and give the same kernels.  A model that does not import
# or compile is skipped, and so are schedules where none is chosen.
# usage: roundtrip.sh INGOT CASE...
set -uo pipefail
ingot=$(realpath "$1")
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
shards=$(nproc)

# within COMMAND..: ends what takes 60 seconds of the processor, or ten minutes by the clock
within()
{
    (ulimit -t 60 && exec timeout 600 "$@")
}

# stage TMP CASE STAGE: prints passed, failed or skipped and why
stage()
{
    local first=$1/a.ir again=opt kind=$3 source rc=0

    case $3 in
    loops) first=$1/a.lp again=inspect ;;
    plan) first=$1/a.plan again=inspect ;;
    schedules)
        first=$1/a.txt source=$2/model.onnx
        again="inspect --stage schedules --schedule $first"
        ;;
    followed)                   # those of the stage before; the kernels are there, too
        first=$1/a.lp source=$2/model.onnx kind=
        again="inspect --full --stage loops --schedule $1/a.txt"
        ;;
    esac
    source=${source:-$first}
    if [ "$3" = followed ] && ! { [ -s "$1/a.txt" ] && [ -s "$first" ]; }; then
        echo "skipped"
        return
    fi
    [ -z "$kind" ] ||
        within "$ingot" inspect --full --stage "$kind" "$2/model.onnx" >"$first" 2>/dev/null || rc=$?
    if [ $rc = 1 ]; then
        echo "skipped"
    elif [ $rc != 0 ]; then
        echo "FAILED $2 $3: exit code $rc"
    elif [ "$3" = schedules ] && [ ! -s "$first" ]; then
        echo "skipped"
    # The words of $again are arguments.
    # shellcheck disable=SC2086
    elif within "$ingot" $again "$source" >"$1/b" 2>"$1/err" && cmp -s "$first" "$1/b"; then
        echo "passed"
    else
        echo "FAILED $2 $3: $(head -1 "$1/err")"
    fi
}

# shard NUMBER CASE...: each one of so many
shard()
{
    local n=$1 i=0 case name
    shift
    mkdir "$tmp/$n"
    for case in "$@"; do
        i=$((i + 1))
        [ $((i % shards)) = "$n" ] || continue
        for name in import optimized loops schedules followed plan; do
            stage "$tmp/$n" "$case" $name
        done
    done >"$tmp/$n.log"
}

for ((n = 0; n < shards; n++)); do
    shard $n "$@" &
done
wait
cat "$tmp"/*.log | grep ^FAILED
count() { cat "$tmp"/*.log | grep -c "^$1"; }
echo "$(count passed) passed, $(count FAILED) failed, $(count skipped) skipped"
[ "$(count FAILED)" = 0 ] && [ "$(count passed)" != 0 ]
