/* export/library_source.c - the typed functions of a library, around the compiled
 * ones: the parts of library.c.in that the model needs. */
#include "library_parts.h"

/* ---- what fills the gaps ------------------------------------------------------------ */

/* The structs of ir/abi.h under names of this model, so that two models can be
 * linked into one program. */
static void add_abi(library *l)
{
    char *prefix = arena_printf(&l->mem, "%s_abi", l->im->name);
    char *macro = arena_printf(&l->mem, "%s_ABI", l->macro);
    text t = {0};

    template_add_renamed(abi_text, strlen(abi_text), prefix, macro, &t);
    library_word_of(l, &l->words, "ABI", &t);
}

static void add_model_words(library *l)
{
    add_abi(l);
    library_word(l, &l->words, "WEIGHTS_HASH", "0x%llx", (unsigned long long)l->im->weights_hash);
    library_word(l, &l->words, "STATE_SIZE", "%llu", (unsigned long long)l->im->state_size);
}

/* "dims->a, dims->b, ": in the order of the compiled code. */
static void add_dim_values(library *l, library_entry *x)
{
    text t = {0};

    for (uint32_t i = 0; i < x->e->symbol.len; i++)
        text_add(&t, "dims->%s, ", x->dim[i]);
    library_word_of(l, &x->words, "DIM_VALUES", &t);
}

/* "in->x, in->y, " */
static void add_input_values(library *l, library_entry *x)
{
    text t = {0};

    for (uint32_t i = 0; i < x->e->input.len; i++)
        text_add(&t, "in->%s, ", x->input[i]);
    library_word_of(l, &x->words, "INPUT_VALUES", &t);
}

/* "{out->y, constant}, {out->z, out->z_dims}, ": extents that are constant have no
 * member and are of no interest. */
static void add_output_values(library *l, library_entry *x)
{
    text t = {0};

    for (uint32_t i = 0; i < x->e->output.len; i++)
        text_add(&t, "{out->%s, %s%s}, ", x->output[i], x->extents[i] ? "out->" : "constant",
                 x->extents[i] ? x->extents[i] : "");
    library_word_of(l, &x->words, "OUTPUT_VALUES", &t);
}

/* The compiled function writes the extents of all outputs, one after the other. */
static void add_extents(library *l, library_entry *x)
{
    uint32_t at = 0;
    text t = {0};

    for (uint32_t i = 0; i < x->e->output.len; i++) {
        int rank = x->e->output.at[i].type->rank;
        if (x->extents[i])
            text_add(&t, "    put_extents(out->%s, e + %u, %d);\n", x->extents[i], at, rank);
        at += (uint32_t)rank;
    }
    library_word_of(l, &x->words, "PUT_EXTENTS", &t);
    library_word(l, &x->words, "EXTENTS", "%u", at);
}

/* Pointers that a run may not be given as NULL, and what is said of each. */
static void add_pointers(library *l, library_entry *x)
{
    text given = {0}, messages = {0};

    for (uint32_t i = 0; i < x->e->input.len; i++)
        if (x->e->input.at[i].preset == PLAN_NONE) {
            text_add(&given, "in->%s, ", x->input[i]);
            text_add(&messages, "\"input %s is NULL\", ", x->input[i]);
        }
    for (uint32_t i = 0; i < x->e->output.len; i++)
        if (!x->e->output.at[i].late) {
            text_add(&given, "out->%s, ", x->output[i]);
            text_add(&messages, "\"output %s is NULL\", ", x->output[i]);
        }
    text_add(&given, "%s%s", x->states ? "states, " : "", l->im->weights_apart ? "weights, " : "");
    text_add(&messages, "%s%s", x->states ? "\"the states are NULL\", " : "",
             l->im->weights_apart ? "\"the weights are NULL\", " : "");
    library_word_of(l, &x->words, "GIVEN", &given);
    library_word_of(l, &x->words, "NULL_MESSAGES", &messages);
}

/* What must lie at a multiple of 64: "((uintptr_t)workspace | (uintptr_t)states)". */
static void add_alignment(library *l, library_entry *x)
{
    const char *states = x->states ? " | (uintptr_t)states" : "";
    const char *weights = l->im->weights_apart ? " | (uintptr_t)weights" : "";

    library_word(l, &x->words, "ALIGNED", "(uintptr_t)workspace%s%s", states, weights);
    library_word(l, &x->words, "ALIGNED_TEXT", "the workspace%s%s is",
                 x->states ? " or the states" : "", l->im->weights_apart ? " or the weights" : "");
}

