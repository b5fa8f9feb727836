/* tests/unit/random_conv.h - the convolutions of random_net.h, which includes it. */
#ifndef RANDOM_CONV_H
#define RANDOM_CONV_H

static ir_ref make_conv(net *t)
{
    static const int32_t axis[] = {0, 1, 2, 3, 4};
    enum { SPATIAL = 2 };
    dim_table *dt = &t->m->dims;
    ir_dim x[4], w[4], stride[2], low[2], high[2], ldil[2], rdil[2];
    int64_t groups = chance(t, 70) ? 1 : 1 + below(t, 4);

    x[0] = dim_int(dt, 1 + below(t, 2));
    w[1] = dim_int(dt, chance(t, 30) ? 1 : any_extent(t));
    x[1] = dim_mul(dt, w[1], dim_int(dt, groups));
    w[0] = dim_int(dt, groups * (chance(t, 30) ? 1 : any_extent(t)));
    for (int i = 0; i < SPATIAL; i++) {
        w[2 + i] = dim_int(dt, 1 + below(t, 3));
        stride[i] = dim_int(dt, 1 + below(t, 2));
        low[i] = dim_int(dt, below(t, 2));
        high[i] = dim_int(dt, below(t, 2));
        ldil[i] = dim_int(dt, 1 + chance(t, 15));
        rdil[i] = dim_int(dt, 1 + chance(t, 15));
        x[2 + i] = chance(t, 80) ? dim_int(dt, 6 + any_extent(t)) : t->dim[2 + i];
        if (i && chance(t, 30))     /* rows of several vectors, whose lanes are positions */
            x[2 + i] = dim_int(dt, 16 + below(t, 48));
    }
    ir_ref xr = input(t, DT_F32, 4, x), wr = weight(t, DT_F32, 4, w);
    ir_dim out = dim_div(dt, w[0], dim_int(dt, groups));
    ir_dim split[5] = {dim_int(dt, groups), out, w[1], w[2], w[3]};
    ir_dim group[5] = {x[0], dim_int(dt, groups), w[1], x[2], x[3]};
    ir_ref args[2] = {ir_reshape(&t->b, xr, group, 5), ir_reshape(&t->b, wr, split, 5)};
    ir_ints one = {1, axis}, two = {1, axis + 1}, three = {1, axis + 2}, rest = {2, axis + 3};
    ir_attr a = {.CONV = {.xb = one,
                          .xg = two,
                          .xf = three,
                          .xs = rest,
                          .wg = one,
                          .wo = two,
                          .wf = three,
                          .ws = rest,
                          .yb = one,
                          .yg = two,
                          .yo = three,
                          .ys = rest,
                          .stride = {2, stride},
                          .low = {2, low},
                          .high = {2, high},
                          .ldil = {2, ldil},
                          .rdil = {2, rdil}}};
    ir_ref y = ir_make(&t->b, OP_CONV, args, 2, &a);
    if (y == IR_NONE)
        return y;
    const ir_type *yt = type_of(t, y);
    ir_dim flat[4] = {yt->dim[0], w[0], yt->dim[3], yt->dim[4]};
    return epilogue(t, ir_reshape(&t->b, y, flat, 4));
}

/* A 3x3 convolution that layout puts in blocks, which may be made in squares, of images of
 * which threads may have parts of their own: their sums round more, so they are short. */
static ir_ref make_squares(net *t)
{
    static const int32_t axis[] = {0, 1, 2, 3};
    dim_table *dt = &t->m->dims;
    ir_dim one[2] = {{1}, {1}}, three = dim_int(dt, 3), low[2], high[2], x[4];

    x[0] = chance(t, 80) ? dim_int(dt, 1 + below(t, 5)) : t->dim[0];
    x[1] = dim_int(dt, 8 * (1 + below(t, 2)));
    for (int i = 0; i < 2; i++) {
        x[2 + i] = i || chance(t, 80) ? dim_int(dt, 2 + below(t, 8)) : t->dim[2];
        low[i] = dim_int(dt, 1 + below(t, 2));
        high[i] = dim_int(dt, below(t, 2));
    }
    ir_dim w[4] = {dim_int(dt, 8 * (1 + below(t, 3))), x[1], three, three};
    ir_ref image = input(t, DT_F32, 4, x);
    ir_ref weights = chance(t, 60) ? constant(t, DT_F32, 4, w) : input(t, DT_F32, 4, w);
    ir_ref args[2] = {image, weights};
    ir_ints first = {1, axis}, second = {1, axis + 1}, rest = {2, axis + 2};
    ir_attr a = {.CONV = {.xb = first, .xf = second, .xs = rest, .wo = first, .wf = second,
                          .ws = rest, .yb = first, .yo = second, .ys = rest, .stride = {2, one},
                          .low = {2, low}, .high = {2, high}, .ldil = {2, one}, .rdil = {2, one}}};
    ir_ref y = ir_make(&t->b, OP_CONV, args, 2, &a);

    return y == IR_NONE || chance(t, 50) ? y : ir_1(&t->b, OP_ABS, y);
}

