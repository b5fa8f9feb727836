/* ir/attr_text.c - attributes as text, by their field tables. */
#include "attr_text.h"

#include <stdlib.h>

#include "lex.h"

/* ---- printing ---------------------------------------------------------------- */

/* Bodies of branches and loops are printed in braces behind the node, not among its
 * attributes; the function of a call is one of the module's and is printed by its
 * name. */
static bool is_region(unsigned op, const ir_field *f)
{
    return f->kind == AK_fn && op != OP_CALL;
}

/* Is the field written?  One that has the value which a missing field is read as is
 * left out, so that text stays short and reads back to the same struct.  The symbol
 * of a loop's trips only means something where the loop stacks results. */
static bool shown(unsigned op, const union ir_attr *a, const ir_field *f)
{
    const void *p = (const char *)a + f->offset;

    switch (f->kind) {
    case AK_int: return *(const int64_t *)p != 0;
    case AK_bool: return *(const bool *)p;
    case AK_dim: return ((const ir_dim *)p)->v != 0;
    case AK_dims: return ((const ir_dims *)p)->n;
    case AK_ints: return ((const ir_ints *)p)->n;
    case AK_dtype: return *(const ir_dtype *)p != DT_NONE;
    case AK_str: return *(const char *const *)p;
    case AK_redop: return true;
    case AK_fn: return !is_region(op, f);
    case AK_cid: return false;
    case AK_sym: return op != OP_LOOP || (a->LOOP.stack_axes.n && a->LOOP.trips != NAMES_NONE);
    }
    return false;
}

static void print_dims(const ir_module *m, const ir_dims *l, text *out)
{
    text_add(out, "[");
    for (int i = 0; i < l->n; i++) {
        text_add(out, i ? "," : "");
        dim_print(&m->dims, l->at[i], out);
    }
    text_add(out, "]");
}

static void print_ints(const ir_ints *l, text *out)
{
    text_add(out, "[");
    for (int i = 0; i < l->n; i++)
        text_add(out, "%s%d", i ? "," : "", (int)l->at[i]);
    text_add(out, "]");
}

/* Value of one field, without its name.  AK_cid, the number of a constant, has no
 * text: the printer writes the constant itself in the place of the operand. */
static void print_field(const ir_module *m, const void *p, ir_attr_kind kind, text *out)
{
    switch (kind) {
    case AK_int: text_add(out, "%lld", (long long)*(const int64_t *)p); break;
    case AK_bool: text_add(out, "true"); break;
    case AK_dim: dim_print(&m->dims, *(const ir_dim *)p, out); break;
    case AK_dims: print_dims(m, p, out); break;
    case AK_ints: print_ints(p, out); break;
    case AK_dtype: text_add(out, "%s", dt_text(*(const ir_dtype *)p)); break;
    case AK_str: text_add_quoted(out, *(const char *const *)p); break;
    case AK_redop: text_add(out, "%s", ir_redop_text[*(const ir_redop *)p]); break;
    case AK_fn: text_add_name(out, (*(struct ir_fn *const *)p)->name); break;
    case AK_cid: break;
    case AK_sym:
        dim_print(&m->dims, m->dims.symbol.at[*(const uint32_t *)p].self, out);
        break;
    }
}

void ir_attr_print(const ir_module *m, unsigned op, const union ir_attr *a, text *out)
{
    const char *before = " {";

    for (const ir_field *f = ir_fields(op); f && f->name; f++) {
        if (!shown(op, a, f))
            continue;
        text_add(out, "%s%s=", before, f->name);
        print_field(m, (const char *)a + f->offset, f->kind, out);
        before = ", ";
    }
    text_add(out, *before == ',' ? "}" : "");
}

/* ---- parsing ----------------------------------------------------------------- */

/* Elements of a list in brackets; more is an error and not an allocation that a
 * hostile file chooses. */
enum { MAX_LIST = 4096 };

/* '[' [dim {',' dim}] ']' */
static bool parse_dims(ir_module *m, const char **s, ir_dims *out)
{
    VEC(ir_dim) l = {0};
    ir_dim d;
    bool ok = lex_char(s, '[');

    while (ok && lex_peek(s) != ']') {
        ok = l.len < MAX_LIST && (!l.len || lex_char(s, ','));
        lex_space(s);
        ok = ok && dim_parse(&m->dims, s, &d);
        if (ok)
            vec_push(&l, d);
    }
    *out = (ir_dims){(int32_t)l.len, arena_copy(&m->mem, l.at, l.len * sizeof *l.at)};
    vec_free(&l);
    return ok && lex_char(s, ']');
}

