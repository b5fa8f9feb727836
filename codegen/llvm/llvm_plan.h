/* codegen/llvm/llvm_plan.h - what the files that emit a plan share. */
#ifndef INGOT_LLVM_PLAN_H
#define INGOT_LLVM_PLAN_H

#include "image.h"
#include "llvm_module.h"
#include "value.h"

enum { FRAME_WORDS = 6 };

/* The function being emitted, of one entry. */
typedef struct pemit {
    const image *image;
    const plan_entry *entry;
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
    bool whole;                     /* its kernels are inlined into it */
    value overflow;                 /* i1, where sizes are checked; else null */
    value start;                    /* helper that runs a kernel */
    struct {                        /* the extents that the tables had last */
        const plan_entry *entry;
        const ir_type *type;
        value codes, texts;
    } shown;
    LLVMBasicBlockRef leave;        /* frees what is late, returns the status */
} pemit;

/* ---- image.c ---- */

/* Defines the model's table and all functions of its entries in m.  Kernels that m
 * does not define are declared. */
void image_emit_host(const image *im, LLVMModuleRef m);

/* ---- dim.c ---- */

value pemit_int(pemit *e, int64_t v);
value pemit_dim(pemit *e, ir_dim d);
/* a op b, "sadd" or "smul"; where sizes are checked, e->overflow collects what
 * went wrong. */
value pemit_arithmetic(pemit *e, const char *op, value a, value b);
/* Sizes are checked from here on; v, or `otherwise` if one of them overflowed,
 * and no longer checked. */
void pemit_check_sizes(pemit *e);
value pemit_checked(pemit *e, value v, int64_t otherwise);
value pemit_load(pemit *e, value base, int64_t offset, type t);
value pemit_at(pemit *e, value base, value offset);
value pemit_symbol(pemit *e, uint32_t id);       /* where its value lies */
/* Names the function, opens its first block. */
void pemit_function(pemit *e, const char *what, type result, type *arg, unsigned n);
LLVMBasicBlockRef pemit_block(pemit *e);
/* for (index = 0; index < n; index++): open it, emit its body, close it. */
typedef struct pemit_loop {
    LLVMBasicBlockRef test, next;
    value counter, index;
} pemit_loop;
pemit_loop pemit_loop_open(pemit *e, value n);
void pemit_loop_close(pemit *e, const pemit_loop *l);
/* A constant of the module; an array of n constants, null if there are none. */
/* A text of the program. */
value pemit_string(pemit *e, const char *s);
value pemit_constant(pemit *e, type t, value init);
value pemit_table(pemit *e, type t, value *v, uint32_t n);
/* Begins a new block behind every 64th line: LLVM's time grows
 * with the square of a block's length. */
void pemit_break(pemit *e, uint32_t line);
/* Room for symbols, with those of the entry from the array `dims`. */
void pemit_symbols(pemit *e, value dims);
/* Is d made of the entry's input dims alone? */
bool pemit_known_before(const pemit *e, ir_dim d);
/* Bytes of a slot, whole cache lines, not negative. */
value pemit_slot_size(pemit *e, const plan_slot *s);

/* ---- extents.c ---- */

/* The function (dims, extents) that writes the outputs' extents one behind the
 * other: INT64_MIN where dims do not say it, or where it overflows. */
value pemit_extents(pemit *e);
/* At the end of run: extents of all outputs into their buffers. */
void pemit_write_extents(pemit *e);
/* i1: do the bytes of an output that the caller gives overflow? */
value pemit_output_overflow(pemit *e);

/* ---- extern.c ---- */

/* Calls a kernel of the runtime. */
void pemit_extern(pemit *e, const plan_step *s);

/* ---- plan.c ---- */

/* A pointer of the call, at this offset in struct ingot_call. */
value pemit_call_member(pemit *e, size_t offset);
/* Where a value of the entry lies. */
value pemit_address(pemit *e, uint32_t id);
/* Goes on if `good`, else leaves with the status and message. */
void pemit_leave_unless(pemit *e, value good, value status, value message);
void pemit_demand(pemit *e, value good, int status, const char *message);
/* Word i of a kernel's argument. */
void pemit_set_word(pemit *e, uint32_t i, value v);
void pemit_step(pemit *e, const plan_step *s);

/* ---- whole.c ---- */

/* Fills im->whole_entry and im->whole; before any kernel is emitted. */
void image_find_whole(image *im);
/* Runs a kernel of such an entry. */
void pemit_whole_run(pemit *e, const plan_step *s);

/* ---- late.c ---- */

/* Where the pointer to its memory is, null while it has none. */
value pemit_late(pemit *e, uint32_t late);
void pemit_late_set(pemit *e, uint32_t late, value memory, value room);
/* Other memory of so many bytes; what `late` held is gone. */
void pemit_late_renew(pemit *e, uint32_t late, value bytes);
/* allocator->take(context, memory) if there is memory. */
void pemit_late_take(pemit *e, value memory);
/* The steps of these names. */
void pemit_late_alloc(pemit *e, const plan_step *s);
void pemit_late_free(pemit *e, const plan_step *s);
void pemit_late_move(pemit *e, const plan_step *s);
void pemit_late_grow(pemit *e, const plan_step *s);
void pemit_late_give(pemit *e, const plan_step *s);

/* ---- run.c ---- */

value pemit_run(pemit *e);          /* the entry's run */
value pemit_starter(pemit *e);      /* the helper that runs kernels, once per module */
void pemit_steps(pemit *e, const plan_block *b);

#endif
