/* codegen/lower/conv.c - convolutions, direct.
 *
 * One register tile is P positions of the last spatial axis by Q vectors of
 * output channels.  Weights are packed [groups][panels of Q vectors][taps]
 * [features][V] at compile time, so that the inner step loads the next Q vectors
 * of one stream and P scalars of the image.  Depthwise: one vector of channels,
 * image and weights both vectors. */
#include "conv.h"
#include "pack.h"

ir_dim conv_extent(const conv *c, ir_ints l, const ir_type *t)
{
    ir_dim p = {1};

    for (int i = 0; i < l.n; i++)
        p = dim_mul(&c->j->l->m->dims, p, t->dim[l.at[i]]);
    return p;
}

/* ---- packing --------------------------------------------------------------------- */

/* w as [G, O, F, T] -> O padded to a multiple of v -> [G, O/v, T, F, v] */
static uint32_t pack_weights(const conv *c, uint32_t id, const int64_t e[4], int v)
{
    const ir_ints part[4] = {c->at->wg, c->at->wo, c->at->wf, c->at->ws};
    static const int32_t last[5] = {0, 1, 4, 3, 2};
    pack p = {c->j->l->m, id};
    int32_t perm[IR_MAX_RANK];
    int r = 0;

    for (int k = 0; k < 4; k++)
        for (int i = 0; i < part[k].n; i++)
            perm[r++] = part[k].at[i];
    pack_transpose(&p, perm, r);
    pack_reshape(&p, e, 4);
    int64_t wide = pack_pad(&p, 1, v);
    pack_reshape(&p, (int64_t[]){e[0], wide / v, v, e[2], e[3]}, 5);
    pack_transpose(&p, last, 5);
    return p.id;
}

/* ---- the kernel --------------------------------------------------------------------- */

/* Into how many even blocks the rows of the output are cut.  The rows of a block
 * are computed one after the other, for one panel of channels after the other.
 *
 * An image that does not fit half of the second cache is worked off in blocks that
 * do: only the first panel finds its part of the image far away.  One that does
 * fit is cut only where that makes parallel iterations that would be missing, in
 * pairs of blocks: `others` there are without.  The number must not depend on the
 * threads, for the text of the kernel must not. */
static ir_dim row_blocks(const conv *c, ir_dim height, ir_dim others)
{
    enum { ENOUGH = 8, LEAST_POSITIONS = 56 };
    const struct ir_attr_CONV *a = c->at;
    dim_table *t = &c->j->l->m->dims;
    const ir_dim one = {1}, two = {2}, size = dim_int(t, dt_size(c->tx->dtype));
    const ir_dim cache = dim_int(t, c->j->l->target->l2_bytes / 2);
    bool overflow = t->overflow;
    ir_dim image = dim_mul(t, conv_extent(c, a->xf, c->tx), conv_extent(c, a->xs, c->tx));
    ir_dim far = dim_ceildiv(t, dim_mul(t, image, size), cache);
    ir_dim missing = dim_div(t, dim_ceildiv(t, dim_int(t, ENOUGH), others), two);
    ir_dim most = dim_div(t, conv_extent(c, a->ys, c->ty), dim_int(t, 2 * LEAST_POSITIONS));
    ir_dim blocks = dim_max(t, far, dim_mul(t, two, dim_min(t, missing, most)));

    blocks = dim_max(t, one, dim_min(t, blocks, height));
    if (!t->overflow)
        return blocks;
    t->overflow = overflow;     /* an expression too long to be one: each row is a block */
    return dim_max(t, one, height);
}

/* Positions of the image in a line of the cache, if it is to be fetched ahead; else
 * 0.  A 1x1 filter reads a few neighbours in each of many far places, which the
 * processor does not foresee; bigger ones find most of it in the cache. */
static int fetches_ahead(const conv *c)
{
    const dim_table *t = &c->j->l->m->dims;
    int64_t block;
    bool pointwise = !c->depthwise && c->at->xf.n == 2 &&
                     dim_is(t, conv_extent(c, c->at->ws, c->tw), 1) &&
                     dim_const(t, c->tx->dim[c->at->xf.at[1]], &block);

    return pointwise && block > 1 ? (int)(LP_LINE / (block * dt_size(c->tx->dtype))) : 0;
}

