/* ir/template_facts.c - the table of templates. */
#include "template_facts.h"

#include "base.h"

#define KIND_M 'M'
#define KIND_R 'R'
#define KIND_C 'C'
#define KIND_S 'S'
#define KIND_X 'X'
#define KIND_K 'K'

static const ir_template_info table[] = {
#define TEMPLATE(NAME, run, kind, region, facts, stored) {KIND_##kind, facts, stored},
#include "templates.def"
};

const ir_template_info *ir_template_get(ir_template t)
{
    ICE_IF((unsigned)t >= TEMPLATE_COUNT, "template %d", (int)t);
    return &table[t];
}

bool ir_template_is(ir_template t, unsigned facts)
{
    return (ir_template_get(t)->facts & facts) == facts;
}
