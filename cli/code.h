/* cli/code.h - from a loaded module to an image: passes, plan, kernels, places. */
#ifndef INGOT_CODE_H
#define INGOT_CODE_H

#include "compile.h"
#include "ingot.h"
#include "plan_build.h"

typedef struct ingot_code {
    lower l;
    schedules given;
    image image;
    plan *p;
} ingot_code;

/* How a module becomes an image: for `ingot build --emit shared -o libnet.so` name
 * is "net", library is set, and threads is the model's default. */
typedef struct ingot_code_options {
    const char *name;               /* C identifier */
    const char *source;             /* hash of the model's file; null: unknown */
    const target *target;
    int32_t threads;
    bool executable, library, no_alloc;
    bool weights_apart;             /* in a file of their own */
    bool weights_place;             /* see image.h */
    uint64_t max_weights;           /* bytes that the weights may take */
    const char *lines;              /* as in image.h */
    uint64_t memory_budget;         /* bytes of an entry's workspace; 0: any */
    const char *schedules;          /* file of those to follow; null: none */
    ingot_watch watch;
    image_watch kernels;            /* who is told of kernels that begin */
} ingot_code_options;

/* The pipeline of passes, watched. */
bool code_passes(ir_module *m, const target *t, const ingot_watch *w);
/* What writers of models and gradients ask for: calls and requests for gradients become
 * ordinary nodes, and nothing else changes.  False after errors. */
bool code_expand(ir_module *m, diag *d);
/* Passes, kernels and plan alone; otherwise as code_make. */
bool code_plan(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d);
/* Passes, kernels, plan and the places of weights, ready for image_compile.  False
 * after errors; code_free in any case. */
bool code_make(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d);
void code_free(ingot_code *c);

#endif
