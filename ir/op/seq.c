/* ir/op/seq.c - sequences and optionals.
 *
 * Elements of a sequence agree in kind, dtype and rank; an extent in which they
 * may differ is a dim of its own, written "?", in the element type.  seq_at and
 * seq_join have a symbol in `syms` for each of those.  Positions count from the
 * end if negative; one out of range is an error at run time. */
#include "op/join.h"

static bool in_kind(const ir_infer *in, uint32_t i, ir_kind kind)
{
    return in_type(in, i)->kind == kind ||
           in_expect(in, i, kind == TY_SEQ ? "a sequence" : "an optional");
}

static bool in_position(const ir_infer *in, uint32_t i)
{
    return in_rank(in, i, 0) && in_integer(in, i);
}

/* The element type with syms in place of unknown extents; null if they do not
 * suffice. */
static const ir_type *one_element(ir_infer *in, const ir_type *t, ir_dims syms)
{
    ir_dim dim[IR_MAX_RANK];
    int used = 0;

    if (t->kind != TY_TENSOR)
        return t;
    for (int i = 0; i < t->rank; i++) {
        bool any = is_any_extent(in_table(in), t->dim[i]);
        if (any && used == syms.n) {
            in_fail(in, "syms", "has too few symbols");
            return NULL;
        }
        dim[i] = any ? syms.at[used++] : t->dim[i];
    }
    return type_tensor(&in->b->m->types, t->dtype, t->rank, dim);
}

/* ---- types ------------------------------------------------------------------------ */

bool ir_infer_seq_new(ir_infer *in)
{
    type_table *t = &in->b->m->types;
    const ir_type *elem = type_never(t);

    for (uint32_t i = 0; i < in->narg; i++) {
        const ir_type *both = join_elements(in, elem, in_type(in, i));
        if (!both)
            return in_types_differ(in, elem, in_type(in, i));
        elem = both;
    }
    return in_type_result(in, type_seq(t, elem));
}

/* seq_insert(sequence, element, position) */
bool ir_infer_seq_insert(ir_infer *in)
{
    if (!in_kind(in, 0, TY_SEQ) || !in_position(in, 2))
        return false;
    const ir_type *elem = join_elements(in, in_type(in, 0)->elem, in_type(in, 1));
    return elem ? in_type_result(in, type_seq(&in->b->m->types, elem))
                : in_types_differ(in, in_type(in, 0)->elem, in_type(in, 1));
}

bool ir_infer_seq_erase(ir_infer *in)
{
    return in_kind(in, 0, TY_SEQ) && in_position(in, 1) && in_type_result(in, in_type(in, 0));
}

bool ir_infer_seq_at(ir_infer *in)
{
    if (!in_kind(in, 0, TY_SEQ) || !in_position(in, 1))
        return false;
    const ir_type *t = one_element(in, in_type(in, 0)->elem, in->attr->SEQ_AT.syms);
    return t && in_type_result(in, t);
}

bool ir_infer_seq_len(ir_infer *in)
{
    return in_kind(in, 0, TY_SEQ) && in_type_result(in, type_scalar(&in->b->m->types, DT_I64));
}

/* concat along `axis`, or stack behind a new one; sym is its extent. */
bool ir_infer_seq_join(ir_infer *in)
{
    const struct ir_attr_SEQ_JOIN *a = &in->attr->SEQ_JOIN;
    ir_dim dim[IR_MAX_RANK + 1];
    int64_t axis = a->axis;
    int used = 0;

    if (!in_kind(in, 0, TY_SEQ))
        return false;
    const ir_type *t = in_type(in, 0)->elem;
    if (t->kind == TY_NEVER)
        return in_type_result(in, t);
    if (t->kind != TY_TENSOR || t->rank + a->stack > IR_MAX_RANK)
        return in_expect(in, 0, "a sequence of tensors");
    int rank = t->rank + a->stack;
    if (!in_axis(in, axis, rank) || a->sym >= in_table(in)->symbol.len)
        return false;
    for (int i = 0, k = 0; i < rank; i++) {
        if (i == axis) {
            dim[i] = in_table(in)->symbol.at[a->sym].self;
            k += !a->stack;
            continue;
        }
        bool any = is_any_extent(in_table(in), t->dim[k]);
        if (any && used == a->syms.n)
            return in_fail(in, "syms", "has too few symbols");
        dim[i] = any ? a->syms.at[used++] : t->dim[k];
        k++;
    }
    return in_result(in, t->dtype, rank, dim);
}

bool ir_infer_opt_some(ir_infer *in)
{
    return in_type_result(in, type_opt(&in->b->m->types, in_type(in, 0)));
}

bool ir_infer_opt_none(ir_infer *in)
{
    return in_type_result(in, type_opt(&in->b->m->types, type_never(&in->b->m->types)));
}

bool ir_infer_opt_has(ir_infer *in)
{
    return in_kind(in, 0, TY_OPT) && in_type_result(in, type_scalar(&in->b->m->types, DT_BOOL));
}

bool ir_infer_opt_get(ir_infer *in)
{
    return in_kind(in, 0, TY_OPT) && in_type_result(in, in_type(in, 0)->elem);
}

/* ---- evaluation --------------------------------------------------------------------- */

