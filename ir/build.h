/* ir/build.h - the one way to make nodes: infers types, checks operands, folds
 * constants, lifts small integers to dims, and shares equal nodes.
 *
 * Every builder returns a ref, or IR_NONE after an error was recorded; an
 * operand that is IR_NONE gives IR_NONE silently, so callers may check once.
 * Operands of type never give results of type never. */
#ifndef INGOT_BUILD_H
#define INGOT_BUILD_H

#include "const.h"
#include "ir.h"

/* Extents that must be equal; or a may be 1. */
typedef struct ir_agreement {
    ir_dim a, b;
    bool or_one;
} ir_agreement;

/* A function in the making.  Who makes nodes sets `loc` before, to the place in the source
 * that they come from, so that every message has one. */
typedef struct ir_build {
    ir_module *m;
    ir_fn *fn;
    diag *d;
    ir_loc loc;             /* given to new nodes */
    uint16_t copy;          /* given to new nodes */
    map shared;             /* node hash to node index */
    bool no_fold;           /* the parser: nodes exactly as written, not shared */
    bool checks;            /* the importer: what operands must agree in, and is not known
                             * to, becomes a check of the run */
    VEC(ir_agreement) unproven, checked;        /* of the node at hand, of earlier ones */
    map bound;              /* operand of a BIND to its symbol's id */
} ir_build;

void ir_build_init(ir_build *b, ir_module *m, ir_fn *fn, diag *d);
void ir_build_free(ir_build *b);

/* The general one.  Returns the first result; result i is the ref + i.
 * `attr` is copied (interned).  Folds, lifts, shares. */
ir_ref ir_make(ir_build *b, unsigned op, const ir_ref *args, uint32_t n, const ir_attr *attr);

/* Result types, through the op's infer row; nres types are written to `out`.
 * False after an error. */
typedef struct ir_infer {
    ir_build *b;
    unsigned op;
    const ir_ref *args;
    uint32_t narg;
    const ir_attr *attr;
    const ir_type **out, *few[IR_MAX_RESULTS];  /* few, or more room where those do not suffice */
    uint32_t nres;
} ir_infer;
#define OP(NAME, text, nin, nres, infer, ...) bool ir_infer_##infer(ir_infer *in);
#include "ops.def"
/* The row of in->op, after the number of operands; operands of type never give
 * results of type never. */
bool ir_infer_types(ir_infer *in);
bool ir_infer_scalar(ir_infer *in);
bool ir_infer_cast(ir_infer *in);
/* Known elements of the result of a node, from its operands' (op/elements.c);
 * null if unknown.  Called by ir_make for integer and bool results. */
const ir_dim *ir_infer_elements(ir_infer *in, uint32_t result);

/* Sources. */
ir_ref ir_input(ir_build *b, const char *name, const ir_type *type); /* next parameter */
/* The next parameter of an entry, of the type of the constant that it is if left out. */
ir_ref ir_optional_input(ir_build *b, const char *name, uint32_t constant);
ir_ref ir_state_ref(ir_build *b, uint32_t state);
ir_ref ir_const_ref(ir_build *b, uint32_t constant);
ir_ref ir_int(ir_build *b, ir_dtype dt, int64_t value);       /* scalar constants */
ir_ref ir_float(ir_build *b, ir_dtype dt, double value);
ir_ref ir_splat(ir_build *b, const ir_type *type,
                double value);                                /* broadcast of a scalar constant */
ir_ref ir_i64s(ir_build *b, const int64_t *v, int n);         /* constant i64[n] */
ir_ref ir_dim_ref(ir_build *b, ir_dim d);                     /* i64[] with elem d */
ir_ref ir_dims_ref(ir_build *b, const ir_dim *d, int n);      /* i64[n] with elems d */
ir_ref ir_iota(ir_build *b, ir_dtype dt, const ir_dim *shape, int rank, int axis);

ir_ref ir_never(ir_build *b);                                 /* of type never */

