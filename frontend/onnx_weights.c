/* frontend/onnx_weights.c - weights that gradients are asked for by.
 *
 * Each is a `keep` of its constant, so that nothing folds it away before there are
 * gradients, and stands in the main graph: weights in branches and bodies are captured. */
#include "onnx_model.h"

/* Inputs of operators that look like weights and are none: statistics that training by
 * gradients would make no statistics, extents, scales of quantized numbers. */
static const struct {
    const char *op;
    size_t input;
} settings[] = {
    {"BatchNormalization", 3}, {"BatchNormalization", 4}, {"Resize", 1}, {"Resize", 2},
    {"Upsample", 1}, {"QuantizeLinear", 1}, {"DequantizeLinear", 1},
};

static bool is_setting(const Onnx__NodeProto *p, size_t input)
{
    for (size_t i = 0; p->op_type && i < COUNT(settings); i++)
        if (settings[i].input == input && !strcmp(settings[i].op, p->op_type))
            return true;
    return false;
}

void onnx_list_settings(onnx_model *x, const Onnx__GraphProto *g)
{
    for (size_t n = 0; n < g->n_node; n++)
        for (size_t i = 0; i < g->node[n]->n_input; i++)
            if (is_setting(g->node[n], i))
                names_add(&x->settings, g->node[n]->input[i]);
}

/* The scope of the main graph, or of the model-local function, around s. */
static onnx_scope *whole_scope(onnx_scope *s)
{
    while (s->parent || s->around)
        s = s->parent ? s->parent : s->around;
    return s;
}

/* The scope of the main graph around s; null in a model-local function. */
static onnx_scope *main_scope(onnx_scope *s)
{
    s = whole_scope(s);
    return s->function ? NULL : s;
}

/* Which constants become inputs or nodes of their own, since someone is to change
 * them: those that match the pattern, or all reals that are no scalars.  What
 * operators read as settings is left alone. */
static bool asked_for(const onnx_model *x, const char *name, const ir_type *t)
{
    const import_weights *w = x->options ? x->options->weights : NULL;

    if (!w || t->kind != TY_TENSOR || !dt_is_float(t->dtype))
        return false;
    if ((w->inputs || w->trained) && names_find(&x->settings, name) != NAMES_NONE)
        return false;
    return w->pattern ? text_matches(w->pattern, name) : t->rank > 0;
}

/* A mistyped pattern is told by the names that it did not match. */
static void note_other(const onnx_model *x, const char *name, const ir_type *t)
{
    import_weights *w = x->options ? x->options->weights : NULL;

    if (w && w->pattern && t->kind == TY_TENSOR && dt_is_float(t->dtype) && t->rank)
        vec_push(&w->other, arena_strdup(&x->m->mem, name));
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

/* Constants inside branches and loops are made in the main function and captured.
 * The key begins with a line end, which no name of a file's values does that is
 * looked up here. */
ir_ref onnx_weight(onnx_scope *s, const char *name, uint32_t id)
{
    onnx_scope *top = main_scope(s);
    const char *key = arena_printf(&s->model->m->mem, "\n%s", name);
    ir_ref r;

    const ir_type *t = s->model->m->consts.at[id].type;
    if (!top || !asked_for(s->model, name, t)) {
        note_other(s->model, name, t);
        return ir_const_ref(s->b, id);
    }
    if (!scope_find(top, key, &r))
        scope_set(top, key, keep_apart(s->model->options->weights, top->b, name, id));
    scope_find(s, key, &r);
    return r;
}

/* An input behind those of the file, made when the first operator asks. */
ir_ref onnx_runs_input(onnx_scope *s)
{
    static const char key[] = "\n";
    onnx_scope *top = whole_scope(s);
    import_weights *w = s->model->options->weights;
    ir_ref r;

    if (top->function)
        return s->b == top->b ? onnx_runs_input(top->call->scope) : IR_NONE;
    if (scope_find(s, key, &r))
        return r;
    w->runs = ir_input(top->b, "runs", ir_ty(top->b, DT_U64, (ir_dim[]){{2}}, 1));
    scope_set(top, key, w->runs);
    scope_find(s, key, &r);
    return r;
}

ir_ref onnx_plain(onnx_op *n, ir_ref x)
{
    const ir_node *p = x == IR_NONE ? NULL : ir_node_of(n->b->fn, x);

    return p && p->op == OP_KEEP ? ir_arg(n->b->fn, p, 0) : x;
}
