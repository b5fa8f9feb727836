/* tests/unit/test_special.c - compiled code agrees with the evaluator bit for
 * bit where arithmetic is exact or rounded once: all pairs of special values,
 * for every element type, on narrow and wide vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the first of these */
#include <cmocka.h>
#include <math.h>

#include "host.h"
#include "ingot.h"
#include "num.h"

enum { RESULTS = 64 };

static const ir_dtype types[] = {DT_F64, DT_F32, DT_F16, DT_BF16, DT_I64, DT_I32, DT_I16,
                                 DT_I8,  DT_U64, DT_U32, DT_U16,  DT_U8,  DT_BOOL};

static const double floats[] = {
    0.0,      -0.0,      1,       -1,      0.5,      1.5,     2.5,      -2.5,
    3,        -7,        1e-8,    6e-8,    5.96e-8,  1e-40,   0x1p-149, 65504,
    65520,    65519.99,  1e5,     3.4e38,  1e300,    -1e300,  INFINITY, -INFINITY,
    NAN,      255.5,     -128.5,  2147483647, 4294967296.0, 9.3e18, 1.0 + 0x1p-11,
    1.0 + 0x1p-11 + 0x1p-40, 1.0 + 0x1p-8 + 0x1p-40, 0x1p-25, 0x1.8p-25};

static const int64_t integers[] = {0,     1,      -1,        2,       3,         7,
                                   8,     63,     64,        65,      100,       127,
                                   -128,  255,    -32768,    65535,   33685505,  INT32_MAX,
                                   INT32_MIN, 4294967295, (1ll << 53) + 1, INT64_MAX, INT64_MIN,
                                   -5};

/* ---- a network with every function of one type ----------------------------------------- */

static void add_result(text *out, text *results, int *n, const char *call, ir_dtype type)
{
    text_add(out, "  %%%d = %s : %s[N]\n", *n + 1, call, dt_text(type));
    text_add(results, "%s%%%d", *n ? ", " : "", *n + 1);
    ++*n;
}

static char *make_source(ir_dtype d, int elements)
{
    static const char *const unary_float[] = {"neg %x",  "abs %x",   "sign %x",      "sqrt %x",
                                              "floor %x", "ceil %x", "trunc %x", "round_even %x"};
    static const char *const unary_int[] = {"neg %x", "abs %x", "sign %x"};
    static const char *const number[] = {"add %x, %y", "sub %x, %y", "mul %x, %y",
                                         "div %x, %y", "min %x, %y", "max %x, %y"};
    static const char *const whole[] = {"pow %x, %y", "mod %x, %y", "rem %x, %y", "shl %x, %y",
                                        "shr %x, %y"};
    static const char *const compare[] = {"eq %x, %y", "ne %x, %y", "lt %x, %y", "le %x, %y"};
    bool flt = dt_is_float(d), truth = d == DT_BOOL;
    text body = {0}, results = {0}, source = {0};
    int n = 0;

    for (size_t i = 0; flt && i < COUNT(unary_float); i++)
        add_result(&body, &results, &n, unary_float[i], d);
    for (size_t i = 0; !flt && !truth && i < COUNT(unary_int); i++)
        add_result(&body, &results, &n, unary_int[i], d);
    for (size_t i = 0; !truth && i < COUNT(number); i++)
        add_result(&body, &results, &n, number[i], d);
    for (size_t i = 0; !flt && !truth && i < COUNT(whole); i++)
        add_result(&body, &results, &n, whole[i], d);
    for (size_t i = 0; i < COUNT(compare) - (truth ? 2 : 0); i++)
        add_result(&body, &results, &n, compare[i], DT_BOOL);
    for (size_t i = 0; i < COUNT(types); i++) {
        char call[64];
        snprintf(call, sizeof call, "cast %%x {to=%s}", dt_text(types[i]));
        if (types[i] != d)
            add_result(&body, &results, &n, call, types[i]);
    }
    assert_true(n <= RESULTS);
    text_add(&source, "entry main(%%x: %s[N], %%y: %s[N]) {\n", dt_text(d), dt_text(d));
    text_addn(&source, body.at, body.len);
    text_add(&source, "  return %s\n}\n", results.at);
    text_free(&body);
    text_free(&results);
    /* N stands for the number of elements. */
    text out = {0};
    for (const char *p = source.at; *p; p++)
        if (*p == 'N')
            text_add(&out, "%d", elements);
        else
            text_addn(&out, p, 1);
    text_free(&source);
    return out.at;
}

