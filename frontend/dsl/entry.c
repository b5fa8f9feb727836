/* frontend/dsl/entry.c - a program becomes a module: its nets and entries, and `init`. */
#include "const.h"
#include "file.h"
#include "prelude.h"
#include "train.h"

/* ---- inputs ----------------------------------------------------------------- */

/* A number of the run; entries that name one alike share its symbol. */
static ir_dim symbol(dsl *cx, const char *name)
{
    bool found;
    ir_dim d = dim_symbol_named(cx->dims, name, &found);

    return found ? d : dim_symbol_new(cx->dims, name, 0, INT64_MAX);
}

/* Names of an extent that mean nothing yet are known when it runs. */
static void new_symbols(dsl *cx, const ast_expr *e)
{
    if (e->kind == AST_NAME && strcmp(e->name, "_") && !dsl_find_var(cx->scope, e->name)) {
        dsl_define(cx, cx->scope, e->name, dsl_whole(cx, symbol(cx, e->name)), e->at);
    } else if (e->kind == AST_BINARY) {
        new_symbols(cx, e->binary.left);
        new_symbols(cx, e->binary.right);
    } else if (e->kind == AST_UNARY)
        new_symbols(cx, e->unary.x);
}

static bool has_rows(const ast_type *t)
{
    return t && t->extents.len && t->extents.at[0]->kind == AST_REST;
}

/* The constant that x is: as it stands, or a number that is filled into all places. */
static uint32_t constant_of(dsl *cx, ir_ref x)
{
    const ir_fn *f = dsl_b(cx)->fn;
    const ir_node *n = ir_node_of(f, x);
    uint8_t element[16];

    if (n->op == OP_CONST)
        return n->attr->CONST.id;
    if (n->op != OP_BROADCAST || ir_type_of(f, ir_arg(f, n, 0))->rank)
        return IR_NONE;
    n = ir_node_of(f, ir_arg(f, n, 0));
    if (n->op != OP_CONST)
        return IR_NONE;
    const_read(cx->m, n->attr->CONST.id, 0, 1, element);
    return const_splat(cx->m, ir_type_of(f, x), element);
}

/* The constant that a parameter is where it is left out; IR_NONE: it may not be.  What it
 * begins with is read once all before it have values. */
static uint32_t preset_of(dsl *cx, const ast_param *p, dsl_elem elem, const ir_type *type)
{
    const dsl_value *v = p->value && type_static(&cx->m->types, type) ? dsl_eval_top(cx, p->value)
                                                                      : NULL;

    if (!v || dsl_bad(v))
        return IR_NONE;
    if (p->type && p->type->extents.len)
        v = dsl_fill_default(cx, p->type, v, p->name.text, p->name.at);
    else if (elem != DSL_OTHER)
        v = dsl_as(cx, v, elem, p->value->at, p->name.text);
    if (dsl_bad(v) || !dsl_is_tensor(v) || dsl_type(v) != type)
        return IR_NONE;
    return constant_of(cx, dsl_ref(cx, v));
}

static ir_ref input(dsl *cx, const ast_param *p, dsl_elem elem, const ir_type *type)
{
    uint32_t preset = preset_of(cx, p, elem, type);

    if (p->value && preset == IR_NONE && cx->frame->of->item->kind == AST_ITEM_ENTRY)
        dsl_wrong(cx, p->value->at, "%s: what it is where it is left out must be a constant, of "
                  "extents known when compiling", p->name.text);
    return preset == IR_NONE ? ir_input(dsl_b(cx), p->name.text, type)
                             : ir_optional_input(dsl_b(cx), p->name.text, preset);
}

/* An int without a bound is a number in the body: it may be an extent. */
static const dsl_value *number_input(dsl *cx, const ast_param *p)
{
    ir_build *b = dsl_b(cx);
    ir_ref x = input(cx, p, DSL_INT, type_scalar(&cx->m->types, DT_I64));
    ir_dim d = ir_bind(b, x, p->name.text);

    return dsl_run_number(cx, d);
}

