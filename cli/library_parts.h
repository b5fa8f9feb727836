/* cli/library_parts.h - what header and source of a library agree on. */
#ifndef INGOT_LIBRARY_PARTS_H
#define INGOT_LIBRARY_PARTS_H

#include "library.h"

/* One entry: C names, and which parameters its functions have. */
typedef struct library_entry {
    const plan_entry *e;
    const char *prefix;         /* of its names: MODEL, or MODEL_ENTRY unless it is `main` */
    const char *macro;          /* the same in capitals */
    const char **dim, **input, **output;
    const char **extents;       /* by output: its extents' member, or null: all are constant */
    const char *message;        /* member of the outputs */
    bool dims, states, late;    /* are there dims; does it use states, the allocator */
    bool varies;                /* extents of an output are not constant */
    bool output_dims;           /* it has the function that gives them before a run */
    bool fixed;                 /* workspace: size + threads * scratch */
    int64_t size, scratch;
} library_entry;

typedef struct library {
    arena mem;
    const image *im;
    const char *macro;          /* the model's name in capitals */
    library_entry *entry;
    uint32_t entries;
    const char **state;
    bool late;                  /* some entry uses the allocator */
} library;

void library_open(library *l, const image *im);
void library_close(library *l);

/* The C type of an element; null if there is none. */
const char *library_c_type(ir_dtype d);
/* Padding behind a state, up to the next cache line; its size in `*bytes`. */
uint64_t library_padding(const library *l, uint32_t state, uint64_t *bytes);
/* The parameters of an entry's run, or of what needs the dims alone; types
 * stand before the names if `typed`. */
void library_run_parameters(const library *l, const library_entry *x, text *out);
void library_dims_parameter(const library_entry *x, text *out);
/* C text: cpu_lacks(), null or what the processor lacks of what `t` has. */
void library_cpu(const target *t, text *out);

#endif
