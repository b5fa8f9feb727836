/* Gradients against finite differences, and a network trained with them: the
 * whole step is built with the builder and run by the evaluator. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "build.h"
#include "eval.h"
#include "pass.h"

typedef struct fixture {
    diag d;
    ir_module *m;
    ir_fn *fn;
    ir_build b;
    const char *of;             /* what is derived, for messages */
} fixture;

static void begin(fixture *f)
{
    f->of = "";
    diag_init(&f->d);
    f->m = ir_module_new(&f->d);
    f->fn = ir_fn_new(f->m, "main", true);
    ir_build_init(&f->b, f->m, f->fn, &f->d);
}

static void end(fixture *f)
{
    ir_module_free(f->m);
    diag_free(&f->d);
}

static void passes(fixture *f, bool layout)
{
    pass_ctx cx = {.m = f->m, .d = &f->d};
    bool changed;

    ir_build_free(&f->b);
    for (int i = 0; i < PASS_COUNT; i++) {
        if (!layout && pass_table[i].run == pass_layout)
            continue;
        if (!pass_one(&cx, &pass_table[i], &changed))
            diag_print(&f->d, stderr);
        assert_false(diag_failed(&f->d));
    }
}

static double uniform(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) / (double)(1 << 24) * 2 - 1;
}

static ir_val *random_f64(arena *mem, int rank, const int64_t *dim, uint32_t *seed)
{
    ir_val *v = val_tensor(mem, DT_F64, rank, dim);

    for (int64_t i = 0; i < val_count(v); i++)
        ((double *)v->data)[i] = 0.2 + 0.6 * fabs(uniform(seed));
    return v;
}

/* main(x) -> (loss, dloss/dx): every element's gradient against the central
 * difference. */
static void check_gradient(fixture *f, int rank, const int64_t *dim)
{
    const double h = 1e-6;
    uint32_t seed = 7;
    arena mem = {0};
    ir_val *x = random_f64(&mem, rank, dim, &seed), *out[2], *moved[2];
    ir_eval e;

    passes(f, false);
    ir_eval_init(&e, f->m, &mem);
    assert_true(ir_eval_run(&e, f->fn, &x, out));
    double *value = (double *)x->data;
    for (int64_t i = 0; i < val_count(x); i++) {
        double was = value[i], loss[2];
        for (int s = 0; s < 2; s++) {
            value[i] = was + (s ? h : -h);
            assert_true(ir_eval_run(&e, f->fn, &x, moved));
            loss[s] = *(double *)moved[0]->data;
        }
        value[i] = was;
        double want = (loss[1] - loss[0]) / (2 * h);
        double got = ((double *)out[1]->data)[i];
        if (!(fabs(got - want) <= 1e-6 * (1 + fabs(want))))
            fail_msg("%s: element %d: gradient %g, difference quotient %g", f->of, (int)i,
                     got, want);
    }
    ir_eval_free(&e);
    arena_reset(&mem);
    end(f);
}

static ir_ref sum_all(fixture *f, ir_ref x)
{
    int32_t axes[IR_MAX_RANK];
    int rank = ir_type_of(f->fn, x)->rank;

    for (int i = 0; i < rank; i++)
        axes[i] = i;
    return rank ? ir_reduce(&f->b, x, RED_SUM, axes, rank) : x;
}

static ir_ref parameter(fixture *f, int rank, const int64_t *dim)
{
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < rank; i++)
        shape[i] = dim_int(&f->m->dims, dim[i]);
    return ir_input(&f->b, "x", ir_ty(&f->b, DT_F64, shape, rank));
}

/* Returns y as the loss, weighted so that no element's gradient is trivial. */
static void finish(fixture *f, ir_ref x, ir_ref y)
{
    const ir_type *t = ir_type_of(f->fn, y);
    ir_ref args[2], weight;

    weight = t->rank ? ir_cast(&f->b, ir_iota(&f->b, DT_I64, t->dim, t->rank, t->rank - 1), DT_F64)
                     : ir_float(&f->b, DT_F64, 2);
    weight = ir_2(&f->b, OP_ADD, weight, ir_splat(&f->b, t, 0.5));
    args[0] = sum_all(f, ir_2(&f->b, OP_MUL, y, weight));
    args[1] = x;
    ir_result(&f->b, "loss", args[0]);
    ir_result(&f->b, "dx", ir_make(&f->b, OP_GRAD, args, 2, NULL));
}

/* A function of scalar.def with so many operands, of floats and with a float for result? */
static bool is_function(sc_op op, int args)
{
    const sc_info *s = sc_of(op);

    return s->args == args && s->types != SC_INT && s->result == SC_SAME;
}

/* Operands are between 0.2 and 0.8; acosh has values from 1 on. */
static void scalar_functions(void **state)
{
    static const int64_t dim[] = {5};

    (void)state;
    for (sc_op op = SC_NONE + 1; op < SC_COUNT; op++) {
        if (!is_function(op, 1))
            continue;
        fixture f;
        begin(&f);
        f.of = sc_text(op);
        ir_ref x = parameter(&f, 1, dim), one = ir_splat(&f.b, ir_type_of(f.fn, x), 1);
        finish(&f, x, ir_1(&f.b, op, op == SC_ACOSH ? ir_2(&f.b, OP_ADD, x, one) : x));
        check_gradient(&f, 1, dim);
    }
}