/* '[' [INT {',' INT}] ']', of 32 bits each */
static bool parse_ints(ir_module *m, const char **s, ir_ints *out)
{
    VEC(int32_t) l = {0};
    int64_t v;
    bool ok = lex_char(s, '[');

    while (ok && lex_peek(s) != ']') {
        ok = l.len < MAX_LIST && (!l.len || lex_char(s, ',')) && lex_int(s, &v) &&
             v >= INT32_MIN && v <= INT32_MAX;
        if (ok)
            vec_push(&l, (int32_t)v);
    }
    *out = (ir_ints){(int32_t)l.len, arena_copy(&m->mem, l.at, l.len * sizeof *l.at)};
    vec_free(&l);
    return ok && lex_char(s, ']');
}

static bool parse_sym(ir_module *m, const char **s, uint32_t *out)
{
    ir_dim d;

    lex_space(s);
    if (!dim_parse(&m->dims, s, &d))
        return false;
    *out = dim_symbol_id(&m->dims, d);
    return *out != NAMES_NONE;
}

static bool parse_dtype(ir_module *m, const char **s, ir_dtype *out)
{
    const char *word = lex_name(s, &m->mem);

    *out = word ? dt_find(word, strlen(word)) : DT_NONE;
    return *out != DT_NONE;
}

static bool parse_redop(const char **s, ir_redop *out)
{
    for (int i = 0; i <= RED_SET; i++)
        if (lex_word(s, ir_redop_text[i])) {
            *out = (ir_redop)i;
            return true;
        }
    return false;
}

static bool parse_fn(ir_module *m, const char **s, struct ir_fn **out)
{
    const char *name = lex_name(s, &m->mem);

    *out = name ? ir_module_find(m, name) : NULL;
    return *out;
}

/* Null, or what was expected. */
static const char *parse_field(ir_module *m, const char **s, void *p, ir_attr_kind kind)
{
    switch (kind) {
    case AK_int: return lex_int(s, p) ? NULL : "a number of 64 bits";
    case AK_bool: return (*(bool *)p = lex_word(s, "true")) ? NULL : "'true'";
    case AK_dim:
        lex_space(s);
        return dim_parse(&m->dims, s, p) ? NULL : "a dim";
    case AK_dims: return parse_dims(m, s, p) ? NULL : "a list of dims";
    case AK_ints: return parse_ints(m, s, p) ? NULL : "a list of numbers";
    case AK_dtype: return parse_dtype(m, s, p) ? NULL : "an element type";
    case AK_str:
        *(const char **)p = lex_peek(s) == '"' ? lex_name(s, &m->mem) : NULL;
        return *(const char **)p ? NULL : "a text in quotes";
    case AK_redop: return parse_redop(s, p) ? NULL : "sum, prod, min, max, and, or, set";
    case AK_fn: return parse_fn(m, s, p) ? NULL : "the name of an earlier function";
    case AK_sym: return parse_sym(m, s, p) ? NULL : "a dim symbol";
    case AK_cid: break;
    }
    return "an attribute that can be written";
}

static const ir_field *find_field(const char **s, unsigned op)
{
    for (const ir_field *f = ir_fields(op); f && f->name; f++)
        if (f->kind != AK_cid && !is_region(op, f) && lex_word(s, f->name))
            return f;
    return NULL;
}

/* attrs := '{' KEY '=' attr {',' KEY '=' attr} '}' */
const char *ir_attr_parse(ir_module *m, const char **s, unsigned op, union ir_attr *out)
{
    if (op == OP_LOOP)
        out->LOOP.trips = NAMES_NONE;
    for (const ir_field *f = ir_fields(op); f && f->name; f++)
        if (f->kind == AK_sym)
            *(uint32_t *)((char *)out + f->offset) = NAMES_NONE;
    if (!lex_char(s, '{'))
        return NULL;
    while (lex_peek(s) != '}') {
        const ir_field *f = find_field(s, op);
        if (!f)
            return "an attribute of this op";
        if (!lex_char(s, '='))
            return "'='";
        const char *expected = parse_field(m, s, (char *)out + f->offset, f->kind);
        if (expected)
            return expected;
        if (lex_peek(s) != '}' && !lex_char(s, ','))
            return "',' or '}'";
    }
    ++*s;
    return NULL;
}
