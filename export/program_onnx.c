/* export/program_onnx.c - what the language has no words for is said by ONNX's operators:
 *
 *   h3 = onnx.Conv(h1, w2, strides = [2, 2], pads = [1, 1, 1, 1])
 *
 * The writers of ONNX files make the nodes, each of which becomes a statement.  Their names
 * of operands and of extents, which the program has already, begin with `@` meanwhile; numbers
 * that they store as initializers are literals. */
#include "num.h"
#include "onnx_writer.h"
#include "program_writer.h"

/* A result of a node, and its name in the program. */
typedef struct known {
    const char *at, *name;
} known;

/* The nodes for one node of the IR. */
typedef struct foreign {
    px *g;
    ox_file file;
    ox nodes;
    VEC(known) known;
} foreign;

static const char *given_name(foreign *f, const char *name)
{
    return arena_printf(&f->file.mem, "@%s", name);
}

static void begin(foreign *f, const ir_node *n)
{
    px *g = f->g;
    px_file *file = g->file;
    const char *const *symbol = file->symbol;
    uint32_t symbols = file->m->dims.symbol.len;

    f->file = (ox_file){.m = file->m, .d = file->d};
    f->file.constant = arena_array(&f->file.mem, const char *, file->m->consts.len + 1);
    f->file.symbol = arena_array(&f->file.mem, const char *, symbols + 1);
    for (uint32_t i = 0; i < symbols; i++)
        if (symbol[i])
            f->file.symbol[i] = given_name(f, symbol[i]);
    f->nodes = (ox){.file = &f->file, .fn = g->fn,
                    .name = arena_array(&f->file.mem, const char *, g->fn->value.len + 1)};
    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref x = ir_arg(g->fn, n, i);
        const char *s = px_name_of(g, x);
        bool literal = !g->name[x] && px_node(g, x)->op != OP_CONST;
        f->nodes.name[x] = given_name(f, literal ? px_typed(g, x, px_whole(g, x)) : s);
    }
}

static void end(foreign *f)
{
    names_free(&f->file.used);
    vec_free(&f->file.init);
    vec_free(&f->nodes.node);
    vec_free(&f->known);
    arena_reset(&f->file.mem);
}

/* ---- operands, attributes -------------------------------------------------------------- */

/* A number that is seen to be of its dtype: whole ones are ONNX's int64. */
static const char *literal(px *g, ir_dtype dt, const uint8_t *element)
{
    double flt = dt_is_float(dt) ? num_load_flt(dt, element) : 0;
    px_expr e = px_number(g, dt, flt, dt_is_float(dt) ? 0 : num_load_int(dt, element));

    return dt == DT_F32 ? px_printf(g, "real(%s)%s", e.at, "") : e.at;
}

static const char *initializer(px *g, const Onnx__TensorProto *t)
{
    ir_dtype dt = dt_from_onnx(t->data_type);
    size_t size = (size_t)dt_size(dt);
    const char *s = "";

    if (!t->n_dims)
        return literal(g, dt, t->raw_data.data);
    for (size_t i = 0; i < t->raw_data.len / size; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "[",
                         literal(g, dt, t->raw_data.data + i * size));
    return px_printf(g, "%s%s", *s ? s : "[", "]");
}

static const char *operand(const foreign *f, const char *x)
{
    px *g = f->g;

    if (*x == '@')
        return arena_strdup(&g->file->mem, x + 1);
    for (uint32_t i = 0; i < f->known.len; i++)
        if (!strcmp(f->known.at[i].at, x))
            return f->known.at[i].name;
    for (uint32_t i = 0; i < f->file.init.len; i++)
        if (!strcmp(f->file.init.at[i]->name, x))
            return initializer(g, f->file.init.at[i]);
    return "_";
}

static const char *attribute(px *g, const Onnx__AttributeProto *a)
{
    const char *s = "";

    if (a->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT)
        return arena_printf(&g->file->mem, "%s = %lld", a->name, (long long)a->i);
    if (a->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING)
        return arena_printf(&g->file->mem, "%s = \"%.*s\"", a->name, (int)a->s.len, a->s.data);
    for (size_t i = 0; i < a->n_ints; i++)
        s = arena_printf(&g->file->mem, "%s%s%lld", s, i ? ", " : "", (long long)a->ints[i]);
    return arena_printf(&g->file->mem, "%s = [%s]", a->name, s);
}

