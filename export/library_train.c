/* export/library_train.c - the training of a library: functions that do what the loop of a
 * trainer does, around the typed functions of the entries (ir/train_abi.h says which when). */
#include <stdlib.h>

#include "library_parts.h"
#include "tensor_safetensors_text.h"

/* ---- entries ----------------------------------------------------------------------- */

static library_entry *entry_of(library *l, const struct ingot_train_call *c)
{
    for (uint32_t i = 0; c->entry && i < l->entries; i++)
        if (!strcmp(l->entry[i].e->name, c->entry))
            return &l->entry[i];
    return NULL;
}

/* The function that makes a call: of the entry learn_step it is call_3. */
static const char *function_of(library *l, const struct ingot_train_call *c)
{
    const library_entry *x = entry_of(l, c);

    return x ? arena_printf(&l->mem, "call_%u", x->number) : NULL;
}

typedef void each_call(library *l, const struct ingot_train_block *b,
                       const struct ingot_train_call *c, void *cx);

/* Every call of a block that there is. */
static void for_calls(library *l, const struct ingot_train_block *b, each_call *f, void *cx)
{
    const struct ingot_train_call *alone[] = {&b->step, &b->step_any, &b->eval, &b->metrics};

    for (size_t i = 0; i < COUNT(alone); i++)
        if (alone[i]->entry)
            f(l, b, alone[i], cx);
    for (int32_t i = 0; i < b->fit_count; i++)
        f(l, b, &b->fits[i], cx);
    for (int32_t i = 0; b->gather && i < b->objective_count; i++) {
        f(l, b, &b->gather[i], cx);
        f(l, b, &b->apply[i], cx);
    }
}

/* ---- names ------------------------------------------------------------------------- */

static const char *block_name(library *l, const struct ingot_train_block *b)
{
    char *name = library_name(b->name, strlen(b->name));
    const char *copy = arena_printf(&l->mem, "%s_%s", l->im->name, name);

    mem_free(name);
    return copy;
}

static const char *column_name(library *l, const struct ingot_train_column *c)
{
    char *name = library_name(c->name, strlen(c->name));
    const char *copy = arena_strdup(&l->mem, name);

    mem_free(name);
    return copy;
}

/* ---- the header -------------------------------------------------------------------- */

/* A line of the struct of columns each, with its type in the IR's words: const
 * float *x is f32[n,2], n being the rows that are given. */
static void add_columns(library *l, template_words *w, const struct ingot_train_block *b)
{
    text t = {0};

    for (int32_t i = 0; i < b->column_count; i++) {
        const struct ingot_train_column *c = &b->columns[i];
        ir_dtype dt = dt_from_onnx(c->dtype);
        text_add(&t, "    const %s *%s;  /* %s[n", library_c_type(dt), column_name(l, c),
                 dt_text(dt));
        for (int32_t a = 0; a < c->rank; a++)
            text_add(&t, ",%lld", (long long)c->dims[a]);
        text_add(&t, c->bound ? "], below %lld */\n" : "] */\n", (long long)c->bound);
    }
    if (!t.len)
        text_add(&t, "    char none;\n");
    library_word_of(l, w, "COLUMNS", &t);
}

/* Members of the struct of metrics; C knows no empty struct, so one without any has
 * a char. */
static void add_numbers(library *l, template_words *w, const struct ingot_train_block *b)
{
    const library_entry *x = entry_of(l, &b->metrics);
    text t = {0};

    for (uint32_t i = 0; x && i < x->e->output.len; i++)
        text_add(&t, "    %s %s;\n", library_c_type(x->e->output.at[i].type->dtype), x->output[i]);
    if (!t.len)
        text_add(&t, "    char none;\n");
    library_word_of(l, w, "NUMBERS", &t);
}

/* Words of the library, and the block's own.  The caller frees the list. */
static template_words block_words(library *l, const struct ingot_train_block *b)
{
    template_words w = {0};

    for (uint32_t i = 0; i < l->words.len; i++)
        vec_push(&w, l->words.at[i]);
    library_word(l, &w, "BLOCK", "%s", block_name(l, b));
    library_word(l, &w, "TITLE", "%s", b->name);
    library_word(l, &w, "BATCH", "%lld", (long long)b->batch);
    return w;
}

