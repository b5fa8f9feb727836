/* frontend/dsl/memory.c - parameters and states of the module, and what `<-` does
 * to them.  A memory has a path, under which a file of weights knows it, and is
 * made by the first evaluation of its declaration; a layer that is applied twice
 * finds it again.  What a body reads is its first value or the last one that was
 * written in it. */
#include "check.h"

dsl_memory *dsl_memory_find(dsl *cx, const char *path)
{
    uint32_t id = names_find(&cx->paths, path);

    return id == NAMES_NONE ? NULL : cx->memory.at[id];
}

void dsl_memory_enter(dsl *cx, dsl_memory *m)
{
    bool fresh = names_add(&cx->paths, m->path) == cx->memory.len;

    ICE_IF(!fresh, "a second memory of one path");
    vec_push(&cx->memory, m);
}

/* ---- types ------------------------------------------------------------------ */

/* The type of a declaration without one: a real, or a list's. */
static const ir_type *type_of_value(dsl *cx, const ast_decl *d)
{
    const dsl_value *v = dsl_eval_top(cx, d->value);
    ir_dim n;

    if (dsl_bad(v))
        return NULL;
    if (dsl_is_tensor(v))
        return dsl_type(v);
    if (v->kind == DSL_TRUTH)
        return type_scalar(&cx->m->types, DT_BOOL);
    if (v->kind == DSL_LIST)
        n = dim_int(cx->dims, v->list.n);
    return type_tensor(&cx->m->types, cx->real, v->kind == DSL_LIST, &n);
}

/* By its type, or, without one, as its first value is. */
static const ir_type *declared_type(dsl *cx, const ast_decl *d)
{
    ir_dim extent[IR_MAX_RANK];

    if (!d->type)
        return type_of_value(cx, d);
    int rank = dsl_type_extents(cx, d->type, extent);
    return rank < 0 ? NULL : type_tensor(&cx->m->types, dsl_type_dtype(cx, d->type), rank, extent);
}

static dsl_elem elem_of(dsl *cx, const ir_type *t)
{
    return t->dtype == cx->real ? DSL_REAL : t->dtype == DT_I64 ? DSL_INT
           : t->dtype == DT_BOOL ? DSL_BOOL : DSL_OTHER;
}

const char *dsl_type_text(dsl *cx, const ir_type *type)
{
    text t = {0};

    type_print(&cx->m->types, type, &t);
    const char *copy = arena_strdup(cx->mem, t.at);
    text_free(&t);
    return copy;
}

/* ---- declaring -------------------------------------------------------------- */

static dsl_scope *snapshot(dsl *cx)
{
    return arena_copy(cx->mem, cx->scope, sizeof *cx->scope);
}

/* Memory that no declaration asks for, as the moments of an optimizer. */
dsl_memory *dsl_memory_add(dsl *cx, const char *path, const ir_type *t, int32_t role)
{
    dsl_memory *m = arena_new(cx->mem, dsl_memory);

    m->cell = (dsl_cell){.name = path, .memory = m, .at = cx->at};
    m->path = path;
    m->type = t;
    m->role = role;
    m->weights = IR_NONE;
    m->state = cx->m->state.len;
    vec_push(&cx->m->state, (ir_state){arena_strdup(&cx->m->mem, path), t, IR_NONE, false,
                                       dsl_b(cx)->loc});
    dsl_memory_enter(cx, m);
    return m;
}

/* The declaration, its scope and its frame are kept: first values are drawn later,
 * in a function of their own, and must see what the declaration saw. */
static dsl_memory *memory_new(dsl *cx, const char *path, const ast_decl *d, const ir_type *t,
                              bool trainable)
{
    dsl_memory *m = arena_new(cx->mem, dsl_memory);

    m->cell = (dsl_cell){.name = d->name.text, .memory = m, .at = d->name.at};
    m->path = path;
    m->decl = d;
    m->scope = snapshot(cx);
    m->frame = cx->frame;
    m->type = t;
    m->trainable = trainable;
    m->role = trainable ? INGOT_ROLE_PARAM : INGOT_ROLE_STATE;
    if (d->type && d->type->bound)
        m->bounded = dsl_eval_bound(cx, d->type->bound, &m->below);
    dsl_memory_enter(cx, m);
    dsl_find_net(cx, m);
    dsl_take_weight(cx, m);
    return m;
}

/* The innermost frame, of f and those that called it, of a layer that was made in a loop. */
static const dsl_frame *in_loop(const dsl_frame *f)
{
    while (f && !(f->use && f->use->loop.line))
        f = f->caller;
    return f;
}

