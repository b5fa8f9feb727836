/* export/program_layer.c - dense layers, convolutions, pools and scaled channels: the layers
 * whose weights have to be brought into the library's order. */
#include <ctype.h>

#include "axes.h"
#include "program_writer.h"

/* Layers that a program brings along where the library has none so general. */
static const char *const helpers[] = {
    "# Each channel times a number, plus another: a batch norm whose means are known.\n"
    "layer scale_shift(x: [.., C, H, W]) -> [.., C, H, W] {\n"
    "    param scale: [C] = 1, shift: [C] = 0\n"
    "    y[c, p, q] = x[c, p, q] * scale[c] + shift[c]\n"
    "}\n",
    "# A convolution whose windows, strides and borders differ in height and width.\n"
    "layer window_conv(O, size, stride, low, high, dilation = [1, 1], groups = 1, bias = true)"
    "(x: [.., C, H, W]) {\n"
    "    param w: [O, C / groups, size[0], size[1]] = 0;  m = O / groups;  n = C / groups\n"
    "    u[c, :, k] = pad(low[0], high[0])(x[c, :, k])\n"
    "    v[c, h, :] = pad(low[1], high[1])(u[c, h])\n"
    "    y[g * m + o, p, q] = sum[c, i, j] v[g * n + c, p * stride[0] + i * dilation[0],"
    " q * stride[1] + j * dilation[1]] * w[g * m + o, c, i, j]\n"
    "    if bias { param b: [O] = 0;  z[o, p, q] = y[o, p, q] + b[o] } else { y }\n"
    "}\n"};
enum { SCALE_SHIFT, WINDOW_CONV };

void px_helpers(const px_file *f, text *out)
{
    for (size_t i = 0; i < COUNT(helpers); i++)
        if (f->helpers >> i & 1)
            text_add(out, "%s\n", helpers[i]);
}

/* Paths as the reader of the program makes them: net.conv1.w is the weight w of the
 * first conv in net. */
void px_take_weights(px *g, const px_said *s)
{
    px_file *f = g->file;

    if (!s->kind)
        return;
    uint32_t id = names_add(&f->kind, s->kind);
    if (id == f->count.len)
        vec_push(&f->count, 0u);
    const char *apart = isdigit((unsigned char)s->kind[strlen(s->kind) - 1]) ? "_" : "";
    uint32_t n = ++f->count.at[id];
    for (int i = 0; i < s->weights; i++) {
        const char *path = arena_printf(&f->mem, "%s.%s%s%u.%s", f->net, s->kind, apart, n,
                                        s->weight[i].name);
        vec_push(&f->weight, (px_weight){path, s->weight[i].constant});
    }
}

static int64_t known(const px *g, ir_dim d)
{
    int64_t v;

    return dim_const(&g->file->m->dims, d, &v) ? v : -1;
}

static bool is_range(ir_ints l, int first)
{
    for (int i = 0; i < l.n; i++)
        if (l.at[i] != first + i)
            return false;
    return true;
}

/* A constant added along one axis of x + b: b's elements; IR_NONE: it is no such sum.
 * Example: y[N, 8, H, W] + b[8] repeated, with axis 1. */
static uint32_t bias_of(px *g, ir_ref r, int axis, ir_ref *x)
{
    const ir_type *t = px_type(g, r);
    uint32_t c;

    if (px_node(g, r)->op != OP_ADD)
        return IR_NONE;
    for (uint32_t i = 0; i < 2; i++) {
        ir_ref b = px_arg(g, r, i);
        *x = px_arg(g, r, 1 - i);
        if (px_node(g, b)->op != OP_BROADCAST || !px_is_constant(g, px_arg(g, b, 0), &c))
            continue;
        const ir_ints axes = px_node(g, b)->attr->BROADCAST.axes;
        const ir_type *of = px_type(g, px_arg(g, b, 0));
        int64_t extent = known(g, t->dim[axis]), at = ir_find_axis(axes, axis);
        if (at >= 0 && extent > 0 && known(g, of->dim[at]) == extent &&
            type_count_const(&g->file->m->types, of) == extent)
            return px_reshaped(g, c, &extent, 1);
    }
    return IR_NONE;
}

