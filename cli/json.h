/* cli/json.h - reports for machines. */
#ifndef INGOT_JSON_H
#define INGOT_JSON_H

#include "ir.h"

/* Adds or writes `s` in quotes. */
void json_add_text(text *out, const char *s);
void json_write_text(FILE *f, const char *s);

/* Adds all functions of the model, node by node; values are numbered in each function.
 * Attributes are texts of the IR; data of constants is left out. */
void json_add_module(text *out, const ir_module *m);

/* Text that stands between tags of a page. */
void html_write_text(FILE *f, const char *s);

#endif
