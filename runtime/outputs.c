/* runtime/outputs.c - results to files and to people; made-up inputs. */
#include "outputs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "names.h"
#include "tensor_file.h"
#include "tensor_types.h"
#include "visible.h"

/* ---- files ---------------------------------------------------------------------- */

/* The folder and those above it.  That one exists already is no error; that a file
 * stands there is. */
bool outputs_make_folder(const char *path, char error[TENSOR_ERROR_SIZE])
{
    char *copy = strdup(path);
    struct stat st;

    if (!copy)
        return tensor_fail(error, "no memory");
    for (char *p = copy + (*copy != 0); *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(copy, 0777);
            *p = '/';
        }
    bool ok = !mkdir(copy, 0777) || errno == EEXIST;
    int why = ok ? ENOTDIR : errno;
    ok = !stat(copy, &st) && S_ISDIR(st.st_mode);
    free(copy);
    return ok || tensor_fail(error, "%s: %s", path, strerror(why));
}

/* "y: f32[2,3]", without an end of line. */
static void show_type(const char *name, const tensor_value *v)
{
    visible_put(name, stdout);
    if (v->kind != TENSOR_PLAIN) {
        printf(": %s of %u", v->kind == TENSOR_SEQUENCE ? "sequence" : "optional", v->n);
        return;
    }
    printf(": %s[", tensor_type_name(v->t.dtype));
    for (int a = 0; a < v->t.rank; a++)
        printf("%s%lld", a ? "," : "", (long long)v->t.dims[a]);
    printf("]");
}

/* Types that .npy does not have are written as TensorProto, whatever was asked for. */
static bool write_one(const char *folder, bool pb, const char *name, const char *file,
                      const tensor_value *v, char *error)
{
    bool npy = !pb && tensor_npy_holds(v);
    size_t size = strlen(folder) + strlen(file) + 8;
    char *path = malloc(size);

    if (!path)
        return tensor_fail(error, "no memory");
    snprintf(path, size, "%s/%s.%s", folder, file, npy ? "npy" : "pb");
    bool ok = tensor_write(path, npy, name, v, error);
    if (ok) {
        show_type(path, v);
        puts("");
    }
    free(path);
    return ok;
}

/* Names that are equal as files get numbers. */
bool outputs_write(const char *folder, bool pb, const char *const *names, const tensor_value *v,
                   int n, char error[TENSOR_ERROR_SIZE])
{
    name_set files = {0};
    bool ok = outputs_make_folder(folder, error);

    for (int i = 0; ok && i < n; i++) {
        const char *file = name_set_add_file(&files, names[i]);
        ok = file ? write_one(folder, pb, names[i], file, &v[i], error)
                  : tensor_fail(error, "no memory");
    }
    name_set_free(&files);
    return ok;
}

/* ---- people ---------------------------------------------------------------------- */

/* Elements of a summary; places of a ranking. */
enum { SHOWN = 8, TOP = 5 };

/* Does one axis hold all elements?  The first of several axes is that of the rows: [8,1] are
 * eight of one element. */
static bool is_row(const tensor *t)
{
    bool row = t->rank == 1;

    for (int32_t k = 1; k < t->rank; k++)
        row = row || t->dims[k] == t->count;
    return row && tensor_is_float(t->dtype);
}

/* Is it one row of more than SHOWN elements that are no less than 0 and sum to 1?
 * Then the reader wants to know which are the largest. */
static bool is_distribution(const tensor *t)
{
    double sum = 0;

    if (!is_row(t) || t->count <= SHOWN)
        return false;
    for (int64_t i = 0; i < t->count; i++) {
        double x = tensor_element(t, i);
        if (!(x >= 0))
            return false;
        sum += x;
    }
    return sum > 0.99 && sum < 1.01;
}

/* Is element i to be ranked before element k? */
static bool before(const tensor *t, int64_t i, int64_t k)
{
    double a = tensor_element(t, i), b = tensor_element(t, k);

    return a > b || (a == b && i < k);
}

/* The numbers of the largest elements; how many. */
static int find_top(const tensor *t, int64_t top[TOP + 1])
{
    int n = 0;

    for (int64_t i = 0; i < t->count; i++) {
        int at = n < TOP ? n++ : TOP;
        top[at] = i;
        for (; at > 0 && before(t, top[at], top[at - 1]); at--) {
            int64_t swap = top[at];
            top[at] = top[at - 1];
            top[at - 1] = swap;
        }
    }
    return n;
}

