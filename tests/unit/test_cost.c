/* Costs: sums that do not overflow, time, and what that decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cost.h"

static int64_t time_of(cost c)
{
    return cost_time(&c);
}

/* Operations and moves run beside each other; what may miss comes on top. */
static void test_time(void **state)
{
    (void)state;
    assert_int_equal(time_of((cost){0}), 0);
    assert_int_equal(time_of((cost){.ops = 24, .moves = 10}), time_of((cost){.ops = 24}));
    assert_int_equal(time_of((cost){.ops = 10, .moves = 24}), time_of((cost){.moves = 24}));
    assert_true(time_of((cost){.moves = 10, .far = 10}) > time_of((cost){.moves = 10}));
    assert_true(time_of((cost){.ops = 10, .bytes = 64}) > time_of((cost){.ops = 10}));
}

static void test_add(void **state)
{
    cost sum = {.ops = 1}, part = {.ops = 2, .moves = 3, .far = 1, .bytes = 64};

    (void)state;
    cost_add(&sum, &part, 10);
    assert_int_equal(sum.ops, 21);
    assert_int_equal(sum.moves, 30);
    assert_int_equal(sum.far, 10);
    assert_int_equal(sum.bytes, 640);
    cost_add(&sum, &part, INT64_MAX);
    assert_int_equal(sum.ops, INT64_MAX);
    assert_int_equal(cost_time(&sum), INT64_MAX);
    cost_add(&sum, &part, 0);
    assert_int_equal(sum.moves, INT64_MAX);
}

static void test_nodes(void **state)
{
    (void)state;
    assert_int_equal(cost_of_node(&(ir_node){.op = OP_ADD}), 1);
    assert_int_equal(cost_of_node(&(ir_node){.op = OP_TRANSPOSE}), 0);
    assert_int_equal(cost_of_node(&(ir_node){.op = OP_CONST}), 0);
    assert_int_equal(cost_of_node(&(ir_node){.op = OP_DOT}), INT64_MAX);
    assert_true(cost_is_stored(cost_of_node(&(ir_node){.op = OP_EXP})));
    assert_false(cost_is_stored(cost_of_node(&(ir_node){.op = OP_ADD})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
