/* ir/plan_parse.c - plans from text; the form is that of plan_print.c.
 *
 * The production that a function reads stands above it.  A value, slot, kernel or late
 * memory is written as its number (an INT), a symbol as its NAME; `dims` and the like
 * are lists with commas, which may be empty.  The first word of a step is taken by
 * `step`.  After an error everything reads as nothing, so only loops must ask for one. */
#include "lex.h"
#include "plan.h"

enum { MAX_DEPTH = 200 };

/* What is read, and how far.  `e` is the entry at hand; depth counts nested blocks. */
typedef struct parser {
    plan *p;
    plan_entry *e;
    ir_module *m;
    diag *d;
    const char *s, *start;
    uint32_t file, depth;
    bool failed;
} parser;

/* The first error only.  Lines and columns are counted here and nowhere else:
 * errors are rare. */
static bool fail(parser *p, const char *expected)
{
    ir_loc loc = {p->file, 1, 1};

    if (p->failed)
        return false;
    p->failed = true;
    for (const char *c = p->start; c < p->s; c++) {
        loc.col = *c == '\n' ? 1 : loc.col + 1;
        loc.line += *c == '\n';
    }
    return diag_error(p->d, loc, D_PARSE, "plan", expected);
}

static bool word(parser *p, const char *w)
{
    return !p->failed && lex_word(&p->s, w);
}

static bool want(parser *p, const char *w)
{
    return word(p, w) || fail(p, w);
}

static bool want_char(parser *p, char c)
{
    char text[2] = {c, 0};

    return (!p->failed && lex_char(&p->s, c)) || fail(p, text);
}

static bool next_is(parser *p, char c)
{
    return !p->failed && lex_peek(&p->s) == c;
}

static int64_t number(parser *p)
{
    int64_t v = 0;

    lex_space(&p->s);
    if (p->failed || !lex_int(&p->s, &v))
        fail(p, "a number");
    return v;
}

/* A position in a table, or a count. */
static uint32_t position(parser *p)
{
    int64_t v = number(p);

    if (v < 0 || v >= 1 << 28)
        fail(p, "a small number");
    return p->failed ? 0 : (uint32_t)v;
}

static uint32_t position_below(parser *p, uint32_t n)
{
    uint32_t v = position(p);

    if (v >= n)
        fail(p, "a number that is defined");
    return p->failed ? 0 : v;
}

static uint32_t value(parser *p)
{
    return position_below(p, p->e->value.len);
}

static ir_dim dim(parser *p)
{
    ir_dim d = {0};

    lex_space(&p->s);
    if (p->failed || !dim_parse(&p->m->dims, &p->s, &d))
        fail(p, "a dim");
    return d;
}

static uint32_t symbol(parser *p)
{
    uint32_t id = dim_symbol_id(&p->m->dims, dim(p));

    if (id == NAMES_NONE)
        fail(p, "a symbol");
    return p->failed ? 0 : id;
}

static const char *name(parser *p)
{
    lex_space(&p->s);
    const char *s = p->failed ? NULL : lex_name(&p->s, &p->p->mem);

    if (!s)
        fail(p, "a name");
    return s ? s : "";
}

static const ir_type *type(parser *p)
{
    const ir_type *t = NULL;

    lex_space(&p->s);
    if (p->failed || !type_parse(&p->m->types, &p->s, &t) || !t)
        fail(p, "a type");
    return p->failed ? type_never(&p->m->types) : t;
}

typedef VEC(ir_dim) dim_list;
typedef VEC(uint32_t) number_list;

/* Dims with commas between them, none if the next word is not one of theirs. */
static const ir_dim *dim_items(parser *p, const char *end, uint32_t *n)
{
    dim_list list = {0};
    const char *mark = p->s;

    if (!end || !lex_word(&mark, end))
        do {
            ir_dim d = dim(p);
            vec_push(&list, d);
        } while (!p->failed && lex_char(&p->s, ','));
    *n = list.len;
    const ir_dim *out = arena_copy(&p->p->mem, list.at, list.len * sizeof *out);
    vec_free(&list);
    return out;
}

typedef uint32_t read_one(parser *p);

/* [one {',' one}], none if the next word is `end`. */
static const uint32_t *items(parser *p, const char *end, read_one *one, uint32_t *n)
{
    number_list list = {0};
    const char *mark = p->s;

    if (!lex_word(&mark, end))
        do {
            uint32_t v = one(p);
            vec_push(&list, v);
        } while (!p->failed && lex_char(&p->s, ','));
    *n = list.len;
    const uint32_t *out = arena_copy(&p->p->mem, list.at, list.len * sizeof *out);
    vec_free(&list);
    return out;
}

