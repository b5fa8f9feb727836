/* tests/unit/test_runtime.c - what is linked into an executable, driven by a
 * model written by hand:
 *   y f32[N,3] = x f32[N,3] + weights f32[3], the rows in parallel
 *   found i64[?] = the places of x that are above 0, from the allocator
 * `ids` i64[N] is read by nobody; a negative x[0] fails a check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bind.h"
#include "check_cpu.h"
#include "invoke.h"
#include "kernels.h"
#include "outputs.h"
#include "program.h"
#include "states.h"
#include "thread.h"

static char error[TENSOR_ERROR_SIZE];
static char folder[] = "/tmp/ingot_runtime_XXXXXX";

/* ---- the model ------------------------------------------------------------------ */

static const float weights[16] = {10, 20, 30};   /* a cache line */

static void add_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const struct ingot_call *c = arg;
    const float *x = c->inputs[0], *w = (const float *)(const void *)c->weights;
    float *y = c->outputs[0].data;

    ((char *)c->workspace)[thread] = 1;
    for (int64_t i = 3 * begin; i < 3 * end; i++)
        y[i] = x[i] + w[i % 3];
}

static int32_t find_positive(struct ingot_call *c)
{
    const float *x = c->inputs[0];
    int64_t n = 0, total = 3 * c->dims[0];
    int64_t *found = c->allocator->give(c->allocator->context, (size_t)total * 8);

    if (!found)
        return INGOT_MEMORY;
    for (int64_t i = 0; i < total; i++)
        if (x[i] > 0)
            found[n++] = i;
    c->outputs[1].data = found;
    c->outputs[1].dims[0] = n;
    return INGOT_OK;
}

static int32_t run_model(struct ingot_call *c)
{
    if (c->dims[0] && ((const float *)c->inputs[0])[0] < 0) {
        c->message = "x[0] is negative";
        return INGOT_CHECK;
    }
    if (c->pool)
        c->pool->run(c->pool->context, add_rows, c, c->dims[0]);
    else
        add_rows(c, 0, c->dims[0], 0);
    c->outputs[0].dims[0] = c->dims[0];
    c->outputs[0].dims[1] = 3;
    return find_positive(c);
}

static size_t workspace_size(const int64_t *dims, int32_t threads)
{
    size_t n;

    return __builtin_mul_overflow((size_t)dims[0], (size_t)(1 << 20), &n) ? SIZE_MAX
                                                                        : n + (size_t)threads;
}

static void output_dims(const int64_t *dims, int64_t *extents)
{
    extents[0] = dims[0];
    extents[1] = 3;
    extents[2] = INT64_MIN;
}

static uint64_t flops(const int64_t *dims)
{
    return 1000 * (uint64_t)dims[0];
}

static const int64_t dims_x[] = {-1, 3}, dims_ids[] = {-1}, dims_found[] = {INT64_MIN};
static const char *const names_x[] = {"N", NULL}, *const names_n[] = {"N"};
static const char *const names_y[] = {"max(0,select(eq(1,N),min(1000000000,N),N))", NULL};
static const struct ingot_value_info inputs[] = {
    {.name = "x:0", .dtype = TENSOR_F32, .rank = 2, .dims = dims_x, .dim_names = names_x},
    {.name = "ids", .dtype = TENSOR_I64, .rank = 1, .dims = dims_ids, .dim_names = names_n}};
static const struct ingot_value_info outputs[] = {
    {.name = "y/a", .dtype = TENSOR_F32, .rank = 2, .dims = dims_x, .dim_names = names_y},
    {.name = "y:a", .dtype = TENSOR_I64, .rank = 1, .dims = dims_found, .late = 1}};
static const struct ingot_entry entry = {
    .name = "main", .input_count = 2, .output_count = 2, .dim_count = 1, .inputs = inputs,
    .outputs = outputs, .dim_names = names_n, .workspace_size = workspace_size,
    .output_dims = output_dims, .run = run_model, .flops = flops};
static const struct ingot_model model = {
    .abi = INGOT_ABI_VERSION, .name = "fake", .entry_count = 1, .entries = &entry,
    .weights = (const uint8_t *)weights, .weights_size = sizeof weights};
static struct ingot_model apart;        /* its weights are in a file */

