/* ir/parse.c - reads the text form back.
 *
 * Nodes are made by the builder exactly as they are written (nothing is folded
 * or shared), so text passes the same checks as any other source of nodes.
 * The first error ends the parse.  The production of docs/ir.md that a function reads
 * stands above it. */
#include <ctype.h>

#include "attr_text.h"
#include "build.h"
#include "const_text.h"
#include "ir_parse.h"

enum { MAX_DEPTH = 64, MAX_OPERANDS = UINT16_MAX };

/* Values of the function being read. */
typedef struct scope {
    names names;
    VEC(ir_ref) ref;
} scope;

/* ---- values ------------------------------------------------------------------ */

/* `%name`, `%12` or `%"any"` as a key: a word, digits, or a quote and text. */
static bool want_value(ir_parser *p, char **key)
{
    if (!lex_char(&p->s, '%'))
        return ir_expected(p, "a value");
    size_t digits = strspn(p->s, "0123456789");
    if (digits) {
        *key = arena_strndup(&p->m->mem, p->s, digits);
        p->s += digits;
        return true;
    }
    char *name = isspace((unsigned char)*p->s) ? NULL : lex_name(&p->s, &p->m->mem);
    if (!name)
        return ir_expected(p, "a value's name");
    *key = text_is_word(name) ? name : arena_printf(&p->m->mem, "\"%s", name);
    return true;
}

/* A name stands for the value that was defined under it; text is read in one go, so
 * only values above are there. */
