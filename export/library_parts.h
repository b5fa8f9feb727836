/* export/library_parts.h - what header and source of a library agree on. */
#ifndef INGOT_LIBRARY_PARTS_H
#define INGOT_LIBRARY_PARTS_H

#include "library.h"
#include "template.h"

/* The files of that name, and ir/abi.h. */
extern const char library_h_text[], library_c_text[], abi_text[];
extern const char library_train_h_text[], library_train_c_text[];
/* The files cpu_ARCH.h of runtime/. */
extern const char cpu_x86_64_text[], cpu_aarch64_text[];

/* One entry: C names, and which parameters its functions have.  The entry `step`
 * of the model `net`, for example, has the prefix net_step, the macro prefix
 * NET_STEP and the function net_step_run. */
typedef struct library_entry {
    const plan_entry *e;
    uint32_t number;
    const char *prefix;         /* of its names: MODEL, or MODEL_ENTRY unless it is `main` */
    const char *macro;          /* the same in capitals */
    const char **dim, **input, **output;
    const char **extents;       /* by output: its extents' member, or null: all are constant */
    const char **size_name;     /* by output: its name in that of its size */
    const char *message;        /* member of the outputs */
    bool dims, states, late;    /* are there dims; does it use states, the allocator */
    bool sizes;                 /* sizes of outputs are told before a run */
    bool varies;                /* extents of an output are not constant */
    bool output_dims;           /* it has the function that gives them before a run */
    bool fixed;                 /* workspace: size + threads * scratch */
    int64_t size, scratch;
    template_words words;       /* for the gaps of its parts; those of the library included */
} library_entry;

/* A library while its C text is made. */
typedef struct library {
    arena mem;
    const image *im;
    const char *macro;          /* the model's name in capitals */
    library_entry *entry;
    uint32_t entries;
    const char **state;
    bool late;                  /* some entry uses the allocator */
    template_words words;       /* for the gaps of its parts */
} library;

/* How a caller learns the bytes of an output: from a macro, a function of the dims, or
 * only after the run. */
typedef enum library_size {
    LIBRARY_SIZE_MACRO, LIBRARY_SIZE_FUNCTION, LIBRARY_SIZE_UNKNOWN
} library_size;
library_size library_size_of(const library_entry *x, uint32_t output);

/* `trains`: the library has the functions of a training, whose names no entry takes. */
void library_open(library *l, const image *im, bool trains);
void library_close(library *l);

/* The C type of an element; null if there is none. */
const char *library_c_type(ir_dtype d);
/* Padding behind a state, up to the next cache line; its size in `*bytes`. */
uint64_t library_padding(const library *l, uint32_t state, uint64_t *bytes);
/* A word for gaps, as text that is made here or as one that is taken over. */
void library_word(library *l, template_words *w, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void library_word_of(library *l, template_words *w, const char *name, text *t);
/* Adds what a training declares behind the entries of the header, and defines behind those of
 * the source (library_train.c). */
void library_train_header(library *l, const struct ingot_trainer *t, text *out);
void library_train_source(library *l, const struct ingot_trainer *t, text *out);
/* Adds the function cpu_lacks() of the source: null, or what the processor lacks of
 * what the code is made for. */
void library_cpu(library *l, text *out);

#endif
