/* export/onnx_control.c - writes branches and loops as ONNX.
 *
 * A graph of ONNX sees what is around it by name: captures are no operands there.  Loop
 * has no sliced operands, and stacks along the first axis, in the order of iterations: the
 * body gathers its slices, and stacks are turned and moved behind the loop. */
#include "onnx_writer.h"

/* A result of a region must be a value of its own graph. */
static const char *own(ox *g, const char *x)
{
    return ox_1(g, "Identity", x);
}

/* The region's parameters are the operands' own names: no value is copied. */
static Onnx__GraphProto *branch(ox *g, const ir_node *n, const ir_fn *f, const char *name)
{
    const char **param = arena_array(&g->file->mem, const char *, n->narg + 1u);
    ox inner;

    for (uint32_t i = 1; i < n->narg; i++)
        param[i - 1] = ox_arg(g, n, i);
    Onnx__GraphProto *p = ox_region(g, f, param, &inner);
    for (uint32_t i = 0; p && i < f->result.len; i++)
        ox_region_io(&inner, &p->output, &p->n_output, own(&inner, inner.name[f->result.at[i]]),
                     ir_type_of(f, f->result.at[i]));
    if (p)
        ox_finish(&inner, p, name);
    return p;
}

/* The symbols of a node's sizes are results that it has. */
static void name_sizes(ox *g, ir_dims syms, const char **out, uint32_t count)
{
    for (int k = 0; k < syms.n; k++) {
        uint32_t id = dim_symbol_id(&g->file->m->dims, syms.at[k]);
        if (id != NAMES_NONE)
            g->file->symbol[id] = out[count - (uint32_t)syms.n + (uint32_t)k];
    }
}

/* The branches are graphs without inputs that read outer values by name. */
bool ox_if(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_IF *a = &n->attr->IF;
    Onnx__GraphProto *yes = branch(g, n, a->yes, "then"), *no = branch(g, n, a->no, "else");

    if (!yes || !no)
        return false;
    Onnx__NodeProto *p = ox_add(g, "If", (const char *const[]){ox_arg(g, n, 0)}, 1, n->nres);
    ox_graph(g, p, "then_branch", yes);
    ox_graph(g, p, "else_branch", no);
    for (uint32_t i = 0; i < n->nres; i++)
        out[i] = p->output[i];
    name_sizes(g, a->syms, out, n->nres);
    return true;
}

/* ---- loops ------------------------------------------------------------------------- */

static const ir_type *param_type(const struct ir_attr_LOOP *a, uint32_t i)
{
    return ir_type_of(a->body, a->body->param.at[i]);
}

/* The iteration's part of sliced operand k, in the body, whose iteration is `i`. */
static const char *slice(ox *inner, const struct ir_attr_LOOP *a, int k, const char *x,
                         const char *i)
{
    dim_table *d = (dim_table *)&inner->file->m->dims;

    if (a->reverse)
        i = ox_2(inner, "Sub", ox_dim(inner, dim_sub(d, a->trip, (ir_dim){1})), i);
    Onnx__NodeProto *p = ox_add(inner, "Gather", (const char *const[]){x, i}, 2, 1);
    ox_int(inner, p, "axis", a->slice_axes.at[k]);
    return ox_result(p);
}

/* Names of the body's parameters; those of iteration, condition and carries are inputs. */
static void body_params(ox *inner, ox *g, const ir_node *n, Onnx__GraphProto *p)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    const ir_type *flag = type_scalar((type_table *)&g->file->m->types, DT_BOOL);
    uint32_t carries = (uint32_t)a->carries, slices = (uint32_t)a->slice_axes.n, i = 1;
    const char **name = inner->name;

    for (i = 0; i <= carries; i++) {
        name[a->body->param.at[i]] = ox_new_name(inner);
        ox_region_io(inner, &p->input, &p->n_input, name[a->body->param.at[i]],
                     param_type(a, i));
        if (!i)
            ox_region_io(inner, &p->input, &p->n_input, ox_new_name(inner), flag);
    }
    for (uint32_t k = 0; k < slices; k++, i++)
        name[a->body->param.at[i]] =
            slice(inner, a, (int)k, ox_arg(g, n, i), name[a->body->param.at[0]]);
    for (; i < n->narg; i++)
        name[a->body->param.at[i]] = ox_arg(g, n, i);
    for (int k = 0; k < a->syms.n; k++)
        inner->file->symbol[dim_symbol_id(&g->file->m->dims, a->syms.at[k])] =
            name[a->body->param.at[1 + a->carries - a->syms.n + k]];
}

/* Null after a gap.  Results are condition, carries, then what is stacked. */
static Onnx__GraphProto *body(ox *g, const ir_node *n)
{
    const ir_fn *f = n->attr->LOOP.body;
    Onnx__GraphProto *p = arena_new(&g->file->mem, Onnx__GraphProto);
    ox inner = {.file = g->file, .fn = f,
                .name = arena_array(&g->file->mem, const char *, f->value.len + 1)};

    onnx__graph_proto__init(p);
    body_params(&inner, g, n, p);
    if (!ox_run(&inner))
        return NULL;
    for (uint32_t i = 0; i < f->result.len; i++)
        ox_region_io(&inner, &p->output, &p->n_output, own(&inner, inner.name[f->result.at[i]]),
                     ir_type_of(f, f->result.at[i]));
    ox_finish(&inner, p, "body");
    return p;
}

/* A stack of Loop as the node's: from the end, if the loop runs so, along its axis. */
static const char *stack(ox *g, const struct ir_attr_LOOP *a, int k, const char *x, int rank)
{
    int32_t perm[IR_MAX_RANK];
    int axis = a->stack_axes.at[k];

    if (a->reverse)
        x = ox_result(ox_add(g, "Slice", (const char *const[]){
            x, ox_i64s(g, (int64_t[]){-1}, 1), ox_i64s(g, (int64_t[]){INT64_MIN}, 1),
            ox_i64s(g, (int64_t[]){0}, 1), ox_i64s(g, (int64_t[]){-1}, 1)}, 5, 1));
    for (int i = 0; i < rank; i++)
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    return ox_transpose(g, x, perm, rank);
}

/* Trip count and condition go first, then the carries; stacks behind them are
 * turned where they must be. */
bool ox_loop(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_LOOP *a = &n->attr->LOOP;
    uint32_t carries = (uint32_t)a->carries;
    const char **in = arena_array(&g->file->mem, const char *, carries + 2);
    Onnx__GraphProto *p = body(g, n);

    if (!p)
        return false;
    in[0] = a->infinite ? "" : ox_dim(g, a->trip);
    for (uint32_t i = 0; i <= carries; i++)
        in[1 + i] = ox_arg(g, n, i);
    Onnx__NodeProto *loop = ox_add(g, "Loop", in, carries + 2, n->nres);
    ox_graph(g, loop, "body", p);
    for (uint32_t i = 0; i < n->nres; i++)
        out[i] = i < carries ? loop->output[i]
                             : stack(g, a, (int)(i - carries), loop->output[i],
                                     ir_type_of(g->fn, n->first + i)->rank);
    name_sizes(g, a->syms, out, carries);
    return true;
}