/* ---- dense ---------------------------------------------------------------------------- */

/* x[.., I] by a constant matrix: s gets x and w[I, O]. */
static bool product(px *g, ir_ref r, px_said *s)
{
    const ir_node *n = px_node(g, r);
    uint32_t c;

    if (n->op != OP_DOT || !px_is_constant(g, px_arg(g, r, 1), &c))
        return false;
    const struct ir_attr_DOT *a = &n->attr->DOT;
    const ir_type *x = px_type(g, px_arg(g, r, 0)), *w = px_type(g, px_arg(g, r, 1));
    if (x->dtype != DT_F32 || w->dtype != DT_F32 || a->batch_a.n || a->sum_a.n != 1 ||
        w->rank != 2 || x->rank < 1 || a->sum_a.at[0] != x->rank - 1)
        return false;
    int32_t perm[2] = {a->sum_b.at[0], 1 - a->sum_b.at[0]};
    c = px_turned(g, c, perm);
    s->in = px_arg(g, r, 0);
    s->kind = "dense";
    s->text = arena_printf(&g->file->mem, "dense(%lld", (long long)known(g, w->dim[perm[1]]));
    s->weight[s->weights++] = (px_weight){"w", c};
    return c != IR_NONE;
}

static bool used_once(const px *g, ir_ref r)
{
    return g->uses[r] == 1;
}

/* The layer `open`, of text "conv(64, 3", with or without the bias c. */
static bool close_layer(px *g, px_said *s, uint32_t c)
{
    if (c != IR_NONE)
        s->weight[s->weights++] = (px_weight){"b", c};
    s->text = px_printf(g, "%s%s)", s->text, c == IR_NONE ? ", bias = false" : "");
    return true;
}

/* x w + b, or x w: with the bias if nothing else uses the product. */
static bool dense(px *g, ir_ref r, px_said *s)
{
    int rank = px_type(g, r)->rank;
    ir_ref x;
    uint32_t c = rank ? bias_of(g, r, rank - 1, &x) : IR_NONE;

    if (c != IR_NONE && used_once(g, x) && product(g, x, s))
        return close_layer(g, s, c);
    *s = (px_said){0};
    return product(g, r, s) && close_layer(g, s, IR_NONE);
}

/* ---- convolutions --------------------------------------------------------------------- */

/* The numbers of a convolution of pictures or series. */
typedef struct conv {
    const struct ir_attr_CONV *a;
    ir_ref x, w;
    int axes;                   /* spatial ones */
    int64_t groups, features, size[2], stride[2], low[2], high[2], dilation[2];
} conv;

/* Batch, channels, positions, in the order of the library. */
static bool usual_order(const struct ir_attr_CONV *a)
{
    int g = a->xg.n;

    return a->xb.n == 1 && a->xf.n == 1 && a->wo.n == 1 && a->wf.n == 1 && a->yb.n == 1 &&
           a->yo.n == 1 && g <= 1 && a->wg.n == g && a->yg.n == g && a->xb.at[0] == 0 &&
           a->yb.at[0] == 0 && is_range(a->xg, 1) && is_range(a->yg, 1) && is_range(a->wg, 0) &&
           a->xf.at[0] == 1 + g && a->yo.at[0] == 1 + g && a->wo.at[0] == g &&
           a->wf.at[0] == g + 1 && is_range(a->xs, 2 + g) && is_range(a->ys, 2 + g) &&
           is_range(a->ws, 2 + g);
}

