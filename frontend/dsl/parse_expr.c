/* frontend/dsl/parse_expr.c - expressions. */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>

ast_expr *ast_new(parser *p, ast_expr_kind kind, ir_loc at)
{
    ast_expr *e = arena_new(&p->pool->mem, ast_expr);

    e->kind = kind;
    e->at = at;
    return e;
}

static ast_expr *binary(parser *p, ast_op op, ir_loc at, ast_expr *left, ast_expr *right)
{
    ast_expr *e = ast_new(p, AST_BINARY, at);

    e->binary.op = op;
    e->binary.left = left;
    e->binary.right = right;
    return right ? e : NULL;
}

static ast_expr *unary(parser *p, ast_op op, ir_loc at, ast_expr *x)
{
    ast_expr *e = ast_new(p, AST_UNARY, at);

    e->unary.op = op;
    e->unary.x = x;
    return x ? e : NULL;
}

/* The row of the next token in a table that a row of TOKEN_EOF ends; null if none. */
typedef struct op_row {
    token_kind kind;
    ast_op op;
} op_row;

static const op_row *next_op(const parser *p, const op_row *row)
{
    while (row->kind != TOKEN_EOF && row->kind != peek(p)->kind)
        row++;
    return p->lost || row->kind == TOKEN_EOF ? NULL : row;
}

/* Is a chain of operators, calls or pipes too long?  Trees of them are deep. */
static bool too_long(parser *p, int *links)
{
    return ++*links > 1000 && !fail_at(p, peek(p)->at, "over 1000 operators in one chain");
}

/* level = part {OP part}; a `-` that begins a line does not go on with it */
static ast_expr *level(parser *p, ast_expr *(*part)(parser *), const op_row *ops)
{
    ast_expr *left = part(p);
    const op_row *row;
    int links = 0;

    while (left && (row = next_op(p, ops)) && !(row->kind == TOKEN_SUB && breaks(p))) {
        ir_loc at = take(p)->at;
        left = too_long(p, &links) ? NULL : binary(p, row->op, at, left, part(p));
    }
    return left;
}

/* ---- primaries */

enum { EXACT_BITS = 53 };           /* below 2^53 a real holds every whole number */

/* Digits alone are an int of the run, exactly. */
static ast_expr *whole_number(parser *p, ast_expr *e, const char *digits, int base)
{
    errno = 0;
    unsigned long long whole = strtoull(digits, NULL, base);
    if (errno || whole > INT64_MAX)
        return fail_at(p, e->at, "%s is beyond the whole numbers, which end at 2^63 - 1%s",
                       e->number.text, base == 16 ? "" : "; a real has a point: .0");
    e->number.is_whole = true;
    e->number.whole = (int64_t)whole;
    e->number.value = (double)whole;
    return e;
}

/* NUMBER: digits with _ between them, a fraction, an exponent, or 0x and
 * hexadecimal digits.  1e3 is whole, too. */
static ast_expr *number(parser *p)
{
    const token *t = take(p);
    ast_expr *e = ast_new(p, AST_NUMBER, t->at);
    char digits[64];
    size_t n = 0;

    for (const char *s = t->text; *s && n < sizeof digits; s++)
        if (*s != '_')
            digits[n++] = *s;
    if (n == sizeof digits)
        return fail_at(p, t->at, "a number has at most %zu digits", sizeof digits - 1);
    digits[n] = 0;
    e->number.text = t->text;
    if (digits[0] == '0' && digits[1] == 'x')
        return whole_number(p, e, digits, 16);
    if (!digits[strspn(digits, "0123456789")])
        return whole_number(p, e, digits, 10);
    e->number.value = strtod(digits, NULL);
    if (e->number.value > 1e308)
        return fail_at(p, t->at, "%s is too large a number", t->text);
    e->number.is_whole = !strchr(digits, '.') &&
                         e->number.value < (double)((int64_t)1 << EXACT_BITS) &&
                         e->number.value == (double)(int64_t)e->number.value;
    e->number.whole = e->number.is_whole ? (int64_t)e->number.value : 0;
    return e;
}

