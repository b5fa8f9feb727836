/* export/program_export.c - a module of the tensor IR as a program: its net, the statements,
 * the file of weights. */
#include "program_export.h"

#include <errno.h>
#include <stdio.h>

#include "const.h"
#include "lex.h"
#include "program_writer.h"
#include "tensor_safetensors.h"

/* ---- statements ----------------------------------------------------------------------- */

/* Where comments begin, and the longest line. */
enum { COLUMN = 72, WIDTH = 100 };

/* Where to break a statement that is too long: before the last stage of a chain that begins
 * within the line; null: nowhere. */
static const char *line_break(const char *s, int width)
{
    const char *at = NULL;

    for (const char *p = strstr(s, " |> "); p && p - s < width; p = strstr(p + 1, " |> "))
        at = p;
    return at;
}

/* One statement, broken before a stage of its chain where it is too long, with a
 * comment that says the shape. */
void px_line(px *g, const char *s, const char *comment)
{
    int width = 4 * g->indent + (int)strlen(s);
    const char *end;

    g->last = NULL;
    text_add(g->out, "%*s", 4 * g->indent, "");
    while (width > WIDTH && (end = line_break(s, WIDTH - 4 * (g->indent + 1)))) {
        text_add(g->out, "%.*s\n%*s", (int)(end - s), s, 4 * (g->indent + 1), "");
        s = end + 1;
        width = 4 * (g->indent + 1) + (int)strlen(s);
    }
    text_add(g->out, "%s", s);
    if (comment)
        text_add(g->out, "%*s# %s", width < COLUMN ? COLUMN - width : 2, "", comment);
    text_add(g->out, "\n");
}

/* What is made of numbers only gets the value's type. */
const char *px_typed(px *g, ir_ref r, px_expr e)
{
    ir_dtype dt = px_type(g, r)->dtype;

    return e.number && dt != DT_BOOL ? px_printf(g, "%s(%s)", px_elem(dt), e.at) : e.at;
}

/* name[i, j in 3] = element */
static const char *by_element(px *g, ir_ref r, const char *name)
{
    const ir_type *t = px_type(g, r);
    const char *idx[IR_MAX_RANK], *left = name;

    g->index.len = 0;
    for (int i = 0; i < t->rank; i++)
        idx[i] = px_new_index(g, t->dim[i]);
    const char *e = px_typed(g, r, px_at(g, r, idx));
    for (int i = 0; i < t->rank; i++)
        left = arena_printf(&g->file->mem, "%s%s%s", left, i ? ", " : "[",
                            px_index_text(g, idx[i]));
    return arena_printf(&g->file->mem, "%s%s = %s", left, t->rank ? "]" : "", e);
}

/* The statement that names r. */
static void define(px *g, ir_ref r)
{
    const ir_type *t = px_type(g, r);
    const char *name, *s;
    double flt;
    int64_t whole;

    if (t->kind != TY_TENSOR || !px_elem(t->dtype)) {
        g->name[r] = px_gap(g, r, "sequences, strings, or elements the language has not").at;
        return;
    }
    if (g->said[r].how == PX_OP && px_array(g, r))
        return;
    if (!g->whole[r] && !g->element[r]) {
        px_onnx(g, r);
        return;
    }
    name = px_name_new(g->file, "h");
    if (g->whole[r] && !(t->rank && px_is_splat(g, r, &flt, &whole)))
        s = px_printf(g, "%s = %s", name, px_typed(g, r, px_whole(g, r)));
    else
        s = by_element(g, r, name);
    px_line(g, s, px_shape_brief(g, t));
    g->name[r] = g->last = name;
}

/* check CONDITION, "message" - unless it holds anyway. */
static void write_check(px *g, const ir_node *n)
{
    ir_ref x = ir_arg(g->fn, n, 0);
    text t = {0};

    if (ir_is_true(g->fn, x))
        return;
    text_add(&t, "check %s, ", px_whole(g, x).at);
    text_add_string(&t, n->attr->CHECK.message);
    px_line(g, t.at, NULL);
    text_free(&t);
}

/* Statements in the order of the IR's nodes, which is one of dependence. */
bool px_block(px *g)
{
    for (uint32_t i = 0; i < g->fn->node.len; i++) {
        const ir_node *n = &g->fn->node.at[i];
        if (n->op == OP_CHECK)
            write_check(g, n);
        for (uint32_t k = 0; k < n->nres; k++)
            if (g->demand[n->first + k] && g->named[n->first + k] && !g->name[n->first + k])
                define(g, n->first + k);
    }
    return !g->file->failed;
}

/* Is r the value of the block as it is: what its last statement defines? */
static bool is_last(const px *g, ir_ref r)
{
    return g->last && g->name[r] == g->last;
}

/* The value of the block: its results. */
static void write_results(px *g)
{
    const ir_fn *f = g->fn;
    const char *s = "";

    if (f->result.len == 1 && is_last(g, f->result.at[0]))
        return;

    for (uint32_t i = 0; i < f->result.len; i++) {
        ir_ref r = f->result.at[i];
        px_expr e = px_whole(g, r);
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "",
                         f->result.len > 1 ? px_wrap(g, e, PX_OR) : px_typed(g, r, e));
    }
    px_line(g, s, NULL);
}

/* ---- the net -------------------------------------------------------------------------- */

/* Symbols that are extents of inputs get names; what else there is only the run knows. */
static void name_symbols(px *g)
{
    const ir_fn *f = g->fn;
    const dim_table *d = &g->file->m->dims;

    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_type *t = px_type(g, f->param.at[i]);
        for (int k = 0; t->kind == TY_TENSOR && k < t->rank; k++) {
            uint32_t id = dim_symbol_id(d, t->dim[k]);
            if (id != NAMES_NONE && !g->file->symbol[id])
                g->file->symbol[id] = px_name_like(g->file, d->symbol.at[id].name);
        }
    }
}

