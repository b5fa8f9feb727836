/* cli/library.c - the header of a library. */
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

/* "type *name;" and the type in the IR's words. */
static void pointer(const library *l, const char *qualifier, const plan_port *p, const char *name,
                    text *out)
{
    const char *type = p->type->kind == TY_TENSOR ? library_c_type(p->type->dtype) : NULL;

    if (is_string(p))
        text_add(out, "    %sstruct %s_string *%s;  /* ", qualifier, l->im->name, name);
    else
        text_add(out, "    %s%s *%s;  /* ", qualifier, type ? type : "void", name);
    comment(l->im->m, strcmp(p->name, name) ? p->name : NULL, p->type, out);
    text_add(out, "%s */\n", p->late ? ", memory of the allocator" : "");
}

/* ---- parts ------------------------------------------------------------------------ */

static void head(const library *l, text *out)
{
    const char *n = l->im->name;

    text_add(out,
             "/* %s.h - a compiled neural network, made by ingot for %s CPUs.\n"
             " *\n"
             " * Link with the library beside this header; it needs memcpy, memmove and\n"
             " * memset.  No function does I/O, allocates by itself or keeps anything between\n"
             " * calls: calls with different workspaces%s may run at once.  Data are dense\n"
             " * and row-major, the last axis varying fastest; a comment beside each pointer\n"
             " * gives element type and extents.  f16 and bf16 are passed as their bits.\n"
             " *\n",
             n, l->im->target->name, l->im->m->state.len ? " and states" : "");
    text_add(out,
             " * To run it: fill in the inputs%s, point the outputs to memory of their size,\n"
             " * get a workspace of the size that is asked for here, 64-byte aligned, and call\n"
             " * the function whose name ends in _run.  Its pool may be NULL: then all is done\n"
             " * by the calling thread.  Results do not depend on the number of threads. */\n",
             l->entry[0].dims ? ", the dims" : "");
    text_add(out,
             "#ifndef INGOT_MODEL_%s\n#define INGOT_MODEL_%s\n\n#include <stddef.h>\n#include "
             "<stdint.h>\n\n"
             "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
             n, n);
}

static void status(const library *l, text *out)
{
    const char *n = l->macro;

    text_add(out,
             "/* What a run returns.  Unless it is %s_OK the outputs hold nothing, and the\n"
             " * states are as they were. */\n"
             "enum {\n"
             "    %s_OK = 0,\n"
             "    %s_CHECK = 1,   /* a check of the model failed            */\n"
             "    %s_SHAPE = 2,   /* a dim is out of range, or the pool too big */\n"
             "    %s_MEMORY = 3,  /* no memory from the allocator, or none  */\n"
             "    %s_CPU = 4      /* the code was compiled for another CPU  */\n"
             "};\n\n", n, n, n, n, n, n);
    if (l->im->threads)
        text_add(out, "/* A pool of more threads is refused. */\n#define %s_MAX_THREADS %d\n\n", n,
                 l->im->threads);
}

static void shared_parts(const library *l, text *out)
{
    const char *n = l->im->name;

    text_add(out,
             "/* The caller's threads: `run` calls body(arg, begin, end, thread) for ranges that\n"
             " * make up [0, n), in any split and order, one at a time on each thread 0 <=\n"
             " * thread < threads, and returns when all are done. */\n"
             "struct %s_pool {\n"
             "    void *context;\n"
             "    int32_t threads;\n"
             "    void (*run)(void *context, void (*body)(void *arg, int64_t begin, int64_t end, "
             "int32_t thread),\n"
             "                void *arg, int64_t n);\n"
             "};\n\n",
             n);
    if (l->late)
        text_add(
            out,
            "/* Memory for values whose size depends on data.  give returns 64-byte aligned\n"
            " * memory, or NULL if there is none; take gets it back.  Outputs that lie in such\n"
            " * memory are the caller's to take back, after a failed run too unless NULL. */\n"
            "struct %s_allocator {\n"
            "    void *context;\n"
            "    void *(*give)(void *context, size_t size);\n"
            "    void (*take)(void *context, void *memory);\n"
            "};\n\n",
            n);
}

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

/* struct ingot_string of ir/abi.h. */
static void strings(const library *l, text *out)
{
    if (has_strings(l))
        text_add(out,
                 "/* An element of a tensor of strings: `len` bytes, no zero behind them.  A run\n"
                 " * copies no bytes: those of an output are bytes of the inputs. */\n"
                 "struct %s_string {\n    const char *at;\n    uint64_t len;\n};\n\n",
                 l->im->name);
}

