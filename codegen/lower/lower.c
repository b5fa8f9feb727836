/* codegen/lower/lower.c - from groups to kernels: the choice of the template, what
 * templates share, and the table of kernels.
 *
 * The planner calls lower_group for each group.  The row of templates.def says
 * which function makes it; that function adds one or more kernels to its job, with
 * the values that each is called with.  A kernel whose text is one that is there
 * already is not added again: nets of equal blocks have few kernels. */
#include "lower.h"

#include <math.h>

#include "templates.h"

void lower_init(lower *l, ir_module *m, const target *t, const char *prefix, diag *d)
{
    *l = (lower){.m = m, .target = t, .prefix = prefix, .d = d};
}

void lower_free(lower *l)
{
    for (uint32_t i = 0; i < l->kernel.len; i++)
        lp_kernel_free(l->kernel.at[i]);
    vec_free(&l->kernel);
    map_free(&l->by_text);
    schedules_free(&l->chosen);
    arena_reset(&l->mem);
}

/* NAME=2x3x?, the words of which problems in lists of schedules consist; ? is known
 * only by the run. */
void lower_name_extents(const lower *l, const char *what, const ir_dim *e, int n, text *out)
{
    int64_t v;

    text_add(out, " %s=", what);
    for (int i = 0; i < n; i++) {
        text_add(out, i ? "x" : "");
        if (dim_const(&l->m->dims, e[i], &v))
            text_add(out, "%lld", (long long)v);
        else
            text_add(out, "?");
    }
}

/* The list that the user gave decides, if it has the problem and its schedule fits;
 * a fault is told once for each line. */
schedule lower_schedule(lower *l, text *name, const problem *p)
{
    schedule s = schedule_choose(l->target, p);

    problem_print(p, name);
    schedules_entry *given = l->given ? schedules_find(l->given, name->at) : NULL;
    if (given) {
        const char *fault = schedule_fault(l->target, p, &given->s);
        if (!fault)
            s = given->s;
        else if (fault != given->fault)
            schedules_error(given, fault, l->d);
        given->fault = fault;
        given->used = true;
    }
    schedules_add(&l->chosen, name->at, &s, (ir_loc){0});
    return s;
}

/* A template that makes a kernel that is not well formed is our bug. */
static void check(lp_kernel *k)
{
    diag d;

    diag_init(&d);
    bool ok = lp_verify(k, &d);
    ICE_IF(!ok, "%s", d.message.len ? d.message.at[0].text : "no message");
    diag_free(&d);
}

/* Equal by text without the name: the printer shows all that a kernel is. */
uint32_t lower_add(lower *l, lp_kernel *k)
{
    text t = {0}, other = {0};

    lp_print_anonymous(k, &t);
    uint64_t h = hash_bytes(t.at, t.len, 0);
    for (uint32_t p = map_find(&l->by_text, h); p != MAP_NONE; p = map_next(&l->by_text, h, p)) {
        uint32_t id = map_id(&l->by_text, p);
        other.len = 0;
        lp_print_anonymous(l->kernel.at[id], &other);
        if (other.len == t.len && !memcmp(other.at, t.at, t.len)) {
            text_free(&t);
            text_free(&other);
            lp_kernel_free(k);
            return id;
        }
    }
    text_free(&t);
    text_free(&other);
    check(k);
    k->name = arena_printf(&k->mem, "%s_k%u_%s", l->prefix, l->kernel.len, k->name);
    vec_push(&l->kernel, k);
    map_add(&l->by_text, h, l->kernel.len - 1);
    return l->kernel.len - 1;
}

/* An extent in a kernel, over its i64 parameters, as a dim over what those are in
 * this call.  Kernels and plan must agree on sizes, so there is one text for both. */
ir_dim lower_dim(lower *l, const lp_kernel *k, lp_expr e, const ir_dim *dim)
{
    dim_table *t = &l->m->dims;
    const lp_node *n = lp_at(k, e);
    ir_dim a[3] = {{0}, {0}, {0}};

    if (n->kind == LX_LITERAL)
        return dim_int(t, (int64_t)n->bits);
    if (n->kind == LX_VAR) {
        for (uint32_t i = 0; i < k->dim.len; i++)
            if (k->dim.at[i] == n->ref)
                return dim[i];
        ice(__FILE__, __LINE__, __func__, "a loop variable outside its kernel");
    }
    for (uint32_t i = 0; i < n->narg && i < 3; i++)
        a[i] = lower_dim(l, k, k->arg.at[n->arg + i], dim);
    if (n->kind == LX_FLOORDIV)
        return dim_div(t, a[0], a[1]);
    switch (n->op) {
    case SC_ADD: return dim_add(t, a[0], a[1]);
    case SC_SUB: return dim_sub(t, a[0], a[1]);
    case SC_MUL: return dim_mul(t, a[0], a[1]);
    case SC_MIN: return dim_min(t, a[0], a[1]);
    case SC_MAX: return dim_max(t, a[0], a[1]);
    case SC_MOD: return dim_mod(t, a[0], a[1]);
    case SC_EQ: return dim_eq(t, a[0], a[1]);
    case SC_NE: return dim_sub(t, (ir_dim){1}, dim_eq(t, a[0], a[1]));
    case SC_LT: return dim_lt(t, a[0], a[1]);
    case SC_LE: return dim_le(t, a[0], a[1]);
    case SC_SELECT: return dim_select(t, a[0], a[1], a[2]);
    default: ice(__FILE__, __LINE__, __func__, "scalar %s in an extent", sc_text((sc_op)n->op));
    }
}

