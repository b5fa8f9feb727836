/* codegen/lower/alike.c - kernels that differ in counts alone become one.
 *
 * A trainer has each step twice, for a batch and for any number of rows, and most kernels of the
 * one differ from those of the other in nothing but the outermost extents of their parameters,
 * and how often they run their loops; so do those of layers with more or fewer channels.  One
 * kernel that is told these counts with each call does what they all do, and takes no longer: an
 * outermost extent is in no address, and a loop ends at a register as it does at a literal.
 *   An extent further in is a stride.  It counts where only loops that run step along the axes in
 * front of it: nothing is unrolled or a vector there, so one address steps by a register, too.
 * Variables of the parallel loop behind the first are found by divisions: these stay literals.
 *
 *   kernel k3(x: f32[64, 7] in, ..) { par i in 0..64 { ..
 *   kernel k8(x: f32[d0, 7] in, ..) dims d0 { par i in 0..d0 { ..     both are
 *   kernel k3(x: f32[n, 7] in, ..) dims n { par i in 0..n { ..        of 64, and of d0
 *
 * To find them, the counts of each kernel become dims, whereby those that are alike have the same
 * text.  What they are made to is read from that text, for what a kernel knows of its expressions
 * follows from the counts. */
#include "lower.h"

/* One of a list of extents or of bounds, in a kernel; or the number in a bound min(x, number). */
typedef struct count {
    const lp_expr **list;
    uint32_t n, at;
    lp_expr least;              /* the bound; 0: the count is all of it */
    lp_expr was, open;          /* a literal or a dim; the dim that it became */
} count;

/* A kernel whose counts are dims. */
typedef struct opened {
    lp_kernel *k;
    VEC(count) count;
    VEC(lp_var) dim;            /* that it had */
    VEC(lp_var) kept;           /* of these the ones that are more than counts */
    text key;
    int64_t cost;               /* of an iteration, before */
    uint32_t next;              /* of those that are alike; UINT32_MAX: none */
} opened;

/* A dim of a kernel that others became: where their calls have it. */
typedef struct source {
    bool literal;
    int64_t value;              /* or the place among the call's dims */
} source;

/* What became of a kernel. */
typedef struct moved {
    uint32_t kernel;
    bool told;                  /* its dims are `from` */
    VEC(source) from;
} moved;

/* ---- counts --------------------------------------------------------------------------- */

static void set_count(lp_kernel *k, const count *c, lp_expr e)
{
    lp_expr *list = arena_copy(&k->mem, *c->list, c->n * sizeof *list);

    list[c->at] = c->least ? lp_rebuild(k, c->least, LP(k->arg.at[lp_at(k, c->least)->arg], e)) : e;
    *c->list = list;
}

static bool is_count(const lp_kernel *k, lp_expr e)
{
    const lp_node *n = lp_at(k, e);

    return n->kind == LX_LITERAL ||
           (n->kind == LX_VAR && k->var.at[n->ref].kind == LP_DIM);
}

static void find_count(opened *o, const lp_expr **list, uint32_t n, uint32_t at)
{
    if (is_count(o->k, (*list)[at]))
        vec_push(&o->count, (count){.list = list, .n = n, .at = at, .was = (*list)[at]});
}

/* A bound of a vec loop that is a literal says how the loop ends. */
static void find_bound(opened *o, lp_stmt *s)
{
    const lp_node *n = lp_at(o->k, s->hi[0]);
    bool least = n->kind == LX_SCALAR && n->op == SC_MIN;
    lp_expr most = least ? o->k->arg.at[n->arg + 1] : 0;

    if (s->kind == LP_PAR || s->kind == LP_FOR)
        find_count(o, &s->hi, s->nvar, 0);
    if (least && is_count(o->k, most) && (s->kind == LP_FOR || s->tail == LP_MASKED))
        vec_push(&o->count, (count){.list = &s->hi, .n = s->nvar, .least = s->hi[0], .was = most});
}

static void find_bounds(opened *o, lp_stmt *s)
{
    for (; s; s = s->next) {
        if (s->op == LP_LOOP)
            find_bound(o, s);
        find_bounds(o, s->body);
        find_bounds(o, s->other);
    }
}

/* ---- strides ---------------------------------------------------------------------------- */

/* Which variables step by loops that run, and how many axes of each buffer are indexed by these
 * alone, from the first on. */
typedef struct strides {
    const lp_kernel *k;
    bool *rolled;               /* by lp_var */
    uint32_t *axes;             /* by lp_buf */
} strides;

