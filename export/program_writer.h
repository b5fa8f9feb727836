/* export/program_writer.h - what the writers of a program share.
 *
 * A value of the IR is said in one of three ways: as a statement that names it; within the
 * expression of what uses it; or not at all, where a layer or function of the library says
 * it along with others.  program_plan.c decides which.  An expression is said of whole
 * arrays, `relu(a + b)`, or of their elements at indices, `a[i, j] + b[j]`.
 *
 * Names: px_ is the prefix of all of it.  Texts live as long as the file. */
#ifndef INGOT_PROGRAM_WRITER_H
#define INGOT_PROGRAM_WRITER_H

#include "program_export.h"

/* How tightly the outermost operator of an expression binds, loosest first: the levels of the
 * grammar, from `if` to a call. */
typedef enum px_level {
    PX_CHOICE, PX_PIPE, PX_OR, PX_AND, PX_NOT, PX_COMPARE, PX_SUM, PX_TERM, PX_UNARY, PX_POWER,
    PX_CALL
} px_level;

/* An expression as text, and what is needed to put it into a larger one: `a + b` of
 * level PX_SUM gets parentheses as an operand of `*`, and `2 * 3`, of numbers
 * alone, a type where a value of the IR's dtype is wanted. */
typedef struct px_expr {
    const char *at;             /* null: after a gap */
    px_level level;
    bool number;                /* made of literals, extents and indices only */
} px_expr;

enum { PX_WEIGHTS = 4, PX_INPUTS = 8 };

/* A parameter of a layer: the constant that it is. */
typedef struct px_weight {
    const char *name;           /* in the layer; in the file its path */
    uint32_t constant;
} px_weight;

/* What a value is said by, apart from its own op. */
typedef struct px_said {
    enum { PX_OP, PX_FUNCTION, PX_LAYER } how;
    const char *text;           /* FUNCTION, of each element, or LAYER: `conv(64, 3)` */
    const char *kind;           /* LAYER: `conv`, which names the paths of its weights */
    ir_ref in;                  /* FUNCTION, LAYER: of what */
    bool reshaped;              /* LAYER: and then brought into the value's shape */
    px_weight weight[PX_WEIGHTS];
    int weights;
} px_said;

/* An index of the statement at hand.  In `y[i, j in 3] = x[i, j] + w[j]` both are
 * introduced on the left; i stands alone on an axis of x of its own extent, which
 * says how far it runs, j is said to run to 3 because w is longer. */
typedef struct px_index {
    const char *name;
    ir_dim extent;
    bool alone;                 /* it stands alone somewhere, which gives it its extent .. */
    bool given;                 /* .. but also on a longer axis: its extent has to be said */
} px_index;

/* A long extent, which a statement has named. */
typedef struct px_extent {
    ir_dim dim;
    const char *name;
} px_extent;

/* What all blocks of a program share: names that are taken, the parameters of the
 * net, and the weights that go to its file under paths as `net.conv1.w`. */
typedef struct px_file {
    ir_module *m;
    const program_export_options *o;
    diag *d;
    arena mem;
    names used;                 /* names of values and extents */
    const char *net;
    const char **symbol;        /* by symbol: its name in the program, or null */
    const char **constant;      /* by constant: the parameter or name that holds it, or null; .. */
    uint32_t constants;         /* .. of so many, as matching may make more */
    text declared;              /* parameters of the net */
    VEC(px_weight) weight;
    names kind;                 /* of layers .. */
    VEC(uint32_t) count;        /* .. how many there are of each */
    VEC(px_extent) extent;      /* that have a name */
    unsigned helpers;           /* layers of program_helpers.ingot in use, a bit each */
    uint32_t counter;
    bool failed;
} px_file;

/* A block in the making: of the net or of a region.  The lists by value are filled
 * by px_plan before the first statement is written: `demand` says how often a value
 * will be said, `named` that it gets a statement, `whole` and `element` how it can
 * be said within another one.  Example: y = relu(x) * relu(x) asks twice for
 * relu(x), so that gets a name. */
typedef struct px {
    px_file *file;
    const ir_fn *fn;
    px_said *said;              /* by value */
    uint32_t *uses;             /* by value: in IR */
    uint32_t *demand;           /* by value: in the text */
    bool *named, *whole, *element;      /* by value: has a name; can be said so */
    const char **name;          /* by value; null: not named, or not yet */
    VEC(px_index) index;        /* of the statement at hand */
    text *out;
    int indent;
    bool inside;                /* of a loop or branch, which has no layers of its own */
    bool brief;                 /* a comment is written, which names nothing */
    const char *last;           /* what the last statement has named */
} px;

