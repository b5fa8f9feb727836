/* ir/parse_items.c - reads what a module has beside functions: dims, constants, names, states.
 * Productions, as in docs/ir.md, stand above the functions that read them. */
#include <ctype.h>

#include "attr_text.h"
#include "build.h"
#include "const_text.h"
#include "ir_parse.h"

/* 'dim' NAME ['any'] ['from' INT] ['to' INT] ['hint' INT] of which 'dim' is taken. */
bool ir_parse_dim(ir_parser *p)
{
    ir_dim d;
    int64_t lo = 0, hi = INT64_MAX, hint = 0;
    ir_loc at = ir_here(p);
    uint32_t before = p->m->dims.symbol.len;

    if (!dim_parse(&p->m->dims, &p->s, &d))
        return ir_expected(p, "a name");
    uint32_t id = dim_symbol_id(&p->m->dims, d);
    if (id == NAMES_NONE || id < before)
        return diag_error(p->d, at, D_PARSE, "dim", "a new name");
    if (lex_word(&p->s, "any"))
        lo = INT64_MIN;
    if (lex_word(&p->s, "from") && !ir_want_int(p, &lo))
        return false;
    if (lex_word(&p->s, "to") && !ir_want_int(p, &hi))
        return false;
    if (lex_word(&p->s, "hint") && !ir_want_int(p, &hint))
        return false;
    if (lo > hi)
        return diag_error(p->d, at, D_PARSE, "dim", "bounds in order");
    dim_symbol_bound(&p->m->dims, id, lo, hi, hint);
    return true;
}

/* ---- constants -------------------------------------------------------------- */

/* The type that the link's op gives, by a node of its own. */
static const ir_type *link_type(ir_parser *p, unsigned op, uint32_t id, uint32_t other,
                                const ir_attr *a)
{
    ir_build b;
    ir_fn *f = ir_fn_region(p->m, "link");

    ir_build_init(&b, p->m, f, p->d);
    b.no_fold = true;
    b.loc = p->loc;
    ir_ref args[2] = {ir_const_ref(&b, id)};
    if (ir_op_get(op)->nin == 2)
        args[1] = ir_const_ref(&b, other);
    ir_ref r = ir_make(&b, op, args, (uint32_t)ir_op_get(op)->nin, a);
    ir_build_free(&b);
    return r == IR_NONE ? NULL : ir_type_of(f, r);
}

/* '|' OP [global] [attrs] ':' type of which '|' is taken.  The constant *id becomes the
 * one with this link behind it. */
static bool parse_link(ir_parser *p, uint32_t *id)
{
    char *word;
    ir_attr a = {0};
    ir_loc at = ir_here(p);
    ir_link link = {0};

    if (!ir_want_name(p, "an op", &word))
        return false;
    unsigned op = ir_op_find(word);
    if (op == OP_COUNT || !ir_op_links(op))
        return diag_error(p->d, at, D_PARSE, word, "an op that can change a constant");
    if (ir_op_get(op)->nin == 2 && !ir_want_const(p, &link.other))
        return false;
    const char *wrong = ir_attr_parse(p->m, &p->s, op, &a);
    if (wrong)
        return ir_expected(p, wrong);
    if (!ir_want_char(p, ':') || !ir_want_type(p, &link.type))
        return false;
    const ir_type *t = link_type(p, op, *id, link.other, &a);
    if (!t || t != link.type)
        return t ? diag_error(p->d, at, D_PARSE, word, "the type that this op gives") : false;
    link.op = (uint16_t)op;
    link.attr = ir_attr_intern(p->m, op, &a);
    if (!const_can_link(p->m, *id, link))
        return diag_error(p->d, at, D_BUDGET, word, "reading an element",
                          (long long)CONST_MAX_COST);
    *id = const_linked(p->m, *id, link);
    return true;
}

