/* frontend/dsl/train_entry.c - entries of a training program: what its inputs and outputs
 * stand for, so that a trainer takes and shows texts. */
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

/* An entry of the file besides its blocks, or a net: what the trained model is for. */
static void add_entry(dsl *cx, const dsl_template *t, struct ingot_train_entry *at, int32_t *n)
{
    dsl_make_entry(cx, t);
    const ir_fn *f = ir_module_find(cx->m, t->name);
    if (f && !diag_failed(cx->d))
        at[(*n)++] = (struct ingot_train_entry){
            f->name, t->item->kind != AST_ITEM_ENTRY, (int32_t)f->param.len,
            (int32_t)f->result.len, inputs(cx, t, f), outputs(cx, t, f)};
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
            if (e && !train_is_unused(p, e->name))
                add_entry(cx, e, at, &t->entry_count);
        }
    t->entries = at;
    cx->scope = outer;
}
