/* passes/rule.c - reading operands inside a rewrite rule. */
#include "rule.h"

#include "num.h"

/* Is x one number, repeated or not?  Integers and bools are given as doubles. */
bool rule_splat(const ir_build *b, ir_ref x, double *value)
{
    const ir_node *n = rule_node(b, x);
    uint8_t element[16];

    while (n->op == OP_BROADCAST || n->op == OP_RESHAPE)
        n = rule_node(b, ir_arg(b->fn, n, 0));
    if (n->op != OP_CONST || !const_is_splat(b->m, n->attr->CONST.id, element))
        return false;
    ir_dtype dt = b->m->consts.at[n->attr->CONST.id].type->dtype;
    if (!dt_is_float(dt) && !dt_is_int(dt) && dt != DT_BOOL)
        return false;
    *value = num_load_flt(dt, element);
    return true;
}
