/* frontend/onnx/einsum.c - Einsum as diagonals, sums and products of two.
 *
 * Axes carry labels: the equation's letters, and for the axes of an ellipsis the
 * numbers 1, 2 .. counted from the last one, so that they meet as in numpy's
 * broadcasting.  Operands are multiplied from left to right; a label is summed
 * as soon as nothing behind it has it. */
#include "../onnx_build.h"

/* Letters as ASCII characters; 1, 2, .. below them for axes of an ellipsis. */
enum { LABELS = 128 };

/* The labels of a tensor's axes, in their order: "bij" is 3, {'b', 'i', 'j'}. */
typedef struct labels {
    int n;
    uint8_t at[IR_MAX_RANK];
} labels;

/* An operand, or a product of some, with what its axes are called by now. */
typedef struct term {
    ir_ref x;
    labels axis;
} term;

/* An equation at work.  Of "bij,bjk->bik": term[0] is bij, term[1] is bjk, out is
 * bik, count['j'] is 2, last['j'] is 1, so that the product of both sums over j. */
typedef struct einsum {
    onnx_op *n;
    const char *s;                  /* what is left of the equation */
    term *term;                     /* n->nin */
    int ellipsis;                   /* the most axes that one stands for */
    labels out;
    int count[LABELS];              /* axes of operands with the label */
    int last[LABELS];               /* the last operand with it, -1 */
    bool longer[LABELS];            /* an extent of it is not 1 */
} einsum;

static int find_label(const labels *l, uint8_t label)
{
    for (int i = 0; i < l->n; i++)
        if (l->at[i] == label)
            return i;
    return -1;
}

static void remove_label(labels *l, int i)
{
    l->n--;
    memmove(l->at + i, l->at + i + 1, (size_t)(l->n - i));
}

static bool add_label(einsum *e, labels *l, uint8_t label)
{
    if (l->n == IR_MAX_RANK)
        return onnx_fail(e->n, "a term of the equation has more than %d axes", IR_MAX_RANK);
    l->at[l->n++] = label;
    return true;
}

/* ---- the equation ---------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters up to ',', '-' or the end; the position of "..." goes to *dots, -1 if
 * there is none. */
static bool read_labels(einsum *e, labels *l, int *dots)
{
    *dots = -1;
    for (; *e->s && *e->s != ',' && *e->s != '-'; e->s++)
        if (*e->s == '.') {
            if (strncmp(e->s, "...", 3) || *dots >= 0)
                return onnx_fail(e->n, "the equation has a '.' that is no ellipsis");
            *dots = l->n;
            e->s += 2;
        } else if (is_letter(*e->s)) {
            if (!add_label(e, l, (uint8_t)*e->s))
                return false;
        } else if (*e->s != ' ') {
            return onnx_fail(e->n, "the equation has a character that is no letter");
        }
    return true;
}

/* `count` labels for the axes of an ellipsis at position `dots`. */
static bool insert_ellipsis(einsum *e, labels *l, int dots, int count)
{
    labels all = {.n = dots};

    memcpy(all.at, l->at, (size_t)dots);
    for (int i = count; i > 0; i--)
        if (!add_label(e, &all, (uint8_t)i))
            return false;
    for (int i = dots; i < l->n; i++)
        if (!add_label(e, &all, l->at[i]))
            return false;
    *l = all;
    return true;
}

/* term := {label | '...'}, of operand i, with ',' before all but the first.  The ellipsis
 * stands for the axes that no label names. */
static bool read_term(einsum *e, int i)
{
    term *t = &e->term[i];
    int dots, rank;

    t->x = onnx_in(e->n, i);
    if (t->x == IR_NONE)
        return onnx_fail(e->n, "operand %d is missing", i);
    rank = onnx_rank(e->n, t->x);
    if (i && *e->s++ != ',')
        return onnx_fail(e->n, "the equation has %d terms for %d operands", i, e->n->nin);
    if (!read_labels(e, &t->axis, &dots))
        return false;
    int count = rank - t->axis.n;
    if (count < 0 || (dots < 0 && count))
        return onnx_fail(e->n, "operand %d has %d axes, its term %d", i, rank, t->axis.n);
    if (count > e->ellipsis)
        e->ellipsis = count;
    return dots < 0 || insert_ellipsis(e, &t->axis, dots, count);
}