static bool want_ref(ir_parser *p, const scope *sc, ir_ref *out)
{
    char *key;
    ir_loc at = ir_here(p);

    if (!want_value(p, &key))
        return false;
    uint32_t id = names_find(&sc->names, key);
    if (id == NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a value made before");
    *out = sc->ref.at[id];
    return true;
}

static bool define(ir_parser *p, scope *sc, ir_loc at, const char *key, ir_ref r)
{
    if (names_find(&sc->names, key) != NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a new name, this one is taken");
    names_add(&sc->names, key);
    vec_push(&sc->ref, r);
    return true;
}

static void scope_free(scope *sc)
{
    names_free(&sc->names);
    vec_free(&sc->ref);
}

/* ---- nodes ------------------------------------------------------------------- */

/* A node's text, taken apart before the node is made, as the types at its end are
 * compared with what inference says.  `%2 = dot %a, %b {sum_a=[1], sum_b=[0]} :
 * f32[3,5]` has one result key "2", two args, op OP_DOT, the attributes, and one
 * type. */
typedef struct node_text {
    VEC(char *) result;             /* keys */
    VEC(ir_ref) arg;
    VEC(const ir_type *) type;
    unsigned op;
    ir_attr attr;
    ir_loc loc;
    bool literal;                   /* const and state: `ref` is made */
    int64_t copy;
    uint32_t const_id;
} node_text;

static bool parse_body(ir_parser *p, ir_build *b, const char *end, int depth);

/* [value {',' value} '='] */
static bool parse_results(ir_parser *p, node_text *n)
{
    char *key;

    if (lex_peek(&p->s) != '%')
        return true;
    do {
        if (!want_value(p, &key))
            return false;
        vec_push(&n->result, key);
    } while (n->result.len < UINT16_MAX && lex_char(&p->s, ','));
    return ir_want_char(p, '=');
}

/* OP ['#' COPY]: the copy number follows without a space, else `#` begins a comment. */
static bool parse_op(ir_parser *p, node_text *n)
{
    char *word;
    ir_loc at = ir_here(p);

    if (!ir_want_name(p, "an op", &word))
        return false;
    n->op = ir_op_find(word);
    if (n->op == OP_COUNT || n->op == OP_INPUT)
        return diag_error(p->d, at, D_PARSE, word, "an op");
    if (*p->s != '#' || !isdigit((unsigned char)p->s[1]))
        return true;
    p->s++;
    if (!ir_want_int(p, &n->copy) || n->copy > UINT16_MAX)
        return ir_expected(p, "a copy number of 16 bits");
    return true;
}

/* [value {',' value}] */
static bool parse_args(ir_parser *p, const scope *sc, node_text *n)
{
    ir_ref r = 0;

    if (lex_peek(&p->s) != '%')
        return true;
    do {
        if (!want_ref(p, sc, &r))
            return false;
        vec_push(&n->arg, r);
    } while (n->arg.len < MAX_OPERANDS && lex_char(&p->s, ','));
    return true;
}

/* region := name body, where `name` is 'yes', 'no' or 'body' */
static bool parse_region(ir_parser *p, ir_build *b, const char *name, ir_fn **out, int depth)
{
    ir_build inner;

    if (!lex_word(&p->s, name))
        return ir_expected(p, name);
    if (depth >= MAX_DEPTH)
        return ir_expected(p, "regions nested less deep");
    *out = ir_region_begin(b, &inner, name);
    bool ok = parse_body(p, &inner, "yield", depth + 1);
    ir_region_end(&inner);
    return ok;
}

/* {region}: 'yes' and 'no' of an if, 'body' of a loop, none of other nodes. */
static bool parse_regions(ir_parser *p, ir_build *b, node_text *n, int depth)
{
    if (n->op == OP_IF)
        return parse_region(p, b, "yes", &n->attr.IF.yes, depth) &&
               parse_region(p, b, "no", &n->attr.IF.no, depth);
    return n->op != OP_LOOP || parse_region(p, b, "body", &n->attr.LOOP.body, depth);
}

/* The numbers of a constant come before its type is known: they are skipped,
 * and read again behind it. */
static bool skip_data(ir_parser *p)
{
    while (*p->s && *p->s != ':' && *p->s != '\n')
        p->s++;
    return *p->s == ':' || ir_expected(p, "':' and a type");
}

/* [':' type {',' type}], which a node without results has not. */
static bool parse_types(ir_parser *p, node_text *n)
{
    const ir_type *t;

    if (!n->result.len)
        return true;
    if (!ir_want_char(p, ':'))
        return false;
    do {
        if (!ir_want_type(p, &t))
            return false;
        vec_push(&n->type, t);
    } while (n->type.len < UINT16_MAX && lex_char(&p->s, ','));
    return true;
}

/* value '=' 'const' (data | global) ':' type of which 'const' and all before it is taken. */
static bool parse_const_node(ir_parser *p, node_text *n)
{
    if (lex_peek(&p->s) == '@')
        return ir_want_const(p, &n->attr.CONST.id) && parse_types(p, n);
    const char *data = p->s;
    if (!skip_data(p) || !parse_types(p, n))
        return false;
    const char *behind = p->s;
    if (!n->type.len)
        return ir_expected(p, "a result");
    p->s = data;
    const char *wrong = const_parse_data(p->m, &p->s, n->type.at[0], &n->attr.CONST.id);
    if (wrong || lex_peek(&p->s) != ':')
        return ir_expected(p, wrong ? wrong : "':' and a type");
    p->s = behind;
    return true;
}

/* value '=' 'state' global ':' type of which 'state' and all before it is taken. */
static bool parse_state_node(ir_parser *p, node_text *n)
{
    uint32_t id;

    if (!ir_want_state(p, &id))
        return false;
    n->attr.STATE.id = id;
    return parse_types(p, n);
}

/* node := [value {',' value} '='] OP ['#' COPY] [value {',' value}] [attrs] {region}
 *         [':' type {',' type}]
 * This is its text; parse_node makes it. */
static bool parse_node_text(ir_parser *p, ir_build *b, const scope *sc, node_text *n, int depth)
{
    if (!parse_results(p, n) || !parse_op(p, n))
        return false;
    if (n->op == OP_CONST)
        return parse_const_node(p, n);
    if (n->op == OP_STATE)
        return parse_state_node(p, n);
    if (!parse_args(p, sc, n))
        return false;
    const char *wrong = ir_attr_parse(p->m, &p->s, n->op, &n->attr);
    if (wrong)
        return ir_expected(p, wrong);
    return parse_regions(p, b, n, depth) && parse_types(p, n);
}

/* Is the node made, whose first result is r, of the types that its text gives? */
static bool check_types(ir_parser *p, const ir_fn *f, ir_ref r, const node_text *n)
{
    const ir_node *made = &f->node.at[f->node.len - 1];
    text t = {0};
    bool ok = true;

    if (made->nres != n->result.len || n->type.len != n->result.len)
        return diag_error(p->d, n->loc, D_PARSE, ir_op_get(n->op)->text,
                          "as many results and types as it gives");
    for (uint32_t i = 0; ok && i < n->type.len; i++) {
        if (ir_type_of(f, r + i) == n->type.at[i])
            continue;
        text_add(&t, "type ");
        type_print(&p->m->types, ir_type_of(f, r + i), &t);
        ok = diag_error(p->d, n->loc, D_PARSE, ir_op_get(n->op)->text, t.at);
    }
    text_free(&t);
    return ok;
}

/* Types in the text are a check, not an input: inference has the last word. */
static bool parse_node(ir_parser *p, ir_build *b, scope *sc, int depth)
{
    node_text n = {.loc = ir_here(p)};
    bool ok = parse_node_text(p, b, sc, &n, depth);

    if (ok) {
        b->loc = n.loc;
        b->copy = (uint16_t)n.copy;
        ir_ref r = ir_make(b, n.op, n.arg.at, n.arg.len, &n.attr);
        ok = r != IR_NONE && check_types(p, b->fn, r, &n);
        for (uint32_t i = 0; ok && i < n.result.len; i++)
            ok = define(p, sc, n.loc, n.result.at[i], r + i);
    }
    vec_free(&n.result);
    vec_free(&n.arg);
    vec_free(&n.type);
    return ok;
}

/* ---- functions --------------------------------------------------------------- */

/* `[dims]`: the known elements of a parameter. */
static bool parse_elements(ir_parser *p, ir_fn *f, ir_ref r)
{
    const ir_type *t = ir_type_of(f, r);
    int64_t count = type_count_const(&p->m->types, t);
    ir_dim elem[IR_MAX_KNOWN];

    if (t->kind != TY_TENSOR || count < 0 || count > IR_MAX_KNOWN ||
        !(dt_is_int(t->dtype) || t->dtype == DT_BOOL))
        return ir_expected(p, "elements only of a short vector of integers");
    if (!ir_want_char(p, '['))
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (i && !ir_want_char(p, ','))
            return false;
        lex_space(&p->s);
        if (!dim_parse(&p->m->dims, &p->s, &elem[i]))
            return ir_expected(p, "a dim");
    }
    f->value.at[r].elem = arena_copy(&p->m->mem, elem, (size_t)count * sizeof *elem);
    return ir_want_char(p, ']');
}

/* param := value ':' type ['=' (global | '[' dims ']')] */
static bool parse_param(ir_parser *p, ir_build *b, scope *sc)
{
    char *key;
    const ir_type *t;
    ir_loc at = ir_here(p);

    if (!want_value(p, &key) || !ir_want_char(p, ':') || !ir_want_type(p, &t))
        return false;
    b->loc = at;
    ir_ref r = ir_input(b, *key == '"' ? key + 1 : key, t);
    if (!define(p, sc, at, key, r) || !lex_char(&p->s, '='))
        return !diag_failed(p->d);
    return lex_peek(&p->s) == '@'
               ? ir_want_const(p, &b->fn->param_default.at[b->fn->param.len - 1])
               : parse_elements(p, b->fn, r);
}

/* '(' [param {',' param}] ')' */
static bool parse_params(ir_parser *p, ir_build *b, scope *sc)
{
    if (!ir_want_char(p, '('))
        return false;
    while (lex_peek(&p->s) != ')')
        if ((b->fn->param.len && !ir_want_char(p, ',')) || !parse_param(p, b, sc))
            return false;
    return ir_want_char(p, ')');
}

/* result := [NAME '='] value ['loose' INT] */
static bool parse_result(ir_parser *p, ir_build *b, const scope *sc)
{
    ir_ref r = 0;
    int64_t loose = 0;
    const char *name = lex_peek(&p->s) == '%' ? NULL : lex_name(&p->s, &p->m->mem);

    if (name && !ir_want_char(p, '='))
        return false;
    if (!want_ref(p, sc, &r))
        return false;
    if (lex_word(&p->s, "loose") && !ir_want_int(p, &loose))
        return false;
    ir_loose_result(b, name ? name : "", r, (uint32_t)loose);
    return true;
}

/* global '=' value */
static bool parse_update(ir_parser *p, ir_build *b, const scope *sc)
{
    uint32_t id;
    ir_ref r = 0;

    if (!ir_want_state(p, &id) || !ir_want_char(p, '=') || !want_ref(p, sc, &r))
        return false;
    ir_update_state(b, id, r);
    return true;
}

/* end := ('return' | 'yield') [result {',' result}] ['update' update {',' update}]
 * '}' of which the first word is taken. */
static bool parse_end(ir_parser *p, ir_build *b, const scope *sc)
{
    bool some = lex_peek(&p->s) != '}';
    const char *s = p->s;

    if (some && !lex_word(&s, "update"))
        do {
            if (!parse_result(p, b, sc))
                return false;
        } while (lex_char(&p->s, ','));
    if (lex_word(&p->s, "update"))
        do {
            if (!parse_update(p, b, sc))
                return false;
        } while (lex_char(&p->s, ','));
    return ir_want_char(p, '}');
}

/* body := '(' [param {',' param}] ')' '{' {node} end, where `end` is the word
 * that the end begins with. */
static bool parse_nodes(ir_parser *p, ir_build *b, scope *sc, const char *end, int depth)
{
    if (!parse_params(p, b, sc) || !ir_want_char(p, '{'))
        return false;
    while (!lex_word(&p->s, end))
        if (!parse_node(p, b, sc, depth))
            return false;
    return parse_end(p, b, sc);
}

static bool parse_body(ir_parser *p, ir_build *b, const char *end, int depth)
{
    scope sc = {0};
    bool ok = parse_nodes(p, b, &sc, end, depth);

    scope_free(&sc);
    return ok;
}

/* ('fn' | 'entry') NAME body of which the first word is taken. */
static bool parse_fn(ir_parser *p, bool entry)
{
    char *name;
    ir_build b;
    ir_loc at = ir_here(p);

    if (!ir_want_name(p, "a name", &name))
        return false;
    if (ir_module_find(p->m, name))
        return diag_error(p->d, at, D_PARSE, name, "a new name, this one is taken");
    ir_fn *f = ir_fn_region(p->m, name);        /* no callee before its end */
    ir_build_init(&b, p->m, f, p->d);
    b.no_fold = true;
    bool ok = parse_body(p, &b, "return", 0);
    ir_build_free(&b);
    ir_fn_add(p->m, f, entry);
    return ok;
}

/* 'dim' .. | 'const' .. | 'state' .. | 'fn' .. | 'entry' .. | 'names' .. */
static bool parse_item(ir_parser *p)
{
    if (lex_word(&p->s, "dim"))
        return ir_parse_dim(p);
    if (lex_word(&p->s, "const"))
        return ir_parse_const(p);
    if (lex_word(&p->s, "state"))
        return ir_parse_state(p);
    if (lex_word(&p->s, "fn"))
        return parse_fn(p, false);
    if (lex_word(&p->s, "entry"))
        return parse_fn(p, true);
    if (lex_word(&p->s, "names"))
        return ir_parse_names(p);
    return ir_expected(p, "dim, const, state, fn, entry or names");
}

/* module := {item} */
ir_module *ir_parse(const char *source, const char *place, diag *d)
{
    ir_parser p = {.m = ir_module_new(d), .d = d, .s = source, .line = source,
                .loc = {.file = diag_source(d, place, source), .line = 1}};
    bool ok = true;

    while (ok && lex_peek(&p.s))
        ok = parse_item(&p) && !p.m->dims.overflow;
    if (ok || diag_failed(d))
        ok = ok && ir_verify(p.m, d, NULL);
    else
        diag_error(d, ir_here(&p), D_SIZE, "text", "a dim");
    names_free(&p.consts);
    names_free(&p.states);
    vec_free(&p.const_id);
    if (ok)
        return p.m;
    ir_module_free(p.m);
    return NULL;
}