/* 'const' global '=' type data {'|' link} of which 'const' is taken. */
bool ir_parse_const(ir_parser *p)
{
    char *key;
    const ir_type *type;
    uint32_t id;
    ir_loc at = ir_here(p);

    if (!ir_want_global(p, &key))
        return false;
    if (names_find(&p->consts, key) != NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a new name, this one is taken");
    if (!ir_want_char(p, '=') || !ir_want_type(p, &type))
        return false;
    const char *wrong = const_parse_data(p->m, &p->s, type, &id);
    if (wrong)
        return ir_expected(p, wrong);
    while (lex_char(&p->s, '|'))
        if (!parse_link(p, &id))
            return false;
    if (!isdigit((unsigned char)*key))
        p->m->consts.at[id].name = key;
    names_add(&p->consts, key);
    vec_push(&p->const_id, id);
    return true;
}

/* ---- names ------------------------------------------------------------------ */

/* The entry's own text of the name, and the type of the value that has it; null: none has. */
static const char *value_of(const ir_fn *f, const char *name, bool result, const ir_type **t)
{
    uint32_t n = result ? f->result.len : f->param.len;

    for (uint32_t i = 0; i < n; i++) {
        const char *other = result ? f->result_name.at[i] : f->param_name.at[i];
        if (!strcmp(other, name)) {
            *t = ir_type_of(f, result ? f->result.at[i] : f->param.at[i]);
            return other;
        }
    }
    return NULL;
}

static bool are_whole_numbers(const ir_type *t)
{
    return t->kind == TY_TENSOR && dt_is_int(t->dtype);
}

/* NAME ('input' | 'result') NAME: what the numbers of a value of an entry stand for. */
static bool parse_named(ir_parser *p, ir_spelling *s)
{
    char *name;
    const ir_type *t = NULL;
    ir_loc at = ir_here(p);

    if (!ir_want_name(p, "an entry", &name))
        return false;
    const ir_fn *f = ir_module_find(p->m, name);
    if (!f || !f->entry)
        return diag_error(p->d, at, D_PARSE, name, "an entry defined before");
    s->entry = f->name;
    s->result = lex_word(&p->s, "result");
    if (!s->result && !lex_word(&p->s, "input"))
        return ir_expected(p, "input or result");
    at = ir_here(p);
    if (!ir_want_name(p, "a name", &name))
        return false;
    s->value = value_of(f, name, s->result, &t);
    if (!s->value)
        return diag_error(p->d, at, D_PARSE, name, "a value that the entry has");
    if (!are_whole_numbers(t))
        return diag_error(p->d, at, D_PARSE, name, "a value of whole numbers");
    if (ir_spelling_of(p->m, s->entry, s->value, s->result))
        return diag_error(p->d, at, D_PARSE, name, "a value whose names are not given yet");
    return true;
}

/* 'names' NAME ('input' | 'result') NAME '=' '[' TEXT {',' TEXT} ']' of which 'names' is
 * taken. */
bool ir_parse_names(ir_parser *p)
{
    ir_spelling s = {0};
    VEC(const char *) at = {0};
    bool ok = parse_named(p, &s) && ir_want_char(p, '=') && ir_want_char(p, '[');

    if (ok)
        do {
            size_t n;
            const char *name = lex_quoted(&p->s, &p->m->mem, &n);
            ok = (name && strlen(name) == n) || ir_expected(p, "a text in quotes without zeros");
            vec_push(&at, name);
        } while (ok && lex_char(&p->s, ','));
    ok = ok && ir_want_char(p, ']');
    if (ok) {
        s.n = at.len;
        s.names = arena_copy(&p->m->mem, at.at, at.len * sizeof *at.at);
        vec_push(&p->m->spelling, s);
    }
    vec_free(&at);
    return ok;
}

/* ---- states ----------------------------------------------------------------- */

/* 'state' global ':' type ['=' global] ['trainable'] of which 'state' is taken. */
bool ir_parse_state(ir_parser *p)
{
    char *key;
    ir_loc at = ir_here(p);
    ir_state st = {.init = IR_NONE, .loc = at};

    if (!ir_want_global(p, &key))
        return false;
    if (names_find(&p->states, key) != NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a new name, this one is taken");
    if (!ir_want_char(p, ':') || !ir_want_type(p, &st.type))
        return false;
    if (lex_char(&p->s, '=') && !ir_want_const(p, &st.init))
        return false;
    if (st.init != IR_NONE && p->m->consts.at[st.init].type != st.type)
        return diag_error(p->d, at, D_PARSE, key, "a first value of its own type");
    st.trainable = lex_word(&p->s, "trainable");
    st.name = key;
    names_add(&p->states, key);
    vec_push(&p->m->state, st);
    return true;
}
