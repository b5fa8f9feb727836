/* frontend/dsl/message.c - what is wrong, and where the user can see it.
 *
 * A message stands at the innermost line of the user's own text; what it was found in -
 * functions of the prelude, layers used from there - follows in three lines at most. */
#include "check.h"
#include "nearest.h"

enum { MAX_CHAIN = 3 };

static const dsl_file *file_of(const dsl_frame *f)
{
    return f->of ? f->of->file : NULL;
}

static bool in_prelude(const dsl *cx, ir_loc at)
{
    return at.file && at.file <= cx->prelude_end;
}

/* Notes "in dense (prelude), used at line 9" for the frames between the fault and where it
 * is told. */
static void note_chain(const dsl *cx, const dsl_frame *end)
{
    const dsl_frame *f = cx->frame;

    for (int n = 0; f && f != end && n < MAX_CHAIN; f = f->caller, n++)
        if (f->of && f->caller)
            diag_note(cx->d, (ir_loc){0}, "in %s%s, used at line %u%s", f->of->name,
                      file_of(f) && file_of(f)->prelude ? " (prelude)" : "", f->called.line,
                      in_prelude(cx, f->called) ? " of the prelude" : "");
}

/* The innermost place of the user's own text, and its frame. */
static ir_loc users_place(const dsl *cx, ir_loc at, const dsl_frame **frame)
{
    const dsl_frame *f = cx->frame;

    while (f && f->caller && in_prelude(cx, at)) {
        at = f->called;
        f = f->caller;
    }
    *frame = f;
    return at;
}

void dsl_stand(dsl *cx, ir_loc at)
{
    const dsl_frame *f;

    cx->at = at;
    dsl_b(cx)->loc = users_place(cx, at, &f);
}

bool dsl_warn(dsl *cx, ir_loc at, const char *fmt, ...)
{
    va_list ap;
    const dsl_frame *f;

    at = users_place(cx, at, &f);
    va_start(ap, fmt);
    bool told = diag_vwarning(cx->d, at, fmt, ap);
    va_end(ap);
    note_chain(cx, f);
    return told;
}

/* Reports and gives the poison.  A fault within the prelude is told where the
 * user's text calls it; a second fault at the same place follows from the first and
 * is not told. */
const dsl_value *dsl_wrong(dsl *cx, ir_loc at, const char *fmt, ...)
{
    va_list ap;
    const dsl_frame *f;

    at = users_place(cx, at, &f);
    if (at.file == cx->told.file && at.line == cx->told.line && at.col == cx->told.col) {
        cx->d->dropped = true;
        return &dsl_poison;     /* what follows from a fault is none of its own */
    }
    cx->told = at;
    va_start(ap, fmt);
    diag_verror(cx->d, at, D_PROGRAM, fmt, ap);
    va_end(ap);
    note_chain(cx, f);
    return &dsl_poison;
}

const char *dsl_of_line(const dsl *cx, ir_loc at, const char *text)
{
    const dsl_frame *f;

    return arena_printf(&cx->m->mem, "line %u: %s", users_place(cx, at, &f).line, text);
}

/* ---- values in words -------------------------------------------------------- */

const char *dsl_dim_text(dsl *cx, ir_dim d)
{
    text t = {0};

    dim_print(cx->dims, d, &t);
    const char *copy = arena_strdup(cx->mem, t.at);
    text_free(&t);
    return copy;
}

/* Visible extents: what the program calls the shape. */
static void add_shape(dsl *cx, const dsl_value *v, text *out)
{
    int axis[IR_MAX_RANK], n = dsl_visible(v, axis);

    text_add(out, n ? "[" : "");
    for (int i = 0; i < n; i++) {
        text_add(out, i ? ", " : "");
        dim_print(cx->dims, dsl_extent(v, axis[i]), out);
    }
    text_add(out, n ? "]" : "");
}