static const char *type_or_gap(px *g, ir_ref r)
{
    const char *s = px_type_text(g, px_type(g, r));

    return s ? s : px_gap(g, r, "sequences, strings, or elements the language has not").at;
}

/* The names of the model, made fit for the language and unique. */
static void write_params(px *g, text *out)
{
    const ir_fn *f = g->fn;

    for (uint32_t i = 0; i < f->param.len; i++) {
        ir_ref r = f->param.at[i];
        g->name[r] = px_name_like(g->file, f->param_name.at[i]);
        text_add(out, "%s%s: %s", i ? ", " : "", g->name[r], type_or_gap(g, r));
    }
}

/* Extents of results follow: long ones are left open. */
static const char *result_type(px *g, ir_ref r)
{
    const ir_type *t = px_type(g, r);

    if (t->kind != TY_TENSOR || !px_elem(t->dtype) || !t->rank)
        return type_or_gap(g, r);
    return px_printf(g, "%s%s", t->dtype == DT_F32 ? "" : px_elem(t->dtype), px_shape_brief(g, t));
}

/* Results are no values of the block: one may be named like a parameter. */
static const char *result_name(px *g, const char *name)
{
    const ir_fn *f = g->fn;

    for (uint32_t i = 0; i < f->param.len; i++)
        if (!strcmp(f->param_name.at[i], name))
            return g->name[f->param.at[i]];
    return px_name_like(g->file, name);
}

/* -> [N, 10], or -> (y: [N, 10], z: [N]) of several. */
static void write_result_types(px *g, text *out)
{
    const ir_fn *f = g->fn;
    bool many = f->result.len > 1;

    text_add(out, many ? "(" : "");
    for (uint32_t i = 0; i < f->result.len; i++)
        text_add(out, "%s%s%s%s", i ? ", " : "",
                 many ? result_name(g, f->result_name.at[i]) : "", many ? ": " : "",
                 result_type(g, f->result.at[i]));
    text_add(out, many ? ")" : "");
}

static bool refuse_states(px *g)
{
    bool ok = true;

    for (uint32_t i = 0; i < g->fn->update.len; i++)
        ok = diag_unsupported(g->file->d, "state", "",
                              g->file->m->state.at[g->fn->update.at[i].state].name,
                              "states are not written yet");
    return ok;
}

/* Head and body are written apart, as writing the body finds the parameters that
 * stand between them. */
static void write_net(px *g, text *out)
{
    px_file *f = g->file;
    text body = {0};

    g->out = &body;
    g->indent = 1;
    name_symbols(g);
    text head = {0};
    write_params(g, &head);
    text_add(&head, ") -> ");
    write_result_types(g, &head);
    px_plan(g);
    px_block(g);
    write_results(g);
    px_helpers(f, out);
    text_add(out, "net %s(%s {\n%s%s}\n", f->net, head.at, f->declared.at ? f->declared.at : "",
             body.at ? body.at : "");
    text_free(&head);
    text_free(&body);
}

/* ---- weights -------------------------------------------------------------------------- */

/* The constant with its chain read out, in the order of the language's layer. */
static safetensors_item item_of(px_file *f, const px_weight *w)
{
    const ir_type *t = f->m->consts.at[w->constant].type;
    int64_t *dims = arena_array(&f->mem, int64_t, t->rank + 1);
    int64_t n = type_count_const(&f->m->types, t);
    void *data = arena_alloc(&f->mem, (size_t)n * (size_t)dt_size(t->dtype) + 1);

    for (int i = 0; i < t->rank; i++)
        dim_const(&f->m->dims, t->dim[i], &dims[i]);
    const_read(f->m, w->constant, 0, n, data);
    return (safetensors_item){w->name, dt_of(t->dtype)->onnx, t->rank, dims, data};
}

/* The caller's file is opened here and published by the caller, beside the program. */
static bool write_weights(px_file *f)
{
    uint32_t n = f->weight.len;
    safetensors_item *item = arena_array(&f->mem, safetensors_item, n + 1);

    if (!f->o->weights || !n)
        return true;
    for (uint32_t i = 0; i < n; i++)
        item[i] = item_of(f, &f->weight.at[i]);
    return (partial_open(f->o->file, f->o->weights) &&
            safetensors_write(f->o->file->file, item, (int32_t)n, NULL, 0)) ||
           diag_error(f->d, (ir_loc){0}, D_IO, f->o->weights, strerror(errno));
}

/* False after gaps, all of which are reported. */
bool program_export(ir_module *m, const program_export_options *o, text *out, diag *d)
{
    px_file f = {.m = m, .o = o, .d = d};
    px g = {.file = &f, .fn = ir_module_main(m)};

    if (!g.fn)
        return diag_error(d, (ir_loc){0}, D_IO, o->title, "the module has no entry");
    f.net = px_name_like(&f, g.fn->name);
    f.symbol = arena_array(&f.mem, const char *, m->dims.symbol.len + 1);
    g.name = arena_array(&f.mem, const char *, g.fn->value.len + 1);
    text_add(out, "# %s, written by ingot.%s\n\n", o->title,
             o->weights ? "" : "  Its weights are not here: inspect -o writes them.");
    write_net(&g, out);
    bool ok = refuse_states(&g) && !f.failed && !diag_failed(d) && write_weights(&f);
    names_free(&f.used);
    names_free(&f.kind);
    vec_free(&f.count);
    vec_free(&f.extent);
    vec_free(&f.weight);
    vec_free(&g.index);
    text_free(&f.declared);
    arena_reset(&f.mem);
    return ok;
}