/* ---- steps ------------------------------------------------------------------------ */

static plan_block *block(parser *p);

/* cond := 'value' value | dim */
static plan_cond cond(parser *p)
{
    if (word(p, "value"))
        return (plan_cond){value(p), {0}};
    return (plan_cond){PLAN_NONE, dim(p)};
}

/* run := 'run' kernel 'args' values 'dims' dims 'trip' dim 'scratch' dim ['late' late] NAME */
static void parse_run(parser *p, plan_step *s)
{
    s->op = STEP_RUN;
    s->u.run.kernel = position(p);
    want(p, "args");
    s->u.run.arg = items(p, "dims", value, &s->u.run.narg);
    want(p, "dims");
    s->u.run.dim = dim_items(p, "trip", &s->u.run.ndim);
    want(p, "trip");
    s->u.run.trip = dim(p);
    want(p, "scratch");
    s->u.run.scratch = dim(p);
    s->u.run.late = word(p, "late") ? position_below(p, p->e->lates) : PLAN_NONE;
    s->note = name(p);
}

/* extern := 'extern' INT 'args' values 'symbols' symbols 'numbers' INTs NAME [NAME],
 * where the first INT counts the results among the values, and the last NAME is that of
 * what is shown. */
static void parse_extern(parser *p, plan_step *s)
{
    VEC(int64_t) num = {0};

    s->op = STEP_EXTERN;
    s->u.ext.nres = position(p);
    want(p, "args");
    s->u.ext.arg = items(p, "symbols", value, &s->u.ext.narg);
    want(p, "symbols");
    s->u.ext.sym = items(p, "numbers", symbol, &s->u.ext.nsym);
    want(p, "numbers");
    while (!p->failed && !next_is(p, '"')) {
        int64_t v = number(p);
        vec_push(&num, v);
        lex_char(&p->s, ',');
    }
    s->u.ext.nnum = num.len;
    s->u.ext.num = arena_copy(&p->p->mem, num.at, num.len * sizeof *num.at);
    vec_free(&num);
    s->note = name(p);
    if (!p->failed && next_is(p, '"'))
        s->u.ext.title = name(p);
    if (!p->failed && !plan_extern_fits(s))
        fail(p, "as many values, numbers and symbols as the kernel takes");
}

/* let := 'let' symbol '=' dim {',' symbol '=' dim} */
static void parse_let(parser *p, plan_step *s)
{
    dim_list dims = {0};
    number_list syms = {0};

    s->op = STEP_LET;
    do {
        uint32_t id = symbol(p);
        want_char(p, '=');
        ir_dim d = dim(p);
        vec_push(&syms, id);
        vec_push(&dims, d);
    } while (!p->failed && lex_char(&p->s, ','));
    s->u.let.n = dims.len;
    s->u.let.sym = arena_copy(&p->p->mem, syms.at, syms.len * sizeof *syms.at);
    s->u.let.dim = arena_copy(&p->p->mem, dims.at, dims.len * sizeof *dims.at);
    vec_free(&syms);
    vec_free(&dims);
}

/* copy := 'copy' value 'from' value 'rows' dim 'bytes' dim 'at' dim ',' dim 'stride' dim ',' dim
 * with the place and stride of the target before those of the source. */
static void parse_copy(parser *p, plan_step *s)
{
    s->op = STEP_COPY;
    s->u.copy.to = value(p);
    want(p, "from");
    s->u.copy.from = value(p);
    want(p, "rows");
    s->u.copy.rows = dim(p);
    want(p, "bytes");
    s->u.copy.bytes = dim(p);
    want(p, "at");
    s->u.copy.to_offset = dim(p);
    want_char(p, ',');
    s->u.copy.from_offset = dim(p);
    want(p, "stride");
    s->u.copy.to_stride = dim(p);
    want_char(p, ',');
    s->u.copy.from_stride = dim(p);
}

/* loop := 'loop' symbol 'trip' dim ['infinite'] ['trips' symbol] 'if' cond block 'again' cond */
static void parse_loop(parser *p, plan_step *s)
{
    s->op = STEP_LOOP;
    s->u.loop.index = symbol(p);
    want(p, "trip");
    s->u.loop.trip = dim(p);
    s->u.loop.infinite = word(p, "infinite");
    s->u.loop.trips = word(p, "trips") ? symbol(p) : PLAN_NONE;
    want(p, "if");
    s->u.loop.cond = cond(p);
    s->u.loop.body = block(p);
    want(p, "again");
    s->u.loop.again = cond(p);
}

