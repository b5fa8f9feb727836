/* cli/library_source.c - the typed functions of a library, around the compiled
 * ones.  Those have names that no identifier of the header can be. */
#include "abi.h"
#include "library_parts.h"

static void declarations(const library *l, text *out)
{
    const char *n = l->im->name;

    text_add(
        out,
        "\nstruct buffer { void *data; int64_t *dims; };\n"
        "struct call {\n"
        "    const void *const *inputs;\n    struct buffer *outputs;\n    const int64_t *dims;\n"
        "    void *states;\n    const uint8_t *weights;\n    void *workspace;\n    const void "
        "*pool;\n"
        "    const void *allocator;\n    const char *message;\n};\n\n"
        "#pragma GCC visibility push(hidden)\n"
        "extern const uint8_t *weights_of(void) __asm__(\"ingot.%s.weights\");\n",
        n);
    if (l->im->m->state.len)
        text_add(out, "extern void init(void *states, const uint8_t *weights)\n"
                      "    __asm__(\"ingot.%s.init\");\n", n);
    for (uint32_t i = 0; i < l->entries; i++)
        text_add(out, "extern size_t size%u(const int64_t *dims, int32_t threads)\n"
                      "    __asm__(\"ingot.%s.size.%u\");\n"
                      "extern void extents%u(const int64_t *dims, int64_t *to)\n"
                      "    __asm__(\"ingot.%s.extents.%u\");\n"
                      "extern int32_t run%u(struct call *call) __asm__(\"ingot.%s.run.%u\");\n",
                 i, n, i, i, n, i, i, n, i);
    text_add(out, "#pragma GCC visibility pop\n\n");
}

static const char *the_weights(const library *l)
{
    return l->im->weights_apart ? "weights" : "weights_of()";
}

static void check_weights(const library *l, text *out)
{
    const char *n = l->im->name;

    if (l->im->weights_apart)
        text_add(out,
                 "int %s_weights_fit(const void *weights, size_t size)\n{\n"
                 "    const uint64_t *word = weights;\n"
                 "    uint64_t hash = 0x%llxu;\n\n"
                 "    for (size_t i = 0; i < size / 8; i++)\n"
                 "        hash = (hash ^ word[i]) * 0x100000001b3u;\n"
                 "    return size == %s_WEIGHTS_SIZE && hash == 0x%llxu;\n}\n\n",
                 n, (unsigned long long)INGOT_HASH_START, l->macro,
                 (unsigned long long)l->im->weights_hash);
}

static void states(const library *l, text *out)
{
    const char *n = l->im->name;

    if (!l->im->m->state.len)
        return;
    if (l->im->state_size)
        text_add(out,
                 "_Static_assert(sizeof(struct %s_states) == %llu, \"layout of the states\");\n\n",
                 n, (unsigned long long)l->im->state_size);
    text_add(out, "void %s_init(struct %s_states *states%s)\n{\n    if (!cpu_lacks())\n"
                  "        init(states, %s);\n}\n\n", n, n,
             l->im->weights_apart ? ", const void *weights" : "", the_weights(l));
}

/* The dims in the order of the compiled code. */
static void load_dims(const library_entry *x, text *out)
{
    text_add(out, "    const int64_t v[] = {");
    for (uint32_t i = 0; i < x->e->symbol.len; i++)
        text_add(out, "dims->%s, ", x->dim[i]);
    text_add(out, "0};\n");
}

static void workspace(const library *l, const library_entry *x, uint32_t i, text *out)
{
    text_add(out, "size_t %s_workspace_size(", x->prefix);
    library_dims_parameter(x, out);
    text_add(out, "int threads)\n{\n");
    load_dims(x, out);
    text_add(out, "\n    return cpu_lacks()");
    if (l->im->threads)
        text_add(out, " || threads > %s_MAX_THREADS", l->macro);
    text_add(out, " ? SIZE_MAX : size%u(v, threads);\n}\n\n", i);
}

