/* export/program_control.c - branches and loops as `if`, `scan` and `while`.
 *
 * A region of the IR becomes a block.  It sees what is around it by name: its parameters
 * have the names of the operands that they stand for. */
#include "program_writer.h"

/* The region's block one step further in; its parameters are yet to be named. */
static px inner_of(px *g, const ir_fn *f)
{
    return (px){.file = g->file, .fn = f, .out = g->out, .indent = g->indent + 1, .inside = true,
                .name = arena_array(&g->file->mem, const char *, f->value.len + 1)};
}

/* The statements of the region; results that no statement has named are said whole. */
static const char *result_of(px *inner, uint32_t i)
{
    ir_ref r = inner->fn->result.at[i];
    px_expr e = px_whole(inner, r);

    return e.number ? px_typed(inner, r, e) : e.at;
}

/* A region's results need names, unless they have one already. */
static void write_region(px *inner)
{
    px_plan(inner);
    for (uint32_t i = 0; i < inner->fn->result.len; i++) {
        ir_ref r = inner->fn->result.at[i];
        if (px_node(inner, r)->op != OP_INPUT && px_node(inner, r)->op != OP_CONST)
            inner->named[r] = true;
    }
    px_block(inner);
}

/* ---- branches ------------------------------------------------------------------------- */

static bool cannot_return(const ir_fn *f)
{
    return f->result.len && ir_type_of(f, f->result.at[0])->kind == TY_NEVER;
}

static px branch(px *g, const ir_node *n, const ir_fn *f)
{
    px inner = inner_of(g, f);

    for (uint32_t i = 1; i < n->narg; i++)
        inner.name[f->param.at[i - 1]] = px_name_of(g, ir_arg(g->fn, n, i));
    return inner;
}

/* A branch that defines the results by these names. */
static void write_branch(px *g, const ir_node *n, const ir_fn *f, const char **name)
{
    px inner = branch(g, n, f);

    write_region(&inner);
    for (uint32_t i = 0; i < n->nres; i++)
        px_line(&inner, px_printf(g, "%s = %s", name[i], result_of(&inner, i)), NULL);
    vec_free(&inner.index);
}

/* Only one branch goes on: its statements follow a check. */
static void write_only(px *g, const ir_node *n, const ir_fn *f, bool when)
{
    px inner = branch(g, n, f);
    const char *c = px_name_of(g, ir_arg(g->fn, n, 0));

    inner.indent = g->indent;
    px_line(g, px_printf(g, "check %s%s", when ? "" : "not ", c), NULL);
    write_region(&inner);
    for (uint32_t i = 0; i < n->nres; i++) {
        const char *name = px_name_new(g->file, "h");
        px_line(g, px_printf(g, "%s = %s", name, result_of(&inner, i)), NULL);
        g->name[n->first + i] = name;
    }
    vec_free(&inner.index);
}

/* Both sides name their results alike, so that what follows reads one name. */
px_expr px_write_if(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    const struct ir_attr_IF *a = &n->attr->IF;
    const char **name = arena_array(&g->file->mem, const char *, n->nres + 1u);

    if (a->syms.n)
        return px_gap(g, r, "branches of which the shapes differ");
    if (cannot_return(a->yes) || cannot_return(a->no)) {
        write_only(g, n, cannot_return(a->no) ? a->yes : a->no, cannot_return(a->no));
        return (px_expr){g->name[r], PX_CALL, false};
    }
    for (uint32_t i = 0; i < n->nres; i++)
        name[i] = px_name_new(g->file, "h");
    px_line(g, px_printf(g, "if %s%s {", px_name_of(g, ir_arg(g->fn, n, 0)), ""), NULL);
    write_branch(g, n, a->yes, name);
    px_line(g, "} else {", NULL);
    write_branch(g, n, a->no, name);
    px_line(g, "}", NULL);
    for (uint32_t i = 0; i < n->nres; i++)
        g->name[n->first + i] = name[i];
    return (px_expr){g->name[r], PX_CALL, false};
}

/* ---- loops ---------------------------------------------------------------------------- */

/* `name[:, t]`: the part of an array at t along the axis. */
static const char *part(px *g, const char *name, int axis, int rank, const char *t)
{
    const char *s = name;

    for (int i = 0; i < rank; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "[", i == axis ? t : ":");
    return px_printf(g, "%s%s", s, "]");
}

/* What a carried value begins with: a number stands for itself, not as an array. */
static const char *first_value(px *g, ir_ref init)
{
    double flt;
    int64_t whole;

    return px_is_splat(g, init, &flt, &whole) ? px_number(g, px_type(g, init)->dtype, flt, whole).at
                                              : px_name_of(g, init);
}

/* name: type = init, .. of the carried values, behind that of the condition if it has a name. */
static const char *carried(px *g, px *inner, const ir_node *n, const char *go)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    const char *s = "";

    if (go)
        s = px_printf(g, "%s: bool = %s", go, first_value(g, ir_arg(g->fn, n, 0)));
    for (uint32_t i = 0; i < (uint32_t)a->carries; i++) {
        ir_ref p = a->body->param.at[1 + i];
        inner->name[p] = px_name_new(g->file, "c");
        s = arena_printf(&g->file->mem, "%s%s%s: %s = %s", s, *s ? ", " : "", inner->name[p],
                         px_type_text(inner, px_type(inner, p)),
                         first_value(g, ir_arg(g->fn, n, 1 + i)));
    }
    return s;
}