/* ---- values ------------------------------------------------------------------------------ */

static int value_count(ir_dtype d)
{
    return dt_is_float(d) ? (int)COUNT(floats) : d == DT_BOOL ? 2 : (int)COUNT(integers);
}

static void store(ir_dtype d, void *at, int i)
{
    if (dt_is_float(d))
        num_store_flt(d, at, floats[i]);
    else
        num_store_int(d, at, integers[i]);
}

static void all_pairs(ir_dtype d, tensor_value in[2])
{
    int n = value_count(d), size = dt_size(d);
    const int64_t dims[1] = {(int64_t)n * n};

    for (int k = 0; k < 2; k++)
        assert_true(tensor_init(&in[k].t, dt_of(d)->onnx, 1, dims));
    for (int i = 0; i < n * n; i++) {
        store(d, (uint8_t *)in[0].t.data + i * size, i / n);
        store(d, (uint8_t *)in[1].t.data + i * size, i % n);
    }
}

static bool same(ir_dtype d, const void *a, const void *b)
{
    if (!memcmp(a, b, (size_t)dt_size(d)))
        return true;
    return dt_is_float(d) && isnan(num_load_flt(d, a)) && isnan(num_load_flt(d, b));
}

/* The line that defines result r. */
static const char *line_of(const char *source, int r)
{
    while (r-- >= 0)
        source = strchr(source, '\n') + 1;
    return source;
}

static void compare(const char *source, const tensor_value *in, int r, const tensor *got,
                    const tensor *want)
{
    ir_dtype d = dt_from_onnx(want->dtype), from = dt_from_onnx(in[0].t.dtype);
    int size = dt_size(d), from_size = dt_size(from);

    for (int64_t i = 0; i < want->dims[0]; i++) {
        const uint8_t *a = (const uint8_t *)got->data + i * size;
        const uint8_t *b = (const uint8_t *)want->data + i * size;
        const uint8_t *x = (const uint8_t *)in[0].t.data + i * from_size;
        const uint8_t *y = (const uint8_t *)in[1].t.data + i * from_size;
        if (!same(d, a, b))
            fail_msg("%s: %.*s of %a, %a: %a, expected %a", dt_text(from),
                     (int)strcspn(line_of(source, r), "\n"), line_of(source, r),
                     num_load_flt(from, x), num_load_flt(from, y), num_load_flt(d, a),
                     num_load_flt(d, b));
    }
}

/* ---- running ----------------------------------------------------------------------------- */

static void run(ingot_engine_kind kind, const char *source, const target *cpu,
                const tensor_value *in, tensor_value *out)
{
    const ingot_options o = {.target = cpu};
    char error[TENSOR_ERROR_SIZE];
    diag d;

    diag_init(&d);
    ir_module *m = ir_parse(source, "special", &d);
    if (!m)
        fail_msg("%.20s: %s", source, d.message.at[0].text);
    ingot_engine *e = ingot_engine_open(kind, m, &o, 1, &d);
    if (!e)
        fail_msg("%.20s: %s", source, d.gap.len ? d.gap.at[0].reason : "not compiled");
    if (!ingot_engine_run(e, in, out, error))
        fail_msg("%.20s: %s", source, error);
    ingot_engine_close(e);
    diag_free(&d);
}

