/* tests/unit/test_num.c - element formats, against exhaustive search. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "num.h"

static double load(ir_dtype d, unsigned code)
{
    uint16_t h = (uint16_t)code;
    uint8_t b = (uint8_t)code;

    return num_load_flt(d, dt_size(d) == 2 ? (void *)&h : (void *)&b);
}

static unsigned store(ir_dtype d, double v)
{
    uint16_t h = 0;
    uint8_t b = 0;

    num_store_flt(d, dt_size(d) == 2 ? (void *)&h : (void *)&b, v);
    return dt_size(d) == 2 ? h : b;
}

static const ir_dtype small_types[] = {DT_F8E4M3FN, DT_F8E4M3FNUZ, DT_F8E5M2, DT_F8E5M2FNUZ,
                                       DT_F4E2M1, DT_F16, DT_BF16};

static int codes_of(ir_dtype d)
{
    return 1 << dt_bits(d);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(small_types); k++)
        for (int c = 0; c < codes_of(small_types[k]); c++) {
            double v = load(small_types[k], (unsigned)c);
            unsigned back = store(small_types[k], v);
            if (isnan(v) ? !isnan(load(small_types[k], back)) : back != (unsigned)c)
                fail_msg("%s: code %d is %g, stored as %u", dt_text(small_types[k]), c, v, back);
        }
}

/* The finite code nearest to v; of two, the one with an even last bit. */
static unsigned nearest(ir_dtype d, double v)
{
    unsigned best = 0;
    double gap = INFINITY;

    for (int c = 0; c < codes_of(d); c++) {
        double x = load(d, (unsigned)c), g = fabs(x - v);
        if (!isfinite(x) || (x != 0 && signbit(x) != signbit(v)))
            continue;
        if (g < gap || (g == gap && !(c & 1))) {
            best = (unsigned)c;
            gap = g;
        }
    }
    return best;
}

static void test_nearest(void **state)
{
    unsigned seed = 12345;
    static const double max[] = {448, 240, 57344, 57344, 6};

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (size_t k = 0; k < 5; k++)
        for (int i = 0; i < 4000; i++) {
            ir_dtype d = small_types[k];
            double v = ldexp((rand() % 4096) / 256.0, rand() % 40 - 24) * (i & 1 ? -1 : 1);
            if (fabs(v) > max[k])
                continue;
            double got = load(d, store(d, v)), want = load(d, nearest(d, v));
            if (got != want)
                fail_msg("%s: %.10g gives %g, nearest is %g", dt_text(d), v, got, want);
        }
}

static void test_overflow(void **state)
{
    uint8_t b;
    double v = 1e9;

    (void)state;
    assert_true(isnan(load(DT_F8E4M3FN, store(DT_F8E4M3FN, 1e9))));
    assert_true(load(DT_F8E4M3FN, store(DT_F8E4M3FN, 464)) == 448);
    assert_true(isnan(load(DT_F8E4M3FN, store(DT_F8E4M3FN, 465))));
    assert_true(isinf(load(DT_F8E5M2, store(DT_F8E5M2, -1e9))));
    assert_true(isnan(load(DT_F8E5M2FNUZ, store(DT_F8E5M2FNUZ, INFINITY))));
    assert_int_equal(store(DT_F8E4M3FNUZ, -0.0), 0);
    assert_int_equal(store(DT_F16, 65519.99), 0x7bff);
    assert_int_equal(store(DT_F16, 65520), 0x7c00);
    assert_int_equal(store(DT_F16, 0x1p-25), 0);
    assert_int_equal(store(DT_F16, 0x1.8p-25), 1);
    assert_int_equal(store(DT_BF16, 3.3895e38), 0x7f7f);
    assert_true(load(DT_F4E2M1, store(DT_F4E2M1, -100)) == -6);
    num_cast(DT_F64, &v, DT_F8E4M3FN, &b, (num_mode){true, NUM_NEAREST});
    assert_true(load(DT_F8E4M3FN, b) == 448);
    v = -INFINITY;
    num_cast(DT_F64, &v, DT_F8E5M2, &b, (num_mode){true, NUM_NEAREST});
    assert_true(load(DT_F8E5M2, b) == -57344);
}

