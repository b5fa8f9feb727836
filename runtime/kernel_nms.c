/* runtime/kernel_nms.c - non-maximum suppression: per batch and class, the best box
 * that is left is kept, and those that overlap it go.  Source: ONNX
 * NonMaxSuppression-11; of equal scores the first box is the best.  The evaluator's
 * ir/op/nms.c does the same in the same order. */
#include <string.h>

#include "kernels.h"

typedef struct area {
    float y0, x0, y1, x1;
} area;

/* Where one operand is NaN, the result is the other. */
static float less(float a, float b)
{
    return a < b || b != b ? a : b;
}

static float more(float a, float b)
{
    return a > b || b != b ? a : b;
}

static area area_of(const float *b, int center)
{
    if (center)
        return (area){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    return (area){less(b[0], b[2]), less(b[1], b[3]), more(b[0], b[2]), more(b[1], b[3])};
}

static float size_of(area a)
{
    return more(a.y1 - a.y0, 0) * more(a.x1 - a.x0, 0);
}

static int overlaps(area a, area b, float limit)
{
    area both = {more(a.y0, b.y0), more(a.x0, b.x0), less(a.y1, b.y1), less(a.x1, b.x1)};
    float common = size_of(both), all = size_of(a) + size_of(b) - common;

    return all > 0 && common / all > limit;
}

/* The boxes of one batch with the scores of one class. */
typedef struct search {
    const float *box, *score;           /* of the batch, of the class */
    int64_t n, most;
    float overlap, least;
    int center;
    uint8_t *gone;                      /* by box: kept, suppressed or too low */
} search;

/* -1 if all are gone; of equal scores the first. */
static int64_t best_left(const search *s)
{
    int64_t best = -1;

    for (int64_t i = 0; i < s->n; i++)
        if (!s->gone[i] && (best < 0 || s->score[i] > s->score[best]))
            best = i;
    return best;
}

/* The box that was chosen takes those away that overlap it by more than the
 * threshold. */
static void suppress(const search *s, int64_t best)
{
    area a = area_of(s->box + 4 * best, s->center);

    s->gone[best] = 1;
    for (int64_t i = 0; i < s->n; i++)
        if (!s->gone[i] && overlaps(a, area_of(s->box + 4 * i, s->center), s->overlap))
            s->gone[i] = 1;
}

/* Appends a triple (batch, class, box) to `out` for each box that is kept; returns how
 * many there are. */
static int64_t search_class(const search *s, int64_t batch, int64_t class, int64_t *out)
{
    int64_t count = 0, best;

    for (int64_t i = 0; i < s->n; i++)
        s->gone[i] = !(s->score[i] > s->least);
    for (; count < s->most && (best = best_left(s)) >= 0; count++) {
        suppress(s, best);
        memcpy(out + 3 * count, (int64_t[]){batch, class, best}, 3 * sizeof *out);
    }
    return count;
}

/* Results: triples, scratch of a byte a box; operands: boxes f32[b,n,4], scores
 * f32[b,c,n], most, overlap, least score.  num[0]: boxes are centre and size. */
KERNEL_SHARED int32_t ingot_kernel_nms(struct ingot_extern *call)
{
    const struct ingot_tensor *t = call->arg, *score = &t[3];
    search s = {.n = score->dims[2], .center = call->num[0] != 0, .gone = t[1].data};
    int64_t *out = t[0].data, found = 0;

    memcpy(&s.most, t[4].data, sizeof s.most);
    memcpy(&s.overlap, t[5].data, sizeof s.overlap);
    memcpy(&s.least, t[6].data, sizeof s.least);
    for (int64_t b = 0; b < score->dims[0]; b++)
        for (int64_t c = 0; c < score->dims[1]; c++) {
            s.box = (const float *)t[2].data + b * s.n * 4;
            s.score = (const float *)score->data + (b * score->dims[1] + c) * s.n;
            found += search_class(&s, b, c, out + 3 * found);
        }
    call->sym[0] = found;
    return INGOT_OK;
}
