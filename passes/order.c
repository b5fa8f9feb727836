/* passes/order.c - sorting, as the order of rows of unsigned keys.
 *   sort, topk, unique  ->  topk {axis=1} of u32[rows,n] or u64[rows,n], smallest first
 * That is what the runtime's kernels do, and ties keep their order.  The key of an element
 * grows with it: floats by the bits of their magnitude, signed integers shifted, both turned
 * around where the largest comes first; all NaNs have the last key.  What is asked for is
 * then gathered by the places.  Slices are sorted by their last element, then by the one
 * before, and so on.  Types without such keys (texts), and slices of many elements, stay as
 * they are. */
#include "pass.h"

enum { MOST_ROWS = 64 };        /* elements of slices that are told apart */

/* x as rows of the axis' elements; the shape that leads back. */
typedef struct table {
    ir_ref x;                       /* [rows, n] */
    ir_dim rows, n;
    int axis, rank;
    ir_dim turned[IR_MAX_RANK];     /* shape with the axis last */
    int32_t perm[IR_MAX_RANK];      /* axis to the end */
} table;

static const ir_type *type_of(const ir_build *b, ir_ref x)
{
    return ir_type_of(b->fn, x);
}

/* f32[2,5,3] along axis 1 is six rows of five: transposed to [2,3,5], reshaped to
 * [6,5]. */
static table table_of(ir_build *b, ir_ref x, int axis)
{
    const ir_type *t = type_of(b, x);
    table r = {.rows = {1}, .n = t->dim[axis], .axis = axis, .rank = t->rank};
    int n = 0;

    for (int i = 0; i < t->rank; i++)
        if (i != axis) {
            r.perm[n] = i;
            r.turned[n++] = t->dim[i];
            r.rows = dim_mul(&b->m->dims, r.rows, t->dim[i]);
        }
    r.perm[n] = axis;
    r.turned[n] = r.n;
    r.x = ir_reshape(b, ir_transpose(b, x, r.perm), (ir_dim[]){r.rows, r.n}, 2);
    return r;
}

/* y: [rows, n], as x lay, with n along the axis. */
static ir_ref untabled(ir_build *b, table *r, ir_ref y, ir_dim n)
{
    int32_t back[IR_MAX_RANK];

    for (int i = 0; i < r->rank; i++)
        back[r->perm[i]] = i;
    r->turned[r->rank - 1] = n;
    return ir_transpose(b, ir_reshape(b, y, r->turned, r->rank), back);
}

/* ---- keys ------------------------------------------------------------------------- */

static ir_ref splat(ir_build *b, ir_ref like, int64_t v)
{
    const ir_type *t = type_of(b, like);

    return ir_broadcast(b, ir_int(b, t->dtype, v), t->dim, t->rank, NULL);
}

static ir_ref bits(ir_build *b, ir_ref x, ir_dtype to)
{
    return ir_make(b, OP_BITCAST, &x, 1, &(ir_attr){.BITCAST = {.to = to}});
}

/* Negative floats by falling magnitude, then the others; adding 0 makes one zero of two. */
static ir_ref float_key(ir_build *b, ir_ref x, ir_dtype key, ir_ref sign)
{
    const ir_type *t = type_of(b, x);
    ir_ref zero = ir_splat(b, t, 0), k = bits(b, ir_2(b, OP_ADD, x, zero), key);
    ir_ref below = ir_2(b, OP_LT, x, zero), turned = ir_1(b, OP_NOT, k);

    return ir_select(b, below, turned, ir_2(b, OP_OR, k, sign));
}

/* Keys u32 or u64 of x's elements, which grow as the place in the order does. */
static ir_ref keys_of(ir_build *b, ir_ref x, bool largest)
{
    ir_dtype dt = type_of(b, x)->dtype;
    bool wide = dt_bits(dt) > 32, flt = dt_is_float(dt), sign = dt_is_signed(dt);
    ir_dtype key = wide ? DT_U64 : DT_U32;
    ir_dtype as = flt ? (wide ? DT_F64 : DT_F32) : sign ? (wide ? DT_I64 : DT_I32) : key;
    ir_ref value = ir_cast(b, x, as);
    ir_ref k = as == key ? value : bits(b, value, key);
    ir_ref top = splat(b, k, wide ? INT64_MIN : INT32_MIN);

    if (flt)
        k = float_key(b, value, key, top);
    else if (sign)
        k = ir_2(b, OP_XOR, k, top);
    if (largest)
        k = ir_1(b, OP_NOT, k);
    if (!flt)
        return k;
    ir_ref nan = ir_1(b, OP_ISNAN, value);
    return ir_select(b, nan, splat(b, k, -1), k);
}

static bool has_keys(const ir_type *t)
{
    ir_dtype d = t->dtype;

    return t->kind == TY_TENSOR && (dt_is_int(d) || d == DT_BOOL ||
           d == DT_F32 || d == DT_F64 || d == DT_F16 || d == DT_BF16);
}

