/* export/onnx_export.c - a module of the tensor IR as an ONNX model: its graph, the regions
 * of its control nodes, the file. */
#include "onnx_export.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "onnx_type.h"
#include "onnx_writer.h"

/* The column onnx of ops.def. */
static ox_writer *const writers[OP_COUNT] = {
    [OP_NONE] = ox_none,
#define SCALAR(NAME, ...) [OP_##NAME] = ox_scalar,
#include "scalar.def"
#define OP(NAME, text, nin, nres, infer, eval, grad, onnx, ...) [OP_##NAME] = ox_##onnx,
#include "ops.def"
};

/* ---- types --------------------------------------------------------------------------- */

/* A number, a symbol's name, or nothing where it is computed. */
static void set_extent(ox *g, Onnx__TensorShapeProto__Dimension *p, ir_dim d)
{
    const dim_table *t = &g->file->m->dims;
    uint32_t id = dim_symbol_id(t, d);
    int64_t v;

    if (dim_const(t, d, &v)) {
        p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        p->dim_value = v;
    } else if (id != NAMES_NONE) {
        p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        p->dim_param = (char *)t->symbol.at[id].name;
    }
}

/* Of a tensor; what is none is refused when its node is written. */
static Onnx__TypeProto *type_proto(ox *g, const ir_type *t)
{
    Onnx__TypeProto *p = onnx_type_proto(&g->file->mem, t->dtype, t->rank);

    for (int i = 0; i < t->rank; i++)
        set_extent(g, p->tensor_type->shape->dim[i], t->dim[i]);
    return p;
}

/* Lists of protobuf-c are arrays of pointers; regions have few inputs, so the list
 * is copied to grow. */
void ox_region_io(ox *g, Onnx__ValueInfoProto ***list, size_t *n, const char *name,
                  const ir_type *t)
{
    Onnx__ValueInfoProto *v = arena_new(&g->file->mem, Onnx__ValueInfoProto);
    Onnx__ValueInfoProto **more = arena_array(&g->file->mem, Onnx__ValueInfoProto *, *n + 1);

    onnx__value_info_proto__init(v);
    v->name = (char *)name;
    v->type = type_proto(g, t);
    if (*n)
        memcpy(more, *list, *n * sizeof *more);
    more[(*n)++] = v;
    *list = more;
}

/* ---- graphs ---------------------------------------------------------------------------- */

/* Extents of a value that are symbols are read off it. */
static void name_symbols(ox *g, const char *x, const ir_type *t)
{
    for (int i = 0; t->kind == TY_TENSOR && i < t->rank; i++) {
        uint32_t id = dim_symbol_id(&g->file->m->dims, t->dim[i]);
        if (id != NAMES_NONE && !g->file->symbol[id])
            g->file->symbol[id] = ox_extent(g, x, i);
    }
}

/* Is it a tensor of elements that opset 21 has and that this exporter writes? */
static bool has_dtype(const ir_type *t)
{
    return t->kind == TY_TENSOR && t->dtype != DT_STR && t->dtype != DT_F8E8M0 &&
           dt_bits(t->dtype) >= 8 && dt_class(t->dtype) != 'C';
}

/* Are all values around the node of kinds that this exporter writes? */
static bool plain_types(const ox *g, const ir_node *n)
{
    for (uint32_t i = 0; i < n->narg; i++)
        if (!has_dtype(ox_type(g, n, i)))
            return false;
    for (uint32_t i = 0; i < n->nres; i++)
        if (!has_dtype(ir_type_of(g->fn, n->first + i)))
            return false;
    return true;
}

bool ox_node(ox *g, const ir_node *n, const char **out)
{
    if (writers[n->op] == ox_none)
        return ox_none(g, n, out);
    if (!plain_types(g, n))
        return ox_gap(g, n, "of sequences, strings, complex numbers or parts of bytes");
    return writers[n->op](g, n, out);
}

/* Writes one node.  A gap is reported and the rest is gone on with, so that all
 * gaps are told at once. */
