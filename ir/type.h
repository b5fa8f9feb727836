/* ir/type.h - types of values, interned: equal types are equal pointers. */
#ifndef INGOT_TYPE_H
#define INGOT_TYPE_H

#include "dim.h"
#include "dtype.h"          /* ir_dtype: DT_F32, ..; dt_size() */

enum { IR_MAX_RANK = 16 };

typedef enum ir_kind {
    TY_TENSOR,
    TY_SEQ,                 /* elem */
    TY_OPT,                 /* elem */
    TY_NEVER                /* of results that cannot be reached; joins with any */
} ir_kind;

/* f32[n,4] is a TENSOR of DT_F32, rank 2, with the dims n and 4; seq<f32[4]> has the tensor
 * as its elem. */
typedef struct ir_type {
    ir_kind kind;
    ir_dtype dtype;         /* of TENSOR */
    int32_t rank;
    uint32_t id;
    const struct ir_type *elem;
    const ir_dim *dim;      /* rank extents */
} ir_type;

typedef struct type_table {
    arena *mem;
    dim_table *dims;
    VEC(const ir_type *) type;
    map map;
} type_table;

void type_init(type_table *t, arena *mem, dim_table *dims);
void type_free(type_table *t);
const ir_type *type_tensor(type_table *t, ir_dtype dtype, int rank, const ir_dim *dim);
const ir_type *type_scalar(type_table *t, ir_dtype dtype);
const ir_type *type_seq(type_table *t, const ir_type *elem);
const ir_type *type_opt(type_table *t, const ir_type *elem);
const ir_type *type_never(type_table *t);
const ir_type *type_with_dtype(type_table *t, const ir_type *x, ir_dtype dtype);
const ir_type *type_apply(type_table *t, const dim_subst *s, const ir_type *x);
ir_dim type_count(type_table *t, const ir_type *x);    /* number of elements */
/* Constant element count, -1 if not constant or over INT64_MAX / 16. */
int64_t type_count_const(const type_table *t, const ir_type *x);
bool type_static(const type_table *t, const ir_type *x); /* all extents constant */

/* Text: `f32[N,3]`, `i64[]`, `seq<f32[2]>`, `opt<..>`, `never`. */
void type_print(const type_table *t, const ir_type *x, text *out);
bool type_parse(type_table *t, const char **s, const ir_type **out);

#endif
