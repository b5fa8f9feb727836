/* export/library_header.c - the headers of a library and of an object: the parts of
 * library.h.in that the model needs, with its names, types and extents in their gaps. */
#include "library_parts.h"

/* ---- text ------------------------------------------------------------------------- */

/* The type as in the IR, but for extents that nobody would read. */
static void type_text(const ir_module *m, const ir_type *t, text *out)
{
    enum { READABLE = 40 };

    if (t->kind != TY_TENSOR) {
        type_print(&m->types, t, out);
        return;
    }
    text_add(out, "%s[", dt_text(t->dtype));
    for (int i = 0; i < t->rank; i++) {
        text s = {0};
        dim_print(&m->dims, t->dim[i], &s);
        text_add(out, "%s%s", i ? "," : "", s.len > READABLE ? ".." : s.at);
        text_free(&s);
    }
    text_add(out, "]");
}

/* Names of a model may hold anything: nothing that ends a comment, or that a
 * compiler warns of inside one, gets through. */
static void comment(const ir_module *m, const char *name, const ir_type *t, text *out)
{
    text s = {0};
    char before = 0;

    if (name)
        text_add(&s, "%s: ", name);
    type_text(m, t, &s);
    for (uint32_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if ((before == '*' && c == '/') || (before == '/' && c == '*'))
            text_add(out, " ");
        text_add(out, "%c", c >= ' ' && c < 127 && c != '\\' && c != '?' ? c : '_');
        before = c;
    }
    text_free(&s);
}

static bool is_string(const plan_port *p)
{
    return p->type->kind == TY_TENSOR && p->type->dtype == DT_STR;
}

/* A member that points to data, `const float *x;`, and the type in the IR's words. */
static void pointer(const library *l, const char *qualifier, const plan_port *p, const char *name,
                    text *out)
{
    const char *type = p->type->kind == TY_TENSOR ? library_c_type(p->type->dtype) : NULL;

    if (is_string(p))
        text_add(out, "    %sstruct %s_string *%s;  /* ", qualifier, l->im->name, name);
    else
        text_add(out, "    %s%s *%s;  /* ", qualifier, type ? type : "void", name);
    comment(l->im->m, strcmp(p->name, name) ? p->name : NULL, p->type, out);
    if (p->loose)
        text_add(out, ", without some axes of extent 1");
    text_add(out, "%s */\n", p->late                  ? ", memory of the allocator"
                              : p->preset != PLAN_NONE ? ", or null: the model's own"
                                                       : "");
}

/* ---- what fills the gaps ------------------------------------------------------------ */

/* Only then does the header declare what a string is. */
static bool has_strings(const library *l)
{
    for (uint32_t i = 0; i < l->entries; i++) {
        const plan_entry *e = l->entry[i].e;
        for (uint32_t k = 0; k < e->input.len; k++)
            if (is_string(&e->input.at[k]))
                return true;
        for (uint32_t k = 0; k < e->output.len; k++)
            if (is_string(&e->output.at[k]))
                return true;
    }
    return false;
}

/* An array with the elements of a state, and what pads it to a cache line. */
static void state_field(const library *l, uint32_t i, text *out)
{
    const ir_state *s = &l->im->m->state.at[i];
    const char *type = library_c_type(s->type->dtype);
    uint64_t bytes, padding = library_padding(l, i, &bytes);
    unsigned long long n = bytes / (type ? (uint64_t)dt_size(s->type->dtype) : 1);

    if (n) {
        text_add(out, "    %s %s[%llu];  /* ", type ? type : "uint8_t", l->state[i], n);
        comment(l->im->m, strcmp(s->name, l->state[i]) ? s->name : NULL, s->type, out);
        text_add(out, "%s */\n", s->trainable ? ", trainable" : "");
    }
    if (padding)
        text_add(out, "    uint8_t padding_%u_[%llu];\n", i, (unsigned long long)padding);
}

/* C knows no empty struct. */
static void close_fields(text *fields)
{
    if (!fields->len)
        text_add(fields, "    char none;\n");
}

/* A pointer for each state of the model, under its path with dots as underscores. */
static void add_state_fields(library *l)
{
    text t = {0};

    for (uint32_t i = 0; i < l->im->m->state.len; i++)
        state_field(l, i, &t);
    close_fields(&t);
    library_word_of(l, &l->words, "STATE_FIELDS", &t);
}

/* Declarations of abi.h, in the names of the model unless all models share them. */
static void add_declarations(library *l)
{
    static const struct {
        const char *word, *start;
        bool shared;
    } all[] = {{"ABI_STATUS", "enum ingot_status", false},
               {"ABI_BODY", "typedef void ingot_body", true},
               {"ABI_POOL", "struct ingot_pool {", true},
               {"ABI_ALLOCATOR", "struct ingot_allocator {", false},
               {"ABI_STRING", "struct ingot_string {", false}};

    for (size_t i = 0; i < COUNT(all); i++) {
        text t = {0};
        template_add_declaration(abi_text, all[i].start, all[i].shared ? "ingot" : l->im->name,
                                 all[i].shared ? "INGOT" : l->macro, &t);
        library_word_of(l, &l->words, all[i].word, &t);
    }
}

/* Gaps that belong to the model and not to an entry. */
static void add_model_words(library *l)
{
    template_words *w = &l->words;

    add_declarations(l);
    add_state_fields(l);
    library_word(l, w, "CPU", "%s", l->im->target->name);
    library_word(l, w, "AND_STATES", "%s", l->im->m->state.len ? " and states" : "");
    library_word(l, w, "AND_DIMS", "%s", l->entry[0].dims ? ", the dims" : "");
    library_word(l, w, "THREADS", "%d", l->im->threads);
    library_word(l, w, "WEIGHTS_SIZE", "%llu", (unsigned long long)l->im->weights_size);
}

