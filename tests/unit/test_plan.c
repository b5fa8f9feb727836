/* tests/unit/test_plan.c - no value is overwritten while it is needed.
 *
 * Random networks of products, sums, loops and branches are planned.  The plan
 * is then walked as a run would walk it, bodies of loops twice, with a note for
 * each range of the workspace of the value that was written there last.  What a
 * step reads must still be there: an oracle that knows nothing of lifetimes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the first of these */
#include <cmocka.h>

#include "lower.h"
#include "plan_build.h"

enum { SIZES = 2, MOST = 64, ROUNDS = 300 };

/* ---- random networks ------------------------------------------------------------------ */

typedef struct matrix {
    uint32_t rows, cols;        /* which of the sizes */
} matrix;

typedef struct net {
    text out;
    uint64_t random;
    const char *size[SIZES];
    matrix value[MOST];         /* %v0, %v1 .. */
    uint32_t values;
} net;

static uint32_t below(net *t, uint32_t n)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(t->random >> 33) % n;
}

/* A value with these extents; any rows if `rows` is SIZES. */
static uint32_t pick(net *t, uint32_t rows, uint32_t cols)
{
    uint32_t i = below(t, t->values), n = 0;

    while ((rows != SIZES && t->value[i].rows != rows) ||
           (cols != SIZES && t->value[i].cols != cols)) {
        i = (i + 1) % t->values;
        assert_true(n++ < t->values);
    }
    return i;
}

static void type(net *t, matrix x)
{
    text_add(&t->out, "f32[%s,%s]", t->size[x.rows], t->size[x.cols]);
}

static void result(net *t, matrix x)
{
    text_add(&t->out, " : ");
    type(t, x);
    text_add(&t->out, "\n");
    t->value[t->values++] = x;
}

static void add_product(net *t)
{
    uint32_t a = pick(t, SIZES, SIZES), b = pick(t, t->value[a].cols, SIZES);

    text_add(&t->out, "  %%v%u = dot %%v%u, %%v%u {sum_a=[1], sum_b=[0]}", t->values, a, b);
    result(t, (matrix){t->value[a].rows, t->value[b].cols});
}

static void add_sum(net *t)
{
    uint32_t a = pick(t, SIZES, SIZES), b = pick(t, t->value[a].rows, t->value[a].cols);

    text_add(&t->out, "  %%v%u = add %%v%u, %%v%u", t->values, a, b);
    result(t, t->value[a]);
}

static void add_transpose(net *t)
{
    uint32_t a = pick(t, SIZES, SIZES);

    text_add(&t->out, "  %%v%u = transpose %%v%u {perm=[1,0]}", t->values, a);
    result(t, (matrix){t->value[a].cols, t->value[a].rows});
}

/* `%name: type, ` of two parameters. */
static void parameters(net *t, const char *word, matrix x, const char *a, matrix w, const char *b)
{
    text_add(&t->out, " %s(%%%s: ", word, a);
    type(t, x);
    text_add(&t->out, ", %%%s: ", b);
    type(t, w);
    text_add(&t->out, ") {\n");
}

/* x times w, and times it again. */
static void two_products(net *t, matrix x, const char *a, const char *b)
{
    for (int i = 1; i <= 2; i++) {
        text_add(&t->out, "    %%%d = dot %%%s, %%%s {sum_a=[1], sum_b=[0]} : ", i, a, b);
        type(t, x);
        text_add(&t->out, "\n");
        a = "1";
    }
}

static void add_branch(net *t)
{
    uint32_t a = pick(t, SIZES, SIZES), w = pick(t, t->value[a].cols, t->value[a].cols);
    matrix x = t->value[a];

    text_add(&t->out, "  %%v%u = if %%flag, %%v%u, %%v%u", t->values, a, w);
    parameters(t, "yes", x, "p", t->value[w], "q");
    two_products(t, x, "p", "q");
    text_add(&t->out, "    yield %%2 }");
    parameters(t, "no", x, "p", t->value[w], "q");
    text_add(&t->out, "    %%1 = tanh %%p : ");
    type(t, x);
    text_add(&t->out, "\n    yield %%1 }");
    result(t, x);
}

