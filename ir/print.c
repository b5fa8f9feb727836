/* ir/print.c - the text form of modules and functions.
 *
 * Numbers of values count per function from 1; parameters have names.  Nothing
 * depends on addresses, hash order, or what was removed before, so that print,
 * parse, print gives the same text. */
#include "attr_text.h"
#include "const_text.h"
#include "lex.h"

enum { MAX_BRIEF_NAMES = 64 }; /* of a value; an alphabet of letters and signs is shown whole */

/* What is printed where.  `brief` shortens long data, for people: such text does
 * not read back. */
typedef struct printer {
    const ir_module *m;
    text *out;
    arena mem;
    bool brief;
    const char **const_name;    /* by id; null: not defined at the top */
    bool *done;                 /* functions, by position */
} printer;

/* What the values of one function are called. */
typedef struct labels {
    const ir_fn *fn;
    const char **of;            /* by ref */
} labels;

static void print_body(printer *p, const ir_fn *f, const char *end, int depth);

/* ---- names of values --------------------------------------------------------- */

/* `name`, or name_2, name_3.. if it is taken. */
static const char *unique(printer *p, names *taken, const char *name)
{
    const char *s = name;

    for (int k = 2; names_find(taken, s) != NAMES_NONE; k++)
        s = arena_printf(&p->mem, "%s_%d", name, k);
    names_add(taken, s);
    return s;
}

static const char *symbol_name(printer *p, char sigil, const char *name)
{
    text t = {0};

    text_add(&t, "%c", sigil);
    text_add_name(&t, name);
    const char *s = arena_strdup(&p->mem, t.at);
    text_free(&t);
    return s;
}

/* Parameters by their names first, so that none of them is taken by a number. */
static labels label(printer *p, const ir_fn *f)
{
    labels l = {f, arena_array(&p->mem, const char *, f->value.len + 1)};
    names taken = {0};
    uint32_t number = 0;

    for (uint32_t i = 0; i < f->param.len; i++)
        l.of[f->param.at[i]] = symbol_name(p, '%', unique(p, &taken, f->param_name.at[i]));
    for (uint32_t r = 0; r < f->value.len; r++)
        if (!l.of[r])
            l.of[r] = arena_printf(&p->mem, "%%%u", ++number);
    names_free(&taken);
    return l;
}

/* ---- nodes ------------------------------------------------------------------- */

static void indent(printer *p, int depth)
{
    text_add(p->out, "%*s", 2 * depth, "");
}

/* Short data stands in the node; else the constant is defined at the top and named
 * here. */
static void print_const(printer *p, const ir_node *n)
{
    uint32_t id = n->attr->CONST.id;
    const ir_const *c = &p->m->consts.at[id];

    text_add(p->out, " ");
    if (const_is_short(c))
        const_print_data(c, p->brief, p->out);
    else
        text_add(p->out, "%s", p->const_name[id]);
}

static void print_attr(printer *p, const ir_node *n)
{
    if (n->op == OP_CONST) {
        print_const(p, n);
    } else if (n->op == OP_STATE) {
        text_add(p->out, " @");
        text_add_name(p->out, p->m->state.at[n->attr->STATE.id].name);
    } else {
        ir_attr_print(p->m, n->op, n->attr, p->out);
    }
}

/* " = [N,4]": known elements of a parameter, as a body gets them from its captures. */
static void print_elements(printer *p, const ir_value *v)
{
    int64_t count = type_count_const(&p->m->types, v->type);

    text_add(p->out, " = [");
    for (int64_t i = 0; i < count; i++) {
        text_add(p->out, i ? "," : "");
        dim_print(&p->m->dims, v->elem[i], p->out);
    }
    text_add(p->out, "]");
}