/* What the check of an index says: with its bound where that is known. */
static const char *bound_message(dsl *cx, ir_dim below, const char *name)
{
    int64_t n;

    return dim_const(cx->dims, below, &n)
               ? arena_printf(&cx->m->mem, "%s: an index is not between 0 and %lld", name,
                              (long long)n - 1)
               : arena_printf(&cx->m->mem, "%s: an index is not below its bound", name);
}

/* Labels and words are below their bound, or the run ends. */
static void check_input(dsl *cx, const dsl_value *v, ir_dim below, const char *name)
{
    ir_loc at = cx->at;
    const dsl_value *low = dsl_binary(cx, AST_LE, dsl_int(cx, 0), v, at);
    const dsl_value *high = dsl_binary(cx, AST_LT, v, dsl_whole(cx, below), at);
    const dsl_value *ok = dsl_binary(cx, AST_AND, low, high, at);
    dsl_axes all = {0};

    if (dsl_bad(ok))
        return;
    dsl_add_carried(&all, ok);
    ok = dsl_reduce_visible(cx, dsl_reduce(cx, ok, RED_AND, &all), RED_AND);
    ir_check(dsl_b(cx), dsl_ref(cx, ok), bound_message(cx, below, name));
}

static bool names_extent(const ast_params *l, const char *name)
{
    for (uint32_t i = 0; i < l->len; i++) {
        const ast_type *t = l->at[i].type;
        if (t && t->bound && ast_mentions(t->bound, name))
            return true;
        for (uint32_t k = 0; t && k < t->extents.len; k++)
            if (ast_mentions(t->extents.at[k], name))
                return true;
    }
    return false;
}

/* What `..` of the inputs stands for: rows N, or N_ where an extent has that name. */
static void begin_rows(dsl *cx, const ast_params *l, dsl_rows *rows)
{
    const char *name = "N";

    while (names_extent(l, name))
        name = arena_printf(&cx->m->mem, "%s_", name);
    dsl_add_axis(&rows->axes, dsl_axis_new(cx, "..", symbol(cx, name)));
    rows->set = true;
}

/* Extents that mean nothing yet become symbols of the run; `..` are rows, the same for all
 * inputs. */
static const dsl_value *array_input(dsl *cx, const ast_param *p, dsl_rows *rows, bool checked)
{
    const ast_type *t = p->type;
    ir_dim extent[IR_MAX_RANK] = {0}, shown[IR_MAX_RANK], below;
    dsl_axis *axis[IR_MAX_RANK] = {NULL};
    int first = has_rows(t), n = 0;

    if (t && t->bound)
        new_symbols(cx, t->bound);
    for (uint32_t i = (uint32_t)first; t && i < t->extents.len; i++)
        new_symbols(cx, t->extents.at[i]);
    if (first) {
        axis[0] = rows->axes.at[0];
        extent[0] = axis[0]->extent;
    }
    n = t ? dsl_type_extents(cx, t, shown) : 0;
    if (n < 0)
        return &dsl_poison;
    if (first + n > IR_MAX_RANK)
        return dsl_wrong(cx, p->name.at, "%s has more than %d axes", p->name.text, IR_MAX_RANK);
    memcpy(extent + first, shown, (size_t)n * sizeof *shown);
    const ir_type *type =
        type_tensor(&cx->m->types, t ? dsl_type_dtype(cx, t) : cx->real, n + first, extent);
    dsl_elem elem = t ? dsl_type_elem(t) : DSL_REAL;
    const dsl_value *v = dsl_array(cx, input(cx, p, elem, type), elem, n + first, axis);
    if (!t || !t->bound)
        return v;
    if (!dsl_eval_bound(cx, t->bound, &below))
        return &dsl_poison;
    if (checked)
        check_input(cx, v, below, p->name.text);
    return dsl_bounded(cx, v, dim_int(cx->dims, 0), dim_sub(cx->dims, below, dim_int(cx->dims, 1)));
}