/* ---- helpers --------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[4][300];
    static int next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static char said[8000];

/* The exit code of the executable with these arguments; its words in `said`. */
static int run_args(const struct ingot_model *m, int argc, char **argv)
{
    FILE *f = fopen(path_of("said"), "w+");
    int status;
    pid_t child = fork();

    if (!child) {
        dup2(fileno(f), 1);
        dup2(fileno(f), 2);
        int code = program_main(m, argc, argv);
        fflush(stdout);
        _exit(code);
    }
    waitpid(child, &status, 0);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN_OF(m, ...)                                             \
    run_args(m, (int)(sizeof(char *[]){"fake", __VA_ARGS__} / sizeof(char *)), \
             (char *[]){"fake", __VA_ARGS__, NULL})
#define RUN(...) RUN_OF(&model, __VA_ARGS__)

static void assert_said(const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' is not in: %s", words, said);
}

static tensor_value floats(int64_t rows, const float *data)
{
    tensor_value v = {.kind = TENSOR_PLAIN};

    assert_true(tensor_init(&v.t, TENSOR_F32, 2, (int64_t[]){rows, 3}));
    memcpy(v.t.data, data, (size_t)rows * 12);
    return v;
}

static void write_value(const char *name, tensor_value v)
{
    assert_true(tensor_write(path_of(name), true, "", &v, error));
    tensor_value_free(&v);
}

static int write_inputs(void **state)
{
    tensor_value ids = {.kind = TENSOR_PLAIN};

    (void)state;
    assert_non_null(mkdtemp(folder));
    write_value("x.npy", floats(2, (float[]){1, -2, 3, 4, 5, -6}));
    write_value("bad.npy", floats(2, (float[]){-1, -2, 3, 4, 5, -6}));
    assert_true(tensor_init(&ids.t, TENSOR_I64, 1, (int64_t[]){2}));
    write_value("ids.npy", ids);
    assert_true(tensor_init(&ids.t, TENSOR_I64, 1, (int64_t[]){5}));
    write_value("ids5.npy", ids);
    return 0;
}

static int remove_all(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* ---- the executable ----------------------------------------------------------------- */

static char *arg(const char *option, const char *file)
{
    static char text[4][400];
    static int next;
    char *p = text[next++ % 4];

    snprintf(p, sizeof text[0], "%s%s", option, path_of(file));
    return p;
}

static void outputs_are_written(void **state)
{
    tensor_value y, found;

    (void)state;
    assert_int_equal(RUN("--threads=3", "--input", arg("x:0=", "x.npy"),
                         arg("--input=ids=", "ids.npy"), arg("--output-dir=", "out/deep")), 0);
    assert_true(tensor_read(path_of("out/deep/y_a.npy"), TENSOR_PLAIN, &y, error));
    assert_memory_equal(y.t.data, ((float[]){11, 18, 33, 14, 25, 24}), 24);
    assert_true(tensor_read(path_of("out/deep/y_a_2.npy"), TENSOR_PLAIN, &found, error));
    assert_int_equal(found.t.dims[0], 4);
    assert_memory_equal(found.t.data, ((int64_t[]){0, 2, 3, 4}), 32);
    tensor_value_free(&y);
    tensor_value_free(&found);
    assert_int_equal(RUN("--random-inputs", "--dim", "N=7", "--output-format", "pb",
                         arg("--output-dir=", "out")), 0);
    assert_true(tensor_read(path_of("out/y_a.pb"), TENSOR_PLAIN, &y, error));
    assert_int_equal(y.t.dims[0], 7);
    tensor_value_free(&y);
}

static void random_inputs_repeat(void **state)
{
    char first[sizeof said];

    (void)state;
    assert_int_equal(RUN("--random-inputs=6", "--shape", "x:0=6x3", "--threads", "1"), 0);
    assert_said("y/a: f32[6,3]");
    strcpy(first, said);
    assert_int_equal(RUN("--shape", "ids=6", "--random-inputs=6", "--threads", "4"), 0);
    assert_string_equal(first, said);
    assert_int_equal(RUN("--dim=N=6", "--random-inputs=8"), 0);
    assert_string_not_equal(first, said);
    assert_int_equal(RUN("--random-inputs", "--dim", "N=0"), 0);
    assert_said("y/a: f32[0,3]");
}

static void wrong_inputs_are_named(void **state)
{
    (void)state;
    assert_int_equal(RUN(arg("--input=x:0=", "x.npy")), 1);
    assert_said("input 'ids' is missing");
    assert_int_equal(RUN(arg("--input=x:0=", "x.npy"), arg("--input=ids=", "ids5.npy")), 1);
    assert_said("input 'ids', axis 0: has extent 5, but 'N' is 2 by input 'x:0', axis 0");
    assert_int_equal(RUN(arg("--input=x:0=", "ids.npy"), "--random-inputs"), 1);
    assert_said("input 'x:0' has type i64, expected f32");
    assert_int_equal(RUN(arg("--input=x:1=", "x.npy")), 1);
    assert_said("no input 'x:1'; did you mean 'x:0'?");
    assert_int_equal(RUN("--random-inputs"), 1);
    assert_said("extent 'N' is not known");
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=2x4"), 1);
    assert_said("axis 1: has extent 4, expected 3");
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=6"), 1);
    assert_said("has 1 axes, expected 2");
    assert_int_equal(RUN("--random-inputs", "--dim=M=6"), 1);
    assert_said("no run-time dim 'M'");
    assert_int_equal(RUN("--input=x:0=none.npy"), 1);
    assert_said("none.npy: No such file");
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=9223372036854775807x3"), 1);
    assert_said("input 'x:0' is too large");
}

static void failures_while_running(void **state)
{
    (void)state;
    assert_int_equal(RUN(arg("--input=x:0=", "bad.npy"), arg("--input=ids=", "ids.npy")), 1);
    assert_said("a check of the model failed: x[0] is negative");
    assert_int_equal(RUN("--random-inputs=1", "--dim=N=4", arg("--output-dir=", "x.npy/out")), 1);
    assert_said("Not a directory");
}

static void wrong_usage(void **state)
{
    (void)state;
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=2x"), 2);
    assert_said("--shape takes NAME=1x3x8");
    assert_int_equal(RUN("--random-inputs", "--dim=N=99999999999"), 2);
    assert_said("--dim takes a number");
    assert_int_equal(RUN("--thread=2"), 2);
    assert_said("did you mean '--threads'?");
    assert_int_equal(RUN("--threads=0"), 2);
    assert_int_equal(RUN("--output-format=png"), 2);
    assert_int_equal(RUN("operand"), 2);
    assert_int_equal(RUN("--input"), 2);
    assert_int_equal(RUN("--dim=5"), 2);
    assert_int_equal(RUN("--help"), 0);
    assert_said("--output-dir DIR");
    assert_int_equal(RUN(arg("--input=", "x.npy")), 2);
    assert_said("the model has 2 inputs");
    assert_int_equal(RUN(arg("--input=x:0=", "x.npy"), arg("--input=x:0=", "x.npy")), 2);
    assert_said("--input x:0 is given twice");
}

static void information_and_times(void **state)
{
    (void)state;
    assert_int_equal(RUN("--info", "--dim=N=2", "--threads=2"), 0);
    assert_said("x:0: f32[N,3]");
    assert_said("y/a: f32[..,3]");
    assert_said("y:a: i64[?]  (size depends on data)");
    assert_said("2097154 bytes of workspace");
    assert_int_equal(RUN("--info"), 0);
    assert_said("workspace depends on the dims");
    assert_int_equal(RUN("--bench", "5", "--dim=N=4", arg("--json=", "t.json")), 0);
    assert_said("5 runs");
    FILE *f = fopen(path_of("t.json"), "r");
    assert_non_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    assert_said("\"runs\":[{\"engine\":\"compiled\",\"threads\":");
    assert_int_equal(RUN("--bench=1", "--dim=N=4", arg("--json=", "no/t.json")), 1);
}

static void weights_in_a_file(void **state)
{
    FILE *f = fopen(path_of("w"), "wb");
    uint64_t h = 0xcbf29ce484222325u, word[sizeof weights / 8];

    (void)state;
    fwrite(weights, 1, sizeof weights, f);
    fclose(f);
    memcpy(word, weights, sizeof weights);
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        h = (h ^ word[i]) * 0x100000001b3u;
    apart = model;
    apart.weights = NULL;
    apart.weights_hash = h;
    assert_int_equal(RUN_OF(&apart, "--random-inputs=1", "--dim=N=4"), 1);
    assert_said("test_runtime.weights: No such file");
    assert_int_equal(RUN_OF(&apart, "--random-inputs=1", "--dim=N=4", arg("--weights=", "w")), 0);
    apart.weights_hash++;
    assert_int_equal(RUN_OF(&apart, "--random-inputs=1", "--dim=N=4", arg("--weights=", "w")), 1);
    assert_said("of another model");
    assert_int_equal(RUN_OF(&apart, "--random-inputs=1", "--dim=N=4", arg("--weights=", "said")),
                     1);
    assert_said("bytes, the weights of this model have 64");
}

static void the_cpu_is_checked(void **state)
{
    struct ingot_model other = model;

    (void)state;
    other.cpu = "x86-64-v2+quantum";
    assert_int_equal(RUN_OF(&other, "--random-inputs=1", "--dim=N=4"), 1);
    assert_said("quantum");
    other.cpu = "x86-64";
#if defined(__x86_64__)
    assert_int_equal(RUN_OF(&other, "--random-inputs=1", "--dim=N=4"), 0);
#endif
    other.abi++;
    assert_int_equal(RUN_OF(&other, "--info"), 1);
    char missing[200];
    assert_true(check_cpu(NULL, missing, sizeof missing));
    assert_false(check_cpu("x86-64-v9", missing, sizeof missing));
    assert_string_equal(missing, "x86-64-v9");
    assert_false(check_cpu("arm", missing, 3));
}

/* ---- states ------------------------------------------------------------------------ */

/* Entries step(x), which adds x to the state w and counts in n, and read(). */
typedef struct counter_states {
    float w[2];
    char padding[56];
    int64_t n[8];
} counter_states;

static void start_counting(void *states, const uint8_t *blob)
{
    (void)blob;
    *(counter_states *)states = (counter_states){.w = {1, 2}};
}

static int32_t run_step(struct ingot_call *c)
{
    counter_states *s = c->states;
    const float *x = c->inputs[0];

    s->w[0] += x[0];
    s->w[1] += x[1];
    s->n[0]++;
    return INGOT_OK;
}

static int32_t run_read(struct ingot_call *c)
{
    const counter_states *s = c->states;

    memcpy(c->outputs[0].data, s->w, sizeof s->w);
    memcpy(c->outputs[1].data, s->n, sizeof s->n[0]);
    c->outputs[0].dims[0] = 2;
    return INGOT_OK;
}

static size_t no_space(const int64_t *dims, int32_t threads)
{
    (void)dims, (void)threads;
    return 0;
}

static void read_dims(const int64_t *dims, int64_t *extents)
{
    (void)dims;
    extents[0] = 2;
}

static uint64_t no_flops(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static const int64_t two[] = {2};
static const struct ingot_value_info
    counted[] = {{.name = "w", .dtype = TENSOR_F32, .rank = 1, .dims = two},
                 {.name = "n\"", .dtype = TENSOR_I64, .offset = 64}};
static const struct ingot_entry counting[] = {
    {.name = "step", .input_count = 1, .inputs = counted, .workspace_size = no_space,
     .run = run_step, .flops = no_flops},
    {.name = "read", .output_count = 2, .outputs = counted, .workspace_size = no_space,
     .output_dims = read_dims, .run = run_read, .flops = no_flops}};
static const struct ingot_model counter = {
    .abi = INGOT_ABI_VERSION, .name = "counter", .entry_count = 2, .entries = counting,
    .state_count = 2, .states = counted, .state_size = sizeof(counter_states),
    .init_states = start_counting};

static size_t read_file(const char *path, uint8_t *to, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(to, 1, room, f) : 0;

    if (f)
        fclose(f);
    return n;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void entries_are_named(void **state)
{
    (void)state;
    assert_int_equal(RUN_OF(&counter, "--random-inputs"), 2);
    assert_said("2 entries");
    assert_int_equal(RUN_OF(&counter, "raed"), 2);
    assert_said("did you mean 'read'?");
    assert_int_equal(RUN_OF(&counter, "read", "step"), 2);
    assert_int_equal(RUN_OF(&counter, "--help"), 0);
    assert_said("step(w: f32[2])");
    assert_said("read() -> w: f32[2], n\": i64[]");
    assert_int_equal(RUN_OF(&counter, "read"), 0);
    assert_said("w: f32[2] 1 2");
    assert_int_equal(RUN_OF(&counter, "step", "--random-inputs"), 0);
    assert_said("the states changed and are forgotten");
}

static void states_go_on(void **state)
{
    uint8_t once[400], twice[400];

    (void)state;
    assert_int_equal(RUN_OF(&counter, "step", "--random-inputs", "--steps=2",
                            arg("--states=", "once")), 0);
    assert_string_equal(said, "");
    for (int i = 0; i < 2; i++)
        assert_int_equal(RUN_OF(&counter, "step", "--random-inputs", arg("--states=", "twice")), 0);
    size_t n = read_file(path_of("once"), once, sizeof once);
    assert_true(n > 16 && n < sizeof once);
    assert_int_equal(read_file(path_of("twice"), twice, sizeof twice), n);
    assert_memory_equal(once, twice, n);
    assert_int_equal(RUN_OF(&counter, "step", "--bench=3"), 0);
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "twice")), 0);
    assert_said("n\": i64[] 2");
    assert_int_equal(RUN_OF(&counter, "read", "--states=/no/such/folder/s"), 1);
    assert_int_equal(RUN_OF(&counter, "step", "--bench=3", arg("--states=", "twice")), 2);
    assert_int_equal(RUN("--random-inputs", "--dim=N=4", arg("--states=", "twice")), 2);
    assert_said("the model has no states");
}

static void other_states_are_refused(void **state)
{
    struct ingot_value_info info[] = {counted[0], counted[1]};
    struct ingot_model other = counter;
    static const int64_t three[] = {3};

    (void)state;
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "s")), 0);
    other.states = info;
    info[0].dims = three;
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("state 'w' is f32[2] there, in the model it is f32[3]");
    info[0] = counted[0];
    info[1].dtype = TENSOR_U64;
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("is i64[] there, in the model it is u64[]");
    info[1] = counted[1];
    info[0].name = "v";
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("holds 'w', which is no state of this model");
    other.states = &info[1];
    other.state_count = 1;
    info[0] = counted[0];
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "other")), 0);
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "other")), 1);
    assert_said("holds no state 'w'");
    info[1].dtype = TENSOR_STRING;
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("which a file of states cannot hold");
}

