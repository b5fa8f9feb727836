/* codegen/lower/random.c - random words: blocks of Philox-4x32-10, a block a lane.
 *
 * A tile is as many blocks as a vector has lanes.  Its words come out by position in
 * the block, part[w, b], are turned into the order of the result, line[b, w], and
 * stored as one row: element 4 * b + w of the tile.  A word depends on key, counter and
 * its place alone, so that neither threads nor the width of vectors change it. */
#include "nest.h"

/* Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011):
 * Philox-4x32-10. */
enum { WORDS = 4, ROUNDS = 10, COST = 10 * ROUNDS / WORDS };

/* The kernel in the making; key and counter are operands of two words each, read
 * once in front of the loop. */
typedef struct random {
    body b;
    ir_ref key, counter;
    lp_expr k[2];               /* the key's words, and the counter's */
    lp_expr low, high;
} random;

static lp_expr word_of(random *r, ir_ref operand, int i)
{
    lp_expr at = lp_int(r->b.k, i);

    return lp_let(r->b.k, "w", body_at(&r->b, operand, &at));
}

static void read_operands(random *r)
{
    r->k[0] = word_of(r, r->key, 0);
    r->k[1] = word_of(r, r->key, 1);
    r->low = word_of(r, r->counter, 0);
    r->high = word_of(r, r->counter, 1);
}

static lp_expr u32(lp_kernel *k, uint32_t v)
{
    return lp_const_int(k, DT_U32, v);
}

static lp_expr upper_half(lp_kernel *k, lp_expr x)
{
    lp_expr bits = lp_const_int(k, DT_U64, 32);

    return lp_cast(k, DT_U32, lp_2(k, SC_SHR, x, bits));
}

/* The product of 32 bits by 32: a let of 64. */
static lp_expr product(lp_kernel *k, uint32_t factor, lp_expr x)
{
    return lp_let(k, "p", lp_mul(k, lp_cast(k, DT_U64, x), lp_const_int(k, DT_U64, factor)));
}

/* The counter of block `i` behind the operand, in words of 32 bits, low first. */
static void counter_at(random *r, lp_expr i, lp_expr x[WORDS])
{
    lp_kernel *k = r->b.k;
    lp_expr block = lp_cast(k, DT_U64, i);
    lp_expr low = lp_let(k, "low", lp_add(k, r->low, block));
    lp_expr carry = lp_cast(k, DT_U64, lp_lt(k, low, block));
    lp_expr high = lp_let(k, "high", lp_add(k, r->high, carry));

    x[0] = lp_cast(k, DT_U32, low);
    x[1] = upper_half(k, low);
    x[2] = lp_cast(k, DT_U32, high);
    x[3] = upper_half(k, high);
}

/* The constants are those of the paper: two multipliers, and what is added to the
 * key each round. */
static void rounds(random *r, lp_expr x[WORDS])
{
    lp_kernel *k = r->b.k;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        lp_expr a = product(k, 0xD2511F53u, x[0]), b = product(k, 0xCD9E8D57u, x[2]);
        lp_expr k0 = lp_add(k, r->k[0], u32(k, i * 0x9E3779B9u));
        lp_expr k1 = lp_add(k, r->k[1], u32(k, i * 0xBB67AE85u));
        lp_expr y0 = lp_2(k, SC_XOR, lp_2(k, SC_XOR, upper_half(k, b), x[1]), k0);
        lp_expr y2 = lp_2(k, SC_XOR, lp_2(k, SC_XOR, upper_half(k, a), x[3]), k1);
        x[1] = lp_cast(k, DT_U32, b);
        x[3] = lp_cast(k, DT_U32, a);
        x[0] = lp_let(k, "x", y0);
        x[2] = lp_let(k, "x", y2);
    }
}

/* The words of blocks first to first + lanes - 1, in the order of the result. */
static lp_buf tile(random *r, lp_expr first, int lanes)
{
    lp_kernel *k = r->b.k;
    lp_expr n = lp_int(k, lanes), four = lp_int(k, WORDS), zero = lp_int(k, 0), x[WORDS];
    lp_buf part = lp_local(k, "part", DT_U32, 2, LP(four, n), LP_ROW, 0);
    lp_buf line = lp_local(k, "line", DT_U32, 2, LP(n, four), LP_ROW, 0);

    lp_expr v = lp_vec(k, "v", zero, n, lanes, LP_EXACT);
    counter_at(r, lp_add(k, first, v), x);
    rounds(r, x);
    for (int w = 0; w < WORDS; w++)
        lp_store(k, part, LP(lp_int(k, w), v), x[w]);
    lp_end(k);
    for (int at = 0; at < lanes; at += WORDS)
        lp_transpose(k, line, LP(lp_int(k, at), zero), part, LP(zero, lp_int(k, at)), WORDS);
    return line;
}

/* Tiles of WORDS * lanes numbers are made in a buffer, by vectors of counters, and
 * stored from there in order; the last tile ends with the result. */
bool template_random(job *j)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    random r = {.key = ir_arg(j->in->fn, j->root, 0), .counter = ir_arg(j->in->fn, j->root, 1)};
    int lanes = (int)max_i64(lanes_of(j->l, DT_U32), WORDS);
    lp_expr t0;

    job_kernel(j, &r.b, "random");
    lp_kernel *k = r.b.k;
    lp_expr zero = lp_int(k, 0), size = lp_int(k, WORDS * lanes);
    lp_expr count = nest_count(&r.b, t, COST);
    lp_expr tiles = lp_ceildiv(k, count, WORDS * lanes);
    lp_par(k, 1, (const char *[]){"t"}, &zero, &tiles, NULL, &t0);
    read_operands(&r);
    body_line(&r.b, count);
    lp_buf line = tile(&r, lp_mul(k, t0, lp_int(k, lanes)), lanes);
    lp_expr start = lp_mul(k, t0, size);
    lp_expr v = lp_vec(k, "v", zero, lp_min(k, size, lp_sub(k, count, start)), lanes, LP_MASKED);
    lp_store(k, body_output(&r.b, j->out), LP(lp_add(k, start, v)),
             lp_load(k, line, LP(zero, v)));
    lp_end(k);
    lp_end(k);
    return job_end(j, &r.b);
}
