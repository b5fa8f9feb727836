/* ir/build_shape.c - convenience builders: broadcasting, movement,
 * contractions, dims from run-time values. */
#include "build.h"

const ir_type *ir_ty(ir_build *b, ir_dtype dt, const ir_dim *shape, int rank)
{
    return type_tensor(&b->m->types, dt, rank, shape);
}

void ir_loose_result(ir_build *b, const char *name, ir_ref x, uint32_t loose)
{
    if (x == IR_NONE)
        return;
    vec_push(&b->fn->result, x);
    vec_push(&b->fn->result_name, arena_strdup(&b->m->mem, name));
    vec_push(&b->fn->result_loose, loose);
}

void ir_result(ir_build *b, const char *name, ir_ref x)
{
    ir_loose_result(b, name, x, 0);
}

ir_ref ir_optional_input(ir_build *b, const char *name, uint32_t constant)
{
    ir_ref r = ir_input(b, name, b->m->consts.at[constant].type);

    b->fn->param_default.at[b->fn->param.len - 1] = constant;
    return r;
}

static const ir_type *type_of(ir_build *b, ir_ref x)
{
    return ir_type_of(b->fn, x);
}

static bool never(ir_build *b, ir_ref x)
{
    return type_of(b, x)->kind == TY_NEVER;
}

/* ---- elementwise ----------------------------------------------------------- */

ir_ref ir_1(ir_build *b, unsigned op, ir_ref x)
{
    return ir_make(b, op, &x, 1, NULL);
}

ir_ref ir_2(ir_build *b, unsigned op, ir_ref x, ir_ref y)
{
    return ir_make(b, op, (ir_ref[]){x, y}, 2, NULL);
}

ir_ref ir_select(ir_build *b, ir_ref c, ir_ref x, ir_ref y)
{
    return ir_make(b, OP_SELECT, (ir_ref[]){c, x, y}, 3, NULL);
}

ir_ref ir_cast(ir_build *b, ir_ref x, ir_dtype to)
{
    ir_attr a = {.CAST = {.to = to, .saturate = true}};

    if (x == IR_NONE || (type_of(b, x)->kind == TY_TENSOR && type_of(b, x)->dtype == to))
        return x;
    return ir_make(b, OP_CAST, &x, 1, &a);
}

ir_ref ir_b2(ir_build *b, unsigned op, ir_ref x, ir_ref y)
{
    ir_ref both[2] = {x, y};

    return ir_broadcast_all(b, both, 2) ? ir_2(b, op, both[0], both[1]) : IR_NONE;
}

/* One extent for a and c under numpy's rule.  Unproven: a == c or one is 1. */
static bool join_extents(ir_build *b, ir_dim a, ir_dim c, int axis, ir_dim *out)
{
    dim_table *t = &b->m->dims;
    ir_dim one = {1};

    *out = a;
    if (dim_same(a, c) || dim_is(t, c, 1))
        return true;
    *out = c;
    if (dim_is(t, a, 1))
        return true;
    if (dim_differ(t, a, c) && dim_differ(t, a, one) && dim_differ(t, c, one)) {
        text x = {0}, y = {0};
        dim_print(t, a, &x);
        dim_print(t, c, &y);
        diag_error(b->d, b->loc, D_SHAPE, "broadcast", axis, x.at, y.at);
        text_free(&x);
        text_free(&y);
        return false;
    }
    ir_dim equal = dim_eq(t, a, c), a_one = dim_eq(t, a, one);
    ir_dim ok = dim_max(t, equal, dim_max(t, a_one, dim_eq(t, c, one)));
    ir_check_dims(b, ok, "operands cannot be broadcast to one shape");
    int64_t v;
    if (dim_const(t, a, &v))
        *out = a;
    else if (!dim_const(t, c, &v))
        *out = dim_select(t, dim_eq(t, a, one), c, a);
    return true;
}