static bool is_rolled(const strides *x, lp_expr e)
{
    for (lp_var v = 1; v < x->k->var.len; v++)
        if (!x->rolled[v] && lp_depends(x->k, e, v))
            return false;
    return true;
}

static void see_access(strides *x, lp_buf b, const lp_expr *idx)
{
    uint32_t n = 0;

    while (n < x->axes[b] && is_rolled(x, idx[n]))
        n++;
    x->axes[b] = n;
}

static void see_loops(strides *x, const lp_stmt *s)
{
    for (; s; s = s->next) {
        bool runs = s->op == LP_LOOP && (s->kind == LP_PAR || s->kind == LP_FOR);
        for (uint32_t i = 0; runs && i < s->nvar; i++)
            x->rolled[s->var[i]] = true;
        see_loops(x, s->body);
        see_loops(x, s->other);
    }
}

static void see_block(strides *x, const lp_stmt *s)
{
    for (; s; s = s->next) {
        if (s->idx)
            see_access(x, s->buf, s->idx);
        if (s->from_idx)
            see_access(x, s->from, s->from_idx);
        see_block(x, s->body);
        see_block(x, s->other);
    }
}

static strides strides_of(const lp_kernel *k)
{
    strides x = {k, mem_alloc(k->var.len * sizeof *x.rolled),
                 mem_alloc(k->buf.len * sizeof *x.axes)};

    for (lp_var v = 1; v < k->var.len; v++)
        x.rolled[v] = k->var.at[v].kind == LP_DIM;
    for (lp_buf b = 1; b < k->buf.len; b++)
        x.axes[b] = (uint32_t)k->buf.at[b].rank;
    see_loops(&x, k->body);
    see_block(&x, k->body);
    for (lp_expr e = 1; e < k->node.len; e++)
        if (k->node.at[e].kind == LX_LOAD)
            see_access(&x, k->node.at[e].ref, k->arg.at + k->node.at[e].arg);
    return x;
}

/* Extents of parameters that are in no stride, or in those of axes that loops step along. */
static void find_extents(opened *o)
{
    lp_kernel *k = o->k;
    strides x = strides_of(k);

    for (uint32_t i = 0; i < k->param.len; i++) {
        lp_buffer *b = &k->buf.at[k->param.at[i]];
        uint32_t rank = (uint32_t)b->rank;
        for (uint32_t axis = 0; axis <= x.axes[k->param.at[i]] && axis < rank; axis++)
            find_count(o, &b->dims, rank, axis);
    }
    mem_free(x.rolled);
    mem_free(x.axes);
}

/* ---- opening -------------------------------------------------------------------------- */

static bool list_has(const lp_kernel *k, const lp_expr *e, uint32_t n, lp_var v)
{
    for (uint32_t i = 0; e && i < n; i++)
        if (lp_depends(k, e[i], v))
            return true;
    return false;
}

static bool block_has(const lp_kernel *k, const lp_stmt *s, lp_var v)
{
    for (; s; s = s->next) {
        const lp_buffer *buf = &k->buf.at[s->buf], *from = &k->buf.at[s->from];
        if ((s->value && lp_depends(k, s->value, v)) || list_has(k, s->lo, s->nvar, v) ||
            list_has(k, s->hi, s->nvar, v) || list_has(k, s->idx, (uint32_t)buf->rank, v) ||
            list_has(k, s->from_idx, (uint32_t)from->rank, v) ||
            (s->op == LP_LOCAL && list_has(k, buf->dims, (uint32_t)buf->rank, v)) ||
            block_has(k, s->body, v) || block_has(k, s->other, v))
            return true;
    }
    return false;
}

static bool kernel_has(const lp_kernel *k, lp_var v)
{
    for (uint32_t i = 0; i < k->param.len; i++) {
        const lp_buffer *b = &k->buf.at[k->param.at[i]];
        if (list_has(k, b->dims, (uint32_t)b->rank, v))
            return true;
    }
    return block_has(k, k->body, v);
}

/* The dims of counts come first, the others behind them. */
static void open_kernel(opened *o, lp_kernel *k)
{
    *o = (opened){.k = k, .cost = lp_iteration_cost(k), .next = UINT32_MAX};
    for (uint32_t i = 0; i < k->dim.len; i++)
        vec_push(&o->dim, k->dim.at[i]);
    k->dim.len = 0;
    find_extents(o);
    find_bounds(o, k->body);
    for (uint32_t i = 0; i < o->count.len; i++) {
        o->count.at[i].open = lp_dim_range(k, "n", 0, INT64_MAX, 1);
        set_count(k, &o->count.at[i], o->count.at[i].open);
    }
    for (uint32_t i = 0; i < o->dim.len; i++)
        if (kernel_has(k, o->dim.at[i])) {
            vec_push(&o->kept, o->dim.at[i]);
            vec_push(&k->dim, o->dim.at[i]);
        }
    lp_print_anonymous(k, &o->key);
}

