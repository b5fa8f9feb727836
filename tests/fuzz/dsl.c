/* Fuzz target: lexer, parser and formatter of the language.  Input is an error, or a program
 * that the formatter leaves a program and does not change twice. */
#include "dsl/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    diag d;
    text once = {0}, twice = {0};

    diag_init(&d);
    char *source = arena_strndup(&d.mem, (const char *)data, size);
    if (dsl_format(source, "fuzz", &d, &once)) {
        ICE_IF(!dsl_format(once.at, "formatted", &d, &twice), "it is no program any more");
        ICE_IF(strcmp(once.at, twice.at), "the formatted program changes again");
    }
    text_free(&once);
    text_free(&twice);
    diag_free(&d);
    return 0;
}
