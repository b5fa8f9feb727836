/* cli/picture.h - pictures as inputs: files of PNG and JPEG become tensors. */
#ifndef INGOT_PICTURE_H
#define INGOT_PICTURE_H

#include "options.h"
#include "program.h"

/* Pixels of 8 bits, row by row, red, green and blue of each side by side. */
typedef struct picture {
    int width, height;
    unsigned char *rgb;
    bool grey;                      /* the three are the same byte, that of the file */
} picture;

/* Reads a file of PNG or JPEG, grey ones as colours, without transparency.  False
 * after a message. */
bool picture_read(picture *p, const char *path);
void picture_free(picture *p);

/* How a picture becomes a tensor: it is resized, bilinearly, to the extents that the
 * input has or to --resize, and an element is (value - mean) * scale, the value being
 * 0 to 255.  `--mean 127.5 --scale 0.0078` gives numbers from -1 to 1. */
typedef struct picture_options {
    double mean[3], scale[3];
    bool has_scale;                 /* else 1/255, but 1 for inputs of integers */
    const char *layout;             /* nchw or nhwc; null: whichever the input's extents say */
    int height, width;              /* of --resize; 0: not given */
} picture_options;

/* The picture at this size as u8[channels, height, width], bilinearly; one channel is grey.
 * False without memory. */
bool picture_resize(const picture *p, int channels, int height, int width, unsigned char *to);

extern const cli_option picture_rows[];
/* The read_image of program.h; `how` is a picture_options. */
bool picture_input(const void *how, const struct ingot_value_info *input, const char *path,
                   tensor_value *v);

#endif
