/* ir/parse_words.c - what the text of all parts of a module is made of. */
#include "ir_parse.h"

ir_loc ir_here(ir_parser *p)
{
    return lex_place(&p->s, &p->line, &p->loc);
}

bool ir_expected(ir_parser *p, const char *what)
{
    ir_loc at = ir_here(p);

    return lex_expected(p->s, at, what, p->d);
}

bool ir_want_char(ir_parser *p, char c)
{
    return lex_char(&p->s, c) || ir_expected(p, (char[]){'\'', c, '\'', 0});
}

bool ir_want_name(ir_parser *p, const char *what, char **out)
{
    *out = lex_name(&p->s, &p->m->mem);
    return *out || ir_expected(p, what);
}

static bool no_negative_extent(const ir_parser *p, ir_loc at, const ir_type *t)
{
    int64_t n;

    for (int i = 0; t->kind == TY_TENSOR && i < t->rank; i++)
        if (dim_const(&p->m->dims, t->dim[i], &n) && n < 0)
            return diag_error(p->d, at, D_NEGATIVE, "type", i, (long long)n);
    return true;
}

/* Extents may be expressions over symbols; one that grows too large is reported
 * here, at its place. */
bool ir_want_type(ir_parser *p, const ir_type **out)
{
    ir_loc at = ir_here(p);

    if (!type_parse(&p->m->types, &p->s, out))
        return ir_expected(p, "a type");
    if (!no_negative_extent(p, at, *out))
        return false;
    if (!p->m->dims.overflow)
        return true;
    p->m->dims.overflow = false;
    return diag_error(p->d, at, D_SIZE, "type", "an extent");
}

bool ir_want_int(ir_parser *p, int64_t *v)
{
    return lex_int(&p->s, v) || ir_expected(p, "a number of 64 bits");
}

/* ---- globals ---------------------------------------------------------------- */

/* global := '@' (NAME | INT), of which numbers are for constants without a name. */
bool ir_want_global(ir_parser *p, char **key)
{
    if (!lex_char(&p->s, '@'))
        return ir_expected(p, "'@' and a name");
    size_t digits = strspn(p->s, "0123456789");
    if (!digits)
        return ir_want_name(p, "a name", key);
    *key = arena_strndup(&p->m->mem, p->s, digits);
    p->s += digits;
    return true;
}

/* The number of the module's constant that the text has defined under this name. */
bool ir_want_const(ir_parser *p, uint32_t *id)
{
    char *key;
    ir_loc at = ir_here(p);

    if (!ir_want_global(p, &key))
        return false;
    uint32_t n = names_find(&p->consts, key);
    if (n == NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a constant defined before");
    *id = p->const_id.at[n];
    return true;
}

bool ir_want_state(ir_parser *p, uint32_t *id)
{
    char *key;
    ir_loc at = ir_here(p);

    if (!ir_want_global(p, &key))
        return false;
    *id = names_find(&p->states, key);
    return *id != NAMES_NONE || diag_error(p->d, at, D_PARSE, key, "a state");
}