static unsigned e8m0(double v, bool saturate, num_rounding r)
{
    uint8_t b;

    num_cast(DT_F64, &v, DT_F8E8M0, &b, (num_mode){saturate, r});
    return b;
}

static void test_e8m0(void **state)
{
    (void)state;
    assert_int_equal(e8m0(1, true, NUM_UP), 127);
    assert_int_equal(e8m0(3, true, NUM_UP), 129);
    assert_int_equal(e8m0(3, true, NUM_DOWN), 128);
    assert_int_equal(e8m0(2.9, true, NUM_NEAREST), 128);
    assert_int_equal(e8m0(3, true, NUM_NEAREST), 129);
    assert_int_equal(e8m0(0, true, NUM_UP), 0);
    assert_int_equal(e8m0(INFINITY, true, NUM_UP), 254);
    assert_int_equal(e8m0(INFINITY, false, NUM_UP), 255);
    assert_int_equal(e8m0(-1, true, NUM_UP), 255);
    assert_int_equal(e8m0(0x1p-130, true, NUM_UP), 0);
    assert_true(load(DT_F8E8M0, 0) == 0x1p-127);
    assert_true(isnan(load(DT_F8E8M0, 255)));
}

static int64_t cast_int(ir_dtype from, double v, ir_dtype to)
{
    uint64_t a = 0, b = 0;

    if (dt_is_float(from))
        num_store_flt(from, &a, v);
    else
        num_store_int(from, &a, (int64_t)v);
    num_cast(from, &a, to, &b, (num_mode){0});
    return num_load_int(to, &b);
}

static void test_casts(void **state)
{
    (void)state;
    assert_int_equal(cast_int(DT_F32, 1e20, DT_I64), INT64_MAX);
    assert_int_equal(cast_int(DT_F32, -1e20, DT_I32), INT32_MIN);
    assert_int_equal(cast_int(DT_F32, NAN, DT_I32), 0);
    assert_int_equal(cast_int(DT_F32, -3.9, DT_I8), -3);
    assert_int_equal(cast_int(DT_F64, 9.9, DT_I4), 7);
    assert_int_equal(cast_int(DT_F64, -1, DT_U4), 0);
    assert_int_equal(cast_int(DT_I32, 300, DT_I8), 44);
    assert_int_equal(cast_int(DT_I32, 9, DT_I4), -7);
    assert_int_equal(cast_int(DT_I32, 2, DT_I2), -2);
    assert_int_equal(cast_int(DT_I32, 256, DT_BOOL), 1);
    assert_int_equal(cast_int(DT_F32, 0.5, DT_BOOL), 1);
    assert_int_equal((uint64_t)cast_int(DT_F64, 1e30, DT_U64), UINT64_MAX);
}

static void test_pack(void **state)
{
    static const ir_dtype types[] = {DT_I4, DT_U4, DT_I2, DT_U2, DT_F4E2M1, DT_I8};

    (void)state;
    for (size_t k = 0; k < COUNT(types); k++) {
        uint8_t packed[16] = {0}, in, out;
        int n = 1 << (dt_bits(types[k]) < 8 ? dt_bits(types[k]) : 4);
        for (int i = 0; i < n; i++) {
            in = (uint8_t)i;
            if (dt_is_int(types[k]))
                num_store_int(types[k], &in, i);
            num_pack(types[k], packed, i, &in);
        }
        for (int i = 0; i < n; i++) {
            num_unpack(types[k], packed, i, &out);
            if (dt_is_int(types[k]))
                num_store_int(types[k], &in, i);
            else
                in = (uint8_t)i;
            assert_int_equal(in, out);
        }
        assert_int_equal(num_packed_size(types[k], n), (n * dt_bits(types[k]) + 7) / 8);
    }
    assert_int_equal(num_packed_size(DT_F64, INT64_MAX / 2), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_overflow), cmocka_unit_test(test_e8m0),
        cmocka_unit_test(test_casts), cmocka_unit_test(test_pack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
