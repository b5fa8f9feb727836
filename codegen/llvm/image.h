/* codegen/llvm/image.h - a plan and its kernels as native code with the interface of
 * ir/abi.h, and the weights beside it: what it holds, and where. */
#ifndef INGOT_IMAGE_H
#define INGOT_IMAGE_H

#include "lower.h"
#include "plan.h"
#include "target.h"

#define IMAGE_WEIGHTS ".lrodata.weights"
enum { IMAGE_LINE = 64 };           /* bytes; constants and states lie at multiples of it */

/* What is told of each kernel when it begins, in code that runs in this process. */
typedef struct image_watch {
    void (*begins)(void *cx, const plan_step *s);  /* null: nothing is told */
    void *cx;
} image_watch;

/* What becomes code and data: the caller sets the module, its plan and kernels, and what is
 * wanted of the code; image_place decides where constants and states lie. */
typedef struct image {
    ir_module *m;
    plan *p;
    lower *l;
    const char *name;               /* C identifier: prefix of all symbols */
    const char *made_by, *source;   /* as in ir/abi.h; may be null */
    const char *lines;              /* name of the file with the kernels' text, to which line
                                     * tables refer; null: there are none */
    image_watch watch;
    const target *target;
    int32_t threads;                /* default of an executable; 0: all CPUs */
    bool executable;                /* the table is called ingot_artifact_model */
    uint64_t max_weights;           /* bytes that the weights may take */
    bool library;                   /* for C: ingot.NAME.size.N, .extents.N and .run.N of
                                     * each entry, ingot.NAME.weights, ingot.NAME.init */
    uint64_t *offset;               /* by constant: place in the weights */
    uint32_t offsets;
    VEC(uint32_t) order;            /* constants as they lie in the weights */
    uint64_t weights_size;
    bool weights_apart;             /* in a file: neither in the table nor in NAME.weights */
    uint64_t weights_hash;          /* of a file, see ir/abi.h */
    bool weights_place;             /* the code has the section IMAGE_WEIGHTS, whose one
                                     * line the weights replace; else NAME_weights is
                                     * undefined */
    uint64_t *state_offset, state_size;
    int64_t *least;                 /* by kernel: iterations that are worth the threads */
    bool *whole_entry;              /* by entry: one of little work (whole.c) */
    bool *whole;                    /* by kernel: such an entry has it */
} image;

/* Decides where constants and states lie; must come before all else.  False with an
 * error when there is no entry, or when they take more than max_weights. */
bool image_place(image *im, diag *d);
void image_free(image *im);         /* what was made for it */
/* Gives the weights to `put`, in pieces of whole cache lines; false if that is. */
typedef bool image_put(void *cx, const void *data, size_t size);
bool image_write_weights(const image *im, image_put *put, void *cx);

#endif