/* numpy's rule: shapes are aligned at their last axes, and an extent of 1 is
 * repeated.  [8,1,3] and [5,3] become [8,5,3]. What nobody can prove before the run
 * (N against M) is checked by the run, once for each pair and not again by
 * ir_broadcast_to. */
bool ir_broadcast_all(ir_build *b, ir_ref *x, int n)
{
    ir_dim shape[IR_MAX_RANK];
    int rank = 0;

    for (int i = 0; i < n; i++) {
        if (x[i] == IR_NONE || never(b, x[i]))
            return x[i] != IR_NONE;
        if (type_of(b, x[i])->rank > rank)
            rank = type_of(b, x[i])->rank;
    }
    for (int i = 0; i < rank; i++)
        shape[i] = (ir_dim){1};
    for (int k = 0; k < n; k++) {
        const ir_type *t = type_of(b, x[k]);
        for (int i = 0; i < t->rank; i++) {
            int axis = rank - t->rank + i;
            if (!join_extents(b, shape[axis], t->dim[i], axis, &shape[axis]))
                return false;
        }
    }
    bool checks = b->checks;
    b->checks = false;          /* join_extents has seen to that */
    bool ok = true;
    for (int k = 0; k < n && ok; k++) {
        x[k] = ir_broadcast_to(b, x[k], shape, rank);
        ok = x[k] != IR_NONE;
    }
    b->checks = checks;
    return ok;
}

/* The operand's axes are the last of the shape. */
ir_ref ir_broadcast_to(ir_build *b, ir_ref x, const ir_dim *shape, int rank)
{
    int32_t axes[IR_MAX_RANK];

    if (x == IR_NONE || never(b, x))
        return x;
    int lead = rank - type_of(b, x)->rank;
    for (int i = 0; i < type_of(b, x)->rank; i++)
        axes[i] = lead + i;
    return ir_broadcast(b, x, shape, rank, axes);
}

/* ---- movement --------------------------------------------------------------- */

/* The number of elements as nodes, where the dim would become too large. */
static ir_ref count_nodes(ir_build *b, const ir_dim *dim, int n)
{
    ir_ref r = ir_int(b, DT_I64, 1);

    for (int i = 0; i < n; i++)
        r = ir_2(b, OP_MUL, r, ir_dim_ref(b, dim[i]));
    return r;
}

/* "12 elements cannot become N*5", in the dims' own text. */
static bool fail_count(ir_build *b, ir_dim from, ir_dim to)
{
    text s = {0};

    dim_print(&b->m->dims, from, &s);
    text_add(&s, " elements cannot become ");
    dim_print(&b->m->dims, to, &s);
    diag_error(b->d, b->loc, D_SIZE, "reshape", s.at);
    text_free(&s);
    return false;
}

/* Both shapes have as many elements: known, or checked when it runs. */
static bool check_count(ir_build *b, const ir_type *x, const ir_dim *shape, int rank)
{
    dim_table *t = &b->m->dims;
    bool before = t->overflow;
    ir_dim from = type_count(&b->m->types, x), to = dim_product(t, shape, rank);
    ir_dim equal = dim_eq(t, from, to);
    bool fits = t->overflow == before;

    t->overflow = before;
    if (!fits) {
        ir_ref count = count_nodes(b, x->dim, x->rank);
        ir_check(b, ir_2(b, OP_EQ, count, count_nodes(b, shape, rank)),
                 "reshape changes the number of elements");
    } else if (!dim_same(from, to) && dim_differ(t, from, to))
        return fail_count(b, from, to);
    else if (!dim_same(from, to))
        ir_check_dims(b, equal, "reshape changes the number of elements");
    return true;
}

ir_ref ir_reshape(ir_build *b, ir_ref x, const ir_dim *shape, int rank)
{
    ir_attr a = {.RESHAPE = {.shape = {rank, shape}}};

    if (x == IR_NONE || never(b, x))
        return x;
    return check_count(b, type_of(b, x), shape, rank) ? ir_make(b, OP_RESHAPE, &x, 1, &a) : IR_NONE;
}

