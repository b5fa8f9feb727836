/* cli/engine.h - what engine.c and compiled.c share. */
#ifndef INGOT_ENGINE_H
#define INGOT_ENGINE_H

#include "ingot.h"
#include "interpreter.h"

struct ingot_engine {
    ingot_engine_kind kind;
    ir_module *m;
    interpreter *interpreter;
    void *compiled;                 /* of compiled.c */
    session session;
    const struct ingot_entry *entry;    /* what ingot_engine_run runs */
};

/* compiled.c: makes code and weights, or frees them. */
bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d);
void engine_release(ingot_engine *e);
/* The model in memory; *weights is what its calls want. */
const struct ingot_model *engine_model(const ingot_engine *e, const uint8_t **weights);

#endif
