/* tests/unit/test_emit.c - compiled code against the evaluator: random
 * networks, for processors with narrow and wide vectors. */
#include "random_grad.h"

#include "code.h"
#include "ingot.h"

#include <math.h>

/* The engine takes the module over, so it gets one of its own. */
static ir_module *copy_of(net *t)
{
    text out = {0};

    ir_print(t->m, &out);
    ir_module *m = ir_parse(out.at, "copy", &t->d);
    if (!m)
        fail_net(t, NULL, t->d.message.at[0].text);
    text_free(&out);
    return m;
}

static void check_compiled(net *t, const target *cpu)
{
    const ingot_options o = {.target = cpu};
    char error[TENSOR_ERROR_SIZE];
    tensor_value in[INPUTS] = {0}, out[1] = {0};

    for (uint32_t i = 0; i < t->fn->param.len; i++) {
        const ir_val *v = t->given[i];
        assert_true(tensor_init(&in[i].t, dt_of(v->dtype)->onnx, v->rank, v->dim));
        memcpy(in[i].t.data, v->data, (size_t)(val_count(v) * dt_size(v->dtype)));
    }
    ingot_engine *e = ingot_engine_open(ENGINE_COMPILED, copy_of(t), &o, 1, &t->d);
    if (!e)
        fail_net(t, NULL, t->d.gap.len ? t->d.gap.at[0].reason : "not compiled");
    if (!ingot_engine_run(e, in, out, error))
        fail_net(t, NULL, error);
    expect_elements(t, NULL, t->fn->result.at[0], out[0].t.data);
    ingot_engine_close(e);
    for (uint32_t i = 0; i < t->fn->param.len; i++)
        tensor_value_free(&in[i]);
    tensor_value_free(&out[0]);
}

static ingot_engine *engine_of(const char *source, const target *cpu, int threads, diag *d)
{
    const ingot_options o = {.target = cpu};
    ingot_engine *e =
        ingot_engine_open(ENGINE_COMPILED, ir_parse(source, "test", d), &o, threads, d);

    assert_non_null(e);
    return e;
}

/* What the plan says of its workspace is what the code asks for: slots of odd sizes, scratch of
 * products, on one thread and several. */
static void test_workspace(void **state)
{
    static const char source[] =
        "entry main(%x: f32[n,m], %w: f32[m,k]) {\n  %1 = dot %x, %w {sum_a=[1], "
        "sum_b=[0]} : f32[n,k]\n  %2 = reduce %1 {op=sum, axes=[0]} : f32[k]\n"
        "  %3 = dot %1, %1 {sum_a=[0], sum_b=[0]} : f32[k,k]\n"
        "  %4 = dot %3, %2 {sum_a=[1], sum_b=[0]} : f32[k]\n  return y=%4\n}\n";
    target cpu;
    ingot_code c;
    diag d;

    (void)state;
    assert_true(host_find("native", &cpu));
    diag_init(&d);
    ir_module *m = ir_parse(source, "test", &d);
    assert_non_null(m);
    assert_true(code_plan(&c, m, &(ingot_code_options){.name = "model", .target = &cpu}, &d));
    ingot_engine *e = engine_of(source, &cpu, 1, &d);
    const struct ingot_entry *entry = ingot_engine_entry(e);
    const plan_entry *planned = c.p->entry.at[0];
    for (int64_t n = 1; n < 100; n += 7)
        for (int32_t threads = 1; threads <= 3; threads++) {
            int64_t dims[3] = {n, 2 * n + 1, 3 * n + 2}, *symbol;
            assert_int_equal(planned->symbol.len, 3);
            symbol = mem_alloc((m->dims.symbol.len + 1) * sizeof *symbol);
            for (uint32_t i = 0; i < 3; i++)
                symbol[planned->symbol.at[i]] = dims[i];
            assert_int_equal(entry->workspace_size(dims, threads),
                             plan_workspace(c.p, planned, symbol, threads));
            mem_free(symbol);
        }
    ingot_engine_close(e);
    code_free(&c);
    ir_module_free(m);
    diag_free(&d);
}