static void show_top(const tensor *t)
{
    int64_t top[TOP + 1];
    int n = find_top(t, top);

    printf("  top %d:", n);
    for (int i = 0; i < n; i++)
        printf(" %lld (%.4f)", (long long)top[i], tensor_element(t, top[i]));
    printf("\n");
}

static void show_named(const tensor *t, const labels *l)
{
    int64_t top[TOP + 1];
    int n = find_top(t, top);

    for (int i = 0; i < n; i++) {
        printf("  %d. ", i + 1);
        visible_put(l->at[top[i]], stdout);
        printf(" (%.4f)\n", tensor_element(t, top[i]));
    }
}

static void show_integer(const tensor *t, int64_t i)
{
    const char *at = (const char *)t->data + (size_t)i * tensor_elem_size(t->dtype);
    int64_t v = tensor_integer(t->dtype, at);

    if (t->dtype == TENSOR_U64)
        printf(" %llu", (unsigned long long)v);
    else
        printf(" %lld", (long long)v);
}

/* The first LETTERS bytes. */
static void show_string(const tensor_string *s)
{
    enum { LETTERS = 40 };
    char begin[LETTERS + 1];

    snprintf(begin, sizeof begin, "%.*s", s->len < LETTERS ? (int)s->len : LETTERS,
             s->at ? s->at : "");
    fputs(" '", stdout);
    visible_put(begin, stdout);
    fputs("'", stdout);
}

/* The sign of NaN, which differs from processor to processor, is none of a result's. */
static double unsigned_nan(double v)
{
    return isnan(v) ? fabs(v) : v;
}

static void show_element(const tensor *t, int64_t i)
{
    char cls = tensor_types[t->dtype].cls;

    if (t->dtype == TENSOR_STRING)
        show_string((const tensor_string *)t->data + i);
    else if (cls == 'f' || cls == 'c')
        printf(" %.6g", unsigned_nan(tensor_element(t, i)));
    else
        show_integer(t, i);
}

/* "y: f32[1,1000] 0.1 0.2 .." and, for one row of probabilities or with labels, the
 * best. */
bool outputs_show(const char *name, const tensor_value *v, const labels *l)
{
    const tensor *t = &v->t;

    show_type(name, v);
    if (v->kind != TENSOR_PLAIN) {
        puts("");
        return false;
    }
    for (int64_t i = 0; i < t->count && i < SHOWN; i++)
        show_element(t, i);
    printf("%s\n", t->count > SHOWN ? " .." : "");
    bool named = l->n && is_row(t) && t->count == l->n;
    if (named)
        show_named(t, l);
    else if (is_distribution(t))
        show_top(t);
    return named;
}

/* ---- inputs made up ------------------------------------------------------------------ */

/* The generator splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Floats in [-1, 1); integers 0 and 1, which are valid as indices and as masks. */
static void random_element(int32_t dtype, size_t size, uint64_t r, char *out)
{
    float f = (float)(r >> 40) / (1 << 23) - 1;
    double d = f;
    uint64_t small = r % 2;
    uint32_t bits;
    /* The sign and the mantissa are random, the exponent is that of [0.5, 1). */
    uint16_t half = (uint16_t)((r >> 48 & 0x83ff) | 14 << 10);

    memcpy(&bits, &f, 4);
    uint16_t brain = (uint16_t)(bits >> 16);
    switch (dtype) {
    case TENSOR_F32: memcpy(out, &f, 4); break;
    case TENSOR_F64: memcpy(out, &d, 8); break;
    case TENSOR_F16: memcpy(out, &half, 2); break;
    case TENSOR_BF16: memcpy(out, &brain, 2); break;
    case TENSOR_STRING: break;
    default: memcpy(out, &small, size < 8 ? size : 8);
    }
}

void outputs_random(tensor *t, uint64_t seed)
{
    size_t size = tensor_elem_size(t->dtype);

    for (int64_t i = 0; i < t->count; i++)
        random_element(t->dtype, size, next_random(&seed), (char *)t->data + (size_t)i * size);
}

/* "1x3x224x224"; an empty text is a scalar. */
bool outputs_parse_shape(const char *text, int32_t *rank, int64_t dims[TENSOR_MAX_RANK])
{
    for (*rank = 0; *text; text += *text == 'x') {
        char *end;
        errno = 0;
        long long v = strtoll(text, &end, 10);
        bool digit = *text >= '0' && *text <= '9';
        bool more = *end == 'x' && end[1];
        if (!digit || errno || (*end && !more) || *rank == TENSOR_MAX_RANK)
            return false;
        dims[(*rank)++] = v;
        text = end;
    }
    return true;
}
