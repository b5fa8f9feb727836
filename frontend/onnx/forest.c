/* frontend/onnx/forest.c - reading ensembles of trees. */
#include "forest.h"

#include <stdlib.h>

#include "num.h"

void forest_free(forest *f)
{
    vec_free(&f->node);
    vec_free(&f->root);
    vec_free(&f->weight);
}

/* Elements of a tensor attribute as doubles. */
static bool tensor_numbers(onnx_op *n, const Onnx__TensorProto *t, const double **out, int64_t *len,
                           ir_dtype *dt)
{
    ir_ref x = onnx_tensor(n, t);

    if (x == IR_NONE)
        return false;
    uint32_t id = ir_node_of(n->b->fn, x)->attr->CONST.id;
    ir_dtype own = onnx_dtype(n, x);
    if ((size_t)dt_size(own) > sizeof(double) || !(dt_is_float(own) || dt_is_int(own)))
        return onnx_fail(n, "a tensor attribute holds no numbers");
    *len = type_count_const(&n->b->m->types, onnx_type(n, x));
    double *v = arena_array(&n->b->m->mem, double, *len + 1);
    for (int64_t i = 0; i < *len; i++) {
        uint8_t element[sizeof(double)];
        const_read(n->b->m, id, i, 1, element);
        v[i] = dt_is_float(own) ? num_load_flt(own, element) : (double)num_load_int(own, element);
    }
    *out = v;
    if (own == DT_F64)
        *dt = DT_F64;
    return true;
}

bool forest_numbers(onnx_op *n, const char *floats, const char *tensor, const double **out,
                    int64_t *len, ir_dtype *dt)
{
    const Onnx__AttributeProto *t = tensor ? onnx_attr(n, tensor) : NULL;
    const float *v = NULL;
    int count = -1;

    *out = NULL;
    *len = -1;
    if (t && t->t)
        return tensor_numbers(n, t->t, out, len, dt);
    if (floats)
        v = onnx_floats(n, floats, &count);
    double *d = arena_array(&n->b->m->mem, double, max_i64(count, 0) + 1);
    for (int i = 0; i < count; i++)
        d[i] = (double)v[i];
    *out = d;
    *len = count;
    return true;
}

/* A list of integers as long as the others: null after an error. */
static const int64_t *list(onnx_op *n, const char *name, int64_t want)
{
    static const int64_t none[1];
    int len;
    const int64_t *v = onnx_ints(n, name, &len);

    if (len == want)
        return v ? v : none;
    onnx_fail(n, "%s has %d elements, expected %lld", name, len < 0 ? 0 : len, (long long)want);
    return NULL;
}

/* ---- versions 1 and 3: nodes by number of tree and node ------------------------------ */

/* What a node is called in the file. */
typedef struct tree_key {
    int64_t tree, node;
    uint32_t at;
} tree_key;

static int by_key(const void *x, const void *y)
{
    const tree_key *a = x, *b = y;

    if (a->tree != b->tree)
        return a->tree < b->tree ? -1 : 1;
    return (a->node > b->node) - (a->node < b->node);
}

/* The node of that number; IR_NONE after an error. */
static uint32_t find(onnx_op *n, const tree_key *key, size_t count, int64_t tree, int64_t node)
{
    const tree_key wanted = {tree, node, 0};
    const tree_key *k = bsearch(&wanted, key, count, sizeof *key, by_key);

    if (!k)
        onnx_fail(n, "tree %lld has no node %lld", (long long)tree, (long long)node);
    return k ? k->at : IR_NONE;
}

static bool mode_of(onnx_op *n, ProtobufCBinaryData s, tree_mode *out)
{
    static const char *const name[] = {
        [TREE_LEQ] = "BRANCH_LEQ", [TREE_LT] = "BRANCH_LT",   [TREE_GTE] = "BRANCH_GTE",
        [TREE_GT] = "BRANCH_GT",   [TREE_EQ] = "BRANCH_EQ",   [TREE_NEQ] = "BRANCH_NEQ",
        [TREE_LEAF] = "LEAF"};

    for (size_t i = 0; i < COUNT(name); i++)
        if (s.len == strlen(name[i]) && !memcmp(s.data, name[i], s.len)) {
            *out = (tree_mode)i;
            return true;
        }
    return onnx_fail(n, "nodes_modes: '%.*s' is none", (int)min_i64((int64_t)s.len, 64),
                     (const char *)s.data);
}

/* Nodes without what is next to them. */
static bool read_nodes(onnx_op *n, forest *f)
{
    const Onnx__AttributeProto *modes = onnx_attr(n, "nodes_modes");
    int64_t count = modes ? (int64_t)modes->n_strings : 0, values;
    const int64_t *feature = list(n, "nodes_featureids", count), *nan = NULL;
    const double *value;

    if (onnx_attr(n, "nodes_missing_value_tracks_true") &&
        !(nan = list(n, "nodes_missing_value_tracks_true", count)))
        return false;
    if (!feature || !forest_numbers(n, "nodes_values", "nodes_values_as_tensor", &value, &values,
                                    &f->values))
        return false;
    if (values != count || !count)
        return onnx_fail(n, "nodes_values and nodes_modes differ in length, or are empty");
    for (int64_t i = 0; i < count; i++) {
        tree_node t = {feature[i], value[i], 0, nan && nan[i], (uint32_t)i, (uint32_t)i};
        if (!mode_of(n, modes->strings[i], &t.mode))
            return false;
        vec_push(&f->node, t);
    }
    return true;
}

