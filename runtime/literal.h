/* runtime/literal.h - inputs as numbers on the command line: `--input lr=0.1`. */
#ifndef INGOT_LITERAL_H
#define INGOT_LITERAL_H

#include "abi.h"
#include "tensor_io.h"

/* Is it numbers with commas between them, such as 3 or 0.5,-1,2e3? */
bool literal_is(const char *text);
/* The numbers of such a text as input `index`, in row-major order.  One extent may be open
 * (`dims` as bind.h has them) and follows from how many there are: 1,2,3,4 for x: f32[N,2]
 * is f32[2,2].  False with a message. */
bool literal_read(const char *text, const struct ingot_entry *e, int32_t index,
                  const int64_t *dims, tensor *out, char error[TENSOR_ERROR_SIZE]);

#endif
