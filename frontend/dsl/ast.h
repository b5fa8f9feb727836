/* frontend/dsl/ast.h - the syntax tree of a program in the language.
 *
 * A tree says what was written, nothing more: names are not resolved, `a |> b` is
 * a pipe and not yet a call.  Three kinds of node, each with a tag and a place: items
 * (what stands at the top of a file), statements and expressions.  Extents,
 * positions and places of definitions are expressions as well; three tags stand
 * only there: AST_REST (`..`), AST_SLICE (`a:b`, `:`) and AST_IN (`i in n`).
 *
 * Nodes live in the arena of a pool and are never freed alone.  Equal names of
 * one pool are equal pointers.  What is absent is null, or a list of length 0. */
#ifndef INGOT_DSL_AST_H
#define INGOT_DSL_AST_H

#include "diag.h"

/* What all files of a program share. */
typedef struct ast_pool {
    arena mem;
    names names;
} ast_pool;

/* The pool's copy of s[0..n): the same pointer for the same text. */
const char *ast_name(ast_pool *pool, const char *s, size_t n);
void ast_pool_free(ast_pool *pool);

typedef struct ast_expr ast_expr;
typedef struct ast_stmt ast_stmt;
typedef struct ast_item ast_item;

/* A list in the arena: l.at[0 .. l.len). */
#define AST_LIST(T)                                                            \
    struct {                                                                   \
        T *at;                                                                 \
        uint32_t len;                                                          \
    }
typedef AST_LIST(ast_expr *) ast_exprs;
typedef AST_LIST(ast_stmt *) ast_stmts;

/* A name where it stands.  `text` is null where none was written. */
typedef struct ast_word {
    ir_loc at;
    const char *text;
} ast_word;
typedef AST_LIST(ast_word) ast_words;

/* A part of a path: `q`, `2`, `"layer.0"`, `{i}`. */
typedef enum ast_part_kind {
    AST_PART_NAME,
    AST_PART_NUMBER,        /* its digits */
    AST_PART_STRING,        /* its text */
    AST_PART_CONFIG,        /* the name between the braces */
} ast_part_kind;
typedef struct ast_part {
    ir_loc at;
    ast_part_kind kind;
    const char *text;
} ast_part;
typedef AST_LIST(ast_part) ast_path;

/* Which parameters: `head.*`, `*.b`, "conv1.w".  The text holds no blanks; `*` is
 * any part or parts, `{i}` a configuration value. */
typedef struct ast_pattern {
    ir_loc at;
    const char *text;
    bool quoted;            /* written as a string: a name of a file's, no `*` in it */
} ast_pattern;
typedef AST_LIST(ast_pattern) ast_patterns;

/* An index of sum[..] or `for`: a name, with its extent if given; `..` has no name. */
typedef struct ast_index {
    ir_loc at;
    const char *name;       /* null: `..` */
    ast_expr *extent;
} ast_index;
typedef AST_LIST(ast_index) ast_indices;

/* An argument of a call: `x`, `stride = 2`. */
typedef struct ast_arg {
    ast_word name;
    ast_expr *value;
} ast_arg;
typedef AST_LIST(ast_arg) ast_args;

/* ---- types */

/* AST_ELEM_REAL (also where none is written), _INT, _BOOL, _ANY (`_`), _F64 .. _U8. */
typedef enum ast_elem {
#define ELEM(id, text) AST_ELEM_##id,
#include "words.def"
    AST_ELEM_COUNT
} ast_elem;

/* `int<V>[.., T + 1]` has elem INT, bound V and the extents `..` and T + 1. */
typedef struct ast_type {
    ir_loc at;
    ast_elem elem;
    ast_expr *bound;        /* of int<bound> */
    bool shaped;            /* has [ ], which may be empty */
    ast_exprs extents;      /* each an expression, AST_REST, or the name `_` */
} ast_type;

/* ---- expressions */

typedef enum ast_expr_kind {
    AST_NUMBER,             /* number: 12, 1_000, 0x1F, 0.5, 1e-3 */
    AST_STRING,             /* string, its escapes replaced */
    AST_BOOL,               /* truth */
    AST_NAME,               /* name; also `real`, `u8` .. as the names of conversions */
    AST_ARRAY,              /* [a, b, c]: items */
    AST_CALL,               /* call.callee(args); at the callee */
    AST_SUBSCRIPT,          /* subscript.base[positions]; at the base */
    AST_MEMBER,             /* member.base.part; at the base */
    AST_UNARY,              /* unary.op x: AST_NEG, AST_NOT */
    AST_BINARY,             /* binary.left op right; at the operator */
    AST_PIPE,               /* binary.left |> right; at the operator, op is not used */
    AST_SELECT,             /* if select.cond then yes else no */
    AST_REDUCE,             /* reduce.how[indices] body */
    AST_FOR,                /* each.body for indices; at the body */
    AST_REST,               /* .. */
    AST_SLICE,              /* slice.low:high, each may be absent */
    AST_IN,                 /* in.place in extent: a place on the left of a definition */
} ast_expr_kind;

