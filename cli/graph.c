/* cli/graph.c - a model in the language of Graphviz: a box for each node, coloured
 * by its group.  Stretches that repeat, as layers of a transformer, are drawn once
 * in a box that says how often (graph_fold.c); bodies of loops and branches are
 * boxes of their own.  What is long stands in columns (graph_columns.c). */
#include "graph.h"

#include "const.h"
#include "graph_columns.h"
#include "visible.h"

/* A function being drawn; its nodes are called `prefix`N. */
typedef struct graph {
    const ir_fn *fn;
    const char *prefix;
    const uint32_t *group;          /* by node: number of its group; null: no colours */
    graph_fold fold;
    graph_columns columns;
    text *out;
} graph;

/* Inside of a quoted string of Graphviz: names in models may hold anything. */
void graph_add_text(const char *s, text *out)
{
    char shown[VISIBLE_MOST + 1];

    while (*s) {
        int n = visible_next(&s, shown);
        for (int i = 0; i < n; i++)
            text_add(out, shown[i] == '"' || shown[i] == '\\' ? "\\%c" : "%c", shown[i]);
    }
}

/* What is computed of others in many steps is no help in a box: `?` stands for it. */
static void add_extent(const ir_module *m, ir_dim d, text *out)
{
    enum { LONGEST = 32 };
    text extent = {0};

    dim_print(&m->dims, d, &extent);
    bool is_name = dim_symbol_id(&m->dims, d) != NAMES_NONE;
    graph_add_text(is_name || extent.len <= LONGEST ? extent.at : "?", out);
    text_free(&extent);
}

/* As many extents as a box has room for. */
static void add_extents(const ir_module *m, const ir_type *t, text *out)
{
    enum { WIDEST = 64 };
    size_t begin = out->len;
    int i = 0;

    text_add(out, "%s[", dt_text(t->dtype));
    for (; i < t->rank && out->len - begin < WIDEST; i++) {
        text_add(out, i ? "," : "");
        add_extent(m, t->dim[i], out);
    }
    text_add(out, i < t->rank ? ",..]" : "]");
}

void graph_add_type(const ir_module *m, const ir_type *t, text *out)
{
    if (t->kind == TY_NEVER) {
        text_add(out, "never");
    } else if (t->kind == TY_TENSOR) {
        add_extents(m, t, out);
    } else {
        text_add(out, t->kind == TY_SEQ ? "seq<" : "opt<");
        graph_add_type(m, t->elem, out);
        text_add(out, ">");
    }
}

/* The name that the model's file gave the node, of a place such as `Conv 'conv1'`. */
void graph_add_name(const diag *d, ir_loc loc, text *out)
{
    const char *node = diag_node(d, loc), *quote = strchr(node, '\'');
    const char *end = quote ? strrchr(quote + 1, '\'') : NULL;

    if (!end || end == quote + 1)
        return;
    text name = {0};
    text_addn(&name, quote + 1, (size_t)(end - quote - 1));
    graph_add_text(name.at, out);
    text_free(&name);
}

/* Bytes for people, in steps of a thousand. */
void graph_add_size(int64_t bytes, text *out)
{
    if (bytes < 1000)
        text_add(out, "%lld B", (long long)bytes);
    else
        text_add(out, "%.1f %s", (double)bytes / (bytes < 1000000 ? 1e3 : 1e6),
                 bytes < 1000000 ? "kB" : "MB");
}

/* The bytes of constants that a node reads, through copies too. */
static int64_t weights_of(const ir_fn *f, const ir_node *n)
{
    int64_t sum = 0;

    for (uint32_t j = 0; j < n->narg; j++) {
        const ir_node *from = ir_node_of(f, ir_arg(f, n, j));
        if (from->op == OP_BROADCAST)
            from = ir_node_of(f, ir_arg(f, from, 0));
        if (from->op == OP_CONST)
            sum += max_i64(0, const_bytes_of(f->module, from->attr->CONST.id));
    }
    return sum;
}

/* What stands in a node's box: op, name in the file, types, weights. */
static void add_label(const graph *g, const ir_node *n)
{
    const ir_fn *f = g->fn;
    int64_t weights = weights_of(f, n);
    text name = {0};

    if (n->op == OP_INPUT)
        graph_add_text(f->param_name.at[n->attr->INPUT.index], &name);
    else
        graph_add_name(f->module->diag, n->loc, &name);
    text_add(g->out, "%s\\n", ir_op_get(n->op)->text);
    if (name.len)
        text_add(g->out, "%s\\n", name.at);
    for (uint32_t k = 0; k < n->nres; k++) {
        text_add(g->out, k ? ", " : "");
        graph_add_type(f->module, ir_type_of(f, n->first + k), g->out);
    }
    if (weights >= 64) {
        text_add(g->out, "\\nweights ");
        graph_add_size(weights, g->out);
    }
    text_free(&name);
}

