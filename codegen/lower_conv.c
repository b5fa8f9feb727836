/* codegen/lower_conv.c - convolutions, direct.
 *
 * One register tile is P positions of the last spatial axis by Q vectors of
 * output channels.  Weights are packed [outer channels][features][taps][Q][V]
 * at compile time, so that the inner step loads Q vectors of weights and P
 * scalars of the image.  Depthwise: one vector of channels, image and weights
 * both vectors.  Positions outside the image are read under a guard; tiles
 * that touch no rim have a body without guards. */
#include "const.h"
#include "templates.h"

enum { MAX_SPATIAL = 6 };

typedef struct conv {
    job *j;
    const struct ir_attr_CONV *at;
    ir_ref x, w;
    const ir_type *tx, *tw, *ty;
    int s;                      /* spatial axes */
    ir_dtype acc;
    int lanes, p, q;
    bool depthwise;             /* no features, no outputs: groups in vectors */
    uint32_t weights;           /* packed constant */
    bool packed;
} conv;

static ir_dim extent_of(const conv *c, ir_ints l, const ir_type *t)
{
    ir_dim p = {1};

    for (int i = 0; i < l.n; i++)
        p = dim_mul(&c->j->l->m->dims, p, t->dim[l.at[i]]);
    return p;
}

static void put(body *b, lp_expr linear, const ir_type *t, ir_ints l, lp_expr *idx)
{
    for (int i = l.n - 1; i >= 0; i--) {
        lp_expr e = body_dim(b, t->dim[l.at[i]]);
        idx[l.at[i]] = i ? lp_mod(b->k, linear, e) : linear;
        if (i)
            linear = lp_div(b->k, linear, e);
    }
}

/* ---- packing --------------------------------------------------------------------- */

static uint32_t link(const conv *c, uint32_t id, unsigned op, const ir_attr *a, uint32_t other, int rank,
                     const ir_dim *shape)
{
    ir_module *m = c->j->l->m;

    return const_linked(m, id, (ir_link){(uint16_t)op, ir_attr_intern(m, op, a), other,
                                         type_tensor(&m->types, c->tw->dtype, rank, shape)});
}

/* w as [G, O, F, T] -> O padded to a multiple of v -> [G, O/v, T, F, v] */
static uint32_t pack(const conv *c, uint32_t id, const int64_t e[4], int v)
{
    dim_table *t = &c->j->l->m->dims;
    const ir_ints part[4] = {c->at->wg, c->at->wo, c->at->wf, c->at->ws};
    int32_t perm[IR_MAX_RANK];
    int r = 0;
    ir_dim shape[IR_MAX_RANK], four[4], low[4] = {{0}, {0}, {0}, {0}}, high[4] = {{0}, {0}, {0}, {0}};
    int64_t wide = (e[1] + v - 1) / v * v;

    for (int k = 0; k < 4; k++)
        for (int i = 0; i < part[k].n; i++)
            perm[r++] = part[k].at[i];
    for (int i = 0; i < r; i++)
        shape[i] = c->tw->dim[perm[i]];
    id = link(c, id, OP_TRANSPOSE, &(ir_attr){.TRANSPOSE = {.perm = {r, perm}}}, 0, r, shape);
    for (int i = 0; i < 4; i++)
        four[i] = dim_int(t, e[i]);
    id = link(c, id, OP_RESHAPE, &(ir_attr){.RESHAPE = {.shape = {4, four}}}, 0, 4, four);
    if (wide != e[1]) {
        high[1] = dim_int(t, wide - e[1]);
        four[1] = dim_int(t, wide);
        ir_module *m = c->j->l->m;
        uint32_t zero = const_int(m, type_scalar(&m->types, c->tw->dtype), 0);
        id = link(c, id, OP_PAD, &(ir_attr){.PAD = {.low = {4, low}, .high = {4, high}}}, zero, 4, four);
    }
    ir_dim five[5] = {four[0], dim_int(t, wide / v), dim_int(t, v), four[2], four[3]};
    id = link(c, id, OP_RESHAPE, &(ir_attr){.RESHAPE = {.shape = {5, five}}}, 0, 5, five);
    static const int32_t last[5] = {0, 1, 4, 3, 2};
    ir_dim out[5] = {five[0], five[1], five[4], five[3], five[2]};
    return link(c, id, OP_TRANSPOSE, &(ir_attr){.TRANSPOSE = {.perm = {5, last}}}, 0, 5, out);
}

/* ---- the kernel --------------------------------------------------------------------- */

