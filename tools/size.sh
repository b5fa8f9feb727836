#!/bin/sh
# Lines of code and comment per folder, beside a budget.  Fails where a folder is
# over its budget, a file over 600 lines or a line of code over 100 columns (rows of
# tables may be wider): then there is something to split, or the budget is raised
# in the commit that needs it.
#   tools/size.sh       the last line, on stderr, counts what was checked: on stdout stand
#                       the table, and failures only where there are some
set -eu
cd "$(dirname "$0")/.."

# Lines that a folder may have: what it has, and room for a tenth more.
budget() {
    case $1 in
    ir) echo 19200 ;; frontend) echo 32200 ;; passes) echo 12700 ;;
    codegen) echo 20700 ;; runtime) echo 17500 ;; cli) echo 11000 ;;
    export) echo 9000 ;; tests) echo 18000 ;;
    esac
}

sources() {
    find "$@" -name '*.[ch]' -o -name '*.def'
}

# FILES: their lines, and how many of them say something in a comment.
count() {
    awk '
    /\/\*/ { inside = 1 }
    inside { comment++ }
    /\*\// { inside = 0 }
    END { print NR, comment + 0 }' "$@"
}

passed=0 failed=0
verdict() {             # verdict OK TEXT
    if [ "$1" = 1 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $2"
    fi
}

total=0
for folder in ir frontend passes codegen runtime cli export tests; do
    [ -d $folder ] || continue
    # Names of sources have no spaces.
    # shellcheck disable=SC2046
    set -- $(count $(sources $folder))
    printf '%-10s %6d of %6d lines, %4.1f %% comment\n' $folder "$1" "$(budget $folder)" \
        "$(echo "$1 $2" | awk '{ print 100 * $2 / $1 }')"
    verdict $(($1 <= $(budget $folder))) "$folder: over its budget"
    total=$((total + $1))
done
printf '%-10s %6d\n' total $total
for file in $(sources ir frontend passes codegen runtime cli export tests); do
    lines=$(wc -l <"$file")
    verdict $((lines <= 600)) "$file: $lines lines"
    wide=$(awk 'length($0) > 100 && FILENAME !~ /\.def$/ { print FNR; exit }' "$file")
    [ -z "$wide" ] || verdict 0 "$file:$wide: over 100 columns"
done
echo "$passed passed, $failed failed, 0 skipped" >&2
[ "$failed" = 0 ]
