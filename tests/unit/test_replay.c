/* tests/unit/test_replay.c - schedules that were printed, read again and followed, give
 * the same kernels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lower.h"
#include "plan_build.h"

/* Kernels and schedules of the model in `source`, which follows those given, if any. */
static void lower_model(const char *source, const target *cpu, schedules *given, text *kernels,
                        text *chosen)
{
    lower l;
    diag d;

    diag_init(&d);
    ir_module *m = ir_parse(source, "net", &d);
    if (!m)
        fail_msg("%s\n%s", source, d.message.at[0].text);
    lower_init(&l, m, cpu, "net", &d);
    l.given = given;
    plan_options o = {.lower = lower_group, .lower_cx = &l, .target = cpu};
    plan *p = plan_build(m, &o, &d);
    assert_true(p && !diag_failed(&d) && (!given || schedules_used(given, &d)));
    for (uint32_t i = 0; i < l.kernel.len; i++)
        lp_print(l.kernel.at[i], kernels);
    schedules_print(&l.chosen, chosen);
    plan_free(p);
    lower_free(&l);
    ir_module_free(m);
    diag_free(&d);
}

/* Followed, the schedules of a model change nothing: there are so many. */
static void expect_replay(const char *source, size_t problems)
{
    text kernels = {0}, chosen = {0}, again = {0}, followed = {0};
    schedules given = {0};
    target cpu;
    diag d;

    diag_init(&d);
    assert_true(target_find("x86-64-v4", &cpu));
    cpu.half_as_fast = true;
    lower_model(source, &cpu, NULL, &kernels, &chosen);
    assert_true(schedules_parse(&given, chosen.at, diag_place(&d, "s"), &d));
    assert_int_equal(given.entry.len, problems);
    lower_model(source, &cpu, &given, &again, &followed);
    assert_string_equal(chosen.at, followed.at);
    assert_string_equal(kernels.at, again.at);
    schedules_free(&given);
    text_free(&kernels);
    text_free(&chosen);
    text_free(&again);
    text_free(&followed);
    diag_free(&d);
}

/* Products of the same extents, whose second operand is constant, apart and stored. */
static void test_dot(void **state)
{
    (void)state;
    expect_replay("const @0 = f32[64,64] splat 0.5\n"
                  "entry main(%a: f32[n,64], %b: f32[64,64]) {\n"
                  "  %0 = const @0 : f32[64,64]\n"
                  "  %1 = dot %a, %0 {sum_a=[1], sum_b=[0]} : f32[n,64]\n"
                  "  %2 = dot %a, %b {sum_a=[1], sum_b=[1]} : f32[n,64]\n"
                  "  %3 = dot %a, %b {sum_a=[1], sum_b=[0]} : f32[n,64]\n"
                  "  return %1, %2, %3\n"
                  "}\n",
                  3);
}

/* A convolution, with the axes of its channels and the dilation of its image. */
#define CONV(args, axes, dilation)                                                     \
    " = conv " args " {xb=[0], xs=[2,3], yb=[0], ys=[2,3], stride=[1,1], low=[0,0], " \
    "high=[0,0], ldil=[1," dilation "], rdil=[1,1], " axes "}"

/* Convolutions of the same extents: of the image, the result, both or neither the
 * channels are in blocks; and an image that is dilated. */