/* Trees begin with the first of their nodes. */
static bool join_nodes(onnx_op *n, forest *f, tree_key *key)
{
    int64_t count = f->node.len;
    const int64_t *tree = list(n, "nodes_treeids", count), *node = list(n, "nodes_nodeids", count);
    const int64_t *yes = list(n, "nodes_truenodeids", count);
    const int64_t *no = list(n, "nodes_falsenodeids", count);

    if (!tree || !node || !yes || !no)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        key[i] = (tree_key){tree[i], node[i], i};
        if (!i || tree[i] != tree[i - 1])
            vec_push(&f->root, i);
    }
    qsort(key, (size_t)count, sizeof *key, by_key);
    for (uint32_t i = 1; i < count; i++)
        if (!by_key(&key[i - 1], &key[i]))
            return onnx_fail(n, "tree %lld has two nodes %lld", (long long)key[i].tree,
                             (long long)key[i].node);
    for (uint32_t i = 0; i < count; i++) {
        tree_node *t = &f->node.at[i];
        if (t->mode == TREE_LEAF)
            continue;
        t->yes = find(n, key, (size_t)count, tree[i], yes[i]);
        t->no = find(n, key, (size_t)count, tree[i], no[i]);
        if (t->yes == IR_NONE || t->no == IR_NONE)
            return false;
    }
    return true;
}

static bool read_weights(onnx_op *n, const char *kind, forest *f, const tree_key *key)
{
    const char *part[] = {"ids", "treeids", "nodeids", "weights", "weights_as_tensor"};
    const char *name[5];
    const double *value;
    int64_t count;

    for (int i = 0; i < 5; i++)
        name[i] = arena_printf(&n->b->m->mem, "%s_%s", kind, part[i]);
    if (!forest_numbers(n, name[3], name[4], &value, &count, &f->values))
        return false;
    count = max_i64(count, 0);
    const int64_t *id = list(n, name[0], count), *tree = list(n, name[1], count);
    const int64_t *node = list(n, name[2], count);
    for (int64_t i = 0; id && tree && node && i < count; i++) {
        uint32_t at = find(n, key, f->node.len, tree[i], node[i]);
        if (at == IR_NONE)
            return false;
        if (f->node.at[at].mode == TREE_LEAF)
            vec_push(&f->weight, ((tree_weight){at, id[i], value[i]}));
    }
    return id && tree && node;
}

/* ---- depth ----------------------------------------------------------------------------- */

enum { NEW = -1, OPEN = -2 };

/* The depth of what begins at a node, by node (NEW at first); false in a circle. */
static bool measure(const forest *f, uint32_t root, int64_t *depth, uint32_t *way)
{
    int64_t top = 0;

    way[0] = root;
    while (top >= 0) {
        uint32_t at = way[top];
        const tree_node *t = &f->node.at[at];
        int64_t *d = &depth[at];
        if (t->mode == TREE_LEAF)
            *d = 0;
        if (*d >= 0) {
            top--;
            continue;
        }
        int64_t yes = depth[t->yes], no = depth[t->no];
        if (*d == OPEN && yes >= 0 && no >= 0) {
            *d = 1 + max_i64(yes, no);
            continue;
        }
        *d = OPEN;
        uint32_t next = yes < 0 ? t->yes : t->no;
        if (depth[next] == OPEN)
            return false;
        way[++top] = next;
    }
    return true;
}

static bool measure_all(onnx_op *n, forest *f)
{
    int64_t *depth = mem_alloc((f->node.len + 1) * sizeof *depth);
    uint32_t *way = mem_alloc((f->node.len + 2) * sizeof *way);
    bool ok = true;

    for (uint32_t i = 0; i < f->node.len; i++)
        depth[i] = NEW;
    for (uint32_t i = 0; ok && i < f->root.len; i++) {
        ok = measure(f, f->root.at[i], depth, way);
        f->depth = ok ? max_i64(f->depth, depth[f->root.at[i]]) : 0;
    }
    mem_free(depth);
    mem_free(way);
    return ok || onnx_fail(n, "a tree has a circle");
}

bool forest_read(onnx_op *n, const char *kind, forest *f)
{
    f->values = DT_F32;
    if (!read_nodes(n, f))
        return false;
    tree_key *key = mem_alloc(f->node.len * sizeof *key);
    bool ok = join_nodes(n, f, key) && read_weights(n, kind, f, key);
    mem_free(key);
    return ok && measure_all(n, f);
}

/* ---- version 5: leaves apart, and sets ------------------------------------------------ */

