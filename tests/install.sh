#!/usr/bin/env bash
# Installs into a folder of its own and uses that from elsewhere, as a user who
# may write to neither (where this one is root).
# usage: install.sh BUILD MODEL
set -uo pipefail
build=$(realpath "$1") model=$(realpath "$2")
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
passed=0 failed=0
cmake --install "$build" --prefix "$tmp/prefix" >"$tmp/log" 2>&1 || cat "$tmp/log"
mkdir "$tmp/home"
chmod -R a+rX "$tmp"
chmod -R a-w "$tmp/prefix"
chmod a+rwx "$tmp/home"
cp "$model" "$tmp/home/model.onnx"
cp "$(dirname "$0")/../quickstart.sh" "$tmp/home"
chmod a+r "$tmp/home/model.onnx" "$tmp/home/quickstart.sh"
as_user=()
if [ "$(id -u)" = 0 ]; then
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi

check()
{
    local name=$1
    shift
    if (cd "$tmp/home" && env -i PATH="$tmp/prefix/bin:/usr/bin:/bin" "${as_user[@]}" "$@") \
        >"$tmp/out" 2>&1 </dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $name: $(tail -n 1 "$tmp/out")"
    fi
}

check help ingot --help
check build ingot build model.onnx -o model
check run ./model --random-inputs --output-dir out
check "run in process" ingot run model.onnx --random-inputs
check "static" ingot build model.onnx -o model_static --static
check "library" ingot build model.onnx -o libmodel.a --emit lib
check "shared" ingot build model.onnx -o libmodel.so --emit shared
check "use of the library" sh -c '
    printf "#include \"model.h\"\nint main(void) { return !model_workspace_size; }\n" >use.c
    cc use.c libmodel.a -o use && ./use'
check "through a link" sh -c 'ln -s "$(command -v ingot)" other && ./other build model.onnx -o again'
check "no way to write" sh -c '! ingot build model.onnx -o ../prefix/model 2>err &&
    grep -q "../prefix/model" err'
check "quickstart --help" sh -c './quickstart.sh --help | grep -q usage:'
check "quickstart of a folder, of nothing, of two" sh -c '
    for files in . none "model.onnx model.onnx"; do
        ./quickstart.sh $files 2>err
        [ $? = 2 ] && grep -q usage: err || exit 1
    done'
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