/* "(" expr ")" */
static ast_expr *parenthesis(parser *p)
{
    ir_loc open = take(p)->at;

    p->open++;
    ast_expr *e = parse_expr(p);
    if (e && is(p, TOKEN_COMMA))
        e = fail_at(p, open, "( ) holds one expression: several results stand without brackets, "
                    "a, b; a list stands in [ ]");
    else if (e && !expect_close(p, TOKEN_CLOSE, open))
        e = NULL;
    p->open--;
    if (e)
        e->parens = true;
    return e;
}

/* "[" expr1 {"," expr1} [","] "]" */
static ast_expr *array(parser *p)
{
    ir_loc open = take(p)->at;
    ast_expr *e = ast_new(p, AST_ARRAY, open);

    p->open++;
    do {
        if (is(p, TOKEN_END_LIST) && e->items.len)
            break;
        list_push(p, &e->items, parse_expr1(p));
    } while (accept(p, TOKEN_COMMA));
    bool ok = expect_close(p, TOKEN_END_LIST, open);
    p->open--;
    return ok ? e : NULL;
}

static void *no_loop(parser *p, ir_loc at)
{
    return fail_at(p, at, "loops are scan t in n { }, which the run counts, and repeat i in n { }, "
                   "unrolled; for stands behind: x[i]^2 for i");
}

/* What begins no expression, but may be meant as another language has it. */
static void *no_operand(parser *p)
{
    const token *t = peek(p);
    bool power = t->kind == TOKEN_MUL && p->next && p->tokens.at[p->next - 1].kind == TOKEN_MUL;

    if (power)
        return fail_at(p, p->tokens.at[p->next - 1].at, "no operator **: write ^");
    switch (t->kind) {
    case TOKEN_IF: return fail_at(p, t->at, "here if .. then .. else .. stands in parentheses");
    case TOKEN_DOT: return fail_at(p, t->at, "a number begins with a digit: write 0.5");
    case TOKEN_FLOORDIV: return fail_at(p, t->at, "comments begin with #");
    case TOKEN_FOR:
        return no_loop(p, t->at);
    default: return fail(p, "an expression");
    }
}

/* primary = NUMBER | STRING | "true" | "false" | NAME | "(" expr ")"
 *         | "[" expr1 {"," expr1} [","] "]" */
static ast_expr *primary(parser *p)
{
    const token *t = peek(p);
    ast_expr *e;

    switch (t->kind) {
    case TOKEN_NUMBER: return number(p);
    case TOKEN_OPEN: return parenthesis(p);
    case TOKEN_BEGIN_LIST: return array(p);
    case TOKEN_NAME:
        e = ast_new(p, AST_NAME, t->at);
        e->name = take(p)->text;
        return e;
    case TOKEN_STRING:
        e = ast_new(p, AST_STRING, t->at);
        e->string.text = take(p)->text;
        return e;
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        e = ast_new(p, AST_BOOL, t->at);
        e->truth = take(p)->kind == TOKEN_TRUE;
        return e;
    default: return no_operand(p);
    }
}

/* ---- calls and subscripts */

/* arg = [NAME "="] expr1 */
static bool arg(parser *p, ast_args *out)
{
    ast_arg a = {0};

    if (is(p, TOKEN_NAME) && peek_behind(p)->kind == TOKEN_ASSIGN) {
        const token *t = take(p);
        a.name = (ast_word){t->at, t->text};
        take(p);
    }
    a.value = parse_expr1(p);
    list_push(p, out, a);
    return a.value;
}

/* "(" [arg {"," arg}] ")"; line ends are nothing within brackets. */
bool parse_args(parser *p, ast_args *out)
{
    ir_loc open = peek(p)->at;
    bool ok = expect(p, TOKEN_OPEN);

    p->open++;
    if (ok && !is(p, TOKEN_CLOSE))
        do
            ok = arg(p, out);
        while (ok && accept(p, TOKEN_COMMA));
    ok = ok && expect_close(p, TOKEN_CLOSE, open);
    p->open--;
    return ok;
}