/* Parameters of an entry, defined in its scope.  False after an error. */
bool dsl_read_inputs(dsl *cx, const ast_params *l, dsl_rows *rows, bool checked)
{
    for (uint32_t i = 0; i < l->len; i++) {
        const ast_param *p = &l->at[i];
        const ast_type *t = p->type;
        bool number = t && t->elem == AST_ELEM_INT && !t->bound && !t->extents.len;
        if (has_rows(t) && !rows->set)
            begin_rows(cx, l, rows);
        const dsl_value *v = number ? number_input(cx, p) : array_input(cx, p, rows, checked);
        if (dsl_bad(v))
            return false;
        dsl_define(cx, cx->scope, p->name.text, v, p->name.at);
        dsl_add_carried(&cx->frame->carried, v);
    }
    return true;
}

/* ---- functions of the module ------------------------------------------------ */

/* Everything is built into k->fn from here on.  Cells of the module are read anew
 * in each function, which is what now = NULL says. */
void dsl_begin(dsl *cx, dsl_making *k, const char *name, bool entry)
{
    k->fn = entry ? ir_fn_new(cx->m, name, true) : ir_fn_region(cx->m, name);
    ir_build_init(&k->b, cx->m, k->fn, cx->d);
    k->b.checks = true;
    k->region = (dsl_region){.b = &k->b};
    k->outer = cx->region;
    cx->region = &k->region;
    cx->seed = IR_NONE;
    cx->rowless.len = 0;
    for (uint32_t i = 0; i < cx->memory.len; i++)
        cx->memory.at[i]->cell.now = NULL;
}

/* What was written is stored once, at the end, with its last value. */
void dsl_end(dsl *cx, dsl_making *k)
{
    for (uint32_t i = 0; i < k->region.written.len; i++) {
        dsl_cell *c = k->region.written.at[i].cell;
        if (c->memory && !diag_failed(cx->d))
            ir_update_state(&k->b, c->memory->state, dsl_ref(cx, c->now));
    }
    vec_free(&k->region.written);
    ir_build_free(&k->b);
    cx->region = k->outer;
}

/* The frame of an entry, net or block that nothing calls. */
dsl_frame *dsl_outer_frame(dsl *cx, const dsl_template *t)
{
    dsl_frame *f = arena_new(cx->mem, dsl_frame);
    bool net = t->item->kind == AST_ITEM_NET;

    f->of = t;
    f->parameters = net;
    f->block = dsl_block_new(cx, net ? dsl_net_path(cx, t) : NULL);
    f->place = hash_text(t->name, 0);
    f->called = t->item->at;
    return f;
}

static const char *result_name(const ast_results *r, uint32_t i, uint32_t n, arena *mem)
{
    if (i < r->len && r->at[i].name.text)
        return r->at[i].name.text;
    return n == 1 ? "y" : arena_printf(mem, "y%u", i);
}

/* Several values are a list, one is itself. */
static void give_results(dsl *cx, const dsl_template *t, const dsl_value *v)
{
    uint32_t n = v->kind == DSL_RESULTS ? v->list.n : 1;

    for (uint32_t i = 0; i < n; i++) {
        const dsl_value *x = dsl_as_array(cx, n > 1 ? v->list.at[i] : v, t->item->at);
        if (!dsl_bad(x))
            ir_result(dsl_b(cx), result_name(&t->item->callable.results, i, n, &cx->m->mem),
                      dsl_ref(cx, x));
    }
}

static bool is_typed(const ast_item *item)
{
    for (uint32_t i = 0; i < item->callable.params.len; i++)
        if (!item->callable.params.at[i].type && !item->callable.params.at[i].value)
            return false;
    return true;
}

