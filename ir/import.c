/* ir/import.c - binding the run-time dims of a module that was read.
 *
 * --dim N=4 and --shape x=1,3,224,224 come to the same: symbols get numbers, and
 * every function is rewritten with them, so that whatever follows from the numbers
 * is folded.  Names are checked against the module: a mistyped one is an error with
 * the nearest right one. */
#include "import.h"

#include <string.h>

#include "build.h"
#include "nearest.h"

const import_shape *import_shape_of(const import_options *o, const char *input)
{
    for (int i = 0; o && i < o->shapes; i++)
        if (!strcmp(o->shape[i].input, input))
            return &o->shape[i];
    return NULL;
}

uint64_t import_max_weights(const import_options *o)
{
    return o && o->max_weights ? o->max_weights : IMPORT_MAX_WEIGHTS;
}

/* "--dim 'n' is unknown: give N or M; did you mean 'N'?" Wrong usage, so exit code
 * 2. */
bool import_unknown(diag *d, const char *path, const char *option, const char *name,
                    const names *known)
{
    nearest near = nearest_to(name);
    text t = {0};

    text_add(&t, "%s '%s' is unknown: ", option, name);
    if (!known->text.len)
        text_add(&t, "the model has none");
    for (uint32_t i = 0; i < known->text.len; i++) {
        const char *before = !i ? "give " : i + 1 < known->text.len ? ", " : " or ";
        text_add(&t, "%s%s", before, known->text.at[i]);
        nearest_try(&near, known->text.at[i]);
    }
    if (near.best)
        text_add(&t, "; did you mean '%s'?", near.best);
    diag_error(d, (ir_loc){0}, D_IO, path, t.at);
    text_free(&t);
    d->usage = true;
    return false;
}

/* The parameters of all entries, in order, until `visit` has seen enough. */
static bool each_param(const ir_module *m,
                       bool visit(void *cx, const char *name, const ir_type *t), void *cx)
{
    for (uint32_t f = 0; f < m->fn.len; f++) {
        const ir_fn *fn = m->fn.at[f];
        for (uint32_t i = 0; fn->entry && i < fn->param.len; i++)
            if (visit(cx, fn->param_name.at[i], ir_type_of(fn, fn->param.at[i])))
                return true;
    }
    return false;
}

/* A list of names, and whose dims they are. */
typedef struct name_list {
    const dim_table *dims;
    names *out;
} name_list;

static bool add_dims(void *cx, const char *name, const ir_type *t)
{
    const name_list *l = cx;

    (void)name;
    for (int i = 0; t->kind == TY_TENSOR && i < t->rank; i++) {
        uint32_t id = dim_symbol_id(l->dims, t->dim[i]);
        if (id != NAMES_NONE)
            names_add(l->out, l->dims->symbol.at[id].name);
    }
    return false;
}

void import_dim_names(const ir_module *m, names *out)
{
    each_param(m, add_dims, &(name_list){&m->dims, out});
}

static bool add_input(void *cx, const char *name, const ir_type *t)
{
    (void)t;
    names_add(cx, name);
    return false;
}

/* A module whose symbols get values: symbol s becomes to[s] if given[s]. */
typedef struct binding {
    ir_module *m;
    const char *path;               /* of the model, for messages */
    diag *d;
    ir_dim *to;
    bool *given;
} binding;

static bool wrong(binding *b, const char *format, const char *name)
{
    char *what = arena_printf(&b->m->mem, format, name);

    return diag_error(b->d, (ir_loc){0}, D_IO, b->path, what);
}

/* Whichever option it is, its name is of no input, or of no extent of one. */
static bool no_such(binding *b, const char *option, const char *name)
{
    names known = {0};

    if (!strcmp(option, "--dim"))
        import_dim_names(b->m, &known);
    else
        each_param(b->m, add_input, &known);
    import_unknown(b->d, b->path, option, name, &known);
    names_free(&known);
    return false;
}

static bool bind_dim(binding *b, const char *name, int64_t value)
{
    bool found;
    ir_dim d = dim_symbol_named(&b->m->dims, name, &found);

    if (!found)
        return no_such(b, "--dim", name);
    uint32_t id = dim_symbol_id(&b->m->dims, d);
    b->to[id] = dim_int(&b->m->dims, value);
    b->given[id] = true;
    return true;
}

/* The shape may repeat an extent that is fixed, if it is the same number.  A
 * computed one, as 2*N, cannot be given: there may be no N for it. */