/* Every second to fifth element, of runs that end with the last one read, or later. */
static void test_strided(void **state)
{
    target cpu;

    (void)state;
    assert_true(host_find("native", &cpu));
    for (int step = 2; step <= 5; step++) {
        char source[200], error[TENSOR_ERROR_SIZE];
        diag d;

        snprintf(source, sizeof source,
                 "entry main(%%x: f32[n]) {\n  %%1 = slice %%x {start=[0], step=[%d], "
                 "extent=[(n+%d)/%d]} : f32[(n+%d)/%d]\n  return y=%%1\n}\n",
                 step, step - 1, step, step - 1, step);
        diag_init(&d);
        ingot_engine *e = engine_of(source, &cpu, 1, &d);
        for (int64_t n = 1; n < 140; n++) {
            tensor_value in = {0}, out = {0};
            assert_true(tensor_init(&in.t, dt_of(DT_F32)->onnx, 1, &n));
            for (int64_t i = 0; i < n; i++)
                ((float *)in.t.data)[i] = (float)i;
            assert_true(ingot_engine_run(e, &in, &out, error));
            for (int64_t i = 0; i * step < n; i++)
                assert_true(((float *)out.t.data)[i] == (float)(i * step));
            tensor_value_free(&in);
            tensor_value_free(&out);
        }
        ingot_engine_close(e);
        diag_free(&d);
    }
}

/* Checks for up to 39 elements: each is there some times in turn, or once, with zeros between. */
static void check_repeated(const char *source, int times, bool once)
{
    char error[TENSOR_ERROR_SIZE];
    target cpu;
    diag d;

    assert_true(host_find("native", &cpu));
    diag_init(&d);
    ingot_engine *e = engine_of(source, &cpu, 1, &d);
    for (int64_t n = 1; n < 40; n++) {
        tensor_value in = {0}, out = {0};
        assert_true(tensor_init(&in.t, dt_of(DT_F32)->onnx, 1, &n));
        for (int64_t i = 0; i < n; i++)
            ((float *)in.t.data)[i] = (float)(i + 1);
        assert_true(ingot_engine_run(e, &in, &out, error));
        for (int64_t i = 0; i < n * times; i++) {
            float want = once && i % times ? 0 : (float)(i / times + 1);
            assert_true(((float *)out.t.data)[i] == want);
        }
        tensor_value_free(&in);
        tensor_value_free(&out);
    }
    ingot_engine_close(e);
    diag_free(&d);
}

/* Each element some times in turn, as a shorter vector that is spread or one by one;
 * tails are masked, and so are zeros that a pad puts between elements. */
static void test_repeated(void **state)
{
    (void)state;
    for (int times = 2; times <= 9; times++) {
        char source[300];

        snprintf(source, sizeof source,
                 "entry main(%%x: f32[n]) {\n  %%1 = broadcast %%x {shape=[n,%d], axes=[0]} : "
                 "f32[n,%d]\n  %%2 = reshape %%1 {shape=[n*%d]} : f32[n*%d]\n"
                 "  return y=%%2\n}\n", times, times, times, times);
        check_repeated(source, times, false);
        snprintf(source, sizeof source,
                 "entry main(%%x: f32[n]) {\n  %%1 = const 0 : f32[]\n  %%2 = pad %%x, %%1 "
                 "{low=[0], high=[%d], inner=[%d]} : f32[max(0,n-1)*%d+n+%d]\n  return y=%%2\n}\n",
                 times - 1, times - 1, times - 1, times - 1);
        check_repeated(source, times, true);
    }
}

/* A result that is larger than the last cache is said to be: its stores go past the
 * caches where a row begins at a multiple of a vector, and are plain ones elsewhere. */
static void test_streamed(void **state)
{
    enum { ROWS = 250, COLUMNS = 264 };
    static const char source[] = "entry main(%x: f32[264,250]) {\n"
                                 "  %1 = transpose %x {perm=[1,0]} : f32[250,264]\n"
                                 "  return y=%1\n}\n";
    const int64_t shape[2] = {COLUMNS, ROWS};
    char error[TENSOR_ERROR_SIZE];
    tensor_value in = {0}, out = {0};
    target cpu;
    diag d;

    (void)state;
    assert_true(host_find("native", &cpu));
    cpu.l3_bytes = 1 << 16;
    diag_init(&d);
    ingot_engine *e = engine_of(source, &cpu, 2, &d);
    assert_true(tensor_init(&in.t, dt_of(DT_F32)->onnx, 2, shape));
    float *x = in.t.data;
    for (int64_t i = 0; i < (int64_t)ROWS * COLUMNS; i++)
        x[i] = (float)i;
    assert_true(ingot_engine_run(e, &in, &out, error));
    const float *y = out.t.data;
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t j = 0; j < COLUMNS; j++)
            assert_true(y[i * COLUMNS + j] == x[j * ROWS + i]);
    ingot_engine_close(e);
    tensor_value_free(&in);
    tensor_value_free(&out);
    diag_free(&d);
}

