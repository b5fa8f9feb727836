/* ir/build_seq.c - sequences.
 *
 * One whose items are all known is a single node with these as operands, so that its
 * length is a number and an item at a known position is that operand: what a graph takes
 * apart and reads by constants leaves no sequence behind. */
#include "build.h"
#include "op/join.h"

enum { MOST_ITEMS = 1024 };

/* The node whose operands are the items of x; null if they are not known. */
static const ir_node *items_of(const ir_build *b, ir_ref x)
{
    const ir_node *n = x == IR_NONE ? NULL : ir_node_of(b->fn, x);

    return n && n->op == OP_SEQ_NEW && !b->no_fold ? n : NULL;
}

/* The position that `at` is known to be, up to `last`, from the end of `count` items if
 * negative; -1: it is not known.  One out of range is an error: *ok becomes false. */
static int64_t place_of(ir_build *b, ir_ref at, int64_t count, int64_t last, bool *ok)
{
    const ir_dim *elem;
    int64_t n, v;

    if (!ir_known(b, at, &elem, &n) || n != 1 || !dim_const(&b->m->dims, elem[0], &v))
        return -1;
    if (v < -count || v > last) {
        *ok = diag_error(b->d, b->loc, D_GENERAL,
                         arena_printf(&b->m->mem, "position %lld is out of range for %lld items",
                                      (long long)v, (long long)count));
        return -1;
    }
    return v < 0 ? v + count : v;
}

ir_ref ir_seq_new(ir_build *b, const ir_ref *x, uint32_t n)
{
    return ir_make(b, OP_SEQ_NEW, x, n, NULL);
}

ir_ref ir_seq_len(ir_build *b, ir_ref seq)
{
    const ir_node *n = items_of(b, seq);

    return n ? ir_int(b, DT_I64, n->narg) : ir_make(b, OP_SEQ_LEN, &seq, 1, NULL);
}

/* The items of n, but for `without`, and with x in front of what stands at `at`. */
static ir_ref edited(ir_build *b, const ir_node *n, int64_t without, int64_t at, ir_ref x)
{
    ir_ref item[MOST_ITEMS + 1];
    uint32_t count = 0;

    for (uint32_t i = 0; i <= n->narg; i++) {
        if (i == at)
            item[count++] = x;
        if (i < n->narg && i != without)
            item[count++] = ir_arg(b->fn, n, i);
    }
    return ir_seq_new(b, item, count);
}

ir_ref ir_seq_insert(ir_build *b, ir_ref seq, ir_ref x, ir_ref at)
{
    const ir_node *n = items_of(b, seq);
    bool ok = true;

    if (seq == IR_NONE || x == IR_NONE)
        return IR_NONE;
    if (n && n->narg < MOST_ITEMS) {
        int64_t count = (int64_t)n->narg;
        int64_t i = at == IR_NONE ? count : place_of(b, at, count, count, &ok);
        if (i >= 0 || !ok)
            return ok ? edited(b, n, -1, i, x) : IR_NONE;
    }
    if (at == IR_NONE)
        at = ir_seq_len(b, seq);
    return ir_make(b, OP_SEQ_INSERT, (ir_ref[]){seq, x, at}, 3, NULL);
}

ir_ref ir_seq_erase(ir_build *b, ir_ref seq, ir_ref at)
{
    const ir_node *n = items_of(b, seq);
    bool ok = true;

    if (seq == IR_NONE)
        return IR_NONE;
    if (n && n->narg <= MOST_ITEMS) {
        int64_t count = (int64_t)n->narg, last = count - 1;
        int64_t i = at == IR_NONE ? last : place_of(b, at, count, last, &ok);
        if (i >= 0 || !ok)
            return ok ? edited(b, n, i, -1, IR_NONE) : IR_NONE;
    }
    if (at == IR_NONE)
        at = ir_int(b, DT_I64, -1);
    return ir_make(b, OP_SEQ_ERASE, (ir_ref[]){seq, at}, 2, NULL);
}

/* A symbol for each extent of an item that differs between items. */
static ir_dims new_extents(ir_build *b, const ir_type *item, int but)
{
    ir_dim *sym = arena_array(&b->m->mem, ir_dim, IR_MAX_RANK);
    ir_dims all = {0, sym};

    for (int i = 0; item->kind == TY_TENSOR && i < item->rank; i++)
        if (i != but && is_any_extent(&b->m->dims, item->dim[i]))
            sym[all.n++] = dim_symbol_new(&b->m->dims, "extent", 0, INT64_MAX);
    return all;
}

ir_ref ir_seq_at(ir_build *b, ir_ref seq, ir_ref at)
{
    const ir_node *n = items_of(b, seq);
    ir_attr a = {0};
    bool ok = true;

    if (seq == IR_NONE || at == IR_NONE)
        return IR_NONE;
    int64_t i = n ? place_of(b, at, n->narg, (int64_t)n->narg - 1, &ok) : -1;
    if (i >= 0 || !ok)
        return ok ? ir_arg(b->fn, n, (uint32_t)i) : IR_NONE;
    const ir_type *t = ir_type_of(b->fn, seq);
    if (t->kind == TY_SEQ)
        a.SEQ_AT.syms = new_extents(b, t->elem, -1);
    return ir_make(b, OP_SEQ_AT, (ir_ref[]){seq, at}, 2, &a);
}

/* Items that are known, one behind the other. */
static ir_ref joined(ir_build *b, const ir_node *n, int axis, bool stack)
{
    ir_ref *x = arena_array(&b->m->mem, ir_ref, n->narg + 1);
    uint32_t count = n->narg;

    for (uint32_t i = 0; i < count; i++)
        x[i] = ir_arg(b->fn, n, i);
    for (uint32_t i = 0; stack && i < count; i++)   /* building moves the nodes */
        x[i] = ir_unsqueeze(b, x[i], axis);
    return ir_concat(b, x, (int)count, axis);
}

ir_ref ir_seq_join(ir_build *b, ir_ref seq, int axis, bool stack)
{
    const ir_node *n = items_of(b, seq);
    ir_attr a = {.SEQ_JOIN = {.axis = axis, .stack = stack}};

    if (seq == IR_NONE)
        return IR_NONE;
    if (n && n->narg)
        return joined(b, n, axis, stack);
    const ir_type *t = ir_type_of(b->fn, seq);
    ir_dim whole = dim_symbol_new(&b->m->dims, "joined", 0, INT64_MAX);
    a.SEQ_JOIN.sym = dim_symbol_id(&b->m->dims, whole);
    if (t->kind == TY_SEQ)
        a.SEQ_JOIN.syms = new_extents(b, t->elem, stack ? -1 : axis);
    return ir_make(b, OP_SEQ_JOIN, &seq, 1, &a);
}
