/* tests/unit/test_loop.c - the loop IR: its text, what the parser and the
 * verifier refuse, and kernels by hand through the interpreter. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "loop.h"

/* ---- text -------------------------------------------------------------------- */

static lp_kernel *parse(const char *source, diag *d)
{
    const char *s = source;
    ir_loc loc = {.file = diag_place(d, "test"), .line = 1};

    return lp_parse(&s, &loc, d);
}

/* Are the statements on these lines, in order?  The line behind the last. */
static const uint32_t *expect_lines(const lp_stmt *s, const uint32_t *line)
{
    for (; s; s = s->next) {
        assert_int_equal(s->loc.line, *line);
        line = expect_lines(s->other, expect_lines(s->body, line + 1));
    }
    return line;
}

static uint32_t *read_lines(const lp_stmt *s, uint32_t *line)
{
    for (; s; s = s->next) {
        *line = s->loc.line;
        line = read_lines(s->other, read_lines(s->body, line + 1));
    }
    return line;
}

/* The kernel stands where it was read from: its statements get the lines they have. */
static void expect_numbers(lp_kernel *k, const char *source)
{
    uint32_t line[100], lines = 1;

    read_lines(k->body, line);
    for (const char *s = source; *s; s++)
        lines += *s == '\n';
    assert_int_equal(lp_number_lines(k, 1), lines);
    expect_lines(k->body, line);
}

/* The kernel reads, verifies, and prints as it is written. */
static void expect_same(const char *source)
{
    diag d;
    text t = {0};

    diag_init(&d);
    lp_kernel *k = parse(source, &d);
    if (!k || !lp_verify(k, &d))
        fail_msg("%s", d.message.at[0].text);
    lp_print(k, &t);
    assert_string_equal(t.at, source);
    expect_numbers(k, source);
    text_free(&t);
    lp_kernel_free(k);
    diag_free(&d);
}

/* Parser, verifier or the check of parallel stores says `part`. */
static void expect_error(const char *source, const char *part)
{
    diag d;

    diag_init(&d);
    lp_kernel *k = parse(source, &d);
    if (k && lp_verify(k, &d) && lp_disjoint(k, &d))
        fail_msg("no error, expected '%s', in:\n%s", part, source);
    if (!strstr(d.message.at[0].text, part))
        fail_msg("error is '%s', expected '%s', in:\n%s", d.message.at[0].text, part, source);
    lp_kernel_free(k);
    diag_free(&d);
}

#define XY "(x: f32[n] in, y: f32[n] out) dims n {\n"
#define BAD(body, part) expect_error("kernel f" XY body "\n}\n", part)

static void test_print(void **state)
{
    (void)state;
    expect_same("kernel f() {\n}\n");
    expect_same("kernel f(x: f32[] in) dims a, b in 2..8, c in 0.. % 4 {\n  v = x[]\n}\n");
    expect_same("kernel f" XY "  for i in 0..n {\n    y[i] = x[i - 1 if le(1, i)]\n  }\n}\n");
    expect_same("kernel f" XY "  a = n - (n - 1 - (n + 2)) * -3 / (n % 4)\n}\n");
    expect_same("kernel f" XY "  a = sub(n, 0) + sub(n, 3) - sub(n, -3)\n}\n");
    expect_same("kernel f" XY "  a = n * (n / 2) - 9223372036854775807\n}\n");
    expect_same("kernel f" XY "  a = 0.1:f64\n  b = -0:f32\n  c = 0x7fc00001:f32\n  d = inf:f16\n"
                "  e = 18446744073709551615:u64\n  f1 = -128:i8\n  g = 1e-40:f32\n}\n");
}

