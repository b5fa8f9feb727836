/* ir/op/contract_eval.c - the contraction, blocked.
 *
 * Operands are packed into panels of double (or 64-bit integers) through the
 * offset tables, four rows and four columns to a tile.  This is the one place
 * where the evaluator is written for speed: networks spend their time here. */
#include "op/contract_eval.h"

enum { TILE = 4, ROWS = 64, COLS = 64, SUMS = 128 };

/* Where each combination of n indices lies, in elements: a contraction walks three
 * such lists instead of index vectors.  Null after an error; the caller frees. */
int64_t *offset_table(ir_eval *e, int n, const int64_t *dim, const int64_t *stride, int64_t *count)
{
    int64_t total = 1;
    walk w;

    for (int i = 0; i < n; i++)
        if (!mul_ok(total, dim[i], &total)) {
            eval_fail(e, "a contraction is too large");
            return NULL;
        }
    int64_t *t = eval_scratch(e, total, sizeof *t);
    if (!t)
        return NULL;
    walk_init(&w, n, dim);
    memcpy(w.stride[0], stride, (size_t)n * sizeof *stride);
    for (int64_t i = 0; w.left > 0; walk_next(&w))
        t[i++] = w.off[0];
    *count = total;
    return t;
}

void contraction_free(contraction *t)
{
    int64_t *all[] = {t->ab, t->am, t->ak, t->bb, t->bn, t->bk, t->yb, t->ym, t->yn};

    for (size_t i = 0; i < COUNT(all); i++)
        mem_free(all[i]);
}

/* An operand's elements as f32 (in place), double or 64-bit integers. */
typedef struct source {
    const float *f;
    const double *d;
    const uint64_t *i;
    void *owned;
} source;

/* Elements in a type that sums can be made of: f32 is read where it lies, others are
 * widened once. */
static bool open_source(ir_eval *e, const ir_val *v, source *s)
{
    int64_t n = val_count(v);

    *s = (source){0};
    if (v->dtype == DT_F32) {
        s->f = (const float *)(const void *)v->data;
        return true;
    }
    s->owned = eval_scratch(e, n, 8);
    if (!s->owned)
        return false;
    s->d = s->owned;
    s->i = s->owned;
    if (dt_is_float(v->dtype))
        for (int64_t k = 0; k < n; k++)
            ((double *)s->owned)[k] = num_load_flt(v->dtype, val_at(v, k));
    else
        for (int64_t k = 0; k < n; k++)
            ((uint64_t *)s->owned)[k] = (uint64_t)val_int(v, k);
    return true;
}

/* n entries of `along` and k of `sums` as tiles [n / 4][k][4], rest zero. */
#define PACK(name, T, field)                                                   \
    static void name(const source *s, int64_t base, const int64_t *along,      \
                     int64_t n, const int64_t *sums, int64_t k, T *out)        \
    {                                                                          \
        for (int64_t i = 0; i < n; i += TILE)                                  \
            for (int64_t p = 0; p < k; p++)                                    \
                for (int r = 0; r < TILE; r++)                                 \
                    *out++ = i + r < n ? s->field[base + along[i + r] + sums[p]] : 0; \
    }
PACK(pack_f32, double, f)
PACK(pack_f64, double, d)
PACK(pack_int, uint64_t, i)

static void pack_flt(const source *s, int64_t base, const int64_t *along, int64_t n,
                     const int64_t *sums, int64_t k, double *out)
{
    if (s->f)
        pack_f32(s, base, along, n, sums, k, out);
    else
        pack_f64(s, base, along, n, sums, k, out);
}

#define PAIR(T) T __attribute__((vector_size(16), may_alias))
typedef PAIR(double) pair_flt;
typedef PAIR(uint64_t) pair_int;

/* acc[4][COLS] += tile of a times tile of b, over k. */
#define KERNEL(name, T, V)                                                     \
    static void name(int64_t k, const T *a, const T *b, T *acc)                \
    {                                                                          \
        V c0 = {0}, c1 = {0}, c2 = {0}, c3 = {0};                              \
        V d0 = {0}, d1 = {0}, d2 = {0}, d3 = {0};                              \
        for (; k > 0; k--, a += TILE, b += TILE) {                             \
            V x = *(const V *)(const void *)b;                                 \
            V y = *(const V *)(const void *)(b + 2);                           \
            c0 += x * a[0], d0 += y * a[0];                                    \
            c1 += x * a[1], d1 += y * a[1];                                    \
            c2 += x * a[2], d2 += y * a[2];                                    \
            c3 += x * a[3], d3 += y * a[3];                                    \
        }                                                                      \
        const V c[TILE] = {c0, c1, c2, c3}, d[TILE] = {d0, d1, d2, d3};        \
        for (int r = 0; r < TILE; r++, acc += COLS) {                          \
            *(V *)(void *)acc += c[r];                                         \
            *(V *)(void *)(acc + 2) += d[r];                                   \
        }                                                                      \
    }
