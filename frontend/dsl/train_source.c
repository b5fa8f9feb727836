/* frontend/dsl/train_source.c - where rows come from, as text for the record.
 *
 * `csv("iris.csv", skip = 1)["a":"c"]` is parsed and opened by the runtime, where the file
 * is; what can be wrong without the file is told here, with its place. */
#include <math.h>

#include "train.h"

/* As strings are written in the language, which the runtime reads, too. */
static void add_quoted(text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++)
        text_add(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    text_add(out, "\"");
}

static bool add_source(dsl *cx, const ast_expr *e, text *out);

/* A number, a truth, a text or a list of the configuration. */
static bool add_value(dsl *cx, const dsl_value *v, ir_loc at, text *out)
{
    double x;

    if (v->kind == DSL_TEXT) {
        add_quoted(out, v->text);
        return true;
    }
    if (v->kind == DSL_TRUTH) {
        text_add(out, "%s", v->truth ? "true" : "false");
        return true;
    }
    if (v->kind == DSL_LIST) {
        text_add(out, "[");
        for (uint32_t i = 0; i < v->list.n; i++) {
            text_add(out, i ? ", " : "");
            if (!add_value(cx, v->list.at[i], at, out))
                return false;
        }
        text_add(out, "]");
        return true;
    }
    if (!dsl_number(cx, v, &x)) {
        if (!dsl_bad(v))
            dsl_wrong(cx, at, "data come from files and tables of numbers, this is %s",
                      dsl_describe(cx, v));
        return false;
    }
    text_add(out, "%.17g", x);
    return true;
}

/* ---- calls that read a file -------------------------------------------------------- */

/* A call that the runtime makes when it reads (runtime/train/source.c has the same rows), as
 * opposed to a function of the program, whose value is wanted now. */
typedef struct reader {
    const char *name, *form;
    const char *argument[2];    /* behind the source, by position or name */
    bool text;                  /* is what it reads a text, without parts? */
} reader;

static const reader readers[] = {
    {"csv", "csv(\"f.csv\", skip = 1)", {"skip", NULL}, false},
    {"bytes", "bytes(\"f.txt\"), of which windows(bytes(\"f.txt\"), n) cuts rows", {NULL, NULL},
     true},
    {"chars", "chars(\"f.txt\", pad = true)", {"pad", NULL}, true},
    {"words", "words(\"f.txt\", most)", {"most", NULL}, true},
    {"windows", "windows(source, n, step)", {"n", "step"}, true},
};

static const reader *reader_of(const ast_expr *e)
{
    bool named = e->kind == AST_CALL && e->call.callee->kind == AST_NAME;

    for (size_t i = 0; i < COUNT(readers) && named; i++)
        if (!strcmp(readers[i].name, e->call.callee->name))
            return &readers[i];
    return NULL;
}

/* The name of an argument behind the source; null after an error. */
static const char *argument_name(dsl *cx, const reader *r, const ast_arg *a, uint32_t i)
{
    const char *name = !a->name.text && i < COUNT(r->argument) ? r->argument[i] : NULL;

    for (size_t k = 0; a->name.text && k < COUNT(r->argument); k++)
        if (r->argument[k] && !strcmp(r->argument[k], a->name.text))
            name = r->argument[k];
    if (!name && a->name.text)
        dsl_wrong(cx, a->name.at, "%s has no argument %s: write %s", r->name, a->name.text,
                  r->form);
    else if (!name)
        dsl_wrong(cx, a->value->at, "%s takes no argument more: write %s", r->name, r->form);
    return name;
}

/* `pad` is a truth, all others are whole numbers above 0, but that no line need be skipped. */
static bool fits(dsl *cx, const reader *r, const char *name, const dsl_value *v, ir_loc at)
{
    bool truth = !strcmp(name, "pad"), none = !strcmp(name, "skip");
    double x;

    if (dsl_bad(v))
        return false;
    if (truth ? v->kind == DSL_TRUTH
              : dsl_number(cx, v, &x) && x == floor(x) && x >= (none ? 0 : 1))
        return true;
    dsl_wrong(cx, at, "%s: %s is %s, this is %s", r->name, name,
              truth  ? "true or false"
              : none ? "a whole number, 0 or more"
                     : "a whole number above 0",
              dsl_describe(cx, v));
    return false;
}

/* What a reader reads: a file, for windows also a text or an array of a file. */
static bool fits_source(dsl *cx, const reader *r, const ast_expr *e)
{
    const ast_arg *first = e->call.args.len ? &e->call.args.at[0] : NULL;
    const reader *of = first ? reader_of(first->value) : NULL;
    bool windows = !strcmp(r->name, "windows");

    if (first && !first->name.text && (!of || (windows && of->text && of != r)))
        return true;
    dsl_wrong(cx, first ? first->value->at : e->at, "%s is read from %s: write %s", r->name,
              windows ? "a text or an array" : "a file", r->form);
    return false;
}