/* What `source` makes of its one input in code for the CPU. */
static tensor_value result_of(const char *cpu, const char *source, const tensor_value *in)
{
    char error[TENSOR_ERROR_SIZE];
    tensor_value out = {0};
    target t;
    diag d;

    assert_true(host_find(cpu, &t));
    diag_init(&d);
    ingot_engine *e = engine_of(source, &t, 1, &d);
    assert_true(ingot_engine_run(e, in, &out, error));
    ingot_engine_close(e);
    diag_free(&d);
    return out;
}

/* Tiles of elements of each size are turned as eval would, in vectors of each width. */
static void check_turned(const char *cpu, ir_dtype d)
{
    enum { ROWS = 130, COLUMNS = 200 };
    const int64_t shape[2] = {ROWS, COLUMNS}, size = dt_size(d);
    char source[200];
    tensor_value in = {0};

    snprintf(source, sizeof source,
             "entry main(%%x: %s[130,200]) {\n  %%1 = transpose %%x {perm=[1,0]} : %s[200,130]\n"
             "  return y=%%1\n}\n", dt_text(d), dt_text(d));
    assert_true(tensor_init(&in.t, dt_of(d)->onnx, 2, shape));
    uint8_t *x = in.t.data;
    for (int64_t i = 0; i < ROWS * COLUMNS * size; i++)
        x[i] = (uint8_t)(i * 37 + i / 251);
    tensor_value out = result_of(cpu, source, &in);
    const uint8_t *y = out.t.data;
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t j = 0; j < COLUMNS; j++)
            assert_memory_equal(y + (j * ROWS + i) * size, x + (i * COLUMNS + j) * size,
                                (size_t)size);
    tensor_value_free(&in);
    tensor_value_free(&out);
}

static void test_turned(void **state)
{
    static const ir_dtype type[] = {DT_U8, DT_I16, DT_I32, DT_I64};

    (void)state;
    for (size_t i = 0; i < COUNT(type); i++) {
        check_turned("x86-64", type[i]);
        check_turned("x86-64-v3", type[i]);
        check_turned("native", type[i]);
    }
}

/* Element i of integers of this type. */
static int64_t element_of(const tensor *t, ir_dtype d, int i)
{
    switch (d) {
    case DT_I8: return ((const int8_t *)t->data)[i];
    case DT_U8: return ((const uint8_t *)t->data)[i];
    case DT_I16: return ((const int16_t *)t->data)[i];
    default: return ((const uint16_t *)t->data)[i];
    }
}

/* Floats become the nearest integer that there is, without their fraction; NaN becomes 0. */
static void check_narrow(const char *cpu, ir_dtype d, const float *x, int64_t n)
{
    int64_t hi = (INT64_C(1) << (dt_bits(d) - dt_is_signed(d))) - 1;
    int64_t lo = dt_is_signed(d) ? -hi - 1 : 0;
    char source[200];
    tensor_value in = {0};

    snprintf(source, sizeof source,
             "entry main(%%x: f32[n]) {\n  %%1 = cast %%x {to=%s, saturate=true} : %s[n]\n"
             "  return y=%%1\n}\n", dt_text(d), dt_text(d));
    assert_true(tensor_init(&in.t, dt_of(DT_F32)->onnx, 1, &n));
    memcpy(in.t.data, x, (size_t)n * sizeof *x);
    tensor_value out = result_of(cpu, source, &in);
    for (int i = 0; i < n; i++) {
        double v = isnan(x[i]) ? 0 : trunc(fmin(fmax(x[i], (double)lo), (double)hi));
        assert_int_equal(element_of(&out.t, d, i), (int64_t)v);
    }
    tensor_value_free(&in);
    tensor_value_free(&out);
}

static void test_narrow(void **state)
{
    static const ir_dtype type[] = {DT_I8, DT_U8, DT_I16, DT_U16};
    static const float x[] = {0,        -0.0f,   0.9f,     -0.9f,     1.5f,   -1.5f,
                              127,      127.9f,  128,      -128,      -128.9f, -129,
                              255.9f,   256,     32767,    32768,     65535,  65536,
                              -32768,   -32769,  3e9f,     -3e9f,     NAN,    INFINITY,
                              1e-40f,   -1e-40f, 16777216, -INFINITY, 200.5f, -200.5f,
                              42,       -1};

    (void)state;
    for (size_t i = 0; i < COUNT(type); i++) {
        check_narrow("x86-64", type[i], x, COUNT(x));
        check_narrow("native", type[i], x, COUNT(x) - 3);
    }
}

