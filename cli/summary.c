/* cli/summary.c - a model's layers in a table, as those who train networks know it. */
#include "summary.h"

#include "const.h"
#include "cost.h"
#include "visible.h"

/* What one layer does.  A layer of a program has the path of its weights, digits.dense1; one of
 * an ONNX file is a node. */
typedef struct layer {
    const char *name;
    const ir_type *type;            /* of its last value */
    int64_t weights;
    double flops;
} layer;

/* A function, and the node that it hangs on in the one around it; null: an entry. */
typedef struct place {
    const ir_fn *f;
    const ir_node *at;
    const struct place *outer;
} place;

/* One entry being counted.  A weight that two layers share counts for the first of
 * them. */
typedef struct summary {
    const ir_module *m;
    const int32_t *roles;           /* of training, by state; null: all states are the model's */
    int64_t *extent;                /* by symbol */
    VEC(layer) layer;
    bool *counted;                  /* by state, and behind them by constant */
    int64_t weights, trainable, bytes;
} summary;

/* ---- names ------------------------------------------------------------------------- */

/* The operand that a region's parameter is: the last ones are those of the node around it. */
static const ir_node *outside(const place *p, const ir_node *n, const place **of)
{
    uint32_t behind = 1;

    while (behind <= p->f->param.len && p->f->param.at[p->f->param.len - behind] != n->first)
        behind++;
    if (behind > p->f->param.len || behind > p->at->narg)
        return NULL;
    *of = p->outer;
    return ir_node_of(p->outer->f, ir_arg(p->outer->f, p->at, p->at->narg - behind));
}

/* What moved elements are the elements of, outside of loops and branches, too. */
static const ir_node *origin(const place *p, ir_ref r)
{
    const ir_node *n = ir_node_of(p->f, r), *from = n;

    while (from) {
        n = from;
        from = n->narg && ir_op_moves(n->op) ? ir_node_of(p->f, ir_arg(p->f, n, 0))
               : n->op == OP_INPUT && p->at  ? outside(p, n, &p)
                                             : NULL;
    }
    return n;
}

/* The state that the node reads, moved perhaps; null: none. */
static const ir_state *state_of(const ir_module *m, const place *p, const ir_node *n)
{
    for (uint32_t i = 0; i < n->narg; i++) {
        const ir_node *from = origin(p, ir_arg(p->f, n, i));
        if (from->op == OP_STATE)
            return &m->state.at[from->attr->STATE.id];
    }
    return NULL;
}

/* "digits.dense1" of "digits.dense1.w", "'conv1' (Conv-11)" of a node; null: it has none. */
static const char *name_of(const ir_module *m, const place *p, const ir_node *n)
{
    const ir_state *s = state_of(m, p, n);
    const char *node = diag_node(m->diag, n->loc), *end = s ? strrchr(s->name, '.') : NULL;

    if (s)
        return end ? arena_printf(&m->diag->mem, "%.*s", (int)(end - s->name), s->name) : s->name;
    return strpbrk(node, "'(");
}

/* ---- weights and work ---------------------------------------------------------------- */

static int64_t value_of(const summary *s, ir_dim d)
{
    int64_t n;

    return dim_eval(&s->m->dims, d, s->extent, &n) ? max_i64(n, 0) : 0;
}

/* Is it what an optimizer or a metric keeps? */
static bool is_aside(const summary *s, uint32_t state)
{
    return s->roles && s->roles[state] > INGOT_ROLE_FITTED;
}

/* Elements of a weight that the value is, the first time that it is met. */
static int64_t new_weights(summary *s, const place *p, ir_ref r)
{
    const ir_node *n = origin(p, r);
    bool state = n->op == OP_STATE;

    if (!state && n->op != OP_CONST)
        return 0;
    uint32_t id = state ? (uint32_t)n->attr->STATE.id : n->attr->CONST.id;
    const ir_type *t = state ? s->m->state.at[id].type : s->m->consts.at[id].type;
    if (!dt_is_float(t->dtype) || !t->rank || (state && is_aside(s, id)) ||
        s->counted[state ? id : s->m->state.len + id])
        return 0;
    s->counted[state ? id : s->m->state.len + id] = true;
    int64_t count = type_count_const(&s->m->types, t);
    s->weights += count;
    s->bytes += count * (dt_bits(t->dtype) / 8);
    s->trainable += state && s->m->state.at[id].trainable ? count : 0;
    return count;
}

/* 2 for each multiply-add: elements of the result times steps of the sum.  0 for
 * what is neither a product nor a convolution. */
static double flops_of(const summary *s, const ir_fn *f, const ir_node *n)
{
    const ir_type *t = ir_type_of(f, n->first);
    double all = 2;

    if (n->op != OP_DOT && n->op != OP_CONV)
        return 0;
    for (int i = 0; i < t->rank; i++)
        all *= (double)value_of(s, t->dim[i]);
    return all * (double)value_of(s, cost_sum_steps((dim_table *)&s->m->dims, f, n));
}

