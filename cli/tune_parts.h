/* cli/tune_parts.h - the parts of tune.c: what is found out of a model, and the text that is made
 * of it. */
#ifndef INGOT_TUNE_PARTS_H
#define INGOT_TUNE_PARTS_H

#include "tune.h"

/* What rows are compared with; a share is a bit that data have as a real number. */
typedef enum goal_kind { GOAL_CLASS, GOAL_BIT, GOAL_SHARE, GOAL_NUMBER, GOALS } goal_kind;

/* The text being written: what the model is (m, f, weights), what its values are
 * called in the program (taken, input, dim, net, goal), and what is learned of it.
 * For the text in the head of tune.c, input is {"x"}, goal is "label", kind
 * GOAL_CLASS with 3 classes. */
typedef struct tune {
    const tune_options *o;
    trainer_options *t;
    ir_dtype real;              /* of the language */
    ir_module *m;
    const ir_fn *f;
    import_weights weights;     /* parameters of f behind the inputs */
    uint32_t inputs;
    names taken;                /* names of the program */
    const char **input;         /* columns, by input of the model */
    const char **elem;          /* of columns, by input: "u8", "int<20>" */
    bool *converted;            /* by input: its column has whole numbers that the model takes as
                                 * real ones */
    const char **dim;           /* by symbol of the model: N, or a dim; null: neither */
    const char *net, *goal;     /* names of the net and of the last column */
    goal_kind kind;
    int64_t classes;            /* of GOAL_CLASS */
    const char *const *class_name;  /* of each, if class_names is not 0 */
    int64_t class_names;
    const char *kinds;          /* the dim that has them */
    bool mean, head, scalar;    /* what the net adds: [N, C, H, W] becomes [N, C]; a layer; or
                                 * [N, 1] becomes [N] */
    int rank;                   /* of its result */
    text *out;
    diag *d;
} tune;

static inline bool tune_wrong(const tune *x, const char *what)
{
    return diag_error(x->d, (ir_loc){0}, D_GENERAL, what);
}

static inline const ir_type *tune_input(const tune *x, uint32_t i)
{
    return ir_type_of(x->f, x->f->param.at[i]);
}

static inline const ir_type *tune_result(const tune *x)
{
    return ir_type_of(x->f, x->f->result.at[0]);
}

/* A name of the language, and not one of its own or of the file so far: "input.1" becomes
 * input_1. */
const char *tune_name(tune *x, const char *raw);
/* The bytes of the name that a text begins with; 0: of none. */
size_t tune_word_length(const char *s);
/* --classes: a number, or names. */
cli_set tune_set_classes;
/* What classes are called, if it is known.  False after an error. */
bool tune_find_classes(tune *x);
/* Types of columns, by the model and the data; bits may turn out to be shares.  Warns where
 * numbers are converted. */
void tune_find_elements(tune *x);
/* A type of elements as the program says it; reals go without. */
const char *tune_elem_text(const tune *x, ir_dtype dt);
/* Adds the program for the file `path`, whose model and goal are known, to x->out
 * (tune_text.c). */
void tune_write(tune *x, const char *path);

#endif
