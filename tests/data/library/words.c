/* Strings go through a model as they are. */
#include <string.h>

#include "words.h"

int main(void)
{
    static char workspace[4096] __attribute__((aligned(64)));
    const struct words_string x[] = {{"one", 3}, {"", 0}};
    struct words_string y[2] = {{NULL, 1}, {NULL, 1}};
    struct words_inputs in;
    struct words_outputs out;

    in.x = x;
    out.y = y;
    if (words_workspace_size(1) > sizeof workspace ||
        words_run(&in, &out, workspace, NULL) != WORDS_OK)
        return 1;
    return y[0].len != 3 || memcmp(y[0].at, "one", 3) != 0 || y[1].len != 0;
}
