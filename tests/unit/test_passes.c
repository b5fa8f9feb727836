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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_pass_runs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
