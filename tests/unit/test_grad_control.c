/* Gradients of branches and loops against central differences in f64: each case is an
 * entry that gives a scalar, then its gradient by each of its f64 parameters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "eval.h"
#include "num.h"
#include "pass.h"

enum { MAX_PARAMS = 8 };

typedef struct run {
    diag d;
    ir_module *m;
    const ir_fn *fn;
    arena mem;
    ir_eval e;
    ir_val *x[MAX_PARAMS], *y[MAX_PARAMS];
} run;

static void open_case(run *r, const char *source)
{
    pass_ctx cx = {0};
    bool changed;

    diag_init(&r->d);
    r->m = ir_parse(source, "case", &r->d);
    if (r->m)
        cx = (pass_ctx){.m = r->m, .d = &r->d};
    for (int i = 0; r->m && i < PASS_COUNT && !diag_failed(&r->d); i++)
        if (pass_table[i].run != pass_layout)
            pass_one(&cx, &pass_table[i], &changed);
    if (diag_failed(&r->d)) {
        diag_print(&r->d, stderr);
        fail_msg("in:\n%s", source);
    }
    r->fn = r->m->fn.at[r->m->fn.len - 1];
    r->mem = (arena){0};
    ir_eval_init(&r->e, r->m, &r->mem);
}

static void close_case(run *r)
{
    ir_eval_free(&r->e);
    arena_reset(&r->mem);
    ir_module_free(r->m);
    diag_free(&r->d);
}

/* Parameters: f64 ones are between 0.2 and 0.8, symbols n; others are n. */
static void fill(run *r, int64_t n)
{
    uint32_t seed = 3;

    for (uint32_t i = 0; i < r->fn->param.len; i++) {
        const ir_type *t = ir_type_of(r->fn, r->fn->param.at[i]);
        int64_t dim[IR_MAX_RANK], known;
        for (int k = 0; k < t->rank; k++)
            dim[k] = dim_const(&r->m->dims, t->dim[k], &known) ? known : n;
        r->x[i] = val_tensor(&r->mem, t->dtype, t->rank, dim);
        for (int64_t k = 0; k < val_count(r->x[i]); k++) {
            seed = seed * 1664525u + 1013904223u;
            if (t->dtype == DT_F64)
                ((double *)r->x[i]->data)[k] = 0.2 + 0.6 * (seed >> 8) / (double)(1 << 24);
            else
                num_store_int(t->dtype, r->x[i]->data + k * dt_size(t->dtype), n);
        }
    }
}

static double objective(run *r, double *at, double value)
{
    ir_val *y[MAX_PARAMS];
    double was = *at;

    *at = value;
    if (!ir_eval_run(&r->e, r->fn, r->x, y))
        fail_msg("%s", r->e.error);
    *at = was;
    return *(double *)y[0]->data;
}

static void check_param(run *r, const char *source, uint32_t i, const ir_val *gradient)
{
    const double h = 1e-5;

    for (int64_t k = 0; k < val_count(r->x[i]); k++) {
        double *at = (double *)r->x[i]->data + k, got = ((double *)gradient->data)[k];
        double want = (objective(r, at, *at + h) - objective(r, at, *at - h)) / (2 * h);
        if (!(fabs(got - want) <= 1e-7 * (1 + fabs(want))))
            fail_msg("parameter %u, element %d: gradient %g, difference quotient %g, in:\n%s",
                     i, (int)k, got, want, source);
    }
}

/* n: extents that are symbols, and the values of integer parameters. */
static void check(const char *source, int64_t n)
{
    run r = {0};
    uint32_t result = 1;

    open_case(&r, source);
    fill(&r, n);
    if (!ir_eval_run(&r.e, r.fn, r.x, r.y))
        fail_msg("%s, in:\n%s", r.e.error, source);
    for (uint32_t i = 0; i < r.fn->param.len; i++)
        if (r.x[i]->dtype == DT_F64)
            check_param(&r, source, i, r.y[result++]);
    close_case(&r);
}

