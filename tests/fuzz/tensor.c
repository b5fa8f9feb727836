/* tests/fuzz/tensor.c - the readers of .npy and .pb take any bytes. */
#include "tensor_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const tensor_kind kinds[] = {TENSOR_PLAIN, TENSOR_SEQUENCE, TENSOR_OPTIONAL};
    char error[TENSOR_ERROR_SIZE];

    for (int i = 0; i < 3; i++) {
        tensor_value v;
        if (tensor_read_memory("input", data, size, kinds[i], &v, error))
            tensor_value_free(&v);
    }
    return 0;
}
