/* cli/each_file.c - commands that do the same with each of several files.  A file
 * that fails does not keep the others from their turn; the exit status is the
 * worst. */
#include "each_file.h"

bool each_file_add(void *to, const cli_option *o, const char *value)
{
    file_list *l = to;

    (void)o;
    vec_push(l, value);
    return true;
}

/* Goes on behind a file that fails: all messages come in one run.  The list is
 * freed. */
int each_file(file_list *l, int parsed, int (*work)(const void *cx, const char *path),
              const void *cx)
{
    int status = parsed;

    if (parsed == CLI_OK && !l->len) {
        cli_wrong("no FILE is given (see --help)");
        status = CLI_USAGE;
    }
    for (uint32_t i = 0; parsed == CLI_OK && i < l->len; i++) {
        int one = work(cx, l->at[i]);
        status = one > status ? one : status;
    }
    vec_free(l);
    return status;
}
