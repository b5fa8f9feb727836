/* frontend/dsl/value.h - what expressions are while a program is checked.
 *
 * Checking is evaluation: a number of the configuration is computed, an array becomes
 * nodes of the tensor IR.  Values are never changed; equal pointers are the same value.
 *
 * An array has axes of two kinds.  Visible ones are those that its type shows; carried ones
 * belong to an index that is in scope (`x[i]` carries the axis of i), or to the rows that
 * `..` of a signature stands for.  Carried axes are told by identity, a dsl_axis each, so
 * that operators align them whatever their order in memory.  Example: in
 * y[o] = sum[i] x[i] * w[i, o], w[i, o] is an f32[I,O] whose two axes are carried, and
 * the definition makes that of o visible. */
#ifndef INGOT_DSL_VALUE_H
#define INGOT_DSL_VALUE_H

#include "ast.h"
#include "control.h"

/* An index, or an axis that a call carries. */
typedef struct dsl_axis {
    const char *name;           /* for messages; "..": rows */
    ir_dim extent;
    bool known;                 /* is the extent? */
    ir_loc at;                  /* where it was found out */
    const char *where;          /* "x": what it was found out from; null: given */
    /* Found from a window: coef * index + rest < within holds by the way it was found. */
    bool window;
    ir_dim coef, rest, within;
} dsl_axis;

typedef struct dsl_value dsl_value;

/* A list of axes, each once. */
typedef struct dsl_axes {
    int n;
    dsl_axis *at[IR_MAX_RANK];
} dsl_axes;

/* What `<-` changes: a state, a parameter, or a value carried by a loop (check.h). */
typedef struct dsl_cell dsl_cell;
typedef struct dsl_written {
    dsl_cell *cell;
    const dsl_value *before;     /* what it was as the region began */
} dsl_written;

/* Where nodes are made: the function of an entry, or a region in it. */
typedef struct dsl_region {
    ir_build *b;
    struct dsl_region *outer;   /* null: an entry */
    ir_captures *captured;      /* what this region reads of the outer one */
    int side;                   /* of the regions that capture together */
    struct dsl_scan *scan;      /* the loop whose body it is; null: none */
    VEC(dsl_written) written;   /* cells that live outside */
    const dsl_value *round;     /* of the loop, from 0: of draws; null: no loop's body */
} dsl_region;

typedef enum dsl_kind {
    DSL_POISON,                 /* failed, and said so */
    DSL_NOTHING,                /* of a block without a value */
    DSL_NUMBER,                 /* known when compiling: a dim, or a number with a fraction */
    DSL_TRUTH,
    DSL_TEXT,
    DSL_LIST,                   /* of numbers and the like */
    DSL_TENSOR,
    DSL_RESULTS,                /* several, of one call */
    DSL_FUNCTION,               /* fn, layer, net, built in; with its configuration or without */
    DSL_PIPE,                   /* f |> g */
    DSL_DRAW,                   /* a distribution */
    DSL_PARAMS,                 /* a value for each parameter of a net: q - target */
    DSL_MODULE                  /* an imported file */
} dsl_kind;

typedef enum dsl_elem { DSL_REAL, DSL_INT, DSL_BOOL, DSL_OTHER } dsl_elem;

/* An array.  In y[i] = x[i] + 1 the value x[i] has x's ref and rank, and axis[0] is i: it no
 * longer counts as an axis for what stands around it, until y[i] makes it visible again. */
typedef struct dsl_tensor {
    ir_ref ref;                 /* of home's builder */
    dsl_region *home;
    dsl_elem elem;
    bool number;                /* takes the element of its partner, as literals do */
    bool bounded;               /* an int in lo .. hi */
    ir_dim lo, hi;
    bool decides;               /* a bool that extents decide: true where `holds` is 1, else 0 */
    ir_dim holds;
    int rank;
    dsl_axis *axis[IR_MAX_RANK];        /* of each axis in memory; null: visible */
} dsl_tensor;

/* A layer or function as it is used in one place. */
typedef struct dsl_use {
    struct dsl_block *home;     /* where it was made */
    const char *name;           /* that it is bound to; null: none */
    const char *path;           /* of its parameters; null until it is applied */
    ir_loc loop;                /* made anew in each round of this; line 0: of none */
    uint32_t number;            /* of the place in its body (dsl_call_number) */
    ir_loc at;
} dsl_use;

typedef struct dsl_function {
    const struct dsl_template *of;
    const dsl_value **config;   /* of each parameter of the first list; null: not given yet */
    dsl_use *use;               /* null: the template itself */
    bool training_off;          /* eval(q) */
} dsl_function;

typedef enum dsl_distribution {
    DSL_NORMAL, DSL_UNIFORM, DSL_BERNOULLI, DSL_CATEGORICAL, DSL_INDEX
} dsl_distribution;

/* What an expression is worth while a program becomes a module; `kind` names the member.
 * Example: 64 is a NUMBER that is whole, x @ w a TENSOR, dense(10) a FUNCTION that waits for
 * its argument. */
struct dsl_value {
    dsl_kind kind;
    union {
        struct {
            bool whole;
            bool run;           /* made of an int of the run: where nothing is asked it stays one */
            ir_dim dim;
            double real;
        } number;
        bool truth;
        const char *text;
        struct { uint32_t n; const dsl_value **at; const char **name; } list;
                                /* LIST; RESULTS and PARAMS have names */
        dsl_tensor tensor;
        dsl_function function;
        struct { const dsl_value *first, *then; } pipe;
        struct { dsl_distribution how; const dsl_value *a, *b; const dsl_value *of;
                 ir_loc at; } draw;
        struct dsl_file *module;
    };
};

#endif
