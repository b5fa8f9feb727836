/* frontend/onnx/sequence.c - sequences of tensors, of which build.h keeps as little as the
 * graph allows. */
#include "../onnx_build.h"

bool onnx_sequence_empty(onnx_op *n)
{
    return onnx_out(n, 0, ir_seq_new(n->b, NULL, 0));
}

/* May x be an item beside one of type t?  The standard has no rule, a type of ours has one rank. */
static bool is_like(onnx_op *n, const ir_type *t, ir_ref x)
{
    const ir_type *own = onnx_type(n, x);

    return t->kind == TY_NEVER || own->kind == TY_NEVER ||
           (t->kind == own->kind && t->rank == own->rank && t->dtype == own->dtype) ||
           onnx_gap(n, "a sequence of items of different rank or element type");
}

bool onnx_sequence_construct(onnx_op *n)
{
    ir_ref *x = arena_array(&n->b->m->mem, ir_ref, n->nin + 1);

    for (int i = 0; i < n->nin; i++) {
        x[i] = onnx_in(n, i);
        if (!is_like(n, onnx_type(n, x[0]), x[i]))
            return false;
    }
    return onnx_out(n, 0, ir_seq_new(n->b, x, (uint32_t)n->nin));
}

/* Is operand 0 a sequence (or something that no run reaches)? */
static bool takes_sequence(onnx_op *n)
{
    ir_kind k = onnx_type(n, onnx_in(n, 0))->kind;

    return k == TY_SEQ || k == TY_NEVER || onnx_fail(n, "operand 0 is no sequence");
}

/* Operand i, a position, as i64[]; IR_NONE if it is left out. */
static ir_ref position(onnx_op *n, int i)
{
    ir_ref x = onnx_in(n, i);

    return x == IR_NONE ? x : ir_cast(n->b, ir_reshape(n->b, x, NULL, 0), DT_I64);
}

bool onnx_sequence_insert(onnx_op *n)
{
    const ir_type *t = onnx_type(n, onnx_in(n, 0));

    return takes_sequence(n) && (t->kind == TY_NEVER || is_like(n, t->elem, onnx_in(n, 1))) &&
           onnx_out(n, 0, ir_seq_insert(n->b, onnx_in(n, 0), onnx_in(n, 1), position(n, 2)));
}

bool onnx_sequence_erase(onnx_op *n)
{
    return takes_sequence(n) &&
           onnx_out(n, 0, ir_seq_erase(n->b, onnx_in(n, 0), position(n, 1)));
}

bool onnx_sequence_at(onnx_op *n)
{
    return takes_sequence(n) && onnx_out(n, 0, ir_seq_at(n->b, onnx_in(n, 0), position(n, 1)));
}

bool onnx_sequence_length(onnx_op *n)
{
    return takes_sequence(n) && onnx_out(n, 0, ir_seq_len(n->b, onnx_in(n, 0)));
}

bool onnx_concat_from_sequence(onnx_op *n)
{
    bool stack = onnx_int(n, "new_axis", 0) != 0;
    int axis;

    if (!takes_sequence(n))
        return false;
    const ir_type *t = onnx_type(n, onnx_in(n, 0));
    int rank = t->kind == TY_SEQ && t->elem->kind == TY_TENSOR ? t->elem->rank : IR_MAX_RANK - 1;
    return onnx_axis(n, onnx_int(n, "axis", 0), rank + stack, &axis) &&
           onnx_out(n, 0, ir_seq_join(n->b, onnx_in(n, 0), axis, stack));
}

/* ---- parts ------------------------------------------------------------------------------ */

enum { MOST_PARTS = 1024 };

/* Sizes of parts that are `each` long, but perhaps for the last: of a known extent. */
static bool equal_parts(onnx_op *n, ir_dim extent, ir_dim each, ir_dim *size, int *count)
{
    int64_t all, part;

    if (!dim_const(onnx_dims(n), extent, &all) || !dim_const(onnx_dims(n), each, &part))
        return onnx_gap(n, "a number of parts that only the run knows");
    if (part < 1)
        return onnx_fail(n, "parts of %lld elements", (long long)part);
    *count = (int)min_i64((all + part - 1) / part, MOST_PARTS + 1);
    for (int i = 0; i < *count && i < MOST_PARTS; i++)
        size[i] = dim_int(onnx_dims(n), min_i64(part, all - i * part));
    return *count <= MOST_PARTS || onnx_gap(n, "more than 1024 parts");
}

/* Without sizes, parts of one element, which lose the axis unless keepdims says otherwise. */
bool onnx_split_to_sequence(onnx_op *n)
{
    ir_dim *size = arena_array(&n->b->m->mem, ir_dim, MOST_PARTS), start = {0};
    ir_ref x = onnx_in(n, 0), part[MOST_PARTS];
    bool listed = onnx_has(n, 1) && onnx_rank(n, onnx_in(n, 1)) == 1;
    bool keep = onnx_has(n, 1) || onnx_int(n, "keepdims", 1);
    ir_dim each = {1};
    int axis, count;

    if (!onnx_axis(n, onnx_int(n, "axis", 0), onnx_rank(n, x), &axis))
        return false;
    ir_dim extent = onnx_dim(n, x, axis);
    if (onnx_has(n, 1) && !listed)
        each = ir_bind(n->b, ir_cast(n->b, onnx_in(n, 1), DT_I64), "part");
    if (listed ? !onnx_dim_list(n, 1, size, MOST_PARTS, &count) ||
                     !onnx_parts_fit(n, size, count, extent)
               : !equal_parts(n, extent, each, size, &count))
        return false;
    for (int i = 0; i < count; i++) {
        part[i] = ir_slice_axis(n->b, x, axis, start, (ir_dim){1}, size[i]);
        part[i] = keep ? part[i] : ir_squeeze(n->b, part[i], axis);
        start = dim_add(onnx_dims(n), start, size[i]);
    }
    return onnx_out(n, 0, ir_seq_new(n->b, part, (uint32_t)count));
}