/* The passes over the training rows: fit, fit2, .. */
static const char *fit_name(library *l, int32_t i)
{
    return i ? arena_printf(&l->mem, "fit%d", i + 1) : "fit";
}

static void add_fit_header(library *l, const struct ingot_train_block *b, int32_t i, text *out)
{
    template_words w = block_words(l, b);
    const char *more = i + 1 < b->fit_count
                           ? arena_printf(&l->mem, "\n * Then %s_%s gets all of them.",
                                          block_name(l, b), fit_name(l, i + 1))
                           : "";

    library_word(l, &w, "PASS", "%s", fit_name(l, i));
    library_word(l, &w, "MORE", "%s", more);
    template_add(library_train_h_text, "fit", &w, out);
    vec_free(&w);
}

/* Functions that the block has: eval, fit and metrics only where the program asks
 * for them. */
static void add_block_header(library *l, const struct ingot_train_block *b, text *out)
{
    template_words w = block_words(l, b);

    add_columns(l, &w, b);
    add_numbers(l, &w, b);
    template_add(library_train_h_text, "block", &w, out);
    template_add_if(b->eval.entry, library_train_h_text, "eval", &w, out);
    for (int32_t i = 0; i < b->fit_count; i++)
        add_fit_header(l, b, i, out);
    template_add_if(b->metrics.entry, library_train_h_text, "metrics", &w, out);
    vec_free(&w);
}

/* The type of reals: that of the number `change`, where it is asked for. */
static const char *real_text(library *l, const struct ingot_trainer *t)
{
    for (int32_t i = 0; i < t->block_count; i++) {
        const struct ingot_train_call *c = &t->blocks[i].metrics;
        const library_entry *x = entry_of(l, c);
        for (int32_t k = 0; x && k < c->feed_count; k++)
            if (c->feeds[k] == INGOT_FEED_CHANGE)
                return library_c_type(x->e->input.at[k].type->dtype);
    }
    return "float";
}

/* ---- what is saved ----------------------------------------------------------------- */

/* The file of a training: its head, then states and counters.  `at` is where each lies. */
typedef struct saved {
    safetensors_item *item;
    uint32_t *state;                /* of each item but the last two: its number */
    int32_t n;
    char *head;
    size_t head_size, size, counters_at;
} saved;

/* Shapes of what a training counts, five numbers, and of the hash of all that stands before it. */
static const int64_t counters[] = {5}, hashes[] = {1};

static size_t bytes_of(const safetensors_item *t)
{
    return (size_t)safetensors_bytes(t->dtype, t->rank, t->dims);
}

static int64_t *dims_of(library *l, const ir_type *t)
{
    int64_t *dims = arena_array(&l->mem, int64_t, t->rank + 1);

    for (int i = 0; i < t->rank; i++)
        dim_const(&l->im->m->dims, t->dim[i], &dims[i]);
    return dims;
}

/* All states but gradients, which are zero between two steps, then counters and hash. */
static void list_saved(library *l, const struct ingot_trainer *t, saved *s)
{
    const ir_module *m = l->im->m;

    s->item = arena_array(&l->mem, safetensors_item, m->state.len + 2);
    s->state = arena_array(&l->mem, uint32_t, m->state.len + 1);
    for (uint32_t i = 0; i < m->state.len; i++) {
        const ir_type *type = m->state.at[i].type;
        if (t->roles[i] == INGOT_ROLE_GRADIENT)
            continue;
        s->state[s->n] = i;
        s->item[s->n++] = (safetensors_item){m->state.at[i].name, dt_of(type->dtype)->onnx,
                                             type->rank, dims_of(l, type), NULL};
    }
    s->item[s->n] = (safetensors_item){"training/counters", dt_of(DT_I64)->onnx, 1, counters, NULL};
    s->item[s->n + 1] = (safetensors_item){"training/hash", dt_of(DT_I64)->onnx, 1, hashes, NULL};
}

/* The head of the file is a constant of the source: names, types and places of all
 * tensors are known when the library is made, so saving is a head and some copies,
 * without any formatting at run time. */