/* if := 'if' cond block 'else' block */
static void parse_if(parser *p, plan_step *s)
{
    s->op = STEP_IF;
    s->u.branch.cond = cond(p);
    s->u.branch.yes = block(p);
    want(p, "else");
    s->u.branch.no = block(p);
}

/* store := 'store' value '=' dims, where the line ends if there are no dims. */
static void parse_store(parser *p, plan_step *s)
{
    s->op = STEP_STORE;
    s->u.store.to = value(p);
    want_char(p, '=');
    lex_space(&p->s);
    s->u.store.n = 0;
    if (*p->s != '\n')
        s->u.store.dim = dim_items(p, NULL, &s->u.store.n);
}

/* bind := 'bind' symbol '=' value */
static void parse_bind(parser *p, plan_step *s)
{
    s->op = STEP_BIND;
    s->u.bind.sym = symbol(p);
    want_char(p, '=');
    s->u.bind.value = value(p);
}

/* check := 'check' cond NAME, where NAME is the message. */
static void parse_check(parser *p, plan_step *s)
{
    s->op = STEP_CHECK;
    s->u.check.cond = cond(p);
    s->note = name(p);
}

/* late := ('alloc' | 'grow') late 'bytes' dim | 'free' late | 'move' late ',' late
 *       | 'give' late ',' output */
static void parse_late(parser *p, plan_step *s)
{
    static const struct { const char *word; plan_op op; } of[] = {
        {"alloc", STEP_ALLOC}, {"grow", STEP_GROW}, {"free", STEP_FREE},
        {"move", STEP_MOVE}, {"give", STEP_GIVE}};
    size_t i = 0;

    while (i < COUNT(of) && !word(p, of[i].word))
        i++;
    if (i == COUNT(of)) {
        fail(p, "a step");
        return;
    }
    s->op = of[i].op;
    s->u.late.late = position_below(p, p->e->lates);
    if (i < 2) {
        want(p, "bytes");
        s->u.late.bytes = dim(p);
    } else if (i > 2) {
        want_char(p, ',');
        s->u.late.from = position_below(p, i == 3 ? p->e->lates : p->e->output.len);
    }
}

/* step := run | extern | store | bind | let | check | copy | if | loop | late */
static void step(parser *p, plan_step *s)
{
    static const struct { const char *word; void (*parse)(parser *p, plan_step *s); } of[] = {
        {"run", parse_run}, {"extern", parse_extern}, {"store", parse_store}, {"bind", parse_bind},
        {"let", parse_let}, {"check", parse_check}, {"copy", parse_copy}, {"if", parse_if},
        {"loop", parse_loop}};

    for (size_t i = 0; i < COUNT(of); i++)
        if (word(p, of[i].word)) {
            of[i].parse(p, s);
            return;
        }
    parse_late(p, s);
}

/* block := '{' {step} '}' */
static plan_block *block(parser *p)
{
    plan_block *b = plan_block_new(p->p);

    if (++p->depth > MAX_DEPTH)
        fail(p, "less nesting");
    want_char(p, '{');
    while (!p->failed && !lex_char(&p->s, '}')) {
        plan_step s = {0};
        step(p, &s);
        if (!p->failed)
            vec_push(&b->step, s);
    }
    p->depth--;
    return b;
}

/* ---- entries ------------------------------------------------------------------------ */

/* port := NAME ':' type ['late'] */
static plan_port port(parser *p)
{
    plan_port x = {.name = name(p), .preset = PLAN_NONE};

    want_char(p, ':');
    x.type = type(p);
    if (word(p, "const"))
        x.preset = (uint32_t)number(p);
    if (word(p, "loose"))
        x.loose = (uint32_t)number(p);
    x.late = word(p, "late");
    return x;
}

static plan_place place(parser *p)
{
    for (int i = 0; i <= PLACE_NONE; i++)
        if (word(p, plan_place_text((plan_place)i)))
            return (plan_place)i;
    fail(p, "a place");
    return PLACE_NONE;
}

/* 'value' INT NAME ':' type place [INT] ['+' dim] ['live' INT INT] of which
 * 'value' is taken.  All places but `none` have a number, aliases an offset, slots a first
 * and a last step. */
