/* Dims: canonical forms, ranges, text, overflow, and random expressions whose
 * value must not depend on how they were simplified. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "dim.h"

typedef struct world {
    arena mem;
    dim_table t;
} world;

static void open_world(world *w)
{
    *w = (world){0};
    dim_init(&w->t, &w->mem);
}

static void close_world(world *w)
{
    dim_free(&w->t);
    arena_reset(&w->mem);
}

static ir_dim read_dim(dim_table *t, const char *s)
{
    ir_dim d = {0};

    assert_true(dim_parse(t, &s, &d));
    assert_int_equal(*s, 0);
    return d;
}

/* Both texts mean the same handle. */
static void same(dim_table *t, const char *a, const char *b)
{
    ir_dim x = read_dim(t, a), y = read_dim(t, b);

    if (!dim_same(x, y))
        print_error("%s is not %s\n", a, b);
    assert_true(dim_same(x, y));
}

static void prints(dim_table *t, const char *in, const char *out)
{
    text s = {0};

    dim_print(t, read_dim(t, in), &s);
    assert_string_equal(s.at, out);
    text_free(&s);
}

static void test_canonical(void **state)
{
    static const char *const pair[][2] = {
        {"N+M+N", "2*N+M"},
        {"(N+1)*(N-1)", "N*N-1"},
        {"N*M", "M*N"},
        {"N-N", "0"},
        {"(4*N+6)/2", "2*N+3"},
        {"(2*N+5)/2", "N+2"},
        {"(N*M)/N", "M"},
        {"(3*N*M+M)/M", "3*N+1"},
        {"(2*N+2*M)/(N+M)", "2"},
        {"(N/2)/3", "N/6"},
        {"(8*N+3)%8", "3"},
        {"(8*N+M)%8", "M%8"},
        {"8*(N/8)+N%8", "N"},
        {"M*8*(N/8)+M*(N%8)+1", "M*N+1"},
        {"2*(8*((N+3)/8)+(N+3)%8)", "2*N+6"},
        {"min(N,N+1)", "N"},
        {"max(N,0)", "N"},
        {"min(N,min(M,N))", "min(M,N)"},
        {"max(N,min(M,N))", "N"},
        {"eq(N,N+1)", "0"},
        {"eq(N,M)", "eq(M,N)"},
        {"lt(N,N+1)", "1"},
        {"lt(N,N)", "0"},
        {"le(N,N)", "1"},
        {"le(N+1,N)", "0"},
        {"select(eq(N,M),N,M)", "M"},
        {"select(lt(N,M),1,0)", "lt(N,M)"},
        {"select(eq(1,N),min(512,N),N)", "N"},
        {"select(eq(N,3),2*M+6,2*N+2*M)", "2*N+2*M"},
        {"7/-2", "0-4"},
        {"(0-7)%4", "1"},
        {"N/0", "0"},
        {"N%1", "0"},
    };
    world w;

    (void)state;
    open_world(&w);
    for (size_t i = 0; i < COUNT(pair); i++)
        same(&w.t, pair[i][0], pair[i][1]);
    close_world(&w);
}

static void test_text(void **state)
{
    static const char *const bad[] = {
        "", "N+", "(N", "max(N)", "foo(N)", "9223372036854775808", "N*", "\"a",
    };
    world w;

    (void)state;
    open_world(&w);
    prints(&w.t, "1+N*2+M*N", "M*N+2*N+1");
    prints(&w.t, "0-N-3", "-N-3");
    prints(&w.t, "(H+1)/2*W", "((H+1)/2)*W");
    prints(&w.t, "N*(0-3)/7", "(-3*N)/7");
    prints(&w.t, "max(b,a)", "max(a,b)");
    prints(&w.t, "\"batch size\"+\"1\"", "\"1\"+\"batch size\"");
    prints(&w.t, "-9223372036854775807-1", "-9223372036854775808");
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *s = bad[i];
        ir_dim d;
        assert_false(dim_parse(&w.t, &s, &d));
    }
    close_world(&w);
}

static void test_names(void **state)
{
    world w;

    (void)state;
    open_world(&w);
    ir_dim a = dim_symbol_new(&w.t, "v", 0, 9), b = dim_symbol_new(&w.t, "v", 0, 9);
    assert_false(dim_same(a, b));
    prints(&w.t, "v+v_2", "v+v_2");
    for (int i = 0; i < 50000; i++)
        dim_symbol_new(&w.t, "v", 0, 9);
    assert_true(w.mem.used < 50u << 20);
    close_world(&w);
}

/* Hostile growth ends in `overflow`, in bounded time and memory. */
static void test_bounds(void **state)
{
    world w;
    char deep[3000] = {0};

    (void)state;
    open_world(&w);
    dim_table *t = &w.t;
    ir_dim n = dim_symbol_new(t, "N", 0, INT64_MAX), d = n;
    for (int i = 0; i < 200 && !t->overflow; i++)
        d = dim_mod(t, dim_mul(t, d, dim_add(t, d, n)), dim_add(t, d, dim_int(t, 7)));
    assert_true(t->overflow);

    ir_dim big = dim_int(t, INT64_MAX);
    t->overflow = false;
    assert_true(dim_same(dim_add(t, big, dim_int(t, 1)), (ir_dim){0}));
    assert_true(t->overflow);
    t->overflow = false;
    ir_dim many = dim_mul(t, big, n);
    assert_false(t->overflow);
    dim_mul(t, many, big);
    assert_true(t->overflow);

    t->overflow = false;                /* questions do not set it */
    assert_false(dim_differ(t, many, dim_mul(t, dim_int(t, -INT64_MAX), n)));
    assert_false(t->overflow);

    memset(deep, '(', sizeof deep - 1);
    const char *s = deep;
    assert_false(dim_parse(t, &s, &d));
    close_world(&w);
}