static inline const char *px_printf(px *g, const char *fmt, const char *a, const char *b)
{
    return arena_printf(&g->file->mem, fmt, a, b);
}
static inline const ir_type *px_type(const px *g, ir_ref r) { return ir_type_of(g->fn, r); }
static inline const ir_node *px_node(const px *g, ir_ref r) { return ir_node_of(g->fn, r); }
static inline ir_ref px_arg(const px *g, ir_ref r, uint32_t i)
{
    return ir_arg(g->fn, px_node(g, r), i);
}

/* Records what the language cannot say of this node; an expression without text. */
px_expr px_gap(px *g, ir_ref r, const char *reason);

/* ---- names, extents, numbers (program_name.c) */

/* A legal name like `like`, unique in the file. */
const char *px_name_like(px_file *f, const char *like);
/* A new name of the kind h1, h2 .. */
const char *px_name_new(px_file *f, const char *kind);
px_expr px_dim(px *g, ir_dim d);
/* Is d other than 0?  Comparisons and their minima and maxima as such: `N == M or N == 1`. */
px_expr px_condition(px *g, ir_dim d);
/* Extents as `[N, 3]`; a whole type, `int[N, 3]`, null if the language has no such. */
const char *px_shape(px *g, const ir_type *t);
/* The same with `_` for long extents: of results, and in comments. */
const char *px_shape_brief(px *g, const ir_type *t);
const char *px_type_text(px *g, const ir_type *t);
/* The word for elements of this dtype; null: the language has none. */
const char *px_elem(ir_dtype dt);
/* A number as a literal of this dtype. */
px_expr px_number(px *g, ir_dtype dt, double flt, int64_t whole);
/* Is r one known number everywhere?  *flt or, for integers and bool, *whole is it. */
bool px_is_splat(const px *g, ir_ref r, double *flt, int64_t *whole);
/* Is r a constant? */
bool px_is_constant(px *g, ir_ref r, uint32_t *constant);
/* Constant c with its axes in this order, or of this shape; IR_NONE: not for this one. */
uint32_t px_turned(px *g, uint32_t c, const int32_t *perm);
uint32_t px_reshaped(px *g, uint32_t c, const int64_t *dim, int rank);
/* The name of a constant, whose declaration is written if it is the first use. */
const char *px_constant(px *g, uint32_t c);

/* ---- what is said by what (program_match.c, program_layer.c) */

/* Fills g->said[r]. */
void px_match(px *g, ir_ref r);
bool px_match_layer(px *g, ir_ref r, px_said *s);
/* Writes the path of a layer's weights. */
void px_take_weights(px *g, const px_said *s);
/* Texts of the helper layers that are in use. */
void px_helpers(const px_file *f, text *out);

/* Which values get a statement of their own (program_plan.c). */
void px_plan(px *g);
/* Can the elements of r be said at any index, by the elements of its operands? */
bool px_is_element(px *g, ir_ref r);

/* ---- expressions (program_expr.c) */

const char *px_wrap(px *g, px_expr e, px_level least);
/* r as a whole array; r must be g->whole or named. */
px_expr px_whole(px *g, ir_ref r);
/* Its element at these indices, one for each axis. */
px_expr px_at(px *g, ir_ref r, const char *const *idx);
/* The scalar function of node r of these operands. */
px_expr px_scalar(px *g, ir_ref r, const px_expr *x);
/* Is n a function of elements that the language does not compute with as they are? */
bool px_is_foreign(const px *g, const ir_node *n);
/* A new index of the statement, and its text where it is introduced: `i`, or `i in 3`. */
const char *px_new_index(px *g, ir_dim extent);
const char *px_index_text(px *g, const char *name);

/* ---- statements (program_array.c, program_control.c, program_export.c) */

void px_line(px *g, const char *s, const char *comment);
/* What is made of numbers only gets the type of value r. */
const char *px_typed(px *g, ir_ref r, px_expr e);
/* The name of r, where only a name will do: numbers become arrays by a statement. */
const char *px_name_of(px *g, ir_ref r);
/* Write the statement and name all results of the node. */
px_expr px_write_if(px *g, ir_ref r);
px_expr px_write_loop(px *g, ir_ref r);
/* The statement that names r; false: no writer for its op. */
bool px_array(px *g, ir_ref r);
/* Statements of ONNX's operators for r's node, which name all its results (program_onnx.c). */
px_expr px_onnx(px *g, ir_ref r);
/* Names an extent by a value that the run has made. */
px_expr px_write_bind(px *g, ir_ref r);
/* Names the symbols that node n defines: what follows speaks of them.  Behind its statement each
 * is defined by an extent of a result. */
void px_name_symbols(px *g, const ir_node *n);
void px_define_symbols(px *g, const ir_node *n);
bool px_block(px *g);

#endif
