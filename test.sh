#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.  The last line counts
# single cases; exit code 1 if one failed.  Asks nothing, can be run again.
#   ./test.sh          everything (about a quarter of an hour on two cores)
#   ./test.sh quick    without sanitizers, fuzzers, large models, and without what needs the
#                      onnx wheel, as tests/onnx_models.py
set -euo pipefail
cd "$(dirname "$0")"
exec </dev/null
. scripts/setup.sh
quick=${1:-}
passed=0 failed=0 skipped=0
logs=build/test-logs
mkdir -p "$logs"

# count NAME COMMAND...: runs it; the last line of its output is the summary.
# Without one, or with an exit code that fits no failure, that is one failure.
count()
{
    local name=$1 line rc=0 start=$SECONDS
    shift
    "$@" >"$logs/$name.log" 2>&1 || rc=$?
    line=$(tail -n 1 "$logs/$name.log")
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]
    then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + BASH_REMATCH[3]))
        if [ "$rc" != 0 ] && [ "${BASH_REMATCH[2]}" = 0 ]; then
            failed=$((failed + 1))
        fi
    else
        failed=$((failed + 1))
        line="no summary, exit code $rc, see $logs/$name.log"
    fi
    [ "$1" = told ] && start=$((SECONDS - $(cat "$logs/$name.took")))
    printf '%-28s %s (%d s)\n' "$name" "$line" $((SECONDS - start))
    grep -hE '^(skipped .* cases\)|and .* more reasons)' "$logs/$name.log" | head -5 | cut -c1-110 |
        sed 's/^/    /' || true
    if [ "$rc" != 0 ]; then
        head -n -1 "$logs/$name.log" | grep -iE 'fail|error' | head -10 || true
    fi
}

# One cmocka program: its tests, one by one.
unit()
{
    local log rc=0
    log=$(timeout 600 "$1" 2>&1) || rc=$?
    printf '%s\n' "$log"
    printf '%s\n' "$log" | awk -v rc="$rc" '
        /^\[  PASSED  \] [0-9]+ test/ { ok += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { bad += $4 }
        /^\[  SKIPPED \] [0-9]+ test/ { skip += $4 }
        END {
            if (rc != 0 && bad == 0)
                bad = 1
            printf "%d passed, %d failed, %d skipped\n", ok, bad, skip
        }'
    return "$rc"
}

missing()
{
    echo "FAILED: there is no program in $1"
    echo "0 passed, 1 failed, 0 skipped"
    return 1
}

# beside NAME COMMAND...: starts it, with as many at a time as there are CPUs; gather
# counts them in this order.
started=()
beside()
{
    local name=$1
    shift
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        wait -n || true
    done
    {
        local start=$SECONDS
        "$@" >"$logs/$name.out" 2>&1 && echo 0 || echo $?
        echo $((SECONDS - start)) >"$logs/$name.took"
    } >"$logs/$name.rc" &
    started+=("$name")
}

told()
{
    cat "$logs/$1.out"
    return "$(cat "$logs/$1.rc")"
}

gather()
{
    local name
    wait
    for name in "${started[@]}"; do
        count "$name" told "$name"
    done
    started=()
}

# unit_tests BUILD PREFIX: beside what else is started.
unit_tests()
{
    local program found=
    for program in "$1"/tests/test_*; do
        if [ -f "$program" ] && [ -x "$program" ]; then
            found=1
            beside "$2$(basename "$program")" unit "$program"
        fi
    done
    [ "$found" ] || beside "$2unit" missing "$1/tests"
}

# every N WORD...: each Nth word.
every()
{
    local n=$1
    shift
    printf '%s\n' "$@" | awk -v n="$n" 'NR % n == 1'
}

# Plans of small official models, as files.
plan_seeds()
{
    local model
    mkdir -p build/fuzz-plans
    for model in $data/node/test_{loop,if,conv,gru,softmax,nonzero}*/model.onnx; do
        build/ingot inspect --stage plan "$model" 2>/dev/null \
            >"build/fuzz-plans/$(basename "$(dirname "$model")").plan" || true
    done
    find build/fuzz-plans -size +0 | sort
}

# A file with the states that the target's model has.
states_seed()
{
    local header='{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"steps":{"dtype":"I64",'
    header+='"shape":[],"data_offsets":[24,32]},"mask":{"dtype":"BOOL","shape":[5],'
    header+='"data_offsets":[32,37]}}'
    { printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0"
      printf '%s' "$header"
      head -c 37 /dev/zero; } >build/fuzz-states
    echo build/fuzz-states
}

# What a fuzz target begins with: small official files of its kind.
fuzz_seeds()
{
    case $1 in
    fuzz_tensor*) every 8 $data/node/*/test_data_set_0/output_0.pb ;;
    fuzz_dsl* | fuzz_program*) ls examples/*.ingot frontend/prelude/*.ingot ;;
    fuzz_ir*) ls tests/golden/*/*.ir ;;
    fuzz_loop*) ls tests/golden/*/*.lp ;;
    fuzz_states*) states_seed ;;
    fuzz_rows*) python3 tests/fuzz/rows_seeds.py build/fuzz-rows && ls build/fuzz-rows/* ;;
    fuzz_training*)
        build/venv/bin/python tests/training_info.py build/ingot --keep build/fuzz-training >&2 &&
            ls build/fuzz-training/* ;;
    fuzz_plan*) every 8 $(plan_seeds) ;;
    *) every 8 $data/node/*/model.onnx ;;
    esac
}

