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
cp "$(dirname "$0")/../quickstart.sh" "$(dirname "$0")/complete.zsh" "$tmp/home"
chmod a+r "$tmp"/home/{model.onnx,quickstart.sh,complete.zsh}
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
check "a CMake project" sh -c '
    mkdir -p project && cd project && cp ../model.onnx net.onnx
    cat >CMakeLists.txt <<TEXT
cmake_minimum_required(VERSION 3.22)
project(app LANGUAGES C)
find_package(ingot 0.1 REQUIRED)
ingot_add_model(net net.onnx)
ingot_add_model(dynamic net.onnx SHARED NAME other OPTIONS --cpu x86-64-v2)
add_executable(app app.c)
target_link_libraries(app PRIVATE net dynamic ingot::pool)
TEXT
    cat >app.c <<TEXT
#include "ingot_pool.h"
#include "net.h"
#include "other.h"
int main(void)
{
    static float x[NET_SIZE_OF_Y], y[NET_SIZE_OF_Y];
    struct net_inputs in = {x};
    struct net_outputs out = {y, 0};
    struct other_inputs other_in = {x};
    struct other_outputs other_out = {y, 0};
    const struct ingot_pool *pool = ingot_pool_open(2);
    int bad = net_run(&in, &out, 0, pool) || other_run(&other_in, &other_out, 0, pool);
    ingot_pool_close(pool);
    return bad;
}
TEXT
    cmake -S . -B build -DCMAKE_PREFIX_PATH="$1" && cmake --build build && build/app &&
        touch net.onnx && cmake --build build | grep -q "Compiling"' sh "$tmp/prefix"
check "pkg-config" sh -c '
    export PKG_CONFIG_PATH="$1"
    printf "#include <ingot_pool.h>\nint main(void) { ingot_pool_close(ingot_pool_open(2)); }\n" >pool.c
    cc pool.c -o pool $(pkg-config --cflags --libs ingot) && ./pool &&
        "$(pkg-config --variable=ingot ingot)" --version' \
    sh "$(dirname "$(find "$tmp/prefix" -name ingot.pc)")"
check "manual" sh -c '
    for page in ingot model; do
        grep -q "^.TH" "$1/share/man/man1/$page.1" || exit 1
    done
    grep -q "output.-dir" "$1/share/man/man1/model.1" && ./model --help=man | grep -q "^.TH MODEL 1"' \
    sh "$tmp/prefix"
check "completion" bash -c '
    . "$1/share/bash-completion/completions/ingot"
    complete_line() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _ingot; }
    complete_line ingot bu && [ "${COMPREPLY[*]}" = build ] &&
        complete_line ingot build --em && [ "${COMPREPLY[*]}" = --emit ] &&
        complete_line ingot build --emit sh && [ "${COMPREPLY[*]}" = shared ] &&
        complete_line ingot build mod && [[ ${COMPREPLY[*]} = *model.onnx* ]]' bash "$tmp/prefix"
if command -v zsh >/dev/null; then
    check "completion of zsh" timeout 60 zsh -f complete.zsh "$tmp/prefix"
fi
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