static ast_expr *step_of_slice(parser *p)
{
    return fail_at(p, peek(p)->at, "a slice has no step: write y[i] = x[2 * i] for every other, "
                   "y[i in n] = x[n - 1 - i] backwards");
}

/* ":" [sum] behind `low`, which may be null */
static ast_expr *slice(parser *p, ast_expr *low)
{
    ast_expr *e = ast_new(p, AST_SLICE, low ? low->at : peek(p)->at);

    take(p);
    e->slice.low = low;
    if (is(p, TOKEN_COMMA) || is(p, TOKEN_END_LIST))
        return e;
    if (is(p, TOKEN_COLON))
        return step_of_slice(p);
    e->slice.high = parse_sum(p);
    if (is(p, TOKEN_COLON))
        return step_of_slice(p);
    return e->slice.high ? e : NULL;
}

/* position = ".." | [expr1] ":" [sum] | expr1 */
static ast_expr *position(parser *p)
{
    if (is(p, TOKEN_REST))
        return ast_new(p, AST_REST, take(p)->at);
    if (is(p, TOKEN_COLON))
        return slice(p, NULL);
    ast_expr *e = parse_expr1(p);
    if (is(p, TOKEN_IN))
        return fail_at(p, peek(p)->at,
                       "the extent of an index is given where the index is "
                       "introduced: on the left, by sum[i in n] or for i in n");
    return e && is(p, TOKEN_COLON) ? slice(p, e) : e;
}

/* place = ".." | [sum] ":" [sum] | sum ["in" sum] */
static ast_expr *place(parser *p)
{
    if (is(p, TOKEN_REST) || is(p, TOKEN_COLON))
        return position(p);
    ast_expr *e = parse_sum(p);
    if (e && is(p, TOKEN_COLON))
        return slice(p, e);
    if (!e || !is(p, TOKEN_IN))
        return e;
    ast_expr *in = ast_new(p, AST_IN, e->at);
    take(p);
    in->in.place = e;
    in->in.extent = parse_sum(p);
    return in->in.extent ? in : NULL;
}

/* "[" part {"," part} "]" */
bool parse_brackets(parser *p, ast_expr *(*part)(parser *), ast_exprs *out)
{
    ir_loc open = peek(p)->at;
    bool ok = expect(p, TOKEN_BEGIN_LIST);

    p->open++;
    while (ok) {
        ast_expr *e = part(p);
        list_push(p, out, e);
        ok = e;
        if (!ok || !accept(p, TOKEN_COMMA))
            break;
    }
    ok = ok && expect_close(p, TOKEN_END_LIST, open);
    p->open--;
    return ok;
}

bool parse_places(parser *p, ast_exprs *out) { return parse_brackets(p, place, out); }

static ast_expr *call(parser *p, ast_expr *callee)
{
    ast_expr *e = ast_new(p, AST_CALL, callee->at);

    list_push(p, &p->program->calls, e->at);
    e->call.callee = callee;
    return parse_args(p, &e->call.args) ? e : NULL;
}

static ast_expr *subscript(parser *p, ast_expr *base)
{
    ast_expr *e = ast_new(p, AST_SUBSCRIPT, base->at);

    e->subscript.base = base;
    return parse_brackets(p, position, &e->subscript.positions) ? e : NULL;
}

static ast_expr *member(parser *p, ast_expr *base)
{
    ast_expr *e = ast_new(p, AST_MEMBER, base->at);

    take(p);
    e->member.base = base;
    return parse_part(p, &e->member.part) ? e : NULL;
}