# One target, from a corpus that grows in build/: the language for a minute, whose texts
# are written by hand, the others for half of one.
fuzz()
{
    local corpus=build/fuzz-corpus/$1 seed i=0 time=30
    case $1 in fuzz_dsl | fuzz_program) time=60 ;; esac
    mkdir -p "$corpus"
    for seed in $(fuzz_seeds "$1"); do
        i=$((i + 1))
        cp "$seed" "$corpus/seed-$i"
    done
    if build/sanitize/tests/"$1" -seed=1 -max_total_time=$time -rss_limit_mb=2048 \
        -timeout=20 -artifact_prefix="$logs/$1-" "$corpus"; then
        echo "1 passed, 0 failed, 0 skipped"
    else
        echo "0 passed, 1 failed, 0 skipped"
        return 1
    fi
}

mkdir -p build
install_packages
make_venv
build_in build -DINGOT_WERROR=ON -DINGOT_TESTS=ON
say "fetching models and official cases"
build/venv/bin/python scripts/fetch.py
data=build/data

say "running tests; logs are in $logs"
count size tools/size.sh
beside golden tests/golden/run.sh build/ingot
unit_tests build ""
beside bad_input python3 tests/bad_input.py build/ingot   # the longest first
beside symbols tests/symbols.sh build/ingot
beside columns python3 tests/columns.py
beside scalars python3 tests/scalars.py
beside gradients python3 tests/gradients.py
beside editors python3 tools/editors.py --check
beside prelude_doc python3 tools/prelude_doc.py --check
beside language_doc python3 tests/language_doc.py build/ingot
beside messages python3 tests/messages.py build/ingot
beside language python3 tests/language.py build/ingot
beside pictures python3 tests/pictures.py build/ingot
beside graphs python3 tests/graphs.py build/ingot
beside damaged python3 tests/damaged.py build/ingot --count 100 $data/node/*/ $data/simple/*/
beside states tests/states.sh build/ingot
beside lines tests/lines.sh build/ingot
beside budget tests/budget.sh build/ingot
beside train tests/train.sh build/ingot
beside killed python3 tests/killed.py build/ingot
beside train_library tests/train_library.sh build/ingot
beside schedule_search python3 tests/schedule_search.py build/ingot
beside install tests/install.sh build $data/node/test_relu/model.onnx
beside onnx_proto python3 tests/onnx_proto.py frontend/onnx.proto \
    $data/onnx-ml.proto
gather
for engine in compiled interpreter; do
    for kind in node simple pytorch-converted pytorch-operator; do
        count "$kind-$engine" build/ingot test --engine $engine $data/$kind/*/
    done
    count "real-$engine" build/ingot test --engine $engine --timeout 300 \
        $data/real/*/
