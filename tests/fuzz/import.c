/* tests/fuzz/import.c - any bytes are a module that verifies, or an error. */
#include "onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;

    diag_init(&d);
    ir_module *m = onnx_import_memory(data, size, "input", NULL, &d);
    ICE_IF(!m && !diag_failed(&d), "no module and no reason");
    if (m) {
        ICE_IF(!ir_verify(m, &d, "import"), "%s", d.message.at[0].text);
        ir_module_free(m);
    }
    diag_free(&d);
    return 0;
}
