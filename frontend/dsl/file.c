/* frontend/dsl/file.c - the items of a file, and what files import.  Names of a
 * file are defined in the order imports, functions, dims, configs, states:
 * functions may be used above their text, numbers only below.  A file that two
 * others import is read once. */
#include <errno.h>

#include <math.h>

#include "check.h"
#include "file.h"
#include "file_kind.h"

/* ---- functions -------------------------------------------------------------- */

/* A fn, layer, net or entry as it stands in its file; calls evaluate its body. */
static dsl_template *template_new(dsl *cx, dsl_file *f, const ast_item *item, const char *name)
{
    dsl_template *t = arena_new(cx->mem, dsl_template);
    dsl_value *v = arena_new(cx->mem, dsl_value);

    *t = (dsl_template){.name = name, .item = item, .file = f, .value = v};
    v->kind = DSL_FUNCTION;
    v->function.of = t;
    return t;
}

/* In this file only: names of the prelude and of imports may be hidden. */
static bool is_taken(dsl *cx, dsl_file *f, ast_word name)
{
    const dsl_var *v = dsl_find_own(f->scope, name.text);

    if (v)
        dsl_wrong(cx, name.at, "%s is named already, at line %u", name.text, v->at.line);
    return v;
}

static void add_callable(dsl *cx, dsl_file *f, const ast_item *item)
{
    if (item->callable.onnx && !dsl_check_onnx_name(cx, &item->callable.onnx_name))
        return;
    if (!is_taken(cx, f, item->name))
        dsl_define(cx, f->scope, item->name.text,
                   template_new(cx, f, item, item->name.text)->value, item->at)->block =
            item->kind == AST_ITEM_TRAIN;
}

_Static_assert(AST_ITEM_LOAD - AST_ITEM_FN == 6, "items with a callable stand in one row");
static bool is_callable(const ast_item *i)
{
    return i->kind >= AST_ITEM_FN && i->kind <= AST_ITEM_LOAD;
}

/* net a = b: b's body under the name of a. */
static void add_net_of(dsl *cx, dsl_file *f, const ast_item *item)
{
    const ast_path *p = &item->net_of.base;
    const dsl_var *v = p->len == 1 ? dsl_find_var(f->scope, p->at[0].text) : NULL;

    if (is_taken(cx, f, item->name))
        return;
    if (!v || !v->value || v->value->kind != DSL_FUNCTION ||
        v->value->function.of->item->kind != AST_ITEM_NET) {
        dsl_wrong(cx, item->at, "%s is no net", p->at[0].text);
        return;
    }
    const dsl_template *base = v->value->function.of;
    dsl_template *t = template_new(cx, base->file, base->item, item->name.text);
    t->base = base;
    t->hooks = item->net_of.hooks.len ? item : NULL;
    dsl_define(cx, f->scope, item->name.text, t->value, item->at);
}

/* ---- numbers ---------------------------------------------------------------- */

/* The number of a dim: of --dim, or as the weights have it. */
static bool dim_given(dsl *cx, const char *name, int64_t *n)
{
    const import_options *o = cx->o ? cx->o->import : NULL;
    uint32_t id = cx->known ? names_find(&cx->known->dims, name) : NAMES_NONE;

    for (int k = 0; o && k < o->dims; k++)
        if (!strcmp(o->dim_name[k], name)) {
            *n = o->dim_value[k];
            return true;
        }
    if (id != NAMES_NONE)
        *n = cx->known->value.at[id];
    return id != NAMES_NONE;
}

/* dim K = ["cat", "dog"]: as many as it has names, which go where data's own would go. */
static bool named_dim(dsl *cx, const ast_item *item, bool given, int64_t *n)
{
    const ast_words *l = &item->names;
    const char **name = arena_array(cx->mem, const char *, l->len + 1);

    for (uint32_t i = 0; i < l->len; i++) {
        name[i] = arena_strdup(cx->mem, l->at[i].text);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(name[k], name[i])) {
                dsl_wrong(cx, l->at[i].at, "'%s' is there twice", name[i]);
                return false;
            }
    }
    if (given && *n != l->len) {
        dsl_wrong(cx, item->at, "%s has %u names and is given as %lld", item->dims.at[0].text,
                  l->len, (long long)*n);
        return false;
    }
    *n = l->len;
    vec_push(&cx->names, (dsl_names){item->dims.at[0].text, l->len, name});
    return true;
}

