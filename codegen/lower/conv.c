/* codegen/lower/conv.c - convolutions, direct.
 *
 * One register tile is P positions of the last spatial axis by Q vectors of
 * output channels.  Weights are packed in panels [groups, channels / NR, taps,
 * features, NR], at compile time where they are constant, so that the inner step
 * loads the next Q vectors of one stream and P scalars of the image.  Depthwise: one
 * vector of channels, image and weights both vectors. */
#include "conv.h"

#include "bytes.h"
#include "const.h"
#include "pack.h"
#include "panel.h"
#include "winograd.h"

ir_dim conv_extent(const conv *c, ir_ints l, const ir_type *t)
{
    ir_dim p = {1};

    for (int i = 0; i < l.n; i++)
        p = dim_mul(&c->j->l->m->dims, p, t->dim[l.at[i]]);
    return p;
}

ir_ints conv_channels(const conv *c)
{
    return c->depthwise ? c->at->yg : c->at->yo;
}

ir_dim conv_steps(const conv *c)
{
    dim_table *t = &c->j->l->m->dims;
    ir_dim features = conv_extent(c, c->at->wf, c->tw);

    return c->together ? dim_div(t, features, dim_int(t, c->together)) : features;
}

/* Rows of the result: one where its only spatial axis is the tiles'. */
static ir_dim height_of(const conv *c)
{
    return c->spatial > 1 ? c->ty->dim[c->at->ys.at[0]] : (ir_dim){1};
}

/* ---- packing --------------------------------------------------------------------- */

/* The weights' axes of groups, channels, features and taps. */
typedef struct weight_axes {
    ir_ints groups, channels, features, taps;
} weight_axes;

static weight_axes axes_of_weights(const conv *c)
{
    const struct ir_attr_CONV *a = c->at;

    if (c->depthwise)
        return (weight_axes){.channels = a->wg, .taps = a->ws};
    return (weight_axes){a->wg, a->wo, a->wf, a->ws};
}

static int64_t constant_extent(const conv *c, ir_ints l)
{
    int64_t n = 1;

    dim_const(&c->j->l->m->dims, conv_extent(c, l, c->tw), &n);
    return n;
}

/* Constant weights [G, O, F, T] -> T numbers of a square for the taps, if it is made of
 * squares -> O padded to a multiple of NR -> [G, O/NR, T, F, NR], or where four features
 * lie together [G, O/NR, T, F/4, NR, 4] */
static uint32_t pack_const(const conv *c, uint32_t id)
{
    const weight_axes w = axes_of_weights(c);
    const ir_ints part[4] = {w.groups, w.channels, w.features, w.taps};
    static const int32_t last[5] = {0, 1, 4, 3, 2}, last_together[6] = {0, 1, 5, 3, 2, 4};
    pack p = {c->j->l->m, id};
    int64_t e[4], nr = schedule_panel(&c->s);
    int32_t perm[IR_MAX_RANK];
    int r = 0;

    for (int k = 0; k < 4; k++) {
        e[k] = constant_extent(c, part[k]);
        for (int i = 0; i < part[k].n; i++)
            perm[r++] = part[k].at[i];
    }
    pack_transpose(&p, perm, r);
    pack_reshape(&p, e, 4);
    if (c->s.square) {
        uint32_t matrix = winograd_matrix(p.m, c->s.square);
        pack_dot(&p, matrix);
        dim_const(&p.m->dims, p.m->consts.at[matrix].type->dim[0], &e[3]);
    }
    int64_t wide = pack_pad(&p, 1, (int)nr);
    if (c->together) {
        int64_t steps = e[2] / c->together;
        pack_reshape(&p, (int64_t[]){e[0], wide / nr, nr, steps, c->together, e[3]}, 6);
        pack_transpose(&p, last_together, 6);
    } else {
        pack_reshape(&p, (int64_t[]){e[0], wide / nr, nr, e[2], e[3]}, 5);
        pack_transpose(&p, last, 5);
    }
    return p.id;
}

lp_expr conv_weight(const conv *c, body *b, lp_expr group, lp_expr row, lp_expr channel)
{
    const weight_axes w = axes_of_weights(c);
    int32_t order[2 * IR_MAX_RANK];
    lp_expr idx[IR_MAX_RANK];
    int n = 0;

    for (int i = 0; i < w.features.n; i++)
        order[n++] = w.features.at[i];
    for (int i = 0; i < w.taps.n; i++)
        order[n++] = w.taps.at[i];
    body_split(b, group, c->tw, w.groups.at, w.groups.n, idx);
    body_split(b, channel, c->tw, w.channels.at, w.channels.n, idx);
    body_split(b, row, c->tw, order, n, idx);
    return body_at(b, c->w, idx);
}

