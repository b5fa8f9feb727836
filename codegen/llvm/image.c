/* codegen/llvm/image.c - the tables of a compiled model (struct ingot_model of
 * ir/abi.h, field by field) and the functions beside run: sizes, arithmetic, first
 * values of states.  The order of the fields in the initializers here is that of
 * the structs. */
#include "abi.h"
#include "const_text.h"
#include "llvm_plan.h"

/* ---- functions --------------------------------------------------------------------- */

/* SIZE_MAX when a size overflows. */
static value size_function(pemit *e)
{
    type arg[2] = {e->ptr, e->i32};
    char name[300];

    snprintf(name, sizeof name, "%s_size", e->entry->name);
    pemit_function(e, name, e->i64, arg, 2);
    pemit_symbols(e, LLVMGetParam(e->f, 0));
    pemit_check_sizes(e);
    value n = pemit_int(e, e->entry->fixed), most = pemit_int(e, 0);
    for (uint32_t i = 0; i < e->entry->slot.len; i++)
        if (!e->entry->slot.at[i].fixed)
            n = pemit_arithmetic(e, "sadd", n, pemit_slot_size(e, &e->entry->slot.at[i]));
    for (uint32_t i = 0; i < e->entry->scratch.len; i++) {
        value s = pemit_dim(e, e->entry->scratch.at[i]);
        most = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, s, most, ""), s, most, "");
    }
    value threads = LLVMBuildSExt(e->b, LLVMGetParam(e->f, 1), e->i64, "");
    value none = LLVMBuildICmp(e->b, LLVMIntSLT, threads, pemit_int(e, 1), "");
    threads = LLVMBuildSelect(e->b, none, pemit_int(e, 1), threads, "");
    value all = pemit_arithmetic(e, "sadd", n, pemit_arithmetic(e, "smul", most, threads));
    value limit = pemit_int(e, (int64_t)1 << 50), bad = e->overflow;
    bad = LLVMBuildOr(e->b, bad, LLVMBuildICmp(e->b, LLVMIntUGT, all, limit, ""), "");
    LLVMBuildRet(e->b, LLVMBuildSelect(e->b, bad, pemit_int(e, -1), all, ""));
    e->overflow = NULL;
    return e->f;
}

/* i64 NAME_flops(dims), for reports. */
static value flops_function(pemit *e)
{
    char name[300];

    snprintf(name, sizeof name, "%s_flops", e->entry->name);
    pemit_function(e, name, e->i64, &e->ptr, 1);
    pemit_symbols(e, LLVMGetParam(e->f, 0));
    value sum = pemit_int(e, 0);
    for (uint32_t i = 0; i < e->entry->flops.len; i++)
        sum = LLVMBuildAdd(e->b, sum, pemit_dim(e, e->entry->flops.at[i]), "");
    LLVMBuildRet(e->b, sum);
    return e->f;
}

static int64_t state_end(const pemit *e, uint32_t i)
{
    const ir_module *m = e->image->m;
    const ir_type *t = m->state.at[i].type;

    return (int64_t)e->image->state_offset[i] + type_count_const(&m->types, t) * dt_size(t->dtype);
}

/* The state behind those from i on that begin as zeros. */
static uint32_t end_of_zeros(const pemit *e, uint32_t i)
{
    const ir_module *m = e->image->m;

    while (i < m->state.len && m->state.at[i].init == IR_NONE)
        i++;
    return i;
}

/* void init_states(states, weights): copies of constants, zeros where a state has none, of
 * neighbours at once with what lies between them. */