/* As it was before. */
static void close_kernel(opened *o)
{
    o->k->dim.len = 0;
    for (uint32_t i = 0; i < o->dim.len; i++)
        vec_push(&o->k->dim, o->dim.at[i]);
    for (uint32_t i = 0; i < o->count.len; i++)
        set_count(o->k, &o->count.at[i], o->count.at[i].was);
}

static void free_opened(opened *o)
{
    vec_free(&o->count);
    vec_free(&o->dim);
    vec_free(&o->kept);
    text_free(&o->key);
}

/* ---- what alike ones become ------------------------------------------------------------ */

typedef struct alike {
    lower *l;
    opened *of;                 /* by kernel; those that take no part have no k */
    moved *to;                  /* by kernel */
} alike;

/* Is count i the same literal in all that are alike? */
static bool is_fixed(const alike *a, uint32_t first, uint32_t i)
{
    int64_t v, w;

    if (!lp_is_int(a->of[first].k, a->of[first].count.at[i].was, &v))
        return false;
    for (uint32_t m = a->of[first].next; m != UINT32_MAX; m = a->of[m].next)
        if (!lp_is_int(a->of[m].k, a->of[m].count.at[i].was, &w) || v != w)
            return false;
    return true;
}

/* The first count that is what count i is, in each. */
static uint32_t same_as(const alike *a, uint32_t first, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++) {
        uint32_t m = first;
        while (m != UINT32_MAX && a->of[m].count.at[i].was == a->of[m].count.at[j].was)
            m = a->of[m].next;
        if (m == UINT32_MAX)
            return j;
    }
    return i;
}

/* From the least to the most that it is in any of them. */
static void bound_count(const alike *a, uint32_t first, uint32_t i, lp_variable *v)
{
    v->lo = INT64_MAX;
    v->hi = INT64_MIN;
    for (uint32_t m = first; m != UINT32_MAX; m = a->of[m].next) {
        const lp_node *n = lp_at(a->of[m].k, a->of[m].count.at[i].was);
        v->lo = min_i64(v->lo, n->lo);
        v->hi = max_i64(v->hi, n->hi);
    }
}

static source dim_source(const opened *o, lp_expr e)
{
    int64_t v = 0;

    if (lp_is_int(o->k, e, &v))
        return (source){true, v};
    while (o->dim.at[v] != lp_var_of(o->k, e))
        v++;
    return (source){false, v};
}

static void add_sources(const alike *a, uint32_t first, uint32_t i)
{
    for (uint32_t m = first; m != UINT32_MAX; m = a->of[m].next)
        vec_push(&a->to[m].from, dim_source(&a->of[m], a->of[m].count.at[i].was));
}

/* The first one gets what they have in common, and as dims what they have not. */
static void share_counts(const alike *a, uint32_t first)
{
    opened *o = &a->of[first];

    o->k->dim.len = 0;
    for (uint32_t i = 0; i < o->count.len; i++) {
        const count *c = &o->count.at[i];
        uint32_t same = same_as(a, first, i);
        if (is_fixed(a, first, i)) {
            set_count(o->k, c, c->was);
        } else if (same < i) {
            set_count(o->k, c, o->count.at[same].open);
        } else {
            lp_var v = lp_var_of(o->k, c->open);
            bound_count(a, first, i, &o->k->var.at[v]);
            vec_push(&o->k->dim, v);
            add_sources(a, first, i);
        }
    }
    for (uint32_t i = 0; i < o->kept.len; i++) {
        vec_push(&o->k->dim, o->kept.at[i]);
        for (uint32_t m = first; m != UINT32_MAX; m = a->of[m].next)
            vec_push(&a->to[m].from,
                     dim_source(&a->of[m], lp_var_expr(a->of[m].k, a->of[m].kept.at[i])));
    }
}

static lp_kernel *read_kernel(const lp_kernel *k)
{
    text t = {0};
    ir_loc loc = {0};
    diag d;

    diag_init(&d);
    lp_print(k, &t);
    const char *s = t.at;
    lp_kernel *out = lp_parse(&s, &loc, &d);
    ICE_IF(!out || !lp_verify(out, &d), "%s",
           d.message.len ? d.message.at[0].text : "no message");
    text_free(&t);
    diag_free(&d);
    return out;
}