/* A net without types is a template, and has no entry. */
void dsl_make_entry(dsl *cx, const dsl_template *t)
{
    dsl_making k;
    dsl_rows rows = {0};
    dsl_scope *outer = cx->scope;
    dsl_frame *frame = cx->frame;

    if (t->item->kind == AST_ITEM_NET && !is_typed(t->item))
        return;                 /* it has a type only where it is called */
    dsl_begin(cx, &k, t->name, true);
    cx->frame = dsl_outer_frame(cx, t);
    cx->scope = dsl_scope_new(cx, t->file->scope);
    cx->at = t->item->at;
    if (dsl_read_inputs(cx, &t->item->callable.params, &rows, true)) {
        const dsl_value *v = dsl_body_value(cx, t, &rows);
        if (!dsl_bad(v) && v->kind != DSL_NOTHING)
            give_results(cx, t, v);
    }
    dsl_end(cx, &k);
    cx->frame = frame;
    cx->scope = outer;
}

/* ---- init ------------------------------------------------------------------- */

/* The first value of a parameter or state, evaluated where it was declared. */
static const dsl_value *first_value(dsl *cx, const dsl_memory *m)
{
    const ast_decl *d = m->decl;
    ast_type none = {.elem = AST_ELEM_REAL};
    const dsl_value *v;

    cx->frame = m->frame;
    cx->scope = m->scope;
    v = dsl_eval_top(cx, d->value);
    if (d->op == AST_DRAW)
        return dsl_draw(cx, d->type ? d->type : &none, v, d->name.at);
    if (dsl_bad(v) || !d->type)
        return v;
    return dsl_fill_type(cx, d->type, v, d->name.text, d->name.at);
}

/* Gives the memory its first value, in the entry that is being made, and before that the one that
 * it begins as. */
static void begin_memory(dsl *cx, dsl_memory *m)
{
    bool updated = m->updated;
    dsl_memory *base = dsl_base_memory(cx, m);

    if (m->cell.now)
        return;
    if (base)
        begin_memory(cx, base);
    cx->at = m->cell.at;
    if (base)
        dsl_write(cx, &m->cell, dsl_read(cx, &base->cell), m->cell.at);
    else if (m->decl)           /* else zeros, or what a foreign file has */
        dsl_write(cx, &m->cell, first_value(cx, m), m->cell.at);
    m->updated = updated;
}

/* Nets of nets come last: they begin as the others do. */
void dsl_make_init(dsl *cx)
{
    dsl_making k;
    dsl_scope *outer = cx->scope;
    dsl_frame *frame = cx->frame;

    dsl_begin(cx, &k, "init", true);
    for (int last = 0; last < 2; last++)
        for (uint32_t i = 0; i < cx->memory.len; i++)
            if ((dsl_base_memory(cx, cx->memory.at[i]) != NULL) == last)
                begin_memory(cx, cx->memory.at[i]);
    dsl_end(cx, &k);
    cx->frame = frame;
    cx->scope = outer;
}

/* ---- programs --------------------------------------------------------------- */

static bool is_exported(const ast_item *item)
{
    return item->kind == AST_ITEM_NET || item->kind == AST_ITEM_ENTRY;
}

/* In the order of the file; then `init`, if anything has a first value to draw. */
static void make_entries(dsl *cx, dsl_file *f)
{
    dsl_scope own = *f->scope;

    own.parent = NULL;
    for (uint32_t i = 0; i < f->program->items.len; i++) {
        const ast_item *item = f->program->items.at[i];
        const dsl_var *v = item->name.text ? dsl_find_var(&own, item->name.text) : NULL;
        if (v && v->value && v->value->kind == DSL_FUNCTION &&
            (is_exported(item) || item->kind == AST_ITEM_NET_OF))
            dsl_make_entry(cx, v->value->function.of);
        if (v && v->value && v->value->kind == DSL_FUNCTION && is_exported(item))
            dsl_note_spelling(cx, v->value->function.of);
    }
    if (cx->memory.len && !cx->known && !diag_failed(cx->d))
        dsl_make_init(cx);
}

