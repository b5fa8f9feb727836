/* runtime/tensor_compare.c - how far a result is from what is expected.  Elements
 * agree if |got - want| <= atol + rtol * |want|, as in numpy's allclose; NaN agrees
 * with NaN, infinities only with themselves.  The greatest errors are those of all
 * elements, the text is about the first that does not agree. */
#include <math.h>
#include <string.h>

#include "tensor_types.h"

static void differ_at(tensor_diff *d, int64_t i)
{
    if (d->equal)
        d->first = i;
    d->equal = false;
}

/* A complex number is compared as a pair of floating-point ones. */
static tensor as_parts(const tensor *t)
{
    tensor r = *t;

    if (tensor_types[t->dtype].cls == 'c') {
        r.dtype = t->dtype == TENSOR_C64 ? TENSOR_F32 : TENSOR_F64;
        r.count *= 2;
    }
    return r;
}

/* Not (error <= bound), so that a NaN error counts as too large. */
static void compare_floats(const tensor *got, const tensor *want, double rtol,
                           double atol, tensor_diff *d)
{
    for (int64_t i = 0; i < want->count; i++) {
        double g = tensor_element(got, i), w = tensor_element(want, i);
        if (g == w || (isnan(g) && isnan(w)))
            continue;
        double abs = fabs(g - w), rel = w != 0 ? abs / fabs(w) : INFINITY;
        d->max_abs = fmax(d->max_abs, isnan(abs) ? INFINITY : abs);
        d->max_rel = fmax(d->max_rel, isnan(rel) ? INFINITY : rel);
        if (d->equal && (!(abs <= atol + rtol * fabs(w)) || isinf(w))) {
            differ_at(d, i);
            snprintf(d->text, sizeof d->text, "element %lld is %.9g, expected %.9g",
                     (long long)i, g, w);
        }
    }
}

/* Byte by byte; messages show 40 of them. */
static void compare_strings(const tensor *got, const tensor *want, tensor_diff *d)
{
    const tensor_string *g = got->data, *w = want->data;

    for (int64_t i = 0; i < want->count && d->equal; i++)
        if (g[i].len != w[i].len || (g[i].len && memcmp(g[i].at, w[i].at, g[i].len))) {
            differ_at(d, i);
            snprintf(d->text, sizeof d->text, "element %lld is '%.*s', expected '%.*s'",
                     (long long)i, (int)(g[i].len < 40 ? g[i].len : 40), g[i].at ? g[i].at : "",
                     (int)(w[i].len < 40 ? w[i].len : 40), w[i].at ? w[i].at : "");
        }
}

/* Exact, whatever the tolerances. */
static void compare_ints(const tensor *got, const tensor *want, tensor_diff *d)
{
    size_t size = tensor_types[want->dtype].size;

    for (int64_t i = 0; i < want->count; i++) {
        const char *g = (const char *)got->data + (size_t)i * size;
        const char *w = (const char *)want->data + (size_t)i * size;
        if (!memcmp(g, w, size))
            continue;
        d->max_abs = fmax(d->max_abs, fabs(tensor_element(got, i) - tensor_element(want, i)));
        if (d->equal) {
            differ_at(d, i);
            snprintf(d->text, sizeof d->text, "element %lld is %lld, expected %lld",
                     (long long)i, (long long)tensor_integer(want->dtype, g),
                     (long long)tensor_integer(want->dtype, w));
        }
    }
}

static void shape_text(const tensor *t, char *out, size_t size)
{
    int n = snprintf(out, size, "%s[", tensor_type_name(t->dtype));

    for (int i = 0; i < t->rank && n < (int)size; i++)
        n += snprintf(out + n, size - (size_t)n, "%s%lld", i ? "," : "", (long long)t->dims[i]);
    if (n < (int)size)
        snprintf(out + n, size - (size_t)n, "]");
}

static bool same_shape(const tensor *a, const tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims);
}

static void compare_tensors(const tensor *got, const tensor *want, double rtol,
                            double atol, tensor_diff *d)
{
    char cls = tensor_types[want->dtype].cls;

    if (!same_shape(got, want)) {
        char g[100], w[100];
        shape_text(got, g, sizeof g);
        shape_text(want, w, sizeof w);
        differ_at(d, -1);
        snprintf(d->text, sizeof d->text, "is %s, expected %s", g, w);
    } else if (cls == 's') {
        compare_strings(got, want, d);
    } else if (cls == 'f' || cls == 'c') {
        tensor g = as_parts(got), w = as_parts(want);
        compare_floats(&g, &w, rtol, atol, d);
    } else {
        compare_ints(got, want, d);
    }
}

/* Items of sequences one by one, up to the first that differs. */
tensor_diff tensor_compare(const tensor_value *got, const tensor_value *want,
                           double rtol, double atol)
{
    tensor_diff d = {.equal = true, .first = -1};

    if (got->kind != want->kind || got->n != want->n) {
        d.equal = false;
        snprintf(d.text, sizeof d.text, "has %u items, expected %u", got->n, want->n);
        return d;
    }
    if (want->kind == TENSOR_PLAIN)
        compare_tensors(&got->t, &want->t, rtol, atol, &d);
    for (uint32_t i = 0; i < want->n && d.equal; i++)
        d = tensor_compare(&got->item[i], &want->item[i], rtol, atol);
    return d;
}
