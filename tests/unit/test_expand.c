/* Scalar functions of compiled code against libm in higher precision: over all
 * exponents, random and special operands, on every instruction set that this
 * machine runs.  `test_expand 1` takes every f32 instead of each 4099th. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingot.h"

enum { BATCH = 65541, ONNX_F32 = 1, ONNX_F64 = 11 };    /* a batch has a tail */
static uint64_t stride = 4099, seed = 20241;

typedef struct function {
    const char *name;
    long double (*one)(long double);
    long double (*two)(long double, long double);
    double f32, f64;            /* bounds in ULP, those of docs/ir.md */
} function;

static long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double mod(long double a, long double b)
{
    long double r = fmodl(a, b);

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static const function table[] = {
    {"exp", expl, NULL, 1, 1},           {"expm1", expm1l, NULL, 1.5, 2},
    {"log", logl, NULL, 1, 1},           {"log1p", log1pl, NULL, 1, 1},
    {"sin", sinl, NULL, 0.51, 1},        {"cos", cosl, NULL, 0.51, 1},
    {"tan", tanl, NULL, 0.51, 2.5},      {"asin", asinl, NULL, 0.51, 2.5},
    {"acos", acosl, NULL, 0.51, 1.5},    {"atan", atanl, NULL, 0.51, 2},
    {"sinh", sinhl, NULL, 0.51, 2},      {"cosh", coshl, NULL, 0.51, 1.5},
    {"tanh", tanhl, NULL, 1.5, 1.5},     {"asinh", asinhl, NULL, 0.51, 2},
    {"acosh", acoshl, NULL, 0.51, 2.5},  {"atanh", atanhl, NULL, 0.51, 2.5},
    {"erf", erfl, NULL, 1.5, 1.5},       {"sigmoid", sigmoid, NULL, 2.5, 2.5},
    {"pow", NULL, powl, 0.51, 1.5},      {"rem", NULL, fmodl, 0, 0},
    {"mod", NULL, mod, 0.5, 0.5},
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

typedef struct run {
    const function *f;
    bool wide;                  /* f64 */
    ingot_engine *engine;
    tensor_value in[2];
    int n;                      /* operands filled in */
    double worst, at[2];
} run;

static ingot_engine *compile(const function *f, bool wide, const target *t)
{
    static const char *const text[2] = {
        "entry main(%%x: %s[%d]) {\n  %%1 = %s %%x : %s[%d]\n  return y=%%1\n}\n",
        "entry main(%%x: %s[%d], %%z: %s[%d]) {\n  %%1 = %s %%x, %%z : %s[%d]\n  return y=%%1\n}\n"};
    const char *d = wide ? "f64" : "f32";
    ingot_options o = {.target = t};
    char source[300];
    diag errors;

    if (f->one)
        snprintf(source, sizeof source, text[0], d, BATCH, f->name, d, BATCH);
    else
        snprintf(source, sizeof source, text[1], d, BATCH, d, BATCH, f->name, d, BATCH);
    diag_init(&errors);
    ir_module *m = ir_parse(source, "test", &errors);
    ingot_engine *e = m ? ingot_engine_open(ENGINE_COMPILED, m, &o, 1, &errors) : NULL;
    if (!e)
        diag_print(&errors, stderr);
    assert_non_null(e);
    return e;
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

static void flush(run *r)
{
    char error[TENSOR_ERROR_SIZE];
    tensor_value out;

    if (!r->n)
        return;
    bool ok = ingot_engine_run(r->engine, r->in, &out, error);
    assert_true(ok);
    for (int i = 0; i < r->n; i++) {
        double x = get(r, &r->in[0].t, i), y = r->f->two ? get(r, &r->in[1].t, i) : 0;
        long double want = r->f->two ? r->f->two(x, y) : r->f->one(x);
        double far = distance(r, get(r, &out.t, i), want);
        if (far > r->worst) {
            r->worst = far;
            r->at[0] = x;
            r->at[1] = y;
        }
    }
    tensor_value_free(&out);
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
        for (int k = 0; k < (r->f->two ? SPECIALS : 1); k++)
            add(r, special[i], special[k]);
    if (!r->wide && r->f->one)
        for (uint64_t i = 0; i < 1ull << 32; i += stride)
            add(r, float_of((uint32_t)i), 0);
    for (int i = 0; i < 200000; i++) {
        double x = random_double(), y = random_double();
        add(r, x, y);
        add(r, fabs(x), ldexp(y, -8));
        add(r, r->wide ? x : float_of((uint32_t)random_bits()), float_of((uint32_t)random_bits()));
    }
    flush(r);
}

static bool check(const function *f, bool wide, const target *t)
{
    run r = {.f = f, .wide = wide, .engine = compile(f, wide, t)};
    double bound = wide ? f->f64 : f->f32;

    for (int k = 0; k < 2; k++)
        assert_true(tensor_init(&r.in[k].t, wide ? ONNX_F64 : ONNX_F32, 1, (int64_t[]){BATCH}));
    all_operands(&r);
    printf("%-8s %s %s  %.3f ULP, bound %.1f, at %a %a%s\n", f->name, wide ? "f64" : "f32",
           t->name, r.worst, bound, r.at[0], r.at[1], r.worst > bound ? "  TOO FAR" : "");
    for (int k = 0; k < 2; k++)
        tensor_free(&r.in[k].t);
    ingot_engine_close(r.engine);
    return r.worst <= bound;
}

static void on_target(const char *name)
{
    const target *t = target_find(name);
    int bad = 0;

    if (t > target_host())
        skip();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int wide = 0; wide < 2; wide++)
            bad += !check(&table[i], wide, t);
    assert_int_equal(bad, 0);
}

static void test_v2(void **state) { (void)state; on_target("x86-64-v2"); }
static void test_v3(void **state) { (void)state; on_target("x86-64-v3"); }
static void test_v4(void **state) { (void)state; on_target("x86-64-v4"); }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v2),
        cmocka_unit_test(test_v3),
        cmocka_unit_test(test_v4),
    };

    if (argc > 1)
        stride = strtoull(argv[1], NULL, 10);
    printf("seed %llu, each %lluth f32\n", (unsigned long long)seed, (unsigned long long)stride);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
