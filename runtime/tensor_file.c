/* runtime/tensor_file.c - reading whole files, writing under a temporary name.  The
 * format of a file is told by its first bytes, never by its name: .npy begins with
 * 0x93 NUMPY, IDX with two zeros, a type and a rank, and a TensorProto is what is left
 * when it looks like nothing else. */
#include "tensor_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "file_kind.h"
#include "tensor_types.h"

bool tensor_fail(char *error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(error, TENSOR_ERROR_SIZE, fmt, ap);
    va_end(ap);
    return false;
}

void tensor_settle_bools(tensor *t)
{
    uint8_t *at = t->data;

    for (int64_t i = 0; t->dtype == TENSOR_BOOL && i < t->count; i++)
        at[i] = at[i] != 0;
}

/* The version of its format, one byte, and behind it a text or a message: a tensor has its
 * extents and its type as numbers. */
static bool is_model(const uint8_t *data, size_t size)
{
    return size > 2 && data[0] == 0x08 && data[1] < 0x80 &&
           (data[2] == 0x12 || data[2] == 0x3a || data[2] == 0x42);
}

static bool not_tensor(const char *name, const char *seen, char *error)
{
    return tensor_fail(error, "%.300s: looks like %s; one tensor is expected, in a .npy file, "
                       "IDX or a TensorProto (.pb)", name, seen);
}

/* A file of another kind (a picture, a ZIP) is named in the message. */
bool tensor_read_memory(const char *name, const uint8_t *data, size_t size,
                        tensor_kind kind, tensor_value *out,
                        char error[TENSOR_ERROR_SIZE])
{
    bool is_npy = npy_begins(data, size);
    bool is_idx = kind == TENSOR_PLAIN && idx_begins(data, size);
    const char *kind_seen = is_npy || is_idx ? NULL : file_looks_like(data, size);

    *out = (tensor_value){0};
    if (!size && kind == TENSOR_PLAIN)
        return tensor_fail(error, "%s: is empty", name);
    if (kind_seen)
        return not_tensor(name, kind_seen, error);
    bool ok = is_npy ? npy_read(name, data, size, &out->t, error)
              : is_idx ? idx_read(name, data, size, &out->t, error)
                     : pb_read(name, data, size, kind, out, error);
    if (ok)
        return true;
    tensor_value_free(out);
    return is_model(data, size) ? not_tensor(name, "an ONNX model", error) : false;
}

/* Reads a pipe or a device to its end.  Null with the reason in errno. */
static uint8_t *read_stream(FILE *f, size_t *size)
{
    const size_t most = (size_t)1 << 30;
    uint8_t *data = NULL, *more;

    for (size_t room = 1 << 16; room <= most; room *= 2) {
        more = realloc(data, room);
        if (!more)
            break;
        data = more;
        *size += fread(data + *size, 1, room - *size, f);
        if (*size < room && !ferror(f))
            return data;
        if (ferror(f))
            break;
        errno = EFBIG;
    }
    free(data);
    return NULL;
}

/* Null with the reason in errno. */
static uint8_t *read_regular(FILE *f, size_t *size)
{
    uint8_t *data = malloc(*size + 1);

    errno = data ? 0 : ENOMEM;
    if (data && fread(data, 1, *size, f) != *size) {
        free(data);
        data = NULL;
        errno = errno ? errno : EIO;
    }
    return data;
}

/* Reads all of a file.  Null with the reason in errno. */
static uint8_t *slurp(FILE *f, size_t *size)
{
    struct stat st;

    *size = 0;
    if (fstat(fileno(f), &st))
        return NULL;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    if (!S_ISREG(st.st_mode))
        return read_stream(f, size);
    *size = (size_t)st.st_size;
    return read_regular(f, size);
}

static bool is_standard(const char *path)
{
    return !strcmp(path, "-");
}

const char *tensor_file_name(const char *path)
{
    return is_standard(path) ? "standard input" : path;
}

uint8_t *tensor_file_bytes(const char *path, size_t *size, char error[TENSOR_ERROR_SIZE])
{
    FILE *f = is_standard(path) ? stdin : fopen(path, "rb");

    if (!f) {
        tensor_fail(error, "%s: %s", path, strerror(errno));
        return NULL;
    }
    uint8_t *data = slurp(f, size);
    int why = errno;
    if (f != stdin)
        fclose(f);
    if (!data)
        tensor_fail(error, "%s: cannot be read: %s", tensor_file_name(path), strerror(why));
    return data;
}

bool tensor_read(const char *path, tensor_kind kind, tensor_value *out,
                 char error[TENSOR_ERROR_SIZE])
{
    size_t size;
    uint8_t *data = tensor_file_bytes(path, &size, error);

    *out = (tensor_value){0};
    bool ok = data && tensor_read_memory(tensor_file_name(path), data, size, kind, out, error);
    free(data);
    return ok;
}

bool tensor_npy_holds(const tensor_value *v)
{
    return v->kind == TENSOR_PLAIN && tensor_types[v->t.dtype].npy;
}

bool tensor_write(const char *path, bool npy, const char *name,
                  const tensor_value *v, char error[TENSOR_ERROR_SIZE])
{
    partial p;
    bool ok =
        partial_open(&p, path) && (npy ? npy_write(p.file, &v->t) : pb_write(p.file, name, v));

    return partial_close(&p, ok) ||
           tensor_fail(error, "%s: cannot be written: %s", path, strerror(errno));
}
