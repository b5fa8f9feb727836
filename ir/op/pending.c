/* ir/op/pending.c - ops without a meaning yet: using one is an error. */
#include "eval_op.h"

#define INFER(name)                                                            \
    bool ir_infer_##name(ir_infer *in)                                         \
    {                                                                          \
        return in_fail(in, "op", "is not supported");                          \
    }
#define EVAL(name)                                                             \
    bool ir_eval_##name(ir_call *c)                                            \
    {                                                                          \
        return eval_fail(c->e, "not supported");                               \
    }

INFER(rng)
INFER(sort)
INFER(topk)
INFER(nonzero)
INFER(unique)
INFER(nms)
INFER(if)
INFER(loop)
INFER(call)
INFER(seq_new)
INFER(seq_insert)
INFER(seq_erase)
INFER(seq_at)
INFER(seq_len)
INFER(seq_join)
INFER(opt_some)
INFER(opt_none)
INFER(opt_has)
INFER(opt_get)
INFER(extern)
EVAL(rng)
EVAL(sort)
EVAL(topk)
EVAL(nonzero)
EVAL(unique)
EVAL(nms)
EVAL(if)
EVAL(loop)
EVAL(call)
EVAL(seq_new)
EVAL(seq_insert)
EVAL(seq_erase)
EVAL(seq_at)
EVAL(seq_len)
EVAL(seq_join)
EVAL(opt_some)
EVAL(opt_none)
EVAL(opt_has)
EVAL(opt_get)
EVAL(extern)

const ir_dim *ir_infer_elements(ir_infer *in, uint32_t result)
{
    (void)in, (void)result;
    return NULL;
}