static void add_loop(net *t)
{
    uint32_t a = pick(t, SIZES, SIZES), w = pick(t, t->value[a].cols, t->value[a].cols);
    matrix x = t->value[a];

    text_add(&t->out, "  %%v%u = loop %%flag, %%v%u, %%v%u {trip=3, carries=1}\n   ", t->values, a,
             w);
    text_add(&t->out, " body(%%i: i64[], %%c: ");
    type(t, x);
    text_add(&t->out, ", %%q: ");
    type(t, t->value[w]);
    text_add(&t->out, ") {\n");
    two_products(t, x, "c", "q");
    text_add(&t->out, "    %%3 = add %%2, %%c : ");
    type(t, x);
    text_add(&t->out, "\n    %%go = const 1 : bool[]\n    yield %%go, %%3 }");
    result(t, x);
}

/* Two results: the last value, and any other. */
static char *make_net(uint64_t seed)
{
    static void (*const any[])(net *) = {add_product, add_product, add_product, add_sum,
                                         add_transpose, add_branch, add_loop};
    net t = {.random = seed * 2654435761u + 77, .size = {"24", "9"}};

    if (below(&t, 2))
        t.size[0] = "n";
    if (below(&t, 2))
        t.size[1] = "m";
    text_add(&t.out, "entry main(%%flag: bool[]");
    for (uint32_t i = 0; i < SIZES * SIZES; i++) {
        t.value[t.values++] = (matrix){i / SIZES, i % SIZES};
        text_add(&t.out, ", %%v%u: ", i);
        type(&t, t.value[i]);
    }
    text_add(&t.out, ") {\n");
    for (uint32_t n = 5 + below(&t, 25); n--;)
        any[below(&t, COUNT(any))](&t);
    uint32_t last = t.values - 1;
    text_add(&t.out, "  return y=%%v%u, z=%%v%u\n}\n", last, 4 + below(&t, last - 3));
    return t.out.at;
}

/* ---- the walk ------------------------------------------------------------------------- */

typedef struct piece {          /* of the workspace: who wrote it last */
    uint32_t space, root;
    int64_t from, to;
} piece;

typedef VEC(piece) pieces;

typedef struct walk {
    const plan_entry *e;
    const lower *l;
    ir_module *m;
    pieces at;
    uint32_t lost;              /* value that was read, but no longer there; or PLAN_NONE */
} walk;

/* Where a value lies; false unless it is written by the run. */
static bool place(const walk *w, uint32_t root, piece *out)
{
    const plan_value *v = &w->e->value.at[root];
    const plan_slot *s = v->place == PLACE_SLOT ? &w->e->slot.at[v->of] : NULL;
    int64_t size;

    *out = (piece){0, root, 0, 1};
    if (v->place == PLACE_OUTPUT)
        out->space = 1 + w->e->slot.len + v->of;
    else if (!s)
        return false;
    else if (!s->fixed)
        out->space = 1 + v->of;
    else {
        assert_true(dim_const(&w->m->dims, s->size.at[0], &size));
        out->from = s->offset;
        out->to = s->offset + size;
        assert_true(out->to <= w->e->fixed && s->offset % 64 == 0);
    }
    return true;
}

static void see_write(walk *w, uint32_t v)
{
    uint32_t root = plan_root(w->e, v), kept = 0;
    piece p;

    if (!place(w, root, &p))
        return;
    for (uint32_t i = 0; i < w->at.len; i++) {
        piece q = w->at.at[i];
        if (q.space != p.space || q.to <= p.from || p.to <= q.from)
            w->at.at[kept++] = q;
    }
    w->at.len = kept;
    vec_push(&w->at, p);
}

static void see_read(walk *w, uint32_t v)
{
    uint32_t root = v == PLAN_NONE ? v : plan_root(w->e, v);
    piece p;

    if (v == PLAN_NONE || !place(w, root, &p))
        return;
    for (uint32_t i = 0; i < w->at.len; i++)
        if (w->at.at[i].root == root)
            return;
    w->lost = root;
}

