/* frontend/onnx/trees.c - ensembles of decision trees (ai.onnx.ml), as tables.
 *
 * The nodes of all trees are rows of tables: which feature, which value, what is next.
 * One position a row of x and tree goes from root to leaf in as many rounds as the deepest
 * tree has; leaves are next to themselves.  What the leaves give is gathered and reduced
 * over the trees. */
#include "forest.h"

#include <float.h>
#include <math.h>

enum { MOST_WEIGHTS = 1 << 26 };

/* An ensemble on its way to nodes: rows of the tables are inner nodes, then leaves. */
typedef struct grove {
    onnx_op *n;
    forest f;
    uint32_t inner, leaves;
    uint32_t *row;              /* by node of the forest */
    ir_ref x;                   /* [N,F] */
    ir_dtype dt;                /* of comparisons */
} grove;

static bool is_leaf(const tree_node *t)
{
    return t->mode == TREE_LEAF;
}

static void number_rows(grove *g)
{
    uint32_t count = g->f.node.len, inner = 0, leaf = 0;

    for (uint32_t i = 0; i < count; i++)
        g->inner += !is_leaf(&g->f.node.at[i]);
    g->leaves = count - g->inner;
    g->row = arena_array(&g->n->b->m->mem, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++)
        g->row[i] = is_leaf(&g->f.node.at[i]) ? g->inner + leaf++ : inner++;
}

/* ---- tables -------------------------------------------------------------------------------- */

typedef int64_t column(const grove *g, const tree_node *t);

static int64_t col_feature(const grove *g, const tree_node *t)
{
    (void)g;
    return is_leaf(t) ? 0 : t->feature;
}

static int64_t col_yes(const grove *g, const tree_node *t) { return g->row[t->yes]; }
static int64_t col_no(const grove *g, const tree_node *t) { return g->row[t->no]; }
static int64_t col_mode(const grove *g, const tree_node *t) { return (void)g, t->mode; }
static int64_t col_nan(const grove *g, const tree_node *t) { return (void)g, t->nan_is_true; }

static ir_ref table(const grove *g, ir_build *b, column *value)
{
    uint32_t count = g->f.node.len;
    int64_t *v = arena_array(&b->m->mem, int64_t, count + 1);

    for (uint32_t i = 0; i < count; i++)
        v[g->row[i]] = value(g, &g->f.node.at[i]);
    return ir_i64s(b, v, (int)count);
}

/* Numbers as a constant of this type and shape. */
static ir_ref numbers(ir_build *b, const double *v, int64_t count, const ir_dim *shape, int rank,
                      ir_dtype dt)
{
    float *f = arena_array(&b->m->mem, float, count + 1);

    for (int64_t i = 0; i < count; i++)
        f[i] = (float)v[i];
    return ir_const_ref(b, const_copy(b->m, ir_ty(b, dt, shape, rank),
                                      dt == DT_F64 ? (const void *)v : f,
                                      (size_t)count * (size_t)dt_size(dt)));
}

static ir_ref values(const grove *g, ir_build *b)
{
    uint32_t count = g->f.node.len;
    double *v = arena_array(&b->m->mem, double, count + 1);

    for (uint32_t i = 0; i < count; i++)
        v[g->row[i]] = is_leaf(&g->f.node.at[i]) ? 0 : g->f.node.at[i].value;
    return numbers(b, v, count, (ir_dim[]){{count}}, 1, g->dt);
}

/* ---- the way down ------------------------------------------------------------------------ */

/* Rows of a table at these positions. */
static ir_ref look_up(ir_build *b, ir_ref tab, ir_ref at)
{
    return ir_gather(b, tab, &at, (const int32_t[]){0}, 1, false);
}

static ir_ref holds(ir_build *b, tree_mode mode, ir_ref x, ir_ref v)
{
    switch (mode) {
    case TREE_LEQ: return ir_2(b, OP_LE, x, v);
    case TREE_LT: return ir_2(b, OP_LT, x, v);
    case TREE_GTE: return ir_2(b, OP_LE, v, x);
    case TREE_GT: return ir_2(b, OP_LT, v, x);
    case TREE_EQ: return ir_2(b, OP_EQ, x, v);
    default: return ir_2(b, OP_NE, x, v);
    }
}

/* Does x compare with v as the node at this position says?  Of modes that no node has
 * nothing is made. */