static saved saved_of(library *l, const struct ingot_trainer *t)
{
    safetensors_note *note = arena_array(&l->mem, safetensors_note, t->note_count + 3);
    saved s = {0};
    size_t size;

    list_saved(l, t, &s);
    note[0] = (safetensors_note){"format", "ingot library 1"};
    note[1] = (safetensors_note){"program", t->program};
    note[2] = (safetensors_note){
        "program_hash", arena_printf(&l->mem, "%016llx", (unsigned long long)t->hash)};
    for (int32_t i = 0; i < t->note_count; i++)
        note[3 + i] = (safetensors_note){t->notes[i].key, t->notes[i].value};
    char *head = safetensors_text(s.item, s.n + 2, note, t->note_count + 3, &size);
    if (!head)
        mem_exhausted();
    s.head_size = s.counters_at = size + 8;
    s.head = arena_alloc(&l->mem, s.head_size);
    for (int i = 0; i < 8; i++)
        s.head[i] = (char)(size >> 8 * i);
    memcpy(s.head + 8, head, size);
    free(head);
    for (int32_t i = 0; i < s.n; i++)
        s.counters_at += bytes_of(&s.item[i]);
    s.size = s.counters_at + sizeof(int64_t) * (5 + 1);
    return s;
}

/* HEAD is the bytes of the head; SAVED a row for each tensor: place in the file,
 * place in the states, bytes. */
static void add_saved(library *l, template_words *w, const saved *s)
{
    text head = {0}, rows = {0};
    size_t at = s->head_size;

    for (size_t i = 0; i < s->head_size; i++)
        text_add(&head, i % 20 == 19 ? "%d,\n" : "%d,", (uint8_t)s->head[i]);
    for (int32_t i = 0; i < s->n; i++) {
        if (bytes_of(&s->item[i]))
            text_add(&rows, "    {%zu, %llu, %zu},\n", at,
                     (unsigned long long)l->im->state_offset[s->state[i]], bytes_of(&s->item[i]));
        at += bytes_of(&s->item[i]);
    }
    if (!rows.len)
        text_add(&rows, "    {0, 0, 0},\n");
    library_word_of(l, w, "HEAD", &head);
    library_word_of(l, w, "SAVED", &rows);
    library_word(l, w, "HEAD_SIZE", "%zu", s->head_size);
    library_word(l, w, "COUNTERS_AT", "%zu", s->counters_at);
}

/* How many bytes a training saves is a macro of the header: the caller owns that
 * memory. */
void library_train_header(library *l, const struct ingot_trainer *t, text *out)
{
    const saved s = saved_of(l, t);

    library_word(l, &l->words, "REAL", "%s", real_text(l, t));
    library_word(l, &l->words, "SAVED_SIZE", "%zu", s.size);
    template_add(library_train_h_text, "training", &l->words, out);
    for (int32_t i = 0; i < t->block_count; i++)
        add_block_header(l, &t->blocks[i], out);
}

/* ---- calls of entries -------------------------------------------------------------- */

/* What feeds an input: a column, or a counter of the training; rows that are given are one
 * piece. */
static const char *feed_text(library *l, const struct ingot_train_block *b, int32_t feed)
{
    static const char *const counter[] = {"seed", "step", "epoch", "steps", "rows", "change"};

    if (feed == INGOT_FEED_PIECE)
        return "&(const int64_t){0}";
    if (feed < 0)
        return arena_printf(&l->mem, "&t->%s", counter[-1 - feed]);
    return arena_printf(&l->mem, "rows->%s", column_name(l, &b->columns[feed]));
}

/* Designated initializers: what an entry wants and the step's caller gives. */
static void add_inputs(library *l, template_words *w, const library_entry *x,
                       const struct ingot_train_block *b, const struct ingot_train_call *c)
{
    text t = {0};

    for (int32_t i = 0; i < c->feed_count; i++)
        text_add(&t, "%s.%s = %s", i ? ", " : "", x->input[i], feed_text(l, b, c->feeds[i]));
    if (!t.len)
        text_add(&t, "0");
    library_word_of(l, w, "INPUTS", &t);
}

