/* frontend/dsl/train.h - train blocks: what the files train*.c share.
 *
 * A block becomes entries that call each other in the runtime only (ir/train_abi.h): its
 * statements are evaluated once for each of them, in another mode.
 *
 *   STEP     rows are trained on: objectives update parameters, sums grow
 *   EVAL     rows are looked at: `training` is false, only sums grow
 *   FIT      `fit` blocks are run, and nothing else is changed
 *   GATHER   of a step of several pieces: gradients of one objective are added up
 *   APPLY    .. and what is gathered updates parameters
 *   METRICS  sums become numbers: no statement but `stop when` is evaluated
 *   JUDGE    nothing is changed: the two sides that an objective compares are results */
#ifndef INGOT_DSL_TRAIN_H
#define INGOT_DSL_TRAIN_H

#include "check.h"
#include "train_abi.h"

typedef enum train_mode {
    TRAIN_STEP, TRAIN_EVAL, TRAIN_FIT, TRAIN_GATHER, TRAIN_APPLY, TRAIN_METRICS, TRAIN_JUDGE
} train_mode;

/* Elements that are added up, how many, or of which weight, and their mean: 0 where all
 * weights are. */
typedef struct train_total {
    const dsl_value *sum, *of, *mean;
} train_total;

/* A number that is reported: an objective or `track`.  `value` is its formula, where rows
 * are reduced in it; else it is the mean of what was added up. */
typedef struct train_number {
    const char *name;
    const ast_expr *value;      /* null: a mean */
    ir_loc at;
    bool objective;             /* these are reported first */
} train_number;

/* A reduction over rows in the formula of a `track`: a sum that grows, or a mean, which has another
 * one of how many terms that is. */
typedef struct train_part {
    const ast_expr *e;
    const char *formula, *name; /* "rmse", "rmse.0" */
    const ir_type *type;
    const char *index[IR_MAX_RANK];     /* that an axis of it is of; null: a visible one */
    bool added;                 /* by the statement that is evaluated */
} train_part;

/* The expression of a `track` while it is evaluated. */
typedef struct train_formula {
    const char *name;           /* null: none is */
    const dsl_frame *frame;     /* that it stands in */
    uint32_t parts;             /* reductions over rows met in it */
    bool inside;                /* of one of them */
} train_formula;

/* The use of a `fit` block that is followed, of the layer or net under `path`, and the memories
 * that it fills (train_fit.c). */
typedef struct train_fit {
    const char *path;
    const ast_stmt *s;
    uint32_t pass;              /* which fills them, from 1 on; 0: a later one */
    uint32_t from, count;       /* its memories in `fitted`, or in `waiting` */
    uint32_t uses, chosen;      /* uses so far in this pass; the one that is followed */
    bool alone;                 /* its input is made of data alone */
} train_fit;

enum { TRAIN_COUNTERS = 7 };

/* A train block whose entries are made, one mode after the other, from the same statements.
 * What the program says of the loop around them goes to `record`. */
struct dsl_train {
    const dsl_template *t;
    dsl_scope *scope;           /* between the file's and an entry's: extents of columns */
    struct ingot_train_block *record;
    train_mode mode;
    dsl_rows rows;
    ir_dim row_count;           /* of the entry */
    const char *row_name;       /* of that, where rows are visible, x: [N, 3]; null: carried */
    const dsl_value *counter[TRAIN_COUNTERS];   /* inputs of the entry, once asked for */
    VEC(train_number) number;   /* in order; found when the first entry is made */
    VEC(train_part) part;
    train_formula formula;
    dsl_scope *names;           /* of the block's statements, in the entry made first */
    uint32_t objectives;        /* evaluated so far in this entry */
    uint32_t only;              /* of GATHER and APPLY: the objective, from 1 */
    VEC(dsl_memory *) gathered; /* parameters that it changes */
    bool first;                 /* the entry that finds out the numbers */
    bool fits;                  /* there is a `fit` block */
    VEC(train_fit) fit;
    uint32_t pass;              /* over the rows, in FIT */
    VEC(dsl_memory *) fitted;   /* what `fit` blocks have filled in this entry; or null */
    VEC(dsl_memory *) waiting;  /* what they are to fill in a later one */
    uint32_t judged;            /* the first objective that has two sides; 0: none */
};

/* ---- sums over rows (train_metric.c) */

/* Adds reals without carried axes to the sum of this name, a state of the module. */
void train_add(dsl *cx, const char *name, const dsl_value *v, ir_loc at);
/* The sum of this name and type; null: a number. */
const dsl_value *train_sum(dsl *cx, const char *name, const ir_type *t);
/* v as reals: what holds or not counts as 1 or 0. */
const dsl_value *train_real(dsl *cx, const dsl_value *v, ir_loc at, const char *what);
/* All elements of v, weighed by w unless that is null, which are also added to the sums of
 * this name.  False after an error. */
bool train_mean(dsl *cx, const char *name, const dsl_value *v, const dsl_value *w, ir_loc at,
                train_total *out);
