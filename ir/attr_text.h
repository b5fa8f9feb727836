/* ir/attr_text.h - attributes as text: `{axes=[0,1], op=sum}`. */
#ifndef INGOT_ATTR_TEXT_H
#define INGOT_ATTR_TEXT_H

#include "ir.h"

/* Nothing if no field is to be shown.  Constants and regions are left to the
 * printer of nodes. */
void ir_attr_print(const ir_module *m, unsigned op, const union ir_attr *a, text *out);
/* Reads what ir_attr_print wrote; `out` starts as zero.  Null, or what was
 * expected at *s. */
const char *ir_attr_parse(ir_module *m, const char **s, unsigned op, union ir_attr *out);

#endif
