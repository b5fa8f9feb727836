/* frontend/onnx_step.c - the training_info of a file: its algorithm becomes the step of a
 * trainer.
 *
 * A step runs the file's graph and the algorithm's as one, whose names are those of both.
 * Initializers that `update_binding` names are states, which the step gives the values that it
 * binds to them; with `initialization_binding` they begin as the initialization graph has them.
 * Outputs of the algorithm that are one number are told.  An algorithm has its batch as it is:
 * such a number is of a batch, and that of an epoch is their mean, weighed by rows. */
#include "onnx_model.h"

#include "file_kind.h"

/* A file's training in the making. */
typedef struct stepping {
    onnx_model *x;
    const Onnx__TrainingInfoProto *info;
    const Onnx__GraphProto *graph;      /* of a step */
    names key;                          /* initializers that are states, by the state's number */
    VEC(uint32_t) number;               /* outputs that are told, by their place */
    VEC(uint32_t) sum;                  /* of these, then of rows: states */
    struct ingot_train_block *block;
} stepping;

static ir_loc place_of(const onnx_model *x)
{
    return (ir_loc){.file = diag_place(x->d, x->name)};
}

static bool wrong(const stepping *k, const char *what, const char *name)
{
    onnx_model *x = k->x;

    return diag_error(x->d, place_of(x), D_GENERAL,
                      arena_printf(&x->m->mem, "training_info: '%s' %s", name, what));
}

/* ---- the graph of a step ------------------------------------------------------------- */

/* Both lists; protobuf-c keeps a list as an array of pointers. */
static void *joined(arena *mem, void *a, size_t n, void *b, size_t m)
{
    void **all = arena_array(mem, void *, n + m + 1);

    for (size_t i = 0; i < n + m; i++)
        all[i] = i < n ? ((void **)a)[i] : ((void **)b)[i - n];
    return all;
}

/* The inputs of both, those of one name once. */
static void join_inputs(arena *mem, const Onnx__GraphProto *a, const Onnx__GraphProto *b,
                        Onnx__GraphProto *to)
{
    names seen = {0};
    size_t n = 0;

    to->input = joined(mem, a->input, a->n_input, b->input, b->n_input);
    for (size_t i = 0; i < a->n_input + b->n_input; i++) {
        uint32_t before = seen.text.len;
        if (names_add(&seen, text_or(to->input[i]->name)) == before)
            to->input[n++] = to->input[i];
    }
    to->n_input = n;
    names_free(&seen);
}

/* Only what the algorithm gives is an output. */
const Onnx__GraphProto *onnx_step_graph(onnx_model *x)
{
    const Onnx__GraphProto *a = x->proto->graph;
    const Onnx__GraphProto *b = x->proto->n_training_info ? x->proto->training_info[0]->algorithm
                                                          : NULL;
    Onnx__GraphProto *g = arena_new(&x->d->mem, Onnx__GraphProto);
    arena *mem = &x->d->mem;

    if (!a || !b)
        return NULL;
    *g = *b;
    g->node = joined(mem, a->node, a->n_node, b->node, b->n_node);
    g->n_node = a->n_node + b->n_node;
    g->initializer = joined(mem, a->initializer, a->n_initializer, b->initializer,
                            b->n_initializer);
    g->n_initializer = a->n_initializer + b->n_initializer;
    join_inputs(mem, a, b, g);
    return g;
}

/* ---- states -------------------------------------------------------------------------- */

static const Onnx__TensorProto *initializer(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (!strcmp(text_or(g->initializer[i]->name), name))
            return g->initializer[i];
    return NULL;
}

/* Floats of the model are what is learned; what the algorithm has besides is its own. */
static int32_t role_of(const stepping *k, const char *name, ir_dtype dt)
{
    if (!initializer(k->x->proto->graph, name))
        return INGOT_ROLE_MOMENT;
    return dt_is_float(dt) ? INGOT_ROLE_PARAM : INGOT_ROLE_STATE;
}

/* What the file holds for an initializer is a state's first value; its name is that of a
 * weight of a net `m`, or one that no net has. */
