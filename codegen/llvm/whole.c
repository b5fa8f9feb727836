/* codegen/llvm/whole.c - entries of little work, as one piece of code without a loop.
 *
 * A training step of a net with ten weights takes less time than the calls of its kernels,
 * and than memory takes to give back what the kernel before has just stored in parts.  Where
 * an entry does nothing but run such kernels, all their loops are written out, element by
 * element; they are inlined into the entry, whose workspace is a variable of it.  What is left
 * behind LLVM's passes is arithmetic on registers between the loads of states and inputs and
 * the stores of states and outputs, in vectors where elements side by side take the same. */
#include "llvm_emit.h"

#include "llvm_plan.h"

/* ---- which entries ------------------------------------------------------------------ */

void image_find_whole(image *im)
{
    mem_free(im->whole_entry);
    mem_free(im->whole);
    im->whole_entry = mem_alloc((im->p->entry.len + 1) * sizeof *im->whole_entry);
    im->whole = mem_alloc((im->l->kernel.len + 1) * sizeof *im->whole);
    memset(im->whole, 0, (im->l->kernel.len + 1) * sizeof *im->whole);
    for (uint32_t i = 0; i < im->p->entry.len; i++) {
        const plan_entry *x = im->p->entry.at[i];
        im->whole_entry[i] = lower_is_whole(im->l, x);
        for (uint32_t k = 0; im->whole_entry[i] && k < x->body->step.len; k++)
            im->whole[x->body->step.at[k].u.run.kernel] = true;
    }
}

/* ---- kernels ------------------------------------------------------------------------ */

/* The constant bounds of a loop that is written out; a vec loop goes by single lanes. */
typedef struct written {
    int64_t lo[LP_MAX_PAR], step[LP_MAX_PAR], trips[LP_MAX_PAR], all;
} written;

/* False where a bound is no constant, or there is more to write than anybody wants. */
static bool find_bounds(emit *e, const lp_stmt *s, written *w)
{
    w->all = 1;
    emit_new_statement(e);
    for (uint32_t i = 0; i < s->nvar; i++) {
        value lo = emit_scalar(e, s->lo[i]), hi = emit_scalar(e, s->hi[i]);
        if (!LLVMIsAConstantInt(lo) || !LLVMIsAConstantInt(hi))
            return false;
        w->lo[i] = LLVMConstIntGetSExtValue(lo);
        w->step[i] = s->kind == LP_VEC || !s->step ? 1 : s->step[i];
        int64_t length = max_i64(LLVMConstIntGetSExtValue(hi) - w->lo[i], 0);
        w->trips[i] = (length + w->step[i] - 1) / w->step[i];
        w->all *= w->trips[i];
        if (w->all > LOWER_WHOLE)
            return false;
    }
    return true;
}

/* Opens a branch to iteration n of the par loop, of which a call does those from `begin` to
 * `end`: where it is inlined, that is known.  Returns what follows behind. */
static LLVMBasicBlockRef open_share(emit *e, int64_t n)
{
    LLVMBasicBlockRef body = emit_new_block(e), done = emit_new_block(e);
    value from = LLVMBuildICmp(e->v.b, LLVMIntSLE, e->begin, v_i64(&e->v, n), "");
    value to = LLVMBuildICmp(e->v.b, LLVMIntSLT, v_i64(&e->v, n), e->end, "");

    LLVMBuildCondBr(e->v.b, LLVMBuildAnd(e->v.b, from, to, ""), body, done);
    LLVMPositionBuilderAtEnd(e->v.b, body);
    return done;
}

bool emit_written_out(emit *e, const lp_stmt *s)
{
    written w;

    if (!e->whole || e->lanes != 1 || !find_bounds(e, s, &w))
        return false;
    for (int64_t n = 0; n < w.all; n++) {
        LLVMBasicBlockRef done = s->kind == LP_PAR ? open_share(e, n) : NULL;
        int64_t rest = n;
        for (uint32_t i = s->nvar; i-- > 0; rest /= w.trips[i])
            e->var[s->var[i]] = (slot){
                .scalar = v_i64(&e->v, w.lo[i] + rest % w.trips[i] * w.step[i])};
        emit_block(e, s->body);
        if (done) {
            LLVMBuildBr(e->v.b, done);
            LLVMPositionBuilderAtEnd(e->v.b, done);
        }
    }
    return true;
}

/* ---- their calls -------------------------------------------------------------------- */

void pemit_whole_run(pemit *e, const plan_step *s)
{
    uint32_t narg = s->u.run.narg;
    char name[300];
    value *a = mem_alloc((3 + narg) * sizeof *a);

    snprintf(name, sizeof name, "%s.body", e->image->l->kernel.at[s->u.run.kernel]->name);
    value f = LLVMGetNamedFunction(e->m, name);
    ICE_IF(!f, "%s is in another module", name);
    a[0] = e->workspace;        /* no scratch */
    a[1] = pemit_int(e, 0);
    a[2] = pemit_dim(e, s->u.run.trip);
    for (uint32_t i = 0; i < narg; i++)
        a[3 + i] = pemit_address(e, s->u.run.arg[i]);
    value call = LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, a, 3 + narg, "");
    unsigned kind = LLVMGetEnumAttributeKindForName("alwaysinline", 12);
    LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex,
                             LLVMCreateEnumAttribute(e->cx, kind, 0));
    mem_free(a);
}