static bool bind_shape(binding *b, const import_shape *s, const ir_type *t)
{
    const dim_table *dims = &b->m->dims;
    int64_t v;

    if (t->kind != TY_TENSOR || t->rank != s->rank)
        return wrong(b, "input '%s' has another rank (--shape)", s->input);
    for (int i = 0; i < s->rank; i++) {
        uint32_t id = dim_symbol_id(dims, t->dim[i]);
        if (dim_const(dims, t->dim[i], &v) ? v != s->dims[i] : id == NAMES_NONE)
            return wrong(b, "an extent of input '%s' is fixed or computed (--shape)", s->input);
        if (id != NAMES_NONE && !bind_dim(b, dims->symbol.at[id].name, s->dims[i]))
            return false;
    }
    return true;
}

/* An input that is looked for by its name. */
typedef struct input_search {
    const char *name;
    const ir_type *type;            /* null: not found */
} input_search;

static bool is_input(void *cx, const char *name, const ir_type *t)
{
    input_search *s = cx;

    s->type = strcmp(name, s->name) ? NULL : t;
    return s->type;
}

static bool bind_input(binding *b, const import_shape *s)
{
    input_search found = {s->input, NULL};

    return each_param(b->m, is_input, &found) ? bind_shape(b, s, found.type)
                                              : no_such(b, "--shape", s->input);
}

/* --dim gives symbols numbers, --shape the extents of an input; then all functions
 * are made again with those in place of the symbols.  False after an error. */
bool import_bind(ir_module *m, const char *path, const import_options *o, diag *d)
{
    uint32_t n = m->dims.symbol.len;
    binding b = {m, path, d, arena_array(&m->mem, ir_dim, n + 1),
                 arena_array(&m->mem, bool, n + 1)};
    const dim_subst s = {b.to, b.given, n};

    if (!o || (!o->dims && !o->shapes))
        return true;
    for (int i = 0; i < o->dims; i++)
        if (!bind_dim(&b, o->dim_name[i], o->dim_value[i]))
            return false;
    for (int i = 0; i < o->shapes; i++)
        if (!bind_input(&b, &o->shape[i]))
            return false;
    for (uint32_t f = 0; f < m->fn.len && !diag_failed(d); f++)
        ir_rewrite_dims(m, m->fn.at[f], d, &s);
    return !diag_failed(d);
}

/* A function that nobody offers: no input is left out of its calls. */
static void withdraw(ir_fn *f)
{
    f->entry = false;
    for (uint32_t i = 0; i < f->param_default.len; i++)
        f->param_default.at[i] = IR_NONE;
    for (uint32_t i = 0; i < f->result_loose.len; i++)
        f->result_loose.at[i] = 0;
}

typedef VEC(const ir_fn *) fn_list;

static bool is_listed(const fn_list *list, const ir_fn *f)
{
    for (uint32_t i = 0; i < list->len; i++)
        if (list->at[i] == f)
            return true;
    return false;
}

/* Adds the functions that f calls, in its branches and loops, too. */
static void add_called(const ir_fn *f, fn_list *list)
{
    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        ir_fn *region[2];
        uint32_t regions = n->op == OP_CALL ? 0 : ir_regions(n, region);
        if (n->op == OP_CALL && !is_listed(list, n->attr->CALL.fn))
            vec_push(list, n->attr->CALL.fn);
        for (uint32_t k = 0; k < regions; k++)
            add_called(region[k], list);
    }
}

/* What stays is entered anew, as the module finds its functions by their places. */
bool import_keep(ir_module *m, const char *path, const char *entry, diag *d)
{
    const ir_fn *kept = ir_module_find(m, entry);
    bool ok = kept && kept->entry;
    uint32_t n = m->fn.len;
    names known = {0};
    fn_list needed = {0};

    if (ok)
        vec_push(&needed, kept);
    for (uint32_t i = 0; i < needed.len; i++)
        add_called(needed.at[i], &needed);
    m->fn.len = 0;
    map_free(&m->fn_map);
    for (uint32_t i = 0; i < n; i++) {
        ir_fn *f = m->fn.at[i];
        if (f->entry)
            names_add(&known, f->name);
        if (f->entry && f != kept)
            withdraw(f);
        if (is_listed(&needed, f))
            ir_fn_add(m, f, f->entry);
    }
    vec_free(&needed);
    if (!ok)
        import_unknown(d, path, "--entry", entry, &known);
    names_free(&known);
    return ok;
}
