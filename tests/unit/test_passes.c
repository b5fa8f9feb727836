/* The pipeline of passes as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build.h"
#include "pass.h"

static void note(void *cx, int step, const pass_info *p, const ir_module *m, bool changed)
{
    bool *ran = cx;

    (void)step, (void)m, (void)changed;
    ran[p - pass_table] = true;
}

/* A row of passes.def that is in no place of run.c would be a pass that never runs. */
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
            fail_msg("%s is not in the pipeline of run.c", pass_table[i].name);
    ir_module_free(m);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_pass_runs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
