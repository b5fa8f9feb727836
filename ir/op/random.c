/* ir/op/random.c - rng: Philox-4x32-10, a pure function of key and counter.
 *
 * rng(key: u32[2], counter: u64[]) -> u32[shape].  Element i is the first
 * word of the block whose counter is counter + i.  Source: Salmon et al.,
 * "Parallel random numbers: as easy as 1, 2, 3", 2011. */
#include "eval_op.h"

bool ir_infer_rng(ir_infer *in)
{
    ir_dims shape = in->attr->RNG.shape;
    int64_t n;

    if (!in_dtype(in, 0, DT_U32) || !in_rank(in, 0, 1) || !in_dtype(in, 1, DT_U64) ||
        !in_rank(in, 1, 0))
        return false;
    if (dim_const(in_table(in), in_type(in, 0)->dim[0], &n) && n != 2)
        return in_expect(in, 0, "u32[2]");
    return in_result(in, DT_U32, shape.n, shape.at);
}

static void philox(uint32_t k0, uint32_t k1, uint64_t counter, uint32_t x[4])
{
    x[0] = (uint32_t)counter;
    x[1] = (uint32_t)(counter >> 32);
    x[2] = x[3] = 0;
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * x[0], b = (uint64_t)0xCD9E8D57u * x[2];
        uint32_t y0 = (uint32_t)(b >> 32) ^ x[1] ^ k0, y2 = (uint32_t)(a >> 32) ^ x[3] ^ k1;
        x[1] = (uint32_t)b;
        x[3] = (uint32_t)a;
        x[0] = y0;
        x[2] = y2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

bool ir_eval_rng(ir_call *c)
{
    int64_t dim[IR_MAX_RANK];
    uint32_t word[4];

    if (!eval_dims(c->e, c->attr->RNG.shape, dim))
        return false;
    if (val_count(c->in[0]) != 2)
        return eval_fail(c->e, "rng: the key has not two words");
    ir_val *r = c->out[0] = eval_new(c->e, DT_U32, c->attr->RNG.shape.n, dim);
    if (!r)
        return false;
    uint64_t counter = (uint64_t)val_int(c->in[1], 0);
    for (int64_t i = 0, n = val_count(r); i < n; i++) {
        philox((uint32_t)val_int(c->in[0], 0), (uint32_t)val_int(c->in[0], 1),
               counter + (uint64_t)i, word);
        memcpy(val_at(r, i), word, sizeof *word);
    }
    return true;
}