static lp_expr weight_element(const void *cx, body *b, lp_expr group, lp_expr row, lp_expr channel)
{
    return conv_weight(cx, b, group, row, channel);
}

/* The same where features are multiplied together: `row` counts steps of them. */
static lp_expr weight_bytes(const void *cx, body *b, lp_expr group, lp_expr row, lp_expr channel)
{
    const conv *c = cx;
    lp_kernel *k = b->k;
    lp_expr taps = body_dim(b, conv_extent(c, axes_of_weights(c).taps, c->tw));
    lp_expr feature = lp_mul(k, lp_div(k, row, taps), lp_int(k, c->together));
    lp_expr tap = lp_mod(k, row, taps), all = 0;

    for (int i = 0; i < c->together; i++) {
        lp_expr at = lp_add(k, feature, lp_int(k, i));
        at = lp_add(k, lp_mul(k, at, taps), tap);
        all = bytes_add(k, all, i, lp_cast(k, DT_U8, conv_weight(c, b, group, at, channel)));
    }
    return lp_cast(k, bytes_second(c->together), all);
}

/* Element of the panels. */
static ir_dtype weight_dtype(const conv *c)
{
    return c->together ? bytes_second(c->together) : c->tw->dtype;
}

/* Row f * T + t of the weights is row t * F + f of a panel. */
static lp_expr weight_place(const void *cx, body *b, lp_expr row)
{
    const conv *c = cx;
    const weight_axes w = axes_of_weights(c);
    lp_kernel *k = b->k;
    lp_expr taps = body_dim(b, conv_extent(c, w.taps, c->tw));
    lp_expr features = body_dim(b, conv_steps(c));
    lp_expr tap = lp_mod(k, row, taps);

    return lp_add(k, lp_mul(k, tap, features), lp_div(k, row, taps));
}

/* Kernel that packs weights which only the run knows. */
static bool pack_at_run(conv *c)
{
    const weight_axes w = axes_of_weights(c);
    ir_dim rows = dim_mul(&c->j->l->m->dims, conv_steps(c), conv_extent(c, w.taps, c->tw));
    const panels p = {.j = c->j, .s = &c->s, .dtype = weight_dtype(c),
                      .outer = conv_extent(c, w.groups, c->tw),
                      .columns = conv_extent(c, w.channels, c->tw), .rows = rows, .cx = c,
                      .element = c->together ? weight_bytes : weight_element,
                      .place = weight_place};

    return panels_pack(&p, &c->weights);
}

static bool has_const_weights(const conv *c)
{
    const ir_node *w = ir_node_of(c->j->in->fn, c->w);

    return w->op == OP_CONST && const_bytes_of(c->j->l->m, w->attr->CONST.id) > 0;
}

/* Squares have numbers in place of weights, which winograd_kernels makes at run time. */
static bool place_weights(conv *c)
{
    if (!c->packed)
        return c->s.square || pack_at_run(c);
    c->weights = pack_const(c, ir_node_of(c->j->in->fn, c->w)->attr->CONST.id);
    return true;
}

