/* cli/graph_fold.c - stretches of a graph that repeat.
 *
 * Nodes stand in topological order, in which a stack of layers is a stretch that comes
 * again and again.  Two nodes are alike if op, attributes and types are the same, and
 * each operand is as far before them, or is the same node; so all layers but the first,
 * whose operands come from elsewhere, are like the one before, and the first is where
 * only such operands differ. */
#include "graph_fold.h"

/* Fewer nodes than LONG are seen at a glance; shorter stretches hide more than they tell. */
enum { LONG = 150, SHORTEST = 2, LONGEST = 512 };

typedef struct folding {
    const ir_fn *fn;
    graph_fold *f;
} folding;

static const ir_node *node_at(const folding *x, uint32_t place)
{
    return &x->fn->node.at[x->f->node[place]];
}

/* The place of the node that makes an operand; NAMES_NONE if it is not shown. */
static uint32_t operand(const folding *x, const ir_node *n, uint32_t k)
{
    return x->f->place[x->fn->value.at[ir_arg(x->fn, n, k)].node];
}

/* Types are interned, so that comparing pointers compares extents, too. */
static bool same_results(const folding *x, const ir_node *a, const ir_node *b)
{
    if (a->nres != b->nres)
        return false;
    for (uint32_t k = 0; k < a->nres; k++)
        if (ir_type_of(x->fn, a->first + k) != ir_type_of(x->fn, b->first + k))
            return false;
    return true;
}

/* Does the node at `place + period` do what that at `place` does?  `begin` is where the
 * stretch begins: operands from before it are those of the first round. */
static bool is_alike(const folding *x, uint32_t place, uint32_t period, uint32_t begin)
{
    const ir_node *a = node_at(x, place), *b = node_at(x, place + period);

    if (a->op != b->op || a->attr != b->attr || a->narg != b->narg || !same_results(x, a, b))
        return false;
    for (uint32_t k = 0; k < a->narg; k++) {
        uint32_t from = operand(x, a, k), to = operand(x, b, k);
        bool shown = from != NAMES_NONE;
        if (shown != (to != NAMES_NONE))
            return false;
        bool carried = shown && from < begin && to >= begin && to < begin + period;
        if (shown && to != from && to != from + period && !carried)
            return false;
    }
    return true;
}

/* How often a stretch of this length that begins here comes in a row. */
static uint32_t count_rounds(const folding *x, uint32_t begin, uint32_t period)
{
    uint32_t same = 0;

    while (begin + same + period < x->f->n && is_alike(x, begin + same, period, begin))
        same++;
    return 1 + same / period;
}

/* The length whose rounds from here on cover most; 0: none repeats. */
static uint32_t best_period(const folding *x, uint32_t begin, uint32_t *times)
{
    uint32_t best = 0, covered = 0;

    *times = 1;
    for (uint32_t p = SHORTEST; p <= LONGEST && begin + 2 * p <= x->f->n; p++) {
        uint32_t rounds = count_rounds(x, begin, p);
        if (rounds > 1 && rounds * p > covered) {
            covered = rounds * p;
            best = p;
            *times = rounds;
        }
    }
    return best;
}

/* From the beginning on, greedily: the stretch that covers most, then what follows
 * it. */
static void find_stretches(folding *x)
{
    graph_fold *f = x->f;
    uint32_t times, period;

    for (uint32_t i = 0; i < f->n; i += period ? period * times : 1) {
        period = best_period(x, i, &times);
        if (period)
            f->times[i] = times;
        for (uint32_t k = 0; k < period * times; k++) {
            f->first[i + k] = i;
            f->period[i + k] = period;
            f->as[i + k] = i + k % period;
        }
    }
}

/* `place` is a node's number among those that are shown; the lists are by place. */
graph_fold graph_fold_make(const ir_fn *fn, bool (*hidden)(const ir_fn *fn, const ir_node *n))
{
    size_t most = (size_t)fn->node.len + 1;
    graph_fold f = {.node = mem_alloc(most * sizeof *f.node),
                    .place = mem_alloc(most * sizeof *f.place),
                    .as = mem_alloc(most * sizeof *f.as),
                    .first = mem_alloc(most * sizeof *f.first),
                    .period = mem_alloc(most * sizeof *f.period),
                    .times = mem_alloc(most * sizeof *f.times)};

    for (uint32_t i = 0; i < fn->node.len; i++) {
        f.place[i] = hidden(fn, &fn->node.at[i]) ? NAMES_NONE : f.n;
        if (f.place[i] != NAMES_NONE)
            f.node[f.n++] = i;
    }
    for (uint32_t i = 0; i < f.n; i++)
        f.as[i] = i;
    if (f.n > LONG)
        find_stretches(&(folding){fn, &f});
    return f;
}

void graph_fold_free(graph_fold *f)
{
    mem_free(f->node);
    mem_free(f->place);
    mem_free(f->as);
    mem_free(f->first);
    mem_free(f->period);
    mem_free(f->times);
}

uint32_t graph_fold_round(const graph_fold *f, uint32_t place)
{
    return f->period[place] ? (place - f->first[place]) / f->period[place] : 0;
}
