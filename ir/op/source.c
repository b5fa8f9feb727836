/* ir/op/source.c - nodes without tensor operands: input, state, const, iota,
 * dimval, bind, never; and the markers keep, detach, check, show, grad. */
#include "eval_op.h"
#include "shown.h"

bool ir_infer_input(ir_infer *in)
{
    return in_fail(in, "index", "is given by ir_input only");
}

bool ir_eval_input(ir_call *c)
{
    if (!c->param)
        return eval_fail(c->e, "an input has no value while folding");
    c->out[0] = eval_keep(c->param[c->attr->INPUT.index]);
    return true;
}

bool ir_infer_state(ir_infer *in)
{
    int64_t id = in->attr->STATE.id;

    if (id < 0 || id >= in->b->m->state.len)
        return in_fail(in, "id", "names no state");
    return in_type_result(in, in->b->m->state.at[id].type);
}

bool ir_infer_const(ir_infer *in)
{
    if (in->attr->CONST.id >= in->b->m->consts.len)
        return in_fail(in, "id", "names no constant");
    return in_type_result(in, in->b->m->consts.at[in->attr->CONST.id].type);
}

/* The bytes of a plain constant serve as they are, if aligned. */
static bool usable_in_place(const ir_const *k)
{
    return !k->links && k->source == SRC_BYTES && dt_bits(k->type->dtype) >= 8 &&
           k->source_type == k->type &&
           (uintptr_t)k->data % (uintptr_t)min_i64(dt_size(k->type->dtype), 8) == 0;
}

/* Shown where it lies if it is stored as values are, else read through its links. */
static ir_val *const_value(ir_eval *e, uint32_t id)
{
    const ir_const *k = &e->m->consts.at[id];
    int64_t dim[IR_MAX_RANK];

    if (!eval_dims(e, (ir_dims){k->type->rank, k->type->dim}, dim))
        return NULL;
    if (usable_in_place(k)) {
        ir_val shown = {.dtype = k->type->dtype, .data = (uint8_t *)(uintptr_t)k->data};
        ir_val *v = eval_view(e, &shown, k->type->rank, dim);
        if (v)
            v->owner = NULL;            /* the module's data outlives the run */
        return v;
    }
    ir_val *v = eval_new(e, k->type->dtype, k->type->rank, dim);
    if (v)
        const_read(e->m, id, 0, val_count(v), v->data);
    return v;
}

bool ir_eval_const(ir_call *c)
{
    return (c->out[0] = const_value(c->e, c->attr->CONST.id)) != NULL;
}

static ir_val *zero_state(ir_eval *e, const ir_type *t)
{
    int64_t dim[IR_MAX_RANK];

    if (!eval_dims(e, (ir_dims){t->rank, t->dim}, dim))
        return NULL;
    ir_val *v = eval_new(e, t->dtype, t->rank, dim);
    if (v)
        memset(v->data, 0, (size_t)(val_count(v) * dt_size(v->dtype)));
    return v;
}

bool ir_eval_state(ir_call *c)
{
    const ir_state *s = &c->e->m->state.at[c->attr->STATE.id];
    ir_val *v = c->e->state[c->attr->STATE.id];

    c->out[0] = v ? eval_keep(v)
                : s->init == IR_NONE ? zero_state(c->e, s->type) : const_value(c->e, s->init);
    return c->out[0] != NULL;
}

bool ir_infer_iota(ir_infer *in)
{
    const struct ir_attr_IOTA *a = &in->attr->IOTA;

    if (!dt_is_int(a->dtype) && !dt_is_float(a->dtype))
        return in_fail(in, "dtype", "is no number");
    return in_axis(in, a->axis, a->shape.n) &&
           in_result(in, a->dtype, a->shape.n, a->shape.at);
}

