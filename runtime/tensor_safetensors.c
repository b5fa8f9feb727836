/* runtime/tensor_safetensors.c - safetensors files: opened, read, written.  Eight
 * bytes of length, a JSON header (tensor_safetensors_text.c) that says where each
 * tensor lies, then the data.  Source: the format's description by Hugging Face.
 * What a header claims is checked against the file's size before anything is
 * believed. */
#include "tensor_safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tensor_file.h"
#include "tensor_safetensors_text.h"
#include "tensor_types.h"

enum { MOST_HEADER = 100 << 20 };       /* bytes, as the format's own readers have it */

bool safetensors_holds(int32_t dtype)
{
    return *tensor_type_name(dtype) != '?' && tensor_types[dtype].safetensors;
}

/* UINT64_MAX where the size does not fit: a file can say anything. */
uint64_t safetensors_bytes(int32_t dtype, int32_t rank, const int64_t *dims)
{
    uint64_t n = tensor_elem_size(dtype);

    for (int32_t a = 0; a < rank; a++)
        if (dims[a] < 0 || __builtin_mul_overflow(n, (uint64_t)dims[a], &n))
            return UINT64_MAX;
    return n;
}

const char *safetensors_shape(const char *type, int32_t rank, const int64_t *dims,
                              char out[SAFETENSORS_SHAPE_SIZE])
{
    const size_t room = SAFETENSORS_SHAPE_SIZE;
    int n = snprintf(out, room, "%.20s[", type);

    for (int32_t a = 0; a < rank; a++)
        n += snprintf(out + n, room - (size_t)n, "%s%" PRId64, a ? "," : "", dims[a]);
    snprintf(out + n, room - (size_t)n, "]");
    return out;
}

/* ---- reading ------------------------------------------------------------------------- */

static bool broken(const safetensors *s, char *error)
{
    return tensor_fail(error, "%s: is no safetensors file, or is damaged", s->path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const safetensors_entry *const *)a)->name,
                  (*(const safetensors_entry *const *)b)->name);
}

/* Does any name stand twice?  True without memory. */
static bool repeats(const safetensors *s)
{
    size_t n = (size_t)s->tensor_count;
    const safetensors_entry **sorted = malloc((n + 1) * sizeof *sorted);
    bool found = !sorted;

    for (size_t i = 0; sorted && i < n; i++)
        sorted[i] = &s->tensor[i];
    if (sorted)
        qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; sorted && i < n; i++)
        found |= !strcmp(sorted[i - 1]->name, sorted[i]->name);
    free(sorted);
    return found;
}

/* Do all tensors lie within the data, with as many bytes as their shapes say? */
static bool fits(const safetensors *s)
{
    for (int32_t i = 0; i < s->tensor_count; i++) {
        const safetensors_entry *t = &s->tensor[i];
        if (t->at > s->size || t->size > s->size - t->at ||
            (t->dtype && t->size != safetensors_bytes(t->dtype, t->rank, t->dims)))
            return false;
    }
    return !repeats(s);
}

/* Of a file of `size` bytes. */
static bool read_header(safetensors *s, uint64_t size, char *error)
{
    uint64_t length;

    if (fread(&length, sizeof length, 1, s->file) != 1 || length > MOST_HEADER ||
        length > size - sizeof length)
        return broken(s, error);
    s->data = sizeof length + length;
    s->size = size - s->data;
    s->text = calloc(1, length + 1);
    if (!s->text)
        return tensor_fail(error, "%s: no memory", s->path);
    return fread(s->text, 1, length, s->file) == length || broken(s, error);
}

static bool open_sized(safetensors *s, uint64_t size, char *error)
{
    if (!read_header(s, size, error))
        return false;
    enum header_result r = safetensors_parse(s);
    if (r == HEADER_NO_MEMORY)
        return tensor_fail(error, "%s: no memory", s->path);
    return (r == HEADER_READ && fits(s)) || broken(s, error);
}

/* Regular files alone: the size of others is not known.  After a failure, too,
 * safetensors_close is the caller's to call. */
bool safetensors_open(safetensors *s, const char *path, char error[TENSOR_ERROR_SIZE])
{
    struct stat st;

    *s = (safetensors){.path = path, .file = fopen(path, "rb")};
    if (!s->file)
        return tensor_fail(error, "%s: %s", path, strerror(errno));
    if (fstat(fileno(s->file), &st) || !S_ISREG(st.st_mode))
        return tensor_fail(error, "%s: is not a regular file", path);
    return open_sized(s, (uint64_t)st.st_size, error);
}

bool safetensors_open_memory(safetensors *s, const char *path, const void *data, size_t size,
                             char error[TENSOR_ERROR_SIZE])
{
    *s = (safetensors){.path = path, .file = fmemopen((void *)(uintptr_t)data, size, "rb")};
    return s->file ? open_sized(s, size, error) : tensor_fail(error, "%s: no memory", path);
}

void safetensors_close(safetensors *s)
{
    if (s->file)
        fclose(s->file);
    free(s->tensor);
    free(s->note);
    free(s->text);
    *s = (safetensors){0};
}

const safetensors_entry *safetensors_find(const safetensors *s, const char *name)
{
    for (int32_t i = 0; i < s->tensor_count; i++)
        if (!strcmp(s->tensor[i].name, name))
            return &s->tensor[i];
    return NULL;
}

const char *safetensors_note_of(const safetensors *s, const char *key)
{
    for (int32_t i = 0; i < s->note_count; i++)
        if (!strcmp(s->note[i].key, key))
            return s->note[i].value;
    return NULL;
}

/* e->size bytes, which the caller has made room for. */
bool safetensors_read(safetensors *s, const safetensors_entry *e, void *to,
                      char error[TENSOR_ERROR_SIZE])
{
    uint8_t *at = to;

    if (fseeko(s->file, (off_t)(s->data + e->at), SEEK_SET) ||
        fread(to, 1, e->size, s->file) != e->size)
        return tensor_fail(error, "%s: cannot be read: %s", s->path, strerror(errno));
    for (uint64_t i = 0; e->dtype == TENSOR_BOOL && i < e->size; i++)
        at[i] = at[i] != 0;             /* compiled code relies on it */
    return true;
}

/* ---- writing ------------------------------------------------------------------------- */

/* The caller looks at ferror(f). */
bool safetensors_write(FILE *f, const safetensors_item *item, int32_t n,
                       const safetensors_note *note, int32_t notes)
{
    size_t size = 0;
    char *text = safetensors_text(item, n, note, notes, &size);
    const uint64_t length = size;

    if (!text)
        return false;
    fwrite(&length, sizeof length, 1, f);
    fwrite(text, 1, size, f);
    for (int32_t i = 0; i < n; i++)
        fwrite(item[i].data, 1, safetensors_bytes(item[i].dtype, item[i].rank, item[i].dims), f);
    free(text);
    return true;
}
