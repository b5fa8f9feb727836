/* cli/slope.c - a gradient along one direction, against difference quotients.
 *
 * In 64 bits a central difference of a smooth function at 1e-4 is right to about eight
 * digits; from there steps go down by tens.  Below 1e-7 rounding would hide a gradient
 * that is wrong. */
#include "slope.h"

#include <math.h>

/* Relative difference of what agrees; and, as a share of the function's value, the slope
 * that a lesser one is measured by, as rounding hides what it is. */
static const double tolerance = 1e-5, least_slope = 1e-4;
/* How much slopes on both sides of a kink differ, at least, as a share of the larger. */
static const double bend = 1e-3;
static const double first_step = 1e-4, last_step = 1e-7;

static double larger(double a, double b)
{
    return fmax(fabs(a), fabs(b));
}

/* At one step: `at` is the function there.  Does the difference agree? */
static bool compare(slope *s, double step, double before, double at, double behind)
{
    s->difference = (behind - before) / (2 * step);
    s->below = (at - before) / step;
    s->above = (behind - at) / step;
    double off = fabs(s->difference - s->gradient), value = larger(before, behind);
    double scale = fmax(larger(s->difference, s->gradient), least_slope * value);
    s->error = off == 0 ? 0 : off / scale;
    return s->error <= tolerance;
}

/* Is the point itself on a kink, with a gradient of one of its sides or between? */
static bool is_kink(const slope *s)
{
    double slack = tolerance * larger(s->below, s->above);

    return fabs(s->above - s->below) > bend * larger(s->below, s->above) &&
           s->gradient >= fmin(s->below, s->above) - slack &&
           s->gradient <= fmax(s->below, s->above) + slack;
}

bool slope_check(double gradient, slope_value *value, void *cx, slope *out)
{
    double at, before, behind;

    *out = (slope){.gradient = gradient};
    if (!value(cx, 0, &at))
        return false;
    for (double step = first_step; step > last_step / 2; step /= 10) {
        if (!value(cx, -step, &before) || !value(cx, step, &behind))
            return false;
        if (compare(out, step, before, at, behind))
            return true;
    }
    out->kind = is_kink(out) ? SLOPE_KINK : SLOPE_OFF;
    return true;
}
