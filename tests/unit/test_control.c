/* The builders of loops and branches: the text that they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "control.h"

/* A module with one entry in the making. */
typedef struct fixture {
    diag d;
    ir_module *m;
    ir_build b;
} fixture;

static void begin(fixture *f)
{
    diag_init(&f->d);
    f->m = ir_module_new(&f->d);
    ir_build_init(&f->b, f->m, ir_fn_new(f->m, "main", true), &f->d);
}

/* The entry must verify and print as `want`. */
static void end(fixture *f, const char *want)
{
    text t = {0};

    assert_true(ir_verify(f->m, &f->d, "test"));
    ir_print_fn(f->b.fn, &t);
    assert_string_equal(t.at, want);
    text_free(&t);
    ir_build_free(&f->b);
    ir_module_free(f->m);
    diag_free(&f->d);
}

static ir_ref input(fixture *f, const char *name, const ir_dim *shape, int rank)
{
    return ir_input(&f->b, name, ir_ty(&f->b, DT_F32, shape, rank));
}

static ir_ref vector(fixture *f, const ir_type *t)
{
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    return ir_const_ref(&f->b, const_copy(f->m, t, x, sizeof x));
}

/* The example of control.h, with a captured factor that is used twice and a constant. */
static void test_running_sums(void **state)
{
    fixture f;
    ir_loop l;

    (void)state;
    begin(&f);
    ir_dim n = dim_symbol_new(&f.m->dims, "n", 0, INT64_MAX), x_shape[2] = {n, {8}};
    ir_ref x = input(&f, "x", x_shape, 2), start = input(&f, "start", x_shape + 1, 1);
    ir_ref factor = input(&f, "factor", x_shape + 1, 1);
    ir_loop_begin(&l, &f.b, "body");
    l.at.trip = n;
    ir_ref sum = ir_loop_carry(&l, "sum", start, NULL);
    ir_ref row = ir_loop_slice(&l, "row", x, 0);
    ir_ref by = ir_loop_capture(&l, "factor", factor);
    assert_int_equal(by, ir_loop_capture(&l, "other", factor));
    ir_ref scale = ir_loop_capture(&l, "scale", vector(&f, ir_type_of(f.b.fn, start)));
    row = ir_2(&l.body, OP_MUL, ir_2(&l.body, OP_MUL, row, by), scale);
    sum = ir_2(&l.body, OP_ADD, sum, row);
    ir_loop_next(&l, sum);
    ir_loop_stack(&l, sum, 0);
    ir_ref y = ir_loop_end(&l);
    ir_result(&f.b, "total", y);
    ir_result(&f.b, "sums", y + 1);
    end(&f,
        "entry main(%x: f32[n,8], %start: f32[8], %factor: f32[8]) {\n"
        "  %1 = const [1,2,3,4,5,6,7,8] : f32[8]\n"
        "  %2 = const 1 : bool[]\n"
        "  %3, %4 = loop %2, %start, %x, %factor {trip=n, carries=1, slice_axes=[0], "
        "stack_axes=[0]} body(%i: i64[], %sum: f32[8], %row: f32[8], %factor: f32[8]) {\n"
        "    %1 = const [1,2,3,4,5,6,7,8] : f32[8]\n"
        "    %2 = mul %row, %factor : f32[8]\n"
        "    %3 = mul %2, %1 : f32[8]\n"
        "    %4 = add %sum, %3 : f32[8]\n"
        "    %5 = const 1 : bool[]\n"
        "    yield %5, %4, %4\n"
        "  } : f32[8], f32[n,8]\n"
        "  return total=%3, sums=%4\n"
        "}\n");
}

/* Extents that differ have one symbol for each pair, of which the sides tell the size. */
static void test_extents_of_branches(void **state)
{
    fixture f;
    ir_branches side;

    (void)state;
    begin(&f);
    ir_ref c = ir_input(&f.b, "c", type_scalar(&f.m->types, DT_BOOL));
    ir_ref x = input(&f, "x", (ir_dim[]){{6}}, 1);
    ir_if_begin(&side, &f.b, c);
    ir_ref yes = ir_capture(&side.captured, 0, "x", x), no = ir_capture(&side.captured, 1, "x", x);
    yes = ir_slice_axis(&side.side[0], yes, 0, (ir_dim){0}, (ir_dim){1}, (ir_dim){2});
    for (int i = 0; i < 2; i++) {
        ir_if_yield(&side, 0, "y", yes);
        ir_if_yield(&side, 1, "y", no);
    }
    ir_result(&f.b, "y", ir_if_end(&side));
    end(&f,
        "entry main(%c: bool[], %x: f32[6]) {\n"
        "  %1, %2, %3 = if %c, %x {syms=[extent]} yes(%x: f32[6]) {\n"
        "    %1 = slice %x {start=[0], step=[1], extent=[2]} : f32[2]\n"
        "    %2 = const 2 : i64[]\n"
        "    yield %1, %1, %2\n"
        "  } no(%x: f32[6]) {\n"
        "    %1 = const 6 : i64[]\n"
        "    yield %x, %x, %1\n"
        "  } : f32[extent], f32[extent], i64[]\n"
        "  return y=%1\n"
        "}\n");
}

/* What could not be made makes no node, and no further message. */
static void test_missing(void **state)
{
    fixture f;
    ir_loop l;
    ir_branches side;

    (void)state;
    begin(&f);
    ir_loop_begin(&l, &f.b, "body");
    assert_int_equal(ir_loop_carry(&l, "c", IR_NONE, NULL), IR_NONE);
    ir_loop_next(&l, IR_NONE);
    assert_int_equal(ir_loop_end(&l), IR_NONE);
    ir_if_begin(&side, &f.b, ir_input(&f.b, "c", type_scalar(&f.m->types, DT_BOOL)));
    ir_if_yield(&side, 0, "y", IR_NONE);
    assert_int_equal(ir_if_end(&side), IR_NONE);
    assert_false(diag_failed(&f.d));
    end(&f, "entry main(%c: bool[]) {\n  return\n}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_sums),
        cmocka_unit_test(test_extents_of_branches),
        cmocka_unit_test(test_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
