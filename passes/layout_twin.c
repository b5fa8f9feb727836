/* passes/layout_twin.c - the blocked twins of values: which there are, and how they are made.
 *
 * A twin is made once and found by its plain value; the plain value of a twin is the twin
 * unpacked, so that either form can be asked for at any time. */
#include "layout.h"

#include "schedule.h"

static uint64_t key(const ir_fn *fn, ir_ref r)
{
    return hash_mix(hash_mix(1, (uint64_t)(uintptr_t)fn), r);
}

ir_ref layout_twin_of(const layout_cx *cx, const ir_build *b, ir_ref x)
{
    uint64_t h = key(b->fn, x);

    for (uint32_t p = map_find(&cx->by_value, h); p != MAP_NONE;
         p = map_next(&cx->by_value, h, p)) {
        const twin *t = &cx->twins.at[map_id(&cx->by_value, p)];
        if (t->fn == b->fn && t->plain == x)
            return t->blocked;
    }
    return IR_NONE;
}

static void twin_set(layout_cx *cx, ir_build *b, ir_ref plain, ir_ref blocked)
{
    if (plain == IR_NONE || blocked == IR_NONE ||
        layout_twin_of(cx, b, plain) != IR_NONE)
        return;
    vec_push(&cx->twins, (twin){b->fn, plain, blocked});
    map_add(&cx->by_value, key(b->fn, plain), cx->twins.len - 1);
}

int layout_block_for(const layout_cx *cx, const ir_build *b, const ir_type *t)
{
    int64_t c;

    enum { MORE = 2 };          /* axes that a packed filter has more */

    if (t->kind != TY_TENSOR || t->rank < 3 || t->rank > IR_MAX_RANK - MORE ||
        !dim_const(&b->m->dims, t->dim[1], &c) || c <= 0)
        return 0;
    return schedule_block(cx->target, c);
}

static int block_of(const ir_build *b, ir_ref blocked)
{
    const ir_type *t = ir_type_of(b->fn, blocked);
    int64_t block = 0;

    dim_const(&b->m->dims, t->dim[t->rank - 1], &block);
    return (int)block;
}

/* [N,C,S..] -> [N,C/B,B,S..] */
static int split_shape(ir_build *b, const ir_type *t, int block, ir_dim *out)
{
    dim_table *d = &b->m->dims;

    out[0] = t->dim[0];
    out[1] = dim_div(d, t->dim[1], dim_int(d, block));
    out[2] = dim_int(d, block);
    for (int i = 2; i < t->rank; i++)
        out[i + 1] = t->dim[i];
    return t->rank + 1;
}

int layout_blocked_shape(ir_build *b, const ir_type *t, int block, ir_dim *out)
{
    ir_dim split[IR_MAX_RANK];
    int rank = split_shape(b, t, block, split);

    out[0] = split[0], out[1] = split[1], out[rank - 1] = split[2];
    for (int i = 3; i < rank; i++)
        out[i - 1] = split[i];
    return rank;
}

/* The blocked twin of a plain value, by movement: [N,C,S..] -> [N,C/B,S..,B]. */
static ir_ref pack(ir_build *b, ir_ref x, int block)
{
    const ir_type *t = ir_type_of(b->fn, x);
    ir_dim shape[IR_MAX_RANK];
    int32_t perm[IR_MAX_RANK] = {0, 1};
    int rank = split_shape(b, t, block, shape);

    for (int i = 3; i < rank; i++)
        perm[i - 1] = i;
    perm[rank - 1] = 2;
    return ir_transpose(b, ir_reshape(b, x, shape, rank), perm);
}

/* The value of a blocked twin in plain order. */
static ir_ref flatten(ir_build *b, ir_ref y, const ir_type *plain)
{
    int rank = plain->rank + 1;
    int32_t perm[IR_MAX_RANK] = {0, 1, rank - 1};

    for (int i = 3; i < rank; i++)
        perm[i] = i - 1;
    return ir_reshape(b, ir_transpose(b, y, perm), plain->dim, plain->rank);
}

ir_ref layout_unpack(layout_cx *cx, ir_build *b, ir_ref y, const ir_type *plain)
{
    ir_ref r = flatten(b, y, plain);

    twin_set(cx, b, r, y);
    return r;
}

/* broadcast(v) with v's channel axis split, or v blocked if v has a twin. */
static ir_ref spread(ir_build *b, const ir_node *n, const ir_type *t, int block)
{
    ir_ref v = ir_arg(b->fn, n, 0);
    const ir_type *vt = ir_type_of(b->fn, v);
    ir_ints axes = n->attr->BROADCAST.axes;
    ir_dim split[IR_MAX_RANK], shape[IR_MAX_RANK];
    int32_t out[IR_MAX_RANK], order[IR_MAX_RANK];
    int rank = layout_blocked_shape(b, t, block, shape), k = 0, channel = -1;

    split_shape(b, t, block, split);
    for (int i = 0; i < axes.n; i++)
        if (axes.at[i] == 1 && !dim_is(&b->m->dims, vt->dim[i], 1))
            channel = i;
    if (channel >= 0 && !dim_same(vt->dim[channel], t->dim[1]))
        return IR_NONE;
    ir_dim parts[IR_MAX_RANK];
    for (int i = 0; i < axes.n; i++) {
        parts[k] = i == channel ? split[1] : vt->dim[i];
        out[k] = axes.at[i];
        order[k] = k + (channel >= 0 && i > channel);
        k++;
    }
    if (channel >= 0) {         /* the block is the last axis */
        ir_dim inner[IR_MAX_RANK];
        int m = 0;
        for (int i = 0; i < axes.n; i++) {
            inner[m++] = parts[i];
            if (i == channel)
                inner[m++] = split[2];
        }
        v = ir_reshape(b, v, inner, m);
        out[k] = rank - 1;
        order[k++] = channel + 1;
        v = ir_transpose(b, v, order);
    }
    return ir_broadcast(b, v, shape, rank, out);
}

ir_ref layout_want(layout_cx *cx, ir_build *b, ir_ref x, int block)
{
    ir_ref r = layout_twin_of(cx, b, x);

    if (r != IR_NONE && block_of(b, r) == block)
        return r;
    ir_node n = *rule_node(b, x);
    r = n.op == OP_BROADCAST ? spread(b, &n, ir_type_of(b->fn, x), block) : IR_NONE;
    if (r == IR_NONE)
        r = pack(b, x, block);
    twin_set(cx, b, x, r);
    return r;
}

int layout_twin_block(const layout_cx *cx, const ir_build *b, const ir_ref *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        ir_ref r = layout_twin_of(cx, b, a[i]);
        if (r != IR_NONE && rule_node(b, a[i])->op != OP_BROADCAST)
            return block_of(b, r);
    }
    return 0;
}

int layout_block_at_hand(const layout_cx *cx, const ir_build *b, ir_ref x)
{
    int block = layout_twin_block(cx, b, &x, 1);

    return block ? block : layout_block_for(cx, b, ir_type_of(b->fn, x));
}
