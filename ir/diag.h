/* ir/diag.h - messages about bad input, each with its place. */
#ifndef INGOT_DIAG_H
#define INGOT_DIAG_H

#include "base.h"

/* Where something came from: a line of text, or a node of an ONNX file. */
typedef struct ir_loc {
    uint32_t file;          /* id in the diag's table of place names; 0: none */
    uint32_t line, col;     /* text: line, column; ONNX: node number + 1, 0 */
} ir_loc;

typedef enum diag_id {
#define DIAG(id, fmt) D_##id,
#include "diag.def"
    DIAG_COUNT
} diag_id;

typedef struct diag_message {
    diag_id id;
    const char *text;       /* whole line, place included, no newline */
} diag_message;

/* One node, operator or feature that is not supported.  Grouped when printed. */
typedef struct diag_gap {
    const char *op, *version, *reason, *node;
} diag_gap;

/* All that was said about one input.  Messages are kept in their order; gaps are grouped when
 * they are printed: one line for all nodes of an operator with the same reason. */
typedef struct diag {
    arena mem;
    VEC(diag_message) message;
    VEC(diag_gap) gap;
    VEC(const char *) place;/* by ir_loc.file: "net.ir", "model.onnx: node 17 'conv1' (Conv-11)" */
    VEC(const char *) source;   /* by ir_loc.file: its text, for the caret; null: none */
    uint32_t errors;
    bool usage;             /* an error is of what the caller asked for, not of the file */
    bool dropped;           /* the last message was not kept: nor are notes behind it */
    const char *file;       /* whose gaps these are; may be null */
} diag;

void diag_init(diag *d);
void diag_free(diag *d);
uint32_t diag_place(diag *d, const char *place);   /* id for ir_loc.file */
/* The id of a place with its text (copied), whose lines are shown with messages. */
uint32_t diag_source(diag *d, const char *place, const char *source);
/* "node 17 'conv1' (Conv-11)" of a place in an ONNX file; else "". */
const char *diag_node(const diag *d, ir_loc loc);
/* Records an error; the format is the row's.  Always returns false. */
bool diag_error(diag *d, ir_loc loc, diag_id id, ...);
/* The same of a row that is "%s", which words of the caller's own stand for. */
bool diag_verror(diag *d, ir_loc loc, diag_id id, const char *fmt, va_list ap) PRINTF_LIKE(4, 0);
/* Records a warning, which is no error, unless the same one is there; was it new? */
bool diag_warning(diag *d, ir_loc loc, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool diag_vwarning(diag *d, ir_loc loc, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
/* Adds to the message before it, if that was kept, a line `PLACE note: ..`, and the source
 * there. */
void diag_note(diag *d, ir_loc loc, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Adds what another reading of the same text found: messages that are not there, gaps if there
 * are none. */
void diag_add(diag *d, const diag *other);
/* Records that `op`-`version` at `node` is unsupported because of `reason`
 * (all are copied).  Always returns false. */
bool diag_unsupported(diag *d, const char *op, const char *version,
                      const char *node, const char *reason);
static inline bool diag_failed(const diag *d) { return d->errors || d->gap.len; }
/* Prints at most 20 messages, then the gaps grouped by operator, version and
 * reason, all of them. */
void diag_print(const diag *d, FILE *out);

#endif