/* What a recurrent net of 16 rows carries after five iterations on so many threads. */
static void run_recurrent(int threads, tensor_value out[1])
{
    static const char source[] =
        "const @1 = f32[128,128] splat 0.01\n\n"
        "entry main(%h: f32[16,128], %x: f32[16,128]) {\n  %go = const 1 : bool[]\n"
        "  %y = loop %go, %h, %x {trip=5, carries=1} "
        "body(%i: i64[], %c: f32[16,128], %v: f32[16,128]) {\n    %on = const 1 : bool[]\n"
        "    %u = const @1 : f32[128,128]\n"
        "    %a = dot %c, %u {sum_a=[1], sum_b=[0]} : f32[16,128]\n"
        "    %b = add %a, %v : f32[16,128]\n    %t = tanh %b : f32[16,128]\n"
        "    yield %on, %t\n  } : f32[16,128]\n  return y=%y\n}\n";
    static const int64_t shape[2] = {16, 128};
    char error[TENSOR_ERROR_SIZE];
    tensor_value in[2] = {0};
    target cpu;
    diag d;

    assert_true(host_find("native", &cpu));
    diag_init(&d);
    ingot_engine *e = engine_of(source, &cpu, threads, &d);
    for (int i = 0; i < 2; i++) {
        assert_true(tensor_init(&in[i].t, dt_of(DT_F32)->onnx, 2, shape));
        for (int64_t j = 0; j < 16 * 128; j++)
            ((float *)in[i].t.data)[j] = (float)((j * (31 + i)) % 101 - 50) / 64;
    }
    assert_true(ingot_engine_run(e, in, out, error));
    ingot_engine_close(e);
    for (int i = 0; i < 2; i++)
        tensor_value_free(&in[i]);
    diag_free(&d);
}

/* Threads share rows that a loop carries; who makes one, and after whom, changes no bit. */
static void test_carried(void **state)
{
    tensor_value want = {0};

    (void)state;
    run_recurrent(1, &want);
    for (int threads = 2; threads <= 3; threads++) {
        tensor_value got = {0};
        run_recurrent(threads, &got);
        assert_memory_equal(got.t.data, want.t.data, 16 * 128 * sizeof(float));
        tensor_value_free(&got);
    }
    tensor_value_free(&want);
}

/* ---- 3x3 convolutions of weights that only the run knows ---------------------------------- */

enum { FEATURES = 32, SQUARES_IN = 3, SQUARES_OUT = 3 };

/* A convolution and its gradients by image and weights, of `batch` images. */
static void squares_text(char *out, size_t size, const char *batch, const int64_t *side)
{
    char image[64], weight[64], joined[140];

    snprintf(image, sizeof image, "f32[%s,%d,%d,%d]", batch, FEATURES, (int)side[0], (int)side[1]);
    snprintf(weight, sizeof weight, "f32[%d,%d,3,3]", FEATURES, FEATURES);
    snprintf(joined, sizeof joined, "%s, %s", image, weight);
    int n = snprintf(out, size,
                     "entry main(%%x: %s, %%w: %s, %%t: %s) {\n"
                     "  %%1 = conv %%x, %%w {xb=[0], xf=[1], xs=[2,3], wo=[0], wf=[1], ws=[2,3], "
                     "yb=[0], yo=[1], ys=[2,3], stride=[1,1], low=[1,1], high=[1,1], ldil=[1,1], "
                     "rdil=[1,1]} : %s\n  %%2 = mul %%1, %%t : %s\n"
                     "  %%3 = reduce %%2 {axes=[0,1,2,3], op=sum} : f32[]\n"
                     "  %%4, %%5 = grad %%3, %%x, %%w : %s\n  return y=%%1, dx=%%4, dw=%%5\n}\n",
                     image, weight, image, image, image, joined);
    assert_in_range(n, 1, size - 1);
}

/* How many convolutions are made in squares. */
static int squares_made(const ingot_engine *e)
{
    const plan_block *body = ingot_engine_plan(e)->entry.at[0]->body;
    int n = 0;

    for (uint32_t i = 0; i < body->step.len; i++) {
        const plan_step *s = &body->step.at[i];
        n += s->op == STEP_RUN && strstr(ingot_engine_kernel(e, s->u.run.kernel), "_winograd");
    }
    return n;
}

