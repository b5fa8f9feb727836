/* ir/ir.h - the tensor IR: modules, functions, nodes, constants, states.
 *
 * A function is an array of nodes in topological order.  A value is an
 * ir_ref; a node's results are refs first .. first + nres - 1.  Nodes are made
 * only through build.h and never edited. */
#ifndef INGOT_IR_H
#define INGOT_IR_H

#include "attr.h"
#include "diag.h"
#include "scalar.h"         /* sc_op: SC_ADD, ..; sc_of() */
#include "template_facts.h"

typedef uint32_t ir_ref;
#define IR_NONE UINT32_MAX
enum {
    IR_MAX_RESULTS = 256,           /* of a node that is no request of gradients */
    IR_MAX_KNOWN = 64               /* elements of a value that are known as dims */
};

/* Ops: the scalar functions first (OP_ADD == SC_ADD), then ops.def. */
typedef enum ir_op {
    OP_NONE,
#define SCALAR(name, ...) OP_##name,
#include "scalar.def"
    OP_SCALARS,
#define OP(name, ...) OP_##name,
#include "ops.def"
    OP_COUNT
} ir_op;

/* The columns of ops.def, explained there; scalar functions have them, too. */
typedef enum ir_moves { MOVES_NO, MOVES_PICK, MOVES_INDEX, MOVES_BYTES, MOVES_SAME } ir_moves;
typedef enum ir_fold { FOLD_NO, FOLD_ELEMS, FOLD_VALUE } ir_fold;
enum { F_PURE = 1, F_LINK = F_PURE | 2 };

/* What is known of an op.  Of slice: "slice", one operand and result, the template MAP, it
 * moves the INDEX, may fold to a VALUE, is pure and may be a link. */
typedef struct ir_op_info {
    const char *text;
    int nin, nres;          /* -1: any */
    ir_template template;
    ir_moves moves;
    ir_fold fold;
    unsigned flags;
} ir_op_info;
const ir_op_info *ir_op_get(unsigned op);
unsigned ir_op_find(const char *text);       /* OP_COUNT if unknown */
static inline bool ir_op_scalar(unsigned op) { return op > OP_NONE && op < OP_SCALARS; }
static inline bool ir_op_pure(unsigned op) { return ir_op_get(op)->flags & F_PURE; }
/* May it be a link in the chain of a constant? */
static inline bool ir_op_links(unsigned op) { return (ir_op_get(op)->flags & F_LINK) == F_LINK; }
/* Does it only change the index at which its operand is read? */
static inline bool ir_op_moves(unsigned op) { return ir_op_get(op)->moves >= MOVES_INDEX; }
/* Has its result the operand's bytes, all in their order? */
static inline bool ir_op_same_bytes(unsigned op) { return ir_op_get(op)->moves >= MOVES_BYTES; }
/* Is element i of its result made of the elements i of its operands? */
static inline bool ir_op_keeps_index(unsigned op)
{
    return ir_op_scalar(op) || ir_op_get(op)->moves == MOVES_SAME;
}
/* Is its result made of nothing but its attributes and the surroundings? */
static inline bool ir_op_source(unsigned op) { return ir_op_get(op)->nin == 0; }

typedef struct ir_node {
    uint16_t op, nres, narg, copy;  /* copy: recomputation number, in the hash */
    uint32_t arg, first;            /* arguments: a run in fn->args */
    const union ir_attr *attr;      /* interned; null if the op has none */
    ir_loc loc;
} ir_node;

typedef struct ir_value {
    const ir_type *type;
    uint32_t node;                  /* index of the node that makes it */
    const ir_dim *elem;             /* known elements, row-major, or null: bool, i32
                                     * and i64 values of at most IR_MAX_KNOWN */
} ir_value;

typedef struct ir_update { uint32_t state; ir_ref value; } ir_update;

/* A function: nodes in an order in which operands come first, and the values that they make.
 * A ref is an index into `value`; node i has its results from value[first] on and its operands
 * at args[arg].  Example, z = x + x: nodes INPUT and ADD, values 0 and 1, args 0 0. */
