/* cli/graph_columns.c - a long graph in columns.
 *
 * Graphviz puts a node below all that it reads, so that a network of 500 layers becomes a
 * picture of 20 metres.  Cut into columns of equal height, with arrows from one to the next
 * that do not pull its nodes down, it is about as wide as high. */
#include "graph_columns.h"

#include <math.h>

/* A graph of fewer rows than SHORT is one column; no column is lower than LEAST.  A node is
 * about WIDE times as wide as its row is high. */
enum { SHORT = 100, LEAST = 40, WIDE = 3 };

static uint32_t operand(const ir_fn *fn, const graph_fold *f, const ir_node *n, uint32_t k)
{
    uint32_t from = f->place[fn->value.at[ir_arg(fn, n, k)].node];

    return from == NAMES_NONE ? NAMES_NONE : f->as[from];
}

/* By place: the row below all that it reads; returns how many rows there are. */
static uint32_t find_rows(const ir_fn *fn, const graph_fold *f, uint32_t *row)
{
    uint32_t rows = 0;

    for (uint32_t i = 0; i < f->n; i++) {
        const ir_node *n = &fn->node.at[f->node[i]];
        for (uint32_t k = 0; f->as[i] == i && k < n->narg; k++) {
            uint32_t from = operand(fn, f, n, k);
            if (from < i && row[from] + 1 > row[i])
                row[i] = row[from] + 1;
        }
        rows = row[i] + 1 > rows ? row[i] + 1 : rows;
    }
    return rows;
}

static bool reads_nothing(const ir_fn *fn, const graph_fold *f, uint32_t place)
{
    const ir_node *n = &fn->node.at[f->node[place]];

    for (uint32_t k = 0; k < n->narg; k++)
        if (operand(fn, f, n, k) != NAMES_NONE)
            return false;
    return true;
}

/* What reads nothing, as an input, stands in the column of its first reader. */
static void move_sources(const ir_fn *fn, const graph_fold *f, uint32_t *column)
{
    for (uint32_t i = f->n; i-- > 0;) {
        const ir_node *n = &fn->node.at[f->node[i]];
        for (uint32_t k = 0; f->as[i] == i && k < n->narg; k++) {
            uint32_t from = operand(fn, f, n, k);
            if (from < i && reads_nothing(fn, f, from))
                column[from] = column[i];
        }
    }
}

/* What repeats is in a box, which stands in the column of its end. */
static void keep_together(const graph_fold *f, uint32_t *column)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (f->period[i])
            column[i] = column[f->first[i] + f->period[i] - 1];
}

graph_columns graph_columns_make(const ir_fn *fn, const graph_fold *f)
{
    graph_columns c = {mem_alloc((f->n + 1) * sizeof *c.of), 1};
    uint32_t rows = find_rows(fn, f, c.of), height = (uint32_t)sqrt((double)rows * WIDE);

    height = height < LEAST ? LEAST : height;
    height = rows > SHORT ? height : rows + 1;
    for (uint32_t i = 0; i < f->n; i++)
        c.of[i] /= height;
    c.n = (rows + height - 1) / height;
    keep_together(f, c.of);
    move_sources(fn, f, c.of);
    return c;
}

void graph_columns_free(graph_columns *c)
{
    mem_free(c->of);
    *c = (graph_columns){0};
}
