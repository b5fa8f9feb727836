/* runtime/made_up.h - inputs that nobody gave: random elements, extents that fit. */
#ifndef INGOT_MADE_UP_H
#define INGOT_MADE_UP_H

#include "session.h"
#include "tensor_io.h"

/* Makes random values for the inputs of `e` that have none in `in` and are not optional; the
 * same for the same seed.  Dims of theirs that are free in `dims` get the least extent of
 * 1, 2, 4 .. at which the entry runs and no result is NaN alone, the first axes' 1 as long
 * as that does: models with windows or strides run from some length on only.  `say` tells
 * which on stderr.  The session's states stay as they are.  False after a message. */
bool made_up_inputs(session *s, const struct ingot_entry *e, int64_t *dims, uint64_t seed,
                    bool say, tensor_value *in);

#endif