typedef struct ir_fn {
    const char *name;
    struct ir_module *module;
    bool entry;                     /* else called, or the region of a node */
    VEC(ir_node) node;
    VEC(ir_value) value;
    VEC(ir_ref) args;
    VEC(ir_ref) param;              /* refs of the INPUT nodes, by index */
    VEC(const char *) param_name;
    VEC(uint32_t) param_default;    /* of an entry: the constant that a parameter is if it is
                                     * left out; IR_NONE: it may not be */
    VEC(ir_ref) result;
    VEC(const char *) result_name;
    VEC(uint32_t) result_loose;     /* of an entry: a bit for each axis that a result has only
                                     * where its extent is not 1 */
    VEC(ir_update) update;          /* state out */
} ir_fn;

typedef struct ir_state {
    const char *name;
    const ir_type *type;
    uint32_t init;                  /* constant, or IR_NONE: zeros */
    bool trainable;
    ir_loc loc;                     /* of what declares it; or none */
} ir_state;

/* A constant: a source and a chain of links applied to it, never
 * materialized before emission.  See const.h. */
typedef enum ir_source {
    SRC_BYTES,                      /* `data`: mapped file or arena, `size` bytes,
                                     * elements as in a file (sub-byte packed) */
    SRC_SPLAT                       /* one element repeated: `data` */
} ir_source;

typedef struct ir_link {            /* one movement or elementwise step */
    uint16_t op;                    /* one that ir_op_links; or DOT of f32, of the last axis
                                     * with that of `other`: [.., 3] by [4, 3] is [.., 4] */
    const union ir_attr *attr;
    uint32_t other;                 /* constant: the value of a pad, a matrix, or a scalar
                                     * function's right side, of the same shape (itself a
                                     * chain, so broadcast) */
    const ir_type *type;            /* after the link */
} ir_link;

/* Example: weights [4,3] that are stored as [3,4] are SRC_BYTES of type [3,4] in the mapped
 * file, with one link, a transpose; reading element (i, j) reads byte 4 * (4 * j + i). */
typedef struct ir_const {
    const char *name;
    const ir_type *type;            /* after the whole chain */
    ir_source source;
    const ir_type *source_type;
    const uint8_t *data;
    size_t size;
    uint32_t links;
    const ir_link *link;
    uint32_t cost;                  /* steps to read an element, about: those of
                                     * its chain and of each `other` in it */
    uint64_t hash;                  /* of source and chain */
} ir_const;

typedef struct ir_attr_entry {
    unsigned op;
    const union ir_attr *attr;
} ir_attr_entry;

/* What the numbers of an input or result of an entry stand for: characters, categories.  It is
 * for who runs the entry, as the textual form `names` is. */
typedef struct ir_spelling {
    const char *entry, *value;
    bool result;
    int64_t n;
    const char *const *names;
} ir_spelling;

/* A model: its functions, states and constants, and the tables in which dims, types and
 * attributes are interned, so that equal ones are equal handles. */
typedef struct ir_module {
    arena mem;                      /* perm: lives as long as the module */
    const char *name;
    dim_table dims;
    type_table types;
    VEC(ir_fn *) fn;                /* entries and called functions; regions hang on nodes */
    VEC(ir_state) state;
    VEC(ir_const) consts;
    VEC(ir_spelling) spelling;
    map const_map, attr_map;
    VEC(ir_attr_entry) attrs;
    VEC(ir_fn *) all_fns;           /* with regions; owned */
    map fn_map;                     /* name's hash to index in fn */
    int64_t fold_budget;            /* steps the evaluator may still spend on
                                     * folding, in all functions and passes */
    diag *diag;
} ir_module;

ir_module *ir_module_new(diag *d);
void ir_module_free(ir_module *m);
/* States lie one behind the other.  One that begins at this byte, a multiple of 64, ends
 * before the byte that is returned, a multiple as well; -1 if that is beyond a quarter of
 * the address space.  Example: of f32[3] and f32[20], from 0 on, the ends are 64 and 192. */
int64_t ir_state_end(const ir_module *m, uint32_t state, int64_t begin);
ir_fn *ir_fn_new(ir_module *m, const char *name, bool entry);
ir_fn *ir_fn_region(ir_module *m, const char *name); /* a function that hangs on a node */
void ir_fn_add(ir_module *m, ir_fn *f, bool entry); /* a region becomes a function */
/* f gets the contents of `by` (which is emptied), keeping name and role. */
void ir_fn_replace(ir_fn *f, ir_fn *by);
ir_fn *ir_module_find(const ir_module *m, const char *name);
/* Of an input, or of a result, of an entry; null: its numbers stand for nothing. */
const ir_spelling *ir_spelling_of(const ir_module *m, const char *entry, const char *value,
                                  bool result);