static void test_subst(void **state)
{
    world w;
    ir_dim to[2];
    bool given[2] = {false, false}, found;

    (void)state;
    open_world(&w);
    ir_dim d = read_dim(&w.t, "(H+31)/32*W+min(H,W)");
    uint32_t h = dim_symbol_id(&w.t, dim_symbol_named(&w.t, "H", &found));
    to[h] = read_dim(&w.t, "32*h");
    given[h] = true;
    dim_subst s = {to, given, 2};
    assert_true(dim_same(dim_apply(&w.t, &s, d), read_dim(&w.t, "h*W+min(32*h,W)")));
    to[h] = dim_int(&w.t, 64);
    assert_true(dim_same(dim_apply(&w.t, &s, d), read_dim(&w.t, "2*W+min(64,W)")));
    close_world(&w);
}

/* ---- random expressions ------------------------------------------------------ */

enum { SYMBOLS = 4 };

typedef struct pair {                   /* a dim, and its value by definition */
    ir_dim d;
    int64_t v;
} pair;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* False where a division by zero or size leaves the rules. */
static bool combine(dim_table *t, int op, pair a, pair b, pair c, pair *out)
{
    if ((op == 3 || op == 4) && !b.v)
        return false;
    switch (op) {
    case 0: *out = (pair){dim_add(t, a.d, b.d), a.v + b.v}; break;
    case 1: *out = (pair){dim_sub(t, a.d, b.d), a.v - b.v}; break;
    case 2: *out = (pair){dim_mul(t, a.d, b.d), a.v * b.v}; break;
    case 3: *out = (pair){dim_div(t, a.d, b.d), floor_div(a.v, b.v)}; break;
    case 4: *out = (pair){dim_mod(t, a.d, b.d), a.v - b.v * floor_div(a.v, b.v)}; break;
    case 5: *out = (pair){dim_min(t, a.d, b.d), min_i64(a.v, b.v)}; break;
    case 6: *out = (pair){dim_max(t, a.d, b.d), max_i64(a.v, b.v)}; break;
    case 7: *out = (pair){dim_eq(t, a.d, b.d), a.v == b.v}; break;
    case 8: *out = (pair){dim_lt(t, a.d, b.d), a.v < b.v}; break;
    case 9: *out = (pair){dim_le(t, a.d, b.d), a.v <= b.v}; break;
    default: *out = (pair){dim_select(t, c.d, a.d, b.d), c.v ? a.v : b.v}; break;
    }
    return !t->overflow && llabs(out->v) < 1000000;
}

static bool grow(world *w, const pair *leaf, int depth, pair *out)
{
    pair a, b, c = leaf[0];

    if (depth == 0 || rand() % 6 == 0) {
        int64_t v = rand() % 9 - 2;
        *out = rand() % 2 ? leaf[rand() % SYMBOLS] : (pair){dim_int(&w->t, v), v};
        return true;
    }
    int op = rand() % 11;
    return grow(w, leaf, depth - 1, &a) && grow(w, leaf, depth - 1, &b) &&
           (op < 10 || grow(w, leaf, depth - 1, &c)) && combine(&w->t, op, a, b, c, out);
}

/* Simplified, evaluated, printed and read again: one value, within its range. */
static void check_one(world *w, const pair *leaf, const int64_t *value)
{
    pair p;
    int64_t got = 0;
    text s = {0};

    w->t.overflow = false;
    if (!grow(w, leaf, 4, &p))
        return;
    assert_true(dim_eval(&w->t, p.d, value, &got));
    dim_print(&w->t, p.d, &s);
    if (got != p.v)
        print_error("%s\n", s.at);
    assert_int_equal(got, p.v);
    assert_true(dim_lo(&w->t, p.d) <= p.v && p.v <= dim_hi(&w->t, p.d));
    if (!dim_same(read_dim(&w->t, s.at), p.d))
        print_error("%s reads as another\n", s.at);
    assert_true(dim_same(read_dim(&w->t, s.at), p.d));
    text_free(&s);
}

static void test_random(void **state)
{
    static const char *const name[SYMBOLS] = {"A", "B", "C", "D"};
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 200; round++) {
        world w;
        pair leaf[SYMBOLS];
        int64_t value[SYMBOLS];
        open_world(&w);
        for (int i = 0; i < SYMBOLS; i++) {
            value[i] = rand() % 12 + (i > 1);
            leaf[i] = (pair){dim_symbol_new(&w.t, name[i], i > 1, i % 2 ? 12 : INT64_MAX),
                             value[i]};
        }
        for (int k = 0; k < 100; k++)
            check_one(&w, leaf, value);
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_text),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_subst),     cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
