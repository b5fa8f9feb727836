/* ir/op/nms.c - non-maximum suppression.
 *
 * nms(boxes: f32[B,N,4], scores: f32[B,C,N], most: i64[], overlap: f32[],
 * least: f32[]) -> i64[n,3]: (batch, class, box), by batch and class, best
 * first.  A box is two opposite corners, or its centre and extents if `center`.
 * Kept are boxes with a score above `least` that overlap no better kept box by
 * more than `overlap` (intersection over union), at most `most` per class. */
#include "eval_op.h"

#include <math.h>

/* in: boxes [b, n, 4], scores [b, c, n], most boxes of a class, two thresholds.
 * The result is [sym, 3]: batch, class, box. */
bool ir_infer_nms(ir_infer *in)
{
    const struct ir_attr_NMS *a = &in->attr->NMS;

    if (!in_rank(in, 0, 3) || !in_rank(in, 1, 3) || !in_rank(in, 2, 0) || !in_rank(in, 3, 0) ||
        !in_rank(in, 4, 0))
        return false;
    if (!in_dtype(in, 0, DT_F32) || !in_dtype(in, 1, DT_F32) || !in_dtype(in, 2, DT_I64) ||
        !in_dtype(in, 3, DT_F32) || !in_dtype(in, 4, DT_F32))
        return false;
    if (a->sym >= in_table(in)->symbol.len)
        return in_fail(in, "sym", "names no dim");
    const ir_type *b = in_type(in, 0), *s = in_type(in, 1);
    if (!in_agree(in, 0, b->dim[0], s->dim[0]) || !in_agree(in, 1, b->dim[1], s->dim[2]) ||
        !in_agree(in, 2, b->dim[2], dim_int(in_table(in), 4)))
        return false;
    ir_dim dim[2] = {in_table(in)->symbol.at[a->sym].self, dim_int(in_table(in), 3)};
    return in_result(in, DT_I64, 2, dim);
}

typedef struct area {
    float y0, x0, y1, x1;
} area;

static area area_of(const float *b, bool center)
{
    if (center)
        return (area){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    return (area){fminf(b[0], b[2]), fminf(b[1], b[3]), fmaxf(b[0], b[2]), fmaxf(b[1], b[3])};
}

static float size_of(area a)
{
    return fmaxf(a.y1 - a.y0, 0) * fmaxf(a.x1 - a.x0, 0);
}

static bool overlaps(area a, area b, float limit)
{
    area both = {fmaxf(a.y0, b.y0), fmaxf(a.x0, b.x0), fminf(a.y1, b.y1), fminf(a.x1, b.x1)};
    float common = size_of(both), all = size_of(a) + size_of(b) - common;

    return all > 0 && common / all > limit;
}

/* The boxes of one class while the best are taken, and those that overlap them left out. */
typedef struct search {
    const float *box, *score;       /* of the batch, of the class */
    int64_t n, most;
    float overlap, least;
    bool center;
    bool *gone;                     /* by box: kept, suppressed or too low */
    int64_t *kept;
} search;

static int64_t best_left(const search *s)
{
    int64_t best = -1;

    for (int64_t i = 0; i < s->n; i++)
        if (!s->gone[i] && (best < 0 || s->score[i] > s->score[best]))
            best = i;
    return best;
}

/* Fills s->kept; returns how many. */
static int64_t search_class(const search *s)
{
    int64_t count = 0, best;

    for (int64_t i = 0; i < s->n; i++)
        s->gone[i] = !(s->score[i] > s->least);
    while (count < s->most && (best = best_left(s)) >= 0) {
        area a = area_of(s->box + 4 * best, s->center);
        s->gone[best] = true;
        s->kept[count++] = best;
        for (int64_t i = 0; i < s->n; i++)
            if (!s->gone[i] && overlaps(a, area_of(s->box + 4 * i, s->center), s->overlap))
                s->gone[i] = true;
    }
    return count;
}

typedef VEC(int64_t) triples;

/* Batches outside, classes inside: the order that ONNX wants. */
static void search_all(search s, int64_t batches, int64_t classes, triples *out)
{
    const float *box = s.box, *score = s.score;

    for (int64_t b = 0; b < batches; b++)
        for (int64_t c = 0; c < classes; c++) {
            s.box = box + b * s.n * 4;
            s.score = score + (b * classes + c) * s.n;
            int64_t k = search_class(&s);
            for (int64_t i = 0; i < k; i++) {
                vec_push(out, b);
                vec_push(out, c);
                vec_push(out, s.kept[i]);
            }
        }
}

bool ir_eval_nms(ir_call *c)
{
    const ir_val *b = c->in[0], *s = c->in[1];
    triples found = {0};
    int64_t n = b->dim[1], work;

    if (b->dim[2] != 4 || s->dim[0] != b->dim[0] || s->dim[2] != n)
        return eval_fail(c->e, "nms: extents of boxes and scores differ");
    search at = {(const float *)(const void *)b->data, (const float *)(const void *)s->data, n,
                 val_int(c->in[2], 0), (float)num_load_flt(DT_F32, c->in[3]->data),
                 (float)num_load_flt(DT_F32, c->in[4]->data), c->attr->NMS.center,
                 eval_scratch(c->e, n, 1), eval_scratch(c->e, n, sizeof(int64_t))};
    bool ok = at.gone && at.kept && mul_ok(val_count(s), max_i64(n, 1), &work) &&
              eval_charge(c->e, work);
    if (ok) {
        search_all(at, s->dim[0], s->dim[1], &found);
        c->out[0] = eval_new(c->e, DT_I64, 2, (int64_t[]){found.len / 3, 3});
        ok = c->out[0] != NULL;
    }
    if (ok && found.len)
        memcpy(c->out[0]->data, found.at, found.len * sizeof *found.at);
    mem_free(at.gone);
    mem_free(at.kept);
    vec_free(&found);
    return ok;
}
