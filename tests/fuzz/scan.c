/* tests/fuzz/scan.c - the walk over the wire format takes any bytes, and
 * writes a message not much larger than them. */
#include "onnx_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;
    text out = {0};

    diag_init(&d);
    onnx_scan(data, size, "input", &out, &d);
    ICE_IF(out.len > 4 * size + 64, "the scan made %zu bytes of %zu", out.len, size);
    text_free(&out);
    diag_free(&d);
    return 0;
}