/* Places of the first k elements of each row of keys [rows, n], in order: i64[rows, k]. */
static ir_ref first_places(ir_build *b, ir_ref keys, ir_dim k)
{
    ir_attr a = {.TOPK = {.axis = 1, .k = k}};
    ir_ref r = ir_make(b, OP_TOPK, &keys, 1, &a);

    return r == IR_NONE ? r : r + 1;
}

static ir_ref places_of(ir_build *b, ir_ref keys)
{
    return first_places(b, keys, type_of(b, keys)->dim[1]);
}

/* x[row, places[row, i]]: both [rows, ..]. */
static ir_ref pick(ir_build *b, ir_ref x, ir_ref places)
{
    const ir_type *t = type_of(b, places);
    ir_ref index[2] = {ir_iota(b, DT_I64, t->dim, 2, 0), places};

    return ir_gather(b, x, index, (int32_t[]){0, 1}, 2, false);
}

/* ---- sort, topk --------------------------------------------------------------------- */

/* Payloads follow the places of the keys. */
static bool expand_sort(ir_build *b, const ir_node *n, const ir_ref *args, ir_ref *out)
{
    const struct ir_attr_SORT *a = &n->attr->SORT;
    table r = table_of(b, args[0], (int)a->axis);
    ir_ref places = places_of(b, keys_of(b, r.x, a->desc));

    for (uint32_t i = 0; i < n->narg; i++) {
        table x = table_of(b, args[i], (int)a->axis);
        out[i] = untabled(b, &x, pick(b, x.x, places), x.n);
    }
    return true;
}

/* What the kernels do is not expanded again; that there are k elements must be known. */
static bool is_expanded(const ir_build *b, const ir_node *n, ir_ref x)
{
    const struct ir_attr_TOPK *a = &n->attr->TOPK;
    const ir_type *t = type_of(b, x);

    return (t->dtype == DT_U32 || t->dtype == DT_U64) && t->rank == 2 && a->axis == 1 &&
           !a->largest && dim_is(&b->m->dims, dim_le(&b->m->dims, a->k, t->dim[1]), 1);
}

/* An order of keys that carry their places.  False where it is such an order already. */
static bool expand_topk(ir_build *b, const ir_node *n, const ir_ref *args, ir_ref *out)
{
    const struct ir_attr_TOPK *a = &n->attr->TOPK;

    if (is_expanded(b, n, args[0]))
        return false;
    table r = table_of(b, args[0], (int)a->axis);
    ir_check_dims(b, dim_le(&b->m->dims, a->k, r.n), "topk: k is out of range");
    ir_ref places = first_places(b, keys_of(b, r.x, a->largest), a->k);
    out[0] = untabled(b, &r, pick(b, r.x, places), a->k);
    out[1] = untabled(b, &r, places, a->k);
    return true;
}

/* ---- unique ----------------------------------------------------------------------------
 * Of the sorted keys the first of each run of equals stands for a group:
 *   keys   2 2 5 7 7      places 1 4 0 2 3     (x = 5 2 7 7 2)
 *   fresh  1 0 1 1 0      starts 0 2 3         group of each key 0 0 1 2 2 */

static ir_ref line(ir_build *b, ir_ref x, ir_dim n)
{
    return ir_reshape(b, x, &n, 1);
}

static ir_ref at(ir_build *b, ir_ref x, ir_ref index)
{
    return ir_gather(b, x, &index, (int32_t[]){0}, 1, false);
}

/* i64[n] with value[i] at index[i], or summed there. */
static ir_ref scattered(ir_build *b, ir_dim n, ir_ref index, ir_ref value, bool sum)
{
    ir_ref zero = ir_splat(b, ir_ty(b, DT_I64, &n, 1), 0), args[3] = {zero, index, value};
    static const int32_t axis[1] = {0};
    ir_attr a = {.SCATTER = {.axes = {1, axis}, .op = sum ? RED_SUM : RED_SET}};

    return ir_make(b, OP_SCATTER, args, 3, &a);
}

/* bool[n]: does the key differ from the one before? */
static ir_ref differs(ir_build *b, ir_ref keys, ir_dim n)
{
    ir_ref i = ir_iota(b, DT_I64, &n, 1, 0), one = splat(b, i, 1);
    ir_ref before = at(b, keys, ir_2(b, OP_SUB, i, one));       /* clamped at the first */

    return ir_2(b, OP_NE, keys, before);
}

/* What is to be told apart: n elements or slices. */
typedef struct distinct {
    ir_dim n;
    ir_ref places;              /* i64[n]: in order */
    ir_ref fresh;               /* bool[n]: does one begin there that differs from the last? */
} distinct;

/* Sorts by each row of keys [rows, n], the first one counting most: since ties keep their
 * order, by the last one first. */