/* The parameter with the panels. */
static lp_buf weight_buffer(const conv *c, body *b, ir_dim panels)
{
    const weight_axes w = axes_of_weights(c);
    lp_expr dims[5];

    if (c->packed && !c->together)
        return body_const(b, c->weights);
    dims[0] = body_dim(b, conv_extent(c, w.groups, c->tw));
    dims[1] = body_dim(b, panels);
    dims[2] = body_dim(b, conv_extent(c, w.taps, c->tw));
    dims[3] = body_dim(b, conv_steps(c));
    dims[4] = lp_int(b->k, schedule_panel(&c->s));
    return c->packed ? body_const_as(b, c->weights, weight_dtype(c), 5, dims)
                     : body_temp(b, c->weights, weight_dtype(c), 5, dims, false);
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
    const ir_dim cache = dim_int(t, schedule_cache(c->j->l->target));
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

/* Outer loops, all parallel as far as body_loops takes them: image, group, block of
 * rows, panel of channels, outer spatial axes.  The rows of a block follow one
 * after the other.  Extents are computed by the plan, once for all kernels, and layers
 * that differ in how theirs came about share one; what the tiles divide is divided here. */
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
    b.k->schedule = c->s;
    b.apart = true;
    ir_dim channels = conv_extent(c, conv_channels(c), c->ty);
    ir_dim height = height_of(c);
    outer[n++] = conv_extent(c, a->yb, c->ty);
    outer[n++] = c->depthwise ? (ir_dim){1} : conv_extent(c, a->yg, c->ty);
    n++;
    outer[n++] = dim_ceildiv(t, channels, dim_int(t, schedule_panel(&c->s)));
    for (int i = 1; i < c->spatial - 1; i++)
        outer[n++] = c->ty->dim[a->ys.at[i]];
    ir_dim others = dim_mul(t, dim_mul(t, outer[0], outer[1]), dim_product(t, outer + 3, n - 3));
    outer[2] = c->s.chunks ? dim_int(t, c->s.chunks) : row_blocks(c, height, others);
    int open = body_loops(&b, outer, n, v);
    at.n = v[0], at.g = c->depthwise ? lp_int(b.k, 0) : v[1], at.o = v[3];
    for (int i = 1; i < c->spatial - 1; i++)
        at.pos[i] = v[3 + i];
    at.pos[0] = row_loop(&b, v[2], outer[2], body_dim(&b, height), &open);
    conv_row(c, &b, weight_buffer(c, &b, outer[3]), &at);
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
    enum { TILE = 12 };
    arena *mem = &c->j->l->mem;
    ir_ints *const axes[] = {&own->xs, &own->ws, &own->ys};
    ir_dims *const facts[] = {&own->stride, &own->low, &own->high, &own->ldil, &own->rdil};
    int last = c->spatial - 1, to = last;
    int64_t extent;

    if (!dim_const(&c->j->l->m->dims, c->ty->dim[own->ys.at[last]], &extent) || extent >= TILE)
        return;
    for (int i = 0; i < last; i++)
        if (is_longer(c, own->ys.at[i], own->ys.at[to]))
            to = i;
    if (to == last)
        return;
    for (int i = 0; i < 3; i++) {
        int32_t *at = arena_copy(mem, axes[i]->at, (size_t)c->spatial * sizeof *at), was = at[last];
        at[last] = at[to], at[to] = was;
        axes[i]->at = at;
    }
    for (int i = 0; i < 5; i++) {
        ir_dim *at = arena_copy(mem, facts[i]->at, (size_t)c->spatial * sizeof *at), was = at[last];
        at[last] = at[to], at[to] = was;
        facts[i]->at = at;
    }
    c->at = own;
}

/* Groups in one block, if image and result have them in blocks of one size that
 * a vector holds; else 0. */
static int groups_of_block(const conv *c, int lanes)
{
    const dim_table *t = &c->j->l->m->dims;
    const struct ir_attr_CONV *a = c->at;
    int64_t x, y;
    bool alike = a->xg.n == 2 && a->yg.n == 2 && dim_const(t, c->tx->dim[a->xg.at[1]], &x) &&
                 dim_const(t, c->ty->dim[a->yg.at[1]], &y) && x == y;

    return alike && x > 1 && lanes % x == 0 ? (int)x : 0;
}

/* Channels of the result that lie side by side; 0: none. */
static int block_of_result(const conv *c, int lanes)
{
    ir_ints channels = c->at->yo;
    int64_t n;

    return channels.n == 2 && dim_const(&c->j->l->m->dims, c->ty->dim[channels.at[1]], &n) &&
                   n > 1 && (lanes % n == 0 || n % lanes == 0) ? (int)n : 0;
}

/* Sets the lanes of a vector.  One of half a register is a whole block where blocks
 * are that small: no lane of the last vector is idle, and no store is in two parts.
 * It must not cost speed.  Of a depthwise convolution a vector is a block. */
static int choose_lanes(conv *c)
{
    const struct ir_attr_CONV *a = c->at;
    int lanes = lanes_of(c->j->l, c->acc);

    c->depthwise = !a->wo.n && !a->wf.n && groups_of_block(c, lanes);
    c->block = c->depthwise ? groups_of_block(c, lanes) : block_of_result(c, lanes);
    if (c->depthwise || (c->j->l->target->half_as_fast && c->block * 2 == lanes))
        return c->block;
    return lanes;
}

/* Does each tap read a few neighbours in each of many far places?  So does a 1x1
 * filter of an image in blocks, which the processor does not foresee; bigger ones find
 * most of it in the cache. */
static bool reads_far(const conv *c)
{
    const dim_table *t = &c->j->l->m->dims;
    int64_t block;

    return !c->depthwise && c->at->xf.n == 2 && dim_is(t, conv_extent(c, c->at->ws, c->tw), 1) &&
           dim_const(t, c->tx->dim[c->at->xf.at[1]], &block) && block > 1;
}

/* Can parts of a sum have equal shares of the features, those that a block has side by
 * side? */
