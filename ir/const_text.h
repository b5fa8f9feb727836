/* ir/const_text.h - constants as text.
 *   source := type ('splat' number | '[' numbers ']' | number | 'x' "hex digits")
 *   chain  := source {'|' OP ['@' NAME] attrs ':' type} */
#ifndef INGOT_CONST_TEXT_H
#define INGOT_CONST_TEXT_H

#include "const.h"

/* Short enough to stand in a node: no name, no links, few numbers. */
bool const_is_short(const ir_const *c);
/* The numbers alone.  `brief`: of more than 64 elements only the first bytes and
 * their number, as `x"0000803f.." 4096 bytes`, which does not parse. */
void const_print_data(const ir_const *c, bool brief, text *out);
/* A constant of one number, "400", as text in this arena; null for others. */
const char *const_number_text(const ir_module *m, uint32_t id, arena *mem);
/* Numbers of a constant of this type, added to m.  Null, or what was expected. */
const char *const_parse_data(ir_module *m, const char **s, const ir_type *type, uint32_t *id);

#endif