static bool add_state(stepping *k, const char *name)
{
    ir_module *m = k->x->m;
    const Onnx__TensorProto *t = initializer(k->graph, name);

    if (names_find(&k->key, name) != NAMES_NONE)
        return true;
    if (!t)
        return wrong(k, "is bound, but is no initializer", name);
    uint32_t id = onnx_load_tensor(k->x, t, place_of(k->x));
    if (id == IR_NONE)
        return false;
    const ir_type *type = m->consts.at[id].type;
    bool own = !initializer(k->x->proto->graph, name);
    names_add(&k->key, name);
    vec_push(&m->state, ((ir_state){.name = arena_printf(&m->mem, own ? "learn/%s" : "m.%s", name),
                                    .type = type, .init = id,
                                    .trainable = role_of(k, name, type->dtype) ==
                                                 INGOT_ROLE_PARAM}));
    return true;
}

static bool add_states(stepping *k)
{
    const Onnx__TrainingInfoProto *info = k->info;
    bool ok = true;

    for (size_t i = 0; ok && i < info->n_update_binding; i++)
        ok = add_state(k, text_or(info->update_binding[i]->key));
    for (size_t i = 0; ok && i < info->n_initialization_binding; i++)
        ok = add_state(k, text_or(info->initialization_binding[i]->key));
    return ok;
}

/* The states get the values that are bound to them. */
static bool update(stepping *k, onnx_scope *s, Onnx__StringStringEntryProto **binding, size_t n)
{
    bool *done = arena_array(&k->x->m->mem, bool, k->key.text.len + 1);

    for (size_t i = 0; i < n; i++) {
        const char *key = text_or(binding[i]->key), *value = text_or(binding[i]->value);
        uint32_t id = names_find(&k->key, key);
        ir_ref r;
        if (done[id])
            return wrong(k, "is bound twice", key);
        if (!scope_find(s, value, &r))
            return wrong(k, "is bound to an initializer, but is made by no node", value);
        if (ir_type_of(s->b->fn, r) != k->x->m->state.at[id].type)
            return wrong(k, "has another type than what it is bound to", key);
        ir_update_state(s->b, id, r);
        done[id] = true;
    }
    return true;
}

/* ---- numbers ------------------------------------------------------------------------- */

static bool is_bound(const stepping *k, const char *value)
{
    for (size_t i = 0; i < k->info->n_update_binding; i++)
        if (!strcmp(text_or(k->info->update_binding[i]->value), value))
            return true;
    return false;
}

/* A float of one element that has a name and updates nothing is told. */
static bool is_number(const stepping *k, const ir_type *t, const char *name)
{
    return t->kind == TY_TENSOR && dt_is_float(t->dtype) && *name && !is_bound(k, name) &&
           type_count_const(&k->x->m->types, t) == 1;
}

/* Sums of numbers, and of rows, which are of the type of reals of the numbers. */
static void add_sums(stepping *k, const ir_fn *f, const ir_ref *out)
{
    ir_module *m = k->x->m;
    ir_dtype real = DT_F32;

    for (uint32_t i = 0; i < k->graph->n_output; i++) {
        const ir_type *t = ir_type_of(f, out[i]);
        if (!is_number(k, t, text_or(k->graph->output[i]->name)))
            continue;
        vec_push(&k->number, i);
        real = t->dtype == DT_F64 ? DT_F64 : real;
    }
    for (uint32_t i = 0; i <= k->number.len; i++) {
        const char *name = i < k->number.len ? k->graph->output[k->number.at[i]]->name : "rows";
        vec_push(&k->sum, m->state.len);
        vec_push(&m->state,
                 ((ir_state){.name = arena_printf(&m->mem, i < k->number.len ? "learn.sum/%s"
                                                                             : "learn.of/%s", name),
                             .type = type_scalar(&m->types, real), .init = IR_NONE}));
    }
}

/* The number, as a scalar of the sums' type. */
static ir_ref number(const stepping *k, ir_build *b, const ir_ref *out, uint32_t i)
{
    ir_dtype real = k->x->m->state.at[k->sum.at[0]].type->dtype;

    return ir_cast(b, ir_reshape(b, out[k->number.at[i]], NULL, 0), real);
}

static void grow(const stepping *k, ir_build *b, uint32_t i, ir_ref by)
{
    uint32_t state = k->sum.at[i];

    ir_update_state(b, state, ir_2(b, OP_ADD, ir_state_ref(b, state), by));
}

/* Each counts once a row. */
static void grow_sums(const stepping *k, ir_build *b, const ir_ref *out)
{
    const ir_fn *f = b->fn;
    ir_dim n = f->param.len ? ir_type_of(f, f->param.at[0])->dim[0] : dim_int(&k->x->m->dims, 1);
    ir_ref rows = ir_cast(b, ir_dim_ref(b, n), k->x->m->state.at[k->sum.at[0]].type->dtype);

    for (uint32_t i = 0; i < k->number.len; i++)
        grow(k, b, i, ir_2(b, OP_MUL, number(k, b, out, i), rows));
    grow(k, b, k->number.len, rows);
}