static bool run_node(ox *g, const ir_node *n)
{
    const char *out[IR_MAX_RESULTS] = {0};

    if (!ox_node(g, n, out))
        return false;
    if (n->op == OP_INPUT)
        return true;
    for (uint32_t i = 0; i < n->nres; i++) {
        g->name[n->first + i] = out[i];
        name_symbols(g, out[i], ir_type_of(g->fn, n->first + i));
    }
    return true;
}

/* All nodes; behind a gap its results have no names, and what needs them is left out. */
bool ox_run(ox *g)
{
    bool ok = true;

    for (uint32_t i = 0; i < g->fn->node.len; i++) {
        const ir_node *n = &g->fn->node.at[i];
        bool ready = true;
        for (uint32_t j = 0; j < n->narg; j++)
            ready &= ox_arg(g, n, j) != NULL;
        if (!ready && writers[n->op] == ox_none)
            ox_none(g, n, NULL);
        ok = ready && run_node(g, n) && ok;
    }
    return ok;
}

/* Hands the nodes over to the message, whose memory is the file's arena. */
void ox_finish(ox *g, Onnx__GraphProto *p, const char *name)
{
    p->name = (char *)name;
    p->n_node = g->node.len;
    p->node = arena_array(&g->file->mem, Onnx__NodeProto *, g->node.len + 1);
    if (g->node.len)
        memcpy(p->node, g->node.at, g->node.len * sizeof *p->node);
    vec_free(&g->node);
}

/* The caller adds outputs and calls ox_finish. */
Onnx__GraphProto *ox_region(ox *g, const ir_fn *f, const char *const *param, ox *inner)
{
    Onnx__GraphProto *p = arena_new(&g->file->mem, Onnx__GraphProto);

    onnx__graph_proto__init(p);
    *inner = (ox){.file = g->file, .fn = f,
                  .name = arena_array(&g->file->mem, const char *, f->value.len + 1)};
    for (uint32_t i = 0; i < f->param.len; i++)
        inner->name[f->param.at[i]] = param[i];
    return ox_run(inner) ? p : NULL;
}

/* ---- the model ------------------------------------------------------------------------- */

/* Inputs and outputs keep their names, which no other value may have. */
static void reserve(ox *g)
{
    for (uint32_t i = 0; i < g->fn->param.len; i++)
        names_add(&g->file->used, g->fn->param_name.at[i]);
    for (uint32_t i = 0; i < g->fn->result.len; i++)
        names_add(&g->file->used, g->fn->result_name.at[i]);
}

/* Symbols are read off the inputs' shapes where they first appear. */
static void write_inputs(ox *g, Onnx__GraphProto *p)
{
    const ir_fn *f = g->fn;

    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_type *t = ir_type_of(f, f->param.at[i]);
        g->name[f->param.at[i]] = f->param_name.at[i];
        ox_region_io(g, &p->input, &p->n_input, f->param_name.at[i], t);
        name_symbols(g, f->param_name.at[i], t);
    }
}

/* The result's name, unless an input has it, too: then h is h_2. */
static const char *output_name(ox *g, uint32_t i)
{
    const ir_fn *f = g->fn;
    const char *own = f->result_name.at[i], *name = own;
    bool taken = false;

    for (uint32_t k = 0; k < f->param.len; k++)
        taken |= !strcmp(f->param_name.at[k], own);
    for (int n = 2; taken; n++) {
        uint32_t before = g->file->used.text.len;
        name = arena_printf(&g->file->mem, "%s_%d", own, n);
        taken = names_add(&g->file->used, name) != before;
    }
    return name;
}

/* An Identity each: an output may be an input, or two outputs one value, and ONNX
 * wants a name for each. */
static void write_outputs(ox *g, Onnx__GraphProto *p)
{
    const ir_fn *f = g->fn;

    for (uint32_t i = 0; i < f->result.len; i++) {
        const char *x = g->name[f->result.at[i]];
        Onnx__NodeProto *same = ox_add(g, "Identity", &x, 1, 1);
        const char *name = output_name(g, i);
        same->output[0] = (char *)name;
        ox_region_io(g, &p->output, &p->n_output, name, ir_type_of(f, f->result.at[i]));
    }
}

