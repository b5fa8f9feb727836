/* tests/unit/random_net.h - small random networks, one template's root each,
 * for programs that compare what is made of them with the evaluator. */
#ifndef RANDOM_NET_H
#define RANDOM_NET_H

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the first of these */
#include <cmocka.h>

#include "build.h"
#include "eval.h"
#include "host.h"
#include "loop.h"
#include "num.h"
#include "pass.h"
#include "target.h"

enum { INPUTS = 8 };

typedef struct net {
    diag d;
    ir_module *m;
    ir_fn *fn;
    ir_build b;
    arena mem;
    uint64_t state;                 /* of the random numbers */
    int64_t symbol[4];              /* values of the dims n0, n1 .. */
    ir_dim dim[4];
    ir_ref in[INPUTS];
    int nin;
    ir_val *given[INPUTS];          /* their values */
    const ir_val **value;           /* by ref: the evaluator's */
    ir_eval eval;
    const char *what;
    uint64_t seed;
} net;

/* ---- random numbers ---------------------------------------------------------- */

static uint32_t below(net *t, uint32_t n)
{
    t->state = t->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(t->state >> 33) % n;
}

static bool chance(net *t, uint32_t percent)
{
    return below(t, 100) < percent;
}

static int64_t any_extent(net *t)
{
    static const uint8_t n[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 33};

    return n[below(t, COUNT(n))];
}

/* An extent; sometimes one that only the run knows. */
static ir_dim any_dim(net *t)
{
    return chance(t, 20) ? t->dim[below(t, 4)] : dim_int(&t->m->dims, any_extent(t));
}

static ir_dtype any_dtype(net *t)
{
    static const uint8_t d[] = {DT_F32, DT_F32, DT_F32, DT_F32, DT_F64, DT_F16, DT_BF16,
                                DT_I8,  DT_U8,  DT_I32, DT_I64, DT_U32, DT_I16, DT_U64};

    return (ir_dtype)d[below(t, COUNT(d))];
}

static ir_dtype any_float(net *t)
{
    return chance(t, 70) ? DT_F32 : chance(t, 50) ? DT_F64 : chance(t, 50) ? DT_F16 : DT_BF16;
}

static void any_element(net *t, ir_dtype d, void *p)
{
    if (dt_is_float(d))
        num_store_flt(d, p, ((int)below(t, 257) - 128) / 64.0);
    else
        num_store_int(d, p, dt_is_signed(d) ? (int)below(t, 19) - 9 : (int)below(t, 10));
}

/* ---- networks ---------------------------------------------------------------- */

static void begin(net *t, const char *what, uint64_t seed)
{
    *t = (net){.state = seed * 2654435761u + 12345, .what = what, .seed = seed};
    diag_init(&t->d);
    t->m = ir_module_new(&t->d);
    t->fn = ir_fn_new(t->m, "main", true);
    ir_build_init(&t->b, t->m, t->fn, &t->d);
    for (int i = 0; i < 4; i++) {
        int64_t least = i < 2 ? 1 : 6;      /* two have room for a filter */
        t->dim[i] = dim_symbol_new(&t->m->dims, (char[]){'n', (char)('0' + i), 0}, least, 1000);
        t->symbol[i] = least - 1 + any_extent(t);
    }
}

static ir_ref input(net *t, ir_dtype d, int rank, const ir_dim *dim)
{
    char name[8];

    snprintf(name, sizeof name, "x%d", t->nin);
    return t->in[t->nin++] = ir_input(&t->b, name, ir_ty(&t->b, d, dim, rank));
}

/* A constant of random elements; its dims are constant. */
static ir_ref constant(net *t, ir_dtype d, int rank, const ir_dim *dim)
{
    const ir_type *type = ir_ty(&t->b, d, dim, rank);
    int64_t n = type_count_const(&t->m->types, type);
    uint8_t *data = arena_alloc(&t->mem, (size_t)(n * dt_size(d)));
    for (int64_t i = 0; i < n; i++)
        any_element(t, d, data + i * dt_size(d));
    return ir_const_ref(&t->b, const_copy_val(t->m, type, data));
}

/* The same; or an input, as where a dim is a symbol. */
static ir_ref weight(net *t, ir_dtype d, int rank, const ir_dim *dim)
{
    if (!type_static(&t->m->types, ir_ty(&t->b, d, dim, rank)) || chance(t, 30))
        return input(t, d, rank, dim);
    return constant(t, d, rank, dim);
}

