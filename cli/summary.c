/* cli/summary.c - a model's layers in a table, as those who train networks know it. */
#include "summary.h"

#include "const.h"
#include "cost.h"
#include "visible.h"

/* What one layer does.  A layer of a program has the path of its weights, digits.dense1; one of
 * an ONNX file is a node. */
typedef struct layer {
    const char *name;
    uint32_t node;                  /* of an ONNX file: its place; else 0 */
    const ir_type *type;            /* of its last value */
    int64_t weights;
    double flops;
} layer;

/* What a node is made of: enum from, or the state that it reads, where it depends on states and
 * constants alone. */
enum from { FROM_INPUTS = -1, FROM_CONSTANTS = -2 };

/* A function, and the node that it hangs on in the one around it; null: an entry. */
typedef struct place {
    const ir_fn *f;
    const ir_node *at;
    const struct place *outer;
    int32_t *from;                  /* by node, as far as they have been met */
    bool *seen;                     /* by node: its weights are counted */
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
    double flops;                   /* of what the node at hand makes of weights alone */
} summary;

/* ---- what nodes are made of ----------------------------------------------------------- */

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

static int32_t from_of(const place *p, const ir_node *n)
{
    const place *of = p;
    ir_fn *region[2];

    if (n->op == OP_INPUT) {
        n = p->at ? outside(p, n, &of) : NULL;
        return n ? of->from[n - of->f->node.at] : FROM_INPUTS;
    }
    if (n->op == OP_STATE)
        return n->attr->STATE.id;
    int32_t from = n->op == OP_RNG || ir_regions(n, region) ? FROM_INPUTS : FROM_CONSTANTS;
    for (uint32_t i = 0; from != FROM_INPUTS && i < n->narg; i++) {
        int32_t arg = p->from[ir_node_of(p->f, ir_arg(p->f, n, i)) - p->f->node.at];
        from = arg == FROM_INPUTS || from == FROM_CONSTANTS ? arg : from;
    }
    return from;
}

/* The first state that the node reads, or what is made of it; null: none. */
static const ir_state *state_of(const ir_module *m, const place *p, const ir_node *n)
{
    int32_t from = p->from[n - p->f->node.at];

    for (uint32_t i = 0; from < 0 && i < n->narg; i++)
        from = p->from[ir_node_of(p->f, ir_arg(p->f, n, i)) - p->f->node.at];
    return from < 0 ? NULL : &m->state.at[from];
}