static value states_function(pemit *e)
{
    const ir_module *m = e->image->m;
    type arg[2] = {e->ptr, e->ptr};

    pemit_function(e, "init_states", e->none, arg, 2);
    for (uint32_t i = 0, next; i < m->state.len; i = next) {
        int64_t begin = (int64_t)e->image->state_offset[i];
        value to = pemit_at(e, LLVMGetParam(e->f, 0), pemit_int(e, begin));
        uint32_t init = m->state.at[i].init;
        next = init == IR_NONE ? end_of_zeros(e, i) : i + 1;
        value n = pemit_int(e, state_end(e, next - 1) - begin);
        if (init == IR_NONE)
            LLVMBuildMemSet(e->b, to, LLVMConstInt(e->i8, 0, false), n, 1);
        else
            LLVMBuildMemCpy(e->b, to, 1, pemit_at(e, LLVMGetParam(e->f, 1),
                            pemit_int(e, (int64_t)e->image->offset[init])), 1, n);
    }
    LLVMBuildRetVoid(e->b);
    return e->f;
}

/* ---- tables ------------------------------------------------------------------------ */

static value string(pemit *e, const char *s)
{
    value v = LLVMConstStringInContext(e->cx, s, (unsigned)strlen(s), false);

    return pemit_constant(e, LLVMTypeOf(v), v);
}

static value int32(pemit *e, int64_t v)
{
    return LLVMConstInt(e->i32, (unsigned long long)v, true);
}

/* The number of a symbol in the entry's table, as extents name it. */
static int64_t extent_code(const pemit *e, ir_dim d)
{
    int64_t v;

    if (dim_const(e->dims, d, &v))
        return v;
    for (uint32_t k = 0; e->entry && k < e->entry->symbol.len; k++)
        if (e->entry->symbol.at[k] == dim_symbol_id(e->dims, d))
            return -1 - (int64_t)k;
    return INT64_MIN;
}

/* Extents and their texts, shared by values of one type that follow each other. */
static void extents_of(pemit *e, const ir_type *t, uint32_t rank, value *codes, value *texts)
{
    value code[IR_MAX_RANK], text_of[IR_MAX_RANK];

    if (e->shown.type != t || e->shown.entry != e->entry) {
        for (uint32_t i = 0; i < rank; i++) {
            text s = {0};
            dim_print(e->dims, t->dim[i], &s);
            code[i] = pemit_int(e, extent_code(e, t->dim[i]));
            text_of[i] = string(e, s.at);
            text_free(&s);
        }
        e->shown.entry = e->entry;
        e->shown.type = t;
        e->shown.codes = pemit_table(e, e->i64, code, rank);
        e->shown.texts = pemit_table(e, e->ptr, text_of, rank);
    }
    *codes = e->shown.codes;
    *texts = e->shown.texts;
}

/* What an input of one number is where it is left out, for who shows it. */
static value preset_of(pemit *e, const plan_port *p)
{
    const char *s = p->preset == PLAN_NONE
                        ? NULL : const_number_text(e->image->m, p->preset, &e->image->m->mem);

    return s ? string(e, s) : LLVMConstNull(e->ptr);
}

/* How many numbers of a value of the entry stand for something, and the table of what. */
static value spelling_of(pemit *e, const char *name, bool result, value *names)
{
    const ir_spelling *s =
        e->entry ? ir_spelling_of(e->image->m, e->entry->name, name, result) : NULL;
    value *v = mem_alloc(((s ? (size_t)s->n : 0) + 1) * sizeof *v);

    for (int64_t i = 0; s && i < s->n; i++)
        v[i] = string(e, s->names[i]);
    *names = s ? pemit_table(e, e->ptr, v, (uint32_t)s->n) : LLVMConstNull(e->ptr);
    mem_free(v);
    return pemit_int(e, s ? s->n : 0);
}

/* A struct ingot_value_info, of an input, a result or a state. */
static value value_info(pemit *e, const plan_port *p, uint64_t offset, bool result)
{
    const ir_type *t = p->type;
    uint32_t rank = t->kind == TY_TENSOR ? (uint32_t)t->rank : 0;
    int onnx = t->kind == TY_TENSOR ? dt_of(t->dtype)->onnx : 0;
    value codes, texts, names, spelled = spelling_of(e, p->name, result, &names);

    extents_of(e, t, rank, &codes, &texts);
    value field[] = {string(e, p->name), int32(e, onnx), int32(e, rank), codes,
                     texts, int32(e, p->late), int32(e, INGOT_DENSE), pemit_int(e, (int64_t)offset),
                     int32(e, p->preset != PLAN_NONE), int32(e, p->loose), preset_of(e, p),
                     spelled, names};
    return LLVMConstStructInContext(e->cx, field, COUNT(field), false);
}