/* Results and operands of a kernel never share bytes: what was read is still
 * there after the results. */
static void see_run(walk *w, const plan_step *s)
{
    const lp_kernel *k = w->l->kernel.at[s->u.run.kernel];

    assert_int_equal(k->param.len, s->u.run.narg);
    for (int after = 0; after < 2; after++)
        for (uint32_t i = 0; i < s->u.run.narg; i++) {
            bool writes = k->buf.at[k->param.at[i]].space == LP_OUT;
            if (!writes)
                see_read(w, s->u.run.arg[i]);
            else if (!after)
                see_write(w, s->u.run.arg[i]);
        }
}

static void see_block(walk *w, const plan_block *b);

/* What both branches leave. */
static void see_branches(walk *w, const plan_step *s)
{
    pieces before = {0}, yes;

    for (uint32_t i = 0; i < w->at.len; i++)
        vec_push(&before, w->at.at[i]);
    see_block(w, s->u.branch.yes);
    yes = w->at;
    w->at = before;
    see_block(w, s->u.branch.no);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->at.len; i++)
        for (uint32_t j = 0; j < yes.len; j++)
            if (yes.at[j].root == w->at.at[i].root) {
                w->at.at[kept++] = w->at.at[i];
                break;
            }
    w->at.len = kept;
    vec_free(&yes);
}

static void see_step(walk *w, const plan_step *s)
{
    switch (s->op) {
    case STEP_RUN: see_run(w, s); break;
    case STEP_STORE: see_write(w, s->u.store.to); break;
    case STEP_BIND: see_read(w, s->u.bind.value); break;
    case STEP_CHECK: see_read(w, s->u.check.cond.value); break;
    case STEP_COPY:
        see_read(w, s->u.copy.from);
        see_write(w, s->u.copy.to);
        break;
    case STEP_IF:
        see_read(w, s->u.branch.cond.value);
        see_branches(w, s);
        break;
    case STEP_LOOP:
        see_read(w, s->u.loop.cond.value);
        for (int i = 0; i < 2; i++) {
            see_block(w, s->u.loop.body);
            see_read(w, s->u.loop.again.value);
        }
        break;
    default: break;
    }
}

static void see_block(walk *w, const plan_block *b)
{
    for (uint32_t i = 0; i < b->step.len; i++)
        see_step(w, &b->step.at[i]);
}

/* The first value that a run would not find; PLAN_NONE if there is none. */
static uint32_t lost_value(const plan *p, const lower *l)
{
    walk w = {.e = p->entry.at[0], .l = l, .m = p->m, .lost = PLAN_NONE};

    see_block(&w, w.e->body);
    for (uint32_t v = 0; v < w.e->value.len; v++)
        if (w.e->value.at[v].place == PLACE_OUTPUT)
            see_read(&w, v);
    vec_free(&w.at);
    return w.lost;
}

/* ---- tests ------------------------------------------------------------------------------ */

typedef struct planned {
    int64_t taken;              /* bytes of slots; -1: the budget was not met */
    uint32_t again;             /* steps that run again */
    bool finds_all;
} planned;

static int64_t taken(const plan_entry *e)
{
    int64_t sum = e->fixed;

    for (uint32_t i = 0; i < e->slot.len; i++)
        sum += !e->slot.at[i].fixed;    /* a budget of this much is too small for any */
    return sum;
}

static uint32_t steps_again(const plan_entry *e)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < e->body->step.len; i++)
        n += e->body->step.at[i].note && strstr(e->body->step.at[i].note, " again") != NULL;
    return n;
}

static planned walk_plan(plan *p, const lower *l, void (*spoil)(plan_entry *))
{
    if (spoil)
        spoil(p->entry.at[0]);
    uint32_t lost = lost_value(p, l);
    if (lost != PLAN_NONE && !spoil)
        print_error("value %u '%s' is overwritten too soon\n", lost,
                    p->entry.at[0]->value.at[lost].name);
    return (planned){taken(p->entry.at[0]), steps_again(p->entry.at[0]), lost == PLAN_NONE};
}

