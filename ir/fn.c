/* ir/fn.c - modules, functions, and the table of ops. */
#include "ir.h"

static const ir_op_info table[OP_COUNT] = {
#define SCALAR(NAME, text, args, ...) [OP_##NAME] = {text, args, 1, 'M', F_PURE},
#include "scalar.def"
#define KIND_M 'M'
#define KIND_R 'R'
#define KIND_C 'C'
#define KIND_S 'S'
#define KIND_X 'X'
#define KIND_K 'K'
#define OP(NAME, text, nin, nres, infer, eval, grad, kind, flags)             \
    [OP_##NAME] = {text, nin, nres, KIND_##kind, flags},
#include "ops.def"
};

const ir_op_info *ir_op_get(unsigned op)
{
    ICE_IF(op == OP_NONE || op >= OP_COUNT, "op %u", op);
    return &table[op];
}

unsigned ir_op_find(const char *name)
{
    for (unsigned op = OP_NONE + 1; op < OP_COUNT; op++)
        if (table[op].text && !strcmp(table[op].text, name))
            return op;
    return OP_COUNT;
}

ir_module *ir_module_new(diag *d)
{
    ir_module *m = mem_alloc(sizeof *m);

    m->diag = d;
    m->name = "model";
    dim_init(&m->dims, &m->mem);
    type_init(&m->types, &m->mem, &m->dims);
    return m;
}

static void fn_clear(ir_fn *f)
{
    vec_free(&f->node);
    vec_free(&f->value);
    vec_free(&f->args);
    vec_free(&f->param);
    vec_free(&f->param_name);
    vec_free(&f->result);
    vec_free(&f->result_name);
    vec_free(&f->update);
}

void ir_module_free(ir_module *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->all_fns.len; i++)
        fn_clear(m->all_fns.at[i]);
    vec_free(&m->all_fns);
    vec_free(&m->fn);
    vec_free(&m->state);
    vec_free(&m->consts);
    vec_free(&m->attrs);
    map_free(&m->const_map);
    map_free(&m->attr_map);
    type_free(&m->types);
    dim_free(&m->dims);
    arena mem = m->mem;
    mem_free(m);
    arena_reset(&mem);
}

ir_fn *ir_fn_new(ir_module *m, const char *name, bool entry)
{
    ir_fn *f = ir_fn_region(m, name);

    f->entry = entry;
    vec_push(&m->fn, f);
    return f;
}

ir_fn *ir_fn_region(ir_module *m, const char *name)
{
    ir_fn *f = arena_new(&m->mem, ir_fn);

    f->name = arena_strdup(&m->mem, name);
    f->module = m;
    vec_push(&m->all_fns, f);
    return f;
}

void ir_fn_replace(ir_fn *f, ir_fn *by)
{
    ir_fn old = *f;

    *f = *by;
    f->name = old.name;
    f->entry = old.entry;
    *by = (ir_fn){.name = "", .module = f->module};
    fn_clear(&old);
}

ir_fn *ir_module_find(const ir_module *m, const char *name)
{
    for (uint32_t i = 0; i < m->fn.len; i++)
        if (!strcmp(m->fn.at[i]->name, name))
            return m->fn.at[i];
    return NULL;
}

uint32_t *ir_use_counts(const ir_fn *f, arena *scratch)
{
    uint32_t *uses = arena_array(scratch, uint32_t, f->value.len + 1);

    for (uint32_t i = 0; i < f->node.len; i++)
        for (uint32_t j = 0; j < f->node.at[i].narg; j++)
            uses[ir_arg(f, &f->node.at[i], j)]++;
    for (uint32_t i = 0; i < f->result.len; i++)
        uses[f->result.at[i]]++;
    for (uint32_t i = 0; i < f->update.len; i++)
        uses[f->update.at[i].value]++;
    return uses;
}

uint32_t ir_regions(const ir_node *n, ir_fn *out[2])
{
    switch (n->op) {
    case OP_IF:
        out[0] = n->attr->IF.yes;
        out[1] = n->attr->IF.no;
        return 2;
    case OP_LOOP:
        out[0] = n->attr->LOOP.body;
        return 1;
    default:
        return 0;
    }
}

uint32_t ir_symbol_of(const ir_node *n)
{
    switch (n->op) {
    case OP_BIND: return n->attr->BIND.sym;
    case OP_NONZERO: return n->attr->NONZERO.sym;
    case OP_UNIQUE: return n->attr->UNIQUE.sym;
    case OP_NMS: return n->attr->NMS.sym;
    case OP_LOOP: return n->attr->LOOP.trips;
    case OP_SEQ_JOIN: return n->attr->SEQ_JOIN.sym;
    default: return NAMES_NONE;
    }
}
