/* ir/attr.c - field tables of the typed attributes. */
#include "ir.h"

const char *const ir_redop_text[] = {"sum", "prod", "min", "max", "and", "or", "set"};

#define FIELD(op, kind, name) {#name, AK_##kind, offsetof(struct ir_attr_##op, name)},
#define ATTR(op, fields) static const ir_field fields_##op[] = {fields {NULL, 0, 0}};
#include "attr.def"
#undef FIELD

static const ir_field *const table[OP_COUNT] = {
#define ATTR(op, fields) [OP_##op] = fields_##op,
#include "attr.def"
};

const ir_field *ir_fields(uint32_t op)
{
    return op < OP_COUNT ? table[op] : NULL;
}
