#!/usr/bin/env bash
# Printing, parsing and printing again is the identity, for the imported and the
# optimized form of every model, its kernels and its plan.  A model that does not
# import or compile is skipped.
# usage: roundtrip.sh INGOT CASE...
set -uo pipefail
ingot=$(realpath "$1")
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

for case in "$@"; do
    for stage in import optimized loops plan; do
        case $stage in
        loops) again="inspect $tmp/a.lp" ;;
        plan) again="inspect $tmp/a.plan" ;;
        *) again="opt $tmp/a.ir" ;;
        esac
        if ! timeout 60 "$ingot" inspect --stage $stage "$case/model.onnx" \
            >"${again#* }" 2>/dev/null; then
            skipped=$((skipped + 1))
        # A command and its operand: two words.
        # shellcheck disable=SC2086
        elif timeout 60 "$ingot" $again >"$tmp/b" 2>"$tmp/err" &&
            cmp -s "${again#* }" "$tmp/b"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED $case $stage: $(head -1 "$tmp/err")"
        fi
    done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
