/* frontend/dsl/slice.c - a:b of an axis. */
#include "check.h"

/* A negative number counts from the end, an end left out is `otherwise`. */
static bool slice_end(dsl *cx, const ast_expr *e, ir_dim extent, ir_dim otherwise, ir_dim *out)
{
    *out = otherwise;
    if (e && !dsl_eval_dim(cx, e, out, "the end of a slice"))
        return false;
    if (dim_hi(cx->dims, *out) < 0)
        *out = dim_add(cx->dims, extent, *out);
    return true;
}

static const char *not_in(dsl *cx, ir_dim start, ir_dim end, ir_dim extent)
{
    return arena_printf(cx->mem, "the slice %s:%s is not in 0:%s", dsl_dim_text(cx, start),
                        dsl_dim_text(cx, end), dsl_dim_text(cx, extent));
}

bool dsl_slice_ends(dsl *cx, const ast_expr *e, ir_dim extent, ir_dim *start, ir_dim *count)
{
    dim_table *t = cx->dims;
    ir_dim end, zero = dim_int(t, 0);

    if (!slice_end(cx, e->slice.low, extent, zero, start) ||
        !slice_end(cx, e->slice.high, extent, extent, &end))
        return false;
    *count = dim_sub(t, end, *start);
    if (dim_hi(t, *start) < 0 || dim_hi(t, *count) < 0 || dim_lo(t, dim_sub(t, end, extent)) > 0)
        return dsl_wrong(cx, e->at, "%s", not_in(cx, *start, end, extent)), false;
    const char *message = dsl_of_line(cx, e->at, not_in(cx, *start, end, extent));
    ir_check_dims(dsl_b(cx), dim_le(t, zero, *start), message);
    ir_check_dims(dsl_b(cx), dim_le(t, *start, end), message);
    ir_check_dims(dsl_b(cx), dim_le(t, end, extent), message);
    return true;
}