static void test_syntax(void **state)
{
    (void)state;
    expect_error("", "1:1: error: end of text: expected kernel");
    expect_error("kernel f(", "expected ')'");
    expect_error("kernel f(x: f32[n] in) {", "n: expected a variable");
    expect_error("kernel f(x: str[] in) {", "expected an element type");
    expect_error("kernel f(x: f32[] up) {", "expected in, out, const");
    expect_error("kernel f(x: f32[] in, x: f32[] in) {", "a name that is not taken");
    expect_error("kernel f() dims n in 5..4 {}", "no less");
    BAD("y[0] = x[0, 1]", "2:8: error: x: operand 1 has rank 2, expected 1");
    BAD("y[0] = x", "x: expected a variable");
    BAD("y[0] = z[0]", "z: expected a buffer");
    BAD("y[0] = add(x[0])", "takes 2 operands, has 1");
    BAD("y[0] = cast(x[0])", "cast: expected a function");
    BAD("y[0] = 300:i8", "300: expected a number of its type");
    BAD("y[0] = 1e5", "1e5: expected a number of its type");
    BAD("y[0] = -", "expected a number");
    BAD("y[0] ~ 1", "expected '='");
    BAD("for = 0", "expected a name");
    BAD("for i in n.n {}", "expected '.'");
    BAD("for i in 0..n step 0 {}", "number out of range");
    BAD("vec i in 0..n step 8 {}", "expected masked or exact");
    BAD("par i, i in 0..n, 0..n {}", "a name that is not taken");
    BAD("n = 3", "a name that is not taken");
    BAD("y[0] = (x[0]", "expected ')'");
}