/* What the program defines and never names. */
static void warn_unused(dsl *cx, const dsl_file *f)
{
    for (uint32_t i = 0; i < f->program->unused.len; i++) {
        const ast_unused *u = &f->program->unused.at[i];
        dsl_warn(cx, u->name.at, strcmp(u->kind, "net") ? "%s %s is used nowhere"
                                                        : "%s %s is neither trained nor called",
                 u->kind, u->name.text);
    }
}

/* What evaluation needs: a builder even where nothing is built, and a frame. */
static void check_program(dsl *cx, const char *path, const char *source,
                          const struct ingot_trainer **trainer)
{
    dsl_making scratch;
    dsl_template top = {.name = "the file", .item = &(ast_item){.kind = AST_ITEM_FN}};
    dsl_frame frame = {.of = &top};

    cx->frame = &frame;
    cx->scope = &cx->builtins;
    dsl_begin(cx, &scratch, "scratch", false);
    dsl_add_builtins(cx);
    for (int i = 0; i < PRELUDE_FILES; i++)
        cx->prelude_end = dsl_open(cx, prelude[i].name, prelude[i].text, true)->place;
    dsl_file *f = dsl_open(cx, path, source, false);
    dsl_check_settings(cx, path);
    top.file = f;
    if (!diag_failed(cx->d))
        warn_unused(cx, f);
    if (!diag_failed(cx->d) && trainer)
        *trainer = train_program(cx, f);
    else if (!diag_failed(cx->d))
        make_entries(cx, f);
    if (!diag_failed(cx->d))
        dsl_check_dims(cx, path);
    dsl_end(cx, &scratch);
}

/* One reading of a program: what is known from others, and what it tells. */
typedef struct reading {
    const dsl_known *known;
    dsl_known *learn;
    const names *knobs;
    names *fractions;
    const struct ingot_trainer **trainer;   /* null: train blocks are passed over */
} reading;

/* The module; null after errors. */
static ir_module *read_program(const char *path, const char *source, const dsl_options *o,
                               const reading *r, diag *d)
{
    dsl cx = {.d = d, .o = o, .known = r->known, .knobs = r->knobs, .fractions = r->fractions,
              .real = o && o->real ? o->real : DT_F32,
              .seed = IR_NONE};

    cx.m = ir_module_new(d);
    cx.mem = &cx.m->mem;
    cx.dims = &cx.m->dims;
    for (int i = 0; o && i < o->notes; i++)
        dsl_read_spelling(&cx, &o->note[i]);
    check_program(&cx, path, source, r->trainer);
    if (r->known && !diag_failed(d))
        dsl_check_weights(&cx);
    if (r->learn)
        dsl_learn(&cx, r->learn);
    vec_free(&cx.memory);
    names_free(&cx.paths);
    vec_free(&cx.file);
    vec_free(&cx.open);
    vec_free(&cx.rowless);
    vec_free(&cx.names);
    ast_pool_free(&cx.pool);
    if (!diag_failed(d))
        return cx.m;
    ir_module_free(cx.m);
    return NULL;
}

/* Is it the name of a `dim` of the program?  Then it has its number already. */
static bool is_symbol(const ir_module *m, const char *name)
{
    bool found;

    dim_symbol_named(&m->dims, name, &found);
    return found;
}

/* --dim and --shape of inputs: those that the program left open. */
static bool bind_inputs(ir_module *m, const char *path, const dsl_options *o, diag *d)
{
    import_options rest;
    const char **name;
    int64_t *value;

    if (!o || !o->import)
        return true;
    rest = *o->import;
    name = arena_array(&d->mem, const char *, rest.dims + 1);
    value = arena_array(&d->mem, int64_t, rest.dims + 1);
    rest.dims = 0;
    for (int i = 0; i < o->import->dims; i++)
        if (is_symbol(m, o->import->dim_name[i])) {
            name[rest.dims] = o->import->dim_name[i];
            value[rest.dims++] = o->import->dim_value[i];
        }
    rest.dim_name = name;
    rest.dim_value = value;
    return import_bind(m, path, &rest, d);
}

