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
#include <math.h>
#include "bind.h"
#include "check_cpu.h"
#include "invoke.h"
#include "outputs.h"
#include "program_run.h"

static char error[TENSOR_ERROR_SIZE];

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

#define RUN(...) RUN_OF(&model, __VA_ARGS__)

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
    assert_int_equal(make_folder(state), 0);
    write_value("x.npy", floats(2, (float[]){1, -2, 3, 4, 5, -6}));
    write_value("bad.npy", floats(2, (float[]){-1, -2, 3, 4, 5, -6}));
    assert_true(tensor_init(&ids.t, TENSOR_I64, 1, (int64_t[]){2}));
    write_value("ids.npy", ids);
    assert_true(tensor_init(&ids.t, TENSOR_I64, 1, (int64_t[]){5}));
    write_value("ids5.npy", ids);
    return 0;
}

/* ---- the executable ----------------------------------------------------------------- */

static void outputs_are_written(void **state)
{
    tensor_value y, found;

    (void)state;
    assert_int_equal(RUN("--threads=3", "--input", arg("x:0=", "x.npy"),
                         arg("--input=ids=", "ids.npy"), arg("--output-dir=", "out/deep")), 0);
    assert_said("out/deep/y_a.npy: f32[2,3]");
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
    assert_int_equal(RUN(arg("", "x.npy")), 2);
    assert_said("is a file, not an entry: --input NAME=FILE or --NAME FILE takes one");
    assert_int_equal(RUN(arg("--input=x:0=", "x.npy"), arg("--input=ids=", "ids5.npy")), 1);
    assert_said("input 'ids', axis 0: has extent 5, but 'N' is 2 by input 'x:0', axis 0");
    assert_int_equal(RUN(arg("--input=x:0=", "ids.npy"), "--random-inputs"), 1);
    assert_said("input 'x:0' has type i64, expected f32");
    assert_int_equal(RUN(arg("--input=x:1=", "x.npy")), 2);
    assert_said("input 'x:1' is unknown: give x:0 or ids; did you mean 'x:0'?");
    assert_int_equal(RUN("--random-inputs"), 0);
    assert_said("dim 'N' is taken as 1 (--dim N=N sets it)");
    assert_said("y/a: f32[1,3]");
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=2x4"), 1);
    assert_said("axis 1: has extent 4, expected 3");
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=6"), 1);
    assert_said("has 1 axes, expected 2");
    assert_int_equal(RUN("--random-inputs", "--dim=M=6"), 2);
    assert_said("run-time dim 'M' is unknown: give N");
    assert_int_equal(RUN("--random-inputs", "--shape=y=6"), 2);
    assert_said("input 'y' is unknown: give x:0 or ids");
    assert_int_equal(RUN("--input=x:0=none.npy"), 1);
    assert_said("none.npy: No such file");
    assert_int_equal(RUN("--random-inputs", "--shape=x:0=9223372036854775807x3"), 1);
    assert_said("input 'x:0' is too large");
}

/* What is no file may be a value. */
static void inputs_are_values(void **state)
{
    (void)state;
    assert_int_equal(RUN("--input=x:0=[[1, -2, 3e1]]", "--input=ids=[7]"), 0);
    assert_said("y/a: f32[1,3] 11 18 60");
    assert_int_equal(RUN("--random-inputs", "--input=ids=[1.5]"), 1);
    assert_said("input 'ids': 1.5 is no i64");
    assert_int_equal(RUN("--random-inputs", "--input=ids=[1,,2]"), 1);
    assert_said("[1,,2]: No such file");
}

/* A dim that nobody gave is the least power of 2 at which the model runs. */
static int32_t run_from_8_on(struct ingot_call *c)
{
    return c->dims[0] < 8 ? (c->message = "a window is larger than its axis", INGOT_CHECK)
                          : run_model(c);
}

/* Where too few rows leave nothing to average, and where no number of rows helps. */
static int32_t means_from_4_on(struct ingot_call *c)
{
    int32_t status = run_model(c);

    for (int64_t i = 0; c->dims[0] < 4 && i < 3 * c->dims[0]; i++)
        ((float *)c->outputs[0].data)[i] = NAN;
    return status;
}