/* False where a number is not known, or the library's layer has no word for it. */
static bool read_axes(px *g, conv *k)
{
    const ir_type *w = px_type(g, k->w);

    k->axes = k->a->xs.n;
    if (k->axes < 1 || k->axes > 2)
        return false;
    for (int i = 0; i < k->axes; i++) {
        k->size[i] = known(g, w->dim[k->a->ws.at[i]]);
        k->stride[i] = known(g, k->a->stride.at[i]);
        k->low[i] = known(g, k->a->low.at[i]);
        k->high[i] = known(g, k->a->high.at[i]);
        k->dilation[i] = known(g, k->a->rdil.at[i]);
        if (k->size[i] < 1 || k->stride[i] < 1 || k->low[i] < 0 || k->high[i] < 0 ||
            k->dilation[i] < 1 || known(g, k->a->ldil.at[i]) != 1)
            return false;
    }
    return true;
}

/* Numbers of r if it is a convolution of f32 in the library's order of axes. */
static bool read_conv(px *g, ir_ref r, conv *k)
{
    const ir_node *n = px_node(g, r);

    if (n->op != OP_CONV || px_type(g, r)->dtype != DT_F32)
        return false;
    k->a = &n->attr->CONV;
    k->x = px_arg(g, r, 0);
    k->w = px_arg(g, r, 1);
    const ir_type *w = px_type(g, k->w);
    if (px_type(g, k->x)->dtype != DT_F32 || !usual_order(k->a) || !read_axes(g, k))
        return false;
    k->groups = k->a->wg.n ? known(g, w->dim[0]) : 1;
    k->features = known(g, w->dim[k->a->wo.at[0]]) * k->groups;
    return k->groups > 0 && k->features > 0;
}

/* A convolution in groups stands between two reshapes. */
static bool read_grouped(px *g, ir_ref r, conv *k)
{
    if (px_node(g, r)->op != OP_RESHAPE || !used_once(g, px_arg(g, r, 0)) ||
        !read_conv(g, px_arg(g, r, 0), k) || !k->a->xg.n)
        return false;
    const ir_node *in = px_node(g, k->x);
    const ir_type *t = px_type(g, r);
    if (in->op != OP_RESHAPE || t->rank != 2 + k->axes || known(g, t->dim[1]) != k->features)
        return false;
    k->x = ir_arg(g->fn, in, 0);
    return px_type(g, k->x)->rank == 2 + k->axes;
}

/* w[G, O, C, R, S] as [G * O, C, R, S] */
static uint32_t conv_weights(px *g, const conv *k)
{
    const ir_type *w = px_type(g, k->w);
    int64_t shape[4] = {k->features, known(g, w->dim[k->a->wf.at[0]])};
    uint32_t c;

    if (!px_is_constant(g, k->w, &c))
        return IR_NONE;
    for (int i = 0; i < k->axes; i++)
        shape[2 + i] = k->size[i];
    return px_reshaped(g, c, shape, 2 + k->axes);
}

static bool is_square(const conv *k)
{
    for (int i = 0; i < k->axes; i++)
        if (k->low[i] != k->high[i] || k->low[i] != k->low[0] || k->size[i] != k->size[0] ||
            k->stride[i] != k->stride[0] || k->dilation[i] != k->dilation[0])
            return false;
    return true;
}

static const char *option(px *g, const char *s, const char *name, int64_t v, int64_t usual)
{
    if (v == usual)
        return s;
    return arena_printf(&g->file->mem, "%s, %s = %lld", s, name, (long long)v);
}

static const char *pair(px *g, const int64_t v[2])
{
    return arena_printf(&g->file->mem, "[%lld, %lld]", (long long)v[0], (long long)v[1]);
}

/* The call of the library's layer, open at its end. */
static const char *square_text(px *g, const conv *k)
{
    const char *s = arena_printf(&g->file->mem, "conv%s(%lld, %lld", k->axes == 1 ? "1" : "",
                                 (long long)k->features, (long long)k->size[0]);

    s = option(g, s, "stride", k->stride[0], 1);
    s = option(g, s, "pad", k->low[0], k->size[0] / 2);
    s = option(g, s, "dilation", k->dilation[0], 1);
    return option(g, s, "groups", k->groups, 1);
}

/* The call of the prelude's convolution, with only those options that differ from
 * its defaults. */
