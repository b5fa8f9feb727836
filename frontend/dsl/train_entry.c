/* frontend/dsl/train_entry.c - entries of a training program: what its inputs and outputs
 * stand for, so that a trainer takes and shows texts, and which weights it cannot do without. */
#include "train.h"

/* A number where none is given: n: int = 400. */
static void add_default(dsl *cx, const ast_param *p, struct ingot_train_value *v)
{
    const dsl_value *x = p->value && !(p->type && p->type->extents.len) ? dsl_eval(cx, p->value)
                                                                        : NULL;

    v->has_default = x && !dsl_bad(x) && dsl_number(cx, x, &v->value);
}

/* Inputs in the order of the entry, which may begin with others, such as its seed. */
static const struct ingot_train_value *inputs(dsl *cx, const dsl_template *t, const ir_fn *f)
{
    const ast_params *l = &t->item->callable.params;
    struct ingot_train_value *v = arena_array(cx->mem, struct ingot_train_value, f->param.len + 1);

    for (uint32_t i = 0; i < f->param.len; i++)
        for (uint32_t k = 0; k < l->len; k++) {
            const ast_param *p = &l->at[k];
            if (strcmp(p->name.text, f->param_name.at[i]))
                continue;
            v[i].name_count = dsl_spelling(cx, p->type ? p->type->bound : NULL, &v[i].names);
            add_default(cx, p, &v[i]);
        }
    return v;
}

/* Results in the order of the entry, with the words that numbers of classes stand
 * for. */
static const struct ingot_train_value *outputs(dsl *cx, const dsl_template *t, const ir_fn *f)
{
    const ast_results *l = &t->item->callable.results;
    struct ingot_train_value *v = arena_array(cx->mem, struct ingot_train_value, f->result.len + 1);

    for (uint32_t i = 0; i < f->result.len && i < l->len; i++)
        v[i].name_count = dsl_spelling(cx, l->at[i].type->bound, &v[i].names);
    return v;
}

/* Marks the states that what f gives is made from. */
static void mark_states(dsl *cx, const ir_fn *f, bool *state)
{
    bool *used = arena_array(cx->mem, bool, f->node.len + 1);

    for (uint32_t i = 0; i < f->result.len; i++)
        used[f->value.at[f->result.at[i]].node] = true;
    for (uint32_t i = 0; i < f->update.len; i++)
        used[f->value.at[f->update.at[i].value].node] = true;
    for (uint32_t i = f->node.len; i-- > 0;) {
        const ir_node *n = &f->node.at[i];
        ir_fn *region[2];
        for (uint32_t k = 0; used[i] && k < n->narg; k++)
            used[f->value.at[ir_arg(f, n, k)].node] = true;
        for (uint32_t k = 0; used[i] && k < ir_regions(n, region); k++)
            mark_states(cx, region[k], state);
        if (used[i] && n->op == OP_STATE)
            state[n->attr->STATE.id] = true;
    }
}

/* Of the states that f reads those that nothing but a training gives a value: the others begin
 * as the program says, or with what an ONNX model has. */
static const int32_t *needs(dsl *cx, const ir_fn *f, int32_t *n)
{
    bool *state = arena_array(cx->mem, bool, cx->m->state.len + 1);
    int32_t *need = arena_array(cx->mem, int32_t, cx->m->state.len + 1);

    mark_states(cx, f, state);
    for (uint32_t i = 0; i < cx->memory.len; i++) {
        const dsl_memory *m = cx->memory.at[i];
        bool given = m->state == IR_NONE || cx->m->state.at[m->state].init != IR_NONE;
        if (!given && state[m->state] &&
            (m->role == INGOT_ROLE_PARAM || m->role == INGOT_ROLE_FITTED))
            need[(*n)++] = (int32_t)m->state;
    }
    return need;
}

/* An entry of the file besides its blocks, or a net: what the trained model is for. */
static void add_entry(dsl *cx, const dsl_template *t, struct ingot_train_entry *e)
{
    const ir_fn *f = ir_module_find(cx->m, t->name);

    *e = (struct ingot_train_entry){
        f->name, t->item->kind != AST_ITEM_ENTRY, (int32_t)f->param.len, (int32_t)f->result.len,
        inputs(cx, t, f), outputs(cx, t, f), 0, NULL};
    e->needs = needs(cx, f, &e->need_count);
}

/* Nothing trains such a net, so that no trainer has its parameters. */
bool train_is_unused(const ast_program *p, const char *name)
{
    for (uint32_t i = 0; i < p->unused.len; i++)
        if (!strcmp(p->unused.at[i].name.text, name))
            return true;
    return false;
}

void train_entries(dsl *cx, const dsl_file *f, struct ingot_trainer *t)
{
    static const ast_item_kind kinds[] = {AST_ITEM_ENTRY, AST_ITEM_NET, AST_ITEM_NET_OF};
    const ast_program *p = f->program;
    struct ingot_train_entry *at = arena_array(cx->mem, struct ingot_train_entry, p->items.len + 1);
    dsl_scope *outer = cx->scope;

    cx->scope = f->scope;
    for (uint32_t k = 0; k < COUNT(kinds); k++)
        for (uint32_t i = 0; i < p->items.len && !diag_failed(cx->d); i++) {
            const dsl_template *e = train_template(f, p->items.at[i], kinds[k]);
            if (!e || train_is_unused(p, e->name))
                continue;
            dsl_make_entry(cx, e);
            if (ir_module_find(cx->m, e->name) && !diag_failed(cx->d))
                add_entry(cx, e, &at[t->entry_count++]);
        }
    t->entries = at;
    cx->scope = outer;
}