/* postfix = primary {"(" [arg {"," arg}] ")" | "[" position {"," position} "]" | "." part} */
static ast_expr *postfix(parser *p)
{
    ast_expr *e = primary(p);
    int links = 0;

    while (e && !breaks(p))
        if (too_long(p, &links))
            e = NULL;
        else if (is(p, TOKEN_OPEN))
            e = call(p, e);
        else if (is(p, TOKEN_BEGIN_LIST))
            e = subscript(p, e);
        else if (is(p, TOKEN_DOT))
            e = member(p, e);
        else
            break;
    return e;
}

/* ---- operators */

/* index = ".." | NAME ["in" sum] */
static bool parse_index(parser *p, bool rest, ast_indices *out)
{
    ast_index i = {.at = peek(p)->at};

    if (rest && accept(p, TOKEN_REST)) {
        list_push(p, out, i);
        return true;
    }
    i.name = peek(p)->text;
    if (!is(p, TOKEN_NAME))
        return fail(p, "an index");
    take(p);
    if (accept(p, TOKEN_IN) && !(i.extent = parse_sum(p)))
        return false;
    list_push(p, out, i);
    return true;
}

static int reduction_of(const token *t)
{
    for (int i = 0; t->kind == TOKEN_NAME && i < AST_REDUCTION_COUNT; i++)
        if (!strcmp(ast_reduction_text[i], t->text))
            return i;
    return -1;
}

static ast_expr *term(parser *p);

/* reduce "[" index {"," index} "]" term */
static ast_expr *reduction(parser *p, ast_reduction how)
{
    ast_expr *e = ast_new(p, AST_REDUCE, take(p)->at);
    ir_loc open = take(p)->at;
    bool ok;

    e->reduce.how = how;
    p->open++;
    do
        ok = parse_index(p, true, &e->reduce.indices);
    while (ok && accept(p, TOKEN_COMMA));
    ok = ok && expect_close(p, TOKEN_END_LIST, open);
    p->open--;
    e->reduce.body = ok ? term(p) : NULL;
    return e->reduce.body ? e : NULL;
}

/* unary = "-" unary | reduce "[" index {"," index} "]" term | postfix ["^" unary] */
static ast_expr *parse_unary(parser *p)
{
    const token *t = peek(p);
    int how = reduction_of(t);
    ast_expr *e = NULL;

    if (!enter(p)) {
        leave(p);
        return NULL;
    }
    if (accept(p, TOKEN_SUB))
        e = unary(p, AST_NEG, t->at, parse_unary(p));
    else if (how >= 0 && peek_behind(p)->kind == TOKEN_BEGIN_LIST)
        e = reduction(p, (ast_reduction)how);
    else if ((e = postfix(p)) && is(p, TOKEN_POW)) {
        ir_loc at = take(p)->at;
        e = binary(p, AST_POW, at, e, parse_unary(p));
    }
    leave(p);
    return e;
}

/* term = unary {("*" | "/" | "//" | "%") unary} */
static ast_expr *term(parser *p)
{
    static const op_row ops[] = {{TOKEN_MUL, AST_MUL},
                                 {TOKEN_DIV, AST_DIV},
                                 {TOKEN_FLOORDIV, AST_FLOORDIV},
                                 {TOKEN_MOD, AST_MOD},
                                 {TOKEN_EOF, 0}};

    return level(p, parse_unary, ops);
}

/* sum = term {("+" | "-") term} */
ast_expr *parse_sum(parser *p)
{
    static const op_row ops[] = {{TOKEN_ADD, AST_ADD}, {TOKEN_SUB, AST_SUB}, {TOKEN_EOF, 0}};

    return level(p, term, ops);
}

static const op_row comparisons[] = {{TOKEN_EQ, AST_EQ}, {TOKEN_NE, AST_NE}, {TOKEN_LT, AST_LT},
                                     {TOKEN_LE, AST_LE}, {TOKEN_GT, AST_GT}, {TOKEN_GE, AST_GE},
                                     {TOKEN_EOF, 0}};