static void print_params(printer *p, const ir_fn *f, const labels *l)
{
    text_add(p->out, "(");
    for (uint32_t i = 0; i < f->param.len; i++) {
        const ir_value *v = &f->value.at[f->param.at[i]];
        text_add(p->out, "%s%s: ", i ? ", " : "", l->of[f->param.at[i]]);
        type_print(&p->m->types, v->type, p->out);
        if (f->param_default.at[i] != IR_NONE)
            text_add(p->out, " = %s", p->const_name[f->param_default.at[i]]);
        else if (v->elem)
            print_elements(p, v);
    }
    text_add(p->out, ")");
}

static void print_regions(printer *p, const ir_node *n, int depth)
{
    static const char *const name[2][2] = {{"yes", "no"}, {"body", NULL}};
    ir_fn *region[2];

    for (uint32_t i = 0, k = ir_regions(n, region); i < k; i++) {
        text_add(p->out, " %s", name[n->op == OP_LOOP][i]);
        print_body(p, region[i], "yield", depth);
    }
}

/* %1, %2 = op#COPY %a, %b {attrs} : TYPE, TYPE */
static void print_node(printer *p, const labels *l, const ir_node *n, int depth)
{
    const ir_fn *f = l->fn;

    indent(p, depth);
    for (uint32_t i = 0; i < n->nres; i++)
        text_add(p->out, "%s%s", i ? ", " : "", l->of[n->first + i]);
    text_add(p->out, "%s%s", n->nres ? " = " : "", ir_op_get(n->op)->text);
    if (n->copy)
        text_add(p->out, "#%u", n->copy);
    for (uint32_t i = 0; i < n->narg; i++)
        text_add(p->out, "%s%s", i ? ", " : " ", l->of[ir_arg(f, n, i)]);
    print_attr(p, n);
    print_regions(p, n, depth);
    for (uint32_t i = 0; i < n->nres; i++) {
        text_add(p->out, i ? ", " : " : ");
        type_print(&p->m->types, ir_type_of(f, n->first + i), p->out);
    }
    text_add(p->out, "\n");
}

static void print_result_name(printer *p, const char *name)
{
    if (!strcmp(name, "update"))        /* the word behind the results */
        text_add_quoted(p->out, name);
    else if (*name)
        text_add_name(p->out, name);
    text_add(p->out, *name ? "=" : "");
}

/* return NAME=%1, %2 loose 1 update @state=%3; a region's `yield` has no names. */
static void print_end(printer *p, const labels *l, const char *end, int depth)
{
    const ir_fn *f = l->fn;

    indent(p, depth);
    text_add(p->out, "%s", end);
    for (uint32_t i = 0; i < f->result.len; i++) {
        text_add(p->out, i ? ", " : " ");
        if (*end == 'r')
            print_result_name(p, f->result_name.at[i]);
        text_add(p->out, "%s", l->of[f->result.at[i]]);
        if (f->result_loose.at[i])
            text_add(p->out, " loose %u", f->result_loose.at[i]);
    }
    for (uint32_t i = 0; i < f->update.len; i++) {
        text_add(p->out, i ? ", @" : " update @");
        text_add_name(p->out, p->m->state.at[f->update.at[i].state].name);
        text_add(p->out, "=%s", l->of[f->update.at[i].value]);
    }
    text_add(p->out, "\n");
}

/* Parameters and everything in braces. */
static void print_body(printer *p, const ir_fn *f, const char *end, int depth)
{
    labels l = label(p, f);

    print_params(p, f, &l);
    text_add(p->out, " {\n");
    for (uint32_t i = 0; i < f->node.len; i++)
        if (f->node.at[i].op != OP_INPUT)
            print_node(p, &l, &f->node.at[i], depth + 1);
    print_end(p, &l, end, depth + 1);
    indent(p, depth);
    text_add(p->out, "}");
}

static void print_fn(printer *p, const ir_fn *f)
{
    text_add(p->out, f->entry ? "entry " : "fn ");
    text_add_name(p->out, f->name);
    print_body(p, f, "return", 0);
    text_add(p->out, "\n");
}

/* ---- constants --------------------------------------------------------------- */

