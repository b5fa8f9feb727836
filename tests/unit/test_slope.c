/* tests/unit/test_slope.c - gradients against differences: right and wrong ones of a smooth
 * function, of one with kinks beside the point and in it, and of one without a value. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "slope.h"

static bool smooth(void *cx, double step, double *out)
{
    (void)cx;
    *out = 2 + exp(1 + step);
    return true;
}

static slope_kind kind_of(slope_value *f, void *cx, double gradient)
{
    slope s;

    assert_true(slope_check(gradient, f, cx, &s));
    return s.kind;
}

static void test_smooth(void **state)
{
    double e = exp(1);

    (void)state;
    assert_int_equal(kind_of(smooth, NULL, e), SLOPE_OK);
    assert_int_equal(kind_of(smooth, NULL, e * 1.0001), SLOPE_OFF);
    assert_int_equal(kind_of(smooth, NULL, -e), SLOPE_OFF);
    assert_int_equal(kind_of(smooth, NULL, 0), SLOPE_OFF);
    assert_int_equal(kind_of(smooth, NULL, NAN), SLOPE_OFF);
}

/* |x - at|, of slope 1 behind the kink. */
static bool kinked(void *cx, double step, double *out)
{
    *out = 1 + fabs(step - *(const double *)cx);
    return true;
}

static void test_kinks(void **state)
{
    double in = 0, beside = 3e-6;

    (void)state;
    assert_int_equal(kind_of(kinked, &in, 0), SLOPE_OK);
    assert_int_equal(kind_of(kinked, &in, 1), SLOPE_KINK);
    assert_int_equal(kind_of(kinked, &in, -0.3), SLOPE_KINK);
    assert_int_equal(kind_of(kinked, &in, 1.1), SLOPE_OFF);
    assert_int_equal(kind_of(kinked, &beside, -1), SLOPE_OK);
    assert_int_equal(kind_of(kinked, &beside, 1), SLOPE_OFF);
}

/* A gradient of 0 that is one, and what the larger slope's rounding would hide. */
static bool flat(void *cx, double step, double *out)
{
    *out = 1000 + *(const double *)cx * step;
    return true;
}

static void test_small(void **state)
{
    double none = 0, little = 1e-3;

    (void)state;
    assert_int_equal(kind_of(flat, &none, 0), SLOPE_OK);
    assert_int_equal(kind_of(flat, &none, 1e-17), SLOPE_OK);
    assert_int_equal(kind_of(flat, &little, 0), SLOPE_OFF);
    assert_int_equal(kind_of(flat, &little, 1e-3), SLOPE_OK);
}

static bool nothing(void *cx, double step, double *out)
{
    *out = *(const double *)cx > 0 ? NAN : 0;
    return *(const double *)cx > 0 || step >= 0;
}

static void test_without_value(void **state)
{
    double nan = 1, fails = 0;
    slope s;

    (void)state;
    assert_int_equal(kind_of(nothing, &nan, 0), SLOPE_OFF);
    assert_false(slope_check(0, nothing, &fails, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smooth), cmocka_unit_test(test_kinks),
        cmocka_unit_test(test_small), cmocka_unit_test(test_without_value)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
