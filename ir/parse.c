/* ir/parse.c - reads the text form back.
 *
 * Nodes are made by the builder exactly as they are written (nothing is folded
 * or shared), so text passes the same checks as any other source of nodes.
 * The first error ends the parse. */
#include <ctype.h>

#include "attr_text.h"
#include "build.h"
#include "const_text.h"
#include "lex.h"

enum { MAX_DEPTH = 64, MAX_OPERANDS = UINT16_MAX };

typedef struct parser {
    ir_module *m;
    diag *d;
    const char *s;
    const char *line;               /* start of the line that s was last seen in */
    ir_loc loc;
    names consts;                   /* name to position in const_id */
    VEC(uint32_t) const_id;
    names states;
} parser;

/* Values of the function being read. */
typedef struct scope {
    names names;
    VEC(ir_ref) ref;
} scope;

/* Where the next word begins. */
static ir_loc here(parser *p)
{
    lex_space(&p->s);
    for (const char *q = p->line; q < p->s; q++)
        if (*q == '\n') {
            p->loc.line++;
            p->line = q + 1;
        }
    p->loc.col = (uint32_t)(p->s - p->line) + 1;
    return p->loc;
}

static bool expected(parser *p, const char *what)
{
    char near[24];
    size_t n;

    ir_loc at = here(p);
    for (n = 0; n < sizeof near - 1 && isgraph((unsigned char)p->s[n]); n++)
        near[n] = p->s[n];
    near[n] = 0;
    return diag_error(p->d, at, D_PARSE, n ? near : "end of text", what);
}

static bool want_char(parser *p, char c)
{
    return lex_char(&p->s, c) || expected(p, (char[]){'\'', c, '\'', 0});
}

static bool want_name(parser *p, const char *what, char **out)
{
    *out = lex_name(&p->s, &p->m->mem);
    return *out || expected(p, what);
}

static bool no_negative_extent(const parser *p, ir_loc at, const ir_type *t)
{
    int64_t n;

    for (int i = 0; t->kind == TY_TENSOR && i < t->rank; i++)
        if (dim_const(&p->m->dims, t->dim[i], &n) && n < 0)
            return diag_error(p->d, at, D_NEGATIVE, "type", i, (long long)n);
    return true;
}

static bool want_type(parser *p, const ir_type **out)
{
    ir_loc at = here(p);

    if (!type_parse(&p->m->types, &p->s, out))
        return expected(p, "a type");
    if (!no_negative_extent(p, at, *out))
        return false;
    if (!p->m->dims.overflow)
        return true;
    p->m->dims.overflow = false;
    return diag_error(p->d, at, D_SIZE, "type", "an extent");
}

/* ---- values ------------------------------------------------------------------ */

/* `%name`, `%12` or `%"any"` as a key: a word, digits, or a quote and text. */
static bool want_value(parser *p, char **key)
{
    if (!lex_char(&p->s, '%'))
        return expected(p, "a value");
    size_t digits = strspn(p->s, "0123456789");
    if (digits) {
        *key = arena_strndup(&p->m->mem, p->s, digits);
        p->s += digits;
        return true;
    }
    char *name = isspace((unsigned char)*p->s) ? NULL : lex_name(&p->s, &p->m->mem);
    if (!name)
        return expected(p, "a value's name");
    *key = text_is_word(name) ? name : arena_printf(&p->m->mem, "\"%s", name);
    return true;
}

