/* cli/each_file.h - commands that do the same with each of several files. */
#ifndef INGOT_EACH_FILE_H
#define INGOT_EACH_FILE_H

#include "base.h"
#include "options.h"

typedef VEC(const char *) file_list;

/* The row that takes the operands of such a command, at a file_list. */
#define FILES_ROW(about, place) {"FILE", NULL, about, .set = each_file_add, .at = place}
cli_set each_file_add;

/* Does `work`, which returns an exit code, with each file, also after one that failed, and
 * frees the list.  `parsed` is what cli_parse returned: nothing is done unless that is
 * CLI_OK.  The highest code. */
int each_file(file_list *l, int parsed, int (*work)(const void *cx, const char *path),
              const void *cx);

#endif