/* What others write: other orders, blanks, escapes, notes. */
static void foreign_states_are_read(void **state)
{
    static const char text[] =
        " { \"__metadata__\" : {\"by\":\"h\\u00e4nd\", \"x\":\"\"}, \"n\\u0022\":{\"shape\":[ ],"
        "\"data_offsets\":[8 , 16],\"dtype\":\"I64\"},\n\"w\":{\"dtype\":\"F32\",\"shape\":[ 2 ],"
        "\"data_offsets\":[0,8]}}";
    uint64_t length = sizeof text - 1;
    uint8_t file[400];
    session s;

    (void)state;
    memcpy(file, &length, 8);
    memcpy(file + 8, text, length);
    memcpy(file + 8 + length, (float[]){7, 8}, 8);
    memcpy(file + 16 + length, (int64_t[]){9}, 8);
    write_file(path_of("foreign"), file, 24 + length);
    assert_true(session_open(&s, &counter, NULL, 1, error));
    if (!states_read(&s, path_of("foreign"), error))
        fail_msg("%s", error);
    const counter_states *now = s.states;
    assert_true(now->w[0] == 7 && now->w[1] == 8 && now->n[0] == 9);
    session_close(&s);
}

/* Each byte changed, each length cut: read or refused, no more. */
static void damaged_states_are_refused(void **state)
{
    uint8_t good[400], bad[400];
    session s;

    (void)state;
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "s")), 0);
    size_t n = read_file(path_of("s"), good, sizeof good);
    assert_true(session_open(&s, &counter, NULL, 1, error));
    for (size_t i = 0; i < n; i++) {
        write_file(path_of("cut"), good, i);
        assert_false(states_read(&s, path_of("cut"), error));
        for (int change = 1; change < 256; change *= 2) {
            memcpy(bad, good, n);
            bad[i] ^= (uint8_t)change;
            write_file(path_of("cut"), bad, n);
            states_read(&s, path_of("cut"), error);
        }
    }
    assert_true(states_read(&s, path_of("s"), error));
    session_close(&s);
}

