/* ir/import.h - what every reader of models is asked for, whatever the format:
 * extents to bind, and how much is too much. */
#ifndef INGOT_IMPORT_H
#define INGOT_IMPORT_H

#include "ir.h"

/* --shape NAME=2x3: the extents of an input.  They bind run-time extents; fixed
 * ones must be equal. */
typedef struct import_shape {
    const char *input;
    int32_t rank;
    int64_t dims[IR_MAX_RANK];
} import_shape;

/* Float weights that stay apart from constants, so that gradients can be asked for by them:
 * each is a `keep` of its constant in the entry, or one more input of the function. */
typedef struct import_weights {
    const char *pattern;            /* of their names, for text_matches; null: those with axes */
    bool inputs, trained;           /* trained: no settings, such as running means */
    VEC(const char *) name;         /* the reader adds them: names of the file */
    VEC(ir_ref) ref;
    VEC(uint32_t) constant;         /* what the file has for them, of the module */
    VEC(const char *) other;        /* float weights that the pattern leaves constants */
    ir_ref runs;                    /* of a function whose operators draw: the input u64[2] that
                                     * tells one call from another; else IR_NONE */
} import_weights;

/* An array that stands for one of a file. */
typedef struct import_array {
    const char *name;
    ir_dtype dtype;
    int32_t rank;
    const int64_t *dims;
    const void *data;
    size_t size;                    /* bytes */
} import_array;

#define IMPORT_MAX_WEIGHTS ((uint64_t)8 << 30)

/* All zero: nothing is bound, the usual limit. */
typedef struct import_options {
    const char *const *dim_name;    /* --dim NAME=VALUE */
    const int64_t *dim_value;
    int dims;
    const import_shape *shape;
    int shapes;
    uint64_t max_weights;           /* bytes; 0: IMPORT_MAX_WEIGHTS */
    import_weights *weights;        /* null: all weights are constants */
    const char *until;              /* the value that is the only result; null: those of the file */
    bool training;                  /* of a function: dropout drops, unless the file says not to;
                                     * else it drops nothing, whatever the file says */
    bool any_rows;                  /* the first axis of inputs has any extent, whatever the file
                                     * says: rows, of which the weights know nothing */
} import_options;

/* What is given for this input; null: nothing.  `o` may be null. */
const import_shape *import_shape_of(const import_options *o, const char *input);
/* The limit that holds.  `o` may be null. */
uint64_t import_max_weights(const import_options *o);

/* Records that `option` (--dim, --shape) names what is not there, and what is.  Sets
 * d->usage: the model is sound.  Always returns false. */
bool import_unknown(diag *d, const char *path, const char *option, const char *name,
                    const names *known);
/* Adds the run-time dims of the module's inputs. */
void import_dim_names(const ir_module *m, names *out);

/* Binds the run-time dims of a module that was read without options: each
 * symbol that `o` gives a value becomes that number in all functions, and all
 * types follow.  (A reader whose work depends on extents, such as that of ONNX,
 * binds them while it reads.)  False, with an error that names `path`, when a
 * dim or an input is not there or has another extent.  `o` may be null. */
bool import_bind(ir_module *m, const char *path, const import_options *o, diag *d);
/* Leaves only this one of the module's entries, and what it calls.  False, with an error, when
 * there is none of that name: d->usage is set. */
bool import_keep(ir_module *m, const char *path, const char *entry, diag *d);

#endif