static int any_shape(net *t, int rank, ir_dim *dim)
{
    for (int i = 0; i < rank; i++)
        dim[i] = any_dim(t);
    return rank;
}

static const ir_type *type_of(const net *t, ir_ref x)
{
    return ir_type_of(t->b.fn, x);
}

/* A function that keeps the dtype. */
static ir_ref unary(net *t, ir_ref x)
{
    static const uint8_t any[] = {OP_NEG, OP_ABS, OP_SIGN};
    static const uint8_t flt[] = {OP_NEG, OP_ABS, OP_TANH, OP_SIGMOID, OP_FLOOR, OP_ROUND};
    bool f = dt_is_float(type_of(t, x)->dtype);

    return ir_1(&t->b, f ? flt[below(t, COUNT(flt))] : any[below(t, COUNT(any))], x);
}

static ir_ref binary(net *t, ir_ref x, ir_ref y)
{
    static const uint8_t op[] = {OP_ADD, OP_SUB, OP_MUL, OP_MIN, OP_MAX};

    return ir_2(&t->b, op[below(t, COUNT(op))], x, y);
}

static ir_ref transposed(net *t, ir_ref x)
{
    int32_t perm[IR_MAX_RANK];
    int rank = type_of(t, x)->rank;

    for (int32_t i = 0; i < rank; i++) {
        int32_t j = (int32_t)below(t, (uint32_t)i + 1);
        perm[i] = perm[j];
        perm[j] = i;
    }
    return ir_transpose(&t->b, x, perm);
}

static ir_ref padded(net *t, ir_ref x)
{
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK], inner[IR_MAX_RANK];
    const ir_type *xt = type_of(t, x);

    for (int i = 0; i < xt->rank; i++) {
        low[i] = dim_int(&t->m->dims, below(t, 3));
        high[i] = dim_int(&t->m->dims, below(t, 3));
        inner[i] = dim_int(&t->m->dims, chance(t, 20));
    }
    ir_ref v = dt_is_float(xt->dtype) ? ir_float(&t->b, xt->dtype, 0.5)
                                      : ir_int(&t->b, xt->dtype, 3);
    return ir_pad(&t->b, x, v, low, high, inner);
}

/* Every second element from the end, or the first half. */
static ir_ref sliced(net *t, ir_ref x)
{
    const ir_type *xt = type_of(t, x);
    dim_table *dt = &t->m->dims;
    int axis = (int)below(t, (uint32_t)xt->rank);
    ir_dim one = dim_int(dt, 1), n = xt->dim[axis];
    ir_dim half = dim_div(dt, dim_add(dt, n, one), dim_int(dt, 2));

    return chance(t, 50) ? ir_slice_axis(&t->b, x, axis, dim_sub(dt, n, one), dim_int(dt, -2), half)
                         : ir_slice_axis(&t->b, x, axis, dim_int(dt, 0), one, half);
}

static ir_ref joined(net *t, ir_ref x)
{
    int axis = (int)below(t, (uint32_t)type_of(t, x)->rank);

    return ir_concat(&t->b, (ir_ref[]){x, unary(t, x)}, 2, axis);
}

/* With a vector along one axis; an input's extent is a number or a symbol. */
static ir_ref biased(net *t, ir_ref x)
{
    const ir_type *xt = type_of(t, x);
    int axis = (int)below(t, (uint32_t)xt->rank);
    const dim_expr *e = dim_get(&t->m->dims, xt->dim[axis]);

    if (e && e->op != DIM_SYM)
        return unary(t, x);
    ir_ref v = weight(t, xt->dtype, 1, &xt->dim[axis]);

    return binary(t, x, ir_broadcast_axis(&t->b, v, xt->dim, xt->rank, axis));
}

static ir_ref gathered(net *t, ir_ref x)
{
    const ir_type *xt = type_of(t, x);
    int32_t axis = (int32_t)below(t, (uint32_t)xt->rank);
    ir_dim n = dim_int(&t->m->dims, any_extent(t));
    ir_ref i = input(t, chance(t, 50) ? DT_I64 : DT_I32, 1, &n);

    return ir_gather(&t->b, x, &i, &axis, 1, chance(t, 50));
}

