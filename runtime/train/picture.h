/* runtime/train/picture.h - a picture inside a page: PNG as a data: URI. */
#ifndef INGOT_TRAIN_PICTURE_H
#define INGOT_TRAIN_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Writes data:image/png;base64,.. of u8[high, wide], or u8[3, high, wide] in colour.  False
 * without memory. */
bool picture_write(FILE *f, const uint8_t *at, int64_t planes, int64_t high, int64_t wide);

#endif