/* The fn, entry or train block that a layer was made in, where that is why it has no path. */
static const dsl_frame *outside_nets(const dsl_frame *f)
{
    while (f && f->of->item && f->of->item->kind == AST_ITEM_LAYER)
        f = f->caller;
    return f;
}

/* Says why a layer has no path for what it declares. */
static void no_path(dsl *cx, bool trainable, ir_loc at)
{
    const dsl_frame *f = in_loop(cx->frame), *g = outside_nets(cx->frame);
    const char *what = trainable ? "parameters" : "states of layers";

    if (f) {
        dsl_wrong(cx, at, "%s made in a loop would be a new layer each round; bind it before the "
                  "loop: f = %s(..)", f->of->name, f->of->name);
        diag_note(cx->d, f->use->loop, "the loop");
    } else
        dsl_wrong(cx, at, "%s live in nets; %s makes %s: make it in a net", what,
                  g && g->of->name ? g->of->name : "this", cx->frame->of->name);
}

/* "net.dense1.w"; null after an error. */
static const char *path_of(dsl *cx, const ast_decl *d, bool trainable, ir_loc at)
{
    dsl_block *b = cx->frame->block;

    if (!b)                     /* a file's own state */
        return d->name.text;
    if (!b->path) {
        no_path(cx, trainable, at);
        return NULL;
    }
    return arena_printf(cx->mem, "%s.%s", b->path, d->name.text);
}

/* A search for a number of the run: a symbol that is no `dim` of a file and that no --dim
 * gives. */
typedef struct run_number {
    dsl *cx;
    const char *name;           /* null: none yet */
} run_number;

/* For dim_each_symbol: finds a symbol that only a run decides, which no memory that
 * lasts may have as an extent.  Those that --dim or data give are known in the end. */
static void see_symbol(void *cx, uint32_t id)
{
    run_number *r = cx;
    const dim_symbol *s = &r->cx->dims->symbol.at[id];
    const import_options *o = r->cx->o ? r->cx->o->import : NULL;
    bool known = false;

    for (uint32_t i = 0; i < r->cx->open.len; i++)
        known |= dsl_same(r->cx->open.at[i].dim, s->self);
    for (int i = 0; o && i < o->dims; i++)
        known |= !strcmp(o->dim_name[i], s->name);
    if (!known)
        r->name = s->name;
}

/* What lasts from run to run has extents that no run decides. */
static bool lasts(dsl *cx, const ast_decl *d, const ir_type *t)
{
    run_number r = {.cx = cx};

    for (int i = 0; i < t->rank; i++)
        dim_each_symbol(cx->dims, t->dim[i], see_symbol, &r);
    if (!r.name)
        return true;
    return dsl_wrong(cx, d->name.at, "%s would be %s, and %s is known to each run only; if it "
                     "counts rows, write .. for it in the signature, if steps, h[-1] is the last; "
                     "else write a number, config %s = .., or give --dim %s=..",
                     d->name.text, dsl_type_text(cx, t), r.name, r.name, r.name), false;
}

/* A layer that is applied twice declares its parameters twice: the second time they
 * are found by their path, and must be of the same type. */
static void declare(dsl *cx, const ast_decl *d, bool trainable, ir_loc at)
{
    const char *path = path_of(cx, d, trainable, at);
    const ir_type *t = path ? declared_type(cx, d) : NULL;

    if (t && !lasts(cx, d, t))
        t = NULL;
    dsl_memory *m = t ? dsl_memory_find(cx, path) : NULL;

    if (!t) {
        dsl_define(cx, cx->scope, d->name.text, &dsl_poison, at);
        return;
    }
    if (m && m->type != t)
        dsl_wrong(cx, cx->frame->called, "%s is %s, applied before; here it would be %s", path,
                  dsl_type_text(cx, m->type), dsl_type_text(cx, t));
    if (!m)
        m = memory_new(cx, path, d, t, trainable);
    const dsl_value *v = dsl_hooked(cx, m);
    if (v)
        dsl_define(cx, cx->scope, d->name.text, v, at);
    else
        dsl_define_cell(cx, cx->scope, &m->cell);
}

void dsl_declare(dsl *cx, const ast_decls *l, bool trainable, ir_loc at)
{
    for (uint32_t i = 0; i < l->len; i++)
        declare(cx, &l->at[i], trainable, at);
}

/* ---- reading and writing ---------------------------------------------------- */

/* What the entry began with.  It is read there, and captured by regions, so that a gradient
 * has one value to be taken by. */