typedef struct place {
    lp_expr n, g, o, pos[MAX_SPATIAL];  /* batch, group, first channel vector, outer positions */
    lp_expr w0;                         /* first position of the tile */
} place;

/* Position in the (dilated) image of output pos and tap r along axis i; false
 * positions are told by *inside. */
static lp_expr where(const conv *c, body *b, int i, lp_expr pos, lp_expr r, bool guard, lp_expr *inside)
{
    lp_kernel *k = b->k;
    const struct ir_attr_CONV *a = c->at;
    lp_expr p = lp_mul(k, pos, body_dim(b, a->stride.at[i])), zero = lp_int(k, 0);

    p = lp_add(k, p, lp_mul(k, r, body_dim(b, a->rdil.at[i])));
    p = lp_sub(k, p, body_dim(b, a->low.at[i]));
    if (!guard)
        return p;
    lp_expr ok = lp_le(k, zero, p), ldil = body_dim(b, a->ldil.at[i]);
    if (!dim_is(&c->j->l->m->dims, a->ldil.at[i], 1)) {
        ok = lp_and(k, ok, lp_eq(k, lp_mod(k, p, ldil), zero));
        p = lp_div(k, p, ldil);
    }
    ok = lp_and(k, ok, lp_lt(k, p, body_dim(b, c->tx->dim[a->xs.at[i]])));
    *inside = *inside ? lp_and(k, *inside, ok) : ok;
    return p;
}

/* Can axis i ever leave the image? */
static bool has_rim(const conv *c, int i)
{
    const dim_table *t = &c->j->l->m->dims;

    return !dim_is(t, c->at->low.at[i], 0) || !dim_is(t, c->at->high.at[i], 0) ||
           !dim_is(t, c->at->ldil.at[i], 1);
}

static lp_expr guard_load(body *b, ir_ref x, lp_expr *idx, lp_expr inside)
{
    const ir_type *t = ir_type_of(b->fn, x);
    lp_kernel *k = b->k;

    if (!inside)
        return body_at(b, x, idx);
    for (uint32_t i = 0; i < b->arg.len; i++)
        if (b->arg.at[i].kind == ARG_VALUE && b->arg.at[i].id == x)
            return lp_load_if(k, b->buf.at[i], idx, inside);
    for (int i = 0; i < t->rank; i++)
        idx[i] = lp_max(k, lp_min(k, idx[i], lp_sub(k, body_dim(b, t->dim[i]), lp_int(k, 1))), lp_int(k, 0));
    lp_expr zero = dt_is_float(t->dtype) ? lp_const_flt(k, t->dtype, 0) : lp_const_int(k, t->dtype, 0);
    return lp_select(k, inside, body_at(b, x, idx), zero);
}