/* Results are numbers: of metrics the caller's, of other calls nobody's but the loss. */
static void add_results(library *l, template_words *w, const library_entry *x, bool metrics)
{
    text t = {0};
    bool loss = !metrics && x->e->output.len && !strcmp(x->e->output.at[0].name, "loss");

    for (uint32_t i = 0; i < x->e->output.len; i++)
        if (metrics)
            text_add(&t, ".%s = &to->%s, ", x->output[i], x->output[i]);
        else
            text_add(&t, ".%s = (void *)&ignored[%u], ", x->output[i], i);
    if (!t.len)
        text_add(&t, "0");
    library_word_of(l, w, "RESULTS", &t);
    library_word(l, w, "OUTPUTS", "%u", x->e->output.len + 1);
    if (loss)
        library_word(l, w, "LOSS", "    t->loss = (double)*(%s *)&ignored[0];\n",
                     library_c_type(x->e->output.at[0].type->dtype));
    else
        library_word(l, w, "LOSS", "%s", "");
}

/* "    const struct net_learn_eval_dims dims = {n};": all run-time dims are the rows. */
static void add_dims(library *l, template_words *w, const library_entry *x, const char *word,
                     const char *indent)
{
    text t = {0};

    if (x->dims) {
        text_add(&t, "%sconst struct %s_dims dims = {", indent, x->prefix);
        for (uint32_t i = 0; i < x->e->symbol.len; i++)
            text_add(&t, i ? ", n" : "n");
        text_add(&t, "};\n");
    }
    library_word_of(l, w, word, &t);
}

/* What add_call is told of: an entry that several blocks call has one function. */
typedef struct calls {
    text *out;
    bool *made;                     /* by entry */
} calls;

/* A static function of its own for each entry. */
static void add_call(library *l, const struct ingot_train_block *b,
                     const struct ingot_train_call *c, void *cx)
{
    const library_entry *x = entry_of(l, c);
    const calls *k = cx;
    bool metrics = b && c == &b->metrics;
    template_words w = {0};

    if (k->made[x->number])
        return;
    k->made[x->number] = true;
    for (uint32_t i = 0; i < x->words.len; i++)
        vec_push(&w, x->words.at[i]);
    library_word(l, &w, "FUNCTION", "%s", function_of(l, c));
    if (!b)
        library_word(l, &w, "CALL_PARAMETERS", "%s", "");
    else if (metrics)
        library_word(l, &w, "CALL_PARAMETERS", ", struct %s_numbers *to", block_name(l, b));
    else
        library_word(l, &w, "CALL_PARAMETERS", ", const struct %s_rows *rows, int64_t n",
                     block_name(l, b));
    add_inputs(l, &w, x, b, c);
    add_results(l, &w, x, metrics);
    add_dims(l, &w, x, "DIMS", "    ");
    library_word(l, &w, "GIVE_DIMS", "%s", x->dims ? "&dims, " : "");
    library_word(l, &w, "GIVE_STATES", "%s", x->states ? "&t->states, " : "");
    library_word(l, &w, "GIVE_ALLOCATOR", "%s", x->late ? "0, " : "");
    template_add(library_train_c_text, "call", &w, k->out);
    vec_free(&w);
}

/* The largest workspace of all calls is that of the training. */
static void add_workspace(library *l, const struct ingot_train_block *b,
                          const struct ingot_train_call *c, void *cx)
{
    const library_entry *x = entry_of(l, c);
    template_words w = {0};

    (void)b;
    library_word(l, &w, "PREFIX", "%s", x->prefix);
    library_word(l, &w, "SIZE_ARGUMENT", "%s", x->dims ? "&dims, " : "");
    add_dims(l, &w, x, "SIZE_DIMS", "        ");
    template_add(library_train_c_text, "workspace_of", &w, cx);
    vec_free(&w);
}

/* ---- blocks ------------------------------------------------------------------------ */

/* The calls of a step: for a batch of the size that is compiled, for any other, or, of a block
 * that accumulates, for each objective its gradients, then its update. */