/* Slices are read by the index, captures have their names from outside. */
static void name_operands(px *g, px *inner, const ir_node *n, const char *t)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    uint32_t i = 1 + (uint32_t)a->carries;

    inner->name[a->body->param.at[0]] = t;
    for (int k = 0; k < a->slice_axes.n; k++, i++) {
        ir_ref x = ir_arg(g->fn, n, i);
        const char *name = px_name_new(g->file, "x");
        px_line(inner, px_printf(g, "%s = %s", name,
                                 part(g, px_name_of(g, x), a->slice_axes.at[k],
                                      px_type(g, x)->rank, t)), NULL);
        inner->name[a->body->param.at[i]] = name;
    }
    for (; i < n->narg; i++)
        inner->name[a->body->param.at[i]] = px_name_of(g, ir_arg(g->fn, n, i));
}

/* A value that the updates before it do not change: a carried one gets a name first. */
static const char *settled(px *g, px *inner, uint32_t i)
{
    ir_ref r = inner->fn->result.at[i];
    const char *s = result_of(inner, i);

    if (px_node(inner, r)->op != OP_INPUT)
        return s;
    const char *name = px_name_new(g->file, "x");
    px_line(inner, px_printf(g, "%s = %s", name, s), NULL);
    return name;
}

/* What the round leaves: whether another one follows, what is stacked, and the carried values. */
static void write_round(px *g, px *inner, const ir_node *n, const char *t, const char *go)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    uint32_t carries = (uint32_t)a->carries;
    const char **value = arena_array(&g->file->mem, const char *, n->nres + 1u);
    const char *more = go ? settled(g, inner, 0) : NULL;

    for (uint32_t i = 0; i < n->nres; i++)
        value[i] = settled(g, inner, 1 + i);
    if (go)
        px_line(inner, px_printf(g, "%s <- %s", go, more), NULL);
    for (uint32_t i = 0; i < n->nres; i++) {
        bool carried = i < carries;
        const char *to = carried ? inner->name[a->body->param.at[1 + i]]
                                 : px_name_new(g->file, "h");
        g->name[n->first + i] = to;
        if (!carried)
            to = part(g, to, a->stack_axes.at[i - carries], px_type(g, n->first + i)->rank, t);
        px_line(inner, arena_printf(&g->file->mem, "%s %s %s", to, carried ? "<-" : "=", value[i]),
                NULL);
    }
}

static bool runs_all(const px *g, const ir_node *n)
{
    const ir_fn *f = n->attr->LOOP.body;

    return !n->attr->LOOP.infinite && ir_is_true(g->fn, ir_arg(g->fn, n, 0)) &&
           ir_is_true(f, f->result.at[0]);
}

/* A loop that nothing bounds has no `limit`, whose index slices, stacks and counts. */
static bool counts_rounds(const ir_node *n)
{
    const ir_fn *f = n->attr->LOOP.body;
    bool used = n->attr->LOOP.slice_axes.n || n->attr->LOOP.stack_axes.n;

    for (uint32_t i = 0; i < f->args.len; i++)
        used |= f->args.at[i] == f->param.at[0];
    for (uint32_t i = 0; i < f->result.len; i++)
        used |= f->result.at[i] == f->param.at[0];
    return used;
}

/* The line that begins it. */
static const char *head_of(px *g, const ir_node *n, const char *t, const char *go,
                           const char *with)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    const char *trip = a->infinite ? "" : px_wrap(g, px_dim(g, a->trip), PX_SUM);

    if (!go)
        return arena_printf(&g->file->mem, "scan %s in %s%s%s%s {", t, trip,
                            a->reverse ? " down" : "", *with ? " with " : "", with);
    const char *limit = a->infinite ? "" : px_printf(g, " limit %s in %s", t, trip);
    return arena_printf(&g->file->mem, "while %s with %s%s {", go, with, limit);
}

/* A loop whose number of rounds is known is a `scan`, another a `while` that carries its
 * condition. */
px_expr px_write_loop(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    const char *t = px_name_new(g->file, "t");
    const char *go = runs_all(g, n) ? NULL : px_name_new(g->file, "go");

    if (a->syms.n)
        return px_gap(g, r, "loops of which shapes change");
    if (go && (a->reverse || (a->infinite && counts_rounds(n))))
        return px_gap(g, r, a->reverse ? "loops that run backwards and end by a condition"
                                       : "loops without a limit that count their rounds");
    for (uint32_t i = 1 + (uint32_t)a->carries; i < n->narg; i++)
        px_name_of(g, ir_arg(g->fn, n, i));     /* these names stand before the loop */
    px inner = inner_of(g, a->body);
    px_name_symbols(g, n);
    const char *with = carried(g, &inner, n, go);
    px_line(g, head_of(g, n, t, go, with), NULL);
    name_operands(g, &inner, n, t);
    write_region(&inner);
    write_round(g, &inner, n, t, go);
    px_line(g, "}", NULL);
    px_define_symbols(g, n);
    vec_free(&inner.index);
    return (px_expr){g->name[r], PX_CALL, false};
}
