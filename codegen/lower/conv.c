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

/* Rows of output that are computed one after the other for one panel of
 * channels.  Where the image does not fit half of the second cache it is worked
 * off in blocks of rows that do, each for all panels: only the first panel
 * finds its part of the image far away.  Panels come first where it fits, then
 * the weights are read once. */
static int64_t rows_of_block(const conv *c)
{
    const struct ir_attr_CONV *a = c->at;
    const dim_table *t = &c->j->l->m->dims;
    double cache = (double)c->j->l->target->l2_bytes / 2, line = dt_size(c->tx->dtype);
    int64_t rows, image, stride;

    if (c->s < 2 || !dim_const(t, c->ty->dim[a->ys.at[0]], &rows) || rows < 1 ||
        !dim_const(t, c->tx->dim[a->xs.at[0]], &image) || !dim_const(t, a->stride.at[0], &stride))
        return 1;
    for (int i = 0; i < a->xf.n; i++)
        line *= (double)dim_hint(t, c->tx->dim[a->xf.at[i]]);
    for (int i = 1; i < c->s; i++)
        line *= (double)dim_hint(t, c->tx->dim[a->xs.at[i]]);
    if (line * (double)image <= cache)
        return rows;
    int64_t most = max_i64((int64_t)(cache / (line * (double)stride)), 1);
    int64_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

/* A 1x1 filter reads a few neighbours in each of many far places, which the
 * processor does not foresee; bigger ones find most of it in the cache. */
static bool fetches_ahead(const conv *c)
{
    const dim_table *t = &c->j->l->m->dims;

    return !c->depthwise && c->at->xf.n == 2 && dim_is(t, conv_extent(c, c->at->ws, c->tw), 1) &&
           dim_is(t, c->tx->dim[c->at->xf.at[1]], c->lanes);
}

/* Opens the loop over the rows of a block; returns how many lp_end close it. */
static int row_loop(body *b, lp_expr block, int64_t rows, ir_dim height, lp_expr *row)
{
    lp_kernel *k = b->k;
    lp_expr first = lp_mul(k, block, lp_int(k, rows));

    *row = first;
    if (rows == 1)
        return 0;
    lp_expr left = lp_sub(k, body_dim(b, height), first), zero = lp_int(k, 0);
    lp_expr i = lp_for(k, "row", zero, lp_min(k, lp_int(k, rows), left));
    *row = lp_add(k, first, i);
    return 1;
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
    outer[n++] = conv_extent(c, a->yb, c->ty);
    outer[n++] = c->depthwise ? (ir_dim){1} : conv_extent(c, a->yg, c->ty);
    int64_t rows = rows_of_block(c);
    c->ahead = fetches_ahead(c);
    ir_dim height = c->s > 1 ? c->ty->dim[a->ys.at[0]] : (ir_dim){1};
    outer[n++] = dim_ceildiv(t, height, dim_int(t, rows));
    outer[n++] = dim_ceildiv(t, channels, dim_int(t, per));
    for (int i = 1; i < c->s - 1; i++)
        outer[n++] = c->ty->dim[a->ys.at[i]];
    int open = body_loops(&b, outer, n, v);
    at.n = v[0], at.g = v[1], at.o = v[3];
    for (int i = 1; i < c->s - 1; i++)
        at.pos[i] = v[3 + i];
    open += row_loop(&b, v[2], rows, height, &at.pos[0]);
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
    c.lanes = lanes_of(j->l, c.acc);
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
        c.lanes = groups_of_block(&c);
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
