/* cli/engine.h - what engine.c and compiled.c share. */
#ifndef INGOT_ENGINE_H
#define INGOT_ENGINE_H

#include "ingot.h"
#include "interpreter.h"

/* A module that runs.  One of `interpreter` and `compiled` is null; the session is on
 * the model that the other one shows. */
struct ingot_engine {
    ingot_engine_kind kind;
    ir_module *m;
    interpreter *interpreter;
    void *compiled;                 /* of compiled.c */
    session session;
    const struct ingot_entry *entry;    /* what ingot_engine_run runs */
};

/* These are of compiled.c: they make code and weights, and free them. */
bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d);
void engine_release(ingot_engine *e);
/* The compiled model, and in *weights what its calls want as such. */
const struct ingot_model *engine_model(const ingot_engine *e, const uint8_t **weights);

#endif