/* What TreeEnsemble lists of its `count` inner nodes. */
typedef struct listed {
    int64_t count, leaves, members;
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *nan;
    const double *split, *mode, *member;
} listed;

static bool read_lists(onnx_op *n, forest *f, listed *x)
{
    int64_t modes, splits;
    ir_dtype small = DT_F32;

    if (!forest_numbers(n, NULL, "nodes_splits", &x->split, &splits, &f->values) ||
        !forest_numbers(n, NULL, "nodes_modes", &x->mode, &modes, &small) ||
        !forest_numbers(n, NULL, "membership_values", &x->member, &x->members, &f->values))
        return false;
    if (splits < 1 || modes != splits)
        return onnx_fail(n, "nodes_splits and nodes_modes differ in length, or are empty");
    x->count = splits;
    x->feature = list(n, "nodes_featureids", splits);
    x->yes = list(n, "nodes_truenodeids", splits);
    x->no = list(n, "nodes_falsenodeids", splits);
    x->yes_leaf = list(n, "nodes_trueleafs", splits);
    x->no_leaf = list(n, "nodes_falseleafs", splits);
    if (onnx_attr(n, "nodes_missing_value_tracks_true") &&
        !(x->nan = list(n, "nodes_missing_value_tracks_true", splits)))
        return false;
    return x->feature && x->yes && x->no && x->yes_leaf && x->no_leaf;
}

/* Where the branch to `id` goes: leaves stand behind the listed nodes. */
static bool branch_to(onnx_op *n, const listed *x, int64_t id, bool leaf, uint32_t *out)
{
    if (id < 0 || id >= (leaf ? x->leaves : x->count))
        return onnx_fail(n, "there is no %s %lld", leaf ? "leaf" : "node", (long long)id);
    *out = (uint32_t)(leaf ? x->count + id : id);
    return true;
}

/* A node that asks whether x is in a set asks for one member after another: the further
 * questions are nodes behind all others.  A NaN ends a set. */
static bool expand_set(onnx_op *n, forest *f, const listed *x, uint32_t at, int64_t *next)
{
    uint32_t no = f->node.at[at].no;
    bool first = true;

    f->node.at[at].mode = TREE_EQ;
    for (; *next < x->members && x->member[*next] == x->member[*next]; ++*next) {
        if (!first) {
            f->node.at[at].no = f->node.len;
            tree_node t = f->node.at[at];
            t.no = no;
            at = f->node.len;
            vec_push(&f->node, t);
        }
        f->node.at[at].value = x->member[*next];
        first = false;
    }
    if (*next >= x->members || first)
        return onnx_fail(n, "membership_values: a set is missing or empty");
    ++*next;
    return true;
}

static bool list_nodes(onnx_op *n, forest *f, const listed *x)
{
    int64_t next = 0;

    for (int64_t i = 0; i < x->count; i++) {
        tree_node t = {x->feature[i], x->split[i], TREE_LEQ, x->nan && x->nan[i], 0, 0};
        if (!branch_to(n, x, x->yes[i], x->yes_leaf[i], &t.yes) ||
            !branch_to(n, x, x->no[i], x->no_leaf[i], &t.no))
            return false;
        if (!(x->mode[i] >= 0 && x->mode[i] <= 6))
            return onnx_fail(n, "nodes_modes: %g is none", x->mode[i]);
        t.mode = (tree_mode)x->mode[i];         /* 6, a set, is made of others below */
        vec_push(&f->node, t);
    }
    for (uint32_t i = 0; i < x->leaves; i++)
        vec_push(&f->node, ((tree_node){0, 0, TREE_LEAF, false, (uint32_t)x->count + i,
                                        (uint32_t)x->count + i}));
    for (uint32_t i = 0; i < x->count; i++)
        if (x->mode[i] == 6 && !expand_set(n, f, x, i, &next))
            return false;
    return true;
}

bool forest_read_leaves(onnx_op *n, forest *f)
{
    listed x = {0};
    const double *weight;
    int roots;
    const int64_t *root = onnx_ints(n, "tree_roots", &roots);

    f->values = DT_F32;
    if (!read_lists(n, f, &x) ||
        !forest_numbers(n, NULL, "leaf_weights", &weight, &x.leaves, &f->values))
        return false;
    const int64_t *target = list(n, "leaf_targetids", x.leaves);
    if (!target || x.count + x.leaves > INT32_MAX || !list_nodes(n, f, &x))
        return false;
    for (uint32_t i = 0; i < x.leaves; i++)
        vec_push(&f->weight, ((tree_weight){(uint32_t)x.count + i, target[i], weight[i]}));
    for (int i = 0; i < roots; i++) {
        if (root[i] < 0 || root[i] >= x.count)
            return onnx_fail(n, "tree_roots: there is no node %lld", (long long)root[i]);
        vec_push(&f->root, (uint32_t)root[i]);
    }
    return (roots > 0 || onnx_fail(n, "there is no tree")) && measure_all(n, f);
}
