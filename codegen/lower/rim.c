/* codegen/lower/rim.c - where windows leave their image: how many outputs at each
 * end of an axis read outside for some tap.  Example: 3 taps, stride 1, one pad on
 * each side: the first and the last output do, so first = last = 1. */
#include "rim.h"

bool rim_of(const dim_table *t, const rim_axis *axis, rim *out)
{
    *out = (rim){0};
    if (!dim_const(t, axis->width, &out->width) || !dim_const(t, axis->image, &out->image))
        out->width = out->image = -1;
    return dim_const(t, axis->step, &out->step) && dim_const(t, axis->stride, &out->stride) &&
           dim_const(t, axis->dilation, &out->dilation) && dim_const(t, axis->low, &out->low) &&
           dim_const(t, axis->high, &out->high) && dim_const(t, axis->taps, &out->taps) &&
           (out->step == 1 || out->stride == 1);
}

bool rim_has_tap(const rim *r, int64_t tap)
{
    return (r->phase + tap * r->dilation - r->low) % r->step == 0;
}

int64_t rim_offset(const rim *r, int64_t tap)
{
    return (r->phase + tap * r->dilation - r->low) / r->step;
}

/* How far the image goes on behind what the last position reads at offset 0:
 * known where the extents are; else the pads tell it but for up to `unknown`
 * more. */
static int64_t slack(const rim *r, int64_t *unknown)
{
    int64_t reach = (r->taps - 1) * r->dilation;

    *unknown = r->width < 0 && r->step == 1 ? r->stride - 1 : 0;
    if (r->step > 1)
        return -floor_div_i64(r->low + r->high - reach - r->phase, r->step);
    return r->width < 0 ? reach - r->high - r->low
                        : r->image - 1 - (r->width - 1) * r->stride;
}

/* An output at p reads p * stride + offset(tap); it is in the rim if that is below
 * 0 or beyond the image for some tap that counts in this phase. */
void rim_find_ends(rim *r)
{
    int64_t unknown, left = slack(r, &unknown);

    r->first = r->last = 0;
    for (int64_t t = 0; t < r->taps; t++)
        if (rim_has_tap(r, t)) {
            r->first = max_i64(r->first, -floor_div_i64(rim_offset(r, t), r->stride));
            r->last = max_i64(r->last, -floor_div_i64(left - rim_offset(r, t), r->stride));
        }
}

static int clamp(int64_t v, int p)
{
    return (int)max_i64(0, min_i64(v, p));
}

rim_reach rim_reach_of(const rim *r, int64_t tap, int p, bool begins, bool ends)
{
    int64_t unknown, at = rim_offset(r, tap), left = slack(r, &unknown) - at;
    int lo = begins ? clamp(-floor_div_i64(at, r->stride), p) : 0;
    int sure = ends ? clamp(p + floor_div_i64(left, r->stride), p) : p;
    int most = ends ? clamp(p + floor_div_i64(left + unknown, r->stride), p) : p;

    return (rim_reach){lo, sure, most};
}
