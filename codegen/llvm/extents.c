/* codegen/llvm/extents.c - extents of outputs: each different dim is computed
 * once, tables say where it goes, so that code does not grow with outputs. */
#include "llvm_plan.h"

#include "abi.h"

/* Extent `dim` of the list is axis `axis` of output `output`; k-th of all. */
typedef struct use {
    uint32_t output, axis, dim;
} use;

/* The extents of an entry's outputs: different dims, and where each is used. */
typedef struct extents {
    VEC(ir_dim) dim;
    VEC(use) use;
} extents;

/* Place of d in the list, added if it is new. */
static uint32_t dim_index(extents *x, map *known, ir_dim d)
{
    uint64_t h = hash_bytes(&d.v, sizeof d.v, 0);

    for (uint32_t it = map_find(known, h); it != MAP_NONE; it = map_next(known, h, it))
        if (x->dim.at[map_id(known, it)].v == d.v)
            return map_id(known, it);
    map_add(known, h, x->dim.len);
    vec_push(&x->dim, d);
    return x->dim.len - 1;
}

/* All outputs' extents, in order. */
static void open_extents(extents *x, const plan_entry *e)
{
    map known = {0};

    *x = (extents){0};
    for (uint32_t i = 0; i < e->output.len; i++)
        for (int k = 0; k < e->output.at[i].type->rank; k++) {
            uint32_t dim = dim_index(x, &known, e->output.at[i].type->dim[k]);
            vec_push(&x->use, (use){i, (uint32_t)k, dim});
        }
    map_free(&known);
}

static void close_extents(extents *x)
{
    vec_free(&x->dim);
    vec_free(&x->use);
}

/* ---- values and tables ----------------------------------------------------------------- */

/* INT64_MIN where the input dims do not say it, or where it overflows. */
static value known_extent(pemit *e, ir_dim d)
{
    if (!pemit_known_before(e, d))
        return pemit_int(e, INT64_MIN);
    pemit_check_sizes(e);
    return pemit_checked(e, pemit_dim(e, d), INT64_MIN);
}

/* The different dims, as an array on the stack. */
static value extent_values(pemit *e, const extents *x, bool before)
{
    value all = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i64, x->dim.len + 1), "extents");

    for (uint32_t i = 0; i < x->dim.len; i++) {
        value v = before ? known_extent(e, x->dim.at[i]) : pemit_dim(e, x->dim.at[i]);
        LLVMBuildStore(e->b, v, pemit_at(e, all, pemit_int(e, 8 * (int64_t)i)));
        pemit_break(e, i);
    }
    return all;
}

/* {i32 output, i32 axis, i32 dim} of each use. */
static value use_table(pemit *e, const extents *x)
{
    value *row = mem_alloc((x->use.len + 1) * sizeof *row);
    type word[3] = {e->i32, e->i32, e->i32};

    for (uint32_t i = 0; i < x->use.len; i++) {
        const use *u = &x->use.at[i];
        value field[3] = {LLVMConstInt(e->i32, u->output, false),
                          LLVMConstInt(e->i32, u->axis, false),
                          LLVMConstInt(e->i32, u->dim, false)};
        row[i] = LLVMConstStructInContext(e->cx, field, 3, false);
    }
    value table = pemit_table(e, LLVMStructTypeInContext(e->cx, word, 3, false), row, x->use.len);
    mem_free(row);
    return table;
}

/* Word `field` of row i of the table, times `scale`. */
static value table_word(pemit *e, value table, value i, int64_t field, int64_t scale)
{
    value row = pemit_at(e, table, LLVMBuildMul(e->b, i, pemit_int(e, sizeof(use)), ""));
    value word = pemit_load(e, row, 4 * field, e->i32);

    return LLVMBuildMul(e->b, LLVMBuildZExt(e->b, word, e->i64, ""), pemit_int(e, scale), "");
}

/* ---- functions ---------------------------------------------------------------------------- */

/* void NAME_extents(dims, out): what is known before the run, INT64_MIN for what is
 * not. */
value pemit_extents(pemit *e)
{
    type arg[2] = {e->ptr, e->ptr};
    char name[300];
    extents x;

    snprintf(name, sizeof name, "%s_extents", e->entry->name);
    pemit_function(e, name, e->none, arg, 2);
    pemit_symbols(e, LLVMGetParam(e->f, 0));
    open_extents(&x, e->entry);
    if (x.use.len) {
        value from = extent_values(e, &x, true), table = use_table(e, &x);
        pemit_loop l = pemit_loop_open(e, pemit_int(e, x.use.len));
        value v = pemit_load(e, pemit_at(e, from, table_word(e, table, l.index, 2, 8)), 0, e->i64);
        value at = LLVMBuildMul(e->b, l.index, pemit_int(e, 8), "");
        LLVMBuildStore(e->b, v, pemit_at(e, LLVMGetParam(e->f, 1), at));
        pemit_loop_close(e, &l);
    }
    close_extents(&x);
    LLVMBuildRetVoid(e->b);
    return e->f;
}

/* Behind the steps, when all symbols have values. */
void pemit_write_extents(pemit *e)
{
    enum { BUFFER = sizeof(struct ingot_buffer) };
    extents x;

    open_extents(&x, e->entry);
    if (x.use.len) {
        value from = extent_values(e, &x, false), table = use_table(e, &x);
        value outputs = pemit_load(e, e->call, offsetof(struct ingot_call, outputs), e->ptr);
        pemit_loop l = pemit_loop_open(e, pemit_int(e, x.use.len));
        value v = pemit_load(e, pemit_at(e, from, table_word(e, table, l.index, 2, 8)), 0, e->i64);
        value buffer = pemit_at(e, outputs, table_word(e, table, l.index, 0, BUFFER));
        value dims = pemit_load(e, buffer, offsetof(struct ingot_buffer, dims), e->ptr);
        LLVMBuildStore(e->b, v, pemit_at(e, dims, table_word(e, table, l.index, 1, 8)));
        pemit_loop_close(e, &l);
    }
    close_extents(&x);
}

/* Does output i have a type that no output before it has, and whose size the
 * caller has to provide and is not constant? */
static bool size_to_check(const pemit *e, uint32_t i, bool *seen)
{
    const plan_port *o = &e->entry->output.at[i];

    if (o->late || seen[o->type->id] || type_count_const(&e->image->m->types, o->type) >= 0)
        return false;
    return seen[o->type->id] = true;
}

/* i1: the size of some output does not fit 64 bits. */
value pemit_output_overflow(pemit *e)
{
    bool *seen = mem_alloc(e->image->m->types.type.len * sizeof *seen);

    pemit_check_sizes(e);
    for (uint32_t i = 0; i < e->entry->output.len; i++) {
        const ir_type *t = e->entry->output.at[i].type;
        if (!size_to_check(e, i, seen))
            continue;
        value bytes = pemit_int(e, dt_size(t->dtype));
        for (int k = 0; k < t->rank; k++)
            bytes = pemit_arithmetic(e, "smul", bytes, pemit_dim(e, t->dim[k]));
    }
    mem_free(seen);
    value overflow = e->overflow;
    e->overflow = NULL;
    return overflow;
}