/* The entry `main`, as importers call it, or else the first; null: there is none. */
ir_fn *ir_module_main(const ir_module *m);

static inline const ir_type *ir_type_of(const ir_fn *f, ir_ref r) { return f->value.at[r].type; }
static inline const ir_node *ir_node_of(const ir_fn *f, ir_ref r)
{
    return &f->node.at[f->value.at[r].node];
}
/* Is r known to be true? */
static inline bool ir_is_true(const ir_fn *f, ir_ref r)
{
    const ir_dim *elem = f->value.at[r].elem;

    return elem && elem->v == 1;
}
static inline ir_ref ir_arg(const ir_fn *f, const ir_node *n, uint32_t i)
{
    return f->args.at[n->arg + i];
}

/* The one copy of these attributes in the module; lists are copied.  Null for
 * an op without any. */
const union ir_attr *ir_attr_intern(ir_module *m, unsigned op, const union ir_attr *a);
/* With dims replaced. */
const union ir_attr *ir_attr_apply(ir_module *m, unsigned op, const union ir_attr *a,
                                   const dim_subst *s);
/* The k-th dim symbol that this node defines (bind, nonzero, loop ..);
 * NAMES_NONE behind the last. */
uint32_t ir_symbol_of(const ir_module *m, const ir_node *n, uint32_t k);

/* Symbols in the node's result types and attributes; not those in regions. */
void ir_each_symbol(const ir_fn *f, const ir_node *n, dim_visit *visit, void *cx);

/* How often each ref is used (args of nodes, results, updates); scratch-owned. */
uint32_t *ir_use_counts(const ir_fn *f, arena *scratch);
/* Who reads a ref: reader[at[r] .. at[r + 1]) are the nodes that have r for an operand, in
 * order, once for each operand. */
typedef struct ir_readers {
    uint32_t *reader, *at;
} ir_readers;
ir_readers ir_find_readers(const ir_fn *f, arena *mem);

/* Regions of a control node: 0, 1 or 2 functions.  A region sees nothing of
 * the function around it but its parameters, states, constants, and the dim
 * symbols defined before its node.  What it needs comes in as a capture: a
 * trailing operand of the node that is a trailing parameter of every region.
 *
 * if: operands (cond: bool[], capture...); both regions take (capture...) and
 *   yield equally many results, which are the node's.  Where the branches'
 *   types of a result differ in an extent, the last syms.n results of each are
 *   i64[] sizes with known elements: size k's is the branch's extent, and the
 *   node's type has syms[k] there.  A result of type never takes the other
 *   branch's type.
 * loop: operands (cond0: bool[], carry init..., sliced xs..., capture...);
 *   the body takes (i: i64[], carry..., slice..., capture...) and yields
 *   (cond: bool[], carry..., stacked...); the node's results are the final
 *   carries, then the stacks.  Iteration i = 0, 1, .. runs while i < trip
 *   (unless `infinite`) and the last cond (first: cond0) is true.  Operand k of
 *   xs loses axis slice_axes[k], read at i, or at trip - 1 - i if `reverse`
 *   (its extent is then trip, and at least as many iterations as run else); stacked result
 *   k gains axis stack_axes[k], written likewise.  Its extent is the symbol
 *   `trips`, the iterations run, or `trip` if there is no such symbol: cond
 *   must be always true then.
 *   Of `carries` carries the last syms.n are i64[] sizes: syms[k] is size k,
 *   in the body as the iteration starts, behind the loop as it ended; types of
 *   other carries may mention it.  An init's extent is where the body's has
 *   syms[k] what the init of size k is (its known element), and so is the
 *   yielded one's.
 * call: operands and results are those of the function. */
uint32_t ir_regions(const ir_node *n, ir_fn *out[2]);

bool ir_verify(const ir_module *m, diag *d, const char *after);

/* Text form: print, parse, print is the identity.  Grammar: docs/ir.md. */
void ir_print(const ir_module *m, text *out);
/* For reading only: long constants are cut short, which does not parse. */
void ir_print_brief(const ir_module *m, text *out);
void ir_print_fn(const ir_fn *f, text *out);     /* the function alone */
/* Null on error.  `place` names the file in messages. */
ir_module *ir_parse(const char *source, const char *place, diag *d);

#endif