static bool want_ref(parser *p, const scope *sc, ir_ref *out)
{
    char *key;
    ir_loc at = here(p);

    if (!want_value(p, &key))
        return false;
    uint32_t id = names_find(&sc->names, key);
    if (id == NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a value made before");
    *out = sc->ref.at[id];
    return true;
}

static bool define(parser *p, scope *sc, ir_loc at, const char *key, ir_ref r)
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

/* ---- constants and states ---------------------------------------------------- */

/* `@name` or `@12`, where digits stand for no name. */
static bool want_global(parser *p, char **key)
{
    if (!lex_char(&p->s, '@'))
        return expected(p, "'@' and a name");
    size_t digits = strspn(p->s, "0123456789");
    if (!digits)
        return want_name(p, "a name", key);
    *key = arena_strndup(&p->m->mem, p->s, digits);
    p->s += digits;
    return true;
}

static bool want_const(parser *p, uint32_t *id)
{
    char *key;
    ir_loc at = here(p);

    if (!want_global(p, &key))
        return false;
    uint32_t n = names_find(&p->consts, key);
    if (n == NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a constant defined before");
    *id = p->const_id.at[n];
    return true;
}

/* The type that the link's op gives, by a node of its own. */
static const ir_type *link_type(parser *p, unsigned op, uint32_t id, uint32_t other,
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

static bool parse_link(parser *p, uint32_t *id)
{
    char *word;
    ir_attr a = {0};
    ir_loc at = here(p);
    ir_link link = {0};

    if (!want_name(p, "an op", &word))
        return false;
    unsigned op = ir_op_find(word);
    if (op == OP_COUNT || !ir_op_links(op))
        return diag_error(p->d, at, D_PARSE, word, "an op that can change a constant");
    if (ir_op_get(op)->nin == 2 && !want_const(p, &link.other))
        return false;
    const char *wrong = ir_attr_parse(p->m, &p->s, op, &a);
    if (wrong)
        return expected(p, wrong);
    if (!want_char(p, ':') || !want_type(p, &link.type))
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

static bool parse_const(parser *p)
{
    char *key;
    const ir_type *type;
    uint32_t id;
    ir_loc at = here(p);

    if (!want_global(p, &key))
        return false;
    if (names_find(&p->consts, key) != NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a new name, this one is taken");
    if (!want_char(p, '=') || !want_type(p, &type))
        return false;
    const char *wrong = const_parse_data(p->m, &p->s, type, &id);
    if (wrong)
        return expected(p, wrong);
    while (lex_char(&p->s, '|'))
        if (!parse_link(p, &id))
            return false;
    if (!isdigit((unsigned char)*key))
        p->m->consts.at[id].name = key;
    names_add(&p->consts, key);
    vec_push(&p->const_id, id);
    return true;
}

static bool parse_state(parser *p)
{
    char *key;
    ir_state st = {.init = IR_NONE};
    ir_loc at = here(p);

    if (!want_global(p, &key))
        return false;
    if (names_find(&p->states, key) != NAMES_NONE)
        return diag_error(p->d, at, D_PARSE, key, "a new name, this one is taken");
    if (!want_char(p, ':') || !want_type(p, &st.type))
        return false;
    if (lex_char(&p->s, '=') && !want_const(p, &st.init))
        return false;
    if (st.init != IR_NONE && p->m->consts.at[st.init].type != st.type)
        return diag_error(p->d, at, D_PARSE, key, "a first value of its own type");
    st.trainable = lex_word(&p->s, "trainable");
    st.name = key;
    names_add(&p->states, key);
    vec_push(&p->m->state, st);
    return true;
}

static bool want_state(parser *p, uint32_t *id)
{
    char *key;
    ir_loc at = here(p);

    if (!want_global(p, &key))
        return false;
    *id = names_find(&p->states, key);
    return *id != NAMES_NONE || diag_error(p->d, at, D_PARSE, key, "a state");
}

static bool want_int(parser *p, int64_t *v)
{
    return lex_int(&p->s, v) || expected(p, "a number of 64 bits");
}

static bool parse_dim(parser *p)
{
    ir_dim d;
    int64_t lo = 0, hi = INT64_MAX, hint = 0;
    ir_loc at = here(p);
    uint32_t before = p->m->dims.symbol.len;

    if (!dim_parse(&p->m->dims, &p->s, &d))
        return expected(p, "a name");
    uint32_t id = dim_symbol_id(&p->m->dims, d);
    if (id == NAMES_NONE || id < before)
        return diag_error(p->d, at, D_PARSE, "dim", "a new name");
    if (lex_word(&p->s, "any"))
        lo = INT64_MIN;
    if (lex_word(&p->s, "from") && !want_int(p, &lo))
        return false;
    if (lex_word(&p->s, "to") && !want_int(p, &hi))
        return false;
    if (lex_word(&p->s, "hint") && !want_int(p, &hint))
        return false;
    if (lo > hi)
        return diag_error(p->d, at, D_PARSE, "dim", "bounds in order");
    dim_symbol_bound(&p->m->dims, id, lo, hi, hint);
    return true;
}

/* ---- nodes ------------------------------------------------------------------- */

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

static bool parse_body(parser *p, ir_build *b, const char *end, int depth);

static bool parse_results(parser *p, node_text *n)
{
    char *key;

    if (lex_peek(&p->s) != '%')
        return true;
    do {
        if (!want_value(p, &key))
            return false;
        vec_push(&n->result, key);
    } while (n->result.len < IR_MAX_RESULTS && lex_char(&p->s, ','));
    return want_char(p, '=');
}

static bool parse_op(parser *p, node_text *n)
{
    char *word;
    ir_loc at = here(p);

    if (!want_name(p, "an op", &word))
        return false;
    n->op = ir_op_find(word);
    if (n->op == OP_COUNT || n->op == OP_INPUT)
        return diag_error(p->d, at, D_PARSE, word, "an op");
    if (*p->s != '#' || !isdigit((unsigned char)p->s[1]))
        return true;
    p->s++;
    if (!want_int(p, &n->copy) || n->copy > UINT16_MAX)
        return expected(p, "a copy number of 16 bits");
    return true;
}

static bool parse_args(parser *p, const scope *sc, node_text *n)
{
    ir_ref r;

    if (lex_peek(&p->s) != '%')
        return true;
    do {
        if (!want_ref(p, sc, &r))
            return false;
        vec_push(&n->arg, r);
    } while (n->arg.len < MAX_OPERANDS && lex_char(&p->s, ','));
    return true;
}

static bool parse_region(parser *p, ir_build *b, const char *name, ir_fn **out, int depth)
{
    ir_build inner;

    if (!lex_word(&p->s, name))
        return expected(p, name);
    if (depth >= MAX_DEPTH)
        return expected(p, "regions nested less deep");
    *out = ir_region_begin(b, &inner, name);
    bool ok = parse_body(p, &inner, "yield", depth + 1);
    ir_region_end(&inner);
    return ok;
}

static bool parse_regions(parser *p, ir_build *b, node_text *n, int depth)
{
    if (n->op == OP_IF)
        return parse_region(p, b, "yes", &n->attr.IF.yes, depth) &&
               parse_region(p, b, "no", &n->attr.IF.no, depth);
    return n->op != OP_LOOP || parse_region(p, b, "body", &n->attr.LOOP.body, depth);
}

/* The numbers of a constant come before its type is known: they are skipped,
 * and read again behind it. */
static bool skip_data(parser *p)
{
    while (*p->s && *p->s != ':' && *p->s != '\n')
        p->s++;
    return *p->s == ':' || expected(p, "':' and a type");
}

static bool parse_types(parser *p, node_text *n)
{
    const ir_type *t;

    if (!n->result.len)
        return true;
    if (!want_char(p, ':'))
        return false;
    do {
        if (!want_type(p, &t))
            return false;
        vec_push(&n->type, t);
    } while (n->type.len < IR_MAX_RESULTS && lex_char(&p->s, ','));
    return true;
}

static bool parse_const_node(parser *p, node_text *n)
{
    if (lex_peek(&p->s) == '@')
        return want_const(p, &n->attr.CONST.id) && parse_types(p, n);
    const char *data = p->s;
    if (!skip_data(p) || !parse_types(p, n))
        return false;
    const char *behind = p->s;
    if (!n->type.len)
        return expected(p, "a result");
    p->s = data;
    const char *wrong = const_parse_data(p->m, &p->s, n->type.at[0], &n->attr.CONST.id);
    if (wrong || lex_peek(&p->s) != ':')
        return expected(p, wrong ? wrong : "':' and a type");
    p->s = behind;
    return true;
}

static bool parse_state_node(parser *p, node_text *n)
{
    uint32_t id;

    if (!want_state(p, &id))
        return false;
    n->attr.STATE.id = id;
    return parse_types(p, n);
}

static bool parse_node_text(parser *p, ir_build *b, const scope *sc, node_text *n, int depth)
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
        return expected(p, wrong);
    return parse_regions(p, b, n, depth) && parse_types(p, n);
}

static bool check_types(parser *p, const ir_fn *f, ir_ref r, const node_text *n)
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

static bool parse_node(parser *p, ir_build *b, scope *sc, int depth)
{
    node_text n = {.loc = here(p)};
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

/* `= [dims]`: the known elements of a parameter. */
static bool parse_elements(parser *p, ir_fn *f, ir_ref r)
{
    const ir_type *t = ir_type_of(f, r);
    int64_t count = type_count_const(&p->m->types, t);
    ir_dim elem[IR_MAX_KNOWN];

    if (!lex_char(&p->s, '='))
        return true;
    if (t->kind != TY_TENSOR || count < 0 || count > IR_MAX_KNOWN ||
        !(dt_is_int(t->dtype) || t->dtype == DT_BOOL))
        return expected(p, "elements only of a short vector of integers");
    if (!want_char(p, '['))
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (i && !want_char(p, ','))
            return false;
        lex_space(&p->s);
        if (!dim_parse(&p->m->dims, &p->s, &elem[i]))
            return expected(p, "a dim");
    }
    f->value.at[r].elem = arena_copy(&p->m->mem, elem, (size_t)count * sizeof *elem);
    return want_char(p, ']');
}

static bool parse_param(parser *p, ir_build *b, scope *sc)
{
    char *key;
    const ir_type *t;
    ir_loc at = here(p);

    if (!want_value(p, &key) || !want_char(p, ':') || !want_type(p, &t))
        return false;
    b->loc = at;
    ir_ref r = ir_input(b, *key == '"' ? key + 1 : key, t);
    return define(p, sc, at, key, r) && parse_elements(p, b->fn, r);
}

static bool parse_params(parser *p, ir_build *b, scope *sc)
{
    if (!want_char(p, '('))
        return false;
    while (lex_peek(&p->s) != ')')
        if ((b->fn->param.len && !want_char(p, ',')) || !parse_param(p, b, sc))
            return false;
    return want_char(p, ')');
}

static bool parse_result(parser *p, ir_build *b, const scope *sc)
{
    ir_ref r;
    const char *name = lex_peek(&p->s) == '%' ? NULL : lex_name(&p->s, &p->m->mem);

    if (name && !want_char(p, '='))
        return false;
    if (!want_ref(p, sc, &r))
        return false;
    ir_result(b, name ? name : "", r);
    return true;
}

static bool parse_update(parser *p, ir_build *b, const scope *sc)
{
    uint32_t id;
    ir_ref r;

    if (!want_state(p, &id) || !want_char(p, '=') || !want_ref(p, sc, &r))
        return false;
    ir_update_state(b, id, r);
    return true;
}

static bool parse_end(parser *p, ir_build *b, const scope *sc)
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
    return want_char(p, '}');
}

static bool parse_nodes(parser *p, ir_build *b, scope *sc, const char *end, int depth)
{
    if (!parse_params(p, b, sc) || !want_char(p, '{'))
        return false;
    while (!lex_word(&p->s, end))
        if (!parse_node(p, b, sc, depth))
            return false;
    return parse_end(p, b, sc);
}

static bool parse_body(parser *p, ir_build *b, const char *end, int depth)
{
    scope sc = {0};
    bool ok = parse_nodes(p, b, &sc, end, depth);

    scope_free(&sc);
    return ok;
}

static bool parse_fn(parser *p, bool entry)
{
    char *name;
    ir_build b;
    ir_loc at = here(p);

    if (!want_name(p, "a name", &name))
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

static bool parse_item(parser *p)
{
    if (lex_word(&p->s, "dim"))
        return parse_dim(p);
    if (lex_word(&p->s, "const"))
        return parse_const(p);
    if (lex_word(&p->s, "state"))
        return parse_state(p);
    if (lex_word(&p->s, "fn"))
        return parse_fn(p, false);
    if (lex_word(&p->s, "entry"))
        return parse_fn(p, true);
    return expected(p, "dim, const, state, fn or entry");
}

ir_module *ir_parse(const char *source, const char *place, diag *d)
{
    parser p = {.m = ir_module_new(d), .d = d, .s = source, .line = source,
                .loc = {.file = diag_place(d, place), .line = 1}};
    bool ok = true;

    d->source = arena_strdup(&d->mem, source);
    while (ok && lex_peek(&p.s))
        ok = parse_item(&p) && !p.m->dims.overflow;
    if (ok || diag_failed(d))
        ok = ok && ir_verify(p.m, d, NULL);
    else
        diag_error(d, here(&p), D_SIZE, "text", "a dim");
    names_free(&p.consts);
    names_free(&p.states);
    vec_free(&p.const_id);
    if (ok)
        return p.m;
    ir_module_free(p.m);
    return NULL;
}