ir_ref ir_transpose(ir_build *b, ir_ref x, const int32_t *perm)
{
    if (x == IR_NONE || never(b, x))
        return x;
    ir_attr a = {.TRANSPOSE = {.perm = {type_of(b, x)->rank, perm}}};
    return ir_make(b, OP_TRANSPOSE, &x, 1, &a);
}

ir_ref ir_axis_first(ir_build *b, ir_ref x, int axis)
{
    int32_t perm[IR_MAX_RANK] = {axis};

    if (x == IR_NONE || never(b, x))
        return x;
    for (int i = 1; i < type_of(b, x)->rank; i++)
        perm[i] = i <= axis ? i - 1 : i;
    return ir_transpose(b, x, perm);
}

ir_ref ir_broadcast(ir_build *b, ir_ref x, const ir_dim *shape, int rank,
                    const int32_t *axes)
{
    if (x == IR_NONE || never(b, x))
        return x;
    if (!axes && type_of(b, x)->rank) {
        diag_error(b->d, b->loc, D_RANK, "broadcast", 0, type_of(b, x)->rank, 0);
        return IR_NONE;
    }
    ir_attr a = {.BROADCAST = {.shape = {rank, shape}, .axes = {type_of(b, x)->rank, axes}}};
    return ir_make(b, OP_BROADCAST, &x, 1, &a);
}

ir_ref ir_broadcast_axis(ir_build *b, ir_ref x, const ir_dim *shape, int rank, int32_t axis)
{
    if (x == IR_NONE || never(b, x))
        return x;
    if (type_of(b, x)->rank == 1)
        return ir_broadcast(b, x, shape, rank, &axis);
    diag_error(b->d, b->loc, D_RANK, "broadcast", 0, type_of(b, x)->rank, 1);
    return IR_NONE;
}

ir_ref ir_slice(ir_build *b, ir_ref x, const ir_dim *start, const ir_dim *step,
                const ir_dim *extent)
{
    if (x == IR_NONE || never(b, x))
        return x;
    int n = type_of(b, x)->rank;
    ir_attr a = {.SLICE = {.start = {n, start}, .step = {n, step}, .extent = {n, extent}}};
    return ir_make(b, OP_SLICE, &x, 1, &a);
}

ir_ref ir_slice_axis(ir_build *b, ir_ref x, int axis, ir_dim start, ir_dim step,
                     ir_dim extent)
{
    ir_dim from[IR_MAX_RANK], by[IR_MAX_RANK], to[IR_MAX_RANK];

    if (x == IR_NONE || never(b, x))
        return x;
    const ir_type *t = type_of(b, x);
    for (int i = 0; i < t->rank; i++) {
        from[i] = i == axis ? start : (ir_dim){0};
        by[i] = i == axis ? step : (ir_dim){1};
        to[i] = i == axis ? extent : t->dim[i];
    }
    return ir_slice(b, x, from, by, to);
}

ir_ref ir_pad(ir_build *b, ir_ref x, ir_ref value, const ir_dim *low,
              const ir_dim *high, const ir_dim *inner)
{
    if (x == IR_NONE || value == IR_NONE)
        return IR_NONE;
    if (never(b, x))
        return x;
    int n = type_of(b, x)->rank;
    ir_attr a = {.PAD = {.low = {n, low}, .high = {n, high}, .inner = {inner ? n : 0, inner}}};
    return ir_make(b, OP_PAD, (ir_ref[]){x, value}, 2, &a);
}

ir_ref ir_concat(ir_build *b, const ir_ref *x, int n, int axis)
{
    ir_attr a = {.CONCAT = {.axis = axis}};

    return n == 1 ? x[0] : ir_make(b, OP_CONCAT, x, (uint32_t)n, &a);
}

