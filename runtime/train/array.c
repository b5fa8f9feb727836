/* runtime/train/array.c - arrays in files: IDX, .npy, .npz and safetensors.  The
 * first axis counts rows.  Where a file's bytes are the elements as this machine
 * has them, the array points into the mapped file and nothing is read until a row
 * is used: data may be larger than memory. */
#include "array.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file_kind.h"
#include "tensor_file.h"
#include "tensor_safetensors.h"

void array_free(array *a)
{
    bytes_free(&a->held);
    words_free(&a->names);
    words_free(&a->fields);
    free(a->unchecked);
    *a = (array){0};
}

int64_t array_row(const array *a)
{
    int64_t n = 1;

    for (int32_t i = 0; i < a->rank; i++)
        n *= a->dims[i];
    return n;
}

size_t array_row_bytes(const array *a)
{
    return (size_t)array_row(a) * tensor_elem_size(a->dtype);
}

const char *array_text(const array *a, char out[ARRAY_TEXT_SIZE])
{
    int n = snprintf(out, ARRAY_TEXT_SIZE, "%s[%" PRId64, tensor_type_name(a->dtype), a->rows);

    for (int32_t i = 0; i < a->rank; i++)
        n += snprintf(out + n, ARRAY_TEXT_SIZE - (size_t)n, ", %" PRId64, a->dims[i]);
    snprintf(out + n, ARRAY_TEXT_SIZE - (size_t)n, "]");
    return out;
}

/* The first axis of a tensor counts rows. */
static bool set_shape(array *a, const char *path, int32_t dtype, int32_t rank, const int64_t *dims,
                      char *error)
{
    if (!rank)
        return tensor_fail(error, "%s: is one number, without rows", path);
    a->dtype = dtype;
    a->rank = rank - 1;
    a->rows = dims[0];
    a->stride = 1;
    for (int32_t i = 1; i < rank; i++) {
        a->dims[i - 1] = dims[i];
        if (__builtin_mul_overflow(a->stride, dims[i], &a->stride))
            return tensor_fail(error, "%s: the extents of a row overflow", path);
    }
    return true;
}

/* ---- IDX: the format of MNIST's files --------------------------------------------- */

/* The array takes b over if nothing was swapped. */
static bool read_idx(const char *path, bytes *b, array *a, char *error)
{
    tensor_layout l;

    if (!idx_look(path, b->data, b->size, &l, error) ||
        !set_shape(a, path, l.dtype, l.rank, l.dims, error))
        return false;
    size_t elem = tensor_elem_size(l.dtype);
    const uint8_t *from = b->data + l.begin;
    a->data = from;
    a->held = *b;
    *b = (bytes){0};
    if (elem == 1)
        return true;
    uint8_t *copy = malloc(l.size + 1);
    if (copy)
        idx_elements(copy, from, l.size, elem);
    bytes_free(&a->held);
    a->data = a->held.owned = copy;
    return copy || tensor_fail(error, "%s: no memory", path);
}

/* ---- NumPy ------------------------------------------------------------------------ */

/* Can the elements stay where they are: in the file's own bytes, as this machine has them? */
static bool stays(const bytes *b, const tensor_layout *l)
{
    const uint8_t *at = b->data + l->begin;

    return (b->mapped || b->owned) && !l->columns_first && l->dtype != TENSOR_BOOL &&
           (uintptr_t)at % tensor_elem_size(l->dtype) == 0;
}

/* b is taken over where elements stay. */
static bool read_npy(const char *path, bytes *b, array *a, char *error)
{
    tensor t = {0};
    tensor_layout l;

    if (!npy_begins(b->data, b->size))
        return tensor_fail(error, "%s: is no .npy file", path);
    if (!npy_look(path, b->data, b->size, &l, error))
        return false;
    if (stays(b, &l)) {
        a->data = b->data + l.begin;
        a->held = *b;
        *b = (bytes){0};
        return set_shape(a, path, l.dtype, l.rank, l.dims, error);
    }
    if (!npy_read(path, b->data, b->size, &t, error))
        return false;
    a->data = a->held.owned = t.data;
    return set_shape(a, path, t.dtype, t.rank, t.dims, error);
}