/* How often each label stands in the terms, and in which term last. */
static void count_labels(einsum *e)
{
    for (int c = 0; c < LABELS; c++)
        e->last[c] = -1;
    for (int i = 0; i < e->n->nin; i++)
        for (int k = 0; k < e->term[i].axis.n; k++) {
            uint8_t label = e->term[i].axis.at[k];
            e->count[label]++;
            e->last[label] = i;
        }
}

/* Without "->": the letters that stand once, in their order. */
static bool implicit_result(einsum *e)
{
    for (int c = 'A'; c <= 'z'; c++)
        if (e->count[c] == 1 && !add_label(e, &e->out, (uint8_t)c))
            return false;
    return insert_ellipsis(e, &e->out, 0, e->ellipsis);
}

/* result := ['->' {label | '...'}] */
static bool read_result(einsum *e)
{
    int dots;

    if (!*e->s)
        return implicit_result(e);
    if (*e->s == ',')
        return onnx_fail(e->n, "the equation has more than %d terms", e->n->nin);
    if (e->s[1] != '>')
        return onnx_fail(e->n, "the equation has a '-' that is no arrow");
    e->s += 2;
    if (!read_labels(e, &e->out, &dots))
        return false;
    if (*e->s)
        return onnx_fail(e->n, "the equation goes on behind its result");
    for (int i = 0; i < e->out.n; i++)
        if (!e->count[e->out.at[i]] || find_label(&e->out, e->out.at[i]) < i)
            return onnx_fail(e->n, "label '%c' of the result stands in no operand or twice",
                             e->out.at[i]);
    return dots < 0 || insert_ellipsis(e, &e->out, dots, e->ellipsis);
}

/* ---- operands alone ---------------------------------------------------------------- */

/* x[.., i, .., i, ..] for the axes a < b: the diagonal becomes the first axis. */
static bool take_diagonal(onnx_op *n, term *t, int a, int b)
{
    const ir_type *ty = onnx_type(n, t->x);
    ir_dim shape[IR_MAX_RANK], extent = ty->dim[a];
    uint8_t label = t->axis.at[a];

    if (dim_differ(onnx_dims(n), extent, ty->dim[b]))
        return onnx_fail(n, "label '%c' stands for two extents of one operand", label);
    memcpy(shape, ty->dim, (size_t)ty->rank * sizeof *shape);
    shape[b] = extent;              /* a check, where it is not known */
    t->x = ir_reshape(n->b, t->x, shape, ty->rank);
    ir_ref i = ir_iota(n->b, DT_I64, &extent, 1, 0);
    t->x = ir_gather(n->b, t->x, (ir_ref[]){i, i}, (int32_t[]){a, b}, 2, false);
    remove_label(&t->axis, b);
    memmove(t->axis.at + 1, t->axis.at, (size_t)a);
    t->axis.at[0] = label;
    return t->x != IR_NONE;
}

/* "ii->i" and "ii->": a label that stands twice in one operand. */
static bool take_diagonals(onnx_op *n, term *t)
{
    for (int b = t->axis.n - 1; b > 0; b--) {
        int a = find_label(&t->axis, t->axis.at[b]);
        if (a == b)
            continue;
        if (!take_diagonal(n, t, a, b))
            return false;
        b = t->axis.n;
    }
    return true;
}

/* A label whose extent is 1 in one operand and 5 in another is broadcast. */
static void mark_longer(einsum *e, const term *t)
{
    for (int k = 0; k < t->axis.n; k++)
        if (!dim_is(onnx_dims(e->n), onnx_dim(e->n, t->x, k), 1))
            e->longer[t->axis.at[k]] = true;
}

/* Axes of extent 1 that meet longer ones: they are stretched, so need not be. */
static void drop_ones(const einsum *e, term *t)
{
    for (int k = t->axis.n - 1; k >= 0; k--)
        if (e->longer[t->axis.at[k]] && dim_is(onnx_dims(e->n), onnx_dim(e->n, t->x, k), 1)) {
            t->x = ir_squeeze(e->n->b, t->x, k);
            remove_label(&t->axis, k);
        }
}

