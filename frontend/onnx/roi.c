/* frontend/onnx/roi.c - RoiAlign: boxes of an image, sampled.
 *
 * Each box [R] is divided into bins, each bin into a grid of samples, which are read
 * between pixels.  All positions are tensors over (box, bin down, sample down, bin across,
 * sample across), of extent 1 where they do not depend on an axis, so that what is read
 * fuses into the reduction over the samples. */
#include <math.h>

#include "../onnx_build.h"

enum { BOX, BIN_DOWN, AT_DOWN, BIN_ACROSS, AT_ACROSS, AXES };

static const ir_dim one = {1};

/* Where the samples lie along one side of the boxes. */
typedef struct samples {
    ir_ref low, high;       /* i64: the pixels before and behind */
    ir_ref part;            /* of the way from one to the other */
    ir_ref inside;          /* bool: does it lie in the image? */
    ir_ref counts;          /* bool: is it one of the grid? */
    ir_ref grid;            /* of how many */
} samples;

/* What is common to both sides. */
typedef struct boxes {
    onnx_op *n;
    ir_ref rois;            /* [R,4] */
    ir_dtype dt;            /* of coordinates */
    bool half;              /* pixels have their centre at a half */
    double scale;
    int64_t ratio;          /* samples a bin and side; 0: as the size of the box asks for */
} boxes;

static ir_ref number(const boxes *x, double v)
{
    return ir_float(x->n->b, x->dt, v);
}

static ir_ref op(const boxes *x, unsigned f, ir_ref a, ir_ref b)
{
    return ir_b2(x->n->b, f, a, b);
}

/* Column k of the boxes, in pixels: [R,1,1,1,1]. */
static ir_ref edge(const boxes *x, int k)
{
    ir_build *b = x->n->b;
    dim_table *t = onnx_dims(x->n);
    ir_ref r = ir_slice_axis(b, x->rois, 1, dim_int(t, k), one, one);
    ir_dim shape[AXES] = {onnx_dim(x->n, x->rois, 0), one, one, one, one};

    r = op(x, OP_MUL, ir_reshape(b, r, shape, AXES), number(x, x->scale));
    return op(x, OP_SUB, r, number(x, x->half ? 0.5 : 0));
}

/* 0, 1 .. along one of the axes. */
static ir_ref count_along(const boxes *x, ir_dim extent, int axis)
{
    ir_dim shape[AXES] = {one, one, one, one, one};

    shape[axis] = extent;
    return ir_cast(x->n->b, ir_iota(x->n->b, DT_I64, shape, AXES, axis), x->dt);
}

/* The samples of the largest box, which bound those of all. */
static ir_dim most_samples(const boxes *x, ir_ref grid)
{
    ir_build *b = x->n->b;
    const int32_t all[AXES] = {0, 1, 2, 3, 4};
    ir_ref most = ir_cast(b, ir_reduce(b, grid, RED_MAX, all, AXES), DT_I64);

    return dim_max(onnx_dims(x->n), ir_bind(b, most, "samples"), (ir_dim){0});
}

/* Positions to pixels: as far as one pixel outside counts as the rim. */
static void find_pixels(const boxes *x, ir_ref at, ir_dim extent, samples *s)
{
    ir_build *b = x->n->b;
    ir_ref size = ir_cast(b, ir_dim_ref(b, extent), x->dt);
    ir_ref last = op(x, OP_SUB, size, number(x, 1));
    ir_ref below = op(x, OP_LT, at, number(x, -1)), above = op(x, OP_LT, size, at);

    s->inside = ir_1(b, OP_NOT, ir_2(b, OP_OR, below, above));
    at = op(x, OP_MIN, op(x, OP_MAX, at, number(x, 0)), last);
    ir_ref low = ir_1(b, OP_FLOOR, at);
    s->part = ir_2(b, OP_SUB, at, low);
    s->low = ir_cast(b, low, DT_I64);
    s->high = ir_cast(b, op(x, OP_MIN, op(x, OP_ADD, low, number(x, 1)), last), DT_I64);
}

/* The side from column k of the boxes to column k + 2, in `bins` parts along axis `bin`;
 * the image has `extent` pixels there. */
static void find_samples(const boxes *x, int k, ir_dim bins, int bin, ir_dim extent, samples *s)
{
    ir_build *b = x->n->b;
    ir_ref start = edge(x, k), size = op(x, OP_SUB, edge(x, k + 2), start);
    ir_dim most = dim_int(onnx_dims(x->n), x->ratio);

    if (!x->half)
        size = op(x, OP_MAX, size, number(x, 1));
    ir_ref each = op(x, OP_DIV, size, ir_cast(b, ir_dim_ref(b, bins), x->dt));
    s->grid = x->ratio ? number(x, (double)x->ratio) : ir_1(b, OP_CEIL, each);
    if (!x->ratio)
        most = most_samples(x, s->grid);
    ir_ref i = count_along(x, most, bin + 1);
    s->counts = op(x, OP_LT, i, s->grid);
    ir_ref into = op(x, OP_MUL, op(x, OP_ADD, i, number(x, 0.5)), each);
    ir_ref at = op(x, OP_ADD, start, op(x, OP_MUL, count_along(x, bins, bin), each));
    find_pixels(x, op(x, OP_ADD, at, op(x, OP_DIV, into, s->grid)), extent, s);
}

