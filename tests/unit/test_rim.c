/* tests/unit/test_rim.c - the rims of windows, against a count of the places read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rim.h"

typedef struct window {
    int64_t image, taps, stride, dilation, step, low, high;
} window;

static int64_t width_of(const window *w)
{
    int64_t spread = (w->image - 1) * w->step + 1, reach = (w->taps - 1) * w->dilation;
    int64_t left = spread + w->low + w->high - reach - 1;

    return left < 0 ? 0 : left / w->stride + 1;
}

static bool is_inside(const window *w, int64_t position, int64_t tap)
{
    int64_t at = position * w->stride + tap * w->dilation - w->low;

    return at >= 0 && at <= (w->image - 1) * w->step;
}

/* Reads of a tile of p positions from `first` on: all that are sure, none that is out. */
static void check_tile(const window *w, const rim *r, int64_t first, int p, bool begins, bool ends)
{
    for (int64_t t = 0; t < r->taps; t++) {
        if (!rim_has_tap(r, t))
            continue;
        rim_reach in = rim_reach_of(r, t, p, begins, ends);
        for (int i = 0; i < p; i++) {
            int64_t position = r->phase + r->step * (first + i);
            bool inside = is_inside(w, position, t);
            assert_true(i < in.lo || i >= in.sure || inside);
            assert_true((i >= in.lo && i < in.most) || !inside);
        }
    }
}

/* A row in three parts: its first tile, single positions, its last tile. */
static void check_row(const window *w, rim *r, int64_t width)
{
    int p = (int)(r->first > r->last ? r->first : r->last) + 1;
    int64_t count = (width - r->phase + r->step - 1) / r->step;

    if (count < 2 * p)
        return;
    check_tile(w, r, 0, p, true, false);
    for (int64_t i = p; i < count - p; i++)
        check_tile(w, r, i, 1, false, false);
    check_tile(w, r, count - p, p, false, true);
}

static void check_window(dim_table *t, const window *w, bool symbolic)
{
    int64_t width = width_of(w);
    ir_dim unknown = dim_symbol_new(t, "n", 1, 1000);
    const rim_axis axis = {.width = symbolic ? unknown : dim_int(t, width),
                           .image = symbolic ? unknown : dim_int(t, w->image),
                           .taps = dim_int(t, w->taps),
                           .stride = dim_int(t, w->stride),
                           .dilation = dim_int(t, w->dilation),
                           .step = dim_int(t, w->step),
                           .low = dim_int(t, w->low),
                           .high = dim_int(t, w->high)};
    rim r;

    if (width < 1)
        return;
    bool ok = rim_of(t, &axis, &r);
    assert_int_equal(ok, w->step == 1 || w->stride == 1);
    for (; ok && r.phase < r.step; r.phase++) {
        rim_find_ends(&r);
        check_row(w, &r, width);
    }
}

/* Each window of up to 5 taps, strides and spreads of up to 3, pads of up to 3. */
static void test_all(void **state)
{
    arena mem = {0};
    dim_table t = {0};

    (void)state;
    dim_init(&t, &mem);
    for (int64_t i = 0; i < 5 * 3 * 2 * 3 * 4 * 4; i++) {
        window w = {.image = 24 + i % 7, .taps = i % 5 + 1, .stride = i / 5 % 3 + 1,
                    .dilation = i / 15 % 2 + 1, .step = i / 30 % 3 + 1, .low = i / 90 % 4,
                    .high = i / 360 % 4};
        check_window(&t, &w, false);
        check_window(&t, &w, true);
    }
    dim_free(&t);
    arena_reset(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