done
for cpu in x86-64 x86-64-v3; do     # what is below this machine's own
    # shellcheck disable=SC2046
    count "node-$cpu" build/ingot test --cpu $cpu $(every 2 $data/node/*/)
done
count real-bound build/ingot test --bind --timeout 300 $data/real/*/
if [ "$quick" != quick ]; then
    count roundtrip tests/roundtrip.sh build/ingot $data/{real,light,simple}/*/ \
        $(every 3 $data/{node,pytorch-*}/*/)
    install_python_tools
    count prelude build/venv/bin/python tests/prelude.py build/ingot
    count optimizers build/venv/bin/python tests/optimizers.py build/ingot
    count metrics build/venv/bin/python tests/metrics.py build/ingot
    count signatures tests/signatures.sh build/venv/bin/python
    for engine in compiled interpreter; do
        count "light-$engine" build/ingot test --engine $engine \
            --timeout 600 $data/light/*/
    done
    say "writing light_*_random"
    build/venv/bin/python scripts/light_random.py
    count light_random build/ingot test --timeout 300 $data/light_random/*/
    # shellcheck disable=SC2086
    (install_packages $MPI_PACKAGES) || say "MPI is skipped"
    # shellcheck disable=SC2086
    (install_packages $CROSS_PACKAGES) || say "aarch64 is skipped"
    beside onnx_models build/venv/bin/python tests/onnx_models.py build/ingot
    beside guides build/venv/bin/python tests/guides.py build
    beside mpi python3 tests/mpi.py build/ingot
    beside aarch64 tests/aarch64.sh build/ingot build/venv/bin/python \
        $data/real/silero_op15/ $data/real/magika_1/
    beside tune build/venv/bin/python tests/tune.py build/ingot
    beside training_info build/venv/bin/python tests/training_info.py build/ingot
    beside train_curve build/venv/bin/python tests/train_curve.py build/ingot
    beside grad_models build/venv/bin/python tests/grad_models.py build/ingot
    beside grad_public build/venv/bin/python tests/grad_models.py build/ingot quick \
        $data/real/{magika_1,ppocr_cls_192,silero_op15}/
    beside onnx_export build/venv/bin/python tests/onnx_export.py build/ingot \
        $(every 24 $data/node/*/)
    beside program_export tests/program_export.py build/ingot --rtol 5e-3 \
        $(every 12 $data/node/*/) $data/node/test_{cumprod,convinteger,affine_grid_2d}*/ \
        $data/node/test_maxpool_2d_uint8/ $data/real/*/ $data/light/*/
    beside program_roundtrip build/venv/bin/python tests/program_roundtrip.py build/ingot
    beside programs build/venv/bin/python tests/programs.py build/ingot
    beside networks build/venv/bin/python tests/networks.py build/ingot
    beside examples build/venv/bin/python tools/examples.py build/ingot --short
    beside random_models build/venv/bin/python tests/random_models.py \
        build/ingot --count 400 --seed 1
    beside executables build/venv/bin/python tests/executables.py build/ingot \
        $data/real/*/ $data/light/*/
    beside library build/venv/bin/python tests/library.py build/ingot \
        $data/real/*/
    gather
    # Reports name lines; to know variables too would take a seventh of the build's time.
    build_in build/sanitize -DCMAKE_C_COMPILER=clang-19 -DINGOT_WERROR=ON -DINGOT_TESTS=ON \
        -DINGOT_SANITIZE=address,undefined -DINGOT_FUZZ=ON \
        "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O2 -gline-tables-only -DNDEBUG"
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    beside sanitize-golden tests/golden/run.sh build/sanitize/ingot
    unit_tests build/sanitize sanitize-
    beside sanitize-random_models build/venv/bin/python tests/random_models.py \
        build/sanitize/ingot --count 60 --seed 2
    # fuzz_compile needs hours rather than a minute: it is run by hand.
    for program in build/sanitize/tests/fuzz_[!c]*; do
        if [ -f "$program" ] && [ -x "$program" ]; then
            beside "$(basename "$program")" fuzz "$(basename "$program")"
        fi
    done
    gather
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