/* Groups that follow each other have colours that differ. */
static void add_colour(const graph *g, const ir_node *n, uint32_t i)
{
    static const char *const colour[] = {"#dbe9f6", "#fde2c8", "#d9ecd3", "#e8dcf0", "#f6d5d5",
                                         "#e9e4d4", "#d3ecec", "#f9f0bd", "#e2e2e2"};

    if (n->op == OP_INPUT)
        text_add(g->out, " style=filled fillcolor=lightblue");
    else if (g->group && g->group[i] != NAMES_NONE)
        text_add(g->out, " style=filled fillcolor=\"%s\"", colour[g->group[i] % COUNT(colour)]);
}

/* Is the node left out?  Constants and their copies would hide the rest. */
static bool is_hidden(const ir_fn *f, const ir_node *n)
{
    if (n->op == OP_BROADCAST)
        n = ir_node_of(f, ir_arg(f, n, 0));
    return n->op == OP_CONST || n->op == OP_DIMVAL;
}

typedef struct trip_edges {
    const graph *g;
    uint32_t loop;
} trip_edges;

/* Draws an arrow from the node that finds the value of a symbol, if one does. */
static void draw_trip(void *cx, uint32_t symbol)
{
    const trip_edges *t = cx;
    const graph *g = t->g;
    const ir_node *node = g->fn->node.at;
    uint32_t s;

    for (uint32_t i = 0; i < t->loop; i++)
        for (uint32_t k = 0; (s = ir_symbol_of(g->fn->module, &node[i], k)) != NAMES_NONE; k++)
            if (s == symbol)
                text_add(g->out, "  %s%u -> %s%u [style=dashed];\n", g->prefix, i, g->prefix,
                         t->loop);
}

/* The node that is drawn for this one; NAMES_NONE: none is. */
static uint32_t drawn_for(const graph *g, uint32_t node)
{
    uint32_t place = g->fold.place[node];

    return place == NAMES_NONE ? NAMES_NONE : g->fold.node[g->fold.as[place]];
}

/* Ovals; in a body they have numbers instead of names. */
static void draw_results(const graph *g, bool named)
{
    for (uint32_t i = 0; i < g->fn->result.len; i++) {
        uint32_t from = drawn_for(g, g->fn->value.at[g->fn->result.at[i]].node);
        text_add(g->out, "  %sr%u [label=\"", g->prefix, i);
        if (named)
            graph_add_text(g->fn->result_name.at[i], g->out);
        else
            text_add(g->out, "yield %u", i);
        text_add(g->out, "\" shape=ellipse];\n");
        if (from != NAMES_NONE)
            text_add(g->out, "  %s%u -> %sr%u;\n", g->prefix, from, g->prefix, i);
    }
}

static void draw_fn(graph *g, bool named);

/* Draws the bodies of control node i, each in a box to which an arrow leads. */
static void draw_regions(const graph *g, uint32_t i)
{
    static const char *const branch[] = {"then", "else"};
    const ir_node *n = &g->fn->node.at[i];
    ir_fn *region[2];
    uint32_t count = n->op == OP_CALL ? 0 : ir_regions(n, region);

    for (uint32_t k = 0; k < count; k++) {
        text prefix = {0};
        text_add(&prefix, "%s%u%c", g->prefix, i, 'a' + (char)k);
        graph inner = {.fn = region[k], .prefix = prefix.at, .out = g->out};
        text_add(g->out, "  subgraph cluster_%s {\n  label=\"%s\"; style=dotted;\n", prefix.at,
                 count == 2 ? branch[k] : "body");
        draw_fn(&inner, false);
        text_add(g->out, "  }\n");
        if (region[k]->result.len)
            text_add(g->out, "  %s%u -> %sr0 [style=dotted lhead=cluster_%s];\n", g->prefix, i,
                     prefix.at, prefix.at);
        text_free(&prefix);
    }
}

static void draw_node(const graph *g, uint32_t i)
{
    const ir_node *n = &g->fn->node.at[i];

    text_add(g->out, "  %s%u [label=\"", g->prefix, i);
    add_label(g, n);
    text_add(g->out, "\"");
    add_colour(g, n, i);
    text_add(g->out, "];\n");
}