/* Marks with "" what must be defined at the top. */
static void need_const(printer *p, uint32_t id, bool in_node)
{
    const ir_const *c = &p->m->consts.at[id];

    if ((in_node && const_is_short(c)) || p->const_name[id])
        return;
    p->const_name[id] = "";
    for (uint32_t i = 0; i < c->links; i++)
        if (ir_op_get(c->link[i].op)->nin == 2)
            need_const(p, c->link[i].other, false);
}

/* Constants that the function and its regions need at the top of the text. */
static void need_consts(printer *p, const ir_fn *f)
{
    ir_fn *region[2];

    for (uint32_t i = 0; i < f->param.len; i++)
        if (f->param_default.at[i] != IR_NONE)
            need_const(p, f->param_default.at[i], false);
    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        if (n->op == OP_CONST)
            need_const(p, n->attr->CONST.id, true);
        for (uint32_t r = 0, k = ir_regions(n, region); r < k; r++)
            need_consts(p, region[r]);
    }
}

/* One without a name is `@1`, `@2`..: the parser gives it none. */
static void name_consts(printer *p)
{
    names taken = {0};
    uint32_t number = 0;

    for (uint32_t i = 0; i < p->m->consts.len; i++) {
        const char *name = p->m->consts.at[i].name;
        if (p->const_name[i])
            p->const_name[i] = name ? symbol_name(p, '@', unique(p, &taken, name))
                                    : arena_printf(&p->mem, "@%u", ++number);
    }
    names_free(&taken);
}

static void print_link(printer *p, const ir_link *link)
{
    text_add(p->out, " | %s", ir_op_get(link->op)->text);
    if (ir_op_get(link->op)->nin == 2)
        text_add(p->out, " %s", p->const_name[link->other]);
    ir_attr_print(p->m, link->op, link->attr, p->out);
    text_add(p->out, " : ");
    type_print(&p->m->types, link->type, p->out);
}

static void define_const(printer *p, uint32_t id)
{
    const ir_const *c = &p->m->consts.at[id];

    text_add(p->out, "const %s = ", p->const_name[id]);
    type_print(&p->m->types, c->source_type, p->out);
    text_add(p->out, " ");
    const_print_data(c, p->brief, p->out);
    for (uint32_t i = 0; i < c->links; i++)
        print_link(p, &c->link[i]);
    text_add(p->out, "\n");
}

/* ---- modules ----------------------------------------------------------------- */

static void define_state(printer *p, const ir_state *s)
{
    text_add(p->out, "state @");
    text_add_name(p->out, s->name);
    text_add(p->out, " : ");
    type_print(&p->m->types, s->type, p->out);
    if (s->init != IR_NONE)
        text_add(p->out, " = %s", p->const_name[s->init]);
    text_add(p->out, "%s\n", s->trainable ? " trainable" : "");
}

static void print_bound(printer *p, const char *word, int64_t v)
{
    text_add(p->out, " %s %lld", word, (long long)v);
}

/* Symbols that only say "0 or more" need no line. */
static void define_symbol(printer *p, const dim_symbol *s)
{
    if (s->lo == 0 && s->hi == INT64_MAX && !s->hint)
        return;
    text_add(p->out, "dim ");
    dim_print(&p->m->dims, s->self, p->out);
    if (s->lo == INT64_MIN)
        text_add(p->out, " any");
    else if (s->lo != 0)
        print_bound(p, "from", s->lo);
    if (s->hi != INT64_MAX)
        print_bound(p, "to", s->hi);
    if (s->hint)
        print_bound(p, "hint", s->hint);
    text_add(p->out, "\n");
}

static void mention(void *symbol, uint32_t id)
{
    ((bool *)symbol)[id] = true;
}

/* Marks symbols that any type or attribute mentions, and those that nodes define: a
 * dim that nothing mentions is left out of the text. */
static void find_symbols(const ir_fn *f, bool *symbol)
{
    ir_fn *region[2];
    uint32_t id;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        ir_each_symbol(f, n, mention, symbol);
        for (uint32_t k = 0; (id = ir_symbol_of(f->module, n, k)) != NAMES_NONE; k++)
            symbol[id] = true;
        for (uint32_t r = 0, k = ir_regions(n, region); r < k; r++)
            find_symbols(region[r], symbol);
    }
}

