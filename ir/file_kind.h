/* ir/file_kind.h - what a file is: by its name, and by its first bytes where it was given
 * by mistake. */
#ifndef INGOT_FILE_KIND_H
#define INGOT_FILE_KIND_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "visible.h"

/* "net.ingot" ends in ".ingot"; ".ingot" alone is a name without a suffix. */
static inline bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n > m && !strcmp(s + n - m, suffix);
}

/* The last part of a path: m.onnx of models/m.onnx.  It points into the path. */
static inline const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

typedef struct file_kind {
    const char *what;
    uint8_t at, size;               /* where in the file the bytes stand, and how many */
    const char *bytes;
} file_kind;

static inline bool file_is_text(const uint8_t *data, size_t size)
{
    enum { LOOKED_AT = 256 };
    size_t n = size < LOOKED_AT ? size : LOOKED_AT;
    bool text = n > 0;

    for (size_t i = 0; i < n && text;) {
        bool blank = data[i] && strchr("\t\n\r\f", data[i]);
        int width = blank ? 1 : visible_length((const char *)data + i, size - i);
        text = width > 0;
        i += (size_t)width;
    }
    return text;
}

/* What begins as this file does, to stand behind "looks like"; null if it is nothing
 * that is known here.  A file of ours is never taken for one of these, but for .npy. */
static inline const char *file_looks_like(const uint8_t *data, size_t size)
{
    static const file_kind known[] = {
        {"a PNG picture", 0, 4, "\x89PNG"},
        {"a JPEG picture", 0, 3, "\xff\xd8\xff"},
        {"a GIF picture", 0, 4, "GIF8"},
        {"a WebP picture", 8, 4, "WEBP"},
        {"a .npy file", 0, 6, "\x93NUMPY"},
        {"an archive such as .npz or a PyTorch file", 0, 4, "PK\3\4"},
        {"a file of gzip, to be unpacked first (gunzip)", 0, 2, "\x1f\x8b"},
        {"an IDX file", 0, 3, "\0\0\x08"},
        {"a file of zstd, to be unpacked first (unzstd)", 0, 4, "\x28\xb5\x2f\xfd"},
        {"a file of xz, to be unpacked first (unxz)", 0, 5, "\xfd\x37zXZ"},
        {"a Python pickle, such as an old PyTorch file", 0, 2, "\x80\x02"},
        {"a Python pickle", 0, 2, "\x80\x04"},
        {"an HDF5 file, such as a Keras model", 0, 4, "\x89HDF"},
        {"a TensorFlow Lite model", 4, 4, "TFL3"},
        {"a GGUF model", 0, 4, "GGUF"},
        {"a safetensors file", 8, 2, "{\""},
        {"a program or library", 0, 4, "\x7f" "ELF"},
        {"a PDF document", 0, 4, "%PDF"},
        {"a pointer of Git LFS, whose file is not fetched", 0, 19, "version https://git"},
        {"an HTML page", 0, 9, "<!DOCTYPE"},
        {"an HTML page", 0, 9, "<!doctype"},
        {"an HTML page", 0, 5, "<html"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const file_kind *k = &known[i];
        if (size >= (size_t)k->at + k->size && !memcmp(data + k->at, k->bytes, k->size))
            return k->what;
    }
    return file_is_text(data, size) ? "text" : NULL;
}

#endif