bool lower_is_stored(const ir_groups *in, ir_ref value)
{
    const ir_node *n = ir_node_of(in->fn, value);

    return in->stored[value] || n->op == OP_INPUT || n->op == OP_STATE;
}

/* ---- jobs ------------------------------------------------------------------------- */

void job_kernel(job *j, body *b, const char *what)
{
    body_init(b, j->l, j->in, what);
    for (uint32_t i = 0; i < j->g->nout; i++) {
        body_bind(b, (body_binding){.ref = j->g->out[i], .how = BODY_MADE});
        if (j->g->over[i] != IR_NONE)
            body_bind(b, (body_binding){.ref = j->g->over[i], .how = BODY_TAKEN,
                                        .by = j->g->out[i]});
    }
}

void job_store(job *j, body *b, const lp_expr *idx, lp_expr v)
{
    ir_ref root = j->root->first;

    v = lp_cast(b->k, ir_type_of(b->fn, root)->dtype, v);
    body_bind(b, (body_binding){.ref = root, .how = BODY_IS, .expr = v});
    body_store_all(b, j->g->out, j->g->nout, idx, idx, false);
    body_unbind(b);
}

/* Is b[idx] element `last` of one row of several? */
static bool is_in_row(const lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr last)
{
    int end = k->buf.at[b].rank - 1;
    int64_t v;
    bool several = false;

    for (int i = 0; i < end; i++)
        several |= !lp_is_int(k, idx[i], &v);
    return several && idx[end] == last;
}

/* Fetches n elements, or none, from each such load in e on; returns how many loads.  `seen` holds
 * what was looked at, for many paths may lead to one. */
static int fetch_loads(lp_kernel *k, lp_expr e, lp_expr last, int n, map *seen)
{
    const lp_node x = *lp_at(k, e);     /* a copy: the table of nodes grows */
    lp_expr idx[LP_MAX_RANK];
    lp_buf buf;
    int count = 0;

    if (map_find(seen, hash_mix(6, e)) != MAP_NONE)
        return 0;
    map_add(seen, hash_mix(6, e), e);
    if (!lp_load_of(k, e, &buf, idx)) {
        for (uint32_t i = 0; i < x.narg; i++)
            count += fetch_loads(k, k->arg.at[x.arg + i], last, n, seen);
        return count;
    }
    if (!is_in_row(k, buf, idx, last))
        return 0;
    lp_prefetch_row(k, buf, idx, n, true);
    return 1;
}

int job_fetch(job *j, body *b, const lp_expr *idx, int n)
{
    ir_ref root = j->root->first;
    int last = ir_type_of(b->fn, j->out)->rank - 1, count = 0;
    lp_expr none = lp_const_bits(b->k, ir_type_of(b->fn, root)->dtype, 0);
    map seen = {0};

    if (last < 0)
        return 0;
    body_bind(b, (body_binding){.ref = root, .how = BODY_IS, .expr = none});
    for (uint32_t i = 0; i < j->g->nout; i++)
        count += fetch_loads(b->k, body_at(b, j->g->out[i], idx), idx[last], n, &seen);
    body_unbind(b);
    map_free(&seen);
    return count;
}

/* A state that is updated in place has just been read to the cache. */
bool job_streams(const job *j)
{
    const ir_type *t = ir_type_of(j->in->fn, j->out);
    const dim_table *d = &j->l->m->dims;
    double bytes = dt_size(t->dtype);
    bool over = false;

    for (uint32_t i = 0; i < j->g->nout; i++)
        over |= j->g->over[i] != IR_NONE;
    for (int i = 0; i < t->rank; i++)
        bytes *= (double)dim_hint(d, t->dim[i]);
    return !over && bytes > (double)j->l->target->l3_bytes;
}

void job_write(const job *j, body *b, const lp_expr *idx, const lp_expr *to)
{
    body_store_all(b, j->g->out, j->g->nout, idx, to, job_streams(j));
}

/* The kernel becomes a call of the job.  False if an element had no expression:
 * j->failed says which. */
bool job_end(job *j, body *b)
{
    group_call c;
    bool ok = body_call(b, &c);

    if (ok)
        vec_push(&j->call, c);
    else
        j->failed = b->failed;
    body_free(b);
    return ok;
}