/* Warns of a weight, of this text, that all rows share: of an epoch, or of a step. */
void train_warn_weight(dsl *cx, const ast_expr *e, const dsl_value *w, bool step);
/* sum / of, or 0 where that is 0. */
const dsl_value *train_quotient(dsl *cx, const dsl_value *sum, const dsl_value *of, ir_loc at);
/* In a block, or in a net or layer that it uses: then under the path of that.  Outside of
 * training, and where sums do not grow, it is nothing. */
void train_track(dsl *cx, const ast_stmt *s);
/* Makes the entry that turns sums into numbers, and `stop when` into one. */
void train_metrics(dsl *cx, const char *name);

/* ---- formulas of all rows (train_formula.c) */

/* The expression of a `track` of this name, of the rows at hand, or of all where sums become
 * numbers; the nets in it may track something, too.  *parts are the reductions over rows in it. */
const dsl_value *train_tracked(dsl *cx, const char *name, const ast_expr *e, uint32_t *parts);
/* The value of a reduction if it goes over rows in such an expression; else null. */
const dsl_value *train_part_value(dsl *cx, const ast_expr *e);
/* Are the rows of such a reduction gone?  Then indices in it have the extents that they had. */
bool train_part_extents(dsl *cx, const ast_expr *e);
/* Defines the names of the block that formulas can use: the others are of rows at hand. */
void train_fixed_names(dsl *cx);
/* What is a number of each batch becomes a mean of these, which is seldom meant: a warning. */
void train_warn_batches(dsl *cx, const char *name, const ast_stmt *s, const dsl_value *v);

/* ---- objectives (train_step.c) */

void train_minimize(dsl *cx, const ast_stmt *s);
/* The update by what was gathered of one objective. */
void train_apply(dsl *cx, const ast_stmt *s);
/* Does no gradient get from a loss to any of n parameters?  Then what stops it, "argmax (line
 * 3)"; else null (train_flow.c). */
const char *train_stopped(dsl *cx, ir_ref loss, const ir_ref *param, uint32_t n);
/* The nodes that a value is made from: a mark for each node of the function. */
bool *train_ancestors(dsl *cx, const ir_fn *f, ir_ref of);

/* ---- preparation (train_fit.c) */

/* fit { .. } of a layer: is run while NAME_fit is made, if this use of the layer is the one that
 * it follows. */
void train_fit_block(dsl *cx, const ast_stmt *s);
/* Begins a pass over the rows, in FIT; false: none is left.  A block that is fitted on what another
 * makes, as the second of standardize |> rescale, waits for a pass behind that one's. */
bool train_fit_pass(dsl *cx);
/* What was fitted of b becomes that of net a = b. */
void train_fit_copies(dsl *cx);
/* Was the memory filled by a `fit` block?  Then that is its role. */
bool train_keep_fitted(dsl *cx, dsl_memory *m);
/* The memory that a node reads; null: it reads none. */
const dsl_memory *train_memory_read(const dsl *cx, const ir_node *n);

/* ---- what an objective compares (train_judge.c) */

/* Has the objective two sides, with a number or scores for each row?  In JUDGE they become
 * the results of the entry. */
bool train_judge(dsl *cx, const ast_stmt *s);

/* ---- entries (train_entry.c) */

/* Is it an item that nothing names? */
bool train_is_unused(const ast_program *p, const char *name);

/* The entries of a file, behind its blocks. */
void train_entries(dsl *cx, const dsl_file *f, struct ingot_trainer *t);

/* ---- sources (train_source.c) */

/* The source as the runtime parses it; null after an error. */
const char *train_source_text(dsl *cx, const ast_expr *e);

/* ---- data (train_data.c) */

/* The dims of the file, and what numbers below them stand for, as notes of its checkpoints. */
void train_notes(dsl *cx, const dsl_file *f, struct ingot_trainer *t);
/* Columns, sources and the numbers of clauses.  False after an error. */
bool train_record(dsl *cx, struct dsl_train *k);
/* Dims of the file, and names of extents of columns, get values where data decide them. */
void train_find_dims(dsl *cx, const struct dsl_train *k);

/* ---- blocks (train.c) */

/* The template of an item of a file, of this kind; else null. */
const dsl_template *train_template(const dsl_file *f, const ast_item *item, ast_item_kind kind);

/* All train blocks of a file: their entries, and their record. */
const struct ingot_trainer *train_program(dsl *cx, dsl_file *f);
/* `step`, `epoch`, .. in a block; null: it is no such name, or this is no block. */
const dsl_value *train_counter(dsl *cx, const char *name);
/* The number of the piece of a step whose rows are at hand; null: a step has one piece. */
const dsl_value *train_piece(dsl *cx);

/* ---- memory of the trainer */

/* A state of this path and type that starts as zeros, of this enum ingot_role; the one that
 * is there, if there is one. */
dsl_memory *train_memory(dsl *cx, const char *path, const ir_type *t, int role);

#endif
