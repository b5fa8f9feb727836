/* cli/slope.h - a gradient along one direction, against difference quotients. */
#ifndef INGOT_SLOPE_H
#define INGOT_SLOPE_H

#include <stdbool.h>

/* In the order of how bad it is. */
typedef enum slope_kind { SLOPE_OK, SLOPE_KINK, SLOPE_OFF } slope_kind;

/* What was found.  Of |x| at 0, whose gradient is taken as 0, the kind is SLOPE_KINK, below
 * -1 and above 1. */
typedef struct slope {
    slope_kind kind;
    double gradient, difference;    /* the central one at the last step tried */
    double below, above;            /* the slopes on both sides there; unset of SLOPE_OK */
    double error;                   /* |difference - gradient| by the larger of both, or
                                     * by a ten-thousandth of the function where that is more */
} slope;

/* The function `step` away from the point along the direction.  False if it has no value. */
typedef bool slope_value(void *cx, double step, double *out);

/* Compares the gradient along a direction of length 1 with central differences, at steps that
 * become smaller until one agrees: where the direction crosses kinks near the point, such as
 * those of relu, the difference is off by less and less.  At a kink that lies in the point
 * itself it stays off, the slopes on both sides differ at every step, and any number between
 * them is a gradient.  False as soon as the function is. */
bool slope_check(double gradient, slope_value *value, void *cx, slope *out);

#endif
