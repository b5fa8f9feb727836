/* frontend/dsl/check.h - the checker, which is the builder: it evaluates a program once
 * and makes the nodes of its entries.
 *
 * Functions are inlined: a call is a new frame in which the body is evaluated with the
 * arguments' values.  Layers get the path of their parameters from the block they are
 * used in.  Whatever goes wrong is told once, and its value is poison, which says no more. */
#ifndef INGOT_DSL_CHECK_H
#define INGOT_DSL_CHECK_H

#include "dsl.h"
#include "syntax.h"
#include "value.h"

struct dsl_cell {
    const char *name;
    const dsl_value *now;       /* null: the memory, as the entry began */
    dsl_region *home;           /* that it lives in; null: it outlives the entry */
    struct dsl_memory *memory;  /* null: carried */
    ir_loc at;
};

/* A parameter or state of the module. */
typedef struct dsl_memory {
    dsl_cell cell;
    const char *path;
    const ast_decl *decl;       /* with its first value, to be evaluated in .. */
    struct dsl_scope *scope;
    struct dsl_frame *frame;
    const ir_type *type;
    bool bounded;               /* an int below .. */
    ir_dim below;
    uint32_t state;             /* of the module */
    uint32_t weights;           /* a constant that stands for it, or IR_NONE */
    const struct dsl_template *net;     /* whose parameter it is; null: none's */
    bool foreign;               /* its first value is the constant `first`, decl is null */
    uint32_t first;
    bool trainable, updated;
    bool data;                  /* an item `data`: a constant that no state stands for */
    int32_t role;               /* enum ingot_role (train_abi.h) */
} dsl_memory;

/* A name of a scope and what it stands for: a value; an index, as i in y[i] = ..; or a cell,
 * which `=` gives another value. */
typedef struct dsl_var {
    const char *name;
    const dsl_value *value;     /* null: an index or a cell */
    dsl_axis *index;
    dsl_cell *cell;
    ir_loc at;
    bool block;                 /* of training: its name means nothing in expressions */
    struct dsl_var *next;
} dsl_var;

typedef struct dsl_scope {
    struct dsl_scope *parent;
    dsl_var *vars;              /* the latest first */
    const char *body;           /* of a scan, while or branch, "round" or "branch": `=` names
                                 * nothing outside */
    bool closed;                /* parameters are being bound: their extents mean nothing
                                 * from outside */
    bool file;                  /* of a file's items */
} dsl_scope;

/* Where layers get their paths: the body of a net or layer, or a round of `repeat`. */
typedef struct dsl_block {
    const char *path;
    struct dsl_tally *kinds;     /* of layers that it has had */
} dsl_block;

/* What a name that can be called was defined as.  `layer dense(O)(x: [.., I]) -> [.., O] {..}`
 * is one, with the item as its text; a call of it opens a frame. */
typedef struct dsl_template {
    const char *name;
    const ast_item *item;       /* null: built in */
    struct dsl_file *file;
    const struct dsl_builtin *builtin;
    const struct dsl_template *base;    /* net a = base .. */
    const ast_item *hooks;              /* .. with patterns |> f, or null */
    struct dsl_foreign *foreign;        /* a model in another format, or null */
    const dsl_value *value;     /* the function without configuration */
    int depth;                  /* calls of it that are being evaluated */
} dsl_template;

/* A call being evaluated.  Evaluation builds: a function's body is walked once for each call,
 * with its arguments' values. */
typedef struct dsl_frame {
    struct dsl_frame *caller;
    const dsl_template *of;
    dsl_block *block;           /* null: no layers here */
    dsl_axes carried;           /* by the arguments into this function */
    ir_loc called;              /* in the caller's text */
    bool training, fit;
    bool parameters;            /* may it have parameters? */
    const dsl_use *use;         /* of the layer; null: it is none */
    ir_loc loop;                /* the innermost scan or while of this body around what is
                                 * evaluated; line 0: none */
    uint64_t place;             /* of draws */
} dsl_frame;