/* One tile of `p` positions from at->w0 on. */
static void tile(const conv *c, body *b, lp_buf y, lp_buf wbuf, const place *at, int p, bool rim)
{
    lp_kernel *k = b->k;
    const struct ir_attr_CONV *a = c->at;
    int s = c->s, q = c->depthwise ? 1 : c->q;
    lp_expr zero = lp_int(k, 0), tap[MAX_SPATIAL], idx[IR_MAX_RANK], inside = 0, outer = 0;
    lp_expr acc0 = dt_is_float(c->acc) ? lp_const_flt(k, c->acc, 0) : lp_const_int(k, c->acc, 0);
    lp_buf acc = lp_local(k, "acc", c->acc, 3, LP(lp_int(k, p), lp_int(k, q), lp_int(k, c->lanes)), LP_REG, acc0);
    static const char *const letter[] = {"t0", "t1", "t2", "t3", "t4", "t5"};
    lp_expr pos[MAX_SPATIAL];
    int open = 0;

    for (int i = 0; i < s; i++) {
        tap[i] = lp_for(k, letter[i], zero, body_dim(b, c->tw->dim[a->ws.at[i]]));
        open++;
        if (i < s - 1 && has_rim(c, i)) {
            pos[i] = where(c, b, i, at->pos[i], tap[i], true, &outer);
        } else if (i < s - 1) {
            pos[i] = where(c, b, i, at->pos[i], tap[i], false, &inside);
        }
    }
    if (outer) {
        lp_if(k, outer);
        open++;
    }
    /* One loop for each axis of the features where image and weights split
     * them alike: no division in the inner loop. */
    lp_expr f = zero, feature[IR_MAX_RANK];
    bool alike = a->xf.n == a->wf.n;
    for (int i = 0; alike && i < a->xf.n; i++)
        alike = dim_same(c->tx->dim[a->xf.at[i]], c->tw->dim[a->wf.at[i]]);
    if (!c->depthwise && alike) {
        static const char *const name[] = {"f0", "f1", "f2", "f3"};
        for (int i = 0; i < a->xf.n; i++, open++) {
            lp_expr e = body_dim(b, c->tw->dim[a->wf.at[i]]);
            feature[i] = lp_for(k, name[i & 3], zero, e);
            f = i ? lp_add(k, lp_mul(k, f, e), feature[i]) : feature[i];
        }
    } else if (!c->depthwise) {
        f = lp_for(k, "f", zero, body_dim(b, extent_of(c, a->wf, c->tw)));
        open++;
    }
    lp_expr linear = zero;
    for (int i = 0; i < s; i++)
        linear = i ? lp_add(k, lp_mul(k, linear, body_dim(b, c->tw->dim[a->ws.at[i]])), tap[i]) : tap[i];
    /* Positions outside, channels inside: one broadcast is live at a time. */
    lp_expr r = lp_unroll(k, "r", p);
    lp_expr u = lp_unroll(k, "u", q);
    lp_expr v = lp_vec(k, "v", zero, lp_int(k, c->lanes), c->lanes, LP_EXACT);
    pos[s - 1] = where(c, b, s - 1, lp_add(k, at->w0, r), tap[s - 1], rim, &inside);
    put(b, at->n, c->tx, a->xb, idx);
    if (c->depthwise) {
        lp_expr ch = lp_add(k, lp_mul(k, at->o, lp_int(k, c->lanes)), v);
        if (a->xg.n == 2) {     /* blocked: the block is one vector */
            idx[a->xg.at[0]] = at->o;
            idx[a->xg.at[1]] = v;
        } else {
            put(b, ch, c->tx, a->xg, idx);
        }
        for (int i = 0; i < a->xf.n; i++)
            idx[a->xf.at[i]] = zero;
    } else {
        put(b, at->g, c->tx, a->xg, idx);
        if (alike)
            for (int i = 0; i < a->xf.n; i++)
                idx[a->xf.at[i]] = feature[i];
        else
            put(b, f, c->tx, a->xf, idx);
    }
    for (int i = 0; i < s; i++)
        idx[a->xs.at[i]] = pos[i];
    body_forget(b);
    lp_expr xv = lp_cast(k, c->acc, guard_load(b, c->x, idx, inside));
    lp_expr wv;
    if (c->packed) {
        lp_expr vec = c->depthwise ? at->o : lp_add(k, lp_mul(k, at->o, lp_int(k, q)), u);
        lp_expr group = c->depthwise ? zero : at->g;
        wv = lp_load(k, wbuf, LP(group, vec, linear, f, v));
    } else {
        lp_expr wi[IR_MAX_RANK], ch = lp_mul(k, lp_add(k, lp_mul(k, at->o, lp_int(k, q)), u), lp_int(k, c->lanes));
        put(b, at->g, c->tw, a->wg, wi);
        put(b, lp_add(k, ch, v), c->tw, a->wo, wi);
        put(b, f, c->tw, a->wf, wi);
        for (int i = 0; i < s; i++)
            wi[a->ws.at[i]] = tap[i];
        lp_expr in = lp_lt(k, lp_add(k, ch, v), body_dim(b, extent_of(c, a->wo, c->tw)));
        wv = guard_load(b, c->w, wi, in);
    }
    wv = lp_cast(k, c->acc, wv);
    lp_expr old = lp_load(k, acc, LP(r, u, v));
    lp_store(k, acc, LP(r, u, v), dt_is_float(c->acc) ? lp_fma(k, xv, wv, old)
                                                      : lp_add(k, old, lp_mul(k, xv, wv)));
    for (open += 3; open--;)
        lp_end(k);

    /* The epilogue. */
    u = lp_unroll(k, "u", q);
    r = lp_unroll(k, "r", p);
    lp_expr first = lp_mul(k, c->depthwise ? at->o : lp_add(k, lp_mul(k, at->o, lp_int(k, q)), u), lp_int(k, c->lanes));
    ir_dim channels = c->depthwise ? extent_of(c, a->yg, c->ty) : extent_of(c, a->yo, c->ty);
    int64_t n;
    bool exact = dim_const(&c->j->l->m->dims, channels, &n) && n % (q * c->lanes) == 0;
    lp_expr left = lp_max(k, lp_min(k, lp_sub(k, body_dim(b, channels), first), lp_int(k, c->lanes)), zero);
    v = lp_vec(k, "v", zero, exact ? lp_int(k, c->lanes) : left, c->lanes, exact ? LP_EXACT : LP_MASKED);
    put(b, at->n, c->ty, a->yb, idx);
    ir_ints chan = c->depthwise ? a->yg : a->yo;
    int64_t block;
    if (chan.n == 2 && dim_const(&c->j->l->m->dims, c->ty->dim[chan.at[1]], &block) && block == c->lanes) {
        idx[chan.at[0]] = lp_div(k, first, lp_int(k, c->lanes));
        idx[chan.at[1]] = v;
    } else {
        put(b, lp_add(k, first, v), c->ty, chan, idx);
    }
    if (c->depthwise)
        for (int i = 0; i < a->yo.n; i++)
            idx[a->yo.at[i]] = zero;
    else
        put(b, at->g, c->ty, a->yg, idx);
    for (int i = 0; i < s; i++)
        idx[a->ys.at[i]] = i < s - 1 ? at->pos[i] : lp_add(k, at->w0, r);
    body_forget(b);
    b->given_expr = lp_cast(k, c->ty->dtype, lp_load(k, acc, LP(r, u, v)));
    lp_store(k, y, idx, body_at(b, c->j->out, idx));
    body_forget(b);
    for (int i = 0; i < 3; i++)
        lp_end(k);
}