/* A dim without a number is a symbol of its own, of 1 or more, which weights or
 * data decide. */
static void add_dims(dsl *cx, dsl_file *f, const ast_item *item)
{
    int64_t n;

    for (uint32_t i = 0; i < item->dims.len; i++) {
        ast_word w = item->dims.at[i];
        bool given = dim_given(cx, w.text, &n);
        given = item->names.len ? named_dim(cx, item, given, &n) : given;
        ir_dim d = given ? dim_int(cx->dims, n) : dim_symbol_new(cx->dims, w.text, 1, INT64_MAX);
        if (!given)
            vec_push(&cx->open, (dsl_open_dim){w, d});
        if (!is_taken(cx, f, w))
            dsl_define(cx, f->scope, w.text, dsl_whole(cx, d), w.at);
    }
}

/* Adds the names that the item gives to its configs, or to its dims. */
static void add_item_names(const ast_item *item, names *out)
{
    for (uint32_t i = 0; item->kind == AST_ITEM_CONFIG && i < item->decls.len; i++)
        names_add(out, item->decls.at[i].name.text);
    for (uint32_t i = 0; item->kind == AST_ITEM_DIM && i < item->dims.len; i++)
        names_add(out, item->dims.at[i].text);
}

/* What the files of the program, not the prelude, have of a kind. */
static void own_names(const dsl *cx, ast_item_kind kind, names *out)
{
    for (uint32_t k = 0; k < cx->file.len; k++) {
        const dsl_file *f = cx->file.at[k];
        for (uint32_t i = 0; !f->prelude && i < f->program->items.len; i++)
            if (f->program->items.at[i]->kind == kind)
                add_item_names(f->program->items.at[i], out);
    }
}

void dsl_config_names(const dsl *cx, names *out)
{
    own_names(cx, AST_ITEM_CONFIG, out);
}

bool dsl_has_config(const dsl *cx, const char *name)
{
    names known = {0};

    dsl_config_names(cx, &known);
    bool found = names_find(&known, name) != NAMES_NONE;
    names_free(&known);
    return found;
}

/* --set of a name that is no config would be a typing mistake without effect. */
void dsl_check_settings(dsl *cx, const char *path)
{
    names known = {0};

    own_names(cx, AST_ITEM_CONFIG, &known);
    for (int i = 0; cx->o && i < cx->o->sets; i++)
        if (names_find(&known, cx->o->set[i].name) == NAMES_NONE)
            import_unknown(cx->d, path, "--set", cx->o->set[i].name, &known);
    names_free(&known);
}

/* The same of --dim; names that an imported model has count, too. */
void dsl_check_dims(dsl *cx, const char *path)
{
    const import_options *o = cx->o ? cx->o->import : NULL;
    names known = {0};

    own_names(cx, AST_ITEM_DIM, &known);
    import_dim_names(cx->m, &known);
    for (int i = 0; o && i < o->dims; i++)
        if (names_find(&known, o->dim_name[i]) == NAMES_NONE)
            import_unknown(cx->d, path, "--dim", o->dim_name[i], &known);
    names_free(&known);
}

/* The text of --set as an expression; null after an error. */
static ast_expr *setting(dsl *cx, const char *name)
{
    for (int i = 0; cx->o && i < cx->o->sets; i++) {
        const dsl_setting *s = &cx->o->set[i];
        if (strcmp(s->name, name))
            continue;
        const char *source = arena_printf(cx->mem, "config %s = %s\n", s->name, s->value);
        uint32_t place = diag_source(cx->d, arena_printf(cx->mem, "--set %s", s->name), source);
        ast_program *p = ast_parse(&cx->pool, source, place, cx->d);
        if (p->items.len == 1 && p->items.at[0]->kind == AST_ITEM_CONFIG)
            return p->items.at[0]->decls.at[0].value;
    }
    return NULL;
}

/* Is it the program's own file, which nobody imports? */
static bool is_main(const dsl *cx, const dsl_file *f)
{
    return f->place == cx->prelude_end + 1;
}