/* Each state is named: all that is in the way is told at once. */
static bool refuse_states(ox *g)
{
    bool ok = true;

    for (uint32_t i = 0; i < g->fn->update.len; i++)
        ok = diag_unsupported(g->file->d, "state", "",
                              g->file->m->state.at[g->fn->update.at[i].state].name,
                              "a model of ONNX keeps nothing from run to run");
    return ok;
}

/* What nodes read, those of regions, too. */
static void note_reads(const Onnx__GraphProto *g, names *read)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        for (size_t k = 0; k < n->n_input; k++)
            names_add(read, n->input[k]);
        for (size_t k = 0; k < n->n_attribute; k++)
            if (n->attribute[k]->g)
                note_reads(n->attribute[k]->g, read);
    }
    for (size_t i = 0; i < g->n_output; i++)
        names_add(read, g->output[i]->name);
}

static bool gives(const Onnx__NodeProto *n, const names *read)
{
    for (size_t k = 0; k < n->n_output; k++)
        if (names_find(read, n->output[k]) != NAMES_NONE)
            return true;
    return false;
}

/* Nodes of the main graph and constants that no node reads after all, as those that another form
 * of a node has made needless. */
static void drop_unread(ox_file *f, Onnx__GraphProto *g)
{
    names read = {0};
    size_t before;
    uint32_t n = 0;

    do {
        before = g->n_node;
        names_free(&read);
        note_reads(g, &read);
        g->n_node = 0;
        for (size_t i = 0; i < before; i++)
            if (gives(g->node[i], &read))
                g->node[g->n_node++] = g->node[i];
    } while (g->n_node < before);
    for (uint32_t i = 0; i < f->init.len; i++)
        if (names_find(&read, f->init.at[i]->name) != NAMES_NONE)
            f->init.at[n++] = f->init.at[i];
    f->init.len = n;
    names_free(&read);
}

/* Opset 21 is what all writers here write for. */
static bool write_file(ox_file *f, Onnx__GraphProto *graph, const char *path)
{
    enum { OPSET = 21, IR_VERSION = 10 };
    Onnx__OperatorSetIdProto set = ONNX__OPERATOR_SET_ID_PROTO__INIT, *sets = &set;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;

    set.domain = "";
    set.has_version = true;
    set.version = OPSET;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    model.producer_name = "ingot";
    model.n_opset_import = 1;
    model.opset_import = &sets;
    model.graph = graph;
    drop_unread(f, graph);
    graph->n_initializer = f->init.len;
    graph->initializer = f->init.at;
    size_t size = onnx__model_proto__get_packed_size(&model);
    uint8_t *bytes = mem_alloc(size + 1);
    onnx__model_proto__pack(&model, bytes);
    bool ok = partial_write(path, bytes, size) ||
              diag_error(f->d, (ir_loc){0}, D_IO, path, strerror(errno));
    mem_free(bytes);
    return ok;
}

/* States have no place in an ONNX model; they are reported beside the other gaps. */
bool onnx_export(const ir_module *m, const char *path, diag *d)
{
    ox_file f = {.m = m, .d = d};
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    ox g = {.file = &f, .fn = ir_module_main(m)};

    if (!g.fn)
        return diag_error(d, (ir_loc){0}, D_IO, path, "the module has no entry");
    f.constant = arena_array(&f.mem, const char *, m->consts.len + 1);
    f.symbol = arena_array(&f.mem, const char *, m->dims.symbol.len + 1);
    g.name = arena_array(&f.mem, const char *, g.fn->value.len + 1);
    reserve(&g);
    write_inputs(&g, &graph);
    bool stateless = refuse_states(&g);     /* what else is missing is told, too */
    bool ok = ox_run(&g) && stateless && !diag_failed(d);
    if (ok)
        write_outputs(&g, &graph);
    ox_finish(&g, &graph, m->name);
    ok = ok && write_file(&f, &graph, path);
    names_free(&f.used);
    vec_free(&f.init);
    arena_reset(&f.mem);
    return ok;
}