/* How functions pass their parameters on, and what they ask of the dims. */
static void add_arguments(library *l, library_entry *x)
{
    template_words *w = &x->words;

    library_word(l, w, "DIMS_ARGUMENT", "%s", x->dims ? "dims, " : "");
    library_word(l, w, "DIMS_MISSING", "%s", x->dims ? "!dims || " : "");
    library_word(l, w, "DIMS_CHECK", "%s",
                 x->dims ? "    if (!dims)\n        return \"the dims are NULL\";\n" : "");
    library_word(l, w, "RUN_ARGUMENTS", "in, out, %s%s%sworkspace, %spool", x->dims ? "dims, " : "",
                 x->states ? "states, " : "", l->im->weights_apart ? "weights, " : "",
                 x->late ? "allocator, " : "");
}

/* Outputs in the allocator's memory: null before a run, what was made after it. */
static void add_late(library *l, library_entry *x)
{
    text clear = {0}, take = {0};

    for (uint32_t i = 0; i < x->e->output.len; i++)
        if (x->e->output.at[i].late) {
            text_add(&clear, "    out->%s = 0;\n", x->output[i]);
            text_add(&take, "    out->%s = outputs[%u].data;\n", x->output[i], i);
        }
    library_word_of(l, &x->words, "CLEAR_LATE", &clear);
    library_word_of(l, &x->words, "TAKE_LATE", &take);
}

/* Gaps of one entry, behind those that library_open has filled. */
static void add_entry_words(library *l, library_entry *x)
{
    template_words *w = &x->words;

    add_dim_values(l, x);
    add_input_values(l, x);
    add_output_values(l, x);
    add_extents(l, x);
    add_late(l, x);
    add_pointers(l, x);
    add_alignment(l, x);
    add_arguments(l, x);
    library_word(l, w, "N", "%u", x->number);
    library_word(l, w, "MAX_RANK", "%d", IR_MAX_RANK);
    library_word(l, w, "STATES", "%s", x->states ? "states" : "0");
    library_word(l, w, "ALLOCATOR", "%s", x->late ? "allocator" : "0");
    library_word(l, w, "MOST_THREADS", "%d", l->im->threads ? l->im->threads : INT32_MAX);
}

/* ---- the source --------------------------------------------------------------------- */

static bool gives_extents(const library *l)
{
    for (uint32_t i = 0; i < l->entries; i++)
        if (l->entry[i].output_dims)
            return true;
    return false;
}

static bool has_sizes(const library *l)
{
    for (uint32_t i = 0; i < l->entries; i++)
        for (uint32_t k = 0; k < l->entry[i].e->output.len; k++)
            if (library_size_of(&l->entry[i], k) == LIBRARY_SIZE_FUNCTION)
                return true;
    return false;
}

/* Adds the functions that tell the sizes of outputs. */
static void add_sizes(library *l, library_entry *x, text *out)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < x->e->output.len; i++) {
        const ir_type *t = x->e->output.at[i].type;
        if (library_size_of(x, i) == LIBRARY_SIZE_FUNCTION) {
            template_words w = {0};
            for (uint32_t k = 0; k < x->words.len; k++)
                vec_push(&w, x->words.at[k]);
            library_word(l, &w, "OUTPUT_NAME", "%s", x->size_name[i]);
            library_word(l, &w, "FIRST_EXTENT", "%u", at);
            library_word(l, &w, "RANK", "%d", t->rank);
            library_word(l, &w, "ELEMENT_SIZE", "%d", dt_size(t->dtype));
            template_add(library_c_text, "size_of", &w, out);
            vec_free(&w);
        }
        at += (uint32_t)t->rank;
    }
}

/* Parts of export/library.c.in in the order of the file, each filled in, or left
 * out where the model has no such thing. */
void library_source(const image *im, const struct ingot_trainer *t, text *out)
{
    library l;

    library_open(&l, im, t != NULL);
    add_model_words(&l);
    template_add(library_c_text, "abi", &l.words, out);
    for (uint32_t i = 0; i < l.entries; i++) {
        add_entry_words(&l, &l.entry[i]);
        template_add(library_c_text, "symbols", &l.entry[i].words, out);
    }
    template_add(library_c_text, "end_of_symbols", &l.words, out);
    library_cpu(&l, out);
    template_add_if(im->weights_apart, library_c_text, "weights", &l.words, out);
    template_add_if(im->state_size > 0, library_c_text, "states_layout", &l.words, out);
    template_add_if(im->m->state.len > 0, library_c_text, "states", &l.words, out);
    template_add_if(gives_extents(&l), library_c_text, "put_extents", &l.words, out);
    template_add(library_c_text, "null_among", &l.words, out);
    template_add_if(has_sizes(&l), library_c_text, "bytes", &l.words, out);
    for (uint32_t i = 0; i < l.entries; i++) {
        library_entry *x = &l.entry[i];
        template_add(library_c_text, "workspace", &x->words, out);
        add_sizes(&l, x, out);
        template_add_if(x->output_dims, library_c_text, "output_dims", &x->words, out);
        template_add(library_c_text, "run", &x->words, out);
    }
    if (t)
        library_train_source(&l, t, out);
    library_close(&l);
}
