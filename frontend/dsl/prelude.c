/* frontend/dsl/prelude.c - the files of the prelude. */
#include "prelude.h"

#define FILES(FILE)                                                            \
    FILE(layers) FILE(norms) FILE(recurrent) FILE(attention) FILE(blocks)      \
    FILE(activations) FILE(losses) FILE(optimizers) FILE(prepare)

#define DECLARE(name) extern const char prelude_##name[];
FILES(DECLARE)

#define ROW(name) {"prelude/" #name ".ingot", prelude_##name},
const prelude_file prelude[PRELUDE_FILES] = {FILES(ROW)};
