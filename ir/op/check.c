/* ir/op/check.c - checks of operands and attributes that ir_infer_* share.  All
 * return false after they have reported the error at the node's place, so inference
 * reads `if (!in_tensors(in) || !in_rank(in, 0, 2)) return false;`.
 *
 * Extents that are not known to agree are no error: they are noted, and the builder
 * lets the run check them (ir_build.checks). */
#include "eval_op.h"

const ir_type *in_type(const ir_infer *in, uint32_t i)
{
    return ir_type_of(in->b->fn, in->args[i]);
}

const char *in_name(const ir_infer *in)
{
    return ir_op_get(in->op)->text;
}

static const char *type_text(const ir_infer *in, const ir_type *t)
{
    text s = {0};

    type_print(&in->b->m->types, t, &s);
    const char *kept = arena_strdup(&in->b->d->mem, s.at);
    text_free(&s);
    return kept;
}

static const char *dim_text(const ir_infer *in, ir_dim d)
{
    text s = {0};

    dim_print(in_table(in), d, &s);
    const char *kept = arena_strdup(&in->b->d->mem, s.at);
    text_free(&s);
    return kept;
}

bool in_fail(const ir_infer *in, const char *attr, const char *what)
{
    return diag_error(in->b->d, in->b->loc, D_ATTR, in_name(in), attr, what);
}

bool in_expect(const ir_infer *in, uint32_t i, const char *expected)
{
    return diag_error(in->b->d, in->b->loc, D_DTYPE, in_name(in), (int)i,
                      type_text(in, in_type(in, i)), expected);
}

bool in_tensor(const ir_infer *in, uint32_t i)
{
    return in_type(in, i)->kind == TY_TENSOR || in_expect(in, i, "a tensor");
}

bool in_tensors(const ir_infer *in)
{
    for (uint32_t i = 0; i < in->narg; i++)
        if (!in_tensor(in, i))
            return false;
    return true;
}

bool in_rank(const ir_infer *in, uint32_t i, int rank)
{
    int has = in_type(in, i)->rank;

    return in_tensor(in, i) && (has == rank || diag_error(in->b->d, in->b->loc, D_RANK, in_name(in),
                                                          (int)i, has, rank));
}

bool in_dtype(const ir_infer *in, uint32_t i, ir_dtype d)
{
    return in_tensor(in, i) && (in_type(in, i)->dtype == d || in_expect(in, i, dt_text(d)));
}

bool in_integer(const ir_infer *in, uint32_t i)
{
    return in_tensor(in, i) &&
           (dt_is_int(in_type(in, i)->dtype) || in_expect(in, i, "integers"));
}

bool in_number(const ir_infer *in, uint32_t i)
{
    ir_dtype d = in_type(in, i)->dtype;

    return in_tensor(in, i) && (dt_is_int(d) || dt_is_float(d) || in_expect(in, i, "numbers"));
}

bool in_same_dtype(const ir_infer *in, uint32_t i, uint32_t j)
{
    const ir_type *a = in_type(in, i), *b = in_type(in, j);

    return a->dtype == b->dtype ||
           diag_error(in->b->d, in->b->loc, D_DTYPES_DIFFER, in_name(in),
                      type_text(in, a), type_text(in, b));
}

bool in_axis(const ir_infer *in, int64_t axis, int rank)
{
    return (axis >= 0 && axis < rank) ||
           diag_error(in->b->d, in->b->loc, D_AXIS, in_name(in), (int)axis, rank);
}

/* Axes are within the rank and each named once; `expect` is how many there must be,
 * -1 any number.  IR_MAX_RANK fits the bits of `seen`. */
bool in_axes(const ir_infer *in, const char *attr, ir_ints axes, int rank, int expect)
{
    unsigned seen = 0;

    if (expect >= 0 && axes.n != expect)
        return in_fail(in, attr, "has the wrong length");
    for (int i = 0; i < axes.n; i++) {
        if (!in_axis(in, axes.at[i], rank))
            return false;
        if (seen >> axes.at[i] & 1)
            return in_fail(in, attr, "names an axis twice");
        seen |= 1u << axes.at[i];
    }
    return true;
}

bool in_dims(const ir_infer *in, const char *attr, ir_dims d, int expect)
{
    return d.n == expect || in_fail(in, attr, "has the wrong length");
}

/* Not known to differ; where it is not known to agree either, noted. */
static bool may_agree(const ir_infer *in, ir_dim a, ir_dim b, bool or_one)
{
    if (dim_differ(in_table(in), a, b) && !or_one)
        return false;
    if (in->b->checks && !dim_same(a, b))
        vec_push(&in->b->unproven, (ir_agreement){a, b, or_one});
    return true;
}

bool in_agree_or_1(const ir_infer *in, int axis, ir_dim a, ir_dim b)
{
    dim_table *t = in_table(in);

    if (dim_is(t, a, 1))
        return true;
    return dim_lo(t, a) > 1 || dim_hi(t, a) < 1 ? in_agree(in, axis, a, b)
                                                : may_agree(in, a, b, true);
}

bool in_agree(const ir_infer *in, int axis, ir_dim a, ir_dim b)
{
    return may_agree(in, a, b, false) ||
           diag_error(in->b->d, in->b->loc, D_SHAPE, in_name(in), axis,
                      dim_text(in, a), dim_text(in, b));
}

bool in_inner(const ir_infer *in, ir_dim a, ir_dim b)
{
    return may_agree(in, a, b, false) ||
           diag_error(in->b->d, in->b->loc, D_SHAPE_INNER, in_name(in),
                      dim_text(in, a), dim_text(in, b));
}

ir_dim in_known_of(const ir_infer *in, ir_dim a, ir_dim b)
{
    int64_t v;

    return dim_const(in_table(in), a, &v) || !dim_const(in_table(in), b, &v) ? a : b;
}

bool in_equal(const ir_infer *in, int axis, ir_dim a, ir_dim b)
{
    return dim_same(a, b) ||
           diag_error(in->b->d, in->b->loc, D_SHAPE, in_name(in), axis,
                      dim_text(in, a), dim_text(in, b));
}

/* No constant extent below zero. */
static bool in_extents(const ir_infer *in, const ir_dim *d, int rank)
{
    int64_t v;

    for (int i = 0; i < rank; i++)
        if (dim_const(in_table(in), d[i], &v) && v < 0)
            return diag_error(in->b->d, in->b->loc, D_NEGATIVE, in_name(in), i, (long long)v);
    return true;
}

bool in_result(ir_infer *in, ir_dtype dtype, int rank, const ir_dim *dim)
{
    if (rank > IR_MAX_RANK)
        return diag_error(in->b->d, in->b->loc, D_SIZE, in_name(in), "more than 16 axes");
    return in_extents(in, dim, rank) &&
           in_type_result(in, type_tensor(&in->b->m->types, dtype, rank, dim));
}