/* The type as a program writes it: [3, 4], int<10>[N]. */
static void add_array(dsl *cx, const dsl_value *v, text *out)
{
    int skip[IR_MAX_RANK], n = dsl_visible(v, skip);
    const dsl_tensor *t = &v->tensor;

    if (t->elem == DSL_OTHER)
        text_add(out, "%s", dt_text(dsl_dtype(v)));
    else if (t->elem == DSL_INT && t->bounded && !t->number) {
        text_add(out, "int<");
        dim_print(cx->dims, dim_add(cx->dims, t->hi, dim_int(cx->dims, 1)), out);
        text_add(out, ">");
    } else if (t->elem != DSL_REAL || !n)
        text_add(out, t->number ? "a number" : t->elem == DSL_REAL ? "real"
                                               : t->elem == DSL_INT ? "int" : "bool");
    add_shape(cx, v, out);
}

/* A value as messages call it. */
static void add_value(dsl *cx, const dsl_value *v, text *out)
{
    switch (v->kind) {
    case DSL_NUMBER:
        if (v->number.whole)
            dim_print(cx->dims, v->number.dim, out);
        else
            text_add(out, "%.9g", v->number.real);
        break;
    case DSL_TRUTH: text_add(out, v->truth ? "true" : "false"); break;
    case DSL_TEXT: text_add(out, "\"%s\"", v->text); break;
    case DSL_LIST: text_add(out, "a list of %u", v->list.n); break;
    case DSL_TENSOR: add_array(cx, v, out); break;
    case DSL_RESULTS: text_add(out, "%u results", v->list.n); break;
    case DSL_FUNCTION: text_add(out, "%s", v->function.of->name); break;
    case DSL_PIPE: text_add(out, "a function"); break;
    case DSL_DRAW: text_add(out, "a distribution"); break;
    case DSL_PARAMS: text_add(out, "parameters"); break;
    case DSL_MODULE: text_add(out, "a file"); break;
    default: text_add(out, "nothing");
    }
}

const char *dsl_describe(dsl *cx, const dsl_value *v)
{
    text t = {0};

    add_value(cx, v, &t);
    const char *copy = arena_strdup(cx->mem, t.at ? t.at : "");
    text_free(&t);
    return copy;
}

/* "y is one name for 2 results; write y, gate = ..", by the names of the signature. */
const dsl_value *dsl_one_name(dsl *cx, ir_loc at, const char *name, const dsl_value *v)
{
    uint32_t n = v->kind == DSL_RESULTS ? v->list.n : 0;
    text all = {0};

    for (uint32_t i = 0; i < n; i++) {
        const char *given = v->list.name ? v->list.name[i] : NULL;
        text_add(&all, "%s%s", i ? ", " : "; write ", given ? given : "_");
    }
    dsl_wrong(cx, at, "%s is one name for %s%s%s", name, dsl_describe(cx, v), n ? all.at : "",
              n ? " = .." : "");
    text_free(&all);
    return &dsl_poison;
}

/* ---- extents that ought to agree --------------------------------------------------------- */

bool dsl_apart(dsl *cx, ir_dim a, ir_dim b)
{
    return dim_differ(cx->dims, a, b) || dim_equal_empty(cx->dims, a, b);
}

/* Of L and 48 it may be that there are 48 places, and only L are taken. */
const char *dsl_equal_text(dsl *cx, ir_dim a, ir_dim b, const char *in_a, const char *in_b)
{
    int64_t n;
    bool first = dim_const(cx->dims, a, &n), one = first != dim_const(cx->dims, b, &n);
    const char *in = first ? in_a : in_b, *x = dsl_dim_text(cx, a), *y = dsl_dim_text(cx, b);
    const char *text = arena_printf(cx->mem, "if they are, say check %s == %s", x, y);

    if (!one || !dim_get(cx->dims, first ? b : a))
        return text;
    return arena_printf(cx->mem, "%s; where there may be fewer, %s[:%s] takes so many", text,
                        in ? in : "x", first ? y : x);
}

/* ---- habits ------------------------------------------------------------------ */

const char *dsl_habit_text(dsl *cx, syntax_habit_kind kind, const char *word)
{
    const char *text = syntax_habit(kind, word);

    return text ? arena_printf(cx->mem, "; %s", text) : "";
}

/* ---- did you mean ----------------------------------------------------------- */

/* Of all names in sight; null if none comes near. */
const char *dsl_nearest(dsl *cx, const char *name)
{
    nearest s = nearest_to(name);

    for (const dsl_scope *in = cx->scope; in; in = in->parent)
        for (const dsl_var *v = in->vars; v; v = v->next)
            nearest_try(&s, v->name);
    return s.best;
}