static bool is_zip(const bytes *b)
{
    return b->size >= 4 && !memcmp(b->data, "PK", 2) &&
           (!memcmp(b->data + 2, "\3\4", 2) || !memcmp(b->data + 2, "\5\6", 2));
}

/* The element that each of n numbers of the file becomes, which has other numbers for its
 * names than the program. */
static bool renumber(const source *s, const int64_t *to, int64_t n, array *a, char *error)
{
    int64_t count = a->rows * a->stride;
    tensor from = {.dtype = a->dtype, .count = count, .data = (void *)(uintptr_t)a->data};
    void *copy = malloc((size_t)count * tensor_elem_size(a->dtype) + 1);
    bool ok = copy || tensor_fail(error, "%s: no memory", s->path);

    for (int64_t i = 0; ok && i < count; i++) {
        double v = tensor_element(&from, i);
        ok = (v >= 0 && v < (double)n &&
              tensor_put_number(a->dtype, copy, i, (double)to[(int64_t)v])) ||
             tensor_fail(error, "%s: row %lld: %.0f has no name", s->path,
                         (long long)(i / a->stride + 1), v);
    }
    bytes_free(&a->held);
    a->data = a->held.owned = copy;
    return ok;
}

/* The number of each line's text; false for one that the program does not know.  *n counts
 * them, *same tells whether each is its line's. */
static bool number_names(const source *s, const bytes *lines, words *names, int64_t *to, int64_t *n,
                         bool *same, char *error)
{
    const char *at = (const char *)lines->data, *end = at + lines->size;

    for (*same = true; at < end; (*n)++) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line ? line : end) - at);
        to[*n] = words_number(names, at, size);
        if (to[*n] == -2)
            return tensor_fail(error, "%s: no memory", s->path);
        if (to[*n] < 0)
            return tensor_fail(error, "%s: '%.*s', which %lld stands for, is none of the %lld "
                               "categories that the program knows", s->path,
                               (int)(size < 100 ? size : 100), at, (long long)*n,
                               (long long)names->n);
        *same = *same && to[*n] == *n;
        at += size + 1;
    }
    return true;
}

/* Numbers are those of the program's names, or, where it has none, those of the lines. */
static bool add_names(const source *s, const bytes *lines, array *a, char *error)
{
    int64_t *to = malloc((lines->size + 1) * sizeof *to), n = 0;
    bool same, ok = to || tensor_fail(error, "%s: no memory", s->path);

    ok = ok && number_names(s, lines, &a->names, to, &n, &same, error) &&
         (same || renumber(s, to, n, a, error));
    free(to);
    return ok;
}

/* KEY.names beside the array of that key: a line for what each number stands for. */
static bool read_names(const source *s, const bytes *b, array *a, char *error)
{
    char key[300], ignored[TENSOR_ERROR_SIZE];
    bytes lines = {0};

    snprintf(key, sizeof key, "%.280s.names", s->key ? s->key : "");
    bool ok = !s->key || !bytes_member(b, s->path, key, &lines, ignored) ||
              add_names(s, &lines, a, error);
    bytes_free(&lines);
    return ok;
}

/* One member of the archive, by its key or because it is the only one. */
static bool read_npz(const source *s, const bytes *b, array *a, char *error)
{
    char place[400];
    bytes member;
    bool ok = bytes_member(b, s->path, s->key, &member, error);

    snprintf(place, sizeof place, "%.300s%s%.80s", s->path, s->key ? ": " : "",
             s->key ? s->key : "");
    ok = ok && read_npy(place, &member, a, error);
    bytes_free(&member);
    return ok && read_names(s, b, a, error);
}