/* "digits.dense1" of "digits.dense1.w", "'conv1' (Conv-11)" of a node; null: it has none. */
static const char *name_of(const ir_module *m, const place *p, const ir_node *n)
{
    const char *node = diag_node(m->diag, n->loc), *end;
    const ir_state *s = *node ? NULL : state_of(m, p, n);

    if (!s)
        return strpbrk(node, "'(");
    end = strrchr(s->name, '.');
    return end ? arena_printf(&m->diag->mem, "%.*s", (int)(end - s->name), s->name) : s->name;
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

/* Elements of a weight, the first time that it is met.  A constant that is kept is one that a
 * loss would train; there may be another of the same elements. */
static int64_t new_weights(summary *s, const ir_node *n, bool kept)
{
    bool state = n->op == OP_STATE;
    uint32_t id = state ? (uint32_t)n->attr->STATE.id : n->attr->CONST.id;
    const ir_type *t = state ? s->m->state.at[id].type : s->m->consts.at[id].type;

    bool *counted = &s->counted[state ? id : s->m->state.len + id];
    if (!dt_is_float(t->dtype) || !t->rank || (state && is_aside(s, id)) || (*counted && !kept))
        return 0;
    *counted |= !kept;
    int64_t count = type_count_const(&s->m->types, t);
    s->weights += count;
    s->bytes += count * (dt_bits(t->dtype) / 8);
    s->trainable += kept || (state && s->m->state.at[id].trainable) ? count : 0;
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

/* A node whose weights are to be counted. */
typedef struct unseen {
    const place *p;
    const ir_node *n;
} unseen;
typedef VEC(unseen) unseens;

/* New weights of one node; those that it reads are put on the list. */
static int64_t weights_at(summary *s, const place *p, const ir_node *n, unseens *rest)
{
    const place *of = p;
    size_t i = (size_t)(n - p->f->node.at);

    if (p->from[i] == FROM_INPUTS || p->seen[i])
        return 0;
    p->seen[i] = true;
    if (n->op == OP_STATE || n->op == OP_CONST)
        return new_weights(s, n, false);
    if (n->op == OP_KEEP)
        return new_weights(s, ir_node_of(p->f, ir_arg(p->f, n, 0)), true);
    if (n->op == OP_INPUT) {
        const ir_node *around = p->at ? outside(p, n, &of) : NULL;
        if (around)
            vec_push(rest, ((unseen){of, around}));
        return 0;
    }
    s->flops += flops_of(s, p->f, n);
    for (uint32_t k = 0; k < n->narg; k++)
        vec_push(rest, ((unseen){p, ir_node_of(p->f, ir_arg(p->f, n, k))}));
    return 0;
}

/* New weights that n is made of, if it is made of weights alone.  A list, as a file may have
 * chains of any length. */
static int64_t weights_in(summary *s, const place *p, const ir_node *n)
{
    unseens rest = {0};
    int64_t sum = weights_at(s, p, n, &rest);

    while (rest.len) {
        unseen next = rest.at[--rest.len];
        sum += weights_at(s, next.p, next.n, &rest);
    }
    vec_free(&rest);
    return sum;
}

/* The largest of the results: of a loop all its rounds. */
static const ir_type *result_of(const summary *s, const ir_fn *f, const ir_node *n)
{
    const ir_type *best = ir_type_of(f, n->first);
    double most = -1;

    for (uint32_t i = 0; i < n->nres; i++) {
        const ir_type *t = ir_type_of(f, n->first + i);
        double all = t->kind == TY_TENSOR && dt_is_float(t->dtype) ? 1 : -1;
        for (int k = 0; all > 0 && k < t->rank; k++)
            all *= (double)value_of(s, t->dim[k]);
        if (all > most)
            best = t, most = all;
    }
    return best;
}

static bool same_layer(const layer *l, const char *name, uint32_t node)
{
    return node || l->node ? node == l->node : name && l->name && !strcmp(l->name, name);
}

/* What adds neither weights nor operations, such as an activation or an update, is no layer; what
 * comes of one within its node, or around its loop, is its result. */
static void add_node(summary *s, const place *p, const ir_node *n, double times)
{
    uint32_t node = *diag_node(s->m->diag, n->loc) ? n->loc.file : 0;
    layer *last = s->layer.len ? &s->layer.at[s->layer.len - 1] : NULL;
    const char *name = name_of(s->m, p, n);
    int64_t weights = 0;

    s->flops = flops_of(s, p->f, n);
    for (uint32_t i = 0; i < n->narg; i++)
        weights += weights_in(s, p, ir_node_of(p->f, ir_arg(p->f, n, i)));
    double flops = times * s->flops;
    bool same = last && same_layer(last, name, node);
    if (!weights && flops == 0 && !same)
        return;
    if (!same) {
        vec_push(&s->layer, (layer){.name = name, .node = node});
        last = &s->layer.at[s->layer.len - 1];
    }
    if (weights || flops > 0 || node || n->op == OP_LOOP || n->op == OP_IF)
        last->type = result_of(s, p->f, n);
    last->weights += weights;
    last->flops += flops;
}

/* A loop's body counts as often as the loop runs. */
static void add_nodes(summary *s, place *p, double times)
{
    p->from = mem_alloc((p->f->node.len + 1) * sizeof *p->from);
    p->seen = mem_alloc(p->f->node.len + 1);
    for (uint32_t i = 0; i < p->f->node.len; i++) {
        const ir_node *n = &p->f->node.at[i];
        ir_fn *region[2];
        uint32_t regions = ir_regions(n, region);
        bool loop = n->op == OP_LOOP && !n->attr->LOOP.infinite;
        p->from[i] = from_of(p, n);
        for (uint32_t k = 0; k < regions; k++)
            add_nodes(s, &(place){region[k], n, p, NULL, NULL},
                      loop ? times * (double)value_of(s, n->attr->LOOP.trip) : times);
        if (p->from[i] == FROM_INPUTS && n->op != OP_INPUT)
            add_node(s, p, n, times);
    }
    for (uint32_t i = 0; !p->at && i < p->f->result.len; i++) {
        const ir_node *n = ir_node_of(p->f, p->f->result.at[i]);
        if (p->from[n - p->f->node.at] != FROM_INPUTS)
            add_node(s, p, n, times);
    }
    mem_free(p->from);
    mem_free(p->seen);
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

static void add_symbol(void *to, uint32_t id)
{
    ((bool *)to)[id] = true;
}

/* What the table does not know. */
static void print_open(const ir_module *m, const ir_fn *f, const int64_t *extent, text *out)
{
    bool *open = mem_alloc(m->dims.symbol.len + 1);
    const char *sign = "(counted with ";

    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_type *t = ir_type_of(f, f->param.at[i]);
        for (int k = 0; t->kind == TY_TENSOR && k < t->rank; k++)
            dim_each_symbol(&m->dims, t->dim[k], add_symbol, open);
    }
    for (uint32_t i = 0; i < m->dims.symbol.len; i++)
        if (open[i]) {
            text_add(out, "%*s%s%s = %lld", *sign == '(' ? 15 : 0, "", sign,
                     m->dims.symbol.at[i].name, (long long)extent[i]);
            sign = ", ";
        }
    if (*sign != '(')
        text_add(out, "; --dim NAME=N for others)\n");
    mem_free(open);
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
    add_nodes(&s, &(place){.f = f}, 1);
    text_add(out, "%14s %16s  %-36s %s\n", "weights", "operations", "layer", "result");
    for (uint32_t i = 0; i < s.layer.len; i++) {
        print_layer(&s, &s.layer.at[i], out);
        flops += s.layer.at[i].flops;
    }
    text_add(out, "%14lld %16.0f  all: %lld bytes, %lld trainable\n", (long long)s.weights, flops,
             (long long)s.bytes, (long long)s.trainable);
    print_open(m, f, s.extent, out);
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
