/* codegen/loop/cost.c - how much work an iteration of the parallel loop is, told
 * from the text: enough to see that a kernel is too small for threads. */
#include "loop.h"

enum { WHOLE_TEXT = 256 };      /* nodes of an expression that are looked at */
static const int64_t UNKNOWN = INT64_MAX;

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;

    return add_ok(a, b, &sum) ? sum : UNKNOWN;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;

    if (!a || !b)
        return 0;
    return a < UNKNOWN && b < UNKNOWN && mul_ok(a, b, &product) ? product : UNKNOWN;
}

/* Operations of an expression; shared parts count again, up to `left` nodes. */
static int64_t expr_cost(const lp_kernel *k, lp_expr e, int *left)
{
    const lp_node *n = lp_at(k, e);
    int64_t sum = n->kind == LX_LOAD || n->kind == LX_DOT4 || n->kind == LX_FLOORDIV;

    if (n->kind == LX_SCALAR)
        sum = sc_of((sc_op)n->op)->cost;
    for (uint32_t i = 0; i < n->narg && n->kind != LX_LOAD && --*left > 0; i++)
        sum += expr_cost(k, k->arg.at[n->arg + i], left);
    return sum;
}

/* The most iterations that the loop can have, of which each is a vector in a vec loop. */
static int64_t trips(const lp_kernel *k, const lp_stmt *s)
{
    int64_t lo = lp_at(k, s->lo[0])->lo, hi = lp_at(k, s->hi[0])->hi, length;

    if (lo == INT64_MIN || hi == INT64_MAX || __builtin_sub_overflow(hi, lo, &length))
        return UNKNOWN;
    return length <= 0 ? 0 : (length - 1) / s->step[0] + 1;
}

/* How often a loop's body stands in the emitted code. */
static int64_t copies(const lp_kernel *k, const lp_stmt *s)
{
    if (s->kind == LP_UNROLL)
        return trips(k, s);
    return s->kind == LP_VEC && s->tail != LP_EXACT ? 2 : 1;
}

/* Operations that a run executes or, of the `text`, that the code has. */
static int64_t block_cost(const lp_kernel *k, const lp_stmt *s, bool text)
{
    int64_t sum = 0;

    for (; s; s = s->next) {
        int left = WHOLE_TEXT;
        int64_t body = s->body ? block_cost(k, s->body, text) : 0;
        int64_t other = s->other ? block_cost(k, s->other, text) : 0;
        if (s->op == LP_LOOP)
            sum = plus(sum, times(text ? copies(k, s) : trips(k, s), body));
        else if (s->op == LP_IF)
            sum = plus(sum, text ? plus(body, other) : max_i64(body, other));
        else if (s->op == LP_TRANSPOSE)
            sum = plus(sum, 8 * s->size);       /* rows in, rounds of exchanges, rows out */
        else if (s->op != LP_PREFETCH)
            sum = plus(sum, s->value ? plus(1, expr_cost(k, s->value, &left)) : 1);
    }
    return sum;
}

int64_t lp_iteration_cost(const lp_kernel *k)
{
    const lp_stmt *par = lp_find_par(k);

    return block_cost(k, par ? par->body : k->body, false);
}

int64_t lp_text_size(const lp_kernel *k)
{
    return block_cost(k, k->body, true);
}

/* Threads should take less time to begin and end the loop than its work does.  A kernel
 * on one thread costs more than its time, too: it takes lines from the other cores'
 * caches, and gives them back when those go on. */
int64_t lp_least_parallel(const lp_kernel *k, int32_t fork_ns)
{
    enum { PER_NS = 6 };        /* operations */
    int64_t worth = (int64_t)PER_NS * fork_ns;

    return max_i64(worth / max_i64(lp_iteration_cost(k), 1), 2);
}
