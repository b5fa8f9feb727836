#!/usr/bin/env bash
# Printing, parsing and printing again is the identity, for the imported and the
# optimized form of every model.  A model that does not import is skipped.
# usage: roundtrip.sh INGOT CASE...
set -uo pipefail
ingot=$(realpath "$1")
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

for case in "$@"; do
    for stage in import optimized; do
        if ! timeout 60 "$ingot" inspect --stage $stage "$case/model.onnx" \
            >"$tmp/a.ir" 2>/dev/null; then
            skipped=$((skipped + 1))
        elif timeout 60 "$ingot" opt "$tmp/a.ir" >"$tmp/b.ir" 2>"$tmp/err" &&
            cmp -s "$tmp/a.ir" "$tmp/b.ir"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED $case $stage: $(head -1 "$tmp/err")"
        fi
    done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
