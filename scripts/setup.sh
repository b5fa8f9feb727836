# scripts/setup.sh - what quickstart.sh and test.sh share; sourced, not run.
# Installs missing packages, makes build/venv, builds.  Asks nothing.

PACKAGES="gcc g++ libc6-dev clang-19 cmake ninja-build pkg-config llvm-19-dev \
libclang-rt-19-dev libprotobuf-c-dev protobuf-c-compiler libcmocka-dev \
zlib1g-dev libpng-dev libjpeg62-turbo-dev libxml2-dev graphviz python3 python3-venv"
CROSS_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
MPI_PACKAGES="libopenmpi-dev openmpi-bin"

say() { printf '== %s\n' "$*"; }

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# install_packages [NAME...]: those, or $PACKAGES.
install_packages()
{
    local missing="" p
    for p in ${*:-$PACKAGES}; do
        dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null |
            grep -q '^install ok installed$' || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    say "installing with apt:$missing"
    as_root apt-get -qq update </dev/null
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
        --no-install-recommends $missing </dev/null >build/apt.log 2>&1 || {
        tail -20 build/apt.log
        echo "error: apt could not install:$missing" >&2
        exit 1
    }
}

make_venv()
{
    [ -x build/venv/bin/pip ] || python3 -m venv build/venv
}

# Packages of scripts/requirements.txt: numpy, onnx, ONNX Runtime.
install_python_tools()
{
    if ! cmp -s scripts/requirements.txt build/venv/requirements; then
        say "installing Python tools in build/venv"
        build/venv/bin/pip install -q --disable-pip-version-check --no-deps \
            --require-hashes --only-binary=:all: -r scripts/requirements.txt </dev/null
        cp scripts/requirements.txt build/venv/requirements
    fi
}

# build_in DIR OPTION...: configures once, then builds; the log is DIR/build.log.
build_in()
{
    local dir=$1
    shift
    mkdir -p "$dir"
    say "building in $dir"
    if [ ! -f "$dir/CMakeCache.txt" ]; then set -- -G Ninja "$@"; fi
    if ! { cmake -S . -B "$dir" "$@" && cmake --build "$dir" --parallel; } \
        >"$dir/build.log" 2>&1; then
        grep -A5 -E 'error|FAILED|undefined' "$dir/build.log" | head -40
        echo "error: the build failed, see $dir/build.log" >&2
        exit 1
    fi
}
