/* codegen/loop/lanes.c - which expressions differ between the lanes of a vec loop?
 *
 * It depends on names alone: the loop's variable differs, and so do a let of a value
 * that does and the elements of a register buffer that is made in the loop, of which
 * every lane has its own.  One walk marks these names; expressions are looked at when
 * they are asked for, and remembered. */
#include "loop.h"

enum { UNKNOWN, SHARED, DIFFERS };      /* lp_lanes.expr */

static void mark_block(lp_lanes *l, const lp_stmt *s, bool vec)
{
    for (; s; s = s->next) {
        bool lanes = s->op == LP_LOOP && s->kind == LP_VEC && s->step[0] > 1;
        if (lanes)
            l->var[s->var[0]] = true;
        if (s->op == LP_LOCAL)
            l->buf[s->buf] = vec;
        if (s->op == LP_LET)
            l->var[s->var[0]] = lp_differs(l, s->value);
        mark_block(l, s->body, vec || lanes);
        mark_block(l, s->other, vec || lanes);
    }
}

void lp_lanes_open(lp_lanes *l, const lp_kernel *k)
{
    *l = (lp_lanes){.k = k, .var = mem_alloc(k->var.len), .buf = mem_alloc(k->buf.len)};
    mark_block(l, k->body, false);
}

void lp_lanes_close(lp_lanes *l)
{
    mem_free(l->var);
    mem_free(l->buf);
    vec_free(&l->expr);
}

/* Whatever is made of something that differs, differs. */
static bool find_out(lp_lanes *l, const lp_node *n)
{
    if (n->kind == LX_VAR)
        return l->var[n->ref];
    if (n->kind == LX_LOAD && l->buf[n->ref])
        return true;
    for (uint32_t i = 0; i < n->narg; i++)
        if (lp_differs(l, l->k->arg.at[n->arg + i]))
            return true;
    return false;
}

bool lp_differs(lp_lanes *l, lp_expr e)
{
    if (e >= l->expr.len)
        vec_resize(&l->expr, l->k->node.len);
    if (l->expr.at[e] == UNKNOWN)
        l->expr.at[e] = find_out(l, lp_at(l->k, e)) ? DIFFERS : SHARED;
    return l->expr.at[e] == DIFFERS;
}
