/* frontend/dsl/dsl.h - programs in the language to tensor IR. */
#ifndef INGOT_DSL_H
#define INGOT_DSL_H

#include "import.h"

/* --set NAME=VALUE: a config's value, as text of the language. */
typedef struct dsl_setting {
    const char *name, *value;
} dsl_setting;

/* An array that stands for a parameter or state. */
typedef struct dsl_weight {
    const char *name;
    ir_dtype dtype;
    int32_t rank;
    const int64_t *dims;
    const void *data;           /* outlives the module */
    size_t size;
} dsl_weight;

typedef struct dsl_options {
    const import_options *import;       /* --dim; may be null */
    const dsl_setting *set;
    int sets;
    ir_dtype real;                      /* f32, or f64; none: f32 */
    const dsl_weight *weight;           /* null: parameters are states */
    int weights;
} dsl_options;

/* The program of a file as a module: an entry for each net and entry, and `init`, which
 * draws the first values of parameters and states.  Null after errors.  `o` may be null. */
ir_module *dsl_import(const char *path, const dsl_options *o, diag *d);

#endif
