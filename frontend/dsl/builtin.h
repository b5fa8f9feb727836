/* frontend/dsl/builtin.h - what a built-in function sees of its call. */
#ifndef INGOT_DSL_BUILTIN_H
#define INGOT_DSL_BUILTIN_H

#include "check.h"

typedef struct dsl_builtin dsl_builtin;

/* softmax(2)(x) has config[0] = 2 and arg[0] = x; softmax(x) has config[0] null. */
typedef struct dsl_builtin_call {
    dsl *cx;
    const dsl_builtin *f;
    const dsl_value **config;   /* null where left out */
    const dsl_function *function;   /* as it is called */
    const dsl_value **arg;
    uint32_t n;
    ir_loc at;
} dsl_builtin_call;

typedef const dsl_value *dsl_builtin_run(const dsl_builtin_call *c);

/* A row of builtin.def, explained there. */
struct dsl_builtin {
    const char *name;
    int configs, least, most;
    dsl_builtin_run *run;
    unsigned op;
    bool fixed;
    const char *signature, *meaning;    /* "(x: [.., K]) -> [.., K]", "ascending, .." */
};

#define BUILTIN(name, configs, least, most, run, ...) dsl_builtin_run builtin_##run;
#include "builtin.def"

#endif