static void make_one(const alike *a, uint32_t first)
{
    share_counts(a, first);
    lp_kernel *one = read_kernel(a->of[first].k);
    for (uint32_t m = first; m != UINT32_MAX; m = a->of[m].next) {
        a->to[m].told = true;
        a->to[m].kernel = first;
        lp_kernel_free(a->of[m].k);
        a->l->kernel.at[m] = NULL;
    }
    a->l->kernel.at[first] = one;
}

/* ---- all kernels -------------------------------------------------------------------------- */

/* Lists k behind those that it is like, if there are some. */
static void join(const alike *a, map *by_key, uint32_t k)
{
    const text *key = &a->of[k].key;
    uint64_t h = hash_bytes(key->at, key->len, 0);

    for (uint32_t p = map_find(by_key, h); p != MAP_NONE; p = map_next(by_key, h, p)) {
        opened *first = &a->of[map_id(by_key, p)];
        if (first->key.len == key->len && !memcmp(first->key.at, key->at, key->len)) {
            a->of[k].next = first->next;
            first->next = k;
            return;
        }
    }
    map_add(by_key, h, k);
}

/* Kernels of entries that are written out keep what they know. */
static bool *takes_part(const lower *l, const plan *p)
{
    bool *part = mem_alloc((l->kernel.len + 1) * sizeof *part);

    memset(part, true, l->kernel.len * sizeof *part);
    for (uint32_t i = 0; i < p->entry.len; i++) {
        const plan_block *b = p->entry.at[i]->body;
        for (uint32_t s = 0; lower_is_whole(l, p->entry.at[i]) && s < b->step.len; s++)
            part[b->step.at[s].u.run.kernel] = false;
    }
    return part;
}

/* No gaps are left, and names have the numbers. */
static void renumber(lower *l, moved *to)
{
    size_t head = strlen(l->prefix) + strlen("_k");
    uint32_t n = 0, *id = mem_alloc((l->kernel.len + 1) * sizeof *id);

    for (uint32_t i = 0; i < l->kernel.len; i++) {
        lp_kernel *k = l->kernel.at[i];
        if (!k)
            continue;
        const char *what = strchr(k->name + head, '_') + 1;
        k->name = arena_printf(&k->mem, "%s_k%u_%s", l->prefix, n, what);
        id[i] = n;
        l->kernel.at[n++] = k;
    }
    for (uint32_t i = 0; i < l->kernel.len; i++)
        to[i].kernel = id[to[i].kernel];
    l->kernel.len = n;
    map_free(&l->by_text);
    mem_free(id);
}

static void move_step(const alike *a, plan *p, plan_step *s)
{
    uint32_t before = s->u.run.kernel;
    const moved *at = &a->to[before];
    ir_dim *dim = arena_array(&p->mem, ir_dim, at->from.len + 1);

    s->u.run.kernel = at->kernel;
    if (!at->told)
        return;
    for (uint32_t i = 0; i < at->from.len; i++)
        dim[i] = at->from.at[i].literal ? dim_int(&p->m->dims, at->from.at[i].value)
                                        : s->u.run.dim[at->from.at[i].value];
    s->u.run.dim = dim;
    s->u.run.ndim = at->from.len;
    s->u.run.cost = a->of[before].cost;
}

void lower_alike(lower *l, plan *p)
{
    uint32_t n = l->kernel.len;
    alike a = {l, mem_alloc((n + 1) * sizeof *a.of), mem_alloc((n + 1) * sizeof *a.to)};
    bool *part = takes_part(l, p);
    map by_key = {0};

    for (uint32_t i = 0; i < n; i++) {
        a.to[i].kernel = i;
        if (part[i])
            open_kernel(&a.of[i], l->kernel.at[i]);
        if (part[i])
            join(&a, &by_key, i);
    }
    for (uint32_t i = 0; i < n; i++)
        if (a.of[i].k && a.of[i].next == UINT32_MAX && !a.to[i].told)
            close_kernel(&a.of[i]);
        else if (a.of[i].k && !a.to[i].told)
            make_one(&a, i);
    renumber(l, a.to);
    for (uint32_t i = 0; i < p->block.len; i++)
        for (uint32_t k = 0; k < p->block.at[i]->step.len; k++)
            if (p->block.at[i]->step.at[k].op == STEP_RUN)
                move_step(&a, p, &p->block.at[i]->step.at[k]);
    for (uint32_t i = 0; i < n; i++) {
        free_opened(&a.of[i]);
        vec_free(&a.to[i].from);
    }
    map_free(&by_key);
    mem_free(part);
    mem_free(a.of);
    mem_free(a.to);
}
