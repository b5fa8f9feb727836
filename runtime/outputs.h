/* runtime/outputs.h - what happens to the results of a run, and inputs made up:
 * common to executables and `ingot run`. */
#ifndef INGOT_OUTPUTS_H
#define INGOT_OUTPUTS_H

#include "tensor_io.h"

/* Writes n values into a folder, which is made, parents included: NAME.npy, or
 * NAME.pb if `pb` or .npy cannot hold it. */
bool outputs_write(const char *folder, bool pb, const char *const *names, const tensor_value *v,
                   int n, char error[TENSOR_ERROR_SIZE]);
/* A line on stdout: type, first elements, and of a vector of probabilities the
 * five largest. */
void outputs_show(const char *name, const tensor_value *v);
/* Floating point in [-1,1), the rest 0 or 1: the same for the same seed. */
void outputs_random(tensor *t, uint64_t seed);
/* "1x3x48x192", or empty for a scalar; false if it is no such list. */
bool outputs_parse_shape(const char *text, int32_t *rank, int64_t dims[TENSOR_MAX_RANK]);

#endif
