/* runtime/options_rows.h - what reading a command line and describing it share. */
#ifndef INGOT_OPTIONS_ROWS_H
#define INGOT_OPTIONS_ROWS_H

#include "options.h"

/* Is told of a row, and how far behind the start of the command's options the
 * row's setter stores; true ends the walk. */
typedef bool cli_see_row(void *cx, const cli_option *o, size_t place);

/* Walks over the rows of a table, those of the tables that it takes in included;
 * `start` is where the command's options begin.  True if the walk was ended. */
bool cli_each_row(const cli_option *o, size_t start, cli_see_row *see, void *cx);
/* Prints what --help=FORM asks for.  False after a message: there is no such form. */
bool cli_help(const char *form, const char *usage, const char *about, const cli_option *o);

#endif
