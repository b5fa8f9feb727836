/* Scalar functions of compiled code against libm in higher precision: over all
 * exponents, random and special operands, on every instruction set that this
 * machine runs; libm, which takes most of the time, is asked once for all of them.
 * `test_expand 1` takes every f32 instead of each 16381st. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include <cmocka.h>

#include "check_cpu.h"
#include "ingot.h"
#include "num.h"
#include "scalar.h"
#include "scalar_value.h"

enum { BATCH = 65541, ONNX_F32 = 1, ONNX_F64 = 11 };    /* a batch has a tail */
static uint64_t stride = 16381, seed = 20241;

typedef long double reference(long double a, long double b, long double c);
typedef struct function {
    const char *name;
    int args;
    reference *value;
    double f32, f64;            /* bounds in ULP */
    const char *literal;        /* the second operand, a constant; null if it is none */
} function;

/* ---- functions: the rows of scalar.def, their values computed in long double -------------- */

static long double floor_mod(long double a, long double b)
{
    long double r = fmodl(a, b);

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#define num_fmod_floor(a, b) floor_mod(a, b)
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, ...)                             \
    static long double value_##NAME(long double a, long double b, long double c)                   \
    {                                                                                              \
        (void)a, (void)b, (void)c;                                                                 \
        return flt;                                                                                \
    }
#include "scalar.def"

static const function rows[] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, int_llvm, grad, \
               say, word, meaning, onnx, ulp32, ulp64)                                             \
    {text, args, value_##NAME, ulp32, ulp64, NULL},
#include "scalar.def"
};

/* Of floats, with a float for result, of at most two operands. */
static bool is_measured(const function *f)
{
    const sc_info *s = sc_of(sc_find(f->name, strlen(f->name)));

    return sc_accepts(sc_find(f->name, strlen(f->name)), DT_F32) && s->result == SC_SAME &&
           s->args <= 2;
}

/* ---- powers with a literal exponent, which are products and roots ------------------------- */

#define POWERS                                                                                     \
    POWER(0, 0, 0, 0)                                                                              \
    POWER(1, 1, 0, 0)                                                                              \
    POWER(2, 2, 2, 2)                                                                              \
    POWER(3, 3, 2, 2)                                                                              \
    POWER(4, 4, 2, 2)                                                                              \
    POWER(half, 0.5, 0.51, 0.51)                                                                   \
    POWER(quarter, 0.25, 1, 1)                                                                     \
    POWER(quarters, 0.75, 2.5, 2.5)                                                                \
    POWER(mhalf, -0.5, 2, 2)                                                                       \
    POWER(m1, -1, 2, 2)                                                                            \
    POWER(m2, -2, 2, 2)                                                                            \
    POWER(5, 5, 0.51, 1.5)

#define POWER(name, exponent, ulp32, ulp64)                                                        \
    static long double power_##name(long double x, long double b, long double c)                   \
    {                                                                                              \
        (void)b, (void)c;                                                                          \
        return powl(x, exponent);                                                                  \
    }
POWERS
#undef POWER

static const function powers[] = {
#define POWER(name, exponent, ulp32, ulp64) {"pow", 1, power_##name, ulp32, ulp64, #exponent},
    POWERS
};

/* ---- operands --------------------------------------------------------------------- */

static const double special[] = {
    0.0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1.5, -1.5, 4,
    FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 0x1p-149, -0x1p-149, DBL_MAX, -DBL_MAX, DBL_MIN,
    0x1p-1074, -0x1p-1074, 88.7, 89, -87.4, -103.9, -104, 709.7, 710, -745.1, -746, 0.625,
    0x1.921fb54442d18p+0, 0x1.921fb54442d18p+1, 6381956970095103.0 * 0x1p797, 1e22, 1048576,
    0x1p20, 0x1.1p60, 0.41421356237309503, 2.414213562373095, 0.55, 1e-8, -1e-8, 1e15, 1e-30, 10,
};
enum { SPECIALS = sizeof special / sizeof *special };

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* Half of them any bits, half near the numbers that functions care for. */
static double random_double(void)
{
    uint64_t i = random_bits();
    double v;

    if (i & 1)
        return (double)(int64_t)random_bits() * 0x1p-63 * ldexp(1, (int)(i >> 60) - 4);
    i = random_bits();
    memcpy(&v, &i, 8);
    return v;
}

static float float_of(uint32_t i)
{
    float v;

    memcpy(&v, &i, 4);
    return v;
}

/* ---- running ------------------------------------------------------------------------ */

