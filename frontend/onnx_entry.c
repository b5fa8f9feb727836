/* frontend/onnx_entry.c - a graph as an entry of the module: inputs become parameters, outputs
 * results; in between the nodes are made (onnx_graph.c). */
#include "nearest.h"
#include "onnx_model.h"

/* ---- inputs ----------------------------------------------------------------------- */

/* By name, the first of several. */
void onnx_list_initializers(onnx_model *x, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        uint32_t before = x->initializers.text.len;
        const char *name = g->initializer[i]->name;
        if (name && names_add(&x->initializers, name) == before)
            vec_push(&x->initializer, g->initializer[i]);
    }
}

/* The main graph's initializer of this name; null: there is none. */
static const Onnx__TensorProto *initializer(const onnx_model *x, const char *name)
{
    uint32_t id = name ? names_find(&x->initializers, name) : NAMES_NONE;

    return id == NAMES_NONE ? NULL : x->initializer.at[id];
}

/* The product of extents, or INT32_MAX if it is no less. */
static int64_t few_elements(const Onnx__TensorProto *t)
{
    int64_t n = 1;

    for (size_t k = 0; k < t->n_dims; k++)
        n = t->dims[k] < 0 || t->dims[k] > INT32_MAX ? INT32_MAX
                                                     : min_i64(n * t->dims[k], INT32_MAX);
    return n;
}

/* The elements of initializers that the graph lists as inputs, about. */
static int64_t listed_elements(const onnx_model *x, const Onnx__GraphProto *g)
{
    int64_t all = 0;

    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TensorProto *t = initializer(x, g->input[i]->name);
        if (t)
            all = min_i64(all + few_elements(t) + 1, INT32_MAX);
    }
    return all;
}

/* From IR version 4 on an initializer that is an input is the input's default.  Old files
 * had to list all of them, and some exporters still do: a network's weights, which are
 * packed and folded when they are constants, are no inputs. */
bool onnx_offers_defaults(const onnx_model *x, const Onnx__GraphProto *g)
{
    enum { MOST = 1 << 14 };
    int64_t listed = listed_elements(x, g);

    return x->proto->ir_version >= 4 && listed && listed <= MOST;
}

/* The input that is this initializer if it is left out. */
static bool add_optional(onnx_scope *s, const char *name, const Onnx__TensorProto *t, ir_loc loc)
{
    uint32_t id = onnx_load_tensor(s->model, t, loc);

    if (id == IR_NONE)
        return false;
    scope_set(s, name, ir_optional_input(s->b, name, id));
    return true;
}

static bool add_input(onnx_scope *s, const Onnx__ValueInfoProto *p, const char *name, ir_loc loc)
{
    const ir_type *t = onnx_load_type(s->model, p->type, name, loc);

    if (t)
        scope_set(s, name, ir_input(s->b, name, t));
    return t != NULL;
}

bool onnx_load_inputs(onnx_scope *s, const Onnx__GraphProto *g, ir_loc loc)
{
    bool ok = true;

    for (size_t i = 0; ok && i < g->n_input; i++) {
        const char *name = text_or(g->input[i]->name);
        const Onnx__TensorProto *t = initializer(s->model, name);
        ir_ref seen;
        if (t && !s->model->offers)
            continue;
        if (scope_find(s, name, &seen))
            return diag_error(
                s->model->d, loc, D_GENERAL,
                arena_printf(&s->model->m->mem, "two inputs are called '%s'", name));
        ok = t ? add_optional(s, name, t, loc) : add_input(s, g->input[i], name, loc);
    }
    return ok;
}

/* Is it an input that may be given? */
static bool is_input(const onnx_model *x, const Onnx__ValueInfoProto *p)
{
    return p->name && (x->offers || !initializer(x, p->name));
}

/* Does each --shape name an input of the graph? */
static bool check_options(onnx_model *x, const Onnx__GraphProto *g)
{
    names known = {0};
    bool ok = true;

    for (size_t i = 0; i < g->n_input; i++)
        if (is_input(x, g->input[i]))
            names_add(&known, g->input[i]->name);
    for (int i = 0; ok && x->options && i < x->options->shapes; i++) {
        const char *name = x->options->shape[i].input;
        ok = names_find(&known, name) != NAMES_NONE ||
             import_unknown(x->d, x->name, "--shape", name, &known);
    }
    names_free(&known);
    return ok;
}

bool onnx_check_dims(onnx_model *x)
{
    names known = {0};
    bool ok = true;

    for (int i = 0; x->options && i < x->options->dims; i++)
        if (x->dim_used[i])
            names_add(&known, x->options->dim_name[i]);
    import_dim_names(x->m, &known);
    for (int i = 0; ok && x->options && i < x->options->dims; i++)
        ok = x->dim_used[i] ||
             import_unknown(x->d, x->name, "--dim", x->options->dim_name[i], &known);
    names_free(&known);
    return ok;
}

