/* cli/objective.c - a model made a training step: the loss of its first output, and
 * a request for the gradients of that loss by its weights, which the pass `grad`
 * expands.  Losses are means over all rows; halves are summed in f32. */
#include "objective.h"

#include "code.h"

#include "build.h"
#include "pass.h"

/* The entry being extended by its builder. */
typedef struct objective {
    ir_module *m;
    ir_build b;
    diag *d;
    import_weights *w;
} objective;

static const ir_type *type_of(const objective *o, ir_ref x)
{
    return ir_type_of(o->b.fn, x);
}

static ir_ref splat(objective *o, ir_ref like, double value)
{
    return ir_splat(&o->b, type_of(o, like), value);
}

static ir_ref op2(objective *o, unsigned op, ir_ref x, ir_ref y)
{
    return ir_2(&o->b, op, x, y);
}

static ir_ref sum_all(objective *o, ir_ref x)
{
    int32_t axes[IR_MAX_RANK];

    for (int i = 0; i < IR_MAX_RANK; i++)
        axes[i] = i;
    return ir_reduce(&o->b, x, RED_SUM, axes, type_of(o, x)->rank);
}

static ir_ref mean_all(objective *o, ir_ref x)
{
    const ir_type *t = type_of(o, x);
    ir_ref count = ir_dim_ref(&o->b, type_count(&o->m->types, t));

    return op2(o, OP_DIV, sum_all(o, x), ir_cast(&o->b, count, t->dtype));
}

/* ---- losses ------------------------------------------------------------------------ */

/* A loss of each row, or element, of output y. */
typedef ir_ref loss_fn(objective *o, ir_ref y);

/* r, which lacks y's last axis, repeated along it. */
static ir_ref along_last(objective *o, ir_ref r, ir_ref y)
{
    const ir_type *t = type_of(o, y);
    int32_t axes[IR_MAX_RANK];

    for (int i = 0; i < IR_MAX_RANK; i++)
        axes[i] = i;
    return ir_broadcast(&o->b, r, t->dim, t->rank, axes);
}

static ir_ref reduce_last(objective *o, ir_ref x, ir_redop op)
{
    const int32_t last = type_of(o, x)->rank - 1;

    return ir_reduce(&o->b, x, op, &last, 1);
}

/* A new input, as a value of these extents: one of them that is computed is a symbol of the
 * input, which the run checks. */
static ir_ref compared(objective *o, const char *name, ir_dtype dt, const ir_dim *dim, int rank)
{
    dim_table *d = &o->m->dims;
    ir_dim own[IR_MAX_RANK];
    int64_t v;

    for (int i = 0; i < rank; i++) {
        bool plain = dim_const(d, dim[i], &v) || dim_symbol_id(d, dim[i]) != NAMES_NONE;
        own[i] = plain ? dim[i] : dim_symbol_new(d, name, 0, INT64_MAX);
        if (!plain)
            ir_check_dims(&o->b, dim_eq(d, own[i], dim[i]), "extents of the loss differ");
    }
    ir_ref x = ir_input(&o->b, name, ir_ty(&o->b, dt, own, rank));
    return ir_reshape(&o->b, x, dim, rank);
}

/* log(sum exp y) - y[label], of y less its maximum. */
static ir_ref cross_entropy(objective *o, ir_ref y)
{
    const ir_type *t = type_of(o, y);

    if (!t->rank) {
        diag_error(o->d, (ir_loc){0}, D_GENERAL, "cross_entropy: the first output has no axis");
        return IR_NONE;
    }
    ir_ref label = compared(o, "label", DT_I64, t->dim, t->rank - 1);
    ir_ref most = ir_1(&o->b, OP_DETACH, reduce_last(o, y, RED_MAX));
    ir_ref z = op2(o, OP_SUB, y, along_last(o, most, y));
    ir_ref all = ir_1(&o->b, OP_LOG, reduce_last(o, ir_1(&o->b, OP_EXP, z), RED_SUM));
    ir_ref k = ir_iota(&o->b, DT_I64, t->dim, t->rank, t->rank - 1);
    ir_ref hit = op2(o, OP_EQ, k, along_last(o, label, y));
    ir_ref picked = reduce_last(o, ir_select(&o->b, hit, z, splat(o, z, 0)), RED_SUM);
    return op2(o, OP_SUB, all, picked);
}

static ir_ref target_of(objective *o, ir_ref y)
{
    const ir_type *t = type_of(o, y);

    return compared(o, "target", t->dtype, t->dim, t->rank);
}

static ir_ref squared_error(objective *o, ir_ref y)
{
    ir_ref e = op2(o, OP_SUB, y, target_of(o, y));

    return op2(o, OP_MUL, e, e);
}