static bool once(dsl *cx, const reader *r, const char *name, bool given[2], ir_loc at)
{
    bool *here = &given[name == r->argument[1]];

    if (*here)
        dsl_wrong(cx, at, "%s: %s is given twice", r->name, name);
    bool first = !*here;
    *here = true;
    return first;
}

/* csv("f.csv", skip = 1) */
static bool add_call(dsl *cx, const reader *r, const ast_expr *e, text *out)
{
    const ast_args *l = &e->call.args;
    bool windows = r->argument[1] != NULL, size = false;
    bool given[COUNT(r->argument)] = {false};

    if (!fits_source(cx, r, e))
        return false;
    text_add(out, "%s(", r->name);
    if (!add_source(cx, l->at[0].value, out))
        return false;
    for (uint32_t i = 1; i < l->len; i++) {
        const char *name = argument_name(cx, r, &l->at[i], i - 1);
        const dsl_value *v = name ? dsl_eval(cx, l->at[i].value) : &dsl_poison;
        if (!name || !once(cx, r, name, given, l->at[i].value->at) ||
            !fits(cx, r, name, v, l->at[i].value->at))
            return false;
        size |= !strcmp(name, "n");
        text_add(out, ", %s = ", name);
        add_value(cx, v, l->at[i].value->at, out);
    }
    text_add(out, windows && l->len == 2 ? ", step = 1)" : ")");
    if (windows && !size)
        dsl_wrong(cx, e->at, "%s: n is not given: write %s", r->name, r->form);
    return !windows || size;
}

/* A name of a part: of a column or an array. */
static bool add_part(dsl *cx, const ast_expr *e, text *out)
{
    bool known = e && e->kind != AST_SLICE && e->kind != AST_REST;
    const dsl_value *v = known ? dsl_eval(cx, e) : &dsl_nothing;

    if (v->kind == DSL_TEXT)
        return add_value(cx, v, e->at, out);
    if (!dsl_bad(v))
        dsl_wrong(cx, e ? e->at : cx->at, "parts of a file have names: \"f.csv\"[\"a\":\"c\"], "
                  "\"f.npz\"[\"x\"]; rows are cut in the block");
    return false;
}

/* "f.csv"["a":"c", "e"] */
static bool add_selection(dsl *cx, const ast_expr *e, text *out)
{
    const ast_exprs *l = &e->subscript.positions;
    const reader *of = reader_of(e->subscript.base);

    if (of && of->text) {
        dsl_wrong(cx, e->at, "a text has no parts here; rows are cut in the block: of a window of "
                  "n + 1 characters, s[:n] and s[1:]");
        return false;
    }
    if (!add_source(cx, e->subscript.base, out))
        return false;
    for (uint32_t i = 0; i < l->len; i++) {
        const ast_expr *p = l->at[i];
        bool range = p->kind == AST_SLICE && p->slice.low && p->slice.high;
        text_add(out, i ? ", " : "[");
        if (!add_part(cx, range ? p->slice.low : p, out))
            return false;
        text_add(out, range ? ":" : "");
        if (range && !add_part(cx, p->slice.high, out))
            return false;
    }
    text_add(out, "]");
    return true;
}

static bool has_list(const dsl_value *row)
{
    for (uint32_t i = 0; i < row->list.n; i++)
        if (row->list.at[i]->kind == DSL_LIST)
            return true;
    return false;
}

/* Is row i of a table like the first: a number, or as many numbers? */
static bool fits_table(dsl *cx, const dsl_value *table, uint32_t i, ir_loc at)
{
    const dsl_value *first = table->list.at[0], *row = table->list.at[i];
    bool list = row->kind == DSL_LIST;

    if (list && has_list(row))
        dsl_wrong(cx, at, "a row of a table is numbers, this one has lists");
    else if (list != (first->kind == DSL_LIST))
        dsl_wrong(cx, at, "rows of a table are all numbers, or all lists of numbers");
    else if (list && row->list.n != first->list.n)
        dsl_wrong(cx, at, "row %u of the table has %u number%s, the first has %u", i + 1,
                  row->list.n, row->list.n == 1 ? "" : "s", first->list.n);
    else
        return true;
    return false;
}

/* A file's name, or a table as it stands. */
static bool add_whole(dsl *cx, const ast_expr *e, text *out)
{
    const dsl_value *v = dsl_eval(cx, e);

    for (uint32_t i = 0; v->kind == DSL_LIST && i < v->list.n; i++)
        if (!fits_table(cx, v, i, e->kind == AST_ARRAY ? e->items.at[i]->at : e->at))
            return false;
    return add_value(cx, v, e->at, out);
}

static bool add_source(dsl *cx, const ast_expr *e, text *out)
{
    if (reader_of(e))
        return add_call(cx, reader_of(e), e, out);
    if (e->kind == AST_SUBSCRIPT)
        return add_selection(cx, e, out);
    return add_whole(cx, e, out);
}

const char *train_source_text(dsl *cx, const ast_expr *e)
{
    text t = {0};
    const char *copy = add_source(cx, e, &t) ? arena_strdup(cx->mem, t.at) : NULL;

    text_free(&t);
    return copy;
}