static ir_ref compare(const grove *g, ir_build *b, ir_ref at, ir_ref x, ir_ref v)
{
    bool used[TREE_LEAF] = {false}, nan = false;
    ir_ref r = IR_NONE, mode = IR_NONE;

    for (uint32_t i = 0; i < g->f.node.len; i++) {
        const tree_node *t = &g->f.node.at[i];
        if (is_leaf(t))
            continue;
        used[t->mode] = true;
        nan |= t->nan_is_true;
    }
    for (int m = 0; m < TREE_LEAF; m++) {
        if (!used[m])
            continue;
        ir_ref y = holds(b, (tree_mode)m, x, v);
        if (r != IR_NONE && mode == IR_NONE)
            mode = look_up(b, table(g, b, col_mode), at);
        r = r == IR_NONE ? y : ir_select(b, ir_b2(b, OP_EQ, mode, ir_int(b, DT_I64, m)), y, r);
    }
    if (!nan || !dt_is_float(g->dt))
        return r;
    ir_ref counts = ir_cast(b, look_up(b, table(g, b, col_nan), at), DT_BOOL);
    return ir_2(b, OP_OR, r, ir_2(b, OP_AND, counts, ir_1(b, OP_ISNAN, x)));
}

/* One round of the loop: where the positions, [N,T], are next. */
static ir_ref descend(const grove *g, ir_build *b, ir_ref at, ir_ref x)
{
    const ir_type *t = ir_type_of(b->fn, at);
    const int32_t axes[2] = {0, 1};
    ir_ref index[2] = {ir_iota(b, DT_I64, t->dim, 2, 0), look_up(b, table(g, b, col_feature), at)};
    ir_ref v = look_up(b, values(g, b), at);
    ir_ref yes = look_up(b, table(g, b, col_yes), at), no = look_up(b, table(g, b, col_no), at);

    x = ir_gather(b, x, index, axes, 2, false);
    return ir_select(b, compare(g, b, at, x, v), yes, no);
}

/* The leaf, counted from 0, of each row and tree: i64[N,T]. */
static ir_ref leaves(const grove *g)
{
    ir_build *b = g->n->b;
    uint32_t trees = g->f.root.len;
    int64_t *root = arena_array(&b->m->mem, int64_t, trees + 1);
    ir_dim shape[2] = {onnx_dim(g->n, g->x, 0), {trees}};
    ir_loop l;

    for (uint32_t i = 0; i < trees; i++)
        root[i] = g->row[g->f.root.at[i]];
    ir_ref at = ir_broadcast_axis(b, ir_i64s(b, root, (int)trees), shape, 2, 1);
    ir_loop_begin(&l, b, "trees");
    l.at.trip = dim_int(onnx_dims(g->n), g->f.depth);
    ir_ref in = ir_loop_carry(&l, "at", at, NULL);
    ir_loop_next(&l, descend(g, &l.body, in, ir_loop_capture(&l, "x", g->x)));
    at = ir_loop_end(&l);
    return ir_b2(b, OP_SUB, at, ir_int(b, DT_I64, g->inner));
}

/* x as [N,F] in the type that it is compared in, wide enough for all features. */
static bool take_rows(grove *g)
{
    onnx_op *n = g->n;
    ir_ref x = onnx_in(n, 0);
    dim_table *t = onnx_dims(n);
    int64_t most = 0, have;

    if (onnx_rank(n, x) == 1)
        x = ir_unsqueeze(n->b, x, 0);
    if (onnx_rank(n, x) != 2)
        return onnx_fail(n, "takes rows of features, rank 2");
    g->dt = onnx_dtype(n, x) == DT_F64 ? DT_F64 : g->f.values;
    g->x = ir_cast(n->b, x, g->dt);
    for (uint32_t i = 0; i < g->f.node.len; i++) {
        if (col_feature(g, &g->f.node.at[i]) < 0)
            return onnx_fail(n, "nodes_featureids: a feature is negative");
        most = max_i64(most, col_feature(g, &g->f.node.at[i]));
    }
    ir_dim width = onnx_dim(n, x, 1);
    if (dim_const(t, width, &have) && have <= most)
        return onnx_fail(n, "a tree reads feature %lld of rows of %lld", (long long)most,
                         (long long)have);
    ir_check_dims(n->b, dim_lt(t, dim_int(t, most), width), "rows have too few features");
    return true;
}

/* ---- what the leaves give ---------------------------------------------------------------- */

typedef enum tree_sum { SUM, AVERAGE, LEAST, MOST } tree_sum;