/* max(y, 0) - y * t + log(1 + exp(-|y|)) */
static ir_ref binary_cross_entropy(objective *o, ir_ref y)
{
    ir_ref gain = op2(o, OP_MUL, y, target_of(o, y));
    ir_ref rest = ir_1(&o->b, OP_EXP, ir_1(&o->b, OP_NEG, ir_1(&o->b, OP_ABS, y)));
    ir_ref most = op2(o, OP_MAX, y, splat(o, y, 0));

    return op2(o, OP_ADD, op2(o, OP_SUB, most, gain), ir_1(&o->b, OP_LOG1P, rest));
}

static const struct {
    const char *name;
    loss_fn *make;
} losses[] = {
    {"cross_entropy", cross_entropy},
    {"mse", squared_error},
    {"bce", binary_cross_entropy},
};

static bool is_float(const objective *o, ir_ref y)
{
    const ir_type *t = type_of(o, y);

    return (t->kind == TY_TENSOR && dt_is_float(t->dtype)) ||
           diag_error(o->d, (ir_loc){0}, D_GENERAL, "the loss is of an output without floats");
}

/* Losses and outputs are what there is. */
static void unknown_loss(objective *o, const char *name)
{
    const ir_fn *f = o->b.fn;
    names known = {0};

    for (size_t i = 0; i < COUNT(losses); i++)
        names_add(&known, losses[i].name);
    for (uint32_t i = 0; i < f->result.len; i++)
        names_add(&known, f->result_name.at[i]);
    import_unknown(o->d, o->d->file, "--loss", name, &known);
    names_free(&known);
}

/* The scalar that is differentiated; halves are summed in f32. */
static ir_ref loss_of(objective *o, const char *name)
{
    const ir_fn *f = o->b.fn;

    for (size_t i = 0; i < COUNT(losses) && f->result.len; i++)
        if (!strcmp(losses[i].name, name) && is_float(o, f->result.at[0])) {
            ir_ref y = f->result.at[0];
            bool wide = type_of(o, y)->dtype == DT_F64;
            return mean_all(o, losses[i].make(o, ir_cast(&o->b, y, wide ? DT_F64 : DT_F32)));
        }
    for (uint32_t i = 0; i < f->result.len; i++)
        if (!strcmp(f->result_name.at[i], name) && is_float(o, f->result.at[i]))
            return sum_all(o, f->result.at[i]);
    if (!diag_failed(o->d))
        unknown_loss(o, name);
    return IR_NONE;
}

/* ---- gradients ----------------------------------------------------------------------- */

/* States that are trainable count as weights, too. */
static void add_states(objective *o)
{
    const ir_fn *f = o->b.fn;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        const ir_state *s = n->op == OP_STATE ? &o->m->state.at[n->attr->STATE.id] : NULL;
        if (!s || !s->trainable || (o->w->pattern && !text_matches(o->w->pattern, s->name)))
            continue;
        vec_push(&o->w->name, s->name);
        vec_push(&o->w->ref, n->first);
    }
}

/* One request for the gradients by all weights, so that one walk finds them. */
static void request(objective *o, ir_ref loss)
{
    uint32_t n = o->w->ref.len;
    ir_ref *args = arena_array(&o->m->mem, ir_ref, n + 1);

    args[0] = loss;
    memcpy(args + 1, o->w->ref.at, n * sizeof *args);
    ir_ref dx = ir_make(&o->b, OP_GRAD, args, n + 1, NULL);
    for (uint32_t i = 0; i < n; i++)
        ir_result(&o->b, arena_printf(&o->m->mem, "%s.grad", o->w->name.at[i]),
                  dx == IR_NONE ? dx : dx + i);
}

static ir_ref plain(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *args)
{
    (void)cx, (void)old;
    return n->op == OP_KEEP && ir_node_of(b->fn, args[0])->op == OP_CONST ? args[0] : IR_NONE;
}

/* Gradients leave much that is zero or one: simplified here, so that the exported
 * model looks as if somebody had written it. */
static bool expand(objective *o, ir_fn *f)
{
    pass_ctx cx = {.m = o->m, .d = o->d};
    bool changed;

    if (!code_expand(o->m, o->d))
        return false;
    ir_rewrite(o->m, f, o->d, plain, NULL);
    return pass_one(&cx, &pass_table[PASS_ID_simplify], &changed) &&
           pass_one(&cx, &pass_table[PASS_ID_movement], &changed);
}

/* False after an error.  Results are added behind the model's own: loss, then a
 * gradient for each weight, under the weight's name. */
bool objective_add(ir_module *m, import_weights *w, const char *loss, diag *d)
{
    ir_fn *f = ir_module_main(m);
    objective o = {.m = m, .d = d, .w = w};

    if (!f)
        return diag_error(d, (ir_loc){0}, D_GENERAL, "the model has no entry");
    ir_build_init(&o.b, m, f, d);
    ir_ref y = loss_of(&o, loss);
    add_states(&o);
    if (y != IR_NONE && !w->ref.len) {
        diag_error(d, (ir_loc){0}, D_GENERAL, "the model has no float weight");
    } else if (y != IR_NONE) {
        ir_result(&o.b, "loss", y);
        request(&o, y);
    }
    ir_build_free(&o.b);
    return !diag_failed(d) && expand(&o, f);
}
