/* passes/plan_extern.c - steps that call the runtime's kernels: what order and size
 * depend on the data.  A result whose extent the kernel finds out has memory for the
 * largest that it can be. */
#include "planner.h"

/* A step in the making: results, scratch among them, stand before the operands. */
typedef struct call {
    scope *s;
    const ir_node *n;
    uint32_t arg[8], narg, nres;
} call;

static void add_result(call *c, uint32_t v)
{
    ICE_IF(c->nres != c->narg, "a result behind an operand");
    c->arg[c->narg++] = v;
    c->nres++;
}

/* Result k of the node, with memory for a value of type `most`. */
static void add_value(call *c, uint32_t k, const ir_type *most)
{
    ir_ref r = c->n->first + k;
    uint32_t v = plan_place_new(c->s, ir_op_get(c->n->op)->text, most, c->s->want[r]);

    c->s->pl->e->value.at[v].type = ir_type_of(c->s->fn, r);
    c->s->value[r] = v;
    add_result(c, v);
}

static void add_scratch(call *c, const ir_type *t)
{
    add_result(c, plan_place_new(c->s, "scratch", t, PLAN_NONE));
}

static void add_operands(call *c)
{
    for (uint32_t i = 0; i < c->n->narg; i++)
        c->arg[c->narg++] = plan_value_of(c->s, ir_arg(c->s->fn, c->n, i));
}

static plan_step *emit(const call *c, const char *kernel)
{
    plan_step *step = plan_emit(c->s, STEP_EXTERN);

    step->note = kernel;
    step->u.ext.narg = c->narg;
    step->u.ext.nres = c->nres;
    step->u.ext.arg = arena_copy(c->s->pl->mem, c->arg, c->narg * sizeof *c->arg);
    return step;
}

static const ir_type *operand_type(const call *c, uint32_t i)
{
    return ir_type_of(c->s->fn, ir_arg(c->s->fn, c->n, i));
}

/* The step defines the symbol, which is at most `most`. */
static void define(const call *c, plan_step *step, uint32_t symbol, ir_dim most)
{
    ir_dim upper;

    step->u.ext.nsym = 1;
    step->u.ext.sym = arena_copy(c->s->pl->mem, &symbol, sizeof symbol);
    if (plan_upper(c->s->pl, most, &upper))
        plan_bound_set(c->s->pl, symbol, upper);
}

static const ir_type *matrix(const call *c, ir_dtype dt, ir_dim rows, ir_dim columns)
{
    return type_tensor(&c->s->pl->m->types, dt, 2, (ir_dim[]){rows, columns});
}

/* Shares of the rows, each with scratch: of few rows there are fewer, or it would take
 * more memory than what is sorted. */
static ir_dim shares_of(dim_table *d, ir_dim rows)
{
    enum { FEW = 4, MOST = 16 };
    ir_dim some = dim_max(d, dim_div(d, rows, dim_int(d, FEW)), dim_int(d, 1));

    return dim_min(d, some, dim_int(d, MOST));
}

/* passes/order.c has brought it to keys that the kernels order.  They have room for twice
 * as many as are wanted, and some more, since each time it is full it is sorted. */
static void sort(call *c)
{
    enum { MORE = 32 };
    const ir_type *keys = operand_type(c, 0);
    dim_table *d = &c->s->pl->m->dims;
    ir_dim two = {2}, room = dim_mul(d, two, c->n->attr->TOPK.k);

    if (keys->rank != 2 || c->n->attr->TOPK.largest ||
        (keys->dtype != DT_U32 && keys->dtype != DT_U64)) {
        plan_gap(c->s, c->n, "elements of this type are not ordered by compiled code yet");
        return;
    }
    for (uint32_t k = 0; k < 2; k++)
        add_value(c, k, ir_type_of(c->s->fn, c->n->first + k));
    room = dim_min(d, keys->dim[1], dim_add(d, room, dim_int(d, MORE)));
    ir_dim scratch = dim_mul(d, two, shares_of(d, keys->dim[0]));
    add_scratch(c, matrix(c, keys->dtype, scratch, room));
    add_scratch(c, matrix(c, DT_I64, scratch, room));
    add_operands(c);
    emit(c, keys->dtype == DT_U32 ? "sort_u32" : "sort_u64");
}

/* At most every element is not zero: positions i64[rank, count of elements], of
 * which the kernel fills the columns that it finds. */
static void nonzero(call *c)
{
    const ir_type *x = operand_type(c, 0);
    dim_table *d = &c->s->pl->m->dims;
    ir_dim most = dim_product(d, x->dim, x->rank);

    if (dt_class(x->dtype) == DC_C || dt_class(x->dtype) == DC_S) {
        plan_gap(c->s, c->n, "of this element type it cannot be compiled yet");
        return;
    }
    add_value(c, 0, matrix(c, DT_I64, dim_int(d, x->rank), most));
    add_operands(c);
    define(c, emit(c, "nonzero"), c->n->attr->NONZERO.sym, most);
}

/* Scratch: a byte for each box, which says whether it is out. */
static void nms(call *c)
{
    const ir_type *scores = operand_type(c, 1);
    dim_table *d = &c->s->pl->m->dims;
    ir_dim most = dim_product(d, scores->dim, 3), boxes = scores->dim[2];
    const int64_t center = c->n->attr->NMS.center;

    add_value(c, 0, matrix(c, DT_I64, most, dim_int(d, 3)));
    add_scratch(c, type_tensor(&c->s->pl->m->types, DT_U8, 1, &boxes));
    add_operands(c);
    plan_step *step = emit(c, "nms");
    step->u.ext.nnum = 1;
    step->u.ext.num = arena_copy(c->s->pl->mem, &center, sizeof center);
    define(c, step, c->n->attr->NMS.sym, most);
}

static void show(call *c)
{
    add_operands(c);
    emit(c, "show")->u.ext.title = c->n->attr->SHOW.name;
}

void plan_extern(scope *s, const ir_node *n)
{
    call c = {.s = s, .n = n};

    switch (n->op) {
    case OP_TOPK: sort(&c); break;
    case OP_NONZERO: nonzero(&c); break;
    case OP_SHOW: show(&c); break;
    default: nms(&c); break;
    }
}