static void one_state(const library *l, uint32_t i, text *out)
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

static void states(const library *l, text *out)
{
    const char *n = l->im->name;

    if (!l->im->m->state.len)
        return;
    text_add(out,
             "/* What the model remembers between runs, 64-byte aligned.  It may be copied as a\n"
             " * whole, and written to a file and read again.  Set it up once by %s_init. */\n"
             "struct %s_states {\n", n, n);
    for (uint32_t i = 0; i < l->im->m->state.len; i++)
        one_state(l, i, out);
    text_add(out, "%s};\n\nvoid %s_init(struct %s_states *states%s);\n\n",
             l->im->state_size ? "" : "    char none;\n", n, n,
             l->im->weights_apart ? ", const void *weights" : "");
}

static void weights(const library *l, text *out)
{
    const char *n = l->im->name;

    if (!l->im->weights_apart)
        return;
    text_add(out,
             "/* The weights are the bytes of the file beside the library with its name and\n"
             " * .weights, mapped or read to memory that is 64-byte aligned.  1 if they are\n"
             " * those that the code was compiled with: reads all of them, so ask once. */\n"
             "#define %s_WEIGHTS_SIZE ((size_t)%llu)\n"
             "int %s_weights_fit(const void *weights, size_t size);\n\n",
             l->macro, (unsigned long long)l->im->weights_size, n);
}

static void dims(const library_entry *x, text *out)
{
    if (!x->dims)
        return;
    text_add(out, "/* Extents that are known only at run time. */\nstruct %s_dims {\n", x->prefix);
    for (uint32_t i = 0; i < x->e->symbol.len; i++)
        text_add(out, "    int64_t %s;\n", x->dim[i]);
    text_add(out, "};\n\n");
}

static void inputs(const library *l, const library_entry *x, text *out)
{
    text_add(out, "struct %s_inputs {\n", x->prefix);
    for (uint32_t i = 0; i < x->e->input.len; i++)
        pointer(l, "const ", &x->e->input.at[i], x->input[i], out);
    text_add(out, "%s};\n\n", x->e->input.len ? "" : "    char none;\n");
}

static void outputs(const library *l, const library_entry *x, text *out)
{
    if (x->varies)
        text_add(out, "/* The extents of an output follow it; a run writes them. */\n");
    text_add(out, "struct %s_outputs {\n", x->prefix);
    for (uint32_t i = 0; i < x->e->output.len; i++) {
        pointer(l, "", &x->e->output.at[i], x->output[i], out);
        if (x->extents[i])
            text_add(out, "    int64_t %s[%d];\n", x->extents[i], x->e->output.at[i].type->rank);
    }
    text_add(out, "    const char *%s;  /* why a run failed; else NULL */\n};\n\n", x->message);
}

static void workspace(const library_entry *x, text *out)
{
    text_add(out, "/* Bytes of workspace%s for so many threads%s. */\nsize_t %s_workspace_size(",
             x->dims ? " for these dims and" : "", x->fixed ? "" : "; SIZE_MAX if that is too much",
             x->prefix);
    library_dims_parameter(x, out);
    text_add(out, "int threads);\n");
    if (x->fixed)
        text_add(out,
                 "#define %s_WORKSPACE_SIZE(threads) ((size_t)%lld + (size_t)%lld * "
                 "(size_t)(threads))\n",
                 x->macro, (long long)x->size, (long long)x->scratch);
    text_add(out, "\n");
}

static void functions(const library *l, const library_entry *x, text *out)
{
    workspace(x, out);
    if (x->output_dims)
        text_add(out,
                 "/* Writes the extents of the outputs: -1 where only a run finds out. */\n"
                 "void %s_output_dims(const struct %s_dims *dims, struct %s_outputs *out);\n\n",
                 x->prefix, x->prefix, x->prefix);
    text_add(out, "int %s_run(", x->prefix);
    library_run_parameters(l, x, out);
    text_add(out, ");\n\n");
}

void library_header(const image *im, text *out)
{
    library l;

    library_open(&l, im);
    head(&l, out);
    status(&l, out);
    shared_parts(&l, out);
    strings(&l, out);
    weights(&l, out);
    states(&l, out);
    for (uint32_t i = 0; i < l.entries; i++) {
        const library_entry *x = &l.entry[i];
        text_add(out, "/* ---- %s ---- */\n\n", x->prefix);
        dims(x, out);
        inputs(&l, x, out);
        outputs(&l, x, out);
        functions(&l, x, out);
    }
    text_add(out, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
    library_close(&l);
}
