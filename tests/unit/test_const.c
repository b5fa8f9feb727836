/* tests/unit/test_const.c - chains of links read as the evaluator computes them. */
#include "eval_text.h"

typedef struct chain {
    ir_module *m;
    ir_build b;
    ir_ref x;               /* the chain as nodes */
    uint32_t id;            /* the chain as links */
} chain;

static const ir_type *type_now(const chain *c)
{
    return ir_type_of(c->b.fn, c->x);
}

static int64_t extent(const chain *c, int axis)
{
    int64_t v = 0;

    dim_const(&c->m->dims, type_now(c)->dim[axis], &v);
    return v;
}

static void link_op(chain *c, unsigned op, uint32_t other, const ir_attr *a)
{
    ir_ref args[2] = {c->x, other == IR_NONE ? c->x : ir_const_ref(&c->b, other)};
    ir_ref y = ir_make(&c->b, op, args, other == IR_NONE ? 1 : 2, a);

    if (y == IR_NONE)
        fail_msg("%s", c->b.d->message.at[0].text);
    c->id = const_linked(c->m, c->id, (ir_link){(uint16_t)op, ir_attr_intern(c->m, op, a),
                                                other == IR_NONE ? 0 : other,
                                                ir_type_of(c->b.fn, y)});
    c->x = y;
}

static void reshape_some(chain *c)
{
    static const int parts[] = {2, 3, 4, 6, 5};
    ir_dim dim[IR_MAX_RANK];
    int n = 0, rank = type_now(c)->rank, k = rand() % rank, p = parts[rand() % 5];

    if (rand() % 2 && rank > 1)             /* merge axes k and k + 1 */
        k %= rank - 1;
    else
        p = extent(c, k) % p ? 1 : -p;      /* split axis k */
    for (int i = 0; i < rank; i++)
        if (i == k && p > 0 && rank > 1 && i + 1 < rank) {
            dim[n++] = dim_int(&c->m->dims, extent(c, i) * extent(c, i + 1));
            i++;
        } else if (i == k && p < 0) {
            dim[n++] = dim_int(&c->m->dims, extent(c, i) / -p);
            dim[n++] = dim_int(&c->m->dims, -p);
        } else {
            dim[n++] = type_now(c)->dim[i];
        }
    link_op(c, OP_RESHAPE, IR_NONE, &(ir_attr){.RESHAPE = {{n, dim}}});
}

static void transpose_some(chain *c)
{
    int32_t perm[IR_MAX_RANK];
    int rank = type_now(c)->rank;

    for (int i = 0; i < rank; i++)
        perm[i] = i;
    for (int i = rank - 1; i > 0; i--) {
        int j = rand() % (i + 1);
        int32_t t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }
    link_op(c, OP_TRANSPOSE, IR_NONE, &(ir_attr){.TRANSPOSE = {{rank, perm}}});
}

static void slice_some(chain *c)
{
    ir_dim start[IR_MAX_RANK], step[IR_MAX_RANK], dim[IR_MAX_RANK];
    int rank = type_now(c)->rank, k = rand() % rank;

    for (int i = 0; i < rank; i++) {
        int64_t d = extent(c, i), s = i == k ? rand() % d : 0;
        int64_t p = i != k ? 1 : rand() % 2 ? -1 : 1 + rand() % 2;
        int64_t n = p < 0 ? s + 1 : (d - s + p - 1) / p;
        start[i] = dim_int(&c->m->dims, s);
        step[i] = dim_int(&c->m->dims, p);
        dim[i] = dim_int(&c->m->dims, n);
    }
    link_op(c, OP_SLICE, IR_NONE, &(ir_attr){.SLICE = {{rank, start}, {rank, step}, {rank, dim}}});
}

static void pad_some(chain *c)
{
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK], inner[IR_MAX_RANK];
    int rank = type_now(c)->rank, k = rand() % rank;
    bool gaps = rand() % 8 == 0;

    for (int i = 0; i < rank; i++) {
        low[i] = dim_int(&c->m->dims, i == k ? rand() % 3 - 1 : 0);
        high[i] = dim_int(&c->m->dims, i == k ? rand() % 4 : 0);
        inner[i] = dim_int(&c->m->dims, i == k && gaps);
        if (dim_is(&c->m->dims, low[i], -1) && extent(c, i) < 2)
            low[i] = dim_int(&c->m->dims, 1);
    }
    uint32_t value = const_float(c->m, type_scalar(&c->m->types, type_now(c)->dtype), -1);
    link_op(c, OP_PAD, value,
            &(ir_attr){.PAD = {{rank, low}, {rank, high}, {gaps ? rank : 0, inner}}});
}