/* ---- the entry -------------------------------------------------------------------- */

/* An output as the graph declares it: its extents are advice, its type is not. */
static bool load_output(onnx_model *x, ir_build *b, const Onnx__ValueInfoProto *p, ir_ref out)
{
    const char *name = text_or(p->name);
    const Onnx__TypeProto *t = p->type;
    bool tensor = t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && t->tensor_type;
    ir_dtype want = tensor ? dt_from_onnx(t->tensor_type->elem_type) : DT_NONE;
    const ir_type *has = out == IR_NONE ? NULL : ir_type_of(b->fn, out);

    if (has && has->kind == TY_TENSOR && want != DT_NONE && want != has->dtype)
        return diag_error(x->d, b->loc, D_GENERAL,
                          arena_printf(&x->m->mem, "output '%s' is declared as %s, but is %s",
                                       name, dt_text(want), dt_text(has->dtype)));
    uint32_t id = names_find(&x->loose, name);
    ir_loose_result(b, name, out, id == NAMES_NONE ? 0 : x->loose_axes.at[id]);
    return true;
}

/* One more run: the state is a number of 128 bits, in steps of 2^64. */
void onnx_count_run(onnx_model *x, ir_build *b)
{
    const uint64_t one[2] = {0, 1};
    ir_ref runs = ir_state_ref(b, x->runs);

    ir_ref step = ir_const_ref(b, const_copy(x->m, ir_type_of(b->fn, runs), one, sizeof one));
    ir_update_state(b, x->runs, ir_2(b, OP_ADD, runs, step));
}

bool onnx_any_rows(const onnx_op *n, ir_dim *rows, int64_t *fixed)
{
    *rows = n->scope->model->any_rows;
    *fixed = n->scope->model->rows;
    return n->scope->model->frees_rows;
}

bool onnx_in_function(const onnx_op *n, bool *training)
{
    const onnx_model *x = n->scope->model;

    *training = x->function_name && x->options && x->options->training;
    return x->function_name;
}

/* How often the program has run, a state made when the first operator asks: random
 * operators draw other numbers in every run by it.  A function is given a number. */
ir_ref onnx_runs(onnx_op *n)
{
    onnx_model *x = n->scope->model;

    if (x->function_name) {
        ir_ref runs = onnx_runs_input(n->scope);
        if (runs == IR_NONE)
            onnx_gap(n, "a draw in a branch of a model-local function");
        return runs;
    }
    if (x->runs == IR_NONE) {
        x->runs = x->m->state.len;
        vec_push(&x->m->state, ((ir_state){.name = "runs", .init = IR_NONE,
                                           .type = ir_ty(n->b, DT_U64, (ir_dim[]){{2}}, 1)}));
    }
    return ir_state_ref(n->b, x->runs);
}

/* The value that the caller wants instead of the file's outputs. */
static bool load_until(onnx_model *x, onnx_scope *s)
{
    const char *name = x->options->until;
    nearest near = nearest_to(name);
    ir_ref r;

    if (!scope_find(s, name, &r)) {
        for (uint32_t i = 0; i < s->names.text.len; i++)
            nearest_try(&near, s->names.text.at[i]);
        const char *hint =
            near.best ? arena_printf(&x->m->mem, "; did you mean '%s'?", near.best) : "";
        return diag_error(x->d, (ir_loc){0}, D_IO, x->name,
                          arena_printf(&x->m->mem, "has no value '%s'%s", name, hint));
    }
    ir_result(s->b, name, r);
    return r != IR_NONE;
}

bool onnx_build_main(onnx_model *x, const Onnx__GraphProto *g)
{
    ir_build b;
    onnx_scope s = {.model = x, .b = &b};
    ir_loc loc = {.file = diag_place(x->d, x->name)};
    ir_ref *out = arena_array(&x->m->mem, ir_ref, g->n_output + 1);
    const char *name = x->function_name ? x->function_name : "main";
    bool until = x->options && x->options->until;

    ir_build_init(&b, x->m, ir_fn_new(x->m, name, !x->function_name), x->d);
    b.checks = true;
    b.loc = loc;
    bool ok = check_options(x, g) && onnx_load_inputs(&s, g, loc) && onnx_check_dims(x) &&
              onnx_run_graph(&s, g, out);
    b.loc = loc;
    ok = ok && (!until || load_until(x, &s));
    for (size_t i = 0; ok && !until && i < g->n_output; i++)
        ok = load_output(x, &b, g->output[i], out[i]);
    if (ok && x->runs != IR_NONE)
        onnx_count_run(x, &b);
    scope_free(&s);
    ir_build_free(&b);
    return ok && !diag_failed(x->d);
}
