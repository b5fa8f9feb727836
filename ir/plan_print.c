/* ir/plan_print.c - plans as text.
 *
 *   dim NAME LO HI                        every symbol, in order
 *   entry NAME {
 *     symbols A, B                        the run-time dims of the inputs
 *     input NAME : TYPE [const N] [loose N] [late]   in order; output likewise
 *     value N NAME : TYPE PLACE [N] [+ OFFSET] [live FIRST LAST]
 *     slot N [fixed OFFSET] : BYTES, ..
 *     late N  fixed BYTES  flops N  scratch BYTES, ..
 *     do { steps }
 *   }
 */
#include "plan.h"

#include "lex.h"

typedef struct printer {
    const plan *p;
    const plan_entry *e;
    text *out;
} printer;

static const char *const place_text[] = {
    [PLACE_INPUT] = "input", [PLACE_OUTPUT] = "output", [PLACE_STATE] = "state",
    [PLACE_CONST] = "const", [PLACE_SLOT] = "slot", [PLACE_LATE] = "late",
    [PLACE_ALIAS] = "in", [PLACE_NONE] = "none"};

const char *plan_place_text(plan_place place)
{
    return place_text[place];
}

static void dim(printer *p, const char *before, ir_dim d)
{
    text_add(p->out, "%s", before);
    dim_print(&p->p->m->dims, d, p->out);
}

static void symbol(printer *p, const char *before, uint32_t id)
{
    dim(p, before, p->p->m->dims.symbol.at[id].self);
}

static void dims(printer *p, const ir_dim *d, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        dim(p, i ? ", " : " ", d[i]);
}

static void numbers(printer *p, const uint32_t *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        text_add(p->out, i ? ", %u" : " %u", v[i]);
}

static void cond(printer *p, const char *before, plan_cond c)
{
    if (c.value != PLAN_NONE)
        text_add(p->out, "%svalue %u", before, c.value);
    else
        dim(p, before, c.dim);
}

static void note(printer *p, const char *s)
{
    text_add(p->out, " ");
    text_add_quoted(p->out, s ? s : "");
}

/* ---- steps ------------------------------------------------------------------------ */

static void block(printer *p, const plan_block *b, int depth);

/* run KERNEL args VALUE, .. dims DIM, .. trip DIM scratch DIM [late N] "note" */
static void print_run(printer *p, const plan_step *s)
{
    text_add(p->out, "run %u args", s->u.run.kernel);
    numbers(p, s->u.run.arg, s->u.run.narg);
    text_add(p->out, " dims");
    dims(p, s->u.run.dim, s->u.run.ndim);
    dim(p, " trip ", s->u.run.trip);
    dim(p, " scratch ", s->u.run.scratch);
    if (s->u.run.late != PLAN_NONE)
        text_add(p->out, " late %u", s->u.run.late);
    note(p, s->note);
}

/* extern RESULTS args VALUE, .. symbols NAME, .. numbers INT, .. "kernel" ["title"] */
static void print_extern(printer *p, const plan_step *s)
{
    text_add(p->out, "extern %u args", s->u.ext.nres);
    numbers(p, s->u.ext.arg, s->u.ext.narg);
    text_add(p->out, " symbols");
    for (uint32_t i = 0; i < s->u.ext.nsym; i++)
        symbol(p, i ? ", " : " ", s->u.ext.sym[i]);
    text_add(p->out, " numbers");
    for (uint32_t i = 0; i < s->u.ext.nnum; i++)
        text_add(p->out, i ? ", %lld" : " %lld", (long long)s->u.ext.num[i]);
    note(p, s->note);
    if (s->u.ext.title)
        note(p, s->u.ext.title);
}

static void print_let(printer *p, const plan_step *s)
{
    text_add(p->out, "let");
    for (uint32_t i = 0; i < s->u.let.n; i++) {
        symbol(p, i ? ", " : " ", s->u.let.sym[i]);
        dim(p, " = ", s->u.let.dim[i]);
    }
}

static void print_copy(printer *p, const plan_step *s)
{
    text_add(p->out, "copy %u from %u", s->u.copy.to, s->u.copy.from);
    dim(p, " rows ", s->u.copy.rows);
    dim(p, " bytes ", s->u.copy.bytes);
    dim(p, " at ", s->u.copy.to_offset);
    dim(p, ", ", s->u.copy.from_offset);
    dim(p, " stride ", s->u.copy.to_stride);
    dim(p, ", ", s->u.copy.from_stride);
}

static void print_if(printer *p, const plan_step *s, int depth)
{
    cond(p, "if ", s->u.branch.cond);
    block(p, s->u.branch.yes, depth);
    text_add(p->out, " else");
    block(p, s->u.branch.no, depth);
}

/* The condition before the first run, the body, and the condition after each. */
static void print_loop(printer *p, const plan_step *s, int depth)
{
    symbol(p, "loop ", s->u.loop.index);
    dim(p, " trip ", s->u.loop.trip);
    text_add(p->out, s->u.loop.infinite ? " infinite" : "");
    if (s->u.loop.trips != PLAN_NONE)
        symbol(p, " trips ", s->u.loop.trips);
    cond(p, " if ", s->u.loop.cond);
    block(p, s->u.loop.body, depth);
    cond(p, " again ", s->u.loop.again);
}

