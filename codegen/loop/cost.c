/* codegen/loop/cost.c - how much work an iteration of the parallel loop is, told
 * from the text: enough to see that a kernel is too small for threads. */
#include "loop.h"

#include "cost.h"

enum { WHOLE_TEXT = 256 };      /* nodes of an expression that are looked at */

/* Work of an expression; shared parts count again, up to `left` nodes. */
static cost expr_cost(const lp_kernel *k, lp_expr e, int *left)
{
    const lp_node *n = lp_at(k, e);
    cost sum = {.moves = n->kind == LX_LOAD};

    sum.ops = n->kind == LX_DOT4 || n->kind == LX_DOT2 || n->kind == LX_FLOORDIV;

    if (n->kind == LX_SCALAR)
        sum.ops = sc_of((sc_op)n->op)->cost;
    for (uint32_t i = 0; i < n->narg && n->kind != LX_LOAD && --*left > 0; i++) {
        cost arg = expr_cost(k, k->arg.at[n->arg + i], left);
        cost_add(&sum, &arg, 1);
    }
    return sum;
}

/* The most iterations that the loop can have, of which each is a vector in a vec loop. */
static int64_t trips(const lp_kernel *k, const lp_stmt *s)
{
    int64_t lo = lp_at(k, s->lo[0])->lo, hi = lp_at(k, s->hi[0])->hi, length;

    if (lo == INT64_MIN || hi == INT64_MAX || __builtin_sub_overflow(hi, lo, &length))
        return INT64_MAX;
    return length <= 0 ? 0 : (length - 1) / s->step[0] + 1;
}

/* How often a loop's body stands in the emitted code. */
static int64_t copies(const lp_kernel *k, const lp_stmt *s)
{
    if (s->kind == LP_UNROLL)
        return trips(k, s);
    return s->kind == LP_VEC && s->tail != LP_EXACT ? 2 : 1;
}

/* What a statement takes besides the blocks in it. */
static cost own_cost(const lp_kernel *k, const lp_stmt *s)
{
    int left = WHOLE_TEXT;
    cost sum = {.moves = 1};

    if (s->op == LP_LOOP || s->op == LP_IF || s->op == LP_PREFETCH)
        return (cost){0};
    if (s->op == LP_TRANSPOSE)
        return (cost){.ops = 8 * s->size};      /* rows in, rounds of exchanges, rows out */
    if (s->value) {
        cost value = expr_cost(k, s->value, &left);
        cost_add(&sum, &value, 1);
    }
    return sum;
}

/* Work that a run does or, of the `text`, that the code has. */
static cost block_cost(const lp_kernel *k, const lp_stmt *s, bool text)
{
    const cost none = {0};
    cost sum = none;

    for (; s; s = s->next) {
        cost own = own_cost(k, s);
        cost body = s->body ? block_cost(k, s->body, text) : none;
        cost other = s->other ? block_cost(k, s->other, text) : none;
        cost_add(&sum, &own, 1);
        if (s->op == LP_LOOP)
            cost_add(&sum, &body, text ? copies(k, s) : trips(k, s));
        else if (text || cost_time(&body) > cost_time(&other))
            cost_add(&sum, &body, 1);
        if (text || cost_time(&body) <= cost_time(&other))
            cost_add(&sum, &other, 1);
    }
    return sum;
}

int64_t lp_iteration_cost(const lp_kernel *k)
{
    const lp_stmt *par = lp_find_par(k);
    cost c = block_cost(k, par ? par->body : k->body, false);

    return cost_time(&c);
}

int64_t lp_text_size(const lp_kernel *k)
{
    cost c = block_cost(k, k->body, true);

    return c.ops + c.moves;
}

/* Iterations of a loop whose vectors are taken apart. */
static int64_t elements(const lp_kernel *k, const lp_stmt *s)
{
    int64_t n = 1;

    for (uint32_t i = 0; i < s->nvar; i++) {
        int64_t lo = lp_at(k, s->lo[i])->lo, hi = lp_at(k, s->hi[i])->hi, length;
        int64_t step = s->kind == LP_VEC || !s->step ? 1 : s->step[i];
        if (lo == INT64_MIN || hi == INT64_MAX || __builtin_sub_overflow(hi, lo, &length) ||
            __builtin_mul_overflow(n, length <= 0 ? 0 : (length - 1) / step + 1, &n))
            return INT64_MAX;
    }
    return n;
}

/* Of a row buffer in memory, or a tile that is turned, `most`. */
static int64_t whole_cost(const lp_kernel *k, const lp_stmt *s, int64_t most)
{
    int64_t sum = 0;

    for (; s && sum < most; s = s->next) {
        cost own = own_cost(k, s);
        bool apart = s->op == LP_TRANSPOSE ||
                     (s->op == LP_LOCAL && k->buf.at[s->buf].space != LP_REG);
        int64_t body = s->body ? whole_cost(k, s->body, most) : 0;
        if (s->op == LP_LOOP && __builtin_mul_overflow(body, elements(k, s), &body))
            body = most;
        sum += apart ? most : min_i64(own.ops + own.moves + body, most);
        sum += s->other ? whole_cost(k, s->other, most) : 0;
    }
    return min_i64(sum, most);
}

int64_t lp_whole_size(const lp_kernel *k, int64_t most)
{
    return whole_cost(k, k->body, most);
}

/* Threads should take less time to begin and end the loop than its work does.  A kernel
 * on one thread costs more than its time, too: it takes lines from the other cores'
 * caches, and gives them back when those go on. */
int64_t lp_least_of(int64_t cost, int32_t fork_ns)
{
    enum { PER_NS = 6 };        /* of cost_time's units */
    int64_t worth = (int64_t)PER_NS * fork_ns;

    return max_i64(worth / max_i64(cost, 1), 2);
}

int64_t lp_least_parallel(const lp_kernel *k, int32_t fork_ns)
{
    return lp_least_of(lp_iteration_cost(k), fork_ns);
}