/* By leaf and target, [L,C]; `nothing` where a leaf gives nothing. */
static ir_ref weights(const grove *g, int64_t targets, tree_sum sum, double nothing)
{
    onnx_op *n = g->n;
    int64_t count = (int64_t)g->leaves * targets;
    double *v = arena_array(&n->b->m->mem, double, count + 1);

    for (int64_t i = 0; i < count; i++)
        v[i] = nothing;
    for (uint32_t i = 0; i < g->f.weight.len; i++) {
        const tree_weight *w = &g->f.weight.at[i];
        double *at = &v[(g->row[w->node] - g->inner) * targets + w->target];
        *at = sum == LEAST ? fmin(*at, w->value) : sum == MOST ? fmax(*at, w->value)
                                                               : *at + w->value;
    }
    return numbers(n->b, v, count, (ir_dim[]){{g->leaves}, {targets}}, 2, g->f.values);
}

static bool check_targets(const grove *g, int64_t targets)
{
    if (targets < 1 || targets > MOST_WEIGHTS || g->leaves > MOST_WEIGHTS / targets)
        return targets < 1 ? onnx_fail(g->n, "there are no targets")
                           : onnx_gap(g->n, "more than 2^26 weights of leaves and targets");
    for (uint32_t i = 0; i < g->f.weight.len; i++)
        if (g->f.weight.at[i].target < 0 || g->f.weight.at[i].target >= targets)
            return onnx_fail(g->n, "there is no target or class %lld",
                             (long long)g->f.weight.at[i].target);
    return g->leaves || onnx_fail(g->n, "the trees have no leaves");
}

/* All trees together, [N,targets]; IR_NONE after an error. */
static ir_ref aggregate(grove *g, int64_t targets, tree_sum sum)
{
    onnx_op *n = g->n;
    const int32_t over[1] = {1};
    double nothing = sum < LEAST ? 0 : g->f.values == DT_F64 ? DBL_MAX : (double)FLT_MAX;

    number_rows(g);
    if (!check_targets(g, targets) || !take_rows(g))
        return IR_NONE;
    ir_ref y = look_up(n->b, weights(g, targets, sum, sum == MOST ? -nothing : nothing), leaves(g));
    y = ir_reduce(n->b, y, sum < LEAST ? RED_SUM : sum == MOST ? RED_MAX : RED_MIN, over, 1);
    if (sum == AVERAGE)
        y = ir_b2(n->b, OP_DIV, y, ir_float(n->b, g->f.values, g->f.root.len));
    return y;
}

/* ---- behind the sum ------------------------------------------------------------------------ */

/* y with base values: one, or one a target. */
static bool add_base(onnx_op *n, ir_ref *y)
{
    const double *base;
    int64_t count;
    ir_dtype dt = onnx_dtype(n, *y);

    if (!forest_numbers(n, "base_values", "base_values_as_tensor", &base, &count, &dt))
        return false;
    if (count > 0)
        *y = ir_b2(n->b, OP_ADD, *y,
                   numbers(n->b, base, count, (ir_dim[]){{count}}, 1, onnx_dtype(n, *y)));
    return *y != IR_NONE;
}

static const char transforms[] = "NONE SOFTMAX LOGISTIC SOFTMAX_ZERO PROBIT";
enum { POST_NONE, POST_SOFTMAX, POST_LOGISTIC };

static bool transform(onnx_op *n, int post, ir_ref *y)
{
    if (post > POST_LOGISTIC)
        return onnx_gap(n, "post_transform SOFTMAX_ZERO or PROBIT");
    if (post == POST_SOFTMAX)
        *y = onnx_softmax_of(n, *y, 1, false);
    if (post == POST_LOGISTIC)
        *y = ir_1(n->b, OP_SIGMOID, *y);
    return *y != IR_NONE;
}

/* Targets as one sum of the trees each. */
bool onnx_tree_regressor(onnx_op *n)
{
    static const tree_sum kind[] = {SUM, AVERAGE, LEAST, MOST};
    tree_sum sum = kind[onnx_choice_index(n, "aggregate_function", "SUM AVERAGE MIN MAX")];
    grove g = {.n = n};
    ir_ref y = IR_NONE;
    bool ok = forest_read(n, "target", &g.f);

    if (ok)
        y = aggregate(&g, onnx_int(n, "n_targets", 1), sum);
    forest_free(&g.f);
    return y != IR_NONE && add_base(n, &y) &&
           transform(n, onnx_choice_index(n, "post_transform", transforms), &y) &&
           onnx_out_as(n, 0, y, DT_F32);
}