uint32_t job_temp(job *j, ir_dim bytes)
{
    vec_push(&j->temp, bytes);
    return j->temp.len - 1;
}

ir_dtype acc_dtype(ir_dtype dt)
{
    if (dt_is_float(dt))
        return dt == DT_F64 ? DT_F64 : DT_F32;
    return dt;
}

sc_op redop_scalar(ir_redop op, ir_dtype dt)
{
    static const sc_op of[] = {
        [RED_SUM] = SC_ADD, [RED_PROD] = SC_MUL, [RED_MIN] = SC_MIN,
        [RED_MAX] = SC_MAX, [RED_AND] = SC_AND, [RED_OR] = SC_OR};

    if (dt == DT_BOOL && (op == RED_MIN || op == RED_MAX))
        return op == RED_MIN ? SC_AND : SC_OR;
    return of[op];
}

/* What changes nothing: 0 for sums, the worst value for minima and maxima. */
lp_expr redop_start(lp_kernel *k, ir_redop op, ir_dtype dt)
{
    int bits = dt_bits(dt);
    bool flt = dt_is_float(dt), sign = dt_is_signed(dt);

    switch (op) {
    case RED_PROD: return flt ? lp_const_flt(k, dt, 1) : lp_const_int(k, dt, 1);
    case RED_MIN:
        if (flt)
            return lp_const_flt(k, dt, INFINITY);
        return lp_const_int(k, dt,
                            sign            ? (int64_t)(((uint64_t)1 << (bits - 1)) - 1)
                            : dt == DT_BOOL ? 1
                                            : -1);
    case RED_MAX:
        if (flt)
            return lp_const_flt(k, dt, -INFINITY);
        return lp_const_int(k, dt, sign ? (int64_t)((uint64_t)1 << (bits - 1)) : 0);
    case RED_AND: return lp_const_int(k, dt, dt == DT_BOOL ? 1 : -1);
    default: return flt ? lp_const_flt(k, dt, 0) : lp_const_int(k, dt, 0);
    }
}

/* The column `run` of templates.def. */
static template_fn *const templates[] = {
#define template_none NULL
#define TEMPLATE(NAME, run, ...) template_##run,
#include "templates.def"
#undef template_none
};

/* Can kernels compute with r, and with all values that are computed on the way to it?
 * `seen` holds the values that were looked at, for many paths may lead to one. */
static bool types_ok(const job *j, ir_ref r, map *seen, const char **why)
{
    bool first = !seen->len;
    const ir_node *n = ir_node_of(j->in->fn, r);
    const ir_type *t = ir_type_of(j->in->fn, r);

    if (t->kind != TY_TENSOR || !lp_computes(t->dtype)) {
        *why = t->kind != TY_TENSOR
                   ? "it is no array, and runs in the interpreter only (--engine interpreter)"
                   : arena_printf(&j->l->d->mem, "elements of %s run in the interpreter only "
                                  "(--engine interpreter)", dt_text(t->dtype));
        return false;
    }
    if (map_find(seen, hash_mix(5, r)) != MAP_NONE ||
        (!first && (j->in->stored[r] || n->op == OP_CONST || n->op == OP_INPUT)))
        return true;
    map_add(seen, hash_mix(5, r), r);
    for (uint32_t i = 0; i < n->narg; i++)
        if (!types_ok(j, ir_arg(j->in->fn, n, i), seen, why))
            return false;
    return true;
}

/* False after an error, which is a gap: the op is named with the reason. */
bool lower_group(void *cx, const ir_groups *in, const ir_group *g, group_code *out)
{
    lower *l = cx;
    job j = {.l = l, .in = in, .g = g, .root = &in->fn->node.at[g->root], .out = g->out[0]};
    template_fn *run = templates[g->template];
    const char *why = "it has no template yet";

    map seen = {0};
    bool ok = run != NULL;
    for (uint32_t i = 0; ok && i < g->nout; i++) {
        ok = types_ok(&j, g->out[i], &seen, &why);
        map_free(&seen);
        seen = (map){0};
    }
    ok = ok && run(&j);
    if (!ok) {
        const ir_loc loc = j.root->loc;
        const char *place = loc.file < l->d->place.len ? l->d->place.at[loc.file] : "";
        diag_unsupported(l->d, ir_op_get(j.root->op)->text, "", place, j.failed ? j.failed : why);
    } else {
        *out = (group_code){.ncall = j.call.len, .ntemp = j.temp.len, .flops = j.flops,
                            .call = arena_copy(&l->mem, j.call.at, j.call.len * sizeof *j.call.at),
                            .temp = arena_copy(&l->mem, j.temp.at, j.temp.len * sizeof *j.temp.at)};
    }
    vec_free(&j.call);
    vec_free(&j.temp);
    return ok;
}
