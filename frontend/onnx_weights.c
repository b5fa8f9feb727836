/* frontend/onnx_weights.c - weights that gradients are asked for by.
 *
 * Each is a `keep` of its constant, so that nothing folds it away before there are
 * gradients, and stands in the main graph: weights in branches and bodies are captured. */
#include "onnx_model.h"

/* The scope of the main graph around s; null in a model-local function. */
static onnx_scope *main_scope(onnx_scope *s)
{
    while (s->parent || s->around)
        s = s->parent ? s->parent : s->around;
    return s->function ? NULL : s;
}

static bool asked_for(const import_weights *w, const char *name, const ir_type *t)
{
    return w && t->kind == TY_TENSOR && dt_is_float(t->dtype) &&
           (w->pattern ? text_matches(w->pattern, name) : t->rank > 0);
}

/* A node of its own for each: the copy number tells those with the same elements apart. */
static ir_ref keep_apart(import_weights *w, ir_build *b, const char *name, uint32_t id)
{
    ir_ref x = ir_const_ref(b, id);
    uint16_t copy = b->copy;

    b->copy = (uint16_t)(w->ref.len + 1);
    x = w->inputs ? ir_input(b, name, b->m->consts.at[id].type) : ir_make(b, OP_KEEP, &x, 1, NULL);
    b->copy = copy;
    vec_push(&w->constant, id);
    vec_push(&w->name, arena_strdup(&b->m->mem, name));
    vec_push(&w->ref, x);
    return x;
}

ir_ref onnx_weight(onnx_scope *s, const char *name, uint32_t id)
{
    import_weights *w = s->model->options ? s->model->options->weights : NULL;
    onnx_scope *top = main_scope(s);
    const char *key = arena_printf(&s->model->m->mem, "\n%s", name);
    ir_ref r;

    if (!top || !asked_for(w, name, s->model->m->consts.at[id].type))
        return ir_const_ref(s->b, id);
    if (!scope_find(top, key, &r))
        scope_set(top, key, keep_apart(w, top->b, name, id));
    scope_find(s, key, &r);
    return r;
}

ir_ref onnx_plain(onnx_op *n, ir_ref x)
{
    const ir_node *p = x == IR_NONE ? NULL : ir_node_of(n->b->fn, x);

    return p && p->op == OP_KEEP ? ir_arg(n->b->fn, p, 0) : x;
}