static void print_late(printer *p, const plan_step *s, const char *word, bool bytes)
{
    text_add(p->out, "%s %u", word, s->u.late.late);
    if (bytes)
        dim(p, " bytes ", s->u.late.bytes);
}

/* One line, or several for steps with blocks; the productions stand in
 * plan_parse.c. */
static void step(printer *p, const plan_step *s, int depth)
{
    text_add(p->out, "%*s", 2 * depth, "");
    switch (s->op) {
    case STEP_RUN: print_run(p, s); break;
    case STEP_EXTERN: print_extern(p, s); break;
    case STEP_STORE:
        text_add(p->out, "store %u =", s->u.store.to);
        dims(p, s->u.store.dim, s->u.store.n);
        break;
    case STEP_BIND:
        symbol(p, "bind ", s->u.bind.sym);
        text_add(p->out, " = %u", s->u.bind.value);
        break;
    case STEP_LET: print_let(p, s); break;
    case STEP_CHECK:
        cond(p, "check ", s->u.check.cond);
        note(p, s->note);
        break;
    case STEP_COPY: print_copy(p, s); break;
    case STEP_ALLOC: print_late(p, s, "alloc", true); break;
    case STEP_GROW: print_late(p, s, "grow", true); break;
    case STEP_FREE: print_late(p, s, "free", false); break;
    case STEP_MOVE:
    case STEP_GIVE:
        print_late(p, s, s->op == STEP_MOVE ? "move" : "give", false);
        text_add(p->out, ", %u", s->u.late.from);
        break;
    case STEP_IF: print_if(p, s, depth); break;
    case STEP_LOOP: print_loop(p, s, depth); break;
    }
    text_add(p->out, "\n");
}

static void block(printer *p, const plan_block *b, int depth)
{
    text_add(p->out, " {\n");
    for (uint32_t i = 0; i < b->step.len; i++)
        step(p, &b->step.at[i], depth + 1);
    text_add(p->out, "%*s}", 2 * depth, "");
}

/* ---- entries ------------------------------------------------------------------------ */

static void named(printer *p, const char *name, const ir_type *t)
{
    text_add(p->out, " ");
    text_add_quoted(p->out, name);
    text_add(p->out, " : ");
    type_print(&p->p->m->types, t, p->out);
}

static void port(printer *p, const char *word, const plan_port *x)
{
    text_add(p->out, "  %s", word);
    named(p, x->name, x->type);
    if (x->preset != PLAN_NONE)
        text_add(p->out, " const %u", x->preset);
    if (x->loose)
        text_add(p->out, " loose %u", x->loose);
    text_add(p->out, x->late ? " late\n" : "\n");
}

/* A slot's value lives from step `first` to step `last`, both included, counted
 * through the entry. */
static void print_value(printer *p, uint32_t i)
{
    const plan_value *v = &p->e->value.at[i];

    text_add(p->out, "  value %u", i);
    named(p, v->name, v->type);
    text_add(p->out, " %s", place_text[v->place]);
    if (v->place != PLACE_NONE)
        text_add(p->out, " %u", v->of);
    if (v->place == PLACE_ALIAS)
        dim(p, " + ", v->offset);
    if (v->place == PLACE_SLOT)
        text_add(p->out, " live %u %u", v->first, v->last);
    text_add(p->out, "\n");
}

/* A slot with several sizes is as large as the greatest of them: it is shared by
 * values whose order of size only the run knows. */
static void print_slot(printer *p, uint32_t i)
{
    const plan_slot *s = &p->e->slot.at[i];

    text_add(p->out, "  slot %u", i);
    if (s->fixed)
        text_add(p->out, " fixed %lld", (long long)s->offset);
    text_add(p->out, " :");
    dims(p, s->size.at, (uint32_t)s->size.n);
    text_add(p->out, "\n");
}

static void print_entry(printer *p)
{
    const plan_entry *e = p->e;

    text_add(p->out, "entry ");
    text_add_quoted(p->out, e->name);
    text_add(p->out, " {\n  symbols");
    for (uint32_t i = 0; i < e->symbol.len; i++)
        symbol(p, i ? ", " : " ", e->symbol.at[i]);
    text_add(p->out, "\n");
    for (uint32_t i = 0; i < e->input.len; i++)
        port(p, "input", &e->input.at[i]);
    for (uint32_t i = 0; i < e->output.len; i++)
        port(p, "output", &e->output.at[i]);
    for (uint32_t i = 0; i < e->value.len; i++)
        print_value(p, i);
    for (uint32_t i = 0; i < e->slot.len; i++)
        print_slot(p, i);
    text_add(p->out, "  late %u fixed %lld flops", e->lates, (long long)e->fixed);
    dims(p, e->flops.at, e->flops.len);
    text_add(p->out, " scratch");
    dims(p, e->scratch.at, e->scratch.len);
    text_add(p->out, "\n  do");
    block(p, e->body, 1);
    text_add(p->out, "\n}\n");
}

void plan_print(const plan *x, text *out)
{
    printer p = {.p = x, .out = out};

    for (uint32_t i = 0; i < x->m->dims.symbol.len; i++) {
        const dim_symbol *s = &x->m->dims.symbol.at[i];
        symbol(&p, "dim ", i);
        text_add(out, " %lld %lld\n", (long long)s->lo, (long long)s->hi);
    }
    for (uint32_t i = 0; i < x->entry.len; i++) {
        p.e = x->entry.at[i];
        print_entry(&p);
    }
}