/* ---- calls in process ------------------------------------------------------------------ */

static void a_call_is_repeated(void **state)
{
    tensor_value in[2] = {floats(2, (float[]){1, -2, 3, 4, 5, -6})}, out[2];
    session s;
    invoke v;

    (void)state;
    assert_true(session_open(&s, &model, model.weights, 1, error));
    assert_true(tensor_init(&in[1].t, TENSOR_I64, 1, (int64_t[]){2}));
    assert_true(invoke_prepare(&v, &s, &entry, in, error));
    assert_true(invoke_run(&v, error));
    assert_true(invoke_run(&v, error));
    assert_true(invoke_take(&v, out, error));
    invoke_free(&v);
    assert_float_equal(tensor_element(&out[0].t, 5), 24, 0);
    assert_int_equal(out[1].t.count, 4);
    for (int i = 0; i < 2; i++)
        tensor_value_free(&out[i]);
    ((float *)in[0].t.data)[0] = -1;
    assert_true(invoke_prepare(&v, &s, &entry, in, error));
    assert_false(invoke_run(&v, error));
    invoke_free(&v);
    tensor_value_free(&in[1]);
    assert_false(invoke_prepare(&v, &s, &entry, in, error));
    assert_string_equal(error, "input 'ids' is no tensor");
    tensor_value_free(&in[0]);
    session_close(&s);
}

