/* Fuzz target: the text form of the tensor IR.  Input is an error, or a module
 * that prints and reads back. */
#include "build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;
    text out = {0};

    diag_init(&d);
    char *source = arena_strndup(&d.mem, (const char *)data, size);
    ir_module *m = ir_parse(source, "fuzz", &d);
    if (m) {
        ir_print(m, &out);
        ir_module *again = ir_parse(out.at ? out.at : "", "printed", &d);
        ICE_IF(!again, "the printed module does not parse");
        ir_module_free(again);
    }
    text_free(&out);
    ir_module_free(m);
    diag_free(&d);
    return 0;
}