/* Sums of a few hundred products of numbers below 1, which squares round more than sums over
 * taps do; the gradient of a weight sums a product a place. */
static void check_squares_out(const tensor *got, const tensor *want)
{
    int64_t n = want->count;
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(((const float *)want->data)[i]));
    for (int64_t i = 0; i < n; i++)
        assert_true(fabs(((const float *)got->data)[i] - ((const float *)want->data)[i]) <=
                    1e-5 * most);
}

/* The engines of a text: the interpreter, then compiled code on one to three threads. */
static void check_squares(ingot_engine *const *e, int64_t batch, const int64_t *side)
{
    const int64_t image[4] = {batch, FEATURES, side[0], side[1]};
    const int64_t weight[4] = {FEATURES, FEATURES, 3, 3};
    tensor_value in[SQUARES_IN] = {0}, out[4][SQUARES_OUT] = {0};
    char error[TENSOR_ERROR_SIZE];
    net random = {.state = (uint64_t)(batch + side[0])};

    for (int i = 0; i < SQUARES_IN; i++) {
        assert_true(tensor_init(&in[i].t, dt_of(DT_F32)->onnx, 4, i == 1 ? weight : image));
        for (int64_t j = 0; j < in[i].t.count; j++)
            ((float *)in[i].t.data)[j] = (float)below(&random, 2001) / 1000 - 1;
    }
    for (int i = 0; i < 4; i++)
        assert_true(ingot_engine_run(e[i], in, out[i], error));
    for (int k = 0; k < SQUARES_OUT; k++) {
        size_t size = (size_t)out[0][k].t.count * sizeof(float);
        check_squares_out(&out[1][k].t, &out[0][k].t);
        assert_memory_equal(out[1][k].t.data, out[2][k].t.data, size);
        assert_memory_equal(out[1][k].t.data, out[3][k].t.data, size);
        for (int i = 0; i < 4; i++)
            tensor_value_free(&out[i][k]);
    }
    for (int i = 0; i < SQUARES_IN; i++)
        tensor_value_free(&in[i]);
}

/* For batches of first to last, whose number the text has, or only the run knows. */
static void check_squares_text(const char *name, const char *batch, const int64_t *side,
                               int64_t first, int64_t last)
{
    char source[1200];
    ingot_engine *e[4];
    target cpu;
    diag d;

    assert_true(host_find(name, &cpu));
    diag_init(&d);
    squares_text(source, sizeof source, batch, side);
    e[0] = ingot_engine_open(ENGINE_INTERPRETER, ir_parse(source, "test", &d), NULL, 1, &d);
    assert_non_null(e[0]);
    for (int i = 1; i < 4; i++)
        e[i] = engine_of(source, &cpu, i, &d);
    if (!strcmp(name, "x86-64"))    /* of others it is the cost that says */
        assert_int_equal(squares_made(e[1]), 2);
    for (int64_t n = first; n <= last; n++)
        check_squares(e, n, side);
    for (int i = 0; i < 4; i++)
        ingot_engine_close(e[i]);
    diag_free(&d);
}

/* Squares that hang over at the ends, of one image and of several, which threads have parts of:
 * the interpreter's results up to rounding, and the same bits on any number of threads. */
static void test_squares_at_run(void **state)
{
    static const int64_t small[] = {13, 11}, large[] = {23, 17};

    (void)state;
    check_squares_text("x86-64", "n", small, 1, 5);
    for (int64_t n = 1; n <= 5; n++) {
        char batch[8];
        snprintf(batch, sizeof batch, "%d", (int)n);
        check_squares_text(n % 2 ? "native" : "x86-64", batch, n % 2 ? large : small, n, n);
    }
}

#define TEST(what, rounds)                                                     \
    static void test_##what(void **state)                                      \
    {                                                                          \
        const char *cpu[] = {"x86-64", "native"};                              \
                                                                               \
        (void)state;                                                           \
        run_rounds(#what, make_##what, rounds, cpu, COUNT(cpu), check_compiled);   \
    }
#define FEW(what) TEST(what, 12)
NETS(FEW)
TEST(grad, 40)

int main(void)
{
#define ROW(what) cmocka_unit_test(test_##what),
    const struct CMUnitTest tests[] = {NETS(ROW) ROW(grad) ROW(strided) ROW(repeated) ROW(streamed)
                                       ROW(turned) ROW(narrow) ROW(workspace) ROW(carried)
                                       ROW(squares_at_run)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
