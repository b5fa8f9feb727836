/* runtime/train/packed.c - a tensor in a file that gzip may have packed. */
#include "packed.h"

#include "bytes.h"

bool packed_read(const char *path, tensor_kind kind, tensor_value *v,
                 char error[TENSOR_ERROR_SIZE])
{
    bytes file = {0}, inner = {0};
    const char *name = tensor_file_name(path);

    *v = (tensor_value){0};
    file.data = file.owned = tensor_file_bytes(path, &file.size, error);
    if (!file.data)
        return false;
    bool is_packed = bytes_are_packed(&file);
    char what[TENSOR_ERROR_SIZE];
    snprintf(what, sizeof what, "what gzip packed in %.300s", name);
    const bytes *b = is_packed ? &inner : &file;
    bool ok = (!is_packed || bytes_inflate(name, file.data, file.size, 15 + 16, &inner, error)) &&
              tensor_read_memory(is_packed ? what : name, b->data, b->size, kind, v, error);
    bytes_free(&inner);
    bytes_free(&file);
    return ok;
}
