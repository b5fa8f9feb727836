/* runtime/train/source.h - where rows come from, as the language writes it:
 *
 *   source = STRING ['[' select {',' select} ']'] | call | table | PATH
 *   call   = ('csv' | 'bytes' | 'chars' | 'words' | 'windows')
 *            '(' source {',' [NAME '='] value} ')' ['[' select {',' select} ']']
 *   select = STRING [':' STRING]
 *   table  = '[' (row {',' row} | number {',' number}) ']'       row = '[' number {',' number} ']'
 *
 * A PATH without quotes is what a command line has: --data x=train.npy. */
#ifndef INGOT_TRAIN_SOURCE_H
#define INGOT_TRAIN_SOURCE_H

#include "tensor_io.h"

typedef enum source_kind {
    SOURCE_FILE, SOURCE_CSV, SOURCE_BYTES, SOURCE_CHARS, SOURCE_WORDS, SOURCE_TABLE
} source_kind;

/* "a":"c" selects the columns of a CSV file from a to c; "a" alone has no `last`. */
typedef struct source_select {
    char *first, *last;
} source_select;

enum { SOURCE_SELECTS = 64 };

/* A source as it was parsed.  csv("f.csv", skip = 1)["a":"c", "e"] is a CSV with path f.csv,
 * skip 1 and two selects, {a, c} and {e, null}. */
typedef struct source {
    source_kind kind;
    char *path;                     /* null for a table */
    char *key;                      /* of an archive's member */
    source_select select[SOURCE_SELECTS];
    int32_t selects;
    int64_t skip;                   /* lines of a CSV file before the first */
    int64_t most;                   /* words that have a number */
    bool pad;                       /* a line of the text is a row */
    int64_t window, step;           /* rows of `window` elements, `step` apart; 0: none */
    double *cell;                   /* a table's numbers: rows times width */
    int64_t rows, width;
} source;

/* Is it a path as a command line has it?  It begins as no table and no call, and has no quote:
 * a(1).npy is one, csv("a.csv") and "a.npz"["x"] are none. */
bool source_is_path(const char *text);
/* False with a message; source_free in any case. */
bool source_parse(source *s, const char *text, char error[TENSOR_ERROR_SIZE]);
/* The same of what is given in the place of a source of the program, `like`, or null: a file that
 * is named alone is read as the program reads its own, if that is a text. */
bool source_parse_like(source *s, const char *text, const char *like,
                       char error[TENSOR_ERROR_SIZE]);
void source_free(source *s);

#endif