/* A number that a trainer takes anew each time it begins is a state. */
static void add_knob(dsl *cx, dsl_file *f, const ast_decl *d)
{
    ast_decls alone = {.at = arena_copy(cx->mem, d, sizeof *d), .len = 1};

    if (is_taken(cx, f, d->name))
        return;
    dsl_declare(cx, &alone, false, d->name.at);
    dsl_memory *m = dsl_memory_find(cx, d->name.text);
    if (m)
        m->role = INGOT_ROLE_KNOB;
}

/* A fraction of the main file may become a number that a trainer takes
 * (`fractions`). */
static void add_config(dsl *cx, dsl_file *f, const ast_decl *d)
{
    const dsl_value *v = dsl_eval(cx, d->value);
    double x;

    if (dsl_is_tensor(v))
        v = dsl_wrong(cx, d->name.at, "a configuration is known when compiling, this is %s",
                      dsl_describe(cx, v));
    if (cx->fractions && is_main(cx, f) && dsl_number(cx, v, &x) && x != floor(x))
        names_add(cx->fractions, arena_strdup(&cx->d->mem, d->name.text));
    if (!is_taken(cx, f, d->name))
        dsl_define(cx, f->scope, d->name.text, v, d->name.at);
}

/* A --set comes before the value in the file.  With `knobs`, a config that stays
 * open for whoever trains becomes an input. */
static void add_configs(dsl *cx, dsl_file *f, const ast_item *item)
{
    for (uint32_t i = 0; i < item->decls.len; i++) {
        ast_decl d = item->decls.at[i];
        ast_expr *e = f->prelude ? NULL : setting(cx, d.name.text);
        d.value = e ? e : d.value;
        if (cx->knobs && is_main(cx, f) && names_find(cx->knobs, d.name.text) != NAMES_NONE)
            add_knob(cx, f, &d);
        else
            add_config(cx, f, &d);
    }
}

/* ---- imports ---------------------------------------------------------------- */

static const char *folder_of(dsl *cx, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? arena_strndup(cx->mem, path, (size_t)(slash - path + 1)) : "";
}

static char *read_text(dsl *cx, const char *path, ir_loc at)
{
    char *source = file_read(cx->mem, path);

    if (!source)
        dsl_wrong(cx, at, "%s: %s", path, strerror(errno));
    return source;
}

/* "blocks" of "nets/blocks.ingot". */
static const char *stem(dsl *cx, const char *path)
{
    const char *name = path_base(path);
    const char *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);

    return ast_name(&cx->pool, arena_strndup(cx->mem, name, n), n);
}

/* Files are relative to the one that names them. */
static const char *path_beside(dsl *cx, const dsl_file *f, const char *path)
{
    return *path == '/' ? path : arena_printf(cx->mem, "%s%s", f->folder, path);
}

/* Null after a message.  A file that is open imports itself, by way of others. */
static dsl_file *imported(dsl *cx, const dsl_file *by, ast_word file)
{
    const char *path = path_beside(cx, by, file.text);

    for (uint32_t i = 0; i < cx->file.len; i++)
        if (!strcmp(cx->file.at[i]->path, path)) {
            if (cx->file.at[i]->open)
                return dsl_wrong(cx, file.at, "%s imports itself", path), NULL;
            return cx->file.at[i];
        }
    char *source = read_text(cx, path, file.at);
    return source ? dsl_open(cx, path, source, false) : NULL;
}

/* import "f" (a, b): these names of f are names here. */
static void import_names(dsl *cx, dsl_file *f, const dsl_file *from, const ast_words *l)
{
    dsl_scope own = *from->scope;

    own.parent = NULL;
    for (uint32_t i = 0; i < l->len; i++) {
        const dsl_var *v = dsl_find_var(&own, l->at[i].text);
        if (!v)
            dsl_wrong(cx, l->at[i].at, "%s has no %s", from->path, l->at[i].text);
        else if (!is_taken(cx, f, l->at[i])) {
            dsl_var *x = dsl_define(cx, f->scope, v->name, v->value, l->at[i].at);
            x->cell = v->cell;
        }
    }
}