/* ---- entries ------------------------------------------------------------------------- */

/* Rows are the first axis of each input, all others are known. */
static bool check_inputs(const stepping *k, const ir_fn *f)
{
    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_type *t = ir_type_of(f, f->param.at[i]);
        int64_t n;
        if (t->kind != TY_TENSOR || !t->rank)
            return wrong(k, "is an input that has no axis for rows, and no initializer",
                         f->param_name.at[i]);
        for (int a = 1; a < t->rank; a++)
            if (!dim_const(&k->x->m->dims, t->dim[a], &n))
                return wrong(k, arena_printf(&k->x->m->mem, "is an input whose axis %d is not "
                                             "known: give --dim or --shape", a),
                             f->param_name.at[i]);
    }
    return true;
}

/* A use of an entry, whose inputs are the columns. */
static struct ingot_train_call call_of(const stepping *k, const ir_fn *f)
{
    int32_t *feeds = arena_array(&k->x->m->mem, int32_t, f->param.len + 1);

    for (uint32_t i = 0; i < f->param.len; i++)
        feeds[i] = (int32_t)i;
    return (struct ingot_train_call){f->name, (int32_t)f->param.len, feeds, 0, NULL};
}

static void begin(stepping *k, ir_build *b, const char *name)
{
    ir_build_init(b, k->x->m, ir_fn_new(k->x->m, name, true), k->x->d);
    b->checks = true;
    b->loc = place_of(k->x);
}

/* A run that only looks is not counted: what is drawn later does not depend on it. */
static bool end(stepping *k, onnx_scope *s, bool counts, bool ok)
{
    if (ok && counts && k->x->runs != IR_NONE)
        onnx_count_run(k->x, s->b);
    scope_free(s);
    ir_build_free(s->b);
    return ok && !diag_failed(k->x->d);
}

/* What the graph of a step gives, in *out. */
static bool run_step(stepping *k, onnx_scope *s, ir_ref *out)
{
    for (uint32_t i = 0; i < k->key.text.len; i++)
        scope_set(s, k->key.text.at[i], ir_state_ref(s->b, i));
    bool ok = onnx_load_inputs(s, k->graph, s->b->loc) && onnx_check_dims(k->x) &&
              check_inputs(k, s->b->fn) && onnx_run_graph(s, k->graph, out);
    s->b->loc = place_of(k->x);
    return ok && !diag_failed(k->x->d);
}

/* Rows are trained on, or only looked at. */
static bool make_step(stepping *k, const char *name, bool updates, struct ingot_train_call *call)
{
    ir_build b;
    onnx_scope s = {.model = k->x, .b = &b};
    ir_ref *out = arena_array(&k->x->m->mem, ir_ref, k->graph->n_output + 1);

    begin(k, &b, name);
    bool ok = run_step(k, &s, out);
    if (ok && !k->sum.len)
        add_sums(k, b.fn, out);
    for (uint32_t i = 0; ok && updates && i < k->number.len; i++)
        ir_result(&b, k->graph->output[k->number.at[i]]->name, number(k, &b, out, i));
    ok = ok && (!updates ||
                update(k, &s, k->info->update_binding, k->info->n_update_binding));
    if (ok)
        grow_sums(k, &b, out);
    *call = call_of(k, b.fn);
    return end(k, &s, updates, ok);
}

/* Means of the numbers, over the rows since the sums were zero. */
static bool make_metrics(stepping *k, struct ingot_train_call *call)
{
    ir_build b;
    onnx_scope s = {.model = k->x, .b = &b};

    begin(k, &b, "learn_metrics");
    ir_ref of = ir_state_ref(&b, k->sum.at[k->number.len]);
    for (uint32_t i = 0; i < k->number.len; i++)
        ir_result(&b, k->graph->output[k->number.at[i]]->name,
                  ir_2(&b, OP_DIV, ir_state_ref(&b, k->sum.at[i]), of));
    *call = call_of(k, b.fn);
    scope_free(&s);
    ir_build_free(&b);
    return !diag_failed(k->x->d);
}