/* [a,b] with an axis at 1 is [a,1,b]: the same elements, so a reshape says all. */
ir_ref ir_unsqueeze(ir_build *b, ir_ref x, int axis)
{
    ir_dim shape[IR_MAX_RANK + 1];
    int n = 0;

    if (x == IR_NONE || never(b, x))
        return x;
    const ir_type *t = type_of(b, x);
    if (t->rank == IR_MAX_RANK) {
        diag_error(b->d, b->loc, D_RANK, "unsqueeze", 0, t->rank, IR_MAX_RANK - 1);
        return IR_NONE;
    }
    for (int i = 0; i <= t->rank; i++) {
        if (i == axis)
            shape[n++] = (ir_dim){1};
        if (i < t->rank)
            shape[n++] = t->dim[i];
    }
    return ir_reshape(b, x, shape, n);
}

/* The inverse of ir_unsqueeze; that the extent is 1 is checked by the reshape's
 * count. */
ir_ref ir_squeeze(ir_build *b, ir_ref x, int axis)
{
    ir_dim shape[IR_MAX_RANK];
    int n = 0;

    if (x == IR_NONE || never(b, x))
        return x;
    const ir_type *t = type_of(b, x);
    for (int i = 0; i < t->rank; i++)
        if (i != axis)
            shape[n++] = t->dim[i];
    return ir_reshape(b, x, shape, n);
}

/* Indices are clamped to the axis, which must have a place for them: it is not
 * empty, or there are no indices. */
static void check_not_empty(ir_build *b, const ir_type *x, const ir_type *index, int axis)
{
    dim_table *t = &b->m->dims;
    ir_dim ok = dim_le(t, (ir_dim){1}, x->dim[axis]);

    if (dim_is(t, ok, 1))
        return;
    for (int i = 0; i < index->rank; i++)
        ok = dim_max(t, ok, dim_eq(t, index->dim[i], (ir_dim){0}));
    ir_check_dims(b, ok, "indices into an empty axis");
}

/* index[i] chooses along axis axes[i] of x; all indices have one shape, which comes
 * first in the result, before the other axes of x.  `zero`: an index outside reads
 * 0 instead of the nearest element. */
ir_ref ir_gather(ir_build *b, ir_ref x, const ir_ref *index, const int32_t *axes,
                 int n, bool zero)
{
    ir_ref args[IR_MAX_RANK + 1] = {x};
    ir_attr a = {.GATHER = {.axes = {n, axes}, .zero = zero}};

    for (int i = 0; i < n; i++)
        args[i + 1] = index[i];
    for (int i = 0; i < n && b->checks && !zero && x != IR_NONE && index[i] != IR_NONE; i++)
        if (!never(b, x) && !never(b, index[i]))
            check_not_empty(b, type_of(b, x), type_of(b, index[i]), axes[i]);
    return ir_make(b, OP_GATHER, args, (uint32_t)n + 1, &a);
}

/* ---- reductions, contractions ------------------------------------------------ */

ir_ref ir_reduce(ir_build *b, ir_ref x, ir_redop op, const int32_t *axes, int n)
{
    ir_attr a = {.REDUCE = {.axes = {n, axes}, .op = op}};

    return n ? ir_make(b, OP_REDUCE, &x, 1, &a) : x;
}

/* As ONNX's keepdims: the reduced axes stay with an extent of 1. */
ir_ref ir_reduce_keep(ir_build *b, ir_ref x, ir_redop op, const int32_t *axes, int n)
{
    ir_dim shape[IR_MAX_RANK];

    if (x == IR_NONE || never(b, x))
        return x;
    const ir_type *t = type_of(b, x);
    for (int i = 0; i < t->rank; i++)
        shape[i] = t->dim[i];
    for (int i = 0; i < n; i++)
        shape[axes[i]] = (ir_dim){1};
    int rank = t->rank;
    return ir_reshape(b, ir_reduce(b, x, op, axes, n), shape, rank);
}

