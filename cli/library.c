/* cli/library.c - header and typed functions of a library. */
#include "library.h"

#include <ctype.h>

enum { MAX_NAMES = 512 };

/* Identifiers of one struct's members, in order. */
typedef struct idents {
    char name[MAX_NAMES][64];
    uint32_t n;
} idents;

static const char *c_type(ir_dtype d)
{
    static const char *const of[DT_COUNT] = {
        [DT_F32] = "float", [DT_F64] = "double", [DT_I8] = "int8_t", [DT_U8] = "uint8_t",
        [DT_I16] = "int16_t", [DT_U16] = "uint16_t", [DT_I32] = "int32_t", [DT_U32] = "uint32_t",
        [DT_I64] = "int64_t", [DT_U64] = "uint64_t", [DT_BOOL] = "uint8_t", [DT_F16] = "uint16_t",
        [DT_BF16] = "uint16_t"};

    return of[d] ? of[d] : "void";
}

bool library_keyword(const char *s)
{
    static const char *const words[] = {
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
        "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return",
        "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
        "volatile", "while"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (!strcmp(s, words[i]))
            return true;
    return false;
}

static const char *add_ident(idents *ids, const char *raw)
{
    char base[48], *out = ids->name[ids->n % MAX_NAMES];
    size_t len = 0;

    if (isdigit((unsigned char)*raw) || library_keyword(raw) || !*raw)
        base[len++] = '_';
    for (; *raw && len + 1 < sizeof base; raw++)
        base[len++] = isalnum((unsigned char)*raw) ? *raw : '_';
    base[len] = 0;
    snprintf(out, sizeof ids->name[0], "%s", base);
    for (int k = 2, again = 1; again; k++) {
        again = 0;
        for (uint32_t i = 0; i < ids->n; i++)
            again |= !strcmp(ids->name[i], out);
        if (again)
            snprintf(out, sizeof ids->name[0], "%s_%d", base, k);
    }
    ids->n++;
    return out;
}

/* Symbols of the inputs in order of appearance: as the artifact has them. */
static uint32_t symbols(const ir_fn *fn, uint32_t *out)
{
    const dim_table *d = &fn->module->dims;
    uint32_t n = 0;

    for (uint32_t i = 0; i < fn->param.len; i++) {
        const ir_type *t = ir_type_of(fn, fn->param.at[i]);
        for (int a = 0; a < t->rank; a++) {
            uint32_t s = dim_symbol_id(d, t->dim[a]), k = 0;
            while (k < n && out[k] != s)
                k++;
            if (s != NAMES_NONE && k == n && n < MAX_NAMES)
                out[n++] = s;
        }
    }
    return n;
}

static void members(const ir_fn *fn, const ir_ref *r, const char *const *name, uint32_t n, bool input, text *out)
{
    idents ids = {.n = 0};

    for (uint32_t i = 0; i < n; i++) {
        const ir_type *t = ir_type_of(fn, r[i]);
        text_add(out, "    %s%s *%s;  /* ", input ? "const " : "", c_type(t->dtype), add_ident(&ids, name[i]));
        type_print(&fn->module->types, t, out);
        text_add(out, " */\n");
    }
    if (!n)
        text_add(out, "    int none;\n");
}

void library_header(const ir_fn *fn, const char *name, text *out)
{
    uint32_t sym[MAX_NAMES], n = symbols(fn, sym);
    idents ids = {.n = 0};

    text_add(out, "/* %s.h - a compiled neural network, made by ingot.\n"
                  " * No function allocates, does I/O or keeps state: calls with different\n"
                  " * workspaces may run at once. */\n"
                  "#ifndef INGOT_MODEL_%s\n#define INGOT_MODEL_%s\n\n"
                  "#include <stddef.h>\n#include <stdint.h>\n\n"
                  "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", name, name, name);
    text_add(out, "/* Extents that are known only at run time. */\nstruct %s_dims {\n", name);
    for (uint32_t i = 0; i < n; i++)
        text_add(out, "    int64_t %s;\n", add_ident(&ids, fn->module->dims.symbol.at[sym[i]].name));
    text_add(out, n ? "};\n\n" : "    int64_t none;  /* all extents are fixed; pass NULL */\n};\n\n");
    text_add(out, "/* Data, row-major. */\nstruct %s_inputs {\n", name);
    members(fn, fn->param.at, fn->param_name.at, fn->param.len, true, out);
    text_add(out, "};\n\nstruct %s_outputs {\n", name);
    members(fn, fn->result.at, fn->result_name.at, fn->result.len, false, out);
    text_add(out, "};\n\n"
                  "/* Optional: runs body over [0,n), any split, each part on one thread\n"
                  " * 0 <= thread < threads; returns when all is done. */\n"
                  "struct %s_pool {\n    void *context;\n    int32_t threads;\n"
                  "    void (*run)(void *context, void (*body)(void *arg, int64_t begin, int64_t end,\n"
                  "                int32_t thread), void *arg, int64_t n);\n};\n\n"
                  "/* Bytes of workspace for these extents and so many threads. */\n"
                  "size_t %s_workspace_size(const struct %s_dims *dims, int threads);\n\n"
                  "/* Runs the network: 0, or not 0 when a check of the model failed.  The workspace is\n"
                  " * 64-byte aligned; pool may be NULL. */\n"
                  "int %s_run(const struct %s_inputs *in, const struct %s_outputs *out,\n"
                  "        const struct %s_dims *dims, void *workspace, const struct %s_pool *pool);\n\n"
                  "#ifdef __cplusplus\n}\n#endif\n#endif\n",
             name, name, name, name, name, name, name, name);
}

static void pointers(const char *const *name, uint32_t n, const char *from, bool pairs, text *out)
{
    idents ids = {.n = 0};

    for (uint32_t i = 0; i < n; i++) {
        const char *id = add_ident(&ids, name[i]);
        text_add(out, pairs ? "        {%s->%s, extents + %u},\n" : "        %s->%s,\n", from, id, 16 * i);
    }
}

void library_source(const ir_fn *fn, const char *name, text *out)
{
    uint32_t sym[MAX_NAMES], n = symbols(fn, sym);
    idents ids = {.n = 0};

    text_add(out, "\nstruct buffer { void *data; int64_t *dims; };\n"
                  "struct call { const void *const *inputs; struct buffer *outputs; const int64_t *dims;\n"
                  "    void *states; const uint8_t *weights; void *workspace; const void *pool;\n"
                  "    const void *allocator; const char *message; };\n"
                  "extern size_t %s_entry_size(const int64_t *dims, int32_t threads);\n"
                  "extern int32_t %s_entry_run(struct call *call);\n"
                  "extern const uint8_t *%s_entry_weights(void);\n\n", name, name, name);
    text_add(out, "static void load(const struct %s_dims *dims, int64_t *v)\n{\n    (void)dims, (void)v;\n", name);
    for (uint32_t i = 0; i < n; i++)
        text_add(out, "    v[%u] = dims->%s;\n", i, add_ident(&ids, fn->module->dims.symbol.at[sym[i]].name));
    text_add(out, "}\n\nsize_t %s_workspace_size(const struct %s_dims *dims, int threads)\n{\n"
                  "    int64_t v[%u];\n\n    load(dims, v);\n    return %s_entry_size(v, threads);\n}\n\n",
             name, name, n + 1, name);
    text_add(out, "int %s_run(const struct %s_inputs *in, const struct %s_outputs *out,\n"
                  "        const struct %s_dims *dims, void *workspace, const struct %s_pool *pool)\n{\n"
                  "    int64_t v[%u], extents[%u];\n    const void *inputs[] = {\n",
             name, name, name, name, name, n + 1, 16 * fn->result.len + 1);
    pointers(fn->param_name.at, fn->param.len, "in", false, out);
    text_add(out, "        0};\n    struct buffer outputs[] = {\n");
    pointers(fn->result_name.at, fn->result.len, "out", true, out);
    text_add(out, "        {0, 0}};\n"
                  "    struct call c = {inputs, outputs, v, 0, %s_entry_weights(), workspace, pool, 0, 0};\n\n"
                  "    (void)in, (void)out;\n    load(dims, v);\n    return %s_entry_run(&c);\n}\n", name, name);
}