bool ir_eval_iota(ir_call *c)
{
    const struct ir_attr_IOTA *a = &c->attr->IOTA;
    int64_t dim[IR_MAX_RANK];
    walk w;

    if (!eval_dims(c->e, a->shape, dim))
        return false;
    ir_val *r = c->out[0] = eval_new(c->e, a->dtype, a->shape.n, dim);
    if (!r)
        return false;
    walk_init(&w, r->rank, dim);
    for (int64_t i = 0; w.left > 0; walk_next(&w), i++)
        if (dt_is_int(r->dtype))
            num_store_int(r->dtype, val_at(r, i), w.at[a->axis]);
        else
            num_store_flt(r->dtype, val_at(r, i), (double)w.at[a->axis]);
    return true;
}

static bool scalar_i64(ir_call *c, int64_t v)
{
    c->out[0] = eval_new(c->e, DT_I64, 0, NULL);
    if (c->out[0])
        num_store_int(DT_I64, c->out[0]->data, v);
    return c->out[0] != NULL;
}

bool ir_infer_dimval(ir_infer *in)
{
    return in_type_result(in, type_scalar(&in->b->m->types, DT_I64));
}

bool ir_eval_dimval(ir_call *c)
{
    int64_t v;

    return eval_dim(c->e, c->attr->DIMVAL.dim, &v) && scalar_i64(c, v);
}

bool ir_infer_bind(ir_infer *in)
{
    if (in->attr->BIND.sym >= in_table(in)->symbol.len)
        return in_fail(in, "sym", "names no dim");
    return in_rank(in, 0, 0) && in_dtype(in, 0, DT_I64) && in_type_result(in, in_type(in, 0));
}

bool ir_eval_bind(ir_call *c)
{
    int64_t v = val_int(c->in[0], 0);
    const dim_symbol *d = &c->e->m->dims.symbol.at[c->attr->BIND.sym];

    if (v < d->lo || v > d->hi)
        return eval_fail(c->e, "a run-time extent is out of range");
    return eval_symbol_set(c->e, c->attr->BIND.sym, v) && scalar_i64(c, v);
}

bool ir_infer_never(ir_infer *in)
{
    return in_type_result(in, type_never(&in->b->m->types));
}

bool ir_eval_never(ir_call *c)
{
    return eval_fail(c->e, "a value that cannot exist is needed");
}

bool ir_infer_same(ir_infer *in)
{
    return in_type_result(in, in_type(in, 0));
}

bool ir_eval_same(ir_call *c)
{
    c->out[0] = eval_keep(c->in[0]);
    return true;
}

bool ir_infer_check(ir_infer *in)
{
    return in_rank(in, 0, 0) && in_dtype(in, 0, DT_BOOL);
}

bool ir_eval_check(ir_call *c)
{
    const char *message = c->attr->CHECK.message ? c->attr->CHECK.message : "check failed";

    if (c->in[0]->data[0])
        return true;
    const char *node = diag_node(c->fn->module->diag, c->n->loc);
    return *node ? eval_fail(c->e, "%s (%s)", message, node) : eval_fail(c->e, "%s", message);
}

bool ir_infer_show(ir_infer *in)
{
    if (!in_tensor(in, 0))
        return false;
    int c = dt_class(in_type(in, 0)->dtype);
    return (c != DC_C && c != DC_S) || in_expect(in, 0, "numbers");
}

bool ir_eval_show(ir_call *c)
{
    const ir_val *x = c->in[0];
    shown s = {0};

    for (int64_t i = 0; i < val_count(x); i++)
        shown_add(&s, num_load_flt(x->dtype, x->data + i * dt_size(x->dtype)));
    shown_print(&s, c->attr->SHOW.name, dt_text(x->dtype), x->rank, x->dim);
    return true;
}

/* grad(y; xs..): one result like each x.  Expanded by the gradient pass. */
bool ir_infer_grad(ir_infer *in)
{
    if (in->narg < 2)
        return diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in), 2, (int)in->narg);
    if (in->narg > COUNT(in->few))
        in->out = arena_array(&in->b->m->mem, const ir_type *, in->narg);
    for (uint32_t i = 0; i < in->narg; i++)
        if (!in_tensor(in, i))
            return false;
        else if (!dt_is_float(in_type(in, i)->dtype))
            return in_expect(in, i, "floating point");
    for (uint32_t i = 1; i < in->narg; i++)
        in_type_result(in, in_type(in, i));
    return true;
}
