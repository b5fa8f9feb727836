/* tests/unit/test_lower.c - templates against the evaluator: random networks
 * are lowered, every kernel is verified, read back from its text and
 * interpreted on the evaluator's values.
 *
 * Iterations of the parallel loop run last to first, so that those that depend
 * on each other show. */
#include <ctype.h>

#include "random_net.h"

#include "fuse.h"
#include "lower.h"

static int64_t value_of(net *t, ir_dim d)
{
    int64_t v = 0;

    assert_true(dim_eval(&t->m->dims, d, t->eval.symbol, &v));
    return v;
}

/* The text reads back as the same kernel, which verifies. */
static void check_text(net *t, lp_kernel *k)
{
    text out = {0}, again = {0};
    ir_loc loc = {.line = 1};

    lp_print(k, &out);
    const char *s = out.at;
    lp_kernel *copy = lp_parse(&s, &loc, &t->d);
    if (!copy || !lp_verify(copy, &t->d) || !lp_disjoint(copy, &t->d))
        fail_net(t, k, t->d.message.at[0].text);
    lp_print(copy, &again);
    assert_string_equal(out.at, again.at);
    lp_kernel_free(copy);
    text_free(&out);
    text_free(&again);
}

static void *argument(net *t, const ir_group *g, const group_arg *a, void *const *temp,
                      void *const *out)
{
    if (a->kind == ARG_TEMP)
        return temp[a->id];
    if (a->kind == ARG_VALUE) {
        for (uint32_t i = 0; i < g->nout; i++)
            if (g->out[i] == a->id)
                return out[i];
        assert_non_null(t->value[a->id]);
        return t->value[a->id]->data;
    }
    int64_t n = const_bytes_of(t->m, a->id);
    void *data = arena_alloc(&t->mem, (size_t)n);
    const_read(t->m, a->id, 0, n / dt_size(t->m->consts.at[a->id].type->dtype), data);
    return data;
}

static void run_call(net *t, const lower *l, const ir_group *g, const group_call *c,
                     void *const *temp, void *const *out)
{
    void **arg = arena_array(&t->mem, void *, 2 + c->narg + c->ndim);
    lp_kernel *k = l->kernel.at[c->kernel];

    check_text(t, k);
    for (uint32_t i = 0; i < c->narg; i++)
        arg[2 + i] = argument(t, g, &c->arg[i], temp, out);
    for (uint32_t i = 0; i < c->ndim; i++)
        arg[2 + c->narg + i] = (void *)(intptr_t)value_of(t, c->dim[i]);
    for (int64_t i = value_of(t, c->trip); i-- > 0;)
        if (!lp_interpret(k, arg, i, i + 1, &t->d))
            fail_net(t, k, t->d.message.at[0].text);
}

static bool has_kernels(const net *t, const ir_group *g)
{
    for (uint32_t i = 0; i < g->nout; i++)
        if (ir_type_of(t->fn, g->out[i])->kind != TY_TENSOR)
            return false;
    return g->template != TEMPLATE_NONE && g->nout;
}

static void run_group(net *t, lower *l, const ir_groups *groups, const ir_group *g)
{
    group_code code;

    if (!lower_group(l, groups, g, &code))
        fail_net(t, NULL, t->d.gap.len ? t->d.gap.at[0].reason : "not lowered");
    void **temp = arena_array(&t->mem, void *, code.ntemp + 1);
    void **out = arena_array(&t->mem, void *, g->nout);
    for (uint32_t i = 0; i < code.ntemp; i++)
        temp[i] = arena_alloc(&t->mem, (size_t)value_of(t, code.temp[i]));
    for (uint32_t i = 0; i < g->nout; i++) {
        const ir_val *v = t->value[g->out[i]];
        out[i] = arena_alloc(&t->mem, (size_t)(val_count(v) * dt_size(v->dtype)));
        memset(out[i], 0xa5, (size_t)(val_count(v) * dt_size(v->dtype)));
    }
    for (uint32_t i = 0; i < code.ncall; i++)
        run_call(t, l, g, &code.call[i], temp, out);
    for (uint32_t i = 0; i < g->nout; i++)
        expect_elements(t, l->kernel.at[l->kernel.len - 1], g->out[i], out[i]);
}

