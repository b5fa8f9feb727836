/* codegen/lower/winograd.h - 3x3 convolutions made in squares, by Winograd's algorithm.
 *
 * A square of 4 x 4 results reads 6 x 6 elements of the image, for each feature.  Both
 * the elements and the 3 x 3 taps are turned into 6 x 6 numbers, such that the products
 * of these, summed over the features, turn back into the results: 36 multiplications
 * for each feature and result where the taps take 144.  Along one axis, with 3 taps g,
 * 6 elements d and 4 results y (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2015):
 *   y = back * ((taps * g) x (image * d)),    x: element by element.  */
#ifndef INGOT_WINOGRAD_H
#define INGOT_WINOGRAD_H

#include "conv.h"

/* May the convolution be made in squares?  Taps 3x3 one place apart, stride 1, one group,
 * floats, features in blocks and results in blocks of vectors of `lanes`. */
bool winograd_takes(const conv *c, int lanes);

/* The constant [reach * reach, 9] that turns the taps, row by row, into the numbers of
 * a square, row by row. */
uint32_t winograd_matrix(ir_module *m, int square);

/* Adds the kernels, for weights in panels [1, channels / NR, reach * reach, features, NR],
 * which it makes where they are no constants. */
bool winograd_kernels(conv *c);

#endif
