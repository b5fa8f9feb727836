/* codegen/llvm/llvm_plan.h - what the files that emit a plan share. */
#ifndef INGOT_LLVM_PLAN_H
#define INGOT_LLVM_PLAN_H

#include "image.h"
#include "llvm_module.h"

typedef LLVMValueRef value;
typedef LLVMTypeRef type;

enum { FRAME_WORDS = 6 };

/* The function being emitted, of one entry. */
typedef struct emitter {
    const image *image;
    const plan_entry *e;
    const dim_table *dims;
    LLVMContextRef cx;
    LLVMModuleRef m;
    LLVMBuilderRef b;
    type ptr, i64, i32, i8, none;
    value f;                        /* the function */
    value sym;                      /* i64 for each symbol of the module */
    value late, room;               /* memory and its size, for each late */
    value call, workspace, weights, args;
    value status;                   /* where the result of run lies */
    value slots;                    /* offsets of those slots whose sizes vary */
    value frame;                    /* what parts of the function need of it */
    value overflow;                 /* i1, where sizes are checked; else null */
    value start;                    /* helper that runs a kernel */
    struct {                        /* the extents that the tables had last */
        const plan_entry *entry;
        const ir_type *type;
        value codes, texts;
    } shown;
    LLVMBasicBlockRef leave;        /* frees what is late, returns the status */
} emitter;

/* ---- image.c ---- */

/* Defines the model's table and all functions of its entries in m.  Kernels that m
 * does not define are declared. */
void image_emit_host(const image *im, LLVMModuleRef m);

/* ---- dim.c ---- */

value pe_int(emitter *e, int64_t v);
value pe_dim(emitter *e, ir_dim d);
/* a op b, "sadd" or "smul"; where sizes are checked, e->overflow collects what
 * went wrong. */
value pe_arithmetic(emitter *e, const char *op, value a, value b);
/* Sizes are checked from here on; v, or `otherwise` if one of them overflowed,
 * and no longer checked. */
void pe_check_sizes(emitter *e);
value pe_checked(emitter *e, value v, int64_t otherwise);
value pe_load(emitter *e, value base, int64_t offset, type t);
value pe_at(emitter *e, value base, value offset);
value pe_symbol(emitter *e, uint32_t id);       /* where its value lies */
/* Names the function, opens its first block. */
void pe_function(emitter *e, const char *what, type result, type *arg, unsigned n);
LLVMBasicBlockRef pe_block(emitter *e);
/* for (index = 0; index < n; index++): open it, emit its body, close it. */
typedef struct pe_loop {
    LLVMBasicBlockRef test, next;
    value counter, index;
} pe_loop;
pe_loop pe_loop_open(emitter *e, value n);
void pe_loop_close(emitter *e, const pe_loop *l);
/* A constant of the module; an array of n constants, null if there are none. */
value pe_constant(emitter *e, type t, value init);
value pe_table(emitter *e, type t, value *v, uint32_t n);
/* Goes on in a block of its own after every so many lines: of a long block LLVM
 * takes the square in time. */
void pe_break(emitter *e, uint32_t line);
/* Room for symbols, with those of the entry from the array `dims`. */
void pe_symbols(emitter *e, value dims);
/* Is d made of the entry's input dims alone? */
bool pe_known_before(const emitter *e, ir_dim d);
/* Bytes of a slot, whole cache lines, not negative. */
value pe_slot_size(emitter *e, const plan_slot *s);

/* ---- extents.c ---- */

/* The function (dims, extents) that writes the outputs' extents one behind the
 * other: INT64_MIN where dims do not say it, or where it overflows. */
value pe_extents(emitter *e);
/* At the end of run: extents of all outputs into their buffers. */
void pe_write_extents(emitter *e);
/* i1: do the bytes of an output that the caller gives overflow? */
value pe_output_overflow(emitter *e);

/* ---- extern.c ---- */

/* Calls a kernel of the runtime. */
void pe_extern(emitter *e, const plan_step *s);

/* ---- plan.c ---- */

/* Where a value's bytes are. */
value pe_address(emitter *e, uint32_t id);
/* Goes on if `good`, else leaves with the status and message. */
void pe_demand(emitter *e, value good, value status, value message);

value pe_run(emitter *e);           /* the entry's run */
value pe_starter(emitter *e);       /* the helper, once per module */

#endif