static void put_extents(const library *l, text *out)
{
    bool used = false;

    for (uint32_t i = 0; i < l->entries; i++)
        used |= l->entry[i].output_dims;
    if (used)
        text_add(out, "static void put_extents(int64_t *to, const int64_t *from, int rank)\n{\n"
                      "    for (int i = 0; i < rank; i++)\n"
                      "        to[i] = from[i] < 0 ? -1 : from[i];\n}\n\n");
}

static void output_dims(const library_entry *x, uint32_t i, text *out)
{
    uint32_t at = 0;

    if (!x->output_dims)
        return;
    for (uint32_t k = 0; k < x->e->output.len; k++)
        at += (uint32_t)x->e->output.at[k].type->rank;
    text_add(out, "void %s_output_dims(const struct %s_dims *dims, struct %s_outputs *out)\n{\n",
             x->prefix, x->prefix, x->prefix);
    load_dims(x, out);
    text_add(out, "    int64_t e[%u] = {0};\n\n    if (!cpu_lacks())\n"
                  "        extents%u(v, e);\n", at, i);
    at = 0;
    for (uint32_t k = 0; k < x->e->output.len; k++) {
        int rank = x->e->output.at[k].type->rank;
        if (x->extents[k])
            text_add(out, "    put_extents(out->%s, e + %u, %d);\n", x->extents[k], at, rank);
        at += (uint32_t)rank;
    }
    text_add(out, "}\n\n");
}

static void buffers(const library_entry *x, text *out)
{
    text_add(out, "    const void *const inputs[] = {");
    for (uint32_t i = 0; i < x->e->input.len; i++)
        text_add(out, "in->%s, ", x->input[i]);
    text_add(out, "0};\n    struct buffer outputs[] = {");
    for (uint32_t i = 0; i < x->e->output.len; i++)
        text_add(out, "{out->%s, %s%s}, ", x->output[i], x->extents[i] ? "out->" : "constant",
                 x->extents[i] ? x->extents[i] : "");
    text_add(out, "{0, 0}};\n");
}

static void run(const library *l, const library_entry *x, uint32_t i, text *out)
{
    text_add(out, "int %s_run(", x->prefix);
    library_run_parameters(l, x, out);
    text_add(out, ")\n{\n    int64_t constant[%d];\n", IR_MAX_RANK);
    load_dims(x, out);
    buffers(x, out);
    for (uint32_t k = 0; k < x->e->output.len; k++)
        if (x->e->output.at[k].late)
            text_add(out, "    out->%s = 0;\n", x->output[k]);
    text_add(out,
             "    struct call c = {inputs, outputs, v, %s, %s, workspace, pool, %s, 0};\n\n"
             "    (void)in, (void)constant;\n"
             "    out->%s = cpu_lacks();\n    if (out->%s)\n        return %s_CPU;\n",
             x->states ? "states" : "0", the_weights(l), x->late ? "allocator" : "0", x->message,
             x->message, l->macro);
    if (l->im->threads)
        text_add(out,
                 "    if (pool && pool->threads > %s_MAX_THREADS) {\n"
                 "        out->%s = \"more threads than the library was built for\";\n"
                 "        return %s_SHAPE;\n    }\n", l->macro, x->message, l->macro);
    text_add(out, "    int status = run%u(&c);\n", i);
    for (uint32_t k = 0; k < x->e->output.len; k++)
        if (x->e->output.at[k].late)
            text_add(out, "    out->%s = outputs[%u].data;\n", x->output[k], k);
    text_add(out, "    out->%s = c.message;\n    return status;\n}\n\n", x->message);
}

void library_source(const image *im, text *out)
{
    library l;

    library_open(&l, im);
    declarations(&l, out);
    library_cpu(im->target, out);
    check_weights(&l, out);
    states(&l, out);
    put_extents(&l, out);
    for (uint32_t i = 0; i < l.entries; i++) {
        workspace(&l, &l.entry[i], i, out);
        output_dims(&l.entry[i], i, out);
        run(&l, &l.entry[i], i, out);
    }
    library_close(&l);
}