static value ports(pemit *e, const plan_port *p, uint32_t n, bool result)
{
    value *v = mem_alloc((n + 1) * sizeof *v), out = LLVMConstNull(e->ptr);

    for (uint32_t i = 0; i < n; i++)
        v[i] = value_info(e, &p[i], 0, result);
    if (n)
        out = pemit_table(e, LLVMTypeOf(v[0]), v, n);
    mem_free(v);
    return out;
}

static value states(pemit *e)
{
    const ir_module *m = e->image->m;
    value *v = mem_alloc((m->state.len + 1) * sizeof *v), out = LLVMConstNull(e->ptr);

    for (uint32_t i = 0; i < m->state.len; i++) {
        plan_port p = {m->state.at[i].name, m->state.at[i].type, false, 0, PLAN_NONE};
        v[i] = value_info(e, &p, e->image->state_offset[i], false);
    }
    if (m->state.len)
        out = pemit_table(e, LLVMTypeOf(v[0]), v, m->state.len);
    mem_free(v);
    return out;
}

/* A symbol that others define or, where there is a place for the weights, the first
 * line of them. */
static value weights_symbol(pemit *e)
{
    char name[400];

    if (!e->image->weights_size || e->image->weights_apart)
        return LLVMConstNull(e->ptr);
    snprintf(name, sizeof name, "%s_weights", e->image->name);
    value w = LLVMGetNamedGlobal(e->m, name);
    if (w)
        return w;
    type line = LLVMArrayType2(e->i8, IMAGE_LINE);
    w = LLVMAddGlobal(e->m, line, name);
    LLVMSetVisibility(w, LLVMHiddenVisibility);
    if (e->image->weights_place) {
        LLVMSetInitializer(w, LLVMConstNull(line));
        LLVMSetGlobalConstant(w, true);
        LLVMSetSection(w, IMAGE_WEIGHTS);
        LLVMSetAlignment(w, IMAGE_LINE);
    }
    return w;
}

/* What the C functions of a library call: they see no table.  The names are no
 * identifiers, so that none of the header can be the same. */
static void give_to_c(pemit *e, value f, const char *what)
{
    char name[400];

    snprintf(name, sizeof name, "ingot.%s.%s", e->image->name, what);
    LLVMSetValueName2(f, name, strlen(name));
    LLVMSetLinkage(f, LLVMExternalLinkage);
    LLVMSetVisibility(f, LLVMHiddenVisibility);
}

/* Functions of entry i are named run.i and so on. */
static void give_entry_to_c(pemit *e, value size, value extents, value run)
{
    const struct {
        const char *what;
        value f;
    } all[] = {{"size", size}, {"extents", extents}, {"run", run}};
    uint32_t i = 0;
    char name[64];

    while (e->image->p->entry.at[i] != e->entry)
        i++;
    for (size_t k = 0; k < COUNT(all); k++) {
        snprintf(name, sizeof name, "%s.%u", all[k].what, i);
        give_to_c(e, all[k].f, name);
    }
}

/* The weights' address is read from the table, which only a linker fills in: code that
 * computes addresses in a large section would need a global offset table. */
static void give_model_to_c(pemit *e, value model, value init_states)
{
    int64_t at = offsetof(struct ingot_model, weights);

    if (e->image->m->state.len)
        give_to_c(e, init_states, "init");
    pemit_function(e, "weights_of", e->ptr, NULL, 0);
    value weights = pemit_load(e, model, at, e->ptr);
    LLVMSetVolatile(weights, true);
    LLVMBuildRet(e->b, weights);
    give_to_c(e, e->f, "weights");
}