KERNEL(kernel_flt, double, pair_flt)
KERNEL(kernel_int, uint64_t, pair_int)

typedef struct panels {
    void *a, *b, *acc;
} panels;

/* One block of at most ROWS x COLS results of group g into p->acc. */
#define BLOCK(name, T, pack, kernel)                                           \
    static void name(const contraction *t, const source *a, const source *b,   \
                     int64_t g, int64_t i0, int64_t ni, int64_t j0, int64_t nj, \
                     const panels *p)                                          \
    {                                                                          \
        T *pa = p->a, *pb = p->b, *acc = p->acc;                               \
        memset(acc, 0, sizeof(T) * ROWS * COLS);                               \
        for (int64_t k0 = 0; k0 < t->sums; k0 += SUMS) {                       \
            int64_t nk = min_i64(SUMS, t->sums - k0);                          \
            pack(a, t->ab[g], t->am + i0, ni, t->ak + k0, nk, pa);             \
            pack(b, t->bb[g], t->bn + j0, nj, t->bk + k0, nk, pb);             \
            for (int64_t i = 0; i < ni; i += TILE)                             \
                for (int64_t j = 0; j < nj; j += TILE)                         \
                    kernel(nk, pa + i * nk, pb + j * nk, acc + i * COLS + j);  \
        }                                                                      \
    }
BLOCK(block_flt, double, pack_flt, kernel_flt)
BLOCK(block_int, uint64_t, pack_int, kernel_int)

/* acc is [ROWS, COLS], of which ni by nj are results; integers were summed modulo
 * 2^64. */
static void store_block(const contraction *t, int64_t g, int64_t i0, int64_t ni, int64_t j0,
                        int64_t nj, const void *acc, ir_val *y)
{
    const double *d = acc;
    const uint64_t *u = acc;
    bool flt = dt_is_float(y->dtype);

    for (int64_t i = 0; i < ni; i++)
        for (int64_t j = 0; j < nj; j++) {
            uint8_t *to = val_at(y, t->yb[g] + t->ym[i0 + i] + t->yn[j0 + j]);
            if (flt)
                num_store_flt(y->dtype, to, d[i * COLS + j]);
            else
                num_store_int(y->dtype, to, (int64_t)u[i * COLS + j]);
        }
}

static void run(const contraction *t, const source *a, const source *b, const panels *p, ir_val *y)
{
    for (int64_t g = 0; g < t->groups; g++)
        for (int64_t j = 0; j < t->cols; j += COLS)
            for (int64_t i = 0; i < t->rows; i += ROWS) {
                int64_t ni = min_i64(ROWS, t->rows - i), nj = min_i64(COLS, t->cols - j);
                if (dt_is_float(y->dtype))
                    block_flt(t, a, b, g, i, ni, j, nj, p);
                else
                    block_int(t, a, b, g, i, ni, j, nj, p);
                store_block(t, g, i, ni, j, nj, p->acc, y);
            }
}

static bool charge(ir_eval *e, const contraction *t)
{
    int64_t n;

    return mul_ok(t->groups, t->rows, &n) && mul_ok(n, t->cols, &n) && mul_ok(n, t->sums, &n)
               ? eval_charge(e, n) : eval_fail(e, "a contraction is too large");
}

bool contract(ir_eval *e, const contraction *t, const ir_val *a, const ir_val *b, ir_val *y)
{
    source sa, sb = {0};
    bool ok = charge(e, t) && open_source(e, a, &sa);

    if (!ok)
        return false;
    ok = open_source(e, b, &sb);
    if (ok) {
        panels p = {mem_alloc(ROWS * SUMS * 8), mem_alloc(COLS * SUMS * 8),
                    mem_alloc(ROWS * COLS * 8)};
        run(t, &sa, &sb, &p, y);
        mem_free(p.a);
        mem_free(p.b);
        mem_free(p.acc);
    }
    mem_free(sa.owned);
    mem_free(sb.owned);
    return ok;
}
