/* codegen/lower/conv_bytes.c - the image of a convolution of bytes, several features of
 * which are multiplied at once (bytes.h). */
#include "bytes.h"
#include "conv.h"

/* Bytes with their features last, in whole steps, in a stored image. */
int conv_together(const conv *c)
{
    const struct ir_attr_CONV *a = c->at;
    int together = bytes_together(c->j->l, lanes_of(c->j->l, DT_I32));
    int64_t features;

    return c->tx->dtype == DT_U8 && c->tw->dtype == DT_I8 && c->acc == DT_I32 && a->xf.n == 1 &&
                   a->wf.n == 1 && a->xf.at[0] == c->tx->rank - 1 &&
                   dim_const(&c->j->l->m->dims, c->tw->dim[a->wf.at[0]], &features) &&
                   features > 0 && features % together == 0 && lower_is_stored(c->j->in, c->x) &&
                   ir_node_of(c->j->in->fn, c->x)->op != OP_CONST
               ? together
               : 0;
}

lp_buf conv_bytes(const conv *c, body *b)
{
    lp_expr dims[IR_MAX_RANK];
    int last = c->tx->rank - 1;

    for (int i = 0; i < last; i++)
        dims[i] = body_dim(b, c->tx->dim[i]);
    dims[last] = body_dim(b, conv_steps(c));
    return c->copied ? body_temp(b, c->image, DT_I32, c->tx->rank, dims, false)
                     : body_source_as(b, c->x, DT_I32, c->tx->rank, dims);
}

/* The copy is made in lines of the last two axes, or of all there are. */
bool conv_copy_image(conv *c)
{
    body b;
    dim_table *t = &c->j->l->m->dims;
    const ir_dtype to = bytes_first(c->together);
    int rank = c->tx->rank, outer = rank > 2 ? rank - 2 : 0;
    ir_dim lines = dim_product(t, c->tx->dim, outer);
    ir_dim line = dim_product(t, c->tx->dim + outer, rank - outer);
    lp_expr v[2], dims[2];

    if (to == c->tx->dtype)
        return true;
    c->copied = true;
    c->image = job_temp(c->j, dim_mul(t, dim_mul(t, lines, line), dim_int(t, dt_size(to))));
    job_kernel(c->j, &b, "widen");
    dims[0] = body_dim(&b, lines), dims[1] = body_dim(&b, line);
    lp_buf image = body_source_as(&b, c->x, c->tx->dtype, 2, dims);
    lp_buf wide = body_temp(&b, c->image, to, 2, dims, true);
    int open = body_loops(&b, &lines, 1, v) + 1;
    int lanes = target_lanes(c->j->l->target, c->tx->dtype);
    v[1] = lp_vec(b.k, "v", lp_int(b.k, 0), dims[1], lanes, LP_MASKED);
    lp_store(b.k, wide, v, lp_cast(b.k, to, lp_load(b.k, image, v)));
    while (open--)
        lp_end(b.k);
    return job_end(c->j, &b);
}