/* Runs the source on all pairs of values of type d. */
static void check_source(const char *source, ir_dtype d)
{
    static const char *const cpu[] = {"x86-64", "x86-64-v2", "native"};
    tensor_value in[2] = {0}, want[RESULTS] = {0}, got[RESULTS] = {0};

    all_pairs(d, in);
    run(ENGINE_INTERPRETER, source, NULL, in, want);
    for (size_t k = 0; k < COUNT(cpu); k++) {
        target t;
        assert_true(host_find(cpu[k], &t));
        run(ENGINE_COMPILED, source, &t, in, got);
        for (int r = 0; want[r].t.data; r++) {
            compare(source, in, r, &got[r].t, &want[r].t);
            tensor_value_free(&got[r]);
        }
    }
    for (int r = 0; want[r].t.data; r++)
        tensor_value_free(&want[r]);
    tensor_value_free(&in[0]);
    tensor_value_free(&in[1]);
}

static void check_type(ir_dtype d)
{
    int n = value_count(d);
    char *source = make_source(d, n * n);

    check_source(source, d);
    mem_free(source);
}

static void test_floats(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(types); i++)
        if (dt_is_float(types[i]))
            check_type(types[i]);
}

static void test_integers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(types); i++)
        if (!dt_is_float(types[i]))
            check_type(types[i]);
}

/* What indices, which never wrap, may be simplified by, elements may not. */
static void test_wrapped(void **state)
{
    (void)state;
    check_source("entry main(%x: i64[576], %y: i64[576]) {\n"
                 "  %1 = const splat 3 : i64[576]\n"
                 "  %2 = const splat 6 : i64[576]\n"
                 "  %3 = const splat 10 : i64[576]\n"
                 "  %4 = const splat 4611686018427387904 : i64[576]\n"
                 "  %5 = const splat 0 : i64[576]\n"
                 "  %6 = mul %x, %2 : i64[576]\n"
                 "  %7 = mod %6, %1 : i64[576]\n"
                 "  %8 = mod %x, %3 : i64[576]\n"
                 "  %9 = mul %8, %4 : i64[576]\n"
                 "  %10 = lt %9, %5 : bool[576]\n"
                 "  %11 = add %x, %1 : i64[576]\n"
                 "  %12 = mod %11, %1 : i64[576]\n"
                 "  %13 = max %y, %1 : i64[576]\n"
                 "  %14 = add %13, %13 : i64[576]\n"
                 "  %15 = lt %14, %5 : bool[576]\n"
                 "  %16 = mul %x, %13 : i64[576]\n"
                 "  %17 = mod %16, %13 : i64[576]\n"
                 "  %18 = sub %5, %13 : i64[576]\n"
                 "  %19 = sub %18, %13 : i64[576]\n"
                 "  %20 = lt %19, %5 : bool[576]\n"
                 "  return %7, %10, %12, %15, %17, %20\n}\n",
                 DT_I64);
}

/* Positions as elements: their extent is run-time, what they are multiplied by not
 * that of any index. */
static void test_wrapped_positions(void **state)
{
    (void)state;
    check_source("dim n\n"
                 "entry main(%x: i64[n], %y: i64[n]) {\n"
                 "  %1 = iota {shape=[n], axis=0, dtype=i64} : i64[n]\n"
                 "  %2 = const splat 4611686018427387904 : i64[]\n"
                 "  %3 = broadcast %2 {shape=[n]} : i64[n]\n"
                 "  %4 = mul %1, %3 : i64[n]\n"
                 "  %5 = const splat 3 : i64[]\n"
                 "  %6 = broadcast %5 {shape=[n]} : i64[n]\n"
                 "  %7 = mod %4, %6 : i64[n]\n"
                 "  %8 = const splat -9223372036854775808 : i64[]\n"
                 "  %9 = broadcast %8 {shape=[n]} : i64[n]\n"
                 "  %10 = add %1, %9 : i64[n]\n"
                 "  %11 = eq %10, %9 : bool[n]\n"
                 "  return %7, %11\n}\n",
                 DT_I64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floats),
                                       cmocka_unit_test(test_integers),
                                       cmocka_unit_test(test_wrapped),
                                       cmocka_unit_test(test_wrapped_positions)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
