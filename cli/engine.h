/* cli/engine.h - what engine.c and compiled.c share. */
#ifndef INGOT_ENGINE_H
#define INGOT_ENGINE_H

#include "abi.h"
#include "ingot.h"

struct ingot_engine {
    ingot_engine_kind kind;
    ir_module *m;
    ir_fn *fn;
    int threads;
    void *compiled;         /* of compiled.c */
};

/* compiled.c */
bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d);
bool engine_run_compiled(ingot_engine *e, const tensor_value *in, tensor_value *out, char *error);
/* The model in memory; *weights is what its calls want. */
const struct ingot_model *engine_model(const ingot_engine *e, const uint8_t **weights);
void engine_release(ingot_engine *e);

#endif