enum { TARGETS = 4 };

/* The function compiled for a target, and its largest error. */
typedef struct code {
    ingot_engine *engine;
    tensor_value out;
    double worst, at[2];
} code;

typedef struct run {
    const function *f;
    bool wide;                  /* f64 */
    code of[TARGETS];           /* by number in targets */
    tensor_value in[2];
    int n;                      /* operands filled in */
} run;

static diag errors;             /* of all modules */
static target targets[TARGETS]; /* that this machine runs */
static int target_count;

static ingot_engine *compile_text(const char *source, const target *t)
{
    ingot_options o = {.target = t};
    ir_module *m = ir_parse(source, "test", &errors);
    ingot_engine *e = m ? ingot_engine_open(ENGINE_COMPILED, m, &o, 1, &errors) : NULL;
    if (!e)
        diag_print(&errors, stderr);
    assert_non_null(e);
    return e;
}

static ingot_engine *compile(const function *f, bool wide, const target *t)
{
    static const char *const text[2] = {
        "entry main(%%x: %s[%d]) {\n  %%1 = %s %%x : %s[%d]\n  return y=%%1\n}\n",
        "entry main(%%x: %s[%d], %%z: %s[%d]) {\n  %%1 = %s %%x, %%z : %s[%d]\n"
        "  return y=%%1\n}\n"};
    static const char power[] =
        "entry main(%%x: %s[%d]) {\n  %%1 = const %s : %s[]\n"
        "  %%2 = broadcast %%1 {shape=[65541]} : %s[%d]\n  %%3 = pow %%x, %%2 : %s[%d]\n"
        "  return y=%%3\n}\n";
    const char *d = wide ? "f64" : "f32";
    char source[300];

    if (f->literal)
        snprintf(source, sizeof source, power, d, BATCH, f->literal, d, d, BATCH, d, BATCH);
    else if (f->args == 1)
        snprintf(source, sizeof source, text[0], d, BATCH, f->name, d, BATCH);
    else
        snprintf(source, sizeof source, text[1], d, BATCH, d, BATCH, f->name, d, BATCH);
    return compile_text(source, t);
}

static double get(const run *r, const tensor *t, int i)
{
    return r->wide ? ((double *)t->data)[i] : (double)((float *)t->data)[i];
}

/* |got - want| in units of the last place of want; huge where they differ in
 * kind.  What is infinite counts as the first power of two beyond the type. */
static double distance(const run *r, double got, long double want)
{
    int least = r->wide ? -1074 : -149, digits = r->wide ? 52 : 23, most = r->wide ? 1024 : 128;
    long double end = ldexpl(1, most), g = got;

    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want) ? 0 : INFINITY;
    if (want == 0)
        return got == 0 && !signbit(got) == !signbit(want) ? 0 : INFINITY;
    want = fminl(fmaxl(want, -end), end);
    g = fminl(fmaxl(g, -end), end);
    int scale = (fabsl(want) == end ? most - 1 : ilogbl(want)) - digits;
    return (double)fabsl(ldexpl(g - want, -(scale < least ? least : scale)));
}

static void note(code *c, double far, double x, double y)
{
    if (far <= c->worst)
        return;
    c->worst = far;
    c->at[0] = x;
    c->at[1] = y;
}

static void compare(run *r, int i)
{
    double x = get(r, &r->in[0].t, i), y = r->f->args > 1 ? get(r, &r->in[1].t, i) : 0;
    long double want = r->f->value(x, y, 0);

    for (int k = 0; k < target_count; k++)
        note(&r->of[k], distance(r, get(r, &r->of[k].out.t, i), want), x, y);
}

static void flush(run *r)
{
    char error[TENSOR_ERROR_SIZE];

    for (int k = 0; k < target_count && r->n; k++)
        assert_true(ingot_engine_run(r->of[k].engine, r->in, &r->of[k].out, error));
    for (int i = 0; i < r->n; i++)
        compare(r, i);
    for (int k = 0; k < target_count && r->n; k++)
        tensor_value_free(&r->of[k].out);
    r->n = 0;
}

static void add(run *r, double x, double y)
{
    for (int k = 0; k < 2; k++) {
        double v = k ? y : x;
        if (r->wide)
            ((double *)r->in[k].t.data)[r->n] = v;
        else
            ((float *)r->in[k].t.data)[r->n] = (float)v;
    }
    if (++r->n == BATCH)
        flush(r);
}

