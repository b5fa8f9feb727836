/* runtime/tensor_npy.c - NumPy's .npy: versions 1 to 3, little-endian.
 * Source: numpy.lib.format. */
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"
#include "tensor_types.h"

/* 0: none that we have.  '<u1' is accepted for '|u1': one byte has no order. */
static int32_t type_of_descr(const char *s, size_t n)
{
    for (int32_t i = 1; i < TENSOR_TYPES; i++) {
        const char *npy = tensor_types[i].npy;
        if (npy && strlen(npy) == n && !memcmp(npy, s, n))
            return i;
        if (npy && *npy == '|' && n == strlen(npy) && *s == '<' && !memcmp(npy + 1, s + 1, n - 1))
            return i;
    }
    return 0;
}

/* Where the value of a key begins in the header, which is a dictionary of Python such
 * as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.  Null if the key
 * is not there. */
static const char *value_of(const char *header, const char *key)
{
    char quoted[32];

    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *p = strstr(header, quoted);
    if (!p)
        return NULL;
    p += strlen(quoted);
    p += strspn(p, " ");
    if (*p != ':')
        return NULL;
    return p + 1 + strspn(p + 1, " ");
}

/* (), (3,) or (3, 4). */
static bool parse_shape(const char *p, int64_t *dims, int32_t *rank)
{
    *rank = 0;
    if (*p++ != '(')
        return false;
    for (;;) {
        p += strspn(p, " ,");
        if (*p == ')')
            return true;
        int64_t v = 0;
        if (*p < '0' || *p > '9' || *rank == TENSOR_MAX_RANK)
            return false;
        for (; *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
                return false;
        dims[(*rank)++] = v;
    }
}

/* Brings elements from column-major to row-major order. */
static void reorder(tensor *t, const uint8_t *from)
{
    size_t size = tensor_elem_size(t->dtype);
    int64_t at[TENSOR_MAX_RANK] = {0};

    for (int64_t i = 0; i < t->count; i++) {
        int64_t offset = 0, stride = 1;
        for (int a = 0; a < t->rank; a++) {
            offset += at[a] * stride;
            stride *= t->dims[a];
        }
        memcpy((uint8_t *)t->data + (size_t)i * size, from + (size_t)offset * size, size);
        for (int a = t->rank - 1; a >= 0 && ++at[a] == t->dims[a]; a--)
            at[a] = 0;
    }
}

bool npy_begins(const uint8_t *data, size_t size)
{
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

    return size >= sizeof magic && !memcmp(data, magic, sizeof magic);
}

/* The header as text, and where elements begin. */
static bool take_header(const char *name, const uint8_t *data, size_t size, char header[4096],
                        tensor_layout *out, char *error)
{
    if (size < 12)
        return tensor_fail(error, "%s: not a .npy file: only %zu bytes", name, size);
    size_t lead = data[6] == 1 ? 10 : 12, len = data[8] | (size_t)data[9] << 8;
    if (data[6] > 1)
        len |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (data[6] < 1 || data[6] > 3)
        return tensor_fail(error, "%s: .npy version %d is unknown", name, data[6]);
    if (len >= 4096 || len > size - lead)
        return tensor_fail(error, "%s: .npy header of %zu bytes does not fit", name, len);
    memcpy(header, data + lead, len);
    header[len] = 0;
    out->begin = lead + len;
    return true;
}

/* Are there as many bytes of elements as the shape needs? */
static bool check_size(const char *name, size_t rest, tensor_layout *out, char *error)
{
    out->size = tensor_elem_size(out->dtype);
    for (int i = 0; i < out->rank; i++)
        if (__builtin_mul_overflow(out->size, (size_t)out->dims[i], &out->size))
            return tensor_fail(error, "%s: .npy shape is too large", name);
    return out->size == rest ||
           tensor_fail(error, "%s: .npy holds %zu bytes of data, its shape needs %zu", name, rest,
                       out->size);
}

/* What the header says, and where the elements are; the data are not touched, so
 * that a mapped file can stay where it is. */
bool npy_look(const char *name, const uint8_t *data, size_t size, tensor_layout *out, char *error)
{
    char header[4096];

    if (!take_header(name, data, size, header, out, error))
        return false;
    const char *descr = value_of(header, "descr"), *shape = value_of(header, "shape");
    const char *order = value_of(header, "fortran_order");
    if (!descr || !shape || !order || *descr != '\'')
        return tensor_fail(error, "%s: .npy header lacks descr, shape or fortran_order", name);
    out->dtype = type_of_descr(descr + 1, strcspn(descr + 1, "'"));
    if (!out->dtype && descr[1] == '>')
        return tensor_fail(error, "%s: .npy data in big-endian order is not supported", name);
    if (!out->dtype)
        return tensor_fail(error, "%s: .npy type '%.*s' is not supported", name,
                           (int)strcspn(descr + 1, "'"), descr + 1);
    if (!parse_shape(shape, out->dims, &out->rank))
        return tensor_fail(error, "%s: .npy shape cannot be read", name);
    out->columns_first = *order == 'T';
    return check_size(name, size - out->begin, out, error);
}

/* Column-major files are brought into our order. */
bool npy_read(const char *name, const uint8_t *data, size_t size, tensor *out, char *error)
{
    tensor_layout l;

    if (!npy_look(name, data, size, &l, error))
        return false;
    if (!tensor_init(out, l.dtype, l.rank, l.dims))
        return tensor_fail(error, "%s: no memory for %zu bytes", name, l.size);
    if (l.columns_first)
        reorder(out, data + l.begin);
    else
        memcpy(out->data, data + l.begin, l.size);
    tensor_settle_bools(out);
    return true;
}

/* Version 1; blanks fill the header to a multiple of 64 bytes, as numpy writes it. */
bool npy_write(FILE *f, const tensor *t)
{
    char header[512];
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     tensor_types[t->dtype].npy);

    for (int i = 0; i < t->rank; i++)
        n += snprintf(header + n, sizeof header - (size_t)n, "%lld,%s", (long long)t->dims[i],
                      i + 1 < t->rank ? " " : "");
    n += snprintf(header + n, sizeof header - (size_t)n, "), }");
    while ((10 + n + 1) % 64)
        header[n++] = ' ';
    header[n++] = '\n';
    const uint8_t lead[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)n, (uint8_t)(n >> 8)};
    size_t bytes = (size_t)t->count * tensor_elem_size(t->dtype);
    return fwrite(lead, 1, 10, f) == 10 && fwrite(header, 1, (size_t)n, f) == (size_t)n &&
           fwrite(t->data, 1, bytes, f) == bytes;
}