/* A convolution with more taps than results, of what lies in blocks of 8 channels, as the gradient
 * of filters is.  Images of few channels have vectors along the results'. */
static ir_ref make_taps(net *t)
{
    static const int32_t axis[] = {0, 1, 2, 3}, perm[] = {0, 1, 4, 2, 3};
    dim_table *dt = &t->m->dims;
    ir_dim low[2], high[2], one[2] = {{1}, {1}}, x[4], blocks[5], w[4];

    x[0] = w[0] = blocks[0] = dim_int(dt, 1 + below(t, 2));
    x[1] = dim_int(dt, chance(t, 70) ? 1 + below(t, 3) : 8 * (1 + below(t, 2)));
    blocks[1] = dim_int(dt, 1 + below(t, 5));
    blocks[4] = dim_int(dt, 8);
    w[1] = dim_mul(dt, blocks[1], blocks[4]);
    for (int i = 0; i < 2; i++) {
        int64_t taps = 6 + below(t, 4);
        blocks[2 + i] = w[2 + i] = dim_int(dt, taps);
        low[i] = dim_int(dt, chance(t, 30));
        high[i] = dim_int(dt, chance(t, 30));
        x[2 + i] = dim_int(dt, taps + below(t, 2));
    }
    ir_ref wr = ir_transpose(&t->b, input(t, DT_F32, 5, blocks), perm);
    ir_ref args[2] = {input(t, DT_F32, 4, x), ir_reshape(&t->b, wr, w, 4)};
    ir_ints first = {1, axis}, second = {1, axis + 1}, rest = {2, axis + 2};
    ir_attr a = {.CONV = {.xb = second, .xf = first, .xs = rest, .wo = second, .wf = first,
                          .ws = rest, .yb = first, .yo = second, .ys = rest, .stride = {2, one},
                          .low = {2, low}, .high = {2, high}, .ldil = {2, one}, .rdil = {2, one}}};

    return ir_make(&t->b, OP_CONV, args, 2, &a);
}

/* A convolution of bytes with its features last, mostly whole quads of them. */
static ir_ref make_byte_conv(net *t)
{
    static const int32_t axis[] = {0, 1, 2, 3};
    dim_table *dt = &t->m->dims;
    ir_dim stride[2], rdil[2], low[2], high[2], one[2] = {{1}, {1}}, x[4], w[4];

    x[0] = dim_int(dt, 1 + below(t, 2));
    x[3] = w[1] = dim_int(dt, chance(t, 80) ? 4 * (1 + below(t, 3)) : any_extent(t));
    w[0] = dim_int(dt, any_extent(t));
    for (int i = 0; i < 2; i++) {
        w[2 + i] = dim_int(dt, 1 + below(t, 3));
        stride[i] = dim_int(dt, 1 + below(t, 2));
        rdil[i] = dim_int(dt, 1 + chance(t, 15));
        low[i] = dim_int(dt, below(t, 2));
        high[i] = dim_int(dt, below(t, 2));
        x[1 + i] = chance(t, 80) ? dim_int(dt, 6 + any_extent(t)) : t->dim[1 + i];
    }
    bool given = chance(t, 30);
    ir_ref wr = given ? input(t, DT_I8, 4, w) : weight(t, DT_I8, 4, w);
    ir_ref args[2] = {input(t, DT_U8, 4, x), wr};
    ir_ints first = {1, axis}, second = {1, axis + 1}, last = {1, axis + 3};
    ir_ints xs = {2, axis + 1}, ws = {2, axis + 2};
    ir_attr a = {.CONV = {.xb = first, .xf = last, .xs = xs, .wo = first, .wf = second,
                          .ws = ws, .yb = first, .yo = last, .ys = xs, .stride = {2, stride},
                          .low = {2, low}, .high = {2, high}, .ldil = {2, one},
                          .rdil = {2, rdil}, .acc = DT_I32}};

    return ir_make(&t->b, OP_CONV, args, 2, &a);
}

#endif