/* Opens the loop over the rows of a block, one of `blocks`, where there are several. */
static lp_expr row_loop(body *b, lp_expr block, ir_dim blocks, lp_expr height, int *open)
{
    lp_kernel *k = b->k;
    lp_expr first = lp_mul(k, block, height), end = lp_add(k, first, height);
    lp_expr n = body_dim(b, blocks);
    int64_t rows;

    if (lp_is_int(k, height, &rows) && rows == 1)
        return lp_int(k, 0);
    ++*open;
    if (dim_is(&b->l->m->dims, blocks, 1))
        return lp_for(k, "row", lp_int(k, 0), height);
    return lp_for(k, "row", lp_div(k, first, n), lp_div(k, end, n));
}

static bool make_kernel(conv *c)
{
    body b;
    const struct ir_attr_CONV *a = c->at;
    dim_table *t = &c->j->l->m->dims;
    conv_place at = {0};
    ir_dim outer[3 + CONV_MAX_SPATIAL];
    lp_expr v[3 + CONV_MAX_SPATIAL];
    int n = 0;

    job_kernel(c->j, &b, c->depthwise ? "depthwise" : "conv");
    ir_dim channels = c->depthwise ? conv_extent(c, a->yg, c->ty) : conv_extent(c, a->yo, c->ty);
    int per = c->depthwise ? c->lanes : c->lanes * c->q;
    ir_dim height = c->s > 1 ? c->ty->dim[a->ys.at[0]] : (ir_dim){1};
    outer[n++] = conv_extent(c, a->yb, c->ty);
    outer[n++] = c->depthwise ? (ir_dim){1} : conv_extent(c, a->yg, c->ty);
    n++;
    outer[n++] = dim_ceildiv(t, channels, dim_int(t, per));
    for (int i = 1; i < c->s - 1; i++)
        outer[n++] = c->ty->dim[a->ys.at[i]];
    ir_dim others = dim_mul(t, dim_mul(t, outer[0], outer[1]), dim_product(t, outer + 3, n - 3));
    outer[2] = row_blocks(c, height, others);
    c->ahead = fetches_ahead(c);
    int open = body_loops(&b, outer, n, v);
    at.n = v[0], at.g = v[1], at.o = v[3];
    for (int i = 1; i < c->s - 1; i++)
        at.pos[i] = v[3 + i];
    at.pos[0] = row_loop(&b, v[2], outer[2], body_dim(&b, height), &open);
    conv_row(c, &b, c->packed ? body_const(&b, c->weights) : 0, &at);
    while (open--)
        lp_end(b.k);
    return job_end(c->j, &b);
}

static bool is_longer(const conv *c, int32_t a, int32_t b)
{
    const dim_table *t = &c->j->l->m->dims;
    int64_t x, y;

    return dim_const(t, c->ty->dim[b], &y) &&
           (!dim_const(t, c->ty->dim[a], &x) || x > y);
}

/* Tiles run along the last spatial axis; where its extent is below a tile
 * (1 in a convolution over a sequence) a longer one takes its place. */
static void choose_tile_axis(conv *c, struct ir_attr_CONV *own)
{
    arena *mem = &c->j->l->mem;
    ir_ints *const axes[] = {&own->xs, &own->ws, &own->ys};
    ir_dims *const facts[] = {&own->stride, &own->low, &own->high, &own->ldil, &own->rdil};
    int last = c->s - 1, to = last;
    int64_t extent;

    if (!dim_const(&c->j->l->m->dims, c->ty->dim[own->ys.at[last]], &extent) || extent >= c->p)
        return;
    for (int i = 0; i < last; i++)
        if (is_longer(c, own->ys.at[i], own->ys.at[to]))
            to = i;
    if (to == last)
        return;
    for (int i = 0; i < 3; i++) {
        int32_t *at = arena_copy(mem, axes[i]->at, (size_t)c->s * sizeof *at), was = at[last];
        at[last] = at[to], at[to] = was;
        axes[i]->at = at;
    }
    for (int i = 0; i < 5; i++) {
        ir_dim *at = arena_copy(mem, facts[i]->at, (size_t)c->s * sizeof *at), was = at[last];
        at[last] = at[to], at[to] = was;
        facts[i]->at = at;
    }
    c->at = own;
}

/* A tile takes as many channel vectors as divide their number: fewer loads per
 * multiply-add, and no idle ones. */
