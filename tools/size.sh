#!/bin/sh
# Lines of code per folder beside a budget, and what outgrew the style:
# files over 600 lines, lines over 100 columns.
set -eu
cd "$(dirname "$0")/.."
budget() {
    case $1 in
    ir) echo 14000 ;; frontend) echo 7000 ;; passes) echo 6000 ;;
    codegen) echo 9000 ;; runtime) echo 3500 ;; cli) echo 4000 ;;
    tests) echo 12000 ;;
    esac
}
total=0
for folder in ir frontend passes codegen runtime cli tests; do
    lines=$(find $folder -name '*.[ch]' -o -name '*.def' | xargs cat | wc -l)
    printf '%-10s %6d of %6d lines\n' $folder "$lines" "$(budget $folder)"
    total=$((total + lines))
done
printf '%-10s %6d\n' total $total
find ir frontend passes codegen runtime cli tests -name '*.[ch]' |
    xargs awk '
    FNR == 1 { if (n > 600) print name ": " n " lines"; name = FILENAME }
    { n = FNR }
    length($0) > 100 && !/http/ { print FILENAME ":" FNR ": " length($0) " columns" }
    END { if (n > 600) print name ": " n " lines" }'