static const char scan[] =
    "entry main(%x: f64[n,3], %h0: f64[3], %w: f64[3,3]) {\n"
    "  %1 = const 1 : bool[]\n"
    "  %2, %3 = loop %1, %h0, %x, %w {trip=n, carries=1, slice_axes=[0], stack_axes=[0]}\n"
    "  body(%i: i64[], %h: f64[3], %r: f64[3], %w: f64[3,3]) {\n"
    "    %1 = dot %h, %w {sum_a=[0], sum_b=[0]} : f64[3]\n"
    "    %2 = add %1, %r : f64[3]\n"
    "    %3 = tanh %2 : f64[3]\n"
    "    %4 = const 1 : bool[]\n"
    "    yield %4, %3, %3\n"
    "  } : f64[3], f64[n,3]\n"
    "  %4 = mul %3, %3 : f64[n,3]\n"
    "  %5 = reduce %4 {axes=[0,1], op=sum} : f64[]\n"
    "  %6 = reduce %2 {axes=[0], op=sum} : f64[]\n"
    "  %7 = add %5, %6 : f64[]\n"
    "  %8, %9, %10 = grad %7, %x, %h0, %w : f64[n,3], f64[3], f64[3,3]\n"
    "  return y=%7, dx=%8, dh=%9, dw=%10\n"
    "}\n";

static void test_scan(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 4; n++)
        check(scan, n);
}

/* Axes that are not the first, in reverse, and the iteration as a number. */
static void test_reverse(void **state)
{
    (void)state;
    check("entry main(%x: f64[2,4,3], %c: f64[2,3]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2, %3 = loop %1, %c, %x {trip=4, reverse=true, carries=1, slice_axes=[1],\n"
          "    stack_axes=[2]}\n"
          "  body(%i: i64[], %h: f64[2,3], %r: f64[2,3]) {\n"
          "    %1 = cast %i {to=f64} : f64[]\n"
          "    %2 = broadcast %1 {shape=[2,3]} : f64[2,3]\n"
          "    %3 = mul %h, %r : f64[2,3]\n"
          "    %4 = mul %r, %2 : f64[2,3]\n"
          "    %5 = add %3, %4 : f64[2,3]\n"
          "    %6 = exp %h : f64[2,3]\n"
          "    %7 = mul %6, %2 : f64[2,3]\n"
          "    %8 = const 1 : bool[]\n"
          "    yield %8, %5, %7\n"
          "  } : f64[2,3], f64[2,3,4]\n"
          "  %4 = iota {shape=[2,3,4], axis=2, dtype=f64} : f64[2,3,4]\n"
          "  %5 = mul %3, %4 : f64[2,3,4]\n"
          "  %6 = reduce %5 {axes=[0,1,2], op=sum} : f64[]\n"
          "  %7 = reduce %2 {axes=[0,1], op=sum} : f64[]\n"
          "  %8 = add %6, %7 : f64[]\n"
          "  %9, %10 = grad %8, %x, %c : f64[2,4,3], f64[2,3]\n"
          "  return y=%8, dx=%9, dc=%10\n"
          "}\n", 0);
}

/* A loop that a condition ends: how often it ran is known only behind it.  The rest of what
 * is sliced has a gradient of 0. */
static void test_early_end(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 5; n++)
        check("entry main(%n: i64[], %x: f64[6,2], %c: f64[2]) {\n"
              "  %0 = const 0 : i64[]\n"
              "  %1 = lt %0, %n : bool[]\n"
              "  %2 = loop %1, %c, %x, %n {trip=5, carries=1, slice_axes=[0]}\n"
              "  body(%i: i64[], %h: f64[2], %r: f64[2], %n: i64[]) {\n"
              "    %1 = const 1 : i64[]\n"
              "    %2 = add %i, %1 : i64[]\n"
              "    %3 = lt %2, %n : bool[]\n"
              "    %4 = sin %h : f64[2]\n"
              "    %5 = mul %4, %r : f64[2]\n"
              "    yield %3, %5\n"
              "  } : f64[2]\n"
              "  %3 = reduce %2 {axes=[0], op=sum} : f64[]\n"
              "  %4, %5 = grad %3, %x, %c : f64[6,2], f64[2]\n"
              "  return y=%3, dx=%4, dc=%5\n"
              "}\n", n);
}