static void choose_vectors(conv *c, int64_t vectors)
{
    bool many = c->j->l->target->vector_regs >= 32;

    c->q = vectors % 2 == 0 ? 2 : vectors % 3 == 0 ? 3 : 1;
    c->p = c->q == 2 ? (many ? 14 : 6) : c->q == 3 ? (many ? 8 : 4) : many ? 14 : 10;
}

/* Groups in one block, if image and result have them in blocks of one size that
 * a vector holds; else 0. */
static int groups_of_block(const conv *c)
{
    const dim_table *t = &c->j->l->m->dims;
    const struct ir_attr_CONV *a = c->at;
    int64_t x, y;
    bool alike = a->xg.n == 2 && a->yg.n == 2 && dim_const(t, c->tx->dim[a->xg.at[1]], &x) &&
                 dim_const(t, c->ty->dim[a->yg.at[1]], &y) && x == y;

    return alike && x > 1 && c->lanes % x == 0 ? (int)x : 0;
}

/* Channels of the result that lie side by side; 0: none. */
static int block_of_result(const conv *c)
{
    ir_ints channels = c->at->yo;
    int64_t n;

    return channels.n == 2 && dim_const(&c->j->l->m->dims, c->ty->dim[channels.at[1]], &n) &&
                   n > 1 && (c->lanes % n == 0 || n % c->lanes == 0) ? (int)n : 0;
}

/* A vector of half a register is a whole block where blocks are that small: no lane
 * of the last vector is idle, and no store is in two parts.  It must not cost speed. */
static void choose_lanes(conv *c)
{
    c->lanes = lanes_of(c->j->l, c->acc);
    c->block = block_of_result(c);
    if (c->j->l->target->half_as_fast && c->block * 2 == c->lanes)
        c->lanes = c->block;
}

bool template_conv(job *j)
{
    struct ir_attr_CONV own = j->root->attr->CONV;
    conv c = {.j = j, .at = &j->root->attr->CONV};
    const ir_fn *fn = j->in->fn;
    dim_table *t = &j->l->m->dims;
    int64_t e[4];

    c.x = ir_arg(fn, j->root, 0), c.w = ir_arg(fn, j->root, 1);
    c.tx = ir_type_of(fn, c.x), c.tw = ir_type_of(fn, c.w), c.ty = ir_type_of(fn, j->root->first);
    c.s = c.at->xs.n;
    c.acc = acc_dtype(c.ty->dtype);
    choose_lanes(&c);
    if (c.s < 1 || c.s > CONV_MAX_SPATIAL) {
        j->failed = "a convolution with no spatial axes, or more than the template holds";
        return false;
    }
    bool flat = dim_const(t, conv_extent(&c, c.at->wg, c.tw), &e[0]) &&
                dim_const(t, conv_extent(&c, c.at->wo, c.tw), &e[1]) &&
                dim_const(t, conv_extent(&c, c.at->wf, c.tw), &e[2]) &&
                dim_const(t, conv_extent(&c, c.at->ws, c.tw), &e[3]);
    const ir_node *w = ir_node_of(fn, c.w);
    c.packed = flat && w->op == OP_CONST && e[0] * e[1] * e[2] * e[3] > 0;
    c.depthwise = c.packed && e[1] == 1 && e[2] == 1 && !c.at->wo.n && !c.at->wf.n &&
                  groups_of_block(&c);
    if (c.depthwise)            /* a vector is a block */
        c.lanes = c.block = groups_of_block(&c);
    bool many = j->l->target->vector_regs >= 32;
    c.q = flat && e[1] <= c.lanes ? 1 : 2;
    c.p = c.depthwise ? (many ? 14 : 8) : many ? 12 : c.q == 1 ? 10 : 6;
    choose_tile_axis(&c, &own);
    if (c.depthwise) {          /* groups take the place of outputs */
        const int64_t turned[4] = {1, e[0], 1, e[3]};
        struct ir_attr_CONV swap = *c.at;
        conv g = c;
        swap.wo = c.at->wg;
        swap.wg = (ir_ints){0};
        g.at = &swap;
        c.weights = pack_weights(&g, w->attr->CONST.id, turned, c.lanes);
    } else if (c.packed) {
        choose_vectors(&c, (e[1] + c.lanes - 1) / c.lanes);
        c.weights = pack_weights(&c, w->attr->CONST.id, e, c.lanes * c.q);
    }
    return make_kernel(&c);
}