static const char *window_text(px *g, const conv *k)
{
    const char *s = arena_printf(&g->file->mem, "window_conv(%lld, %s, %s, %s, %s",
                                 (long long)k->features, pair(g, k->size), pair(g, k->stride),
                                 pair(g, k->low), pair(g, k->high));

    if (k->dilation[0] != 1 || k->dilation[1] != 1)
        s = px_printf(g, "%s, dilation = %s", s, pair(g, k->dilation));
    return option(g, s, "groups", k->groups, 1);
}

/* One with equal numbers in both directions is the library's `conv`; any other
 * brings window_conv along. */
static bool convolution(px *g, ir_ref r, px_said *s)
{
    conv k = {0};

    if (!read_grouped(g, r, &k) && !(read_conv(g, r, &k) && !k.a->xg.n))
        return false;
    uint32_t c = conv_weights(g, &k);
    if (c == IR_NONE || (!is_square(&k) && k.axes != 2))
        return false;
    *s = (px_said){.in = k.x, .weights = 1, .weight = {{"w", c}}};
    s->kind = !is_square(&k) ? "window_conv" : k.axes == 1 ? "conv1" : "conv";
    s->text = is_square(&k) ? square_text(g, &k) : window_text(g, &k);
    if (!is_square(&k))
        g->file->helpers |= 1u << WINDOW_CONV;
    return true;
}

/* With a bias if the sum behind it is one and nobody else reads the convolution. */
static bool conv_layer(px *g, ir_ref r, px_said *s)
{
    ir_ref x;
    uint32_t c = px_type(g, r)->rank > 2 ? bias_of(g, r, 1, &x) : IR_NONE;

    if (c != IR_NONE && used_once(g, x) && convolution(g, x, s))
        return close_layer(g, s, c);
    *s = (px_said){0};
    return convolution(g, r, s) && close_layer(g, s, IR_NONE);
}

/* ---- channels ------------------------------------------------------------------------- */

/* Constant c repeated along all axes but the second, of C elements. */
static bool per_channel(px *g, ir_ref b, uint32_t *c)
{
    const ir_type *t = px_type(g, b);
    int64_t extent = t->rank > 1 ? known(g, t->dim[1]) : -1;

    if (px_node(g, b)->op != OP_BROADCAST || extent < 1 ||
        !px_is_constant(g, px_arg(g, b, 0), c))
        return false;
    const ir_ints axes = px_node(g, b)->attr->BROADCAST.axes;
    const ir_type *of = px_type(g, px_arg(g, b, 0));
    int at = ir_find_axis(axes, 1);
    if (at < 0 || known(g, of->dim[at]) != extent ||
        type_count_const(&g->file->m->types, of) != extent)
        return false;
    *c = px_reshaped(g, *c, &extent, 1);
    return *c != IR_NONE;
}

/* x * scale + shift with constants of the channels: a batch norm in inference. */
static bool scale_shift(px *g, ir_ref r, px_said *s)
{
    uint32_t scale, shift;
    ir_ref x;

    if (px_type(g, r)->rank != 4 || (shift = bias_of(g, r, 1, &x)) == IR_NONE ||
        px_node(g, x)->op != OP_MUL || !used_once(g, x))
        return false;
    for (uint32_t i = 0; i < 2; i++) {
        if (!per_channel(g, px_arg(g, x, i), &scale))
            continue;
        *s = (px_said){.in = px_arg(g, x, 1 - i), .text = "scale_shift", .kind = "scale_shift",
                       .weights = 2, .weight = {{"scale", scale}, {"shift", shift}}};
        g->file->helpers |= 1u << SCALE_SHIFT;
        return true;
    }
    return false;
}

/* ---- pools ---------------------------------------------------------------------------- */