/* Plans a network within a budget (0: any), lets `spoil` at the plan if given, and walks it. */
static planned plan_and_walk(const char *source, int64_t budget, void (*spoil)(plan_entry *))
{
    diag d;
    lower l;
    target cpu;
    plan_options o = {.lower = lower_group, .lower_cx = &l, .target = &cpu, .budget = budget};

    assert_true(target_find("x86-64-v3", &cpu));
    diag_init(&d);
    ir_module *m = ir_parse(source, "net", &d);
    if (!m)
        fail_msg("%s\n%s", source, d.message.at[0].text);
    lower_init(&l, m, &cpu, "net", &d);
    plan *p = plan_build(m, &o, &d);
    if (!p && (!budget || d.message.at[0].id != D_MEMORY))
        fail_msg("%s\nnot planned", source);
    planned out = p ? walk_plan(p, &l, spoil) : (planned){.taken = -1, .finds_all = true};
    plan_free(p);
    lower_free(&l);
    ir_module_free(m);
    diag_free(&d);
    return out;
}

static bool finds_all(const char *source, void (*spoil)(plan_entry *))
{
    return plan_and_walk(source, 0, spoil).finds_all;
}

static uint64_t first_seed(void)
{
    const char *given = getenv("INGOT_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;

    print_message("seeds from %" PRIu64 " (INGOT_SEED)\n", first);
    return first;
}

static void random_nets(void **state)
{
    uint64_t first = first_seed();

    (void)state;
    for (uint64_t seed = first; seed < first + ROUNDS; seed++) {
        char *source = make_net(seed);
        if (!finds_all(source, NULL))
            fail_msg("seed %" PRIu64 ":\n%s", seed, source);
        free(source);
    }
}

/* Nets in less memory than they take by themselves: the budget is kept, or refused. */
static void random_budgets(void **state)
{
    uint64_t first = first_seed();
    uint32_t again = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + ROUNDS; seed++) {
        char *source = make_net(seed);
        int64_t all = plan_and_walk(source, 0, NULL).taken;
        int64_t budget = all / 10 * (int64_t)(5 + seed % 5);
        planned less = plan_and_walk(source, budget, NULL);
        if (!less.finds_all || (budget && less.taken > budget))
            fail_msg("seed %" PRIu64 " in %" PRId64 " bytes:\n%s", seed, budget, source);
        again += less.again;
        free(source);
    }
    print_message("%u steps ran again\n", again);
    assert_true(again > 0);
}

static void all_at_the_start(plan_entry *e)
{
    for (uint32_t i = 0; i < e->slot.len; i++)
        e->slot.at[i].offset = 0;
}

static void all_in_one_slot(plan_entry *e)
{
    for (uint32_t i = 0; i < e->value.len; i++)
        if (e->value.at[i].place == PLACE_SLOT)
            e->value.at[i].of = 0;
}

/* The walk sees what it is there for. */
static void bad_plans(void **state)
{
    static const char net[] = "entry main(%x: f32[N,N]) {\n"
                              "  %1 = dot %x, %x {sum_a=[1], sum_b=[0]} : f32[N,N]\n"
                              "  %2 = dot %1, %x {sum_a=[1], sum_b=[0]} : f32[N,N]\n"
                              "  %3 = dot %2, %1 {sum_a=[1], sum_b=[0]} : f32[N,N]\n"
                              "  return y=%3\n}\n";
    char fixed[sizeof net];

    (void)state;
    for (size_t i = 0; i < sizeof net; i++)
        fixed[i] = net[i] == 'N' ? '8' : net[i];
    assert_true(finds_all(fixed, NULL));
    assert_false(finds_all(fixed, all_at_the_start));
    assert_true(finds_all(net, NULL));
    assert_false(finds_all(net, all_in_one_slot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_nets),
                                       cmocka_unit_test(random_budgets),
                                       cmocka_unit_test(bad_plans)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