static void broadcast_some(chain *c)
{
    ir_dim dim[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int rank = type_now(c)->rank, k = rand() % (rank + 1);

    for (int i = 0, n = 0; i <= rank; i++) {
        dim[i] = i == k ? dim_int(&c->m->dims, 1 + rand() % 2) : type_now(c)->dim[n];
        if (i != k)
            axes[n++] = i;
    }
    link_op(c, OP_BROADCAST, IR_NONE, &(ir_attr){.BROADCAST = {{rank + 1, dim}, {rank, axes}}});
}

static void cast_some(chain *c)
{
    static const ir_dtype to[] = {DT_F32, DT_F16, DT_I32};

    link_op(c, OP_CAST, IR_NONE, &(ir_attr){.CAST = {.to = to[rand() % 3]}});
}

/* Adds a vector along one axis. */
static void add_some(chain *c)
{
    int rank = type_now(c)->rank, k = rand() % rank;
    int32_t axes[] = {k};
    const ir_type *t = type_now(c);
    ir_dim d = t->dim[k];
    const ir_type *vt = type_tensor(&c->m->types, t->dtype, 1, &d);
    uint8_t data[8 * 256];
    int64_t n = extent(c, k);

    if (n > 256)
        return;
    for (int64_t i = 0; i < n; i++)
        if (dt_is_float(t->dtype))
            num_store_flt(t->dtype, data + i * dt_size(t->dtype), (double)(i * 7 % 11));
        else
            num_store_int(t->dtype, data + i * dt_size(t->dtype), i * 7 % 11);
    uint32_t v = const_copy_val(c->m, vt, data);
    ir_attr a = {.BROADCAST = {{t->rank, t->dim}, {1, axes}}};
    v = const_linked(c->m, v,
                     (ir_link){OP_BROADCAST, ir_attr_intern(c->m, OP_BROADCAST, &a), 0, t});
    link_op(c, rand() % 2 ? OP_ADD : OP_MUL, v, NULL);
}

/* Adds, along the last axis, up to two elements for each of three. */
static void dot_some(chain *c)
{
    static const int32_t one = 1;
    int32_t last = type_now(c)->rank - 1;
    int64_t n = extent(c, last);
    float matrix[3 * 256] = {0};
    ir_dim dim[2] = {{3}, dim_int(&c->m->dims, n)};

    if (type_now(c)->dtype != DT_F32 || n > 256)
        return;
    for (int i = 0; i < 3; i++)
        matrix[i * n + rand() % n] = matrix[i * n + rand() % n] = 1;
    uint32_t m = const_copy_val(c->m, type_tensor(&c->m->types, DT_F32, 2, dim), matrix);
    link_op(c, OP_DOT, m, &(ir_attr){.DOT = {.sum_a = {1, &last}, .sum_b = {1, &one},
                                             .acc = DT_F32}});
}

static void compare(chain *c, unsigned seed)
{
    arena mem = {0};
    ir_eval e;
    ir_val *out[1];

    ir_result(&c->b, "", c->x);
    ir_eval_init(&e, c->m, &mem);
    if (!ir_eval_run(&e, c->b.fn, NULL, out))
        fail_msg("seed %u: %s", seed, e.error);
    int64_t n = val_count(out[0]), size = dt_size(out[0]->dtype);
    uint8_t *got = malloc((size_t)(n * size) + 1);
    for (int64_t at = 0, run; at < n; at += run) {
        run = min_i64(1 + rand() % 64, n - at);
        const_read(c->m, c->id, at, run, got + at * size);
    }
    for (int64_t i = 0; i < n; i++)
        if (memcmp(got + i * size, out[0]->data + i * size, (size_t)size))
            fail_msg("seed %u: element %lld of %u links is wrong", seed, (long long)i,
                     c->m->consts.at[c->id].links);
    free(got);
    ir_eval_free(&e);
    arena_reset(&mem);
}

static void run_chain(unsigned seed)
{
    static void (*const step[])(chain *) = {reshape_some, transpose_some, slice_some, pad_some,
                                            broadcast_some, cast_some, add_some, dot_some,
                                            reshape_some, transpose_some};
    diag d;
    chain c = {0};
    int16_t data[240];

    srand(seed);
    diag_init(&d);
    c.m = ir_module_new(&d);
    ir_build_init(&c.b, c.m, ir_fn_new(c.m, "main", true), &d);
    c.b.no_fold = true;
    for (int i = 0; i < 240; i++)
        data[i] = (int16_t)i;
    ir_dim dim[] = {{4}, {6}, {10}};
    c.id = const_copy(c.m, type_tensor(&c.m->types, DT_I16, 3, dim), data, sizeof data);
    c.x = ir_const_ref(&c.b, c.id);
    for (int k = rand() % 8; k >= 0; k--)
        if (type_now(&c)->rank < 8 && type_count_const(&c.m->types, type_now(&c)) < 3000)
            step[rand() % (int)COUNT(step)](&c);
    compare(&c, seed);
    ir_build_free(&c.b);
    ir_module_free(c.m);
    diag_free(&d);
}

static void test_random_chains(void **state)
{
    (void)state;
    print_message("seeds 1..1500\n");
    for (unsigned seed = 1; seed <= 1500; seed++)
        run_chain(seed);
}

static void test_sharing(void **state)
{
    diag d;
    float x[] = {1, 2}, y[] = {1, 2}, v = 3, got[2];
    uint8_t nibbles[] = {0x21, 0x43}, four[4];

    (void)state;
    diag_init(&d);
    ir_module *m = ir_module_new(&d);
    const ir_type *t = type_tensor(&m->types, DT_F32, 1, (ir_dim[]){{2}});
    const ir_type *q = type_tensor(&m->types, DT_U4, 1, (ir_dim[]){{4}});
    assert_int_equal(const_bytes(m, t, x, sizeof x), const_copy(m, t, y, sizeof y));
    uint32_t s = const_float(m, t, 3);
    assert_int_equal(s, const_splat(m, t, &v));
    assert_true(const_is_splat(m, s, &v));
    assert_false(const_is_splat(m, const_bytes(m, t, x, sizeof x), &v));
    const_read(m, s, 0, 2, got);
    assert_true(got[0] == 3 && got[1] == 3);
    const_read(m, const_bytes(m, q, nibbles, 2), 0, 4, four);
    assert_memory_equal(four, ((uint8_t[]){1, 2, 3, 4}), 4);
    ir_module_free(m);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_chains), cmocka_unit_test(test_sharing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