static const char *source_of(const char *path, const dsl_options *o, diag *d)
{
    return o && o->source ? o->source : file_read_told(path, d);
}

/* With weights a program is read twice: the first reading finds which parameters
 * there are and of what types, so that dims that the weights decide are known in
 * the second. */
ir_module *dsl_import(const char *path, const dsl_options *o, diag *d)
{
    const char *source = source_of(path, o, d);
    dsl_known known = {0};
    ir_module *m = NULL;

    if (!source)
        return NULL;
    if (o && o->weight) {
        ir_module_free(read_program(path, source, o, &(reading){.learn = &known}, d));
        if (!diag_failed(d))
            m = read_program(path, source, o, &(reading){.known = &known}, d);
    } else
        m = read_program(path, source, o, &(reading){0}, d);
    dsl_known_free(&known);
    if (!m || bind_inputs(m, path, o, d))
        return m;
    ir_module_free(m);
    return NULL;
}

/* ---- knobs ------------------------------------------------------------------ */

/* The program with these configs as states; null, without a message, where one of them
 * decides a shape or a branch. */
static ir_module *try_knobs(const char *path, const char *source, const dsl_options *o,
                            const names *knobs, const struct ingot_trainer **trainer, diag *d)
{
    uint32_t errors = d->errors, messages = d->message.len, gaps = d->gap.len;
    const struct ingot_trainer *t = NULL;
    ir_module *m =
        read_program(path, source, o, &(reading){.knobs = knobs, .trainer = &t}, d);

    if (m) {
        *trainer = t;
        return m;
    }
    d->errors = errors;
    d->message.len = messages;
    d->gap.len = gaps;
    return NULL;
}

/* A config that is a fraction is a number that the trainer takes, too, if nothing that is
 * compiled depends on it: all of them, or else as many as can be. */
static ir_module *with_knobs(ir_module *m, const char *path, const char *source,
                             const dsl_options *o, const names *fractions,
                             const struct ingot_trainer **trainer, diag *d)
{
    ir_module *more = try_knobs(path, source, o, fractions, trainer, d);
    names knobs = {0};

    for (uint32_t i = 0; !more && i < fractions->text.len; i++) {
        names wider = {0};
        for (uint32_t k = 0; k < knobs.text.len; k++)
            names_add(&wider, knobs.text.at[k]);
        names_add(&wider, fractions->text.at[i]);
        ir_module *next = try_knobs(path, source, o, &wider, trainer, d);
        if (next) {
            ir_module_free(m);
            m = next;
            names_add(&knobs, fractions->text.at[i]);
        }
        names_free(&wider);
    }
    names_free(&knobs);
    if (!more)
        return m;
    ir_module_free(m);
    return more;
}

/* The module and the record of its train blocks.  Configs that are fractions are
 * tried as numbers that the trainer can be given anew. */
ir_module *dsl_import_training(const char *path, const dsl_options *o,
                               const struct ingot_trainer **trainer, diag *d)
{
    static const dsl_options none;
    const char *source = source_of(path, o, d);
    names fractions = {0};

    o = o ? o : &none;
    ir_module *m = source ? read_program(path, source, o, &(reading){.fractions = &fractions,
                                                                     .trainer = trainer}, d)
                          : NULL;
    if (m && fractions.text.len)
        m = with_knobs(m, path, source, o, &fractions, trainer, d);
    names_free(&fractions);
    if (!m || bind_inputs(m, path, o, d))
        return m;
    ir_module_free(m);
    return NULL;
}
