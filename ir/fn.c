/* ir/fn.c - modules, functions, and the table of ops.
 *
 * A module owns all functions that were ever made in it (all_fns), regions and
 * those that a rewrite has replaced too: nodes hold pointers to regions, and an old
 * function may still be read while its successor is made.  m->fn lists those that
 * have a name and can be called. */
#include "ir.h"

static const ir_op_info table[OP_COUNT] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, ...)              \
    [OP_##NAME] = {text, args, 1, TEMPLATE_MAP, MOVES_NO, FOLD_VALUE, flags},
#include "scalar.def"
#define OP(NAME, text, nin, nres, infer, eval, grad, onnx, template, moves, fold, flags) \
    [OP_##NAME] = {text, nin, nres, TEMPLATE_##template, MOVES_##moves, FOLD_##fold, flags},
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

/* Elements that constant folding of one module may compute, about a second. */
enum { FOLD_STEPS = 50 * 1000 * 1000 };

ir_module *ir_module_new(diag *d)
{
    ir_module *m = mem_alloc(sizeof *m);

    m->diag = d;
    m->name = "model";
    m->fold_budget = FOLD_STEPS;
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
    vec_free(&f->param_default);
    vec_free(&f->result);
    vec_free(&f->result_name);
    vec_free(&f->result_loose);
    vec_free(&f->update);
}

/* The arena that holds the module's data is a member of the module: it is moved out
 * first. */
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
    vec_free(&m->spelling);
    vec_free(&m->attrs);
    map_free(&m->const_map);
    map_free(&m->attr_map);
    map_free(&m->fn_map);
    type_free(&m->types);
    dim_free(&m->dims);
    arena mem = m->mem;
    mem_free(m);
    arena_reset(&mem);
}

int64_t ir_state_end(const ir_module *m, uint32_t state, int64_t begin)
{
    enum { LINE = 64 };
    const ir_type *t = m->state.at[state].type;
    int64_t n = type_count_const(&m->types, t), size;

    if (n < 0 || !mul_ok(n, (int64_t)dt_size(t->dtype), &size) || size > INT64_MAX / 4 - begin)
        return -1;
    return begin + (size + LINE - 1) / LINE * LINE;
}

ir_fn *ir_fn_new(ir_module *m, const char *name, bool entry)
{
    ir_fn *f = ir_fn_region(m, name);

    ir_fn_add(m, f, entry);
    return f;
}

void ir_fn_add(ir_module *m, ir_fn *f, bool entry)
{
    f->entry = entry;
    vec_push(&m->fn, f);
    map_add(&m->fn_map, hash_text(f->name, 0), m->fn.len - 1);
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
    uint64_t h = hash_text(name, 0);

    for (uint32_t p = map_find(&m->fn_map, h); p != MAP_NONE; p = map_next(&m->fn_map, h, p))
        if (!strcmp(m->fn.at[map_id(&m->fn_map, p)]->name, name))
            return m->fn.at[map_id(&m->fn_map, p)];
    return NULL;
}

const ir_spelling *ir_spelling_of(const ir_module *m, const char *entry, const char *value,
                                  bool result)
{
    for (uint32_t i = 0; i < m->spelling.len; i++) {
        const ir_spelling *s = &m->spelling.at[i];
        if (s->result == result && !strcmp(s->entry, entry) && !strcmp(s->value, value))
            return s;
    }
    return NULL;
}

ir_fn *ir_module_main(const ir_module *m)
{
    ir_fn *f = ir_module_find(m, "main");

    for (uint32_t i = 0; !f && i < m->fn.len; i++)
        f = m->fn.at[i]->entry ? m->fn.at[i] : NULL;
    return f;
}

/* By value; results and updates are uses. */
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

/* By counting. */
ir_readers ir_find_readers(const ir_fn *f, arena *mem)
{
    uint32_t refs = f->value.len, *fill = arena_array(mem, uint32_t, refs + 2), all = 0;
    ir_readers out;

    for (uint32_t i = 0; i < f->node.len; i++)
        for (uint32_t j = 0; j < f->node.at[i].narg; j++, all++)
            fill[ir_arg(f, &f->node.at[i], j) + 1]++;
    for (uint32_t r = 0; r <= refs; r++)
        fill[r + 1] += fill[r];
    out.at = arena_copy(mem, fill, (refs + 2) * sizeof *fill);
    out.reader = arena_array(mem, uint32_t, all + 1);
    for (uint32_t i = 0; i < f->node.len; i++)
        for (uint32_t j = 0; j < f->node.at[i].narg; j++)
            out.reader[fill[ir_arg(f, &f->node.at[i], j)]++] = i;
    return out;
}

/* Functions that belong to the node and are printed within it.  A called function
 * does not. */
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

/* The k-th of `syms` that still is a symbol: a rewrite may have found others. */
static uint32_t listed(const ir_module *m, ir_dims syms, uint32_t k)
{
    for (int32_t i = 0; i < syms.n; i++) {
        uint32_t id = dim_symbol_id(&m->dims, syms.at[i]);
        if (id != NAMES_NONE && k-- == 0)
            return id;
    }
    return NAMES_NONE;
}

/* The one symbol of the node beside those of a list; NAMES_NONE if none. */
static uint32_t single(const ir_node *n)
{
    const union ir_attr *a = n->attr;

    switch (n->op) {
    case OP_BIND: return a->BIND.sym;
    case OP_NONZERO: return a->NONZERO.sym;
    case OP_UNIQUE: return a->UNIQUE.sym;
    case OP_NMS: return a->NMS.sym;
    case OP_SEQ_JOIN: return a->SEQ_JOIN.sym;
    case OP_LOOP: return a->LOOP.stack_axes.n ? a->LOOP.trips : NAMES_NONE;
    default: return NAMES_NONE;
    }
}

/* The k-th symbol that the node defines, NAMES_NONE behind the last: `for (k = 0;
 * (id = ir_symbol_of(m, n, k)) != NAMES_NONE; k++)`. */
uint32_t ir_symbol_of(const ir_module *m, const ir_node *n, uint32_t k)
{
    uint32_t first = single(n);

    if (first < m->dims.symbol.len && k-- == 0)
        return first;
    switch (n->op) {
    case OP_IF: return listed(m, n->attr->IF.syms, k);
    case OP_LOOP: return listed(m, n->attr->LOOP.syms, k);
    case OP_SEQ_JOIN: return listed(m, n->attr->SEQ_JOIN.syms, k);
    case OP_SEQ_AT: return listed(m, n->attr->SEQ_AT.syms, k);
    default: return NAMES_NONE;
    }
}

static void type_symbols(const dim_table *t, const ir_type *x, dim_visit *visit, void *cx)
{
    for (int i = 0; i < x->rank; i++)
        dim_each_symbol(t, x->dim[i], visit, cx);
    if (x->kind == TY_OPT)              /* a sequence's elements differ in extents */
        type_symbols(t, x->elem, visit, cx);
}

/* Symbols that the node's result types and attributes mention; those that it
 * defines are ir_symbol_of's. */
void ir_each_symbol(const ir_fn *fn, const ir_node *n, dim_visit *visit, void *cx)
{
    const dim_table *t = &fn->module->dims;

    for (uint32_t i = 0; i < n->nres; i++)
        type_symbols(t, ir_type_of(fn, n->first + i), visit, cx);
    for (const ir_field *f = ir_fields(n->op); f && f->name; f++) {
        const void *p = (const char *)n->attr + f->offset;
        const ir_dims *l = p;
        if (f->kind == AK_dim)
            dim_each_symbol(t, *(const ir_dim *)p, visit, cx);
        for (int i = 0; f->kind == AK_dims && i < l->n; i++)
            dim_each_symbol(t, l->at[i], visit, cx);
    }
}