/* Lowers and runs all groups; `given` may be null.  The schedules that were followed
 * go to `out`, if there is one. */
static void run_kernels(net *t, const target *cpu, schedules *given, text *out)
{
    ir_groups groups = {0};
    lower l;

    fuse(t->fn, cpu, false, &groups);
    lower_init(&l, t->m, cpu, "test", &t->d);
    l.given = given;
    for (uint32_t i = 0; i < groups.group.len; i++)
        if (has_kernels(t, &groups.group.at[i]))
            run_group(t, &l, &groups, &groups.group.at[i]);
    if (out)
        schedules_print(&l.chosen, out);
    lower_free(&l);
    fuse_free(&groups);
}

/* From 1 to v; 0, which says that the kernel does without, stays. */
static int32_t up_to(net *t, int32_t v)
{
    return v ? 1 + (int32_t)below(t, (uint32_t)v) : 0;
}

/* A schedule whose tile, groups and runs are no larger than those of s; squares of any side. */
static void change(net *t, const char *problem, schedule *s)
{
    bool products = s->rows;

    s->square = strstr(problem, " squares") ? 2 * (int32_t)below(t, 3) : 0;
    s->rows = up_to(t, s->rows);
    s->vectors = up_to(t, s->vectors);
    if (!products)
        s->lanes = (int32_t)max_i64(s->lanes >> below(t, 3), 1);
    if (!strncmp(problem, "turn ", 5)) {
        s->lanes = (int32_t)max_i64(s->lanes, 2);
        s->chunks = (int32_t)below(t, 4);
    }
    if (!strncmp(problem, "argrows ", 8) && chance(t, 50))
        s->lanes = 1 << below(t, 4);
    s->parts = !s->parts || (chance(t, 50) && !s->square) ? s->parts : 1;
    s->group = up_to(t, s->group);
    if (!strncmp(problem, "dot ", 4) && isdigit(strstr(problem, " m=")[3])) {
        s->group = (int32_t)below(t, 4);
        s->deep = s->group && s->parts == 1 && chance(t, 50) ? 1 + (int32_t)below(t, 5) : 0;
    }
    s->run = up_to(t, s->run);
    s->next = up_to(t, s->next) && chance(t, 50);
    s->ahead = s->pack && chance(t, 50) ? 256 : 0;
}

/* The results are the same with the chosen schedules and with any others. */
static void check_target(net *t, const target *cpu)
{
    text chosen = {0}, followed = {0};
    schedules given = {0};

    run_kernels(t, cpu, NULL, &chosen);
    if (chosen.len) {
        assert_true(schedules_parse(&given, chosen.at, 0, &t->d));
        for (uint32_t i = 0; i < given.entry.len; i++)
            change(t, given.entry.at[i].problem, &given.entry.at[i].s);
        run_kernels(t, cpu, &given, &followed);
        assert_true(schedules_used(&given, &t->d) && !diag_failed(&t->d));
        chosen.len = 0;
        schedules_print(&given, &chosen);
        assert_string_equal(followed.at, chosen.at);
    }
    schedules_free(&given);
    text_free(&chosen);
    text_free(&followed);
}

/* For a usual processor of the level, for one whose half registers are as fast, and for one
 * whose cache holds next to nothing. */
static void check_kernels(net *t, const target *cpu)
{
    target halves = *cpu, small = *cpu;

    halves.half_as_fast = true;
    small.l2_bytes = 512;
    check_target(t, cpu);
    check_target(t, &halves);
    check_target(t, &small);
}

/* Networks of a kind: fewer where each load and store is checked, which takes ten times as
 * long. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(address_sanitizer)
enum { ROUNDS = 15 };
#else
enum { ROUNDS = 40 };
#endif

#define TEST(what)                                                               \
    static void test_##what(void **state)                                        \
    {                                                                            \
        const char *cpu[] = {"x86-64", "x86-64-v3", "x86-64-v4"};                \
                                                                                 \
        (void)state;                                                             \
        run_rounds(#what, make_##what, ROUNDS, cpu, COUNT(cpu), check_kernels);  \
    }
NETS(TEST)

int main(void)
{
#define ROW(what) cmocka_unit_test(test_##what),
    const struct CMUnitTest tests[] = {NETS(ROW)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