/* Elementwise: operands of equal shape (see ir_broadcast2). */
ir_ref ir_1(ir_build *b, unsigned op, ir_ref x);
ir_ref ir_2(ir_build *b, unsigned op, ir_ref x, ir_ref y);
ir_ref ir_select(ir_build *b, ir_ref c, ir_ref x, ir_ref y);
ir_ref ir_cast(ir_build *b, ir_ref x,
               ir_dtype to); /* saturating floats-to-ints; x itself if equal */
/* With numpy broadcasting of both operands first (unproven equality makes a
 * run-time broadcast and a check). */
ir_ref ir_b2(ir_build *b, unsigned op, ir_ref x, ir_ref y);
bool ir_broadcast_all(ir_build *b, ir_ref *x, int n);         /* to one shape, numpy rules */
ir_ref ir_broadcast_to(ir_build *b, ir_ref x, const ir_dim *shape,
                       int rank); /* trailing axes aligned */

/* Movement. */
ir_ref ir_reshape(ir_build *b, ir_ref x, const ir_dim *shape,
                  int rank); /* element counts must agree, else a check */
ir_ref ir_transpose(ir_build *b, ir_ref x, const int32_t *perm);
ir_ref ir_broadcast(ir_build *b, ir_ref x, const ir_dim *shape, int rank, const int32_t *axes);
/* A vector along one axis; of any other rank it is an error. */
ir_ref ir_broadcast_axis(ir_build *b, ir_ref x, const ir_dim *shape, int rank, int32_t axis);
ir_ref ir_axis_first(ir_build *b, ir_ref x, int axis);        /* the others in their order */
ir_ref ir_slice(ir_build *b, ir_ref x, const ir_dim *start, const ir_dim *step,
                const ir_dim *extent);
ir_ref ir_slice_axis(ir_build *b, ir_ref x, int axis, ir_dim start, ir_dim step, ir_dim extent);
ir_ref ir_pad(ir_build *b, ir_ref x, ir_ref value, const ir_dim *low, const ir_dim *high,
              const ir_dim *inner); /* inner null: 0 */
ir_ref ir_concat(ir_build *b, const ir_ref *x, int n, int axis);
ir_ref ir_unsqueeze(ir_build *b, ir_ref x, int axis);         /* one axis of extent 1 */
ir_ref ir_squeeze(ir_build *b, ir_ref x, int axis);
ir_ref ir_gather(ir_build *b, ir_ref x, const ir_ref *index, const int32_t *axes, int n, bool zero);

/* Reductions and contractions. */
ir_ref ir_reduce(ir_build *b, ir_ref x, ir_redop op, const int32_t *axes, int n); /* axes vanish */
ir_ref ir_reduce_keep(ir_build *b, ir_ref x, ir_redop op, const int32_t *axes,
                      int n); /* axes become 1 */
ir_ref ir_dot(ir_build *b, ir_ref x, ir_ref y, ir_ints batch_x, ir_ints batch_y, ir_ints sum_x,
              ir_ints sum_y);
/* The same, summed in a wider integer type than the operands'. */
ir_ref ir_dot_in(ir_build *b, ir_ref x, ir_ref y, ir_ints batch_x, ir_ints batch_y, ir_ints sum_x,
                 ir_ints sum_y, ir_dtype sums);
ir_ref ir_matmul(ir_build *b, ir_ref x, ir_ref y); /* numpy matmul, any ranks, broadcast batch */
ir_ref ir_matmul_in(ir_build *b, ir_ref x, ir_ref y, ir_dtype sums);

/* Sequences.  Of one whose items are known (ir_seq_new, and what is known to be made of it)
 * length, items at known positions and the whole are values of their own. */
ir_ref ir_seq_new(ir_build *b, const ir_ref *x, uint32_t n);
ir_ref ir_seq_insert(ir_build *b, ir_ref seq, ir_ref x, ir_ref at); /* IR_NONE: at the end */
ir_ref ir_seq_erase(ir_build *b, ir_ref seq, ir_ref at);            /* IR_NONE: the last */
ir_ref ir_seq_at(ir_build *b, ir_ref seq, ir_ref at);
ir_ref ir_seq_len(ir_build *b, ir_ref seq);                         /* i64[] */
/* All items along the axis, or stacked along a new one. */
ir_ref ir_seq_join(ir_build *b, ir_ref seq, int axis, bool stack);