/* x at these pixels of the boxes' images, times the shares of both: [R,h,i,w,j,C]. */
static ir_ref corner(const boxes *x, ir_ref image, ir_ref batch, ir_ref down, ir_ref across,
                     ir_ref share_down, ir_ref share_across)
{
    ir_build *b = x->n->b;
    const int32_t axes[3] = {0, 2, 3};
    ir_ref index[3] = {batch, down, across};

    if (!ir_broadcast_all(b, index, 3))
        return IR_NONE;
    ir_ref y = ir_cast(b, ir_gather(b, image, index, axes, 3, false), x->dt);
    ir_ref share = op(x, OP_MUL, share_down, share_across);
    return op(x, OP_MUL, y, ir_unsqueeze(b, share, AXES));
}

/* The value of each sample: the sum of its four corners, or in `max` mode the largest,
 * each times its share; 0 outside of the image. */
static ir_ref sample_values(const boxes *x, ir_ref image, ir_ref batch, const samples *v,
                            const samples *h, bool max)
{
    ir_build *b = x->n->b;
    ir_ref up = op(x, OP_SUB, number(x, 1), v->part), left = op(x, OP_SUB, number(x, 1), h->part);
    ir_ref y[4] = {corner(x, image, batch, v->low, h->low, up, left),
                   corner(x, image, batch, v->low, h->high, up, h->part),
                   corner(x, image, batch, v->high, h->low, v->part, left),
                   corner(x, image, batch, v->high, h->high, v->part, h->part)};
    unsigned f = max ? OP_MAX : OP_ADD;
    ir_ref sum = ir_2(b, f, ir_2(b, f, y[0], y[1]), ir_2(b, f, y[2], y[3]));
    ir_ref inside = ir_unsqueeze(b, op(x, OP_AND, v->inside, h->inside), AXES);
    ir_ref of[3] = {inside, sum, number(x, 0)};

    return ir_broadcast_all(b, of, 3) ? ir_select(b, of[0], of[1], of[2]) : IR_NONE;
}

/* The samples of each bin as one: [R,h,w,C]. */
static ir_ref reduce_bins(const boxes *x, ir_ref y, const samples *v, const samples *h, bool max)
{
    ir_build *b = x->n->b;
    const int32_t axes[2] = {AT_DOWN, AT_ACROSS};
    ir_ref count = op(x, OP_MUL, v->grid, h->grid), none = number(x, max ? -INFINITY : 0);

    if (!x->ratio) {
        ir_ref counts = ir_unsqueeze(b, op(x, OP_AND, v->counts, h->counts), AXES);
        ir_ref of[3] = {counts, y, none};
        y = ir_broadcast_all(b, of, 3) ? ir_select(b, of[0], of[1], of[2]) : IR_NONE;
    }
    y = ir_reduce(b, y, max ? RED_MAX : RED_SUM, axes, 2);
    if (!max) {
        ir_dim shape[4] = {x->ratio ? one : onnx_dim(x->n, x->rois, 0), one, one, one};
        count = ir_reshape(b, op(x, OP_MAX, count, number(x, 1)), shape, 4);
        return op(x, OP_DIV, y, count);
    }
    ir_ref of[3] = {op(x, OP_EQ, y, none), number(x, 0), y};    /* a box without samples */
    return ir_broadcast_all(b, of, 3) ? ir_select(b, of[0], of[1], of[2]) : IR_NONE;
}

/* Is the box's image a vector as long as the boxes, which have four edges? */
static bool check_boxes(onnx_op *n, ir_ref image, ir_ref rois, ir_ref *batch)
{
    ir_dim shape[AXES] = {onnx_dim(n, rois, 0), one, one, one, one};

    if (onnx_rank(n, image) != 4 || onnx_rank(n, rois) != 2)
        return onnx_fail(n, "takes images of rank 4 and boxes of rank 2");
    ir_dim four[2] = {shape[0], dim_int(onnx_dims(n), 4)};
    if (onnx_shaped(n, "boxes", rois, four, 2) == IR_NONE)
        return false;
    *batch = onnx_shaped(n, "batch_indices", onnx_in(n, 2), shape, 1);
    *batch = ir_reshape(n->b, ir_cast(n->b, *batch, DT_I64), shape, AXES);
    return *batch != IR_NONE;
}

bool onnx_roi_align(onnx_op *n)
{
    const int32_t perm[4] = {0, 3, 1, 2};
    ir_ref image = onnx_in(n, 0), batch = IR_NONE;
    int64_t h = onnx_int(n, "output_height", 1), w = onnx_int(n, "output_width", 1);
    bool max = onnx_choice_index(n, "mode", "avg max") == 1;
    boxes x = {.n = n, .half = n->since >= 16, .ratio = onnx_int(n, "sampling_ratio", 0),
               .scale = onnx_float(n, "spatial_scale", 1)};
    samples down, across;

    if (n->since >= 16)
        x.half = !onnx_choice_index(n, "coordinate_transformation_mode",
                                    "half_pixel output_half_pixel");
    if (!check_boxes(n, image, onnx_in(n, 1), &batch))
        return false;
    if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX || x.ratio < 0 || x.ratio > INT32_MAX)
        return onnx_fail(n, "output_height, output_width or sampling_ratio is out of range");
    x.rois = onnx_widened(n, onnx_in(n, 1));
    x.dt = onnx_dtype(n, x.rois);
    find_samples(&x, 1, dim_int(onnx_dims(n), h), BIN_DOWN, onnx_dim(n, image, 2), &down);
    find_samples(&x, 0, dim_int(onnx_dims(n), w), BIN_ACROSS, onnx_dim(n, image, 3), &across);
    ir_ref y = sample_values(&x, image, batch, &down, &across, max);
    y = reduce_bins(&x, y, &down, &across, max);
    return onnx_out_as(n, 0, ir_transpose(n->b, y, perm), onnx_dtype(n, image));
}
