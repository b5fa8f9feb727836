/* frontend/dsl/data.c - data A: [N, N] = "graph.npz"["A"]: arrays that are no rows of a training.
 *
 * They are read when the program is compiled, and are constants of the module: an artifact needs
 * no file for them.  Where data are not looked at, by `ingot check`, they are zeros. */
#include "const.h"
#include "train.h"

/* The type, all of whose extents are numbers; null after a message. */
static const ir_type *type_of(dsl *cx, const ast_decl *d)
{
    ir_dim extent[IR_MAX_RANK];
    bool plain = d->type->extents.len;

    for (uint32_t i = 0; i < d->type->extents.len; i++)
        plain &= d->type->extents.at[i]->kind != AST_REST;
    int rank = plain ? dsl_type_extents(cx, d->type, extent) : 0;
    if (!plain)
        dsl_wrong(cx, d->name.at, "%s: data have an axis at least, as [34, 34]; .. has no meaning "
                  "here", d->name.text);
    if (rank <= 0)
        return NULL;
    const ir_type *t =
        type_tensor(&cx->m->types, dsl_type_dtype(cx, d->type), rank, extent);
    if (type_static(&cx->m->types, t))
        return t;
    dsl_wrong(cx, d->name.at, "%s: extents of data are numbers that are known when compiling, this "
              "is %s", d->name.text, dsl_type_text(cx, t));
    return NULL;
}

/* The N of int<N>, a number; true where there is none, false after a message. */
static bool find_bound(dsl *cx, dsl_memory *m, const ast_decl *d)
{
    const ast_expr *bound = d->type->bound;
    int64_t n;

    m->bounded = bound != NULL;
    if (!bound || !dsl_eval_bound(cx, bound, &m->below))
        return !bound;
    if (!dim_const(cx->dims, m->below, &n))
        dsl_wrong(cx, bound->at, "the bound of data is a number that is known when compiling");
    return dim_const(cx->dims, m->below, &n);
}

/* As the readers see it: rows along the first axis. */
static struct ingot_train_column column_of(dsl *cx, const dsl_memory *m)
{
    const ir_type *t = m->type;
    int64_t *dims = arena_array(cx->mem, int64_t, IR_MAX_RANK);
    struct ingot_train_column c = {.name = m->path, .dtype = dt_of(t->dtype)->onnx,
                                   .rank = t->rank - 1, .dims = dims};

    for (int i = 1; i < t->rank; i++)
        dim_const(cx->dims, t->dim[i], &dims[i - 1]);
    if (m->bounded)
        dim_const(cx->dims, m->below, &c.bound);
    return c;
}

/* The constant that the source holds; IR_NONE after a message. */
static uint32_t read_constant(dsl *cx, const dsl_memory *m, const ast_decl *d)
{
    static const uint8_t zero[16] = {0};
    const char *source = train_source_text(cx, d->value), *error = NULL;
    struct ingot_train_column c = column_of(cx, m);
    int64_t rows = 0;

    if (!source)
        return IR_NONE;
    if (!cx->o || !cx->o->read)
        return const_splat(cx->m, m->type, zero);
    dim_const(cx->dims, m->type->dim[0], &rows);
    const void *bytes = cx->o->read(source, &c, rows, cx->mem, &error);
    if (!bytes) {
        dsl_wrong(cx, d->name.at, "%s", error);
        return IR_NONE;
    }
    return const_bytes(cx->m, m->type, bytes,
                       (size_t)type_count_const(&cx->m->types, m->type) * dt_size(m->type->dtype));
}

static void add(dsl *cx, const ast_decl *d)
{
    dsl_memory *m = arena_new(cx->mem, dsl_memory);

    m->cell = (dsl_cell){.name = d->name.text, .memory = m, .at = d->name.at};
    m->path = d->name.text;
    m->type = type_of(cx, d);
    m->state = m->weights = IR_NONE;
    m->data = true;
    if (m->type && find_bound(cx, m, d))
        m->weights = read_constant(cx, m, d);
    if (m->weights == IR_NONE)
        dsl_define(cx, cx->scope, d->name.text, &dsl_poison, d->name.at);
    else
        dsl_define_cell(cx, cx->scope, &m->cell);
}

void dsl_add_data(dsl *cx, const ast_decls *l)
{
    for (uint32_t i = 0; i < l->len; i++)
        add(cx, &l->at[i]);
}