static int32_t means_never(struct ingot_call *c)
{
    int32_t status = run_model(c);

    for (int64_t i = 0; i < 3 * c->dims[0]; i++)
        ((float *)c->outputs[0].data)[i] = NAN;
    return status;
}

static void dims_leave_numbers(void **state)
{
    struct ingot_entry e = entry;
    struct ingot_model m = model;

    (void)state;
    m.entries = &e;
    e.run = means_from_4_on;
    assert_int_equal(RUN_OF(&m, "--random-inputs"), 0);
    assert_said("dim 'N' is taken as 4 (--dim N=N sets it)");
    e.run = means_never;
    assert_int_equal(RUN_OF(&m, "--random-inputs"), 0);
    assert_said("dim 'N' is taken as 1 (--dim N=N sets it)");
}

static void dims_are_found(void **state)
{
    struct ingot_entry e = entry;
    struct ingot_model m = model;

    (void)state;
    m.entries = &e;
    e.run = run_from_8_on;
    assert_int_equal(RUN_OF(&m, "--random-inputs"), 0);
    assert_said("dim 'N' is taken as 8 (--dim N=N sets it)");
    assert_said("y/a: f32[8,3]");
    assert_int_equal(RUN_OF(&m, "--random-inputs", "--dim=N=4"), 1);
    assert_said("a window is larger than its axis");
    assert_int_equal(RUN_OF(&m, "--random-inputs", "--input=ids=[1,2]"), 1);
    assert_said("a window is larger than its axis");
}

/* Programs have `init` beside what they do: it is run only by its name. */
static void entries_are_chosen(void **state)
{
    struct ingot_entry e[3] = {entry, entry, entry};
    struct ingot_model m = model;

    (void)state;
    e[0].name = "init", e[1].name = "net", e[2].name = "other";
    m.entries = e;
    m.entry_count = 2;
    assert_ptr_equal(session_entry(&m, NULL), &e[1]);
    assert_ptr_equal(session_entry(&m, "init"), &e[0]);
    assert_null(session_entry(&m, "main"));
    m.entry_count = 3;
    assert_null(session_entry(&m, NULL));
    assert_int_equal(RUN_OF(&m, "--random-inputs"), 2);
    assert_said("the model has 3 entries, none of them 'main'");
    assert_int_equal(RUN_OF(&m, "--info"), 0);
    assert_said("entry    init  (described here)\nentry    net\nentry    other");
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
    assert_said("--dim takes a whole number");
    assert_int_equal(RUN("--thread=2"), 2);
    assert_said("did you mean '--threads'?");
    assert_int_equal(RUN("--threads=0"), 2);
    assert_int_equal(RUN("--output-format=png"), 2);
    assert_int_equal(RUN("--random-inputs", "--output-dir", "-"), 2);
    assert_said("--output-dir takes a name");
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
    assert_said("\"p90_ms\":");
    assert_int_equal(RUN("--bench=1", "--dim=N=4", arg("--json=", "no/t.json")), 1);
    assert_int_equal(RUN("--dim=N=4", "--bench", "--duration=0.01", "--warm-up", "1"), 0);
    assert_said("p99");
    assert_said("throughput:");
    assert_int_equal(RUN("--dim=N=4", "--duration=1", "--random-inputs"), 2);
    assert_int_equal(RUN("--dim=N=4", "--bench", "--duration=long"), 2);
    assert_said("--duration takes a time, not 'long'");
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

/* ---- extents ------------------------------------------------------------------------- */

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
        cmocka_unit_test(inputs_are_values),
        cmocka_unit_test(dims_are_found),
        cmocka_unit_test(dims_leave_numbers),
        cmocka_unit_test(entries_are_chosen),
        cmocka_unit_test(failures_while_running),
        cmocka_unit_test(wrong_usage),
        cmocka_unit_test(information_and_times),
        cmocka_unit_test(weights_in_a_file),
        cmocka_unit_test(the_cpu_is_checked),
        cmocka_unit_test(a_call_is_repeated),
        cmocka_unit_test(shapes_as_text),
    };

    return cmocka_run_group_tests(tests, write_inputs, remove_all);
}