/* With and without guards, chosen by where the tile lies. */
static void tile_both(const conv *c, body *b, lp_buf y, lp_buf wbuf, const place *at, int p)
{
    lp_kernel *k = b->k;
    const struct ir_attr_CONV *a = c->at;
    int i = c->s - 1;
    const dim_table *t = &c->j->l->m->dims;

    if (!has_rim(c, i)) {
        tile(c, b, y, wbuf, at, p, false);
        return;
    }
    if (!dim_is(t, a->ldil.at[i], 1)) {
        tile(c, b, y, wbuf, at, p, true);
        return;
    }
    lp_expr taps = lp_sub(k, body_dim(b, c->tw->dim[a->ws.at[i]]), lp_int(k, 1)), none = 0;
    lp_expr low = where(c, b, i, at->w0, lp_int(k, 0), false, &none);
    lp_expr high = where(c, b, i, lp_add(k, at->w0, lp_int(k, p - 1)), taps, false, &none);
    lp_if(k, lp_and(k, lp_le(k, lp_int(k, 0), low), lp_lt(k, high, body_dim(b, c->tx->dim[a->xs.at[i]]))));
    tile(c, b, y, wbuf, at, p, false);
    lp_else(k);
    tile(c, b, y, wbuf, at, p, true);
    lp_end(k);
}

/* All tiles of one row: sizes p and p - 1 that fill a constant extent evenly,
 * else p and single positions. */
static void row(const conv *c, body *b, lp_buf y, lp_buf wbuf, place *at)
{
    lp_kernel *k = b->k;
    ir_dim width = c->ty->dim[c->at->ys.at[c->s - 1]];
    int64_t w;

    if (dim_const(&c->j->l->m->dims, width, &w) && w > 0) {
        int64_t tiles = (w + c->p - 1) / c->p;
        int big = (int)((w + tiles - 1) / tiles);
        int64_t bigs = w - tiles * (big - 1);
        lp_expr i = lp_for(k, "wt", lp_int(k, 0), lp_int(k, bigs));
        at->w0 = lp_mul(k, i, lp_int(k, big));
        tile_both(c, b, y, wbuf, at, big);
        lp_end(k);
        if (bigs == tiles)
            return;
        i = lp_for(k, "wt", lp_int(k, 0), lp_int(k, tiles - bigs));
        at->w0 = lp_add(k, lp_int(k, bigs * big), lp_mul(k, i, lp_int(k, big - 1)));
        tile_both(c, b, y, wbuf, at, big - 1);
        lp_end(k);
        return;
    }
    lp_expr e = body_dim(b, width), whole = lp_div(k, e, lp_int(k, c->p));
    lp_expr i = lp_for(k, "wt", lp_int(k, 0), whole);
    at->w0 = lp_mul(k, i, lp_int(k, c->p));
    tile_both(c, b, y, wbuf, at, c->p);
    lp_end(k);
    at->w0 = lp_for(k, "ws", lp_mul(k, whole, lp_int(k, c->p)), e);
    tile(c, b, y, wbuf, at, 1, true);
    lp_end(k);
}