static void parse_value(parser *p)
{
    plan_value v = {0};

    if (position(p) != p->e->value.len)
        fail(p, "the next number");
    v.name = name(p);
    want_char(p, ':');
    v.type = type(p);
    v.place = place(p);
    if (v.place == PLACE_ALIAS)
        v.of = value(p);
    else if (v.place != PLACE_NONE)
        v.of = position(p);
    if (v.place == PLACE_ALIAS) {
        want_char(p, '+');
        v.offset = dim(p);
    }
    if (v.place == PLACE_SLOT) {
        want(p, "live");
        v.first = position(p);
        v.last = position(p);
    }
    vec_push(&p->e->value, v);
}

/* 'slot' INT ['fixed' INT] ':' dims of which 'slot' is taken. */
static void parse_slot(parser *p)
{
    plan_slot s = {0};
    uint32_t n;

    if (position(p) != p->e->slot.len)
        fail(p, "the next number");
    s.fixed = word(p, "fixed");
    if (s.fixed)
        s.offset = number(p);
    want_char(p, ':');
    s.size.at = dim_items(p, NULL, &n);
    s.size.n = (int32_t)n;
    vec_push(&p->e->slot, s);
}

/* Is every slot, late memory, input and output that a value names there?  Values come
 * before what they name. */
static bool places_exist(const parser *p)
{
    const plan_entry *e = p->e;

    for (uint32_t i = 0; i < e->value.len; i++) {
        const plan_value *v = &e->value.at[i];
        if ((v->place == PLACE_SLOT && v->of >= e->slot.len) ||
            (v->place == PLACE_LATE && v->of >= e->lates) ||
            (v->place == PLACE_INPUT && v->of >= e->input.len) ||
            (v->place == PLACE_OUTPUT && v->of >= e->output.len))
            return false;
    }
    return true;
}

/* totals := 'late' INT 'fixed' INT 'flops' dims 'scratch' dims of which 'late' is taken. */
static void parse_totals(parser *p)
{
    uint32_t n, m;

    p->e->lates = position(p);
    want(p, "fixed");
    p->e->fixed = number(p);
    want(p, "flops");
    const ir_dim *f = dim_items(p, "scratch", &m);
    want(p, "scratch");
    const ir_dim *d = dim_items(p, "do", &n);
    for (uint32_t i = 0; i < n; i++)
        vec_push(&p->e->scratch, d[i]);
    for (uint32_t i = 0; i < m; i++)
        vec_push(&p->e->flops, f[i]);
}

/* entry := 'entry' NAME '{' 'symbols' symbols {'input' port} {'output' port}
 *          {'value' ..} {'slot' ..} totals 'do' block '}' of which 'entry' is taken. */
static void parse_entry(parser *p)
{
    const char *mark;

    p->e = plan_entry_new(p->p, name(p));
    want_char(p, '{');
    want(p, "symbols");
    mark = p->s;
    while (*mark == ' ')
        mark++;
    if (*mark != '\n')
        do {
            uint32_t id = symbol(p);
            vec_push(&p->e->symbol, id);
        } while (!p->failed && lex_char(&p->s, ','));
    while (word(p, "input")) {
        plan_port x = port(p);
        vec_push(&p->e->input, x);
    }
    while (word(p, "output")) {
        plan_port x = port(p);
        vec_push(&p->e->output, x);
    }
    while (word(p, "value"))
        parse_value(p);
    while (word(p, "slot"))
        parse_slot(p);
    want(p, "late");
    parse_totals(p);
    if (!p->failed && !places_exist(p))
        fail(p, "places that are defined");
    want(p, "do");
    p->e->body = block(p);
    want_char(p, '}');
}

/* 'dim' NAME INT INT of which 'dim' is taken: the bounds of a symbol. */
static void parse_dim(parser *p)
{
    bool found;
    const char *s = name(p);
    int64_t lo = number(p), hi = number(p);

    dim_symbol_named(&p->m->dims, s, &found);
    if (found)
        fail(p, "a new name");
    else if (!p->failed)
        dim_symbol_new(&p->m->dims, s, lo, hi);
}

/* plan := {'dim' NAME INT INT} {entry} */
plan *plan_parse(ir_module *m, const char *source, const char *place_name, diag *d)
{
    parser p = {.p = plan_new(m), .m = m, .d = d, .s = source, .start = source,
                .file = diag_source(d, place_name, source)};

    while (word(&p, "dim"))
        parse_dim(&p);
    while (word(&p, "entry"))
        parse_entry(&p);
    if (lex_peek(&p.s))
        fail(&p, "an entry");
    if (!p.failed)
        return p.p;
    plan_free(p.p);
    return NULL;
}
