/* frontend/onnx/forest.h - ensembles of decision trees, as ai.onnx.ml has them in three
 * forms.  Private to forest.c, which reads them, and trees.c, which makes nodes of one. */
#ifndef INGOT_FOREST_H
#define INGOT_FOREST_H

#include "../onnx_build.h"

typedef enum tree_mode {
    TREE_LEQ, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_LEAF
} tree_mode;

/* A node of some tree.  Where x[feature] compares with the value as the mode says, `yes`
 * is next, else `no`; so it is `yes` for NaN if that counts as true.  A leaf is next to
 * itself. */
typedef struct tree_node {
    int64_t feature;
    double value;
    tree_mode mode;
    bool nan_is_true;
    uint32_t yes, no;
} tree_node;

/* What a leaf gives to a target or class. */
typedef struct tree_weight {
    uint32_t node;
    int64_t target;
    double value;
} tree_weight;

typedef struct forest {
    VEC(tree_node) node;
    VEC(uint32_t) root;         /* of each tree */
    VEC(tree_weight) weight;
    ir_dtype values;            /* f32, or f64 if thresholds or weights are given in it */
    int64_t depth;              /* comparisons on the longest way to a leaf */
} forest;

/* The forest of a node in the form of versions 1 and 3, of which attributes `kind`_ids,
 * `kind`_weights .. say what leaves give; and that of TreeEnsemble.  False after an error.
 * forest_free in any case. */
bool forest_read(onnx_op *n, const char *kind, forest *f);
bool forest_read_leaves(onnx_op *n, forest *f);
void forest_free(forest *f);
/* Numbers of attribute `floats`, or, in an attribute `tensor`, of doubles; arena memory.
 * *len is -1 if there is neither.  False after an error. */
bool forest_numbers(onnx_op *n, const char *floats, const char *tensor, const double **out,
                    int64_t *len, ir_dtype *dt);

#endif