/* A carry that is stacked, and read backward only by what is made of it again. */
static void test_stacked_carry(void **state)
{
    (void)state;
    check("entry main(%x: f64[4,2], %c: f64[2]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2 = const splat 0 : i64[2]\n"
          "  %3, %4, %5 = loop %1, %2, %c, %x {trip=4, carries=2, slice_axes=[0], stack_axes=[0]}\n"
          "  body(%i: i64[], %s: i64[2], %h: f64[2], %r: f64[2]) {\n"
          "    %1 = const splat 1 : i64[2]\n"
          "    %2 = add %s, %1 : i64[2]\n"
          "    %3 = const splat 3 : i64[2]\n"
          "    %4 = eq %2, %3 : bool[2]\n"
          "    %5 = mul %h, %r : f64[2]\n"
          "    %6 = select %4, %r, %5 : f64[2]\n"
          "    %7 = const 1 : bool[]\n"
          "    yield %7, %2, %6, %s\n"
          "  } : i64[2], f64[2], i64[4,2]\n"
          "  %6 = cast %5 {to=f64} : f64[4,2]\n"
          "  %7 = mul %6, %x : f64[4,2]\n"
          "  %8 = reduce %7 {axes=[0,1], op=sum} : f64[]\n"
          "  %9 = reduce %4 {axes=[0], op=sum} : f64[]\n"
          "  %10 = add %8, %9 : f64[]\n"
          "  %11, %12 = grad %10, %x, %c : f64[4,2], f64[2]\n"
          "  return y=%10, dx=%11, dc=%12\n"
          "}\n", 0);
}

/* Nothing of the forward part is needed, yet how often it ran is. */
static void test_nothing_kept(void **state)
{
    (void)state;
    check("entry main(%n: i64[], %c: f64[2]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2 = loop %1, %c, %n {trip=5, carries=1}\n"
          "  body(%i: i64[], %h: f64[2], %n: i64[]) {\n"
          "    %1 = lt %i, %n : bool[]\n"
          "    %2 = add %h, %h : f64[2]\n"
          "    yield %1, %2\n"
          "  } : f64[2]\n"
          "  %3 = reduce %2 {axes=[0], op=sum} : f64[]\n"
          "  %4 = grad %3, %c : f64[2]\n"
          "  return y=%3, dc=%4\n"
          "}\n", 2);
}

/* Carries that change places, that no gradient flows through, and that nobody reads. */
static void test_carries(void **state)
{
    (void)state;
    check("entry main(%a: f64[2], %b: f64[2], %w: f64[2]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2 = const 0 : i64[]\n"
          "  %3, %4, %5, %6 = loop %1, %a, %b, %2, %a, %w, %w {trip=3, carries=4}\n"
          "  body(%i: i64[], %p: f64[2], %q: f64[2], %k: i64[], %u: f64[2],\n"
          "    %w: f64[2], %v: f64[2]) {\n"
          "    %1 = mul %p, %w : f64[2]\n"
          "    %2 = add %1, %q : f64[2]\n"
          "    %3 = mul %2, %v : f64[2]\n"
          "    %4 = add %k, %i : i64[]\n"
          "    %5 = exp %u : f64[2]\n"
          "    %6 = const 1 : bool[]\n"
          "    yield %6, %q, %3, %4, %5\n"
          "  } : f64[2], f64[2], i64[], f64[2]\n"
          "  %7 = mul %3, %4 : f64[2]\n"
          "  %8 = reduce %7 {axes=[0], op=sum} : f64[]\n"
          "  %9, %10, %11 = grad %8, %a, %b, %w : f64[2], f64[2], f64[2]\n"
          "  return y=%8, da=%9, db=%10, dw=%11\n"
          "}\n", 0);
}

static void test_nested(void **state)
{
    (void)state;
    check("entry main(%x: f64[3,4], %h: f64[], %w: f64[]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2 = loop %1, %h, %x, %w {trip=3, carries=1, slice_axes=[0]}\n"
          "  body(%i: i64[], %h: f64[], %r: f64[4], %w: f64[]) {\n"
          "    %1 = const 1 : bool[]\n"
          "    %2, %3 = loop %1, %h, %r, %w {trip=4, carries=1, slice_axes=[0], stack_axes=[0]}\n"
          "    body(%j: i64[], %h: f64[], %s: f64[], %w: f64[]) {\n"
          "      %1 = mul %h, %w : f64[]\n"
          "      %2 = add %1, %s : f64[]\n"
          "      %3 = sin %2 : f64[]\n"
          "      %4 = const 1 : bool[]\n"
          "      yield %4, %3, %2\n"
          "    } : f64[], f64[4]\n"
          "    %4 = reduce %3 {axes=[0], op=sum} : f64[]\n"
          "    %5 = mul %4, %2 : f64[]\n"
          "    yield %1, %5\n"
          "  } : f64[]\n"
          "  %3, %4, %5 = grad %2, %x, %h, %w : f64[3,4], f64[], f64[]\n"
          "  return y=%2, dx=%3, dh=%4, dw=%5\n"
          "}\n", 0);
}