typedef enum ast_op {
    AST_ADD,
    AST_SUB,
    AST_MUL,
    AST_DIV,
    AST_FLOORDIV,
    AST_MOD,
    AST_POW,
    AST_EQ,
    AST_NE,
    AST_LT,
    AST_LE,
    AST_GT,
    AST_GE,
    AST_AND,
    AST_OR,
    AST_NEG,
    AST_NOT,
    AST_OP_COUNT
} ast_op;

/* AST_SUM .. AST_ARGMIN */
typedef enum ast_reduction {
#define REDUCTION(id, text) AST_##id,
#include "words.def"
    AST_REDUCTION_COUNT
} ast_reduction;

/* An expression as it is written; `kind` names the member.  Example: a + b * 2 is BINARY of
 * a NAME and of a BINARY, AST_MUL, of a NAME and a NUMBER. */
struct ast_expr {
    ast_expr_kind kind;
    bool parens;            /* stood in parentheses */
    ir_loc at;
    union {
        struct { double value; int64_t whole; bool is_whole; const char *text; } number;
        struct { const char *text; } string;
        bool truth;
        const char *name;
        ast_exprs items;
        struct { ast_expr *callee; ast_args args; } call;
        struct { ast_expr *base; ast_exprs positions; } subscript;
        struct { ast_expr *base; ast_part part; } member;
        struct { ast_op op; ast_expr *x; } unary;
        struct { ast_op op; ast_expr *left, *right; } binary;
        struct { ast_expr *cond, *yes, *no; } select;
        struct { ast_reduction how; ast_indices indices; ast_expr *body; } reduce;
        struct { ast_expr *body; ast_indices indices; } each;
        struct { ast_expr *low, *high; } slice;
        struct { ast_expr *place, *extent; } in;
    };
};

/* ---- statements */

typedef struct ast_block {
    ir_loc at;
    bool braces;            /* { .. }; else `= expr`, one AST_VALUE */
    ast_stmts stmts;
} ast_block;

/* How a name gets its value. */
typedef enum ast_assign {
    AST_ASSIGN,             /* = */
    AST_SCATTER,            /* += */
    AST_DRAW,               /* ~ */
    AST_UPDATE,             /* <- */
} ast_assign;

/* `w: [I, O] ~ glorot(I, O)` of param, state and with; `hidden = [128, 64]` of
 * config; `edge: int<V>[E, 2] = "cora.npz"["edge"]` of data. */
typedef struct ast_decl {
    ast_word name;
    ast_type *type;
    ast_assign op;          /* AST_ASSIGN or AST_DRAW */
    ast_expr *value;
} ast_decl;
typedef AST_LIST(ast_decl) ast_decls;

/* What stands left of an assignment: `y[p, :]`, `neuron.w[i]`, `keep: bool[..]`. */
typedef struct ast_target {
    ir_loc at;
    ast_path path;          /* one part: a plain name */
    bool subscripted;
    ast_exprs places;       /* AST_REST, AST_SLICE, AST_IN or an expression */
    ast_type *type;
} ast_target;
typedef AST_LIST(ast_target) ast_targets;

/* `using adam(1e-3) on *.b, *.scale`: no patterns for all other parameters. */
typedef struct ast_using {
    ast_expr *optimizer;
    ast_patterns on;
} ast_using;

/* `data x, y = "f.csv"` of a train block. */
typedef struct ast_source {
    ast_words columns;
    ast_expr *value;
} ast_source;

typedef enum ast_stmt_kind {
    AST_PARAM,              /* decls */
    AST_STATE,              /* decls; an item, too */
    AST_DEFINE,             /* define */
    AST_VALUE,              /* values: an expression, or several results */
    AST_IF,                 /* branch; `else if` is a no-block of one AST_IF */
    AST_SCAN,               /* loop: scan name in count [down] [with carried] body */
    AST_REPEAT,             /* loop: repeat name in count body; count may be a list */
    AST_WHILE,              /* loop: while cond [with carried] [limit [name in] count] body */
    AST_FIT,                /* fit */
    AST_CHECK,              /* check: cond, message */
    AST_SHOW,               /* values */
    AST_TRACK,              /* track */
    /* of train blocks only */
    AST_MINIMIZE,           /* minimize */
    AST_STOP_WHEN,          /* stop_when */
    AST_STOP_AFTER,         /* stop_after */
    AST_KNOB,               /* knob */
    AST_DATA,               /* data */
} ast_stmt_kind;

/* AST_KNOB_VALID .. AST_KNOB_ACCUMULATE */
typedef enum ast_knob {
#define KNOB(id, text) AST_KNOB_##id,
#include "words.def"
    AST_KNOB_COUNT
} ast_knob;
typedef enum ast_rows { AST_ROWS_TRAIN, AST_ROWS_VALID, AST_ROWS_TEST } ast_rows;