/* ---- threads ------------------------------------------------------------------------------ */

enum { MARKS = 1000 };

typedef struct marks {
    int32_t threads;
    atomic_int seen[MARKS];
    atomic_int busy[16], wrong;
} marks;

static void mark(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    marks *m = arg;

    if (thread < 0 || thread >= m->threads || atomic_fetch_add(&m->busy[thread], 1))
        atomic_fetch_add(&m->wrong, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&m->seen[i], 1);
    atomic_fetch_sub(&m->busy[thread], 1);
}

static void every_element_runs_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        thread_pool *pool = thread_pool_open(threads);
        const struct ingot_pool *p = thread_pool_of(pool);
        marks *m = calloc(1, sizeof *m);
        m->threads = p->threads;
        for (int64_t n = 0; n <= MARKS; n += 1 + n / 3)
            p->run(p->context, mark, m, n);
        int rounds = 0;
        for (int64_t n = 0; n <= MARKS; n += 1 + n / 3)
            rounds += n > 0;
        assert_int_equal(m->seen[0], rounds);
        assert_int_equal(m->wrong, 0);
        if (threads == 2)
            usleep(20000);      /* its worker sleeps, then is woken */
        p->run(p->context, mark, m, MARKS);
        assert_int_equal(m->seen[0], rounds + 1);
        assert_true(m->seen[MARKS - 1] >= 1);
        thread_pool_close(pool);
        free(m);
    }
    assert_true(thread_cpus() >= 1);
    thread_pool_close(NULL);
}

