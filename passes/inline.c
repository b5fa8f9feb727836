/* passes/inline.c - what a call computes, in place of the call.
 *   y = call x {fn=f}  ->  the nodes of f on x
 * No later stage sees a call.  Callees stand before their callers, so that one run over
 * the functions in order leaves none; they stay in the module, where nothing reads them. */
#include "pass.h"

static bool expand(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *args,
                   ir_ref *out)
{
    (void)cx, (void)old;
    return n->op == OP_CALL && ir_inline(b, n->attr->CALL.fn, args, out);
}

bool pass_inline(pass_ctx *cx, ir_fn *fn)
{
    return pass_has(fn, OP_CALL) && ir_expand(cx->m, fn, cx->d, expand, NULL);
}