/* First values that are computed, or drawn. */
static bool make_init(stepping *k, struct ingot_train_call *call)
{
    const Onnx__GraphProto *g = k->info->initialization;
    ir_build b;
    onnx_scope s = {.model = k->x, .b = &b};

    if (!g)
        return wrong(k, "is bound by an initialization, of which there is no graph",
                     text_or(k->info->initialization_binding[0]->key));
    if (g->n_input)
        return wrong(k, "is an input of the initialization, which nothing gives",
                     text_or(g->input[0]->name));
    begin(k, &b, "init");
    bool ok = onnx_run_graph(&s, g, NULL);
    b.loc = place_of(k->x);
    ok = ok && !diag_failed(k->x->d) &&
         update(k, &s, k->info->initialization_binding, k->info->n_initialization_binding);
    *call = call_of(k, b.fn);
    return end(k, &s, true, ok);
}

/* ---- the record ---------------------------------------------------------------------- */

static const struct ingot_train_column *columns_of(const stepping *k, const ir_fn *f)
{
    arena *mem = &k->x->m->mem;
    struct ingot_train_column *c = arena_array(mem, struct ingot_train_column, f->param.len + 1);

    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_type *t = ir_type_of(f, f->param.at[i]);
        int64_t *dims = arena_array(mem, int64_t, t->rank + 1);
        for (int a = 1; a < t->rank; a++)
            dim_const(&k->x->m->dims, t->dim[a], &dims[a - 1]);
        c[i] = (struct ingot_train_column){.name = f->param_name.at[i], .rank = t->rank - 1,
                                           .dtype = dt_of(t->dtype)->onnx, .dims = dims};
    }
    return c;
}

static const int32_t *roles(const stepping *k)
{
    const ir_module *m = k->x->m;
    int32_t *role = arena_array(&k->x->m->mem, int32_t, m->state.len + 1);

    for (uint32_t i = 0; i < m->state.len; i++)
        role[i] = i < k->key.text.len ? role_of(k, k->key.text.at[i], m->state.at[i].type->dtype)
                                      : INGOT_ROLE_STATE;
    for (uint32_t i = 0; i < k->sum.len; i++)
        role[k->sum.at[i]] = INGOT_ROLE_SUM;
    return role;
}

/* All entries, and what the record says of them. */
static bool make_all(stepping *k, struct ingot_trainer *t)
{
    struct ingot_train_block *b = k->block;
    bool ok = add_states(k) && make_step(k, "learn_step", true, &b->step_any) &&
              make_step(k, "learn_eval", false, &b->eval) &&
              (!k->number.len || make_metrics(k, &b->metrics)) &&
              (!k->info->n_initialization_binding || make_init(k, &t->init));
    const ir_fn *f = ok ? ir_module_find(k->x->m, b->step_any.entry) : NULL;

    if (!ok)
        return false;
    b->name = "learn";
    b->columns = columns_of(k, f);
    b->column_count = (int32_t)f->param.len;
    b->batch = k->x->frees_rows && k->x->rows ? k->x->rows : 32;
    b->epochs = 10;
    b->accumulate = b->shards = 1;
    t->state_count = (int32_t)k->x->m->state.len;
    t->roles = roles(k);
    return true;
}

static const char *program_name(onnx_model *x)
{
    const char *name = path_base(x->name);

    return arena_strndup(&x->m->mem, name, strcspn(name, "."));
}

bool onnx_build_step(onnx_model *x)
{
    arena *mem = &x->m->mem;
    struct ingot_trainer *t = arena_new(mem, struct ingot_trainer);
    stepping k = {.x = x, .graph = x->step, .block = arena_new(mem, struct ingot_train_block)};

    if (!x->step)
        return diag_error(x->d, (ir_loc){0}, D_NO_TRAINING, x->name,
                          "has no training_info: give --loss cross_entropy, mse, ..");
    if (x->proto->n_training_info > 1)
        return diag_error(x->d, (ir_loc){0}, D_NO_TRAINING, x->name,
                          "has several training_info, steps that follow each other: one is "
                          "supported");
    k.info = x->proto->training_info[0];
    *t = (struct ingot_trainer){.version = INGOT_TRAIN_VERSION, .program = program_name(x),
                                .hash = hash_bytes(x->data, x->size, 0), .block_count = 1,
                                .blocks = k.block};
    bool ok = make_all(&k, t);
    names_free(&k.key);
    vec_free(&k.number);
    vec_free(&k.sum);
    x->trainer = ok ? t : NULL;
    x->block = ok ? k.block : NULL;
    return ok;
}
