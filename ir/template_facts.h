/* ir/template_facts.h - the rows of templates.def: what passes/ must know of a template
 * that codegen/lower/ has. */
#ifndef INGOT_TEMPLATE_FACTS_H
#define INGOT_TEMPLATE_FACTS_H

#include <stdbool.h>

typedef enum ir_template {
#define TEMPLATE(NAME, ...) TEMPLATE_##NAME,
#include "templates.def"
    TEMPLATE_COUNT
} ir_template;

enum {
    /* Reads elements of its operands more than once, so that these are stored. */
    T_OFTEN = 1,
    /* So, and reads the first one in vectors along its last axis. */
    T_VECTORS = T_OFTEN | 2,
    /* Computes what is elementwise behind its result where that is stored: of
     * relu(conv(x, w) + b) the conv stores the relu's value. */
    T_EPILOGUE = 4,
    /* Reads of the other operands of its epilogue each element once, just before
     * it writes that place.  So the result may take over an operand's memory. */
    T_ONCE = 8
};

typedef struct ir_template_info {
    char kind;
    unsigned facts;
    const char *stored;
} ir_template_info;
const ir_template_info *ir_template_get(ir_template t);
/* Does it have all of these facts? */
bool ir_template_is(ir_template t, unsigned facts);

#endif
