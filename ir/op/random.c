/* ir/op/random.c - rng: Philox-4x32-10, a pure function of key and counter.
 *
 * rng(key: u32[2], counter: u64[2]) -> u32[shape].  Element i, in row-major
 * order, is word i % 4 of the block whose counter is counter + i / 4, a number
 * of 128 bits, low word first.  Source: Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", 2011. */
#include "eval_op.h"

/* Operand i is a vector of two elements; an extent that only the run knows is checked there. */
static bool is_pair(ir_infer *in, int i, ir_dtype dt, const char *expected)
{
    int64_t n;

    if (!in_dtype(in, i, dt) || !in_rank(in, i, 1))
        return false;
    return !dim_const(in_table(in), in_type(in, i)->dim[0], &n) || n == 2 ||
           in_expect(in, i, expected);
}

bool ir_infer_rng(ir_infer *in)
{
    ir_dims shape = in->attr->RNG.shape;

    return is_pair(in, 0, DT_U32, "u32[2]") && is_pair(in, 1, DT_U64, "u64[2]") &&
           in_result(in, DT_U32, shape.n, shape.at);
}

/* The block of this counter, in place: x holds its words, low first. */
static void philox(uint32_t k0, uint32_t k1, uint32_t x[4])
{
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

/* The words of block number `block` behind the counter. */
static void words_of(const ir_call *c, uint64_t block, uint32_t x[4])
{
    uint64_t low = (uint64_t)val_int(c->in[1], 0) + block;
    uint64_t high = (uint64_t)val_int(c->in[1], 1) + (low < block);

    x[0] = (uint32_t)low;
    x[1] = (uint32_t)(low >> 32);
    x[2] = (uint32_t)high;
    x[3] = (uint32_t)(high >> 32);
    philox((uint32_t)val_int(c->in[0], 0), (uint32_t)val_int(c->in[0], 1), x);
}

/* Four words a counter (Philox): word i depends on key, counter and i alone, so
 * that any part can be computed by itself. */
bool ir_eval_rng(ir_call *c)
{
    int64_t dim[IR_MAX_RANK];
    uint32_t word[4] = {0};

    if (!eval_dims(c->e, c->attr->RNG.shape, dim))
        return false;
    if (val_count(c->in[0]) != 2 || val_count(c->in[1]) != 2)
        return eval_fail(c->e, "rng: key and counter have not two words");
    ir_val *r = c->out[0] = eval_new(c->e, DT_U32, c->attr->RNG.shape.n, dim);
    if (!r)
        return false;
    for (int64_t i = 0, n = val_count(r); i < n; i++) {
        if (i % 4 == 0)
            words_of(c, (uint64_t)i / 4, word);
        memcpy(val_at(r, i), &word[i % 4], sizeof *word);
    }
    return true;
}
