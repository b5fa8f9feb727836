/* runtime/program_parts.h - what the files program_*.c share.  All functions
 * return false after a message on stderr. */
#ifndef INGOT_PROGRAM_PARTS_H
#define INGOT_PROGRAM_PARTS_H

#include "invoke.h"
#include "program.h"

/* One run of the program. */
typedef struct program {
    const program_options *o;
    const struct ingot_model *model;
    const struct ingot_entry *entry;
    int threads;
    int64_t *dims;                  /* symbols, as far as the command line says */
    tensor_value *in, *out;
} program;

/* program.c */
bool program_append(program_list *l, program_given given);
/* program_inputs.c */
/* Has the entry an input of this name, of what the command line calls so, as "input"? */
bool program_is_input(const struct ingot_entry *e, const char *what, const char *name);
bool program_check_inputs(const program_options *o, const struct ingot_entry *e);
bool program_bind(program *p);          /* --dim and --shape */
bool program_load_inputs(program *p, session *s);  /* files and values, then random ones */
/* program_value.c: the input that a text is, a number, a list, or the name of a file, which
 * `read` reads. */
bool program_is_value(const char *text);    /* is it one of the first two? */
bool program_value(const struct ingot_value_info *info, const char *text, program_reader *read,
                   tensor_value *in);
/* program_info.c */
bool program_info(const program *p);
/* The entries with inputs and outputs, a line each, for --help. */
void program_list_entries(const struct ingot_model *m, FILE *f);
/* program_bench.c: times `o->bench` runs, prints, writes the JSON file. */
bool program_bench(const program *p, invoke *v);

#endif