/* Square windows of the last two axes of four: their size, stride and border. */
static bool square_window(const px *g, const struct ir_attr_WINDOW *a, int64_t v[3])
{
    const ir_dims list[] = {a->size, a->stride, a->low, a->high, a->dil};
    static const int64_t none[] = {1, 1, 0, 0, 1};
    int64_t of[5];

    if (a->size.n != 4)
        return false;
    for (int i = 0; i < 5; i++) {
        of[i] = known(g, list[i].at[2]);
        if (of[i] != known(g, list[i].at[3]) || known(g, list[i].at[0]) != none[i] ||
            known(g, list[i].at[1]) != none[i])
            return false;
    }
    memcpy(v, of, 3 * sizeof *v);
    return of[0] > 0 && of[1] > 0 && of[2] >= 0 && of[2] == of[3] && of[4] == 1;
}

static const char *pool_text(px *g, const char *name, const int64_t v[3])
{
    const char *s = arena_printf(&g->file->mem, "%s(%lld", name, (long long)v[0]);

    if (v[1] != v[0])
        s = arena_printf(&g->file->mem, "%s, %lld", s, (long long)v[1]);
    return px_printf(g, "%s%s", option(g, s, "pad", v[2], 0), ")");
}

/* Square windows alone. */
static bool max_pool(px *g, ir_ref r, px_said *s)
{
    const ir_node *n = px_node(g, r);
    int64_t v[3];

    if (n->op != OP_WINDOW || n->attr->WINDOW.op != RED_MAX ||
        !square_window(g, &n->attr->WINDOW, v))
        return false;
    *s = (px_said){.in = px_arg(g, r, 0), .text = pool_text(g, "max_pool", v)};
    return true;
}

/* A sum that is divided by a number: the sum, which nothing else uses. */
static bool mean_of(px *g, ir_ref r, ir_ref *x, double *by)
{
    int64_t whole;

    if (px_node(g, r)->op != OP_DIV || !px_is_splat(g, px_arg(g, r, 1), by, &whole))
        return false;
    *x = px_arg(g, r, 0);
    return used_once(g, *x);
}

/* A sum of windows divided by their size; with a border the divisor would differ at
 * the rim. */
static bool mean_pool(px *g, ir_ref r, px_said *s)
{
    int64_t v[3];
    double by;
    ir_ref x;

    if (!mean_of(g, r, &x, &by) || px_node(g, x)->op != OP_WINDOW ||
        px_node(g, x)->attr->WINDOW.op != RED_SUM ||
        !square_window(g, &px_node(g, x)->attr->WINDOW, v) || v[2] ||
        by != (double)(v[0] * v[0]))
        return false;
    *s = (px_said){.in = px_arg(g, x, 0), .text = pool_text(g, "mean_pool", v)};
    return true;
}

/* The mean of the last two axes of four, which stay with extent 1 or go. */
static bool global_mean(px *g, ir_ref r, px_said *s)
{
    ir_ref x;
    double by;

    if (!mean_of(g, r, &x, &by))
        return false;
    if (px_node(g, x)->op == OP_RESHAPE)
        x = px_arg(g, x, 0);
    const ir_node *n = px_node(g, x);
    if (n->op != OP_REDUCE || n->attr->REDUCE.op != RED_SUM || n->attr->REDUCE.axes.n != 2 ||
        !is_range(n->attr->REDUCE.axes, 2) || !used_once(g, x))
        return false;
    const ir_type *t = px_type(g, px_arg(g, x, 0));
    if (t->rank != 4 || by != (double)(known(g, t->dim[2]) * known(g, t->dim[3])))
        return false;
    *s = (px_said){.in = px_arg(g, x, 0), .text = "global_mean",
                   .reshaped = px_type(g, r) != px_type(g, x)};
    return true;
}

/* A region has no layers with weights: a parameter is the net's. */
bool px_match_layer(px *g, ir_ref r, px_said *s)
{
    static bool (*const found[])(px *, ir_ref, px_said *) = {
        dense, conv_layer, scale_shift, max_pool, mean_pool, global_mean};

    enum { WITH_WEIGHTS = 3 };          /* the first ones */

    for (size_t i = g->inside ? WITH_WEIGHTS : 0; i < COUNT(found); i++) {
        *s = (px_said){0};
        if (found[i](g, r, s))
            return true;
    }
    *s = (px_said){0};
    return false;
}
