/* ir/const.h - constants as a source and a chain of links. */
#ifndef INGOT_CONST_H
#define INGOT_CONST_H

#include "ir.h"

/* Adds (or finds an equal) constant; returns its index in m->consts.
 * `data` is referenced, not copied: packed as in a file for sub-byte types. */
uint32_t const_bytes(ir_module *m, const ir_type *type, const void *data, size_t size);
uint32_t const_copy(ir_module *m, const ir_type *type, const void *data, size_t size); /* copies */
/* The same from memory elements (a byte for each of a sub-byte type). */
uint32_t const_copy_val(ir_module *m, const ir_type *type, const void *elements);
uint32_t const_splat(ir_module *m, const ir_type *type, const void *element);
uint32_t const_int(ir_module *m, const ir_type *type, int64_t value);   /* splat */
uint32_t const_float(ir_module *m, const ir_type *type,
                     double value); /* splat, rounded to the dtype */
/* Every `other` is read along with its chain, so that t + t of such a t and so
 * on takes twice the steps each time.  A model's own ops are links up to this
 * cost, which real ones are far below; beyond it they stay nodes. */
enum { CONST_MAX_COST = 128 };
bool const_can_link(const ir_module *m, uint32_t c, ir_link link);
/* constant c with one more link; splats and repeated reshapes are simplified. */
uint32_t const_linked(ir_module *m, uint32_t c, ir_link link);
/* Constant c, which has links, without its last one. */
uint32_t const_below(ir_module *m, uint32_t c);

/* Elements [first, first + n) of the whole chain, row-major, one memory
 * element each (dt_size bytes; sub-byte types a byte), written to out.
 * Streams: needs O(n) memory.  Types are static. */
void const_read(const ir_module *m, uint32_t c, int64_t first, int64_t n, void *out);
bool const_is_splat(const ir_module *m, uint32_t c, void *element); /* all equal, for certain */
int64_t const_bytes_of(const ir_module *m, uint32_t c); /* size in memory; -1: overflow */

#endif