/* A struct ingot_entry. */
static value entry_table(pemit *e)
{
    const plan_entry *x = e->entry;
    value *name = mem_alloc((x->symbol.len + 1) * sizeof *name);
    value size = size_function(e), dims = pemit_extents(e), run = pemit_run(e),
          flops = flops_function(e);

    if (e->image->library)
        give_entry_to_c(e, size, dims, run);
    for (uint32_t i = 0; i < x->symbol.len; i++)
        name[i] = string(e, e->dims->symbol.at[x->symbol.at[i]].name);
    value title = string(e, x->name), inputs = ports(e, x->input.at, x->input.len, false);
    value outputs = ports(e, x->output.at, x->output.len, true);
    value symbols = pemit_table(e, e->ptr, name, x->symbol.len);
    value field[] = {title, int32(e, x->input.len), int32(e, x->output.len),
                     int32(e, x->symbol.len), inputs, outputs, symbols,
                     size, dims, run, flops};
    mem_free(name);
    return LLVMConstStructInContext(e->cx, field, COUNT(field), false);
}

static value string_or_null(pemit *e, const char *s)
{
    return s ? string(e, s) : LLVMConstNull(e->ptr);
}

/* The struct ingot_model itself, the one symbol of an image that others see. */
static void model_table(pemit *e, value *entry, uint32_t n)
{
    const image *im = e->image;
    char name[400];

    e->entry = NULL;
    value init_states = im->m->state.len ? states_function(e) : LLVMConstNull(e->ptr);
    value title = string(e, im->name), entries = pemit_table(e, LLVMTypeOf(entry[0]), entry, n);
    value state = states(e), weights = weights_symbol(e), cpu = string(e, im->target->name);
    value field[] = {
        int32(e, INGOT_ABI_VERSION), title, int32(e, n), int32(e, im->m->state.len),
        entries, state, pemit_int(e, (int64_t)im->state_size),
        init_states, weights, pemit_int(e, (int64_t)im->weights_size),
        pemit_int(e, (int64_t)im->weights_hash), cpu, int32(e, im->threads),
        string_or_null(e, im->made_by), string_or_null(e, im->source)};
    value init = LLVMConstStructInContext(e->cx, field, COUNT(field), false);
    snprintf(name, sizeof name, "%s_model", im->name);
    value model =
        LLVMAddGlobal(e->m, LLVMTypeOf(init), im->executable ? "ingot_artifact_model" : name);
    LLVMSetInitializer(model, init);
    LLVMSetGlobalConstant(model, true);
    if (im->library)
        give_model_to_c(e, model, init_states);
}

/* ---- all of it ---------------------------------------------------------------------- */

static void types(pemit *e)
{
    e->cx = LLVMGetModuleContext(e->m);
    e->b = LLVMCreateBuilderInContext(e->cx);
    e->ptr = LLVMPointerTypeInContext(e->cx, 0);
    e->i64 = LLVMInt64TypeInContext(e->cx);
    e->i32 = LLVMInt32TypeInContext(e->cx);
    e->i8 = LLVMInt8TypeInContext(e->cx);
    e->none = LLVMVoidTypeInContext(e->cx);
}

void image_emit_host(const image *im, LLVMModuleRef m)
{
    pemit e = {.image = im, .m = m, .dims = &im->m->dims};
    uint32_t n = im->p->entry.len;
    value *entry = mem_alloc(n * sizeof *entry);

    types(&e);
    e.start = pemit_starter(&e);
    for (uint32_t i = 0; i < n; i++) {
        e.entry = im->p->entry.at[i];
        e.whole = im->whole_entry[i];
        entry[i] = entry_table(&e);
    }
    model_table(&e, entry, n);
    LLVMDisposeBuilder(e.b);
    mem_free(entry);
}