static void all_operands(run *r)
{
    for (int i = 0; i < SPECIALS; i++)
        for (int k = 0; k < (r->f->args == 2 ? SPECIALS : 1); k++)
            add(r, special[i], special[k]);
    if (!r->wide && r->f->args == 1)
        for (uint64_t i = 0; i < 1ull << 32; i += stride)
            add(r, float_of((uint32_t)i), 0);
    for (int i = 0; i < 50000; i++) {
        double x = random_double(), y = random_double();
        add(r, x, y);
        add(r, fabs(x), ldexp(y, -8));
        add(r, r->wide ? x : float_of((uint32_t)random_bits()), float_of((uint32_t)random_bits()));
    }
    flush(r);
}

/* How many targets are too far from what is true. */
static int check(const function *f, bool wide)
{
    run r = {.f = f, .wide = wide};
    double bound = wide ? f->f64 : f->f32;
    int bad = 0;

    for (int k = 0; k < target_count; k++)
        r.of[k].engine = compile(f, wide, &targets[k]);
    for (int k = 0; k < 2; k++)
        assert_true(tensor_init(&r.in[k].t, wide ? ONNX_F64 : ONNX_F32, 1, (int64_t[]){BATCH}));
    all_operands(&r);
    for (int k = 0; k < target_count; k++) {
        const code *c = &r.of[k];
        printf("%-10s %-4s %s %s  %.3f ULP, bound %.2f, at %a %a%s\n", f->name,
               f->literal ? f->literal : "", wide ? "f64" : "f32", targets[k].name, c->worst, bound,
               c->at[0], c->at[1], c->worst > bound ? "  TOO FAR" : "");
        bad += c->worst > bound;
        ingot_engine_close(c->engine);
    }
    for (int k = 0; k < 2; k++)
        tensor_free(&r.in[k].t);
    return bad;
}

static uint32_t low_bits(int round)
{
    return round < 8 ? (uint32_t)round << 12 : (uint32_t)random_bits() & 0xffff;
}

/* f32 to f16 and back; ties, subnormals and what is too large among them. */
static int check_halves(const target *t)
{
    static const char source[] =
        "entry main(%x: f32[65541]) {\n  %1 = cast %x {to=f16} : f16[65541]\n"
        "  %2 = cast %1 {to=f32} : f32[65541]\n  return y=%2\n}\n";
    char error[TENSOR_ERROR_SIZE];
    tensor_value in = {0}, out;
    ingot_engine *e = compile_text(source, t);
    int bad = 0;

    assert_true(tensor_init(&in.t, ONNX_F32, 1, (int64_t[]){BATCH}));
    for (int round = 0; round < 20; round++) {
        float *x = in.t.data;
        for (int i = 0; i < BATCH; i++)
            x[i] = float_of((uint32_t)i << 16 | low_bits(round));
        assert_true(ingot_engine_run(e, &in, &out, error));
        for (int i = 0; i < BATCH; i++) {
            float got = ((float *)out.t.data)[i], want = (float)num_round(DT_F16, x[i]);
            bad += isnan(want) ? !isnan(got) : got != want || !signbit(got) != !signbit(want);
        }
        tensor_value_free(&out);
    }
    tensor_free(&in.t);
    ingot_engine_close(e);
    return bad;
}

static void test_halves(void **state)
{
    (void)state;
    for (int k = 0; k < target_count; k++)
        assert_int_equal(check_halves(&targets[k]), 0);
}

static void check_all(bool wide)
{
    int bad = 0;

    for (size_t i = 0; i < COUNT(rows); i++)
        bad += is_measured(&rows[i]) ? check(&rows[i], wide) : 0;
    for (size_t i = 0; i < COUNT(powers); i++)
        bad += check(&powers[i], wide);
    assert_int_equal(bad, 0);
}

static void test_f32(void **state) { (void)state; check_all(false); }
static void test_f64(void **state) { (void)state; check_all(true); }

/* Says which levels this machine has not. */
static void find_targets(void)
{
    static const char *const names[TARGETS] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
    char missing[256];

    for (int i = 0; i < TARGETS; i++) {
        if (!check_cpu(names[i], missing, sizeof missing))
            printf("%s is left out: this machine has no %s\n", names[i], missing);
        else if (target_find(names[i], &targets[target_count]))
            target_count++;
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f64),
    };

    if (argc > 1)
        stride = strtoull(argv[1], NULL, 10);
    printf("seed %llu, one f32 in %llu\n", (unsigned long long)seed, (unsigned long long)stride);
    diag_init(&errors);
    find_targets();
    if (!target_count)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    diag_free(&errors);
    return failed;
}