/* A branch in a loop, taken in some iterations, that a loop of run-time length is in. */
static void test_branch_in_loop(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 3; n++)
        check("entry main(%n: i64[], %x: f64[4], %h: f64[]) {\n"
              "  %0 = bind %n {sym=t} : i64[]\n"
              "  %1 = const 1 : bool[]\n"
              "  %2 = loop %1, %h, %x {trip=4, carries=1, slice_axes=[0]}\n"
              "  body(%i: i64[], %h: f64[], %r: f64[]) {\n"
              "    %1 = const 2 : i64[]\n"
              "    %2 = lt %i, %1 : bool[]\n"
              "    %3 = if %2, %h, %r yes(%h: f64[], %r: f64[]) {\n"
              "      %1 = const 1 : bool[]\n"
              "      %2 = loop %1, %h, %r {trip=max(t,0), carries=1}\n"
              "      body(%j: i64[], %h: f64[], %r: f64[]) {\n"
              "        %1 = mul %h, %h : f64[]\n"
              "        %2 = add %1, %r : f64[]\n"
              "        %3 = const 1 : bool[]\n"
              "        yield %3, %2\n"
              "      } : f64[]\n"
              "      yield %2\n"
              "    } no(%h: f64[], %r: f64[]) {\n"
              "      %1 = mul %h, %r : f64[]\n"
              "      yield %1\n"
              "    } : f64[]\n"
              "    %4 = const 1 : bool[]\n"
              "    yield %4, %3\n"
              "  } : f64[]\n"
              "  %3, %4 = grad %2, %x, %h : f64[4], f64[]\n"
              "  return y=%2, dx=%3, dh=%4\n"
              "}\n", n);
}

/* Branches of different extents; an operand that is given twice. */
static void test_branch(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 2; n++)
        check("entry main(%n: i64[], %x: f64[4], %w: f64[]) {\n"
              "  %1 = const 0 : i64[]\n"
              "  %2 = lt %1, %n : bool[]\n"
              "  %3, %4 = if %2, %x, %x, %w {syms=[e]} yes(%a: f64[4], %b: f64[4], %w: f64[]) {\n"
              "    %1 = mul %a, %b : f64[4]\n"
              "    %2 = dimval {dim=4} : i64[]\n"
              "    yield %1, %2\n"
              "  } no(%a: f64[4], %b: f64[4], %w: f64[]) {\n"
              "    %1 = slice %a {start=[1], step=[1], extent=[2]} : f64[2]\n"
              "    %2 = broadcast %w {shape=[2]} : f64[2]\n"
              "    %3 = mul %1, %2 : f64[2]\n"
              "    %4 = dimval {dim=2} : i64[]\n"
              "    yield %3, %4\n"
              "  } : f64[e], i64[]\n"
              "  %5 = mul %3, %3 : f64[e]\n"
              "  %6 = reduce %5 {axes=[0], op=sum} : f64[]\n"
              "  %7, %8 = grad %6, %x, %w : f64[4], f64[]\n"
              "  return y=%6, dx=%7, dw=%8\n"
              "}\n", n);
}

/* The same scan, then the square of its gradient by x differentiated. */
static void test_second_order(void **state)
{
    char text[2000];
    const char *end = strstr(scan, "  return");

    (void)state;
    snprintf(text, sizeof text, "%.*s%s", (int)(end - scan), scan,
             "  %11 = mul %8, %8 : f64[n,3]\n"
             "  %12 = reduce %11 {axes=[0,1], op=sum} : f64[]\n"
             "  %13 = mul %10, %10 : f64[3,3]\n"
             "  %14 = reduce %13 {axes=[0,1], op=sum} : f64[]\n"
             "  %15 = add %12, %14 : f64[]\n"
             "  %16, %17, %18 = grad %15, %x, %h0, %w : f64[n,3], f64[3], f64[3,3]\n"
             "  return y=%15, dx=%16, dh=%17, dw=%18\n"
             "}\n");
    for (int64_t n = 0; n < 4; n++)
        check(text, n);
}

/* A root times its argument, where that is not negative: the loop keeps the slope for its way
 * back, and the mask of what is returned for the slope is not lost on the way into the loop. */