static bool is_shared(const conv *c)
{
    enum { MOST_PARTS = 8 };
    const ir_ints wf = c->at->wf;
    int64_t n;

    return wf.n && !c->together && dim_const(&c->j->l->m->dims, c->tw->dim[wf.at[wf.n - 1]], &n) &&
           n > 0 && n % MOST_PARTS == 0;
}

static void name_axes(const conv *c, const char *what, ir_ints axes, const ir_type *t, text *out)
{
    ir_dim e[IR_MAX_RANK];

    for (int i = 0; i < axes.n; i++)
        e[i] = t->dim[axes.at[i]];
    lower_name_extents(c->j->l, what, e, axes.n, out);
}

/* conv|depthwise g=GROUPS o=OUTPUTS f=FEATURES y=RESULT t=TAPS s=STRIDES l=DILATION DTYPE,
 * with the dilation of the image */
static void name_problem(const conv *c, text *out)
{
    const struct ir_attr_CONV *a = c->at;
    ir_dim groups = conv_extent(c, a->wg, c->tw), outputs = conv_extent(c, a->wo, c->tw);
    ir_dim features = conv_extent(c, a->wf, c->tw);

    text_add(out, c->depthwise ? "depthwise" : "conv");
    lower_name_extents(c->j->l, "g", &groups, 1, out);
    lower_name_extents(c->j->l, "o", &outputs, 1, out);
    lower_name_extents(c->j->l, "f", &features, 1, out);
    name_axes(c, "y", a->ys, c->ty, out);
    name_axes(c, "t", a->ws, c->tw, out);
    lower_name_extents(c->j->l, "s", a->stride.at, a->stride.n, out);
    lower_name_extents(c->j->l, "l", a->ldil.at, a->ldil.n, out);
    text_add(out, " %s", dt_text(c->tx->dtype));
    if (c->tw->dtype != c->tx->dtype)
        text_add(out, " %s", dt_text(c->tw->dtype));
}

/* A convolution as the product that it is: rows are positions of a row of the
 * result, columns output channels.  Extents that only the run knows are -1. */
static schedule choose_schedule(conv *c)
{
    const struct ir_attr_CONV *a = c->at;
    dim_table *t = &c->j->l->m->dims;
    int last = c->spatial - 1, lanes = choose_lanes(c);
    ir_dim width = dim_ceildiv(t, c->ty->dim[a->ys.at[last]], a->ldil.at[last]);
    bool fixed = c->depthwise || c->block || c->together;
    problem p = {.kind = PROBLEM_IMAGE, .rows = -1, .columns = -1, .row_bytes = -1,
                 .sums = c->acc, .lanes = fixed ? lanes : 0, .height = -1,
                 .second = c->packed ? OPERAND_CONST : OPERAND_APART,
                 .near = true, .by_lanes = c->depthwise,
                 .features = winograd_takes(c, lanes) ? constant_extent(c, a->wf) : 0,
                 .far_ahead = reads_far(c)};
    text name = {0};

    c->whole = p.whole = !is_shared(c);
    dim_const(t, width, &p.rows);
    if (dim_const(t, height_of(c), &p.height))
        p.height = max_i64(p.height, 1);
    if (c->depthwise)
        p.columns = lanes;
    else
        dim_const(t, conv_extent(c, a->wo, c->tw), &p.columns);
    name_problem(c, &name);
    schedule s = lower_schedule(c->j->l, &name, &p);
    text_free(&name);
    return s;
}

/* Many taps and few results have loops of their own, and so have few outputs; else weights
 * are put into panels, and the schedule decides between sums over taps and squares. */
bool template_conv(job *j)
{
    struct ir_attr_CONV own = j->root->attr->CONV;
    conv c = {.j = j, .at = &j->root->attr->CONV};
    const ir_fn *fn = j->in->fn;

    c.x = ir_arg(fn, j->root, 0), c.w = ir_arg(fn, j->root, 1);
    c.tx = ir_type_of(fn, c.x), c.tw = ir_type_of(fn, c.w), c.ty = ir_type_of(fn, j->root->first);
    c.spatial = c.at->xs.n;
    c.acc = acc_dtype(c.ty->dtype);
    if (c.spatial < 1 || c.spatial > CONV_MAX_SPATIAL) {
        j->failed = "a convolution with no spatial axes, or more than the template holds";
        return false;
    }
    if (conv_has_many_taps(&c))
        return conv_taps(&c);
    if (conv_has_lanes(&c))
        return conv_lanes(&c);
    choose_tile_axis(&c, &own);
    c.packed = has_const_weights(&c);
    c.together = conv_together(&c);
    c.s = choose_schedule(&c);
    return place_weights(&c) && (!c.together || conv_copy_image(&c)) &&
           (c.s.square ? winograd_kernels(&c) : make_kernel(&c));
}