/* Without names the file is a module under its own name. */
static void add_import(dsl *cx, dsl_file *f, const ast_item *item)
{
    ast_word name = item->import.alias;

    if (!name.text)
        name = (ast_word){item->at, stem(cx, item->import.file.text)};
    if (has_suffix(item->import.file.text, ".onnx")) {
        if (!is_taken(cx, f, name))
            dsl_define(cx, f->scope, name.text,
                       dsl_import_onnx(cx, f, path_beside(cx, f, item->import.file.text), name),
                       name.at);
        return;
    }
    dsl_file *from = imported(cx, f, item->import.file);
    if (!from)
        return;
    if (item->import.names.len) {
        import_names(cx, f, from, &item->import.names);
        return;
    }
    dsl_value *v = arena_new(cx->mem, dsl_value);
    v->kind = DSL_MODULE;
    v->module = from;
    if (!is_taken(cx, f, name))
        dsl_define(cx, f->scope, name.text, v, name.at);
}

/* ---- places by their order -------------------------------------------------- */

/* How many of the places, which are in order, are not behind this one. */
static uint32_t count_to(const ast_places *l, ir_loc at)
{
    uint32_t low = 0, high = l->len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        ir_loc x = l->at[mid];
        if (x.line < at.line || (x.line == at.line && x.col <= at.col))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const ast_program *program_at(const dsl *cx, ir_loc at)
{
    for (uint32_t i = 0; i < cx->file.len; i++)
        if (cx->file.at[i]->place == at.file)
            return cx->file.at[i]->program;
    return NULL;
}

/* Where the body that is evaluated begins, if `at` lies in its file; else the file does. */
static ir_loc body_of(const dsl *cx, ir_loc at)
{
    ir_loc start = cx->frame->of->item->at;

    return start.file == at.file ? start : (ir_loc){.file = at.file};
}

uint32_t dsl_draw_number(const dsl *cx, ir_loc at)
{
    const ast_program *p = program_at(cx, at);

    return p ? count_to(&p->draws, at) - count_to(&p->draws, body_of(cx, at)) : 0;
}

uint32_t dsl_call_number(const dsl *cx, ir_loc at)
{
    const ast_program *p = program_at(cx, at);

    return p ? count_to(&p->calls, at) - count_to(&p->calls, body_of(cx, at)) : 0;
}

/* ---- a file ----------------------------------------------------------------- */

typedef void add_item(dsl *cx, dsl_file *f, const ast_item *item);

static void add_all(dsl *cx, dsl_file *f, ast_item_kind kind, add_item *add)
{
    for (uint32_t i = 0; i < f->program->items.len; i++)
        if (f->program->items.at[i]->kind == kind)
            add(cx, f, f->program->items.at[i]);
}

static void add_states(dsl *cx, dsl_file *f, const ast_item *item)
{
    (void)f;
    dsl_declare(cx, &item->decls, false, item->at);
}

static void add_data(dsl *cx, dsl_file *f, const ast_item *item)
{
    for (uint32_t i = 0; i < item->decls.len; i++)
        if (is_taken(cx, f, item->decls.at[i].name))
            return;
    dsl_add_data(cx, &item->decls);
}

/* Kinds in the order in which they may depend on each other. */
static void add_items(dsl *cx, dsl_file *f)
{
    dsl_scope *outer = cx->scope;

    cx->scope = f->scope;
    add_all(cx, f, AST_ITEM_IMPORT, add_import);
    for (uint32_t i = 0; i < f->program->items.len; i++)
        if (is_callable(f->program->items.at[i]))
            add_callable(cx, f, f->program->items.at[i]);
    add_all(cx, f, AST_ITEM_NET_OF, add_net_of);
    add_all(cx, f, AST_ITEM_DIM, add_dims);
    add_all(cx, f, AST_ITEM_CONFIG, add_configs);
    add_all(cx, f, AST_ITEM_DATA, add_data);
    add_all(cx, f, AST_ITEM_STATE, add_states);
    cx->scope = outer;
}

/* Parses the file and defines its names. */
dsl_file *dsl_open(dsl *cx, const char *path, const char *source, bool prelude)
{
    dsl_file *f = arena_new(cx->mem, dsl_file);

    f->path = arena_strdup(cx->mem, path);
    f->source = source;
    f->folder = folder_of(cx, path);
    f->place = diag_source(cx->d, path, source);
    f->prelude = prelude;
    f->scope = prelude ? &cx->prelude : dsl_scope_new(cx, &cx->prelude);
    f->scope->file = true;
    f->scope->parent = prelude ? &cx->builtins : &cx->prelude;
    f->open = true;
    vec_push(&cx->file, f);
    f->program = ast_parse(&cx->pool, source, f->place, cx->d);
    add_items(cx, f);
    f->open = false;
    return f;
}