/* not = "not" not | sum [("==" | "!=" | "<" | "<=" | ">" | ">=") sum] */
static ast_expr *parse_not(parser *p)
{
    const token *t = peek(p);
    const op_row *row;
    ast_expr *e;

    if (accept(p, TOKEN_NOT)) {
        e = enter(p) ? unary(p, AST_NOT, t->at, parse_not(p)) : NULL;
        leave(p);
        return e;
    }
    e = parse_sum(p);
    if (!e || !(row = next_op(p, comparisons)))
        return e;
    ir_loc at = take(p)->at;
    e = binary(p, row->op, at, e, parse_sum(p));
    if (e && next_op(p, comparisons))
        return fail_at(p, peek(p)->at, "comparisons do not chain: write a < b and b < c");
    return e;
}

/* and = not {"and" not} */
static ast_expr *parse_and(parser *p)
{
    static const op_row ops[] = {{TOKEN_AND, AST_AND}, {TOKEN_EOF, 0}};

    return level(p, parse_not, ops);
}

/* or = and {"or" and} */
ast_expr *parse_or(parser *p)
{
    static const op_row ops[] = {{TOKEN_OR, AST_OR}, {TOKEN_EOF, 0}};

    return level(p, parse_and, ops);
}

/* {"|>" or} behind `left` */
static ast_expr *piped(parser *p, ast_expr *left)
{
    int links = 0;

    while (left && is(p, TOKEN_PIPE)) {
        if (too_long(p, &links))
            return NULL;
        ast_expr *e = ast_new(p, AST_PIPE, take(p)->at);
        list_push(p, &p->program->calls, e->at);
        e->binary.left = left;
        e->binary.right = parse_or(p);
        left = e->binary.right ? e : NULL;
    }
    return left;
}

/* pipes = or {"|>" or} */
ast_expr *parse_pipes(parser *p) { return piped(p, parse_or(p)); }

bool expect_after_condition(parser *p, token_kind k)
{
    if (is(p, TOKEN_ASSIGN))
        return fail_at(p, peek(p)->at, "a comparison is written ==");
    return expect(p, k);
}

/* "then" pipe "else" pipe */
ast_expr *parse_select(parser *p, ir_loc at, ast_expr *cond)
{
    ast_expr *e = ast_new(p, AST_SELECT, at);

    e->select.cond = cond;
    if (!cond || !expect_after_condition(p, TOKEN_THEN) || !(e->select.yes = parse_pipe(p)))
        return NULL;
    if (!accept(p, TOKEN_ELSE))
        return fail(p, "else with the other value");
    e->select.no = parse_pipe(p);
    return e->select.no ? e : NULL;
}

/* pipe = "if" or "then" pipe "else" pipe | pipes */
ast_expr *parse_pipe(parser *p)
{
    const token *t = peek(p);
    ast_expr *e = NULL;

    if (!enter(p)) {
        leave(p);
        return NULL;
    }
    if (accept(p, TOKEN_IF))
        e = parse_select(p, t->at, parse_or(p));
    else
        e = parse_pipes(p);
    leave(p);
    return e;
}

/* ["for" NAME ["in" sum] {"," NAME ["in" sum]}] behind the body; one index where
 * commas part a list */
static ast_expr *each(parser *p, ast_expr *body, bool many)
{
    const token *t = peek(p);

    if (!body || !accept(p, TOKEN_FOR))
        return body;
    ast_expr *e = ast_new(p, AST_FOR, body->at);
    e->each.body = body;
    do
        if (!parse_index(p, false, &e->each.indices))
            return NULL;
    while (many && accept(p, TOKEN_COMMA));
    if (t->first && is(p, TOKEN_BEGIN))
        return no_loop(p, t->at);
    return e;
}

/* expr = pipe ["for" NAME ["in" sum] {"," NAME ["in" sum]}] */
ast_expr *parse_expr(parser *p) { return each(p, parse_pipe(p), true); }

/* expr1 = pipe ["for" NAME ["in" sum]] */
ast_expr *parse_expr1(parser *p) { return each(p, parse_pipe(p), false); }
