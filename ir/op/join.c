/* ir/op/join.c - types of values that come from several places. */
#include "op/join.h"

static const char unknown[] = "?";      /* the importer gives no dim this name */

static ir_dim any_extent(dim_table *t)
{
    bool found;
    ir_dim d = dim_symbol_named(t, unknown, &found);

    return found ? d : dim_symbol_new(t, unknown, 0, INT64_MAX);
}

bool is_any_extent(dim_table *t, ir_dim d)
{
    bool found;
    ir_dim any = dim_symbol_named(t, unknown, &found);

    return found && dim_same(any, d);
}

/* The least type that holds both, null if there is none.  An extent that differs
 * becomes any extent, since the elements of a sequence may each have another. */
const ir_type *join_elements(const ir_infer *in, const ir_type *a, const ir_type *b)
{
    type_table *t = &in->b->m->types;
    ir_dim dim[IR_MAX_RANK];

    if (a == b || b->kind == TY_NEVER)
        return a;
    if (a->kind == TY_NEVER)
        return b;
    if (a->kind != b->kind || a->dtype != b->dtype || a->rank != b->rank)
        return NULL;
    if (a->kind != TY_TENSOR) {
        const ir_type *elem = join_elements(in, a->elem, b->elem);
        return !elem ? NULL : a->kind == TY_SEQ ? type_seq(t, elem) : type_opt(t, elem);
    }
    for (int i = 0; i < a->rank; i++)
        dim[i] = dim_same(a->dim[i], b->dim[i]) ? a->dim[i] : any_extent(t->dims);
    return type_tensor(t, a->dtype, a->rank, dim);
}

/* Could x at run time be what `as` says?  Only what is known to differ forbids it. */
bool may_be(const ir_infer *in, const ir_type *x, const ir_type *as)
{
    dim_table *t = in_table(in);

    if (x == as || x->kind == TY_NEVER || as->kind == TY_NEVER)
        return true;
    if (x->kind != as->kind)
        return false;
    if (x->kind != TY_TENSOR)
        return may_be(in, x->elem, as->elem);
    if (x->dtype != as->dtype || x->rank != as->rank)
        return false;
    for (int i = 0; i < x->rank; i++)
        if (dim_differ(t, x->dim[i], as->dim[i]))
            return false;
    return true;
}

bool in_types_differ(const ir_infer *in, const ir_type *a, const ir_type *b)
{
    text s = {0};

    type_print(&in->b->m->types, a, &s);
    size_t first = s.len;
    text_addn(&s, "", 1);
    type_print(&in->b->m->types, b, &s);
    diag_error(in->b->d, in->b->loc, D_DTYPES_DIFFER, in_name(in), s.at, s.at + first + 1);
    text_free(&s);
    return false;
}