static ir_ref chosen(net *t, ir_ref x)
{
    ir_ref y = unary(t, x);

    return ir_select(&t->b, ir_2(&t->b, OP_LT, x, y), x, y);
}

/* A few steps of elementwise work and movement. */
static ir_ref chain(net *t, ir_ref x, int steps)
{
    while (steps-- > 0 && t->nin < INPUTS - 1)
        switch (type_of(t, x)->rank ? below(t, 9) : 0) {
        case 0:
        case 1: x = unary(t, x); break;
        case 2: x = binary(t, x, unary(t, x)); break;
        case 3: x = transposed(t, x); break;
        case 4: x = padded(t, x); break;
        case 5: x = sliced(t, x); break;
        case 6: x = biased(t, x); break;
        case 7: x = chance(t, 50) ? joined(t, x) : gathered(t, x); break;
        default: x = chosen(t, x); break;
        }
    return x;
}

/* What conv and dot are followed by. */
static ir_ref epilogue(net *t, ir_ref x)
{
    if (chance(t, 50) && type_of(t, x)->rank)
        x = biased(t, x);
    return chance(t, 50) ? unary(t, x) : x;
}

static ir_ints some_axes(net *t, int rank, int32_t *at)
{
    ir_ints axes = {0, at};

    for (int32_t i = 0; i < rank; i++)
        if (chance(t, 50))
            at[axes.n++] = i;
    return axes;
}

/* ---- one network of each template --------------------------------------------- */

static ir_ref make_map(net *t)
{
    ir_dim dim[4];
    int rank = any_shape(t, (int)below(t, 4) + 1, dim);
    ir_ref x = chain(t, input(t, any_dtype(t), rank, dim), 1 + (int)below(t, 6));

    return chance(t, 30) ? ir_cast(&t->b, x, any_float(t)) : x;
}

static ir_ref make_reduce(net *t)
{
    ir_dim dim[4];
    int32_t at[4];
    ir_dtype d = any_dtype(t);
    int rank = any_shape(t, (int)below(t, 4) + 1, dim);
    ir_ref x = input(t, d, rank, dim);
    ir_redop op = (ir_redop)below(t, RED_AND);

    if (op == RED_PROD && dt_is_float(d))
        op = RED_SUM;
    if (chance(t, 30))
        x = binary(t, x, unary(t, x));
    ir_ints axes = some_axes(t, rank, at);
    return epilogue(t, ir_reduce(&t->b, x, op, axes.at, axes.n));
}

static ir_ref make_argreduce(net *t)
{
    ir_dim dim[3];
    int rank = any_shape(t, (int)below(t, 3) + 1, dim);
    ir_ref x = input(t, any_dtype(t), rank, dim);
    ir_attr a = {.ARGREDUCE = {.axis = below(t, (uint32_t)rank), .last = chance(t, 50),
                               .op = chance(t, 50) ? RED_MIN : RED_MAX}};

    return ir_make(&t->b, OP_ARGREDUCE, &x, 1, &a);
}

static ir_ref make_window(net *t)
{
    ir_dim dim[4], size[4], stride[4], dil[4], low[4], high[4];
    dim_table *dt = &t->m->dims;
    int rank = (int)below(t, 3) + 2;
    bool arg = chance(t, 30);

    for (int i = 0; i < rank; i++) {
        bool spatial = i >= 2 || chance(t, 30);
        size[i] = dim_int(dt, spatial ? 1 + below(t, 3) : 1);
        stride[i] = dim_int(dt, spatial ? 1 + below(t, 2) : 1);
        dil[i] = dim_int(dt, spatial ? 1 + below(t, 2) : 1);
        low[i] = dim_int(dt, spatial ? below(t, 2) : 0);
        high[i] = dim_int(dt, spatial ? below(t, 2) : 0);
        dim[i] = dim_int(dt, 5 + any_extent(t));
    }
    ir_attr a = {.WINDOW = {{rank, size}, {rank, stride}, {rank, dil}, {rank, low}, {rank, high},
                            arg ? RED_MIN + below(t, 2) : below(t, RED_AND)}};
    ir_attr b = {.WINDOWARG = {a.WINDOW.size, a.WINDOW.stride, a.WINDOW.dil, a.WINDOW.low,
                               a.WINDOW.high, a.WINDOW.op}};
    ir_ref x = input(t, any_float(t), rank, dim);
    return ir_make(&t->b, arg ? OP_WINDOWARG : OP_WINDOW, &x, 1, arg ? &b : &a);
}