static const dsl_value *memory_value(dsl *cx, const dsl_memory *m)
{
    dsl_region *here = cx->region;

    while (cx->region->outer)
        cx->region = cx->region->outer;
    ir_ref x = m->state == IR_NONE ? ir_const_ref(dsl_b(cx), m->weights)
                                                   : ir_state_ref(dsl_b(cx), m->state);
    const dsl_value *v = dsl_array(cx, x, elem_of(cx, m->type), m->type->rank, NULL);
    if (m->bounded)
        v = dsl_bounded(cx, v, dim_int(cx->dims, 0),
                        dim_sub(cx->dims, m->below, dim_int(cx->dims, 1)));
    cx->region = here;
    return v;
}

const dsl_value *dsl_first_read(dsl *cx, const dsl_cell *c)
{
    return memory_value(cx, c->memory);
}

const dsl_value *dsl_read(dsl *cx, dsl_cell *c)
{
    return c->now ? c->now : memory_value(cx, c->memory);
}

dsl_written *dsl_find_written(dsl_region *r, const dsl_cell *c)
{
    for (uint32_t i = 0; i < r->written.len; i++)
        if (r->written.at[i].cell == c)
            return &r->written.at[i];
    return NULL;
}

void dsl_set_cell(dsl *cx, dsl_cell *c, const dsl_value *v)
{
    for (dsl_region *r = cx->region; r && r != c->home; r = r->outer)
        if (!dsl_find_written(r, c))
            vec_push(&r->written, (dsl_written){c, c->now});
    c->now = v;
}

/* A state has no carried axes: a batch's rows must be reduced before they are kept. */
static bool fits_memory(dsl *cx, const dsl_cell *c, const dsl_value *v, ir_loc at)
{
    const ir_type *t = c->memory->type;

    for (int i = 0; i < v->tensor.rank; i++)
        if (v->tensor.axis[i]) {
            const char *name = v->tensor.axis[i]->name;
            dsl_wrong(cx, at, "%s: %s still carried; mean[..] it, a sum in parentheses", c->name,
                      *name == '.' ? "rows are" : arena_printf(cx->mem, "%s is", name));
            return false;
        }
    if (dsl_type(v) == t)
        return true;
    dsl_wrong(cx, at, "%s is %s, what it would become is %s", c->name, dsl_type_text(cx, t),
              dsl_describe(cx, v));
    return false;
}

/* A value without visible axes in the shape of the memory. */
static const dsl_value *spread_over(dsl *cx, const dsl_value *v, const ir_type *t)
{
    dsl_axis *none[IR_MAX_RANK] = {NULL};

    if (v->tensor.rank || !t->rank)
        return v;
    return dsl_arrange(cx, v, none, t->dim, t->rank);
}

/* An index must be known to be below its bound: whoever reads the memory relies on it. */
static bool within_bound(dsl *cx, const dsl_cell *c, const dsl_value *v, ir_loc at)
{
    const dsl_memory *m = c->memory;
    dim_table *t = cx->dims;

    if (!m->bounded || (v->tensor.bounded && dim_lo(t, v->tensor.lo) >= 0 &&
                        dsl_at_most(cx, v->tensor.hi, dim_sub(t, m->below, dim_int(t, 1)))))
        return true;
    const char *n = dsl_dim_text(cx, m->below);
    const char *what = v->tensor.number && v->tensor.bounded ? dsl_dim_text(cx, v->tensor.hi)
                                                             : dsl_describe(cx, v);
    return dsl_wrong(cx, at, "%s is int<%s>, what it would become is %s; write %% %s, or clamp it",
                     c->name, n, what, n), false;
}

/* v in the memory's type.  No gradient goes back through time by way of a state. */
static const dsl_value *stored(dsl *cx, const dsl_cell *c, const dsl_value *v, ir_loc at)
{
    dsl_elem e = elem_of(cx, c->memory->type);

    v = e == DSL_OTHER ? dsl_as_array(cx, v, at) : dsl_as(cx, v, e, at, c->name);
    if (dsl_bad(v))
        return v;
    v = spread_over(cx, v, c->memory->type);
    if (dsl_bad(v) || !fits_memory(cx, c, v, at) || !within_bound(cx, c, v, at))
        return &dsl_poison;
    ir_ref x = ir_1(dsl_b(cx), OP_DETACH, dsl_ref(cx, v));
    return dsl_array_like(cx, v, x, v->tensor.rank, v->tensor.axis);
}

/* c <- v.  Memory of the module is written when the function ends (dsl_end); until
 * then the cell just means another value. */
void dsl_write(dsl *cx, dsl_cell *c, const dsl_value *v, ir_loc at)
{
    if (dsl_bad(v))
        return;
    if (c->memory && c->memory->data) {
        dsl_wrong(cx, at, "%s is data, which nothing changes", c->name);
        return;
    }
    if (c->memory) {
        v = stored(cx, c, v, at);
        if (dsl_bad(v))
            return;
        c->memory->updated = true;
    }
    dsl_set_cell(cx, c, v);
}