static void test_conv(void **state)
{
    (void)state;
    expect_replay(
        "const @0 = f32[32,32,1,1] splat 0.5\n"
        "const @1 = f32[4,8,32,1,1] splat 0.5\n"
        "const @2 = f32[32,4,8,1,1] splat 0.5\n"
        "const @3 = f32[4,8,4,8,1,1] splat 0.5\n"
        "entry main(%x: f32[1,32,14,27], %b: f32[1,4,14,27,8], %d: f32[1,32,14,14]) {\n"
        "  %0 = const @0 : f32[32,32,1,1]\n"
        "  %1 = const @1 : f32[4,8,32,1,1]\n"
        "  %2 = const @2 : f32[32,4,8,1,1]\n"
        "  %3 = const @3 : f32[4,8,4,8,1,1]\n"
        "  %4" CONV("%x, %0", "xf=[1], wo=[0], wf=[1], ws=[2,3], yo=[1]", "1")
        " : f32[1,32,14,27]\n"
        "  %5" CONV("%x, %1", "xf=[1], wo=[0,1], wf=[2], ws=[3,4], yo=[1,4]", "1")
        " : f32[1,4,14,27,8]\n"
        "  %6" CONV("%b, %2", "xf=[1,4], wo=[0], wf=[1,2], ws=[3,4], yo=[1]", "1")
        " : f32[1,32,14,27]\n"
        "  %7" CONV("%b, %3", "xf=[1,4], wo=[0,1], wf=[2,3], ws=[4,5], yo=[1,4]", "1")
        " : f32[1,4,14,27,8]\n"
        "  %8" CONV("%d, %0", "xf=[1], wo=[0], wf=[1], ws=[2,3], yo=[1]", "2")
        " : f32[1,32,14,27]\n"
        "  return %4, %5, %6, %7, %8\n"
        "}\n",
        5);
}

/* Elements in order and moved, reductions along both axes, rows of a softmax's kind, windows
 * with and without channels beside them. */
static const char loops[] =
    "entry main(%e: f32[77], %x: f32[n,300], %i: f32[2,9,40,24], %s: f32[]) {\n"
    "  %1 = exp %e : f32[77]\n"
    "  %2 = reduce %x {op=sum, axes=[1]} : f32[n]\n"
    "  %3 = reduce %x {op=max, axes=[0]} : f32[300]\n"
    "  %4 = broadcast %3 {shape=[n,300], axes=[1]} : f32[n,300]\n"
    "  %5 = sub %x, %4 : f32[n,300]\n"
    "  %6 = window %i {size=[1,3,3,1], stride=[1,1,2,1], dil=[1,1,1,1], low=[0,1,1,0], "
    "high=[0,1,1,0], op=max} : f32[2,9,20,24]\n"
    "  %7 = window %i {size=[1,1,3,3], stride=[1,1,1,1], dil=[1,1,1,1], low=[0,0,1,1], "
    "high=[0,0,1,1], op=sum} : f32[2,9,40,24]\n"
    "  return %1, %2, %3, %5, %6, %7\n"
    "}\n";

static void test_loops(void **state)
{
    (void)state;
    expect_replay(loops, 6);
}

/* Problems of one name, which are one, refuse a schedule in one message. */
static void test_refused(void **state)
{
    static const char source[] = "entry main(%a: f32[n,64], %b: f32[64,64], %c: f32[64,64]) {\n"
                                 "  %1 = dot %a, %b {sum_a=[1], sum_b=[0]} : f32[n,64]\n"
                                 "  %2 = dot %a, %c {sum_a=[1], sum_b=[0]} : f32[n,64]\n"
                                 "  return %1, %2\n"
                                 "}\n";
    schedules given = {0};
    target cpu;
    lower l;
    diag d;

    (void)state;
    diag_init(&d);
    assert_true(target_find("x86-64-v3", &cpu));
    assert_true(schedules_parse(&given, "dot m=? n=64 k=64 f32 schedule{rows=6}",
                                diag_place(&d, "s"), &d));
    ir_module *m = ir_parse(source, "net", &d);
    lower_init(&l, m, &cpu, "net", &d);
    l.given = &given;
    plan *p = plan_build(m, &(plan_options){.lower = lower_group, .lower_cx = &l, .target = &cpu},
                         &d);
    assert_int_equal(d.errors, 1);
    assert_non_null(strstr(d.message.at[0].text,
                           "s:1:1: error: schedule of 'dot m=? n=64 k=64 f32': rows, vectors, "
                           "lanes and parts are at least 1"));
    plan_free(p);
    lower_free(&l);
    schedules_free(&given);
    ir_module_free(m);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
