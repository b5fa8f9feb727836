/* The pipeline of passes as a whole, and the batch in chunks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"
#include "eval.h"
#include "pass.h"
#include "target.h"

static void note(void *cx, int step, const pass_info *p, const ir_module *m, bool changed)
{
    bool *ran = cx;

    (void)step, (void)m, (void)changed;
    ran[p - pass_table] = true;
}

/* A pass without a place in the pipeline would never run. */
static void test_each_pass_runs(void **state)
{
    bool ran[PASS_COUNT] = {0};
    const pass_watch w = {.after = note, .cx = ran};
    diag d;

    (void)state;
    diag_init(&d);
    ir_module *m = ir_module_new(&d);
    assert_true(pass_pipeline(m, NULL, &w));
    for (int i = 0; i < PASS_COUNT; i++)
        if (!ran[i])
            fail_msg("%s has no RUN in passes.def", pass_table[i].name);
    ir_module_free(m);
    diag_free(&d);
}

/* %1 is large and read by a box, a sum and a filter's gradient. */
static const char step[] =
    "entry main(%x: f32[16,1,96,96], %w: f32[8,1,1,1]) {\n"
    "  %1 = conv %x, %w {xb=[0], xf=[1], xs=[2,3], wo=[0], wf=[1], ws=[2,3], yb=[0], yo=[1],"
    " ys=[2,3], stride=[1,1], low=[0,0], high=[0,0], ldil=[1,1], rdil=[1,1]} : f32[16,8,96,96]\n"
    "  %2 = window %1 {size=[1,1,2,2], stride=[1,1,2,2], dil=[1,1,1,1], low=[0,0,0,0],"
    " high=[0,0,0,0], op=max} : f32[16,8,48,48]\n"
    "  %3 = reduce %1 {axes=[0,2,3], op=sum} : f32[8]\n"
    "  %4 = conv %x, %1 {xb=[1], xf=[0], xs=[2,3], wo=[1], wf=[0], ws=[2,3], yb=[1], yo=[0],"
    " ys=[2,3], stride=[1,1], low=[0,0], high=[0,0], ldil=[1,1], rdil=[1,1]} : f32[8,1,1,1]\n"
    "  return box=%2, sum=%3, filter=%4\n"
    "}\n";

static ir_val *numbers(arena *mem, int64_t n, int64_t channels, int64_t side)
{
    ir_val *v = val_tensor(mem, DT_F32, 4, (const int64_t[]){n, channels, side, side});

    for (int64_t i = 0; i < val_count(v); i++)
        ((float *)v->data)[i] = (float)(i * 7919 % 1013) / 1013 - .4f;
    return v;
}

/* Rows are computed as they were, sums but for their order. */
static void test_chunks_change_no_row(void **state)
{
    arena mem = {0};
    diag d;
    target t;
    bool changed;
    ir_val *out[2][3], *in[] = {numbers(&mem, 16, 1, 96), numbers(&mem, 8, 1, 1)};
    ir_eval e;

    (void)state;
    diag_init(&d);
    assert_true(target_find("x86-64-v3", &t));
    ir_module *m = ir_parse(step, "step", &d);
    assert_non_null(m);
    pass_ctx cx = {.m = m, .d = &d, .target = &t};
    ir_eval_init(&e, m, &mem);
    for (int k = 0; k < 2; k++) {
        assert_true(ir_eval_run(&e, m->fn.at[0], in, out[k]));
        if (!k)
            assert_true(pass_one(&cx, pass_find("chunk"), &changed) && changed);
    }
    assert_true(pass_has(m->fn.at[0], OP_LOOP));
    assert_memory_equal(out[0][0]->data, out[1][0]->data, (size_t)val_count(out[0][0]) * 4);
    for (int k = 1; k < 3; k++)
        for (int64_t i = 0; i < val_count(out[0][k]); i++) {
            float a = ((float *)out[0][k]->data)[i], b = ((float *)out[1][k]->data)[i];
            assert_true(fabsf(a - b) <= 1e-4f * fabsf(a));
        }
    ir_eval_free(&e);
    arena_reset(&mem);
    ir_module_free(m);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_pass_runs),
                                       cmocka_unit_test(test_chunks_change_no_row)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