/* Has the result, or an operand from `first` on, the label? */
static bool is_wanted(const einsum *e, uint8_t label, int first)
{
    return e->last[label] >= first || find_label(&e->out, label) >= 0;
}

/* Sums t over the labels that neither `with` has nor anything from `first` on. */
static void sum_lone(const einsum *e, term *t, const term *with, int first)
{
    int32_t axes[IR_MAX_RANK];
    int n = 0;
    labels rest = {0};

    for (int k = 0; k < t->axis.n; k++) {
        uint8_t label = t->axis.at[k];
        if ((with && find_label(&with->axis, label) >= 0) || is_wanted(e, label, first))
            rest.at[rest.n++] = label;
        else
            axes[n++] = k;
    }
    if (n)
        t->x = ir_reduce(e->n->b, t->x, RED_SUM, axes, n);
    t->axis = rest;
}

/* ---- products ------------------------------------------------------------------------ */

/* x * y: labels of both are summed, but those wanted from operand `first` on. */
static bool multiply(const einsum *e, term *x, const term *y, int first)
{
    int32_t bx[IR_MAX_RANK], by[IR_MAX_RANK], sx[IR_MAX_RANK], sy[IR_MAX_RANK];
    int batch = 0, sum = 0;
    labels axis = {0}, free = {0};

    for (int k = 0; k < x->axis.n; k++) {
        uint8_t label = x->axis.at[k];
        int other = find_label(&y->axis, label);
        if (other < 0)
            free.at[free.n++] = label;
        else if (is_wanted(e, label, first))
            bx[batch] = k, by[batch++] = other, axis.at[axis.n++] = label;
        else
            sx[sum] = k, sy[sum++] = other;
    }
    x->x = ir_dot(e->n->b, x->x, y->x, (ir_ints){batch, bx}, (ir_ints){batch, by},
                  (ir_ints){sum, sx}, (ir_ints){sum, sy});
    memcpy(axis.at + axis.n, free.at, (size_t)free.n);
    axis.n += free.n;
    for (int k = 0; k < y->axis.n && x->x != IR_NONE; k++)
        if (find_label(&x->axis, y->axis.at[k]) < 0)
            axis.at[axis.n++] = y->axis.at[k];
    x->axis = axis;
    return x->x != IR_NONE;
}

/* The operands' product in the result's order. */
static bool contract(const einsum *e)
{
    term all = e->term[0];
    int32_t perm[IR_MAX_RANK];

    for (int i = 1; i < e->n->nin; i++) {
        sum_lone(e, &all, &e->term[i], i + 1);
        sum_lone(e, &e->term[i], &all, i + 1);
        if (!multiply(e, &all, &e->term[i], i + 1))
            return false;
    }
    sum_lone(e, &all, NULL, e->n->nin);
    for (int k = 0; k < e->out.n; k++)
        perm[k] = find_label(&all.axis, e->out.at[k]);
    return onnx_out(e->n, 0, ir_transpose(e->n->b, all.x, perm));
}

bool onnx_einsum(onnx_op *n)
{
    const Onnx__AttributeProto *a = onnx_attr(n, "equation");
    einsum e = {.n = n};

    if (!a || n->nin < 1)
        return onnx_fail(n, "takes an equation and operands");
    e.s = arena_strndup(&n->b->m->mem, (const char *)a->s.data, a->s.len);
    e.term = arena_array(&n->b->m->mem, term, n->nin);
    for (int i = 0; i < n->nin; i++)
        if (!read_term(&e, i))
            return false;
    count_labels(&e);
    if (!read_result(&e))
        return false;
    for (int i = 0; i < n->nin; i++) {
        if (!take_diagonals(n, &e.term[i]))
            return false;
        mark_longer(&e, &e.term[i]);
    }
    for (int i = 0; i < n->nin; i++)
        drop_ones(&e, &e.term[i]);
    return contract(&e);
}