/* The nodes; stretches that repeat in boxes that say how often. */
static void draw_nodes(const graph *g)
{
    const graph_fold *f = &g->fold;

    for (uint32_t i = 0; i < f->n; i++) {
        if (f->times[i])
            text_add(g->out, "  subgraph cluster_%st%u {\n  label=\"%u times\"; style=rounded; "
                     "penwidth=2;\n", g->prefix, i, f->times[i]);
        if (f->as[i] == i)
            draw_node(g, f->node[i]);
        if (f->as[i] == i && f->period[i] && i + 1 == f->first[i] + f->period[i])
            text_add(g->out, "  }\n");
    }
}

/* An arrow from operand `from` to the node at `place`, both places.  What a round takes
 * from the one before is a dashed arrow back, so that it does not bend the drawing. */
static void draw_arrow(const graph *g, uint32_t from, uint32_t place)
{
    const graph_fold *f = &g->fold;
    bool drawn = f->as[place] == place, same = f->period[from] && f->first[from] == f->first[place];
    bool carried = graph_fold_round(f, place) == 1 && same && graph_fold_round(f, from) == 0;
    bool across = g->columns.of[f->as[from]] != g->columns.of[f->as[place]];

    if (drawn || carried)
        text_add(g->out, "  %s%u -> %s%u%s;\n", g->prefix, f->node[f->as[from]], g->prefix,
                 f->node[f->as[place]], !drawn ? " [style=dashed constraint=false]"
                                      : across ? " [color=gray40 constraint=false]" : "");
}

/* The first node of each column is in the highest row, from left to right.  One in a box of its
 * own cannot be. */
static void draw_columns(const graph *g)
{
    const graph_fold *f = &g->fold;
    uint32_t column = 0, i = 0;

    for (; g->columns.n > 1 && i < f->n; i++) {
        if (g->columns.of[i] != column || f->as[i] != i || f->period[i])
            continue;
        if (column)
            text_add(g->out, " -> %s%u", g->prefix, f->node[i]);
        else
            text_add(g->out, "  { rank=same; edge [style=invis]; %s%u", g->prefix, f->node[i]);
        column++;
    }
    if (column)
        text_add(g->out, "; }\n");
}

/* Arrows into what stands for several rounds come from the first round only. */
static void draw_arrows(const graph *g, uint32_t place)
{
    const ir_fn *f = g->fn;
    uint32_t i = g->fold.node[place];
    const ir_node *n = &f->node.at[i];

    for (uint32_t j = 0; j < n->narg; j++) {
        uint32_t from = g->fold.place[f->value.at[ir_arg(f, n, j)].node];
        if (from != NAMES_NONE)
            draw_arrow(g, from, place);
    }
    if (g->fold.as[place] != place)
        return;
    if (n->op == OP_LOOP)
        dim_each_symbol(&f->module->dims, n->attr->LOOP.trip, draw_trip, &(trip_edges){g, i});
    draw_regions(g, i);
}

/* Boxes first, then arrows: stretches that repeat are known by then. */
static void draw_fn(graph *g, bool named)
{
    g->fold = graph_fold_make(g->fn, is_hidden);
    g->columns = graph_columns_make(g->fn, &g->fold);
    draw_nodes(g);
    draw_columns(g);
    for (uint32_t i = 0; i < g->fold.n; i++)
        draw_arrows(g, i);
    draw_results(g, named);
    graph_columns_free(&g->columns);
    graph_fold_free(&g->fold);
}

/* The number of each node's group; the caller frees it. */
static uint32_t *number_groups(const ir_groups *g)
{
    uint32_t *number = mem_alloc(((size_t)g->fn->node.len + 1) * sizeof *number);

    for (uint32_t i = 0; i < g->fn->node.len; i++)
        number[i] = NAMES_NONE;
    for (uint32_t i = 0; i < g->group.len; i++)
        for (uint32_t k = 0; k < g->group.at[i].nnode; k++)
            number[g->group.at[i].node[k]] = i;
    return number;
}

void graph_print(const ir_module *m, const ir_groups *groups, text *out)
{
    uint32_t *number = groups ? number_groups(groups) : NULL;
    graph g = {.fn = m->fn.at[0], .prefix = "n", .group = number, .out = out};

    text_add(out, "digraph model {\n  compound=true; fontname=Helvetica;\n"
                  "  node [shape=box fontname=Helvetica fontsize=10];\n");
    draw_fn(&g, true);
    text_add(out, "}\n");
    mem_free(number);
}