ir_ref ir_dot(ir_build *b, ir_ref x, ir_ref y, ir_ints batch_x, ir_ints batch_y,
              ir_ints sum_x, ir_ints sum_y)
{
    return ir_dot_in(b, x, y, batch_x, batch_y, sum_x, sum_y, DT_NONE);
}

ir_ref ir_dot_in(ir_build *b, ir_ref x, ir_ref y, ir_ints batch_x, ir_ints batch_y,
                 ir_ints sum_x, ir_ints sum_y, ir_dtype sums)
{
    ir_attr a = {.DOT = {.batch_a = batch_x, .batch_b = batch_y, .sum_a = sum_x, .sum_b = sum_y,
                         .acc = sums}};

    return ir_make(b, OP_DOT, (ir_ref[]){x, y}, 2, &a);
}

/* Both operands' leading axes brought to one shape of rank `lead`. */
static bool batch_both(ir_build *b, ir_ref x[2], int lead)
{
    ir_dim shape[IR_MAX_RANK];

    for (int i = 0; i < lead; i++)
        shape[i] = (ir_dim){1};
    for (int k = 0; k < 2; k++) {
        const ir_type *t = type_of(b, x[k]);
        for (int i = 0; i < t->rank - 2; i++) {
            int axis = lead - (t->rank - 2) + i;
            if (!join_extents(b, shape[axis], t->dim[i], axis, &shape[axis]))
                return false;
        }
    }
    for (int k = 0; k < 2; k++) {
        const ir_type *t = type_of(b, x[k]);
        if (k == 1 && t->rank == 2)     /* weights without batch stay so */
            continue;
        shape[lead] = t->dim[t->rank - 2];
        shape[lead + 1] = t->dim[t->rank - 1];
        x[k] = ir_broadcast_to(b, x[k], shape, lead + 2);
    }
    return x[0] != IR_NONE && x[1] != IR_NONE;
}

/* Operands of rank >= 2. */
static ir_ref matmul(ir_build *b, ir_ref x, ir_ref y, ir_dtype sums)
{
    int rx = type_of(b, x)->rank, ry = type_of(b, y)->rank;
    int lead = (rx > ry ? rx : ry) - 2;
    ir_ref both[2] = {x, y};
    int32_t batch[IR_MAX_RANK], sum_x[1], sum_y[1];

    if (lead && !batch_both(b, both, lead))
        return IR_NONE;
    rx = type_of(b, both[0])->rank, ry = type_of(b, both[1])->rank;
    for (int i = 0; i < lead; i++)
        batch[i] = i;
    sum_x[0] = rx - 1, sum_y[0] = ry - 2;
    int n = ry == 2 ? 0 : lead;
    return ir_dot_in(b, both[0], both[1], (ir_ints){n, batch}, (ir_ints){n, batch},
                     (ir_ints){1, sum_x}, (ir_ints){1, sum_y}, sums);
}

ir_ref ir_matmul(ir_build *b, ir_ref x, ir_ref y)
{
    return ir_matmul_in(b, x, y, DT_NONE);
}

/* numpy's matmul: a vector on the left is a row, on the right a column, and the
 * axis that this adds is taken away again.  `sums` is the dtype that products are
 * added in. */
ir_ref ir_matmul_in(ir_build *b, ir_ref x, ir_ref y, ir_dtype sums)
{
    if (x == IR_NONE || y == IR_NONE)
        return IR_NONE;
    if (never(b, x) || never(b, y))
        return never(b, x) ? x : y;
    bool row = type_of(b, x)->rank == 1, col = type_of(b, y)->rank == 1;
    if (!type_of(b, x)->rank || !type_of(b, y)->rank) {
        diag_error(b->d, b->loc, D_RANK, "matmul", type_of(b, x)->rank != 0, 0, 1);
        return IR_NONE;
    }
    if (row)
        x = ir_unsqueeze(b, x, 0);
    if (col)
        y = ir_unsqueeze(b, y, 1);
    ir_ref r = matmul(b, x, y, sums);
    if (r == IR_NONE)
        return r;
    if (col)
        r = ir_squeeze(b, r, type_of(b, r)->rank - 1);
    return row ? ir_squeeze(b, r, type_of(b, r)->rank - (col ? 1 : 2)) : r;
}