/* ---- kernels ------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 20;
}

static void sorting_is_stable(void **state)
{
    enum { ROWS = 3, N = 1000 };
    uint64_t seed = 7;
    uint32_t in[ROWS * N], keys[ROWS * N], spare[ROWS * N];
    int64_t *places = calloc(2 * ROWS * N, 8), dims[2] = {ROWS, 0};

    (void)state;
    for (int64_t n = 0; n <= N; n = n * 2 + 1) {
        dims[1] = n;
        for (int64_t i = 0; i < ROWS * n; i++)
            in[i] = (uint32_t)(next_random(&seed) % 50);
        struct ingot_tensor t[] = {{keys, dims, TENSOR_U32, 2}, {places, dims, TENSOR_I64, 2},
                                   {spare, dims, TENSOR_U32, 2},
                                   {places + ROWS * N, dims, TENSOR_I64, 2},
                                   {in, dims, TENSOR_U32, 2}};
        struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4};
        assert_int_equal(ingot_kernel_sort_u32(&x), INGOT_OK);
        for (int64_t i = 0; i < ROWS * n; i++) {
            int64_t row = i / n * n;
            assert_int_equal(keys[i], in[row + places[i]]);
            if (i > row)
                assert_true(keys[i - 1] < keys[i] ||
                            (keys[i - 1] == keys[i] && places[i - 1] < places[i]));
        }
    }
    free(places);
}

static void sorting_of_wide_keys(void **state)
{
    uint64_t in[] = {UINT64_MAX, 0, 5, 1ull << 40, 5}, keys[5], spare[5];
    int64_t places[5], more[5], dims[] = {1, 5};
    struct ingot_tensor t[] = {{keys, dims, TENSOR_U64, 2}, {places, dims, TENSOR_I64, 2},
                               {spare, dims, TENSOR_U64, 2}, {more, dims, TENSOR_I64, 2},
                               {in, dims, TENSOR_U64, 2}};
    struct ingot_extern x = {.arg = t, .arg_count = 5, .result_count = 4};

    (void)state;
    assert_int_equal(ingot_kernel_sort_u64(&x), INGOT_OK);
    assert_memory_equal(places, ((int64_t[]){1, 2, 4, 3, 0}), sizeof places);
}

static void places_of_what_is_not_zero(void **state)
{
    float in[6] = {0, -0.0f, 3, 0, -1, 0};
    int64_t out[12], dims[] = {2, 3}, n = -1;
    struct ingot_tensor t[] = {{out, NULL, TENSOR_I64, 2}, {in, dims, TENSOR_F32, 2}};
    struct ingot_extern x = {.arg = t, .arg_count = 2, .result_count = 1, .sym = &n};

    (void)state;
    assert_int_equal(ingot_kernel_nonzero(&x), INGOT_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(out, ((int64_t[]){0, 1, 2, 1}), 32);
    t[1].dtype = TENSOR_STRING;
    assert_int_equal(ingot_kernel_nonzero(&x), INGOT_CHECK);
}

static void suppression(void **state)
{
    float boxes[] = {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11}, scores[] = {0.8f, 0.9f, 0.5f};
    float overlap = 0.5f, least = 0;
    int64_t most = 3, out[9], found = -1, center = 0;
    int64_t dims_b[] = {1, 3, 4}, dims_s[] = {1, 1, 3};
    uint8_t gone[3];
    struct ingot_tensor t[] = {
        {out, NULL, TENSOR_I64, 2},        {gone, NULL, TENSOR_U8, 1},
        {boxes, dims_b, TENSOR_F32, 3},    {scores, dims_s, TENSOR_F32, 3},
        {&most, NULL, TENSOR_I64, 0},      {&overlap, NULL, TENSOR_F32, 0},
        {&least, NULL, TENSOR_F32, 0}};
    struct ingot_extern x = {.arg = t, .arg_count = 7, .result_count = 2, .num = &center,
                             .sym = &found};

    (void)state;
    assert_int_equal(ingot_kernel_nms(&x), INGOT_OK);
    assert_int_equal(found, 2);
    assert_memory_equal(out, ((int64_t[]){0, 0, 1, 0, 0, 2}), 48);
    most = -5;
    assert_int_equal(ingot_kernel_nms(&x), INGOT_OK);
    assert_int_equal(found, 0);
}

static void shapes_as_text(void **state)
{
    int64_t dims[TENSOR_MAX_RANK];
    int32_t rank;

    (void)state;
    assert_true(outputs_parse_shape("1x3x48", &rank, dims) && rank == 3 && dims[2] == 48);
    assert_true(outputs_parse_shape("", &rank, dims) && rank == 0);
    const char *wrong[] = {"x", "1x", "1xx2", "-1", "1x-2", "a", "1,2", "99999999999999999999",
                           "1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1", " 1", "1 "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(outputs_parse_shape(wrong[i], &rank, dims));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_written),
        cmocka_unit_test(random_inputs_repeat),
        cmocka_unit_test(wrong_inputs_are_named),
        cmocka_unit_test(failures_while_running),
        cmocka_unit_test(wrong_usage),
        cmocka_unit_test(information_and_times),
        cmocka_unit_test(weights_in_a_file),
        cmocka_unit_test(the_cpu_is_checked),
        cmocka_unit_test(entries_are_named),
        cmocka_unit_test(states_go_on),
        cmocka_unit_test(other_states_are_refused),
        cmocka_unit_test(foreign_states_are_read),
        cmocka_unit_test(damaged_states_are_refused),
        cmocka_unit_test(a_call_is_repeated),
        cmocka_unit_test(every_element_runs_once),
        cmocka_unit_test(sorting_is_stable),
        cmocka_unit_test(sorting_of_wide_keys),
        cmocka_unit_test(places_of_what_is_not_zero),
        cmocka_unit_test(suppression),
        cmocka_unit_test(shapes_as_text),
    };

    return cmocka_run_group_tests(tests, write_inputs, remove_all);
}