/* A program that is read: the one that was asked for, one that it imports, or a theme of the
 * prelude. */
typedef struct dsl_file {
    const char *source;         /* its text */
    const char *path, *folder;
    const char *prefix;         /* of paths of its nets: "blocks"; "": none */
    uint32_t place;
    bool prelude;
    ast_program *program;
    dsl_scope *scope;           /* the files of the prelude share one */
    bool open;                  /* its items are being read: an import of it is a cycle */
} dsl_file;

/* A name of a loop's or branch's body that means nothing behind it, and why. */
typedef struct dsl_lost {
    const char *name, *why;
    const dsl_scope *home;      /* around the loop or branch */
    const struct dsl_lost *next;
} dsl_lost;

/* The extents of indices, found before an expression is evaluated (range.c). */
typedef struct dsl_range {
    const ast_index *at;
    dsl_axis *axis;
} dsl_range;
typedef VEC(dsl_range) dsl_ranges;

/* A scan or while being evaluated (scan.c). */
typedef struct dsl_slice {
    const dsl_value *base;
    int axis;
    const dsl_value *part;
} dsl_slice;
typedef struct dsl_stack {
    const char *name;
    const dsl_value *value;
    int position;
    ir_loc at;
} dsl_stack;
typedef struct dsl_scan {
    const char *name;           /* of the index; null: none */
    const dsl_value *index;
    VEC(dsl_slice) slices;
    VEC(dsl_stack) stacks;
} dsl_scan;

/* Rounds of a `repeat`: y[i, :] = e makes an array of what all rounds define. */
typedef struct dsl_rounds {
    const char *name;
    const dsl_value *index;
    uint32_t round;
    VEC(dsl_stack) stacks;
    struct dsl_rounds *outer;
} dsl_rounds;

/* A `dim` of a file that nothing has given a number. */
typedef struct dsl_open_dim {
    ast_word name;
    ir_dim dim;
} dsl_open_dim;

/* A function of the module in the making. */
typedef struct dsl_making {
    ir_fn *fn;
    ir_build b;
    dsl_region region, *outer;
} dsl_making;

/* What numbers below a dim stand for: the alphabet of a text, categories. */
typedef struct dsl_names {
    const char *dim;
    int64_t count;
    const char *const *names;
} dsl_names;

/* What a first reading of the program has told about its weights. */
typedef struct dsl_known {
    arena mem;
    names dims;                 /* `dim`s that the weights' extents give .. */
    VEC(int64_t) value;         /* .. these numbers */
    names updated;              /* paths of what entries change */
} dsl_known;

/* A draw without the rows that its function carries: when it meets them, all get the same
 * numbers, which is seldom meant. */
typedef struct dsl_rowless {
    ir_ref ref;
    const dsl_region *home;
    ir_loc at;
} dsl_rowless;

/* A program while it becomes a module: what it is made into, and where evaluation stands - the
 * frame, the scope, the region that nodes go to, the place for messages. */
typedef struct dsl {
    ir_module *m;
    diag *d;
    arena *mem;
    dim_table *dims;
    ast_pool pool;
    const dsl_options *o;
    const dsl_known *known;     /* null: the first reading, or one without weights */
    const names *knobs;         /* configs of the file that trainers may set; null: none */
    names *fractions;           /* gets the configs that are fractions; may be null */
    ir_dtype real;
    dsl_region *region;
    dsl_frame *frame;
    dsl_scope *scope;
    dsl_ranges *ranges;
    dsl_rounds *rounds;
    ir_loc at;                  /* of the expression */
    VEC(dsl_memory *) memory;
    names paths;                /* of these, in their order */
    VEC(dsl_file *) file;
    VEC(dsl_open_dim) open;
    VEC(dsl_names) names;
    struct dsl_train *train;    /* the block whose entry is made; null: none (train.h) */
    dsl_scope builtins, prelude;
    uint32_t prelude_end;       /* places up to this one are the prelude's */
    dsl_axes draw_along;        /* indices of the places of a draw */
    VEC(dsl_rowless) rowless;   /* of the function in the making */
    ir_ref seed;                /* of the entry; IR_NONE: it has not drawn yet */
    uint32_t rounds_unrolled;
    uint32_t wanted;            /* results of the onnx.Op(..) that comes next; 0: one */
    const dsl_lost *lost;       /* the latest first */
    bool hooking;               /* a parameter of net .. with .. is read */
    ir_loc told;                /* where the last fault was */
} dsl;