static void test_mask_kept(void **state)
{
    (void)state;
    check("entry main(%x: f64[8]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2 = loop %1, %x {trip=1, carries=1} body(%i: i64[], %h: f64[8]) {\n"
          "    %1 = const splat 0.5 : f64[8]\n"
          "    %2 = sub %h, %1 : f64[8]\n"
          "    %3 = sqrt %2 : f64[8]\n"
          "    %4 = mul %3, %2 : f64[8]\n"
          "    %5 = const splat 0 : f64[8]\n"
          "    %6 = le %2, %5 : bool[8]\n"
          "    %7 = select %6, %5, %4 : f64[8]\n"
          "    %8 = const 1 : bool[]\n"
          "    yield %8, %7\n"
          "  } : f64[8]\n"
          "  %3 = reduce %2 {axes=[0], op=sum} : f64[]\n"
          "  %4 = grad %3, %x : f64[8]\n"
          "  %5 = reduce %4 {axes=[0], op=sum} : f64[]\n"
          "  %6 = grad %5, %x : f64[8]\n"
          "  return y=%5, dx=%6\n"
          "}\n", 1);
}

/* Steps of gradient descent in a loop, and the gradient of where they lead. */
static void test_descent(void **state)
{
    (void)state;
    check("entry main(%x: f64[3], %rate: f64[]) {\n"
          "  %1 = const 1 : bool[]\n"
          "  %2 = loop %1, %x, %rate {trip=3, carries=1}\n"
          "  body(%i: i64[], %x: f64[3], %rate: f64[]) {\n"
          "    %1 = sin %x : f64[3]\n"
          "    %2 = mul %1, %x : f64[3]\n"
          "    %3 = reduce %2 {axes=[0], op=sum} : f64[]\n"
          "    %4 = grad %3, %x : f64[3]\n"
          "    %5 = broadcast %rate {shape=[3]} : f64[3]\n"
          "    %6 = mul %4, %5 : f64[3]\n"
          "    %7 = sub %x, %6 : f64[3]\n"
          "    %8 = const 1 : bool[]\n"
          "    yield %8, %7\n"
          "  } : f64[3]\n"
          "  %3 = mul %2, %2 : f64[3]\n"
          "  %4 = reduce %3 {axes=[0], op=sum} : f64[]\n"
          "  %5, %6 = grad %4, %x, %rate : f64[3], f64[]\n"
          "  return y=%4, dx=%5, dr=%6\n"
          "}\n", 0);
}

/* How many nodes the body of the function's first loop has. */
static uint32_t body_nodes(const ir_fn *f)
{
    for (uint32_t i = 0; i < f->node.len; i++)
        if (f->node.at[i].op == OP_LOOP)
            return f->node.at[i].attr->LOOP.body->node.len;
    return 0;
}

static uint32_t loops(const ir_fn *f)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->node.len; i++)
        n += f->node.at[i].op == OP_LOOP;
    return n;
}

/* The forward part runs once, and the backward part does not compute products again. */
static void test_no_work_twice(void **state)
{
    run r = {0};

    (void)state;
    open_case(&r, scan);
    assert_int_equal(loops(r.fn), 2);
    assert_int_equal(body_nodes(r.fn), 8);
    close_case(&r);
}

static void expect_gap(const char *source, const char *reason)
{
    diag d;
    bool changed;

    diag_init(&d);
    ir_module *m = ir_parse(source, "case", &d);
    assert_non_null(m);
    pass_ctx cx = {.m = m, .d = &d};
    assert_false(pass_one(&cx, pass_find("grad"), &changed));
    assert_int_equal(d.gap.len, 1);
    assert_string_equal(d.gap.at[0].reason, reason);
    ir_module_free(m);
    diag_free(&d);
}

static void test_endless(void **state)
{
    (void)state;
    expect_gap("entry main(%x: f64[]) {\n"
               "  %1 = const 1 : bool[]\n"
               "  %2 = loop %1, %x {infinite=true, carries=1} body(%i: i64[], %h: f64[]) {\n"
               "    %1 = mul %h, %h : f64[]\n"
               "    %2 = lt %1, %h : bool[]\n"
               "    yield %2, %1\n"
               "  } : f64[]\n"
               "  %3 = grad %2, %x : f64[]\n"
               "  return dx=%3\n"
               "}\n", "a loop without a bound has no gradient");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_reverse),
        cmocka_unit_test(test_early_end),
        cmocka_unit_test(test_stacked_carry),
        cmocka_unit_test(test_nothing_kept),
        cmocka_unit_test(test_carries),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_branch_in_loop),
        cmocka_unit_test(test_branch),
        cmocka_unit_test(test_second_order),
        cmocka_unit_test(test_mask_kept),
        cmocka_unit_test(test_descent),
        cmocka_unit_test(test_no_work_twice),
        cmocka_unit_test(test_endless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