/* A statement as it is written; `kind` names the member, as its enumeration says. */
struct ast_stmt {
    ast_stmt_kind kind;
    ir_loc at;
    union {
        ast_decls decls;
        struct { ast_targets targets; ast_assign op; ast_expr *value; } define;
        ast_exprs values;
        struct { ast_expr *cond; ast_block yes, no; bool has_no; } branch;
        struct {
            ast_word name;          /* of `while`: the index of `limit`, or none */
            ast_expr *count;        /* of `while`: the limit, or null */
            ast_expr *cond;         /* of `while` */
            bool down;
            ast_decls carried;      /* a value always; `with s = start` */
            ast_block body;
        } loop;
        ast_block fit;
        struct { ast_expr *cond; const char *message; } check;
        struct { ast_word name; ast_expr *value, *weight; } track;
        struct {
            ast_expr *objective, *weight;
            ast_patterns over;
            AST_LIST(ast_using) updates;
            ast_exprs clips;
        } minimize;
        struct { ast_expr *cond; } stop_when;
        struct { ast_expr *epochs; bool higher; ast_words metric; } stop_after; /* valid.rmse: 2 */
        struct { ast_knob which; ast_expr *value; } knob;
        struct { ast_rows rows; AST_LIST(ast_source) sources; } data;
    };
};

/* ---- items */

/* `x: [.., K]`, `bias = true` */
typedef struct ast_param {
    ast_word name;
    ast_type *type;
    ast_expr *value;
} ast_param;
typedef AST_LIST(ast_param) ast_params;

/* A result, named where there are several: (y: [.., V], h: [.., H]). */
typedef struct ast_result {
    ast_word name;
    ast_type *type;
} ast_result;
typedef AST_LIST(ast_result) ast_results;

/* `*.w |> lora(8)` of `net a = b with ..` */
typedef struct ast_hook {
    ast_patterns patterns;
    ast_expr *f;
} ast_hook;

typedef enum ast_item_kind {
    AST_ITEM_IMPORT,        /* import */
    AST_ITEM_CONFIG,        /* decls */
    AST_ITEM_DIM,           /* dims; names, of the one that there is then */
    AST_ITEM_STATE,         /* decls */
    AST_ITEM_DATA,          /* decls, each with a type */
    AST_ITEM_FN,            /* these seven: callable */
    AST_ITEM_LAYER,
    AST_ITEM_NET,
    AST_ITEM_ENTRY,
    AST_ITEM_OPTIMIZER,
    AST_ITEM_TRAIN,
    AST_ITEM_LOAD,          /* callable; params are `w = FILE` or `w` */
    AST_ITEM_NET_OF,        /* net_of: net a = b .. */
} ast_item_kind;

/* What a file defines: an import, configs, dims, states, something to be called, or a net made
 * of another. */
struct ast_item {
    ast_item_kind kind;
    ir_loc at;
    ast_word name;          /* of callables and net_of */
    const char *doc;        /* comment lines directly above, without `# `; or null */
    union {
        struct { ast_word file, alias; ast_words names; } import;
        ast_decls decls;
        struct { ast_words dims, names; };
        struct {
            bool configured;        /* has two lists of parameters */
            ast_params config, params;
            ast_results results;    /* none written: len 0 */
            bool onnx;              /* fn .. onnx Name(alpha = a) */
            ast_word onnx_name;
            ast_args onnx_args;
            ast_block body;
        } callable;
        struct {
            ast_path base;
            const char *until;      /* of `file.until("name")`, whose base is `file.until` */
            AST_LIST(ast_hook) hooks;
        } net_of;
    };
};

/* A name that stands nowhere but in its definition, and what it is: "config". */
typedef struct ast_unused {
    ast_word name;
    const char *kind;
} ast_unused;

typedef AST_LIST(ir_loc) ast_places;
typedef struct ast_program {
    AST_LIST(ast_unused) unused;
    AST_LIST(ast_item *) items;
    ast_places draws, calls;    /* where a draw's target, a call or a |> stands, in order */
} ast_program;

/* Is it `_`: an extent that may be any, an operand that is left out? */
bool ast_is_any(const ast_expr *e);
/* Does the test hold of the expression, or of one in it?  `e` may be null. */
typedef bool ast_test(const ast_expr *e, const void *what);
bool ast_any(const ast_expr *e, ast_test *test, const void *what);
/* Does the name stand in the expression, in whichever role?  `e` may be null. */
bool ast_mentions(const ast_expr *e, const char *name);

/* The words of these enums, as they are written; "+" .. of operators. */
extern const char *const ast_elem_text[AST_ELEM_COUNT];
extern const char *const ast_reduction_text[AST_REDUCTION_COUNT];
extern const char *const ast_knob_text[AST_KNOB_COUNT];
extern const char *const ast_op_text[AST_OP_COUNT];

/* The program in `source`, which ends with 0 and is `file` of the messages' places
 * (diag_source).  Never null: what does not parse is left out, with a message
 * each; diag_failed(d) tells.  The tree does not point into `source`. */
ast_program *ast_parse(ast_pool *pool, const char *source, uint32_t file, diag *d);

#endif