static distinct sorted_by(ir_build *b, ir_ref keys, int64_t rows)
{
    distinct x = {.n = ir_type_of(b->fn, keys)->dim[1], .places = IR_NONE};
    ir_dim one = {1};
    ir_ref row[MOST_ROWS], i = ir_iota(b, DT_I64, &x.n, 1, 0);

    for (int64_t r = rows; r-- > 0;) {
        row[r] = ir_slice_axis(b, keys, 0, dim_int(&b->m->dims, r), one, one);
        ir_ref k = line(b, row[r], x.n);
        k = x.places == IR_NONE ? k : at(b, k, x.places);
        ir_ref next = line(b, places_of(b, ir_reshape(b, k, (ir_dim[]){{1}, x.n}, 2)), x.n);
        x.places = x.places == IR_NONE ? next : at(b, x.places, next);
    }
    x.fresh = ir_2(b, OP_LT, i, splat(b, i, 1));
    for (int64_t r = 0; r < rows; r++)
        x.fresh = ir_2(b, OP_OR, x.fresh, differs(b, at(b, line(b, row[r], x.n), x.places), x.n));
    return x;
}

/* The slices of x that are at these positions of the axis. */
static ir_ref slices_at(ir_build *b, ir_ref x, ir_ref index, int axis)
{
    int32_t perm[IR_MAX_RANK], along = axis;
    int rank = ir_type_of(b->fn, x)->rank;

    for (int i = 0; i < rank; i++)
        perm[i] = i == axis ? 0 : i < axis ? i + 1 : i;
    return ir_transpose(b, ir_gather(b, x, &index, &along, 1, false), perm);
}

/* Numbers groups by first appearance: what stands by group is picked in that order. */
static ir_ref renumber(ir_build *b, ir_ref *first, ir_ref *size)
{
    ir_dim n = type_of(b, *first)->dim[0];
    ir_ref keys = keys_of(b, ir_reshape(b, *first, (ir_dim[]){{1}, n}, 2), false);
    ir_ref order = line(b, places_of(b, keys), n);

    *first = at(b, *first, order);
    *size = at(b, *size, order);
    return scattered(b, n, order, ir_iota(b, DT_I64, &n, 1, 0), false);
}

/* Sorted, equal ones are neighbours: where one differs from the one before begins a
 * group; a running sum of these beginnings numbers them, and is scattered back to where
 * they came from. */
static bool expand_unique(ir_build *b, const ir_node *n, const ir_ref *args, ir_ref *out)
{
    const struct ir_attr_UNIQUE *a = &n->attr->UNIQUE;
    const ir_type *t = ir_type_of(b->fn, args[0]);
    ir_dim count = type_count(&b->m->types, t), groups = b->m->dims.symbol.at[a->sym].self;
    ir_ref x = a->flat ? line(b, args[0], count) : args[0];
    int axis = a->flat ? 0 : (int)a->axis;
    table r = table_of(b, x, axis);
    int64_t rows;

    if (!dim_const(&b->m->dims, r.rows, &rows) || rows < 1 || rows > MOST_ROWS)
        return false;
    distinct d = sorted_by(b, keys_of(b, r.x, false), rows);
    ir_ref starts = ir_make(b, OP_NONZERO, &d.fresh, 1, &(ir_attr){.NONZERO = {.sym = a->sym}});
    ir_ref first = at(b, d.places, line(b, starts, groups));
    ir_ref ones = ir_cast(b, d.fresh, DT_I64), run;
    run = ir_make(b, OP_CUMUL, &ones, 1, &(ir_attr){.CUMUL = {.axis = 0, .op = RED_SUM}});
    run = ir_2(b, OP_SUB, run, splat(b, run, 1));
    ir_ref size = scattered(b, groups, run, splat(b, run, 1), true);
    if (a->unsorted)
        run = at(b, renumber(b, &first, &size), run);
    out[0] = slices_at(b, x, first, axis);
    out[1] = first;
    out[2] = scattered(b, d.n, d.places, run, false);
    out[3] = size;
    return true;
}

static bool expand(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *args,
                   ir_ref *out)
{
    (void)cx, (void)old;
    if ((n->op != OP_SORT && n->op != OP_TOPK && n->op != OP_UNIQUE) ||
        !has_keys(type_of(b, args[0])))
        return false;
    return n->op == OP_SORT   ? expand_sort(b, n, args, out)
           : n->op == OP_TOPK ? expand_topk(b, n, args, out)
                              : expand_unique(b, n, args, out);
}

bool pass_order(pass_ctx *cx, ir_fn *fn)
{
    bool any = pass_has(fn, OP_SORT) || pass_has(fn, OP_TOPK) || pass_has(fn, OP_UNIQUE);

    return any && ir_expand(cx->m, fn, cx->d, expand, NULL);
}