static void define_symbols(printer *p)
{
    const ir_module *m = p->m;
    bool *used = arena_array(&p->mem, bool, m->dims.symbol.len + 1);

    for (uint32_t i = 0; i < m->fn.len; i++)
        find_symbols(m->fn.at[i], used);
    for (uint32_t i = 0; i < m->dims.symbol.len; i++)
        if (used[i])
            define_symbol(p, &m->dims.symbol.at[i]);
}

/* names ENTRY input x = ["a", "b"] */
static void print_spelling(printer *p, const ir_spelling *s)
{
    text_add(p->out, "names ");
    text_add_name(p->out, s->entry);
    text_add(p->out, s->result ? " result " : " input ");
    text_add_name(p->out, s->value);
    text_add(p->out, " = [");
    for (int64_t i = 0; i < s->n; i++) {
        if (p->brief && i == MAX_BRIEF_NAMES) {
            text_add(p->out, ", .. %lld in all", (long long)s->n);
            break;
        }
        text_add(p->out, i ? ", " : "");
        text_add_quoted(p->out, s->names[i]);
    }
    text_add(p->out, "]\n");
}

static void print_fn_at(printer *p, uint32_t i);

/* The functions that f calls come first: the parser wants to know them. */
static void print_callees(printer *p, const ir_fn *f)
{
    ir_fn *region[2];

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        for (uint32_t j = 0; n->op == OP_CALL && j < p->m->fn.len; j++)
            if (p->m->fn.at[j] == n->attr->CALL.fn)
                print_fn_at(p, j);
        for (uint32_t r = 0, k = ir_regions(n, region); r < k; r++)
            print_callees(p, region[r]);
    }
}

static void print_fn_at(printer *p, uint32_t i)
{
    if (p->done[i])
        return;
    p->done[i] = true;
    print_callees(p, p->m->fn.at[i]);
    print_fn(p, p->m->fn.at[i]);
    for (uint32_t k = 0; k < p->m->spelling.len; k++)
        if (!strcmp(p->m->spelling.at[k].entry, p->m->fn.at[i]->name))
            print_spelling(p, &p->m->spelling.at[k]);
}

/* Everything is defined before it is mentioned, since the parser reads once:
 * symbols, constants, states, functions after those that they call. */
static void print_module(printer *p)
{
    const ir_module *m = p->m;

    for (uint32_t i = 0; i < m->state.len; i++)
        if (m->state.at[i].init != IR_NONE)
            need_const(p, m->state.at[i].init, false);
    for (uint32_t i = 0; i < m->fn.len; i++)
        need_consts(p, m->fn.at[i]);
    name_consts(p);
    define_symbols(p);
    for (uint32_t i = 0; i < m->consts.len; i++)
        if (p->const_name[i])
            define_const(p, i);
    for (uint32_t i = 0; i < m->state.len; i++)
        define_state(p, &m->state.at[i]);
    for (uint32_t i = 0; i < m->fn.len; i++)
        print_fn_at(p, i);
}

/* A function alone still brings its constants with it. */
static void print(const ir_module *m, const ir_fn *only, bool brief, text *out)
{
    printer p = {.m = m, .out = out, .brief = brief};

    p.const_name = arena_array(&p.mem, const char *, m->consts.len + 1);
    p.done = arena_array(&p.mem, bool, m->fn.len + 1);
    if (only) {
        need_consts(&p, only);
        name_consts(&p);
        print_fn(&p, only);
    } else {
        print_module(&p);
    }
    arena_reset(&p.mem);
}

void ir_print(const ir_module *m, text *out)
{
    print(m, NULL, false, out);
}

void ir_print_brief(const ir_module *m, text *out)
{
    print(m, NULL, true, out);
}

void ir_print_fn(const ir_fn *f, text *out)
{
    print(f->module, f, true, out);
}