/* ---- messages (message.c) */

/* Tells what is wrong at this place, once, at the innermost line of the user's text. */
const dsl_value *dsl_wrong(dsl *cx, ir_loc at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What is evaluated now: messages point there, nodes at the user's line that led there. */
void dsl_stand(dsl *cx, ir_loc at);
/* A warning there, told once; is this the time? */
bool dsl_warn(dsl *cx, ir_loc at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "[N, 64]", "int<10>[.., T]", "0.5", "layer dense": what a value is, in words. */
const char *dsl_describe(dsl *cx, const dsl_value *v);
const char *dsl_dim_text(dsl *cx, ir_dim d);
/* The word in a scope that is nearest to a misspelt one; null: none is near. */
const char *dsl_nearest(dsl *cx, const char *name);

/* v, which is nothing or several results, cannot have this name. */
const dsl_value *dsl_one_name(dsl *cx, ir_loc at, const char *name, const dsl_value *v);
/* What those who know another library write here (syntax_habit), "; .."; "" for other words. */
const char *dsl_habit_text(dsl *cx, syntax_habit_kind kind, const char *word);
/* Where a slice begins and how many it takes.  Its ends may be expressions of dims.  What is wrong
 * for every size is told now; x[0:n] of an axis of m, where m < n is possible, is checked by the
 * run. */
bool dsl_slice_ends(dsl *cx, const ast_expr *e, ir_dim extent, ir_dim *start, ir_dim *count);
/* "line 8: .." for what a run may say; the line is the user's, as in messages. */
const char *dsl_of_line(const dsl *cx, ir_loc at, const char *text);
/* Are two extents apart, or equal only where both are empty, as L and 4*L? */
bool dsl_apart(dsl *cx, ir_dim a, ir_dim b);
/* "if they are, say check L == 48": of extents that are not known to be equal, those of `in_a` and
 * `in_b`; null: they have no names. */
const char *dsl_equal_text(dsl *cx, ir_dim a, ir_dim b, const char *in_a, const char *in_b);

/* ---- values (value.c) */

extern const dsl_value dsl_poison, dsl_nothing;
static inline bool dsl_bad(const dsl_value *v) { return v->kind == DSL_POISON; }
static inline bool dsl_is_tensor(const dsl_value *v) { return v->kind == DSL_TENSOR; }
static inline bool dsl_is_function(const dsl_value *v)
{
    return v->kind == DSL_FUNCTION || v->kind == DSL_PIPE;
}
const dsl_value *dsl_whole(dsl *cx, ir_dim d);
const dsl_value *dsl_run_number(dsl *cx, ir_dim d);      /* made of an int of the run */
const dsl_value *dsl_int(dsl *cx, int64_t v);
const dsl_value *dsl_fraction(dsl *cx, double v);
const dsl_value *dsl_truth(dsl *cx, bool v);
const dsl_value *dsl_text(dsl *cx, const char *s);
const dsl_value *dsl_list(dsl *cx, dsl_kind kind, uint32_t n, const dsl_value **at,
                          const char **name);
/* An array of these axes; poison if x is IR_NONE.  It copies the axes. */
const dsl_value *dsl_array(dsl *cx, ir_ref x, dsl_elem elem, int rank, dsl_axis *const *axis);
/* The same element, number and bounds as v's. */
const dsl_value *dsl_array_like(dsl *cx, const dsl_value *v, ir_ref x, int rank,
                                dsl_axis *const *axis);
const dsl_value *dsl_bounded(dsl *cx, const dsl_value *v, ir_dim lo, ir_dim hi);
/* v with the bounds that hold for w, too, or without any. */
const dsl_value *dsl_join_bounds(dsl *cx, const dsl_value *v, const dsl_value *w);
static inline ir_build *dsl_b(dsl *cx) { return cx->region->b; }
/* The array's node where nodes are made now: captured, if it was made outside. */
ir_ref dsl_ref(dsl *cx, const dsl_value *v);
const ir_type *dsl_type(const dsl_value *v);
ir_dtype dsl_dtype(const dsl_value *v);
static inline ir_dim dsl_extent(const dsl_value *v, int i) { return dsl_type(v)->dim[i]; }
/* Axes in memory that are visible, in order; how many. */
int dsl_visible(const dsl_value *v, int *out);
/* Is it an axis of rows, `..`, which a call carries?  A visible axis, null, is none. */
bool dsl_is_rows(const dsl_axis *a);
/* Where v has this axis; -1: nowhere. */
int dsl_find(const dsl_value *v, const dsl_axis *a);
dsl_axis *dsl_axis_new(dsl *cx, const char *name, ir_dim extent);
bool dsl_has_axis(const dsl_axes *l, const dsl_axis *a);
void dsl_add_axis(dsl_axes *l, dsl_axis *a);
void dsl_add_carried(dsl_axes *l, const dsl_value *v);
/* Are the extents known to be equal? */
static inline bool dsl_same(ir_dim a, ir_dim b) { return dim_same(a, b); }
/* Is a <= b for certain? */
bool dsl_at_most(dsl *cx, ir_dim a, ir_dim b);
ir_dtype dsl_elem_dtype(dsl *cx, dsl_elem e);

/* ---- numbers become arrays, elements agree (convert.c) */

/* A number, truth or list as an array; an array itself; else poison, with a message. */
const dsl_value *dsl_as_array(dsl *cx, const dsl_value *v, ir_loc at);
/* v with this element: numbers take it, others must have it.  `what` names v in messages. */
const dsl_value *dsl_as(dsl *cx, const dsl_value *v, dsl_elem elem, ir_loc at, const char *what);
const dsl_value *dsl_cast(dsl *cx, const dsl_value *v, dsl_elem elem);
/* n values with one element. */
bool dsl_agree(dsl *cx, const dsl_value **v, int n, ir_loc at, const char *what);
/* A number that a real is wanted from: false if it is no number. */
bool dsl_number(dsl *cx, const dsl_value *v, double *out);
bool dsl_dim(dsl *cx, const dsl_value *v, ir_dim *out);

/* ---- axes (axes.c) */

/* The axes of an array in the making, with their extents. */
typedef struct dsl_shape {
    int rank;
    dsl_axis *axis[IR_MAX_RANK];
    ir_dim extent[IR_MAX_RANK];
} dsl_shape;
/* Adds an axis behind the others, null: a visible one.  False, with a message, if there are
 * IR_MAX_RANK: the one place where arrays are kept from having more. */
bool dsl_add_to_shape(dsl *cx, dsl_shape *s, dsl_axis *a, ir_dim extent);
/* v's axes from this one in memory on; its carried ones that the shape lacks. */
bool dsl_add_axes(dsl *cx, dsl_shape *s, const dsl_value *v);
bool dsl_add_missing(dsl *cx, dsl_shape *s, const dsl_value *v);
/* dsl_arrange by a shape. */
const dsl_value *dsl_arrange_as(dsl *cx, const dsl_value *v, const dsl_shape *s);
/* Arrays of equal axes one beside the other along a new visible axis at this place in memory. */
const dsl_value *dsl_stacked(dsl *cx, const dsl_value *const *v, uint32_t n, int at);
/* Arrays with the same axes in the same order; visible shapes must be equal, or none. */
bool dsl_align(dsl *cx, const dsl_value **v, int n, ir_loc at, const char *what);
/* v with exactly these axes in this order; null stands for the next visible one.  Those
 * that v lacks are repeated. */
const dsl_value *dsl_arrange(dsl *cx, const dsl_value *v, dsl_axis *const *axis,
                             const ir_dim *extent, int rank);
/* The carried axes `l` become visible, in this order and in front of the visible ones.
 * Those that v lacks are repeated. */
const dsl_value *dsl_show(dsl *cx, const dsl_value *v, const dsl_axes *l);
/* The first n visible axes are carried as these. */
const dsl_value *dsl_carry(dsl *cx, const dsl_value *v, dsl_axis *const *axis, int n);
/* v where axes of extent `from`, which is known to be `to`, have that. */
const dsl_value *dsl_with_extent(dsl *cx, const dsl_value *v, ir_dim from, ir_dim to);
/* Without these axes, which have extent 1. */
const dsl_value *dsl_squeeze(dsl *cx, const dsl_value *v, const dsl_axes *ones);
/* Without the axes, reduced. */
const dsl_value *dsl_reduce(dsl *cx, const dsl_value *v, ir_redop op, const dsl_axes *over);
/* The same over visible axes: all, or the last one. */
const dsl_value *dsl_reduce_visible(dsl *cx, const dsl_value *v, ir_redop op);

/* ---- scalar functions (scalar.c) */

const dsl_value *dsl_unary(dsl *cx, unsigned op, const dsl_value *x, ir_loc at);
const dsl_value *dsl_binary(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b, ir_loc at);
const dsl_value *dsl_scalar2(dsl *cx, unsigned op, const dsl_value *a, const dsl_value *b,
                             ir_loc at, const char *what);
const dsl_value *dsl_select(dsl *cx, const dsl_value *c, const dsl_value *a, const dsl_value *b,
                            ir_loc at);

/* ---- what numbers stand for (spelling.c) */

void dsl_read_spelling(dsl *cx, const dsl_note *note);
/* How many numbers below this bound stand for something, and for what; 0: none. */
int64_t dsl_spelling(const dsl *cx, const ast_expr *bound, const char *const **names);
/* Notes in the module what inputs and results of the entry of this template stand for. */
void dsl_note_spelling(dsl *cx, const dsl_template *t);

/* ---- names (scope.c) */

dsl_var *dsl_find_var(const dsl_scope *s, const char *name);
/* Of this scope alone, blocks of training among them. */
dsl_var *dsl_find_own(const dsl_scope *s, const char *name);
dsl_var *dsl_define(dsl *cx, dsl_scope *s, const char *name, const dsl_value *v, ir_loc at);
dsl_var *dsl_define_index(dsl *cx, dsl_scope *s, const char *name, dsl_axis *a, ir_loc at);
dsl_var *dsl_define_cell(dsl *cx, dsl_scope *s, dsl_cell *cell);
/* What a name means; poison, with a message, if nothing. */
const dsl_value *dsl_lookup(dsl *cx, const char *name, ir_loc at);
const dsl_value *dsl_var_value(dsl *cx, const dsl_var *v);
dsl_scope *dsl_scope_new(dsl *cx, dsl_scope *parent);
/* Whoever uses the name behind the loop or branch in this scope is told why it cannot. */
void dsl_lose(dsl *cx, const char *name, const char *why);

/* ---- expressions (expr.c) */

const dsl_value *dsl_eval(dsl *cx, const ast_expr *e);
/* An expression of a statement: the extents of its indices are found first. */
const dsl_value *dsl_eval_top(dsl *cx, const ast_expr *e);
/* An extent or a number of rounds: a whole number. */
bool dsl_eval_dim(dsl *cx, const ast_expr *e, ir_dim *out, const char *what);
/* The N of a declared int<N>: 1 or more, where it is known. */
bool dsl_eval_bound(dsl *cx, const ast_expr *e, ir_dim *out);
/* Is it made of configuration and extents only? */
bool dsl_is_static(dsl *cx, const ast_expr *e);
const dsl_value *dsl_index_value(dsl *cx, dsl_axis *a);

/* ---- subscripts (subscript.c, affine.c, range.c) */

/* c + sum of coef * index. */
typedef struct dsl_affine {
    ir_dim constant;
    int n;
    struct { dsl_axis *axis; ir_dim coef; } term[8];
} dsl_affine;
/* Is it an affine position?  Silent: what it is not is evaluated. */
bool dsl_affine_of(dsl *cx, const ast_expr *e, dsl_affine *out);
/* Least and most, where all extents are known. */
void dsl_affine_range(dsl *cx, const dsl_affine *f, ir_dim *lo, ir_dim *hi);

/* A factor of a product: an array whose axes may be read in windows.  form[i].n > 1
 * where axis i in memory is at such a position; axis[i] is then null. */
typedef struct dsl_view {
    const dsl_value *v;
    dsl_affine form[IR_MAX_RANK];
} dsl_view;
/* Evaluates; windows stay windows, anything else has none. */
bool dsl_view_of(dsl *cx, const ast_expr *e, dsl_view *out);
const dsl_value *dsl_view_plain(dsl *cx, const dsl_view *w);
/* Takes axis `at` in memory apart, if its position r * i + j tiles it; else false. */
bool dsl_view_split(dsl *cx, dsl_view *w, int at);
/* Orders the terms of r * i + j so that each axis lies in the one before; the number of
 * elements.  False if they leave gaps or overlap. */
bool dsl_tile(dsl *cx, dsl_affine *f, ir_dim *total);
const dsl_value *dsl_subscript(dsl *cx, const ast_expr *e);
/* The position on each of n axes; null: all of it.  False if there are too many. */
bool dsl_positions(const ast_exprs *p, int n, const ast_expr **out);
/* Elements of x at integer positions: index[k] on axis[k] in memory, for k < n. */
const dsl_value *dsl_gather(dsl *cx, const dsl_value *x, const int *axis,
                            const dsl_value *const *index, int n, ir_loc at);
/* Finds extents for the indices in an expression, and for those of a definition's places. */
void dsl_find_ranges(dsl *cx, const ast_expr *e, const ast_exprs *places, dsl_ranges *out);
/* The axis of an index introduced by sum[..] or for. */
dsl_axis *dsl_range_axis(dsl *cx, const ast_index *i);

/* ---- sums (reduce.c, contract.c, window.c) */

const dsl_value *dsl_eval_reduce(dsl *cx, const ast_expr *e);
/* The same of one that is no part of a `track`. */
const dsl_value *dsl_reduce_indices(dsl *cx, const ast_expr *e);
/* The sum of the product of factors over axes. */
const dsl_value *dsl_contract(dsl *cx, dsl_view *factor, int n, const dsl_axes *over);
/* The reduction of windows; null if it is none. */
const dsl_value *dsl_reduce_window(dsl *cx, const dsl_view *x, ir_redop op, const dsl_axes *over);
/* The convolution of two factors; null if it is none. */
const dsl_value *dsl_convolve(dsl *cx, const dsl_view *x, const dsl_view *w, const dsl_axes *over);
/* The product of a picture x[channel, ..] of two axes more, perhaps of several, and a matrix
 * with the channel as axis `summed`: a convolution by windows of one pixel, which keeps the
 * channels before the pixels.  Null: x is no such. */
const dsl_value *dsl_convolve_points(dsl *cx, const dsl_value *x, int channels,
                                     const dsl_value *k, int summed);
/* The same in groups, which are an axis of both: `group` is that of k. */
const dsl_value *dsl_convolve_groups(dsl *cx, const dsl_value *x, int channels,
                                     const dsl_value *k, int summed, int group);
/* y[o, p * stride + i] += sum[c] x[c, p] * k[c, o, i]: a convolution with gaps, of which
 * `out` are the axes of the places; null if it is none. */
const dsl_value *dsl_spread(dsl *cx, const dsl_value *x, const dsl_value *k, const dsl_axes *over,
                            const dsl_affine *place, int n, dsl_axes *out);
/* The factors and the summed axes of sum[c] a * b, or of a * b; false, and nothing is
 * evaluated, if e is no such sum. */
bool dsl_two_factors(dsl *cx, const ast_expr *e, const dsl_value *factor[2], dsl_axes *over);

/* ---- types and calls (type.c, call.c, instance.c) */

/* v as the type has it: its names are bound in the scope, its `..` carried as `rows`, which
 * get new axes if they are none yet. */
typedef struct dsl_rows {
    dsl_axes axes;
    bool set;
    ir_loc at;
} dsl_rows;
const dsl_value *dsl_bind_type(dsl *cx, const ast_type *t, const dsl_value *v, dsl_scope *s,
                               dsl_rows *rows, const char *what, ir_loc at);
/* v as a value of this type, whose names are known. */
const dsl_value *dsl_has_type(dsl *cx, const ast_type *t, const dsl_value *v, const char *what,
                              ir_loc at);
/* The same for what is declared: a value without visible axes stands in every place. */
const dsl_value *dsl_fill_type(dsl *cx, const ast_type *t, const dsl_value *v, const char *what,
                               ir_loc at);
/* A default in the shape of its type, as far as that is known. */
const dsl_value *dsl_fill_default(dsl *cx, const ast_type *t, const dsl_value *v,
                                  const char *what, ir_loc at);
/* The extents of a type without `..`; its rank, -1 after an error. */
int dsl_type_extents(dsl *cx, const ast_type *t, ir_dim *out);
dsl_elem dsl_type_elem(const ast_type *t);
ir_dtype dsl_type_dtype(dsl *cx, const ast_type *t);

const dsl_value *dsl_call(dsl *cx, const ast_expr *e);
/* f applied to data. */
const dsl_value *dsl_apply(dsl *cx, const dsl_value *f, const dsl_value **arg, uint32_t n,
                           ir_loc at);
const dsl_value *dsl_pipe(dsl *cx, const ast_expr *e);
/* Warns of a first argument that a function of the library makes of it itself: a softmax in
 * front of cross_entropy (misfit.c).  x may be null. */
void dsl_warn_misfit(dsl *cx, const dsl_template *t, const dsl_value *x, ir_loc at);
/* f bound to a name. */
const dsl_value *dsl_bind_name(dsl *cx, const dsl_value *f, const char *name);
dsl_use *dsl_use_new(dsl *cx, ir_loc at);
const dsl_value *dsl_with_use(dsl *cx, const dsl_value *f, ir_loc at);
const char *dsl_use_path(dsl *cx, const dsl_function *f);
const char *dsl_net_path(dsl *cx, const dsl_template *t);
dsl_block *dsl_block_new(dsl *cx, const char *path);
/* "dense2": the next of its kind in the block; the first one has a number if `first` says so. */
const char *dsl_numbered(dsl *cx, dsl_block *b, const char *kind, bool first);

/* ---- parameters and states (memory.c) */

void dsl_declare(dsl *cx, const ast_decls *l, bool trainable, ir_loc at);
const dsl_value *dsl_read(dsl *cx, dsl_cell *c);
void dsl_write(dsl *cx, dsl_cell *c, const dsl_value *v, ir_loc at);
/* Gives the cell a value that fits it, and notes it in every region between here and where
 * it lives. */
void dsl_set_cell(dsl *cx, dsl_cell *c, const dsl_value *v);
dsl_written *dsl_find_written(dsl_region *r, const dsl_cell *c);
dsl_memory *dsl_memory_find(dsl *cx, const char *path);
void dsl_memory_enter(dsl *cx, dsl_memory *m);      /* with its path */
/* A state that no text declares: zeros at first, of this role. */
dsl_memory *dsl_memory_add(dsl *cx, const char *path, const ir_type *t, int32_t role);
/* What the cell was as the entry began. */
const dsl_value *dsl_first_read(dsl *cx, const dsl_cell *c);

/* ---- weights (weights.c) */

const dsl_weight *dsl_weight_of(const dsl *cx, const char *path);
/* Makes the memory a state of the module, or a constant if a file has it and no entry
 * changes it. */
void dsl_take_weight(dsl *cx, dsl_memory *m);
void dsl_learn(dsl *cx, dsl_known *k);
void dsl_known_free(dsl_known *k);
/* Tells which names the file or the program lacks. */
void dsl_check_weights(dsl *cx);
const char *dsl_type_text(dsl *cx, const ir_type *t);

/* ---- statements (stmt.c, define.c, scan.c, branch.c) */

/* The value of a block whose statements are evaluated in a scope of their own. */
const dsl_value *dsl_run(dsl *cx, const ast_block *b);
/* The same in the scope that is open: what it defines stays. */
const dsl_value *dsl_run_here(dsl *cx, const ast_block *b);
const dsl_value *dsl_statement(dsl *cx, const ast_stmt *s, bool last);
const dsl_value *dsl_define_stmt(dsl *cx, const ast_stmt *s);
/* y[places] += v of the statement: what falls on one place is added. */
const dsl_value *dsl_accumulate(dsl *cx, const ast_target *t, const dsl_value *v);
/* The same where it is a transposed convolution; null if it is none. */
const dsl_value *dsl_accumulate_product(dsl *cx, const ast_target *t, const ast_expr *e);
/* base with v at the places, which need not be all of it. */
const dsl_value *dsl_place(dsl *cx, const ast_target *t, const dsl_value *base,
                           const dsl_value *v);
/* a <- e of nets: all parameters.  False if the target is no net. */
bool dsl_update_net(dsl *cx, const ast_stmt *s);
const dsl_value *dsl_eval_for(dsl *cx, const ast_expr *e);
void dsl_scan_stmt(dsl *cx, const ast_stmt *s);
void dsl_while_stmt(dsl *cx, const ast_stmt *s);
void dsl_repeat_stmt(dsl *cx, const ast_stmt *s);
const dsl_value *dsl_if_stmt(dsl *cx, const ast_stmt *s, bool last);

/* ---- chance (draw.c) */

/* A draw of this type, or of what the distribution's arguments have. */
const dsl_value *dsl_draw(dsl *cx, const ast_type *t, const dsl_value *how, ir_loc at);
/* A counter for draws of an imported model, u64[2]: another one for each step and call. */
ir_ref dsl_draw_counter(dsl *cx, ir_loc at);
/* y is computed from v alone: if v is a draw without the rows, so is y. */
void dsl_still_rowless(dsl *cx, const dsl_value *v, const dsl_value *y);
/* Warns where a draw without the rows meets, element by element, a value that has them. */
void dsl_meet_rows(dsl *cx, const dsl_value *a, const dsl_value *b, ir_loc at);
/* A place of draws in the rounds of `repeat` around. */
uint64_t dsl_round_place(const dsl *cx, uint64_t place);

/* ---- built in (builtin.c) */

void dsl_add_builtins(dsl *cx);
/* A function of the table with its configuration and data. */
const dsl_value *dsl_call_builtin(dsl *cx, const dsl_function *f, const dsl_value **arg,
                                  uint32_t n, ir_loc at);
/* The place of a named argument; -1: it has none. */
int dsl_builtin_position(const struct dsl_builtin *b, const char *name);
int dsl_builtin_configs(const struct dsl_builtin *b);
/* Is it a number of numbers? */
bool dsl_builtin_static(const struct dsl_builtin *b);

#include "items.h"

#endif