/* A const pointer for each input, in the order of the entry. */
static void add_input_fields(library *l, library_entry *x)
{
    text t = {0};

    for (uint32_t i = 0; i < x->e->input.len; i++)
        pointer(l, "const ", &x->e->input.at[i], x->input[i], &t);
    close_fields(&t);
    library_word_of(l, &x->words, "INPUT_FIELDS", &t);
}

/* Behind the pointer to an output's data its extents, where they are not constant. */
static void add_output_fields(library *l, library_entry *x)
{
    text t = {0};

    for (uint32_t i = 0; i < x->e->output.len; i++) {
        pointer(l, "", &x->e->output.at[i], x->output[i], &t);
        if (x->extents[i])
            text_add(&t, "    int64_t %s[%d];\n", x->extents[i], x->e->output.at[i].type->rank);
    }
    library_word_of(l, &x->words, "OUTPUT_FIELDS", &t);
}

static void add_dim_fields(library *l, library_entry *x)
{
    text t = {0};

    for (uint32_t i = 0; i < x->e->symbol.len; i++)
        text_add(&t, "    int64_t %s;\n", x->dim[i]);
    library_word_of(l, &x->words, "DIM_FIELDS", &t);
}

/* Macros of the sizes that are constant, and functions for those that follow from the
 * dims. */
static void add_sizes(library *l, library_entry *x)
{
    text t = {0};
    bool function = false;

    for (uint32_t i = 0; i < x->e->output.len; i++) {
        const ir_type *type = x->e->output.at[i].type;
        library_size size = library_size_of(x, i);
        if (size == LIBRARY_SIZE_MACRO)
            text_add(&t, "#define %s_SIZE_OF_%s ((size_t)%lld)\n", x->macro, x->size_name[i],
                     (long long)type_count_const(&l->im->m->types, type) *
                         (long long)dt_size(type->dtype));
        if (size == LIBRARY_SIZE_FUNCTION)
            text_add(&t, "size_t %s_size_of_%s(const struct %s_dims *dims);\n", x->prefix,
                     x->size_name[i], x->prefix);
        function |= size == LIBRARY_SIZE_FUNCTION;
    }
    x->sizes = t.len > 0;
    t.len -= x->sizes;                  /* the template ends the last line */
    library_word_of(l, &x->words, "SIZES", &t);
    library_word(l, &x->words, "IF_SIZE_UNKNOWN", "%s",
                 function ? "; SIZE_MAX: too large,\n * or unknown" : "");
}

/* Gaps of one entry's part. */
static void add_entry_words(library *l, library_entry *x)
{
    template_words *w = &x->words;

    add_dim_fields(l, x);
    add_sizes(l, x);
    add_input_fields(l, x);
    add_output_fields(l, x);
    library_word(l, w, "FOR_DIMS", "%s", x->dims ? " for these dims and" : "");
    library_word(l, w, "IF_TOO_MUCH", "%s", x->fixed ? "" : "; SIZE_MAX if that is too much");
    library_word(l, w, "SIZE", "%lld", (long long)x->size);
    library_word(l, w, "SCRATCH", "%lld", (long long)x->scratch);
}

/* ---- the header --------------------------------------------------------------------- */

/* Structs of inputs and outputs, then the functions that take them. */
static void add_entry(const library_entry *x, text *out)
{
    const template_words *w = &x->words;

    template_add(library_h_text, "entry", w, out);
    template_add_if(x->dims, library_h_text, "dims", w, out);
    template_add(library_h_text, "inputs", w, out);
    template_add_if(x->varies, library_h_text, "extents_follow", w, out);
    template_add(library_h_text, "outputs", w, out);
    template_add(library_h_text, "workspace", w, out);
    template_add_if(x->fixed, library_h_text, "constant_workspace", w, out);
    template_add_if(x->sizes, library_h_text, "sizes", w, out);
    template_add_if(x->output_dims, library_h_text, "output_dims", w, out);
    template_add(library_h_text, "run", w, out);
}

/* Of --emit obj: the tables of the binary interface, for who calls the code without
 * typed functions. */
void library_object_header(const image *im, const char *output, text *out)
{
    template_words w = {0};

    vec_push(&w, (template_word){"NAME", im->name});
    vec_push(&w, (template_word){"CPU", im->target->name});
    vec_push(&w, (template_word){"OUTPUT", output});
    vec_push(&w, (template_word){"ABI", abi_text});
    template_add(library_h_text, "object", &w, out);
    vec_free(&w);
}

/* In the order in which C wants declarations: what the functions of entries mention
 * comes first. */
void library_header(const image *im, const struct ingot_trainer *t, const char *output,
                    text *out)
{
    library l;

    library_open(&l, im, t != NULL);
    library_word(&l, &l.words, "OUTPUT", "%s", output);
    add_model_words(&l);
    template_add(library_h_text, "head", &l.words, out);
    template_add_if(im->threads > 0, library_h_text, "max_threads", &l.words, out);
    template_add(library_h_text, "pool", &l.words, out);
    template_add_if(l.late, library_h_text, "allocator", &l.words, out);
    template_add_if(has_strings(&l), library_h_text, "string", &l.words, out);
    template_add_if(im->weights_apart, library_h_text, "weights", &l.words, out);
    template_add_if(im->m->state.len > 0, library_h_text, "states", &l.words, out);
    for (uint32_t i = 0; i < l.entries; i++) {
        add_entry_words(&l, &l.entry[i]);
        add_entry(&l.entry[i], out);
    }
    if (t)
        library_train_header(&l, t, out);
    template_add(library_h_text, "tail", &l.words, out);
    library_close(&l);
}