/* Position given by operand i in 0..count-1 (..count when inserting). */
static bool position(ir_call *c, uint32_t i, int64_t count, int64_t *at)
{
    int64_t v = val_int(c->in[i], 0);

    *at = v < 0 ? v + (int64_t)c->in[0]->n : v;
    return (*at >= 0 && *at < count) || eval_fail(c->e, "%s: position %lld is out of range",
                                                  ir_op_get(c->n->op)->text, (long long)v);
}

bool ir_eval_seq_new(ir_call *c)
{
    return (c->out[0] = eval_items(c->e, TY_SEQ, c->in, c->nin)) != NULL;
}

bool ir_eval_seq_insert(ir_call *c)
{
    const ir_val *s = c->in[0];
    int64_t at;

    if (!position(c, 2, (int64_t)s->n + 1, &at))
        return false;
    ir_val **item = eval_scratch(c->e, (int64_t)s->n + 1, sizeof *item);
    if (!item)
        return false;
    for (uint32_t i = 0, k = 0; i <= s->n; i++)
        item[i] = i == at ? c->in[1] : s->item[k++];
    c->out[0] = eval_items(c->e, TY_SEQ, item, s->n + 1);
    mem_free(item);
    return c->out[0] != NULL;
}

bool ir_eval_seq_erase(ir_call *c)
{
    const ir_val *s = c->in[0];
    int64_t at;

    if (!position(c, 1, s->n, &at))
        return false;
    ir_val **item = eval_scratch(c->e, s->n, sizeof *item);
    if (!item)
        return false;
    for (uint32_t i = 0, k = 0; i < s->n; i++)
        if (i != at)
            item[k++] = s->item[i];
    c->out[0] = eval_items(c->e, TY_SEQ, item, s->n - 1);
    mem_free(item);
    return c->out[0] != NULL;
}

bool ir_eval_seq_at(ir_call *c)
{
    int64_t at;

    if (!position(c, 1, c->in[0]->n, &at))
        return false;
    c->out[0] = eval_keep(c->in[0]->item[at]);
    return true;
}

bool ir_eval_seq_len(ir_call *c)
{
    c->out[0] = eval_new(c->e, DT_I64, 0, NULL);
    if (c->out[0])
        num_store_int(DT_I64, c->out[0]->data, c->in[0]->n);
    return c->out[0] != NULL;
}

/* Extents of the whole; false if the items do not fit together. */
static bool join_dims(ir_call *c, const struct ir_attr_SEQ_JOIN *a, int *rank, int64_t *dim)
{
    const ir_val *s = c->in[0], *x = s->n ? s->item[0] : NULL;
    int axis = (int)a->axis;

    if (!x)
        return eval_fail(c->e, "seq_join: the sequence is empty");
    *rank = x->rank + a->stack;
    for (int i = 0, k = 0; i < *rank; i++)
        dim[i] = i == axis && a->stack ? 0 : x->dim[k++];
    dim[axis] = a->stack ? s->n : 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const ir_val *y = s->item[i];
        if (y->rank != x->rank || y->dtype != x->dtype)
            return eval_fail(c->e, "seq_join: elements differ in rank or type");
        dim[axis] += a->stack ? 0 : y->dim[axis];
        for (int k = 0; k < x->rank; k++)
            if ((a->stack || k != axis) && y->dim[k] != x->dim[k])
                return eval_fail(c->e, "seq_join: extents of axis %d differ", k);
    }
    return true;
}

bool ir_eval_seq_join(ir_call *c)
{
    const struct ir_attr_SEQ_JOIN *a = &c->attr->SEQ_JOIN;
    const ir_val *s = c->in[0];
    int64_t dim[IR_MAX_RANK + 1], stride[IR_MAX_RANK + 1], own[IR_MAX_RANK], part[IR_MAX_RANK];
    int64_t at = 0;
    int rank = 0, axis = (int)a->axis;

    if (!join_dims(c, a, &rank, dim))
        return false;
    ir_val *r = c->out[0] = eval_new(c->e, s->item[0]->dtype, rank, dim);
    if (!r)
        return false;
    strides_of(rank, dim, stride);
    for (int i = 0, k = 0; i < rank; i++)
        if (i != axis || !a->stack)
            part[k++] = stride[i];
    for (uint32_t i = 0; i < s->n; i++) {
        const ir_val *x = s->item[i];
        if (strides_of(x->rank, x->dim, own))
            copy_strided(x->rank, x->dim, dt_size(r->dtype), val_at(r, at * stride[axis]), part,
                         x->data, own);
        at += a->stack ? 1 : x->dim[axis];
    }
    return true;
}

bool ir_eval_opt_some(ir_call *c)
{
    return (c->out[0] = eval_items(c->e, TY_OPT, c->in, 1)) != NULL;
}

bool ir_eval_opt_none(ir_call *c)
{
    return (c->out[0] = eval_items(c->e, TY_OPT, NULL, 0)) != NULL;
}

bool ir_eval_opt_has(ir_call *c)
{
    c->out[0] = eval_new(c->e, DT_BOOL, 0, NULL);
    if (c->out[0])
        c->out[0]->data[0] = c->in[0]->n != 0;
    return c->out[0] != NULL;
}

bool ir_eval_opt_get(ir_call *c)
{
    if (!c->in[0]->n)
        return eval_fail(c->e, "opt_get: the optional is empty");
    c->out[0] = eval_keep(c->in[0]->item[0]);
    return true;
}