/* ---- dims from run-time values ------------------------------------------------ */

bool ir_known(const ir_build *b, ir_ref x, const ir_dim **elem, int64_t *n)
{
    if (x == IR_NONE || !b->fn->value.at[x].elem)
        return false;
    const ir_value *v = &b->fn->value.at[x];
    *elem = v->elem;
    *n = type_count_const(&b->m->types, v->type);
    return true;
}

/* A scalar that data decides, say the length that a tensor of one element holds, as
 * a symbol that extents can mention.  One value is bound once, so equal values give
 * equal dims.  The bounds are open: consumers that need more, as an extent that is
 * not negative, ask by ir_check_dims. */
ir_dim ir_bind(ir_build *b, ir_ref scalar, const char *hint)
{
    const ir_dim *elem;
    int64_t n;

    if (scalar == IR_NONE || never(b, scalar))
        return (ir_dim){1};
    if (ir_known(b, scalar, &elem, &n) && n == 1)
        return elem[0];
    scalar = ir_cast(b, ir_reshape(b, scalar, NULL, 0), DT_I64);
    uint32_t at = map_find(&b->bound, scalar);
    if (at != MAP_NONE)
        return b->m->dims.symbol.at[map_id(&b->bound, at)].self;
    ir_dim d = dim_symbol_new(&b->m->dims, hint, INT64_MIN, INT64_MAX);
    uint32_t id = dim_symbol_id(&b->m->dims, d);
    ir_attr a = {.BIND = {.sym = id}};
    map_add(&b->bound, scalar, id);
    ir_make(b, OP_BIND, &scalar, 1, &a);
    return d;
}

/* Elements of a vector of n integers, or one scalar, as dims: known ones as they
 * are, others by a `bind` each.  This is how Reshape and Slice take a shape that is
 * computed at run time. */
bool ir_elements(ir_build *b, ir_ref x, ir_dim *out, int n)
{
    const ir_dim *elem;
    int64_t count;

    if (x == IR_NONE)
        return false;
    if (ir_known(b, x, &elem, &count) && count == n) {
        memcpy(out, elem, (size_t)n * sizeof *out);
        return true;
    }
    if (type_of(b, x)->rank == 0) {
        out[0] = ir_bind(b, x, "v");
        return true;
    }
    for (int i = 0; i < n; i++) {
        ir_ref e = ir_slice_axis(b, x, 0, (ir_dim){i}, (ir_dim){1}, (ir_dim){1});
        if (e == IR_NONE)
            return false;
        out[i] = ir_bind(b, ir_squeeze(b, e, 0), "v");
    }
    return true;
}

/* A condition that is known to hold costs nothing: no node is made. */
void ir_check(ir_build *b, ir_ref cond, const char *message)
{
    const ir_dim *elem;
    int64_t n;
    ir_attr a = {.CHECK = {.message = message}};

    if (cond == IR_NONE)
        return;
    if (ir_known(b, cond, &elem, &n) && n == 1 && dim_lo(&b->m->dims, elem[0]) > 0)
        return;
    ir_make(b, OP_CHECK, &cond, 1, &a);
}

void ir_show(ir_build *b, ir_ref x, const char *name)
{
    ir_attr a = {.SHOW = {.name = name}};

    if (x != IR_NONE)
        ir_make(b, OP_SHOW, &x, 1, &a);
}

void ir_check_dims(ir_build *b, ir_dim cond, const char *message)
{
    if (dim_lo(&b->m->dims, cond) > 0)
        return;
    ir_ref zero = ir_int(b, DT_I64, 0);
    ir_check(b, ir_2(b, OP_NE, ir_dim_ref(b, cond), zero), message);
}