/* ---- statements ------------------------------------------------------------------------- */

/* The names of the node's results, which the rest knows from now on. */
static const char *results(foreign *f, const Onnx__NodeProto *p)
{
    px *g = f->g;
    const char *s = "";

    for (size_t i = 0; i < p->n_output; i++) {
        const char *name = px_name_new(g->file, "h");
        vec_push(&f->known, (known){p->output[i], name});
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "", name);
    }
    return s;
}

static void write_node(foreign *f, const Onnx__NodeProto *p, const char *comment)
{
    px *g = f->g;
    const char *s = "";

    for (size_t i = 0; i < p->n_input; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "", operand(f, p->input[i]));
    for (size_t i = 0; i < p->n_attribute; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, *s ? ", " : "",
                         attribute(g, p->attribute[i]));
    px_line(g, arena_printf(&g->file->mem, "%s = onnx.%s(%s)", results(f, p), p->op_type, s),
            comment);
}

/* ---- extents that a value has --------------------------------------------------------- */

/* name = size(x) // the product of x's other extents. */
static void define_symbol(px *g, uint32_t id, const char *x, const ir_type *t, int axis)
{
    dim_table *d = &g->file->m->dims;
    ir_dim rest = {1};

    for (int i = 0; i < t->rank; i++)
        if (i != axis)
            rest = dim_mul(d, rest, t->dim[i]);
    const char *by = dim_is(d, rest, 1) ? "" : px_printf(g, " // %s%s",
                                          px_wrap(g, px_dim(g, rest), PX_UNARY), "");
    px_line(g, arena_printf(&g->file->mem, "%s = size(%s)%s", g->file->symbol[id], x, by), NULL);
    g->last = NULL;
}

void px_name_symbols(px *g, const ir_node *n)
{
    const dim_table *d = &g->file->m->dims;
    uint32_t id;

    for (uint32_t k = 0; (id = ir_symbol_of(g->file->m, n, k)) != NAMES_NONE; k++)
        if (!g->file->symbol[id])
            g->file->symbol[id] = px_name_like(g->file, d->symbol.at[id].name);
}

void px_define_symbols(px *g, const ir_node *n)
{
    const dim_table *d = &g->file->m->dims;
    uint32_t id;

    for (uint32_t k = 0; (id = ir_symbol_of(g->file->m, n, k)) != NAMES_NONE; k++) {
        bool done = false;
        for (uint32_t r = n->first; !done && r < n->first + n->nres; r++) {
            const ir_type *t = px_type(g, r);
            for (int i = 0; !done && i < t->rank; i++)
                if ((done = dim_symbol_id(d, t->dim[i]) == id))
                    define_symbol(g, id, g->name[r], t, i);
        }
    }
}

/* The symbol is a number from here on; its int keeps its own name. */
px_expr px_write_bind(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    uint32_t id = n->attr->BIND.sym;
    ir_ref x = px_arg(g, r, 0);
    const char *name = px_name_of(g, x);

    if (!g->file->symbol[id]) {
        g->file->symbol[id] = px_name_like(g->file, g->file->m->dims.symbol.at[id].name);
        px_line(g, px_printf(g, "%s = number(%s)", g->file->symbol[id], name), NULL);
    }
    return (px_expr){name, PX_CALL, false};
}

px_expr px_onnx(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    const char *out[IR_MAX_RESULTS] = {0};
    foreign f = {.g = g};

    begin(&f, n);
    px_name_symbols(g, n);
    bool ok = ox_node(&f.nodes, n, out);
    g->file->failed |= !ok;
    for (uint32_t i = 0; ok && i < f.nodes.node.len; i++) {
        bool last = i == f.nodes.node.len - 1;
        write_node(&f, f.nodes.node.at[i], last ? px_shape_brief(g, px_type(g, r)) : NULL);
    }
    for (uint32_t i = 0; i < n->nres; i++)
        g->name[n->first + i] = ok && out[i] ? operand(&f, out[i]) : "_";
    g->last = n->nres == 1 ? g->name[r] : NULL;
    if (ok)
        px_define_symbols(g, n);
    end(&f);
    return (px_expr){g->name[r], PX_CALL, false};
}