bool onnx_tree_ensemble(onnx_op *n)
{
    static const tree_sum kind[] = {AVERAGE, SUM, LEAST, MOST};
    int64_t sum = onnx_int(n, "aggregate_function", 1), post = onnx_int(n, "post_transform", 0);
    grove g = {.n = n};
    ir_ref y = IR_NONE;

    if (sum < 0 || sum > 3 || post < 0 || post > 4)
        return onnx_fail(n, "aggregate_function or post_transform is none");
    if (forest_read_leaves(n, &g.f))
        y = aggregate(&g, onnx_int(n, "n_targets", 1), kind[sum]);
    forest_free(&g.f);
    return y != IR_NONE && transform(n, (int)post, &y) &&
           onnx_out_as(n, 0, y, onnx_dtype(n, onnx_in(n, 0)));
}

/* ---- classes ----------------------------------------------------------------------------- */

/* Two classes of which all leaves give weights to one, as ONNX Runtime, by whose scores such
 * models were made, has them; y: the sums [N,1].  They decide alone: *label says whether it
 * is the second class.  Given to the second class they are its scores, and the first has 0;
 * given to the first they are those of the second nevertheless, and the first has what is
 * left to 1 if no weight is negative, else the opposite. */
static bool two_classes(onnx_op *n, ir_ref *y, bool second, bool positive, int post, ir_ref *label)
{
    ir_build *b = n->b;
    ir_ref limit = onnx_like(n, *y, positive ? 0.5 : 0), other = ir_1(b, OP_NEG, *y);

    *label = ir_cast(b, ir_squeeze(b, ir_b2(b, OP_LT, limit, *y), 1), DT_I64);
    if (second)
        other = onnx_splat_like(n, *y, 0);
    else if (positive && post != POST_LOGISTIC)
        other = ir_b2(b, OP_SUB, onnx_like(n, *y, 1), *y);
    *y = ir_concat(b, (ir_ref[]){other, *y}, 2, 1);
    return transform(n, !second && post == POST_SOFTMAX ? POST_NONE : post, y);
}

/* Do all leaves give weights to the same class, and are none negative? */
static bool one_class(const forest *f, bool *positive)
{
    bool same = true;

    *positive = true;
    for (uint32_t i = 0; i < f->weight.len; i++) {
        same &= f->weight.at[i].target == f->weight.at[0].target;
        *positive &= f->weight.at[i].value >= 0;
    }
    return same;
}

static ir_ref first_most(ir_build *b, ir_ref y)
{
    const ir_attr a = {.ARGREDUCE = {.axis = 1, .op = RED_MAX}};

    return ir_make(b, OP_ARGREDUCE, &y, 1, &a);
}

/* Scores and labels of the forest, which is read. */
static bool classify(grove *g, const int64_t *labels, int count)
{
    onnx_op *n = g->n;
    int post = onnx_choice_index(n, "post_transform", transforms);
    bool positive, two = one_class(&g->f, &positive) && count == 2 && g->f.weight.len;
    bool second = two && g->f.weight.at[0].target == 1;
    ir_ref label;

    for (uint32_t i = 0; two && i < g->f.weight.len; i++)
        g->f.weight.at[i].target = 0;
    ir_ref y = aggregate(g, two ? 1 : count, SUM);
    if (second && onnx_attr(n, "base_values"))
        return onnx_gap(n, "base values beside weights of the second class alone");
    if (y == IR_NONE || !add_base(n, &y))
        return false;
    if (two && onnx_dim(n, y, 1).v != 1)
        return onnx_gap(n, "two base values for one score");
    if (!two)
        label = first_most(n->b, y);
    if (two ? !two_classes(n, &y, second, positive, post, &label) : !transform(n, post, &y))
        return false;
    return onnx_out(n, 0, look_up(n->b, ir_i64s(n->b, labels, count), label)) &&
           onnx_out_as(n, 1, y, DT_F32);
}

bool onnx_tree_classifier(onnx_op *n)
{
    grove g = {.n = n};
    int count;
    const int64_t *labels = onnx_ints(n, "classlabels_int64s", &count);

    if (onnx_attr(n, "classlabels_strings"))
        return onnx_gap(n, "labels that are strings");
    if (count < 2)
        return onnx_gap(n, "fewer than two labels");
    bool ok = forest_read(n, "class", &g.f) && classify(&g, labels, count);
    forest_free(&g.f);
    return ok;
}