/* ---- safetensors ------------------------------------------------------------------ */

/* Null after a message that says how to name one. */
static const safetensors_entry *find_tensor(const source *s, const safetensors *f, char *error)
{
    const safetensors_entry *e = s->key               ? safetensors_find(f, s->key)
                                 : f->tensor_count == 1 ? f->tensor
                                                        : NULL;
    if (!e && s->key)
        tensor_fail(error, "%s: holds no array '%s'", s->path, s->key);
    else if (!e)
        tensor_fail(error, "%s: holds %d arrays; name one: \"%s\"[\"NAME\"]", s->path,
                    f->tensor_count, s->path);
    else if (!e->dtype)
        tensor_fail(error, "%s: '%s' has the unknown type %s", s->path, e->name, e->type);
    return e && e->dtype ? e : NULL;
}

/* Copied: tensors lie anywhere in the file, aligned to nothing. */
static bool read_safetensors(const source *s, const bytes *b, array *a, char *error)
{
    safetensors f;
    const safetensors_entry *e =
        safetensors_open_memory(&f, s->path, b->data, b->size, error) ? find_tensor(s, &f, error)
                                                                      : NULL;
    bool ok = e && set_shape(a, s->path, e->dtype, e->rank, e->dims, error);

    if (ok) {
        a->data = a->held.owned = malloc(e->size + 1);
        ok = a->data ? safetensors_read(&f, e, a->held.owned, error)
                     : tensor_fail(error, "%s: no memory", s->path);
    }
    safetensors_close(&f);
    return ok;
}

/* ---- windows ---------------------------------------------------------------------- */

/* windows(source, 3) over 1 2 3 4 5 has the rows 1 2 3, 2 3 4, 3 4 5: rows overlap
 * in memory, so no element is copied, and the stride between rows is the step. */
bool array_cut_windows(const source *s, array *a, char error[TENSOR_ERROR_SIZE])
{
    if (!s->window)
        return true;
    if (a->rank == TENSOR_MAX_RANK)
        return tensor_fail(error, "%s: has too many axes for windows", s->path);
    if (a->rows < s->window)
        return tensor_fail(error, "%s: %lld elements are fewer than the %lld of a window", s->path,
                           (long long)a->rows, (long long)s->window);
    int64_t step = s->step < a->rows ? s->step : a->rows;   /* one further is of no use */
    a->rows = (a->rows - s->window) / step + 1;
    a->stride *= step;
    memmove(a->dims + 1, a->dims, (size_t)a->rank * sizeof *a->dims);
    a->dims[0] = s->window;
    a->rank++;
    return true;
}

/* ---- any of them ------------------------------------------------------------------ */

/* By the first bytes of the file, and, as safetensors have none of their own, by its name. */
static bool read_bytes(const source *s, bytes *b, array *a, char *error)
{
    if (has_suffix(s->path, ".safetensors") || has_suffix(s->path, ".safetensors.gz"))
        return read_safetensors(s, b, a, error);
    if (is_zip(b))
        return read_npz(s, b, a, error);
    if (s->key)
        return tensor_fail(error, "%s: has no named arrays", s->path);
    if (npy_begins(b->data, b->size))
        return read_npy(s->path, b, a, error);
    if (idx_begins(b->data, b->size))
        return read_idx(s->path, b, a, error);
    return tensor_fail(error, "%s: is of no known format: IDX, .npy, .npz, .safetensors, .csv; a "
                       "text is read by chars(..), bytes(..) or words(..)", s->path);
}

/* On failure the array is empty. */
bool array_read_file(const source *s, array *a, char error[TENSOR_ERROR_SIZE])
{
    bytes b = {0};
    bool ok = bytes_read(&b, s->path, error) && read_bytes(s, &b, a, error);

    ok = ok && array_cut_windows(s, a, error);
    bytes_free(&b);
    if (!ok)
        array_free(a);
    return ok;
}