/* Deep nesting of any kind is an error, not a deep stack. */
static void test_depth(void **state)
{
    static const char *const form[][2] = {
        {"y[0] = ", "("}, {"y[0] = ", "abs("}, {"y[0] = ", "x["}, {"a = n", " + n"},
        {"", "if true {"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(form); i++) {
        text t = {0};
        text_add(&t, "kernel f" XY "%s", form[i][0]);
        for (int n = 0; n < 100000; n++)
            text_add(&t, "%s", form[i][1]);
        expect_error(t.at, "exceeds its budget");
        text_free(&t);
    }
}

/* ---- the verifier ------------------------------------------------------------ */

static void test_types(void **state)
{
    (void)state;
    BAD("y[0] = n", "n: is i64, not f32");
    BAD("y[x[0]] = 1:f32", "x[0]: is f32, not i64");
    BAD("y[0] = add(x[0], 1:f64)", "operands of the wrong types");
    BAD("y[0] = and(x[0], x[0])", "operands of the wrong types");
    BAD("y[0] = select(x[0], x[0], x[0])", "operands of the wrong types");
    BAD("y[0] = bitcast(f32, 1:i8)", "operands of the wrong types");
    BAD("a = dot4(1:i32, 2:i32, 3:i8)", "operands of the wrong types");
    BAD("a = dot2(1:i32, 2:i32, 3:i32)", "operands of the wrong types");
    BAD("a = x[0] / 2", "operands of the wrong types");
    BAD("if n {}", "n: is i64, not bool");
    BAD("for i in 0..x[0] {}", "is f32, not i64");
    BAD("local t: i32[2] reg = 0:f32", "is f32, not i32");
    BAD("local t: bool[2] reg = true\nt[0] += true", "updated by a function");
    BAD("x[0] = 1:f32", "x: is only read");
}

static void test_scopes(void **state)
{
    (void)state;
    BAD("for i in 0..n {}\ny[i] = x[0]", "3:1: error: kernel f: i: is used out of its scope");
    BAD("if true { a = 1 }\ny[a] = x[0]", "a: is used out of its scope");
    BAD("for i in 0..n { local t: f32[4] reg = 0:f32 }\ny[0] = t[0]",
        "t: is used out of its scope");
    BAD("for i in 0..n { local t: f32[4] row }\nt[0] = x[0]", "t: is used out of its scope");
}

static void test_buffers(void **state)
{
    (void)state;
    BAD("local t: f32[n] reg = 0:f32", "constant extents");
    BAD("local t: f32[1000, 1000] reg = 0:f32", "constant extents");
    BAD("a = n\nlocal t: f32[a] row", "a: is not a dim");
    BAD("local t: f32[4] row = 0:f32", "a row with a fill");
    BAD("local t: f32[4] out", "is local");
    BAD("local t: f32[4] reg = 0:f32\nlocal s: f32[4] row alias t", "alias of no earlier");
    expect_error("kernel f(x: f32[4] row) {}", "is a parameter");
}

static void test_loops(void **state)
{
    (void)state;
    BAD("for i in 0..n { par p in 0..n {} }", "par loop inside a block");
    BAD("par p in 0..n {}\ny[0] = x[0]", "written by every iteration");
    BAD("for i, j in 0..n, 0..n {}", "too many variables");
    BAD("unroll i in 0..n {}", "without constant bounds");
    BAD("unroll i in 0..100000 {}", "unrolled too often");
    BAD("vec masked i in 0..n step 6 {}", "lanes that are not");
    BAD("vec exact i in 0..n step 8 {}", "not known to end");
    BAD("vec masked i in 0..n step 8 { vec masked j in 0..n step 4 {} }", "vec loop in a vec loop");
    BAD("vec masked i in 0..n step 8 { for j in 0..i {} }", "differ between lanes");
    BAD("vec masked i in 0..n step 8 { local t: f32[4] row }", "row inside a vec loop");
}

#define ACC(n) "local t: f32[" #n "] reg = 0:f32\n"

static void test_registers(void **state)
{
    (void)state;
    BAD(ACC(8) "vec masked i in 0..n step 8 { t[i] += x[i] }", "not the lanes");
    BAD(ACC(4) "vec masked i in 0..n step 8 { t[i % 4] += x[i] }", "not the lanes");
    BAD(ACC(8) "vec masked i in 3..n step 8 { t[i % 8] += x[i] }", "not the lanes");
    BAD(ACC(16) "vec masked i in 0..8 step 8 { t[i + 9] = 0:f32 }", "not the lanes");
    BAD(ACC(16) "vec masked i in 0..8 step 8 { t[i * 2] = 0:f32 }", "not the lanes");
    BAD(ACC(8) "vec masked i in 0..n step 8 { t[0] += x[i] }", "shared by all lanes");
    BAD("vec masked i in 0..n step 8 { " ACC(8) " t[i % 8] += x[i] }", "differs between lanes");
    BAD(ACC(6) "a = fold add t", "folded, but no register row");
    BAD(ACC(8) "a = fold and t", "folded by a function");
    BAD("vec masked i in 0..n step 8 { " ACC(8) " a = fold add t }", "folded out of its scope");
    BAD(ACC(8) "transpose t[0] t[0] 8", "transposed tile");
    BAD("local t: f16[4, 4] reg\ntranspose t[0, 0] t[0, 0] 4", "other bits there");
}

/* The variables that differ between lanes, by the letters that are their names. */
static void test_lanes(void **state)
{
    diag d;
    lp_lanes lanes;
    char differ[8] = "";
    size_t n = 0;
    (void)state;

    diag_init(&d);
    lp_kernel *k = parse("kernel f" XY "for i in 0..n {\n"
                         "vec masked v in 0..n step 4 { " ACC(1) "a = x[i]\n b = x[v]\n"
                         "c = add(b, a)\n d = t[0]\n e = i + n\n }\n"
                         "vec masked w in 0..n step 1 { g = x[w]\n } } }", &d);
    if (!k || !lp_verify(k, &d))
        fail_msg("%s", d.message.at[0].text);
    lp_lanes_open(&lanes, k);
    for (lp_var v = 1; v < k->var.len; v++)
        if (lp_differs(&lanes, k->var.at[v].self))
            differ[n++] = *k->var.at[v].name;
    assert_string_equal(differ, "vbcd");
    assert_true(lp_differs(&lanes, lp_mul(k, k->var.at[2].self, k->var.at[3].self)));
    lp_lanes_close(&lanes);
    lp_kernel_free(k);
    diag_free(&d);
}

static void test_disjoint(void **state)
{
    (void)state;
    BAD("par p in 0..n { y[0] = x[p] }", "two iterations");
    BAD("par p in 0..n { y[p / 2] = x[p] }", "two iterations");
    BAD("par p, q in 0..n, 0..n { y[p] = x[q] }", "two iterations");
    BAD("par p in 0..n { y[p] = x[p]\ny[p + 1] = x[p] }", "two iterations");
    BAD("par p in 0..n step 4 { for i in p..p + 5 { y[i] = x[i] } }", "two iterations");
    BAD("par p in 0..n { y[i64(x[p])] = x[p] }", "two iterations");
    BAD("par p in 0..n { y[p % 16] = x[p] }", "two iterations");
    BAD("par p in 0..4 { for i in p * n / 4..(p * n + n) / 4 + 1 { y[i] = x[i] } }",
        "two iterations");
    BAD("par p in 0..4 { for i in p * n / 4..(p * n + n) / 4 { y[i / 2] = x[i] } }",
        "two iterations");
    BAD("par p in 0..n { for i in 0..5 { y[p * 4 + i] = x[p] } }", "two iterations");
    BAD("par p in 0..n { y[p * 4 + p % 4] = x[p]\ny[p * 2 + p % 2] = x[p] }", "two iterations");
    BAD("par g, m in 0..n, 0..5 { y[g * 4 + m] = x[g] }", "two iterations");
    expect_same("kernel f(y: f32[n] out) dims n {\n  par g, m in 0..n, 0..4 {\n"
                "    y[g * 4 + m] = 0:f32\n  }\n}\n");
    expect_same("kernel f(y: f32[n] out) dims n, m {\n  par p in 0..4 {\n"
                "    for i in 0..m {\n      y[p * m + i] = 0:f32\n    }\n  }\n}\n");
    expect_same("kernel f(y: f32[n, 12] out) dims n {\n  par p in 0..n * 3 {\n"
                "    for i in 0..2 {\n      y[p / 3 * 2 + i, p % 3 * 4 + i] = 0:f32\n    }\n"
                "  }\n}\n");
    expect_same("kernel f(y: f32[n] out) dims n {\n  par p in 0..4 {\n"
                "    for i in p * n / 4..(p * n + n) / 4 {\n      y[i] = 0:f32\n    }\n  }\n}\n");
    expect_same("kernel f(y: f32[n, 4] out) dims n {\n  par p in 0..n * 4 {\n"
                "    y[p / 4, p % 4] = 0:f32\n  }\n}\n");
}

/* ---- the interpreter --------------------------------------------------------- */

/* Runs all of the kernel on these buffers; the message goes to `error`. */
static bool run(const char *source, void *const *buf, int nbuf, const int64_t *dims, int ndim,
                char *error)
{
    void *arg[16] = {0};
    diag d;

    memcpy(arg + 2, buf, (size_t)nbuf * sizeof *buf);
    if (ndim)
        memcpy(arg + 2 + nbuf, dims, (size_t)ndim * sizeof *dims);
    diag_init(&d);
    *error = 0;
    lp_kernel *k = parse(source, &d);
    bool ok = k && lp_verify(k, &d);
    if (ok) {
        int64_t trip = lp_eval_dims(k, lp_kernel_trip(k), dims);
        ok = lp_interpret(k, arg, 0, trip, &d);
    }
    if (!ok)
        snprintf(error, 200, "%s", d.message.at[0].text);
    lp_kernel_free(k);
    diag_free(&d);
    return ok;
}

/* y of f(x, y) for x = 1, 2 .. and y = 0, both of n elements of 4 bytes. */
static void expect_floats(const char *body, int n, const float *want)
{
    float x[64], y[64] = {0};
    char error[200];
    int64_t dims[1] = {n};
    text t = {0};

    for (int i = 0; i < 64; i++)
        x[i] = (float)(i + 1);
    text_add(&t, "kernel f(x: f32[n] in, y: f32[n] out) dims n {\n%s\n}\n", body);
    if (!run(t.at, (void *[]){x, y}, 2, dims, 1, error))
        fail_msg("%s in:\n%s", error, t.at);
    for (int i = 0; i < n; i++)
        if (y[i] != want[i])
            fail_msg("y[%d] is %g, not %g, in:\n%s", i, y[i], want[i], t.at);
    text_free(&t);
}
#define RUN(body, ...)                                                         \
    expect_floats(body, (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), \
                  (const float[]){__VA_ARGS__})

static void test_run(void **state)
{
    (void)state;
    RUN("vec masked i in 0..n step 4 { y[i] = mul(x[i], x[i]) }", 1, 4, 9, 16, 25, 36, 49);
    RUN("vec masked i in 1..n step 8 { y[i] += x[i - 1] }", 0, 1, 2, 3);
    RUN("for i in 0..n step 3 { y[i] = x[i] }", 1, 0, 0, 4, 0);
    RUN("par a, b in 0..2, 1..n step 2 { y[a + b] = x[a * 2] }", 0, 1, 3, 1, 3);
    RUN("for i in 0..n { y[i] = x[i + 1 if lt(i + 1, n)] }", 2, 3, 0);
    RUN("for i in 0..n { if lt(i, 1) { y[i] = 5:f32 } else { y[i] max= -1:f32 } }", 5, 0);
    RUN("y[0] = f32(bitcast(i32, 1:f32))\ny[1] = f32(-7 / 2 + -7 % 4)", 1065353216, -3);
    RUN("y[0] = f32(dot4(1:i32, -1:i32, 16909060:i32))\ny[1] = f32(i8(300:i32))",
        1 + 255 * 10, 44);
    RUN("y[0] = f32(dot2(1:i32, -131069:i32, 766:i16))", 1 + 3 * -2 - 2 * 2);
    RUN("y[0] = f32(f16(2049:f32))\ny[1] = f32(bf16(257:f32))", 2048, 256);
}

static void test_fold(void **state)
{
    (void)state;
    /* (2^24 + 1) + (1 + 1): halves */
    RUN("local t: f32[4] reg = 1:f32\nt[0] = 16777216:f32\n"
        "s = fold add t\ny[0] = s", 16777218);
    RUN("local t: f32[4] reg = -inf:f32\nvec masked i in 0..n step 4 { t[i % 4] max= x[i] }\n"
        "s = fold max t\ny[0] = s", 6, 0, 0, 0, 0, 0);
}

static void test_transpose(void **state)
{
    float x[16], y[16] = {0};
    char error[200];
    (void)state;

    for (int i = 0; i < 16; i++)
        x[i] = (float)i;
    assert_true(run("kernel f(x: f32[4, 4] in, y: f32[4, 4] out) {\n"
                    "  transpose y[0, 2] x[1, 0] 2\n  prefetch x[9, 9]\n}\n",
                    (void *[]){x, y}, 2, NULL, 0, error));
    assert_true(y[2] == 4 && y[3] == 8 && y[6] == 5 && y[7] == 9 && y[0] == 0);
    assert_false(run("kernel f(x: f32[4, 4] in, y: f32[4, 4] out) {\n"
                     "  transpose y[3, 3] x[0, 0] 2\n}\n",
                     (void *[]){x, y}, 2, NULL, 0, error));
}

static void test_bounds(void **state)
{
    float x[4] = {0}, y[4] = {0};
    char error[200];
    const int64_t dims[1] = {4};
    (void)state;

    assert_false(run("kernel f" XY "  y[0] = x[n]\n}\n", (void *[]){x, y}, 2, dims, 1, error));
    assert_string_equal(error, "error: kernel f: x: has no element at 4, it ends at 4");
    assert_false(run("kernel f" XY "  y[-1] = x[0]\n}\n", (void *[]){x, y}, 2, dims, 1, error));
    assert_false(run("kernel f" XY "  y[n * 9223372036854775807] = x[0]\n}\n", (void *[]){x, y}, 2,
                     dims, 1, error));
}

/* Rules that make nodes while they look at others: the table of nodes grows at
 * every place of the rule in turn. */
static void test_growth(void **state)
{
    (void)state;

    for (int before = 0; before < 128; before++) {
        lp_kernel *k = lp_kernel_new("f");
        lp_expr n = lp_dim_range(k, "n", 0, INT64_MAX, 1);
        for (int i = 0; i < before; i++)
            lp_int(k, 1000 + i);
        lp_expr part = lp_div(k, lp_div(k, lp_add(k, n, lp_int(k, 5)), lp_int(k, 3)), lp_int(k, 7));
        const int64_t value = 100;
        assert_int_equal(lp_eval_dims(k, part, &value), 5);
        lp_kernel_free(k);
    }
}

/* Quotients and remainders of i * 112 + v, where i counts steps of 112 and v is within one; and
 * of tile * 16 + r, of which the last tile has 8 up to 200. */
static void test_index(void **state)
{
    lp_kernel *k = lp_kernel_new("f");
    lp_expr zero = lp_int(k, 0), d = lp_dim_range(k, "d", 1, 1000, 1);
    lp_expr i = lp_for(k, "i", zero, d), v = lp_for(k, "v", zero, lp_int(k, 112));
    lp_expr w = lp_for(k, "w", zero, d);
    lp_expr at = lp_add(k, lp_mul(k, i, lp_int(k, 112)), v);
    lp_expr by = lp_add(k, lp_mul(k, i, d), w), area = lp_mul(k, lp_int(k, 7), d);
    lp_expr tile = lp_mul(k, lp_for(k, "tile", zero, lp_int(k, 13)), lp_int(k, 16));
    lp_expr left = lp_sub(k, lp_int(k, 200), tile);
    lp_expr in = lp_add(k, tile, lp_for(k, "r", zero, lp_min(k, lp_int(k, 16), left)));
    const struct {
        lp_expr e;
        const char *text;
    } row[] = {
        {lp_div(k, at, lp_int(k, 896)), "i / 8"},
        {lp_mod(k, at, lp_int(k, 896)), "i % 8 * 112 + v"},
        {lp_div(k, at, lp_int(k, 100)), "(i * 112 + v) / 100"},
        {lp_div(k, by, area), "i / 7"},
        {lp_mod(k, by, area), "i % 7 * d + w"},
        {lp_add(k, lp_mul(k, lp_div(k, at, lp_int(k, 5)), lp_int(k, 5)),
                lp_mod(k, at, lp_int(k, 5))),
         "i * 112 + v"},
        {lp_add(k, lp_mod(k, at, lp_int(k, 5)),
                lp_mul(k, lp_mod(k, lp_div(k, at, lp_int(k, 5)), lp_int(k, 3)), lp_int(k, 5))),
         "(i * 112 + v) % 15"},
        {lp_add(k, lp_mul(k, lp_mod(k, v, lp_int(k, 5)), lp_int(k, 3)),
                lp_mul(k, lp_div(k, v, lp_int(k, 5)), lp_int(k, 15))),
         "v * 3"},
        {lp_add(k, lp_mul(k, lp_div(k, v, lp_int(k, 5)), lp_int(k, 16)),
                lp_mul(k, lp_mod(k, v, lp_int(k, 5)), lp_int(k, 3))),
         "v / 5 * 16 + v % 5 * 3"},
        {lp_offset(k, lp_param(k, "b", DT_F32, 4, LP(d, lp_int(k, 2), lp_int(k, 3), lp_int(k, 5)),
                               LP_IN),
                   LP(w, lp_int(k, 0), lp_div(k, at, lp_int(k, 5)), lp_mod(k, at, lp_int(k, 5)))),
         "i * 112 + v + w * 30"},
        {lp_mod(k, in, lp_int(k, 200)), "tile * 16 + r"},
        {lp_mod(k, in, lp_int(k, 199)), "(tile * 16 + r) % 199"},
        {lp_mod(k, lp_div(k, in, lp_int(k, 25)), lp_int(k, 8)), "(tile * 16 + r) / 25"},
        {lp_mod(k, lp_div(k, in, lp_int(k, 25)), lp_int(k, 7)), "(tile * 16 + r) / 25 % 7"},
    };

    (void)state;
    for (size_t n = 0; n < sizeof row / sizeof *row; n++) {
        text t = {0};
        lp_print_expr(k, row[n].e, &t);
        assert_string_equal(t.at, row[n].text);
        text_free(&t);
    }
    lp_kernel_free(k);
}

/* The builder: parameters come when they are asked for, and what is known to run
 * once, or never, leaves no trace. */
static void test_builder(void **state)
{
    lp_kernel *k = lp_kernel_new("f");
    lp_expr four = lp_int(k, 4);
    text t = {0};

    (void)state;
    lp_expr i = lp_for(k, "i", lp_int(k, 0), four), u = lp_unroll(k, "u", 1);
    lp_buf acc = lp_local(k, "acc", DT_F32, 1, &four, LP_REG, lp_const_flt(k, DT_F32, 0));
    lp_buf x = lp_param(k, "x", DT_F32, 1, &four, LP_IN);
    lp_if(k, lp_bool(k, true));
    lp_store(k, acc, &u, lp_load(k, x, &i));
    lp_else(k);
    lp_store(k, acc, &u, lp_const_flt(k, DT_F32, 1));
    lp_end(k);
    lp_end(k);
    lp_if(k, lp_bool(k, false));
    lp_store(k, acc, &u, lp_const_flt(k, DT_F32, 2));
    lp_else(k);
    lp_expr v = lp_load(k, acc, &u);
    lp_store(k, lp_param(k, "y", DT_F32, 1, &four, LP_OUT), &i, v);
    lp_end(k);
    lp_end(k);
    lp_print(k, &t);
    assert_string_equal(t.at, "kernel f(x: f32[4] in, y: f32[4] out) {\n"
                              "  for i in 0..4 {\n"
                              "    local acc: f32[4] reg = 0:f32\n"
                              "    acc[0] = x[i]\n"
                              "    y[i] = acc[0]\n"
                              "  }\n"
                              "}\n");
    text_free(&t);
    lp_kernel_free(k);
}

/* A kernel of this body, in an iteration for each row. */
static lp_kernel *rows_of(const char *body)
{
    text source = {0};
    diag d;

    diag_init(&d);
    text_add(&source, "kernel f(x: f32[n, 64] in, y: f32[n, 64] out) dims n {\n"
                      "par i in 0..n { %s } }", body);
    lp_kernel *k = parse(source.at, &d);
    assert_non_null(k);
    text_free(&source);
    diag_free(&d);
    return k;
}

static int64_t cost_of(const char *body)
{
    lp_kernel *k = rows_of(body);
    int64_t cost = lp_iteration_cost(k);

    lp_kernel_free(k);
    return cost;
}

/* Threads that take twice as long are worth twice the work, and never one iteration. */
static void test_parallel(void **state)
{
    lp_kernel *k = rows_of("vec exact j in 0..16 step 16 { y[i, j] = x[i, j] }");
    int64_t least = lp_least_parallel(k, 300);

    (void)state;
    assert_true(least > 100);
    assert_int_equal(lp_least_parallel(k, 600), 2 * least);
    assert_int_equal(lp_least_parallel(k, 0), 2);
    lp_kernel_free(k);
}

/* The work of one iteration: a vector counts once, exp as many, and what a run-time
 * extent decides is without bound. */
static void test_cost(void **state)
{
    (void)state;
    int64_t one = cost_of("vec exact j in 0..16 step 16 { y[i, j] = x[i, j] }");
    int64_t four = cost_of("vec exact j in 0..64 step 16 { y[i, j] = x[i, j] }");
    int64_t heavy = cost_of("vec exact j in 0..16 step 16 { y[i, j] = exp(x[i, j]) }");

    assert_int_equal(four, 4 * one);
    assert_true(heavy > 4 * one);
    assert_int_equal(cost_of("for j in 0..n { y[i, 0] = x[j, 0] }"), INT64_MAX);
    assert_int_equal(cost_of("if lt(i, 3) { for j in 0..n { y[i, 0] = x[j, 0] } }"), INT64_MAX);
    assert_int_equal(cost_of("for j in 5..5 { y[i, 0] = x[j, 0] }"), 0);
}

static int64_t whole_size_of(const char *body)
{
    text source = {0};
    diag d;

    diag_init(&d);
    text_add(&source, "kernel f(x: f32[64] in, y: f32[64] out) { %s }", body);
    lp_kernel *k = parse(source.at, &d);
    assert_non_null(k);
    int64_t size = lp_whole_size(k, 10000);
    lp_kernel_free(k);
    text_free(&source);
    diag_free(&d);
    return size;
}

/* Written out, a vector is as many elements, and a loop by fours a fourth of its range. */
static void test_whole(void **state)
{
    (void)state;
    int64_t one = whole_size_of("y[0] = x[0]");

    assert_int_equal(whole_size_of("vec exact j in 0..16 step 16 { y[j] = x[j] }"), 16 * one);
    assert_int_equal(whole_size_of("for j in 0..14 step 4 { unroll s in 0..4 { y[s] = x[s] } }"),
                     16 * one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),     cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_types),
        cmocka_unit_test(test_scopes),    cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_loops),     cmocka_unit_test(test_registers),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_disjoint),  cmocka_unit_test(test_run),
        cmocka_unit_test(test_fold),      cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_growth),
        cmocka_unit_test(test_index),     cmocka_unit_test(test_builder),
        cmocka_unit_test(test_cost), cmocka_unit_test(test_whole), cmocka_unit_test(test_parallel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