static void two_operands(void **state)
{
    static const int64_t dim[] = {4};

    (void)state;
    for (sc_op op = SC_NONE + 1; op < SC_COUNT; op++) {
        if (!is_function(op, 2))
            continue;
        fixture f;
        begin(&f);
        f.of = sc_text(op);
        ir_ref x = parameter(&f, 1, dim);
        ir_ref other = ir_2(&f.b, OP_MUL, x, ir_splat(&f.b, ir_type_of(f.fn, x), 1.3));
        other = ir_2(&f.b, OP_SUB, other, ir_splat(&f.b, ir_type_of(f.fn, x), 0.1));
        finish(&f, x, ir_2(&f.b, op, x, other));
        check_gradient(&f, 1, dim);
    }
}

static void movement(void **state)
{
    static const int64_t dim[] = {2, 3};
    fixture f;

    (void)state;
    begin(&f);
    ir_ref x = parameter(&f, 2, dim);
    ir_ref y = ir_transpose(&f.b, x, (int32_t[]){1, 0});
    y = ir_pad(&f.b, y, ir_float(&f.b, DT_F64, 1), (ir_dim[]){{1}, {0}}, (ir_dim[]){{0}, {2}},
               NULL);
    y = ir_slice(&f.b, y, (ir_dim[]){{0}, {1}}, (ir_dim[]){{2}, {1}}, (ir_dim[]){{2}, {2}});
    ir_ref both[2] = {y, ir_2(&f.b, OP_MUL, y, y)};
    y = ir_reshape(&f.b, ir_concat(&f.b, both, 2, 1), (ir_dim[]){{8}}, 1);
    y = ir_broadcast(&f.b, y, (ir_dim[]){{8}, {2}}, 2, (int32_t[]){0});
    finish(&f, x, y);
    check_gradient(&f, 2, dim);
}

static void reductions(void **state)
{
    static const int64_t dim[] = {3, 4};
    static const ir_redop op[] = {RED_SUM, RED_MAX, RED_MIN};

    (void)state;
    for (size_t i = 0; i < COUNT(op); i++) {
        fixture f;
        begin(&f);
        ir_ref x = parameter(&f, 2, dim);
        finish(&f, x, ir_reduce(&f.b, ir_2(&f.b, OP_MUL, x, x), op[i], (int32_t[]){1}, 1));
        check_gradient(&f, 2, dim);
    }
}

static void gathered_twice(void **state)
{
    static const int64_t dim[] = {3, 2}, index[] = {2, 0, 2};
    fixture f;

    (void)state;
    begin(&f);
    ir_ref x = parameter(&f, 2, dim), i = ir_i64s(&f.b, index, 3);
    ir_ref y = ir_gather(&f.b, x, &i, (int32_t[]){0}, 1, false);
    finish(&f, x, ir_2(&f.b, OP_MUL, y, y));
    check_gradient(&f, 2, dim);
}

/* x used as both operands of a batched dot, with axes in odd places. */
static void contraction(void **state)
{
    static const int64_t dim[] = {3, 2, 4};
    static const int32_t batch[] = {1}, sum_x[] = {2}, sum_y[] = {0};
    fixture f;

    (void)state;
    begin(&f);
    ir_ref x = parameter(&f, 3, dim);
    ir_ref y = ir_transpose(&f.b, x, (int32_t[]){2, 1, 0});
    finish(&f, x, ir_dot(&f.b, x, y, (ir_ints){1, batch}, (ir_ints){1, batch},
                         (ir_ints){1, sum_x}, (ir_ints){1, sum_y}));
    check_gradient(&f, 3, dim);
}

static void missing_rules_are_reported(void **state)
{
    fixture f;
    static const int64_t dim[] = {4};
    bool changed;

    (void)state;
    begin(&f);
    ir_ref x = parameter(&f, 1, dim);
    union ir_attr a = {.BITCAST = {.to = DT_F64}};
    ir_ref bits = ir_cast(&f.b, x, DT_I64), more = ir_2(&f.b, OP_ADD, bits, bits);
    ir_ref y = ir_2(&f.b, OP_ADD, ir_make(&f.b, OP_BITCAST, &bits, 1, &a),
                    ir_make(&f.b, OP_BITCAST, &more, 1, &a));
    y = sum_all(&f, y);
    ir_ref args[2] = {y, x};
    ir_result(&f.b, "dx", ir_make(&f.b, OP_GRAD, args, 2, NULL));
    ir_build_free(&f.b);
    pass_ctx cx = {.m = f.m, .d = &f.d};
    assert_false(pass_one(&cx, pass_find("grad"), &changed));
    assert_int_equal(f.d.gap.len, 2);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_functions),
        cmocka_unit_test(two_operands),
        cmocka_unit_test(movement),
        cmocka_unit_test(reductions),
        cmocka_unit_test(gathered_twice),
        cmocka_unit_test(contraction),
        cmocka_unit_test(missing_rules_are_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
