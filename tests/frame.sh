# tests/frame.sh - what test scripts have in common: a folder of their own, checks that are
# counted, and the last line.  To be sourced; `ingot` is then the program's path.
set -uo pipefail
ingot=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# verdict OK NAME: counts, and shows the last of what was said.
verdict()
{
    if [ "$1" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $2: $(tail -n 1 "$dir/out")"
    fi
}

# check NAME COMMAND...: succeeds.
check()
{
    "${@:2}" >"$dir/out" 2>&1
    verdict $? "$1"
}

# tell NAME TEXT COMMAND...: succeeds, and says so.
tell()
{
    "${@:3}" >"$dir/out" 2>&1 && grep -qF -- "$2" "$dir/out"
    verdict $? "$1"
}

# refuse NAME TEXT COMMAND...: fails, and says so.
refuse()
{
    ! "${@:3}" >"$dir/out" 2>&1 && grep -qF -- "$2" "$dir/out"
    verdict $? "$1"
}

# silent NAME TEXT: what ran last did not say that.
silent()
{
    ! grep -qF -- "$2" "$dir/out"
    verdict $? "$1"
}

# The last line; the script's exit code.
summary()
{
    echo "$passed passed, $failed failed, 0 skipped"
    [ "$failed" = 0 ]
}