static void add_steps(library *l, template_words *w, const struct ingot_train_block *b)
{
    static const char with[] = "(t, rows, n, workspace, pool);\n";
    static const char unless[] = "    if (!status)\n        status = %s%s";
    const char *step = function_of(l, &b->step), *any = function_of(l, &b->step_any);
    text t = {0};

    for (int32_t i = 0; b->gather && i < b->objective_count; i++) {
        text_add(&t, unless, function_of(l, &b->gather[i]), with);
        text_add(&t, unless, function_of(l, &b->apply[i]), with);
    }
    if (step && any)
        text_add(&t, "    if (n == %lld)\n        status = %s%s    else\n        status = %s%s",
                 (long long)b->batch, step, with, any, with);
    else if (step || any)
        text_add(&t, "    status = %s%s", step ? step : any, with);
    library_word_of(l, w, "STEPS", &t);
}

/* A function that runs an entry over some rows. */
static void add_pass(library *l, const template_words *block, const struct ingot_train_call *c,
                     const char *pass, text *out)
{
    template_words w = {0};

    for (uint32_t i = 0; i < block->len; i++)
        vec_push(&w, block->at[i]);
    library_word(l, &w, "PASS", "%s", pass);
    library_word(l, &w, "FUNCTION", "%s", function_of(l, c));
    template_add(library_train_c_text, "pass", &w, out);
    vec_free(&w);
}

/* Sums become zero. */
static void add_sums(library *l, template_words *w, const struct ingot_trainer *t)
{
    text s = {0};

    for (int32_t i = 0; i < t->state_count; i++)
        if (t->roles[i] == INGOT_ROLE_SUM)
            text_add(&s, "    __builtin_memset(t->states.%s, 0, sizeof t->states.%s);\n",
                     l->state[i], l->state[i]);
    library_word_of(l, w, "SUMS", &s);
}

/* The typed functions of one block. */
static void add_block_source(library *l, const struct ingot_trainer *t,
                             const struct ingot_train_block *b, text *out)
{
    template_words w = block_words(l, b);

    add_steps(l, &w, b);
    template_add(library_train_c_text, "step", &w, out);
    if (b->eval.entry)
        add_pass(l, &w, &b->eval, "eval", out);
    for (int32_t i = 0; i < b->fit_count; i++)
        add_pass(l, &w, &b->fits[i], fit_name(l, i), out);
    if (b->metrics.entry) {
        add_sums(l, &w, t);
        library_word(l, &w, "FUNCTION", "%s", function_of(l, &b->metrics));
        template_add(library_train_c_text, "metrics", &w, out);
    }
    vec_free(&w);
}

/* One workspace is as large as that of the hungriest entry. */
static void add_workspaces(library *l, const struct ingot_trainer *t)
{
    text w = {0};

    if (t->init.entry)
        add_workspace(l, NULL, &t->init, &w);
    for (int32_t i = 0; i < t->block_count; i++)
        for_calls(l, &t->blocks[i], add_workspace, &w);
    library_word_of(l, &l->words, "WORKSPACES", &w);
}

/* Calls of entries first, static functions that the blocks' functions share. */
void library_train_source(library *l, const struct ingot_trainer *t, text *out)
{
    const saved s = saved_of(l, t);
    calls k = {out, arena_array(&l->mem, bool, l->entries + 1)};

    if (t->init.entry)
        add_call(l, NULL, &t->init, &k);
    for (int32_t i = 0; i < t->block_count; i++)
        for_calls(l, &t->blocks[i], add_call, &k);
    add_workspaces(l, t);
    add_saved(l, &l->words, &s);
    if (t->init.entry)
        library_word(l, &l->words, "BEGIN", "%s(t, workspace, pool)", function_of(l, &t->init));
    else
        library_word(l, &l->words, "BEGIN", "(void)workspace, (void)pool, %s_OK", l->macro);
    template_add(library_train_c_text, "workspace", &l->words, out);
    template_add(library_train_c_text, "begin", &l->words, out);
    template_add(library_train_c_text, "save", &l->words, out);
    for (int32_t i = 0; i < t->block_count; i++)
        add_block_source(l, t, &t->blocks[i], out);
}