static ir_ref make_cumul(net *t)
{
    ir_dim dim[3];
    int rank = any_shape(t, (int)below(t, 3) + 1, dim);
    ir_ref x = input(t, any_dtype(t), rank, dim);
    ir_attr a = {.CUMUL = {.axis = below(t, (uint32_t)rank), .exclusive = chance(t, 50),
                           .reverse = chance(t, 50), .op = chance(t, 50) ? RED_SUM : RED_MAX}};

    return ir_make(&t->b, OP_CUMUL, &x, 1, &a);
}

static ir_ref make_scatter(net *t)
{
    ir_dim dim[3], up[3];
    ir_dtype d = any_dtype(t);
    int rank = any_shape(t, (int)below(t, 3) + 1, dim);
    int32_t axis = (int32_t)below(t, (uint32_t)rank);

    /* updates: the index' shape, then the other axes */
    up[0] = dim_int(&t->m->dims, any_extent(t));
    for (int i = 0, n = 1; i < rank; i++)
        if (i != axis)
            up[n++] = dim[i];
    ir_ref args[3] = {input(t, d, rank, dim), input(t, DT_I64, 1, up), input(t, d, rank, up)};
    static const uint8_t op[] = {RED_SET, RED_SUM, RED_MIN, RED_MAX};
    ir_attr a = {.SCATTER = {{1, &axis}, (ir_redop)op[below(t, 4)]}};
    return ir_make(&t->b, OP_SCATTER, args, 3, &a);
}

/* A product of these types; often of its first operand's shape, with that added to it. */
static ir_ref product(net *t, ir_dtype dx, ir_dtype dy, ir_dtype acc)
{
    ir_dim x[3], y[3];
    static const int32_t axis[] = {0, 1, 2};
    int batch = (int)below(t, 2);
    int flip_x = (int)below(t, 2), flip_y = (int)below(t, 2);   /* where the sum is */

    x[0] = y[0] = any_dim(t);
    ir_dim k = any_dim(t);
    x[batch + flip_x] = k;
    x[batch + !flip_x] = any_dim(t);
    y[batch + flip_y] = k;
    bool again = flip_x && chance(t, 50);
    y[batch + !flip_y] = again ? k : any_dim(t);
    ir_ref a = input(t, dx, batch + 2, x);
    ir_ref b = weight(t, dy, batch + 2, y);
    ir_ints none = {batch, axis};
    ir_ref sum = ir_dot_in(&t->b, a, b, none, none, (ir_ints){1, axis + batch + flip_x},
                           (ir_ints){1, axis + batch + flip_y}, acc);
    if (again)
        sum = ir_2(&t->b, OP_ADD, sum, ir_cast(&t->b, a, type_of(t, sum)->dtype));
    return epilogue(t, sum);
}

static ir_ref make_dot(net *t)
{
    ir_dtype d = chance(t, 80) ? any_float(t) : DT_I32;

    return product(t, d, d, DT_NONE);
}

static ir_ref make_bytes(net *t)
{
    return product(t, DT_U8, DT_I8, DT_I32);
}

#include "random_conv.h"

/* ---- evaluation -------------------------------------------------------------- */

static void watch(void *cx, const ir_fn *fn, const ir_node *n, ir_val *const *results)
{
    net *t = cx;

    for (uint32_t i = 0; fn == t->fn && i < n->nres; i++) {
        const ir_val *v = results[i];
        if (v->kind != TY_TENSOR)
            continue;
        ir_val *copy = val_tensor(&t->mem, v->dtype, v->rank, v->dim);
        memcpy(copy->data, v->data, (size_t)(val_count(v) * dt_size(v->dtype)));
        t->value[n->first + i] = copy;
    }
}

static ir_val *random_input(net *t, const ir_type *type)
{
    int64_t dim[IR_MAX_RANK];

    for (int i = 0; i < type->rank; i++)
        assert_true(dim_eval(&t->m->dims, type->dim[i], t->symbol, &dim[i]));
    ir_val *v = val_tensor(&t->mem, type->dtype, type->rank, dim);
    for (int64_t i = 0; i < val_count(v); i++)
        any_element(t, v->dtype, v->data + i * dt_size(v->dtype));
    return v;
}

