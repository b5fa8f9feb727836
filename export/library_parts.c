/* export/library_parts.c - C names of a model's parts, and facts of its entries:
 * what header and source have in common, so that they cannot disagree.  A name of a
 * model may hold anything; here it becomes an identifier that is no keyword of C or
 * C++, is not reserved, and differs from the others in its struct. */
#include "library_parts.h"

#include <ctype.h>

#include "file_kind.h"
#include "names.h"

/* ---- names ------------------------------------------------------------------------ */

/* Halves have no type in C and are handed over as their bits. */
const char *library_c_type(ir_dtype d)
{
    static const char *const of[DT_COUNT] = {
        [DT_F32] = "float", [DT_F64] = "double", [DT_I8] = "int8_t", [DT_U8] = "uint8_t",
        [DT_I16] = "int16_t", [DT_U16] = "uint16_t", [DT_I32] = "int32_t", [DT_U32] = "uint32_t",
        [DT_I64] = "int64_t", [DT_U64] = "uint64_t", [DT_BOOL] = "uint8_t", [DT_F16] = "uint16_t",
        [DT_BF16] = "uint16_t"};

    return of[d];
}

/* Keywords of C and C++, and the macros `linux` and `unix` of gcc. */
bool library_keyword(const char *s)
{
    static const char *const words[] = {
        "alignas",   "alignof",   "and",           "and_eq",       "asm",
        "auto",      "bitand",    "bitor",         "bool",         "break",
        "case",      "catch",     "char",          "char16_t",     "char32_t",
        "char8_t",   "class",     "co_await",      "co_return",    "co_yield",
        "compl",     "concept",   "const",         "const_cast",   "consteval",
        "constexpr", "constinit", "continue",      "decltype",     "default",
        "delete",    "do",        "double",        "dynamic_cast", "else",
        "enum",      "explicit",  "export",        "extern",       "false",
        "float",     "for",       "friend",        "goto",         "if",
        "inline",    "int",       "linux",         "long",         "mutable",
        "namespace", "new",       "noexcept",      "not",          "not_eq",
        "nullptr",   "operator",  "or",            "or_eq",
        "private",   "protected", "public",        "register",     "reinterpret_cast",
        "requires",  "restrict",  "return",        "short",        "signed",
        "sizeof",    "static",    "static_assert", "static_cast",  "struct",
        "switch",    "template",  "this",          "thread_local", "throw",
        "true",      "try",       "typedef",       "typeid",       "typename",
        "typeof",    "union",     "unix",          "unsigned",     "using",
        "virtual",   "void",      "volatile",      "wchar_t",      "while",
        "xor",       "xor_eq"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (!strcmp(s, words[i]))
            return true;
    return false;
}

static bool any_of(const char *const *list, const char *s,
                   bool (*is)(const char *s, const char *one))
{
    for (; *list; list++)
        if (is(s, *list))
            return true;
    return false;
}

static bool begins_with(const char *s, const char *begin)
{
    return !strncmp(s, begin, strlen(begin));
}

/* Is the name taken by the compiler, <stdint.h> or <stddef.h>, or reserved for their
 * macros? */
static bool taken(const char *s)
{
    static const char *const macros[] = {"INT",     "UINT",   "PTRDIFF_", "SIG_ATOMIC_", "SIZE_",
                                         "WCHAR_", "WINT_", NULL};
    static const char *const of_macros[] = {"_MAX", "_MIN", "_C", "_WIDTH", NULL};
    static const char *const types[] = {"int", "uint", "ptrdiff_t", "size_t", "max_align_t", NULL};

    if (*s == '_')
        return s[1] == '_' || isupper((unsigned char)s[1]);
    return !strcmp(s, "NULL") ||
           (any_of(macros, s, begins_with) && any_of(of_macros, s, has_suffix)) ||
           (any_of(types, s, begins_with) && has_suffix(s, "_t"));
}

/* Letters and digits of n bytes, and a _ for what stands between them; room is left for
 * `before` characters before them.  To be freed by mem_free. */
static char *plain_name(const char *raw, size_t n, size_t before)
{
    char *name = mem_alloc(before + n + 1), *to = name + before;

    for (size_t i = 0; i < n; i++) {
        bool letter = isalnum((unsigned char)raw[i]);
        if (letter || (to > name + before && to[-1] != '_'))
            *to++ = letter ? raw[i] : '_';
    }
    to -= to > name + before && to[-1] == '_';
    *to = 0;
    return name;
}

/* x_ before what would be no name; mem_free frees it. */
char *library_name(const char *raw, size_t n)
{
    static const char before[] = "x_";
    size_t room = strlen(before);
    char *name = plain_name(raw, n, room), *plain = name + room;

    if (!*plain || isdigit((unsigned char)*plain) || library_keyword(plain) || taken(plain))
        memcpy(name, before, room);
    else
        memmove(name, plain, strlen(plain) + 1);
    return name;
}

/* `base`, made to differ from the names in `s`. */
static const char *different(arena *mem, name_set *s, const char *base)
{
    const char *name = name_set_add(s, base);

    if (!name)
        mem_exhausted();
    return arena_strdup(mem, name);
}

/* An identifier for `raw`, made to differ from the names in `s`. */
static const char *identifier(arena *mem, name_set *s, const char *raw)
{
    char *name = arena_strdup(mem, raw);

    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    bool odd = !*name || isdigit((unsigned char)*name) || library_keyword(name);
    const char *before = taken(name) ? "x_" : odd ? "_" : "";
    return different(mem, s, arena_printf(mem, "%s%s", before, name));
}

static const char *capitals(arena *mem, const char *s)
{
    char *c = arena_strdup(mem, s);

    for (char *p = c; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return c;
}

/* ---- entries ---------------------------------------------------------------------- */

/* Only then its size is a macro of the header. */
static bool constant_shape(const library *l, const ir_type *t)
{
    int64_t n;

    for (int i = 0; i < t->rank; i++)
        if (!dim_const(&l->im->m->dims, t->dim[i], &n))
            return false;
    return true;
}

/* Members of the struct of inputs, and of dims. */
static void name_inputs(library *l, library_entry *x)
{
    const plan_entry *e = x->e;
    name_set dims = {0}, inputs = {0};

    x->dim = arena_array(&l->mem, const char *, e->symbol.len + 1);
    for (uint32_t i = 0; i < e->symbol.len; i++)
        x->dim[i] = identifier(&l->mem, &dims, l->im->m->dims.symbol.at[e->symbol.at[i]].name);
    x->input = arena_array(&l->mem, const char *, e->input.len + 1);
    for (uint32_t i = 0; i < e->input.len; i++)
        x->input[i] = identifier(&l->mem, &inputs, e->input.at[i].name);
    name_set_free(&dims);
    name_set_free(&inputs);
}

library_size library_size_of(const library_entry *x, uint32_t output)
{
    if (x->e->output.at[output].late)
        return LIBRARY_SIZE_UNKNOWN;
    return !x->extents[output] ? LIBRARY_SIZE_MACRO
           : x->dims           ? LIBRARY_SIZE_FUNCTION
                               : LIBRARY_SIZE_UNKNOWN;
}

/* Names that differ in capitals too, for the macros among them. */
static void name_sizes(library *l, library_entry *x)
{
    uint32_t n = x->e->output.len;
    name_set names = {0}, macros = {0};

    x->size_name = arena_array(&l->mem, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        char *plain = plain_name(x->output[i], strlen(x->output[i]), 0);
        bool macro = library_size_of(x, i) == LIBRARY_SIZE_MACRO;
        x->size_name[i] = macro ? different(&l->mem, &macros, capitals(&l->mem, plain))
                                : different(&l->mem, &names, plain);
        mem_free(plain);
    }
    name_set_free(&names);
    name_set_free(&macros);
}

/* Members with data choose their names first, those with extents take what is left. */
static void name_outputs(library *l, library_entry *x)
{
    uint32_t n = x->e->output.len;
    name_set members = {0};

    x->output = arena_array(&l->mem, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        x->output[i] = identifier(&l->mem, &members, x->e->output.at[i].name);
    x->extents = arena_array(&l->mem, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (constant_shape(l, x->e->output.at[i].type))
            continue;
        x->varies = true;
        x->extents[i] =
            different(&l->mem, &members, arena_printf(&l->mem, "%s_dims", x->output[i]));
    }
    x->message = different(&l->mem, &members, "message");
    name_set_free(&members);
}

/* `fixed`: the size is a number, and the header has it as a macro. */
static void measure_workspace(const library *l, library_entry *x)
{
    const plan_entry *e = x->e;
    int64_t n;

    x->fixed = true;
    x->size = e->fixed;
    for (uint32_t i = 0; i < e->slot.len; i++)
        x->fixed &= e->slot.at[i].fixed;
    for (uint32_t i = 0; i < e->scratch.len; i++)
        if (!dim_const(&l->im->m->dims, e->scratch.at[i], &n))
            x->fixed = false;
        else
            x->scratch = max_i64(x->scratch, n);
}

static bool uses_states(const plan_entry *e)
{
    for (uint32_t i = 0; i < e->value.len; i++)
        if (e->value.at[i].place == PLACE_STATE)
            return true;
    return false;
}

/* An entry's name behind the model's. */
static const char *suffix_of(library *l, name_set *suffixes, const char *name)
{
    char *plain = plain_name(name, strlen(name), 0);
    const char *suffix = different(&l->mem, suffixes, plain);

    mem_free(plain);
    return suffix;
}

/* main is called as the model is, net_run; other entries have their names behind
 * it, net_step_run. */
static void describe_entry(library *l, library_entry *x, name_set *suffixes, name_set *macros)
{
    const char *name = l->im->name, *suffix = suffix_of(l, suffixes, x->e->name);
    bool alone = l->entries == 1 || !strcmp(x->e->name, "main");

    x->prefix = alone ? name : arena_printf(&l->mem, "%s_%s", name, suffix);
    x->macro = different(&l->mem, macros, capitals(&l->mem, x->prefix));
    name_inputs(l, x);
    name_outputs(l, x);
    measure_workspace(l, x);
    x->dims = x->e->symbol.len > 0;
    name_sizes(l, x);
    x->output_dims = x->varies && x->dims;
    x->states = uses_states(x->e);
    x->late = x->e->lates > 0;
    l->late |= x->late;
}

/* ---- words for gaps --------------------------------------------------------------- */

/* A word of the templates and what stands for it, formatted as by printf. */
void library_word(library *l, template_words *w, const char *name, const char *fmt, ...)
{
    text t = {0};
    va_list ap;

    va_start(ap, fmt);
    text_addv(&t, fmt, ap);
    va_end(ap);
    library_word_of(l, w, name, &t);
}

void library_word_of(library *l, template_words *w, const char *name, text *t)
{
    vec_push(w, (template_word){name, arena_strndup(&l->mem, t->at ? t->at : "", t->len)});
    text_free(t);
}

/* Gaps that header and source share. */
static void add_model_words(library *l)
{
    template_words *w = &l->words;
    bool apart = l->im->weights_apart;

    library_word(l, w, "NAME", "%s", l->im->name);
    library_word(l, w, "MACRO", "%s", l->macro);
    library_word(l, w, "WEIGHTS", "%s", apart ? "weights" : "weights_of()");
    library_word(l, w, "GIVEN_TO_INIT", "states%s", apart ? " && weights" : "");
    library_word(l, w, "WEIGHTS_PARAMETER", "%s", apart ? ", const void *weights" : "");
}

/* Parameters of run, in the order of the documentation: data, dims, states,
 * weights, memory, pool; those that the entry has no use for are left out. */
static void add_run_parameters(library *l, library_entry *x)
{
    const char *p = x->prefix, *model = l->im->name;
    text t = {0};

    text_add(&t, "const struct %s_inputs *in, struct %s_outputs *out,\n        ", p, p);
    if (x->dims)
        text_add(&t, "const struct %s_dims *dims, ", p);
    if (x->states)
        text_add(&t, "struct %s_states *states, ", model);
    if (l->im->weights_apart)
        text_add(&t, "const void *weights, ");
    text_add(&t, "void *workspace,\n        ");
    if (x->late)
        text_add(&t, "const struct %s_allocator *allocator, ", model);
    text_add(&t, "const struct %s_pool *pool", model);
    library_word_of(l, &x->words, "RUN_PARAMETERS", &t);
}

/* The words of the model hold for each entry, too. */
static void add_entry_words(library *l, library_entry *x)
{
    template_words *w = &x->words;

    for (uint32_t i = 0; i < l->words.len; i++)
        vec_push(w, l->words.at[i]);
    library_word(l, w, "PREFIX", "%s", x->prefix);
    library_word(l, w, "ENTRY_MACRO", "%s", x->macro);
    library_word(l, w, "MESSAGE", "%s", x->message);
    if (x->dims)
        library_word(l, w, "DIMS_PARAMETER", "const struct %s_dims *dims, ", x->prefix);
    else
        library_word(l, w, "DIMS_PARAMETER", "%s", "");
    add_run_parameters(l, x);
}

/* ---- a library -------------------------------------------------------------------- */

/* `trains`: the name `training` is taken. */
void library_open(library *l, const image *im, bool trains)
{
    const ir_module *m = im->m;
    name_set suffixes = {0}, macros = {0}, states = {0};

    *l = (library){.im = im, .entries = im->p->entry.len};
    l->macro = capitals(&l->mem, im->name);
    if (trains)
        different(&l->mem, &suffixes, "training");
    l->entry = arena_array(&l->mem, library_entry, l->entries + 1);
    for (uint32_t i = 0; i < l->entries; i++) {
        l->entry[i].e = im->p->entry.at[i];
        l->entry[i].number = i;
        describe_entry(l, &l->entry[i], &suffixes, &macros);
    }
    l->state = arena_array(&l->mem, const char *, 2 * m->state.len + 1);
    for (uint32_t i = 0; i < m->state.len; i++)
        l->state[i] = identifier(&l->mem, &states, m->state.at[i].name);
    name_set_free(&suffixes);
    name_set_free(&macros);
    name_set_free(&states);
    add_model_words(l);
    for (uint32_t i = 0; i < l->entries; i++)
        add_entry_words(l, &l->entry[i]);
}

void library_close(library *l)
{
    for (uint32_t i = 0; i < l->entries; i++)
        vec_free(&l->entry[i].words);
    vec_free(&l->words);
    arena_reset(&l->mem);
}

/* Bytes between this state and the next: states lie at aligned places, and a struct
 * that shows them has that as an array in between. */
uint64_t library_padding(const library *l, uint32_t state, uint64_t *bytes)
{
    const image *im = l->im;
    const ir_type *t = im->m->state.at[state].type;
    bool last = state + 1 == im->m->state.len;
    uint64_t end = last ? im->state_size : im->state_offset[state + 1];

    *bytes = (uint64_t)(type_count_const(&im->m->types, t) * dt_size(t->dtype));
    return end - im->state_offset[state] - *bytes;
}
