/* runtime/train/packed.h - tensors in files that gzip has packed. */
#ifndef INGOT_TRAIN_PACKED_H
#define INGOT_TRAIN_PACKED_H

#include "tensor_io.h"

/* Reads what tensor_read does, and files of gzip, which are known by their first bytes:
 * trainers and `ingot run` have what unpacks them, other executables do not. */
bool packed_read(const char *path, tensor_kind kind, tensor_value *v,
                 char error[TENSOR_ERROR_SIZE]);

#endif