static bool make_kernel(conv *c)
{
    body b;
    const struct ir_attr_CONV *a = c->at;
    dim_table *t = &c->j->l->m->dims;
    place at = {0};
    ir_dim outer[3 + MAX_SPATIAL];
    lp_expr v[3 + MAX_SPATIAL];
    int n = 0;

    job_kernel(c->j, &b, c->depthwise ? "depthwise" : "conv");
    body_needs(&b, c->j->out);
    body_needs(&b, c->x);
    if (!c->packed)
        body_needs(&b, c->w);
    for (int i = 0; i < c->tx->rank; i++)
        body_dims(&b, c->tx->dim[i]);
    for (int i = 0; i < c->tw->rank; i++)
        body_dims(&b, c->tw->dim[i]);
    for (int i = 0; i < c->s; i++) {
        body_dims(&b, a->stride.at[i]);
        body_dims(&b, a->low.at[i]);
        body_dims(&b, a->ldil.at[i]);
        body_dims(&b, a->rdil.at[i]);
    }
    lp_buf wbuf = c->packed ? body_const(&b, c->weights) : 0;
    lp_buf y = body_output(&b, c->j->out);
    body_forget(&b);
    ir_dim channels = c->depthwise ? extent_of(c, a->yg, c->ty) : extent_of(c, a->yo, c->ty);
    int per = c->depthwise ? c->lanes : c->lanes * c->q;
    outer[n++] = extent_of(c, a->yb, c->ty);
    outer[n++] = c->depthwise ? (ir_dim){1} : extent_of(c, a->yg, c->ty);
    outer[n++] = dim_ceildiv(t, channels, dim_int(t, per));
    for (int i = 0; i < c->s - 1; i++)
        outer[n++] = c->ty->dim[a->ys.at[i]];
    int open = body_loops(&b, outer, n, v);
    at.n = v[0], at.g = v[1], at.o = v[2];
    for (int i = 0; i < c->s - 1; i++)
        at.pos[i] = v[3 + i];
    row(c, &b, y, wbuf, &at);
    while (open--)
        lp_end(b.k);
    return job_end(c->j, &b);
}

bool template_conv(job *j)
{
    conv c = {.j = j, .at = &j->root->attr->CONV};
    const ir_fn *fn = j->in->fn;
    dim_table *t = &j->l->m->dims;
    int64_t e[4];

    c.x = ir_arg(fn, j->root, 0), c.w = ir_arg(fn, j->root, 1);
    c.tx = ir_type_of(fn, c.x), c.tw = ir_type_of(fn, c.w), c.ty = ir_type_of(fn, j->root->first);
    c.s = c.at->xs.n;
    c.acc = acc_dtype(c.ty->dtype);
    c.lanes = lanes_of(j->l, c.acc);
    if (c.s < 1 || c.s > MAX_SPATIAL) {
        j->failed = "a convolution without spatial axes";
        return false;
    }
    bool flat = dim_const(t, extent_of(&c, c.at->wg, c.tw), &e[0]) &&
                dim_const(t, extent_of(&c, c.at->wo, c.tw), &e[1]) &&
                dim_const(t, extent_of(&c, c.at->wf, c.tw), &e[2]) &&
                dim_const(t, extent_of(&c, c.at->ws, c.tw), &e[3]);
    const ir_node *w = ir_node_of(fn, c.w);
    c.packed = flat && w->op == OP_CONST && e[0] * e[1] * e[2] * e[3] > 0;
    c.depthwise = c.packed && c.at->xg.n && e[1] == 1 && e[2] == 1 &&
                  (c.at->xg.n == 2 ? e[0] % c.lanes == 0 : false);
    bool many = j->l->target->vector_regs >= 32;
    c.q = flat && e[1] <= c.lanes ? 1 : 2;
    c.p = c.depthwise ? (many ? 14 : 8) : many ? 12 : c.q == 1 ? 10 : 6;
    c.depthwise = c.depthwise && !c.at->wo.n && !c.at->wf.n;
    if (c.depthwise) {          /* groups take the place of outputs */
        const int64_t turned[4] = {1, e[0], 1, e[3]};
        struct ir_attr_CONV swap = *c.at;
        conv g = c;
        swap.wo = c.at->wg;
        swap.wg = (ir_ints){0};
        g.at = &swap;
        c.weights = pack(&g, w->attr->CONST.id, turned, c.lanes);
    } else if (c.packed) {
        /* An odd number of channel vectors goes one by one. */
        if ((e[1] + c.lanes - 1) / c.lanes % 2)
            c.q = 1, c.p = many ? 14 : 10;
        c.weights = pack(&c, w->attr->CONST.id, e, c.lanes);
    }
    bool *stored = &((ir_groups *)j->in)->stored[j->out];
    *stored = false;
    bool ok = make_kernel(&c);
    *stored = true;
    return ok;
}
