/* ir/attr.h - typed attributes of nodes: interned, printed, parsed and hashed
 * by field tables generated from attr.def. */
#ifndef INGOT_ATTR_H
#define INGOT_ATTR_H

#include "type.h"

struct ir_fn;

typedef enum ir_redop { RED_SUM, RED_PROD, RED_MIN, RED_MAX, RED_AND, RED_OR, RED_SET } ir_redop;
extern const char *const ir_redop_text[]; /* sum prod min max and or set */

typedef struct ir_ints {
    int32_t n;
    const int32_t *at;
} ir_ints;

typedef int64_t ir_attr_int;
typedef bool ir_attr_bool;
typedef ir_dim ir_attr_dim;
typedef ir_dims ir_attr_dims;
typedef ir_ints ir_attr_ints;
typedef ir_dtype ir_attr_dtype;
typedef const char *ir_attr_str;
typedef ir_redop ir_attr_redop;
typedef struct ir_fn *ir_attr_fn;
typedef uint32_t ir_attr_cid;   /* constant of the module, printed @name */
typedef uint32_t ir_attr_sym;   /* dim symbol id, printed as its name */

typedef enum ir_attr_kind {
    AK_int, AK_bool, AK_dim, AK_dims, AK_ints, AK_dtype, AK_str, AK_redop,
    AK_fn, AK_cid, AK_sym
} ir_attr_kind;

/* struct ir_attr_REDUCE { ir_attr_ints axes; ir_attr_redop op; .. } and so on */
#define FIELD(op, kind, name) ir_attr_##kind name;
#define ATTR(op, fields) struct ir_attr_##op { fields };
#include "attr.def"
#undef FIELD

/* One member per op: attr->REDUCE.axes.  Only the node's own op's is valid. */
typedef union ir_attr {
#define FIELD(op, kind, name)
#define ATTR(op, fields) struct ir_attr_##op op;
#include "attr.def"
#undef FIELD
} ir_attr;

typedef struct ir_field {
    const char *name;
    ir_attr_kind kind;
    uint32_t offset;
} ir_field;

/* Fields of an op's attributes, ended by name == NULL; null if it has none. */
const ir_field *ir_fields(uint32_t op);

#endif
