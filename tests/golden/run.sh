#!/usr/bin/env bash
# Golden tests: tests/golden/STAGE/NAME.{ir,ingot,lp,plan}; NAME.onnx is there for a NAME.ingot
#   # run: opt -p transpose         the subcommand; the input file is added
#   (input, comments allowed)
#   # expect                        then the whole expected output
#   # expect-error: TEXT            or a text that stderr must hold, exit code 1
# usage: run.sh [--bless] INGOT [FILE...]
# --bless rewrites the expected part with what came out.
set -uo pipefail
bless=
if [ "${1:-}" = --bless ]; then
    bless=1
    shift
fi
here=$(cd "$(dirname "$0")" && pwd)
ingot=$(realpath "${1:?usage: run.sh [--bless] INGOT [FILE...]}")
shift
[ $# != 0 ] || set -- "$here"/*/*.{ir,ingot,lp,plan}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

# run FILE: splits it, runs its command on the input part; stdout to $tmp/out.
run()
{
    local args
    args=$(sed -n 's/^# run: //p;T;q' "$1")
    awk '/^# expect(-error:.*)?$/ { exit } !/^# run: / { print }
         /^# run: / { print "#" }' "$1" >"$tmp/${1##*/}"
    [ ! -f "${1%.*}.onnx" ] || cp "${1%.*}.onnx" "$tmp"
    # The arguments of a run line are words.
    # shellcheck disable=SC2086
    (cd "$tmp" && timeout 60 "$ingot" $args "${1##*/}") \
        >"$tmp/out" 2>"$tmp/err"
}

# One file; prints why it fails.
check()
{
    local rc=0 want
    if [ ! -f "$1" ]; then
        echo "no such file"
        return 1
    fi
    run "$1" || rc=$?
    want=$(sed -n 's/^# expect-error: //p;T;q' "$1")
    if [ -n "$want" ]; then
        [ $rc = 1 ] && grep -qF -- "$want" "$tmp/err" && return 0
        echo "exit code $rc, not the error: $want"
    elif [ $rc != 0 ]; then
        echo "exit code $rc"
    else
        sed '1,/^# expect$/d' "$1" >"$tmp/want"
        diff -u --label expected --label got "$tmp/want" "$tmp/out" && return 0
        [ -n "$bless" ] || return 1
        sed '/^# expect$/q' "$1" >"$tmp/new"
        grep -q '^# expect$' "$tmp/new" || echo '# expect' >>"$tmp/new"
        cat "$tmp/new" "$tmp/out" >"$1"
        return 0
    fi
    head -5 "$tmp/err"
    return 1
}

for file in "$@"; do
    if check "$file" >"$tmp/report"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $file"
        cat "$tmp/report"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
