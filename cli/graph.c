/* cli/graph.c - a model in the language of Graphviz. */
#include "graph.h"

#include "visible.h"

/* A function being drawn; its nodes are called `prefix`N. */
typedef struct graph {
    const ir_fn *fn;
    const char *prefix;
    text *out;
} graph;

/* Text between quotes. */
static void escape(const char *s, text *out)
{
    char shown[VISIBLE_MOST + 1];

    while (*s) {
        int n = visible_next(&s, shown);
        for (int i = 0; i < n; i++)
            text_add(out, shown[i] == '"' || shown[i] == '\\' ? "\\%c" : "%c", shown[i]);
    }
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

static void draw_results(const graph *g, bool named)
{
    for (uint32_t i = 0; i < g->fn->result.len; i++) {
        uint32_t from = g->fn->value.at[g->fn->result.at[i]].node;
        text_add(g->out, "  %sr%u [label=\"", g->prefix, i);
        if (named)
            escape(g->fn->result_name.at[i], g->out);
        else
            text_add(g->out, "yield %u", i);
        text_add(g->out, "\" shape=ellipse];\n");
        if (!is_hidden(g->fn, &g->fn->node.at[from]))
            text_add(g->out, "  %s%u -> %sr%u;\n", g->prefix, from, g->prefix, i);
    }
}

static void draw_fn(const graph *g, bool named);

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
        const graph inner = {.fn = region[k], .prefix = prefix.at, .out = g->out};
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
    const ir_fn *f = g->fn;
    const ir_node *n = &f->node.at[i];
    text type = {0};

    if (is_hidden(f, n))
        return;
    for (uint32_t k = 0; k < n->nres; k++) {
        text_add(&type, k ? ", " : "");
        type_print(&f->module->types, ir_type_of(f, n->first + k), &type);
    }
    text_add(g->out, "  %s%u [label=\"%s\\n", g->prefix, i, ir_op_get(n->op)->text);
    if (n->op == OP_INPUT) {
        escape(f->param_name.at[n->attr->INPUT.index], g->out);
        text_add(g->out, "\\n");
    }
    escape(type.at ? type.at : "", g->out);
    text_add(g->out, "\"%s];\n", n->op == OP_INPUT ? " style=filled fillcolor=lightblue" : "");
    for (uint32_t j = 0; j < n->narg; j++) {
        uint32_t from = f->value.at[ir_arg(f, n, j)].node;
        if (!is_hidden(f, &f->node.at[from]))
            text_add(g->out, "  %s%u -> %s%u;\n", g->prefix, from, g->prefix, i);
    }
    if (n->op == OP_LOOP)
        dim_each_symbol(&f->module->dims, n->attr->LOOP.trip, draw_trip, &(trip_edges){g, i});
    draw_regions(g, i);
    text_free(&type);
}

static void draw_fn(const graph *g, bool named)
{
    for (uint32_t i = 0; i < g->fn->node.len; i++)
        draw_node(g, i);
    draw_results(g, named);
}

void graph_print(const ir_module *m, text *out)
{
    const graph g = {.fn = m->fn.at[0], .prefix = "n", .out = out};

    text_add(out, "digraph model {\n  compound=true;\n"
                  "  node [shape=box fontname=Helvetica fontsize=10];\n");
    draw_fn(&g, true);
    text_add(out, "}\n");
}