/* Dims from run-time values. */
ir_dim ir_bind(ir_build *b, ir_ref scalar, const char *hint); /* its known element, else a symbol */
/* The elements of an integer vector or scalar as dims: known, or each bound.
 * n is its extent, which must be constant.  False after an error. */
bool ir_elements(ir_build *b, ir_ref x, ir_dim *out, int n);
bool ir_known(const ir_build *b, ir_ref x, const ir_dim **elem, int64_t *n); /* without binding */
void ir_check(ir_build *b, ir_ref cond, const char *message); /* dropped when known true */
void ir_check_dims(ir_build *b, ir_dim cond, const char *message); /* cond != 0 */
void ir_show(ir_build *b, ir_ref x, const char *name);  /* a run prints what x is */
const ir_type *ir_ty(ir_build *b, ir_dtype dt, const ir_dim *shape, int rank);

/* Regions: a builder for a sub-function of the same module. */
ir_fn *ir_region_begin(ir_build *b, ir_build *inner, const char *name);
void ir_region_end(ir_build *inner);

/* Ends the function: results (and updates) are named and recorded. */
void ir_result(ir_build *b, const char *name, ir_ref x);
/* A result whose axes in `loose` (a bit each) are left out where their extent is 1. */
void ir_loose_result(ir_build *b, const char *name, ir_ref x, uint32_t loose);
void ir_update_state(ir_build *b, uint32_t state, ir_ref x);

/* Copies a function through the builder: rule(cx, b, n, args) may return a
 * replacement for node n whose operands are already rebuilt as `args` (the
 * first result's ref; multi-result nodes: a run), or IR_NONE to rebuild it as
 * it is.  Dead pure nodes are dropped; regions are rewritten likewise.  The
 * old function's contents are replaced.  True if anything changed. */
typedef ir_ref ir_rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n,
                       const ir_ref *args);
bool ir_rewrite(ir_module *m, ir_fn *fn, diag *d, ir_rule *rule, void *cx);
/* The same for nodes whose results come from several others: the expansion puts a
 * replacement for each result of n into `out`, or returns false to have n rebuilt. */
typedef bool ir_expansion(void *cx, ir_build *b, const ir_fn *old, const ir_node *n,
                          const ir_ref *args, ir_ref *out);
bool ir_expand(ir_module *m, ir_fn *fn, diag *d, ir_expansion *expansion, void *cx);
/* Makes the nodes of `callee` in b, with `args` for its parameters and their extents for
 * the symbols in its parameters' types; out gets its results.  Symbols that its nodes
 * define are new in each copy.  Nodes keep their places.  False after an error. */
bool ir_inline(ir_build *b, const ir_fn *callee, const ir_ref *args, ir_ref *out);
/* Completes take, by node of fn: what the nodes need that are taken, their operands and the
 * nodes of symbols that they mention.  A value that has something in `there`, by value, is
 * needed by nobody. */
void ir_needed(const ir_fn *fn, const ir_ref *there, bool *take);
/* Makes the nodes of `from` that are taken in b.  map, by value, has what stands in b for
 * those that are not, and gets what the others became.  Symbols are new, as by ir_inline. */
bool ir_copy(ir_build *b, const ir_fn *from, bool *take, ir_ref *map);
/* Ends the function with the results and updates of fn, as what map has for them, by value. */
void ir_copy_results(ir_build *b, const ir_fn *fn, const ir_ref *map);
/* What symbols in the types of f's parameters are where the parameters have these types:
 * to[id] where given[id], for each symbol that is the whole extent of an axis.  Both lists
 * have an entry a symbol of the module, given's false at first. */
void ir_match_dims(const ir_fn *f, const ir_type *const *types, ir_dim *to, bool *given);
/* The same with symbols replaced in every type and attribute. */
bool ir_rewrite_dims(ir_module *m, ir_fn *fn, diag *d, const dim_subst *s);

#endif
