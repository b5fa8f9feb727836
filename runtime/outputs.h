/* runtime/outputs.h - what happens to the results of a run, and inputs made up:
 * common to executables and `ingot run`. */
#ifndef INGOT_OUTPUTS_H
#define INGOT_OUTPUTS_H

#include "labels.h"
#include "tensor_io.h"

/* Makes a folder with its parents, where it is not there.  False with a message. */
bool outputs_make_folder(const char *path, char error[TENSOR_ERROR_SIZE]);
/* Writes n values as files of a folder, which is made if need be, and prints a line
 * for each: "out/y.npy: f32[2,3]".  A value is NAME.npy, or NAME.pb if `pb` is set or
 * .npy has no such type.  False with a message. */
bool outputs_write(const char *folder, bool pb, const char *const *names, const tensor_value *v,
                   int n, char error[TENSOR_ERROR_SIZE]);
/* Prints a line with the type and the first elements; of a vector of probabilities,
 * and of one that has an element for each of the labels, the five largest too, by
 * their labels if there are any.  Were they of use? */
bool outputs_show(const char *name, const tensor_value *v, const labels *l);
/* Fills a tensor: floating-point elements lie in [-1,1), others are 0 or 1.  The
 * elements are the same for the same seed, on every machine. */
void outputs_random(tensor *t, uint64_t seed);
/* Reads extents such as "1x3x48x192"; the empty text is a scalar's.  False if the
 * text is no such list. */
bool outputs_parse_shape(const char *text, int32_t *rank, int64_t dims[TENSOR_MAX_RANK]);

#endif