/* What adds neither weights nor operations, such as an activation or an update, is no layer. */
static void add_node(summary *s, const place *p, const ir_node *n, double times)
{
    layer *last = s->layer.len ? &s->layer.at[s->layer.len - 1] : NULL;
    const char *name = name_of(s->m, p, n);
    int64_t weights = 0;

    for (uint32_t i = 0; i < n->narg && !ir_op_moves(n->op); i++)
        weights += new_weights(s, p, ir_arg(p->f, n, i));
    double flops = times * flops_of(s, p->f, n);
    if (!weights && flops == 0)
        return;
    if (!last || !name || !last->name || strcmp(last->name, name)) {
        vec_push(&s->layer, (layer){.name = name});
        last = &s->layer.at[s->layer.len - 1];
    }
    last->type = ir_type_of(p->f, n->first);
    last->weights += weights;
    last->flops += flops;
}

/* A loop's body counts as often as the loop runs. */
static void add_nodes(summary *s, const place *p, double times)
{
    for (uint32_t i = 0; i < p->f->node.len; i++) {
        const ir_node *n = &p->f->node.at[i];
        ir_fn *region[2];
        uint32_t regions = ir_regions(n, region);
        bool loop = n->op == OP_LOOP && !n->attr->LOOP.infinite;
        for (uint32_t k = 0; k < regions; k++)
            add_nodes(s, &(place){region[k], n, p},
                      loop ? times * (double)value_of(s, n->attr->LOOP.trip) : times);
        if (!regions)
            add_node(s, p, n, times);
    }
}

/* ---- the table ----------------------------------------------------------------------- */

/* A name of the file, in a column; bytes that a terminal might obey are escaped. */
static void print_name(const char *s, text *out)
{
    enum { WIDTH = 36 };
    char shown[VISIBLE_MOST + 1];
    size_t first = out->len;

    while (*s) {
        int n = visible_next(&s, shown);
        text_addn(out, shown, (size_t)n);
    }
    text_add(out, "%*s ", (int)max_i64(0, WIDTH - (int64_t)(out->len - first)), "");
}

static void print_layer(const summary *s, const layer *l, text *out)
{
    text_add(out, "%14lld %16.0f  ", (long long)l->weights, l->flops);
    print_name(l->name ? l->name : "(product)", out);
    type_print(&s->m->types, l->type, out);
    text_add(out, "\n");
}

/* Open dims are their least value, at least 1: the table is of one row of data. */
static void print_layers(const ir_module *m, const ir_fn *f, const int32_t *roles, text *out)
{
    summary s = {.m = m, .roles = roles};
    double flops = 0;

    s.counted = mem_alloc((size_t)m->state.len + m->consts.len + 1);
    s.extent = mem_alloc(((size_t)m->dims.symbol.len + 1) * sizeof *s.extent);
    for (uint32_t i = 0; i < m->dims.symbol.len; i++)
        s.extent[i] = max_i64(1, m->dims.symbol.at[i].lo);
    add_nodes(&s, &(place){f, NULL, NULL}, 1);
    text_add(out, "%14s %16s  %-36s %s\n", "weights", "operations", "layer", "result");
    for (uint32_t i = 0; i < s.layer.len; i++) {
        print_layer(&s, &s.layer.at[i], out);
        flops += s.layer.at[i].flops;
    }
    text_add(out, "%14lld %16.0f  all: %lld bytes, %lld trainable\n", (long long)s.weights, flops,
             (long long)s.bytes, (long long)s.trainable);
    vec_free(&s.layer);
    mem_free(s.counted);
    mem_free(s.extent);
}

void summary_print(const ir_module *m, text *out)
{
    for (uint32_t i = 0; i < m->fn.len; i++) {
        const ir_fn *f = m->fn.at[i];
        if (!f->entry || !strcmp(f->name, "init"))
            continue;
        text_add(out, "entry %s\n", f->name);
        print_layers(m, f, NULL, out);
    }
}

void summary_print_steps(const ir_module *m, const struct ingot_trainer *t, text *out)
{
    for (int32_t i = 0; i < t->block_count; i++) {
        const struct ingot_train_block *b = &t->blocks[i];
        const char *step = b->step.entry ? b->step.entry : b->step_any.entry;
        for (int32_t k = 0; k < (b->gather ? b->objective_count : 1); k++) {
            const ir_fn *f = ir_module_find(m, b->gather ? b->gather[k].entry : step);
            if (!f)
                continue;
            text_add(out, "a %sstep of train %s, before its gradients\n",
                     b->gather ? "row of a " : "", b->name);
            print_layers(m, f, t->roles, out);
        }
    }
}
