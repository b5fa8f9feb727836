/* tests/unit/test_elements.c - known elements agree with what nodes compute:
 * random shape arithmetic on dims, evaluated with numbers for the symbols. */
#include "eval_text.h"

typedef struct shapes {
    ir_module *m;
    ir_build b;
    ir_ref v[40];           /* i64 vectors and matrices with known elements */
    int n, known;
} shapes;

static ir_ref pick(const shapes *s)
{
    return s->v[rand() % s->n];
}

static int64_t extent(const shapes *s, ir_ref x, int axis)
{
    int64_t v = 0;

    dim_const(&s->m->dims, ir_type_of(s->b.fn, x)->dim[axis], &v);
    return v;
}

static ir_ref first_axis(shapes *s, ir_ref x, int64_t n)
{
    ir_dim zero = {0}, one = {1};

    return extent(s, x, 0) < n ? IR_NONE
                               : ir_slice_axis(&s->b, x, 0, zero, one, dim_int(&s->m->dims, n));
}

static ir_ref elementwise(shapes *s)
{
    static const unsigned ops[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_MIN, OP_MAX};
    int64_t n = 1 + rand() % 3;
    ir_ref x = pick(s), y = pick(s);

    if (ir_type_of(s->b.fn, x)->rank != 1 || ir_type_of(s->b.fn, y)->rank != 1)
        return IR_NONE;
    return ir_2(&s->b, ops[rand() % (int)COUNT(ops)], first_axis(s, x, n), first_axis(s, y, n));
}

static ir_ref chosen(shapes *s)
{
    ir_ref x = pick(s), y = pick(s);

    if (ir_type_of(s->b.fn, x) != ir_type_of(s->b.fn, y))
        return IR_NONE;
    return ir_select(&s->b, ir_2(&s->b, rand() % 2 ? OP_LT : OP_EQ, x, y), x, y);
}

static ir_ref moved(shapes *s)
{
    ir_ref x = pick(s), y = pick(s);
    const ir_type *t = ir_type_of(s->b.fn, x);
    int64_t n = extent(s, x, 0);
    int64_t index[] = {rand() % 3, rand() % 2};
    int32_t perm[] = {1, 0}, axis[] = {0};
    ir_dim shape[] = {{2}, {n / 2}};

    switch (rand() % 6) {
    case 0: return t->rank == 2 ? ir_transpose(&s->b, x, perm) : IR_NONE;
    case 1: return t->rank == 1 && n % 2 == 0 ? ir_reshape(&s->b, x, shape, 2) : IR_NONE;
    case 2: {
        ir_dim flat = type_count(&s->m->types, t);
        return ir_reshape(&s->b, x, &flat, 1);
    }
    case 3: {
        ir_ref i = ir_i64s(&s->b, index, 2);
        return t->rank == 1 ? ir_gather(&s->b, x, &i, axis, 1, false) : IR_NONE;
    }
    case 4: {
        ir_ref both[] = {x, y};
        return t->rank == 1 && ir_type_of(s->b.fn, y)->rank == 1 ? ir_concat(&s->b, both, 2, 0)
                                                                 : IR_NONE;
    }
    default:
        return ir_slice_axis(&s->b, x, 0, (ir_dim){n - 1}, dim_int(&s->m->dims, -1), (ir_dim){n});
    }
}

static ir_ref reduced(shapes *s)
{
    static const ir_redop ops[] = {RED_SUM, RED_PROD, RED_MIN, RED_MAX};
    ir_ref x = pick(s);
    int32_t axis = rand() % ir_type_of(s->b.fn, x)->rank;

    return ir_reduce_keep(&s->b, x, ops[rand() % 4], &axis, 1);
}

static void check_one(shapes *s, ir_ref x, const ir_val *v, const int64_t *symbol, unsigned seed)
{
    const ir_dim *elem = s->b.fn->value.at[x].elem;
    int64_t want;

    for (int64_t i = 0; elem && i < val_count(v); i++) {
        if (!dim_eval(&s->m->dims, elem[i], symbol, &want))
            continue;
        if (val_flt(v, i) != (double)want)
            fail_msg("seed %u: element %lld of value %u is %g, its dim %lld", seed, (long long)i, x,
                     val_flt(v, i), (long long)want);
        s->known++;
    }
}

static int run(unsigned seed)
{
    static ir_ref (*const step[])(shapes *) = {elementwise, moved, reduced, chosen};
    int64_t symbol[] = {1 + rand() % 9, 1 + rand() % 9};
    shapes s = {0};
    arena mem = {0};
    ir_eval e;
    ir_val *out[40];
    diag d;

    diag_init(&d);
    s.m = ir_module_new(&d);
    ir_build_init(&s.b, s.m, ir_fn_new(s.m, "main", true), &d);
    ir_dim n = dim_symbol_new(&s.m->dims, "N", 1, 1000),
           m = dim_symbol_new(&s.m->dims, "M", 1, 1000);
    ir_dim base[] = {n, m, dim_mul(&s.m->dims, n, m), {7}};
    ir_input(&s.b, "x", type_tensor(&s.m->types, DT_F32, 2, base));
    s.v[s.n++] = ir_dims_ref(&s.b, base, 4);
    s.v[s.n++] = ir_dims_ref(&s.b, base + 1, 3);
    for (int k = 0; k < 30; k++) {
        ir_ref r = step[rand() % 4](&s);
        if (r != IR_NONE && type_count_const(&s.m->types, ir_type_of(s.b.fn, r)) < 20)
            s.v[s.n++] = r;
    }
    if (d.errors)
        fail_msg("seed %u: %s", seed, d.message.at[0].text);
    for (int i = 0; i < s.n; i++)
        ir_result(&s.b, "", s.v[i]);
    ir_eval_init(&e, s.m, &mem);
    ir_val *in = val_tensor(&mem, DT_F32, 2, symbol);
    if (!ir_eval_run(&e, s.b.fn, &in, out))
        fail_msg("seed %u: %s", seed, e.error);
    for (int i = 0; i < s.n; i++)
        check_one(&s, s.v[i], out[i], symbol, seed);
    ir_eval_free(&e);
    arena_reset(&mem);
    ir_build_free(&s.b);
    ir_module_free(s.m);
    diag_free(&d);
    return s.known;
}

static void test_random_shapes(void **state)
{
    int known = 0;

    (void)state;
    print_message("seeds 1..400\n");
    for (unsigned seed = 1; seed <= 400; seed++) {
        srand(seed);
        known += run(seed);
    }
    assert_true(known > 10000);     /* most are known, else nothing was tested */
}

/* Comparisons of equal dims are known. */
static void test_equal_dims(void **state)
{
    arena mem = {0};
    dim_table t;
    ir_dim zero = {0};

    (void)state;
    dim_init(&t, &mem);
    ir_dim n = dim_symbol_new(&t, "N", 0, INT64_MAX);
    assert_true(dim_is(&t, dim_lt(&t, zero, zero), 0) && dim_is(&t, dim_lt(&t, n, n), 0));
    assert_true(dim_is(&t, dim_le(&t, zero, zero), 1) && dim_is(&t, dim_le(&t, n, n), 1));
    dim_free(&t);
    arena_reset(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes), cmocka_unit_test(test_equal_dims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