static bool evaluate(net *t)
{
    ir_val *out[1];

    t->value = arena_array(&t->mem, const ir_val *, t->fn->value.len);
    ir_eval_init(&t->eval, t->m, &t->mem);
    t->eval.watch = watch;
    t->eval.watch_cx = t;
    for (uint32_t i = 0; i < t->fn->param.len; i++)
        t->given[i] = random_input(t, ir_type_of(t->fn, t->fn->param.at[i]));
    return ir_eval_run(&t->eval, t->fn, t->given, out);
}

/* ---- results ----------------------------------------------------------------- */

/* Ends the test; shows the network, and a kernel if there is one. */
static void fail_net(net *t, const lp_kernel *k, const char *problem)
{
    text out = {0};

    ir_print_fn(t->fn, &out);
    if (k)
        lp_print(k, &out);
    fputs(out.at, stderr);
    text_free(&out);
    fail_msg("%s, seed %" PRIu64 ": %s", t->what, t->seed, problem);
}

static double precision(ir_dtype d)
{
    return d == DT_BF16 ? 0x1p-6 : d == DT_F16 ? 0x1p-8 : d == DT_F32 ? 1e-5 : 1e-12;
}

/* Of the coarsest floating type in the network: sums run in another order, and
 * functions are within bounds of their own. */
static double coarsest(const net *t)
{
    double part = 0;

    for (uint32_t i = 0; i < t->fn->value.len; i++)
        if (dt_is_float(t->fn->value.at[i].type->dtype))
            part = fmax(part, precision(t->fn->value.at[i].type->dtype));
    return part;
}

static bool close_enough(ir_dtype d, const void *a, const void *b, double part)
{
    if (!dt_is_float(d))
        return num_load_int(d, a) == num_load_int(d, b);
    double x = num_load_flt(d, a), y = num_load_flt(d, b);
    return isnan(x) ? isnan(y) : x == y || fabs(x - y) <= part * (8 + fabs(y));
}

/* `got` against the evaluator's value of r. */
static void expect_elements(net *t, const lp_kernel *k, ir_ref r, const uint8_t *got)
{
    const ir_val *want = t->value[r];
    char problem[128];
    int size = dt_size(want->dtype);
    double part = coarsest(t);

    for (int64_t i = 0; i < val_count(want); i++)
        if (!close_enough(want->dtype, got + i * size, want->data + i * size, part)) {
            snprintf(problem, sizeof problem, "element %lld is %g, not %g", (long long)i,
                     num_load_flt(want->dtype, got + i * size),
                     num_load_flt(want->dtype, want->data + i * size));
            fail_net(t, k, problem);
        }
}

/* ---- runs -------------------------------------------------------------------- */

typedef ir_ref make_fn(net *t);
typedef void check_fn(net *t, const target *cpu);   /* of the optimized network */

static void run_net(const char *what, make_fn *make, uint64_t seed, const target *cpu,
                    check_fn *check)
{
    net t;

    begin(&t, what, seed);
    ir_ref y = make(&t);
    if (y == IR_NONE)
        fail_net(&t, NULL, t.d.message.len ? t.d.message.at[0].text : "not built");
    ir_result(&t.b, "y", y);
    ir_build_free(&t.b);
    assert_true(pass_pipeline(t.m, cpu, NULL));
    if (!evaluate(&t))
        fail_net(&t, NULL, t.eval.error);
    check(&t, cpu);
    ir_eval_free(&t.eval);
    ir_module_free(t.m);
    diag_free(&t.d);
    arena_reset(&t.mem);
}

/* Networks of one kind for some processors in turn, the same ones in every run;
 * INGOT_SEED=N: network N alone. */
static void run_rounds(const char *what, make_fn *make, int rounds, const char *const *cpu,
                       int ncpu, check_fn *check)
{
    const char *given = getenv("INGOT_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;

    print_message("%s: seeds from %" PRIu64 "\n", what, first);
    for (uint64_t i = 0; i < (given ? 1 : (uint64_t)rounds); i++)
    {
        target t;
        assert_true(host_find(cpu[(first + i) % (uint64_t)ncpu], &t));
        run_net(what, make, first + i, &t, check);
    }
}

/* Calls X(kind) for every kind of network. */
#define NETS(X)                                                                \
    X(map) X(reduce) X(argreduce) X(window) X(cumul) X(scatter) X(dot) X(bytes) X(conv) \
    X(squares) X(taps) X(byte_conv)

#endif
