/* codegen/loop/print.c - the text of a kernel, which parse.c reads back.
 *
 * Infix operators are index arithmetic (i64), in which `/` and `%` round down.  All
 * other functions are calls.  A literal that is no i64 carries its type: 1.5:f32,
 * -3:i8; a NaN is printed by its bits, 0x7fc00000:f32. */
#include "loop.h"

#include <math.h>
#include <stdlib.h>

#include "num.h"

static void print_list(const lp_kernel *k, const lp_expr *e, int n, text *out)
{
    for (int i = 0; i < n; i++) {
        if (i)
            text_add(out, ", ");
        lp_print_expr(k, e[i], out);
    }
}

/* Prints a float in the fewest digits that give its bits back. */
static void print_float(ir_dtype d, uint64_t bits, text *out)
{
    double v = num_load_flt(d, &bits);
    char s[40];

    if (isnan(v)) {
        text_add(out, "0x%llx:%s", (unsigned long long)bits, dt_text(d));
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        uint64_t again = 0;
        snprintf(s, sizeof s, "%.*g", digits, v);
        num_store_flt(d, &again, strtod(s, NULL));
        if (again == bits)
            break;
    }
    text_add(out, "%s:%s", s, dt_text(d));
}

static void print_literal(const lp_node *n, text *out)
{
    ir_dtype d = (ir_dtype)n->dtype;

    if (d == DT_I64)
        text_add(out, "%lld", (long long)n->bits);
    else if (d == DT_BOOL)
        text_add(out, n->bits ? "true" : "false");
    else if (d == DT_F32 || d == DT_F64 || d == DT_F16 || d == DT_BF16)
        print_float(d, n->bits, out);
    else if (d == DT_U64)
        text_add(out, "%llu:u64", (unsigned long long)n->bits);
    else if (dt_is_int(d))
        text_add(out, "%lld:%s", (long long)n->bits, dt_text(d));
    else
        text_add(out, "0x%llx:%s", (unsigned long long)n->bits, dt_text(d));
}

/* The precedence of an index node's infix operator, which *op gets; 0 for other nodes.
 * A difference of a literal is printed as a call, for `a - 5` reads as a sum. */
static int infix(const lp_kernel *k, const lp_node *n, char *op)
{
    int64_t c;

    if (n->kind == LX_FLOORDIV)
        return *op = '/', 2;
    if (n->kind != LX_SCALAR || n->dtype != DT_I64)
        return 0;
    switch (n->op) {
    case SC_ADD: return *op = '+', 1;
    case SC_SUB: return lp_is_int(k, k->arg.at[n->arg + 1], &c) ? 0 : (*op = '-', 1);
    case SC_MUL: return *op = '*', 2;
    case SC_MOD: return *op = '%', 2;
    default: return 0;
    }
}

static void print_prec(const lp_kernel *k, lp_expr e, int prec, text *out);

/* Brackets only where the reader would group otherwise; x + -5 is printed as x - 5. */
static void print_infix(const lp_kernel *k, const lp_node *n, char op, int mine, int prec,
                        text *out)
{
    lp_expr a = k->arg.at[n->arg], b = k->arg.at[n->arg + 1];
    int64_t c;

    if (mine < prec)
        text_add(out, "(");
    print_prec(k, a, mine, out);
    if (op == '+' && lp_is_int(k, b, &c) && c < 0 && c != INT64_MIN) {
        text_add(out, " - %lld", (long long)-c);
    } else {
        text_add(out, " %c ", op);
        print_prec(k, b, mine + 1, out);
    }
    if (mine < prec)
        text_add(out, ")");
}

/* x[i, j], or x[i, j if COND]. */
static void print_load(const lp_kernel *k, const lp_node *n, text *out)
{
    const lp_expr *args = k->arg.at + n->arg;
    int rank = k->buf.at[n->ref].rank;

    text_add(out, "%s[", k->buf.at[n->ref].name);
    print_list(k, args, rank, out);
    if (n->guarded) {
        text_add(out, rank ? " if " : "if ");
        lp_print_expr(k, args[rank], out);
    }
    text_add(out, "]");
}

/* FUNCTION(a, b), or DTYPE(a) for a cast. */
static void print_call(const lp_kernel *k, const lp_node *n, text *out)
{
    const char *name = n->kind == LX_DOT4   ? "dot4"
                       : n->kind == LX_DOT2 ? "dot2"
                                            : sc_text(n->op);

    if (n->kind == LX_SCALAR && n->op == SC_CAST)
        text_add(out, "%s(", dt_text(n->dtype));
    else if (n->kind == LX_SCALAR && n->op == SC_BITCAST)
        text_add(out, "bitcast(%s, ", dt_text(n->dtype));
    else
        text_add(out, "%s(", name);
    print_list(k, k->arg.at + n->arg, (int)n->narg, out);
    text_add(out, ")");
}

static void print_prec(const lp_kernel *k, lp_expr e, int prec, text *out)
{
    const lp_node *n = lp_at(k, e);
    char op = 0;
    int mine = infix(k, n, &op);

    if (mine)
        print_infix(k, n, op, mine, prec, out);
    else if (n->kind == LX_LITERAL)
        print_literal(n, out);
    else if (n->kind == LX_VAR)
        text_add(out, "%s", k->var.at[n->ref].name);
    else if (n->kind == LX_LOAD)
        print_load(k, n, out);
    else
        print_call(k, n, out);
}

void lp_print_expr(const lp_kernel *k, lp_expr e, text *out)
{
    print_prec(k, e, 0, out);
}

static void print_buffer(const lp_kernel *k, lp_buf b, text *out)
{
    const lp_buffer *buf = &k->buf.at[b];

    text_add(out, "%s: %s[", buf->name, dt_text(buf->dtype));
    print_list(k, buf->dims, buf->rank, out);
    text_add(out, "] %s", lp_space_text[buf->space]);
    if (buf->alias)
        text_add(out, " alias %s", k->buf.at[buf->alias].name);
}

static void print_access(const lp_kernel *k, lp_buf b, const lp_expr *idx, text *out)
{
    text_add(out, "%s[", k->buf.at[b].name);
    print_list(k, idx, k->buf.at[b].rank, out);
    text_add(out, "]");
}

/* vec masked v in 0..n step 8 { */
static void print_loop_head(const lp_kernel *k, const lp_stmt *s, text *out)
{
    text_add(out, "%s ", lp_loop_text[s->kind]);
    if (s->kind == LP_VEC)
        text_add(out, "%s ", lp_tail_text[s->tail]);
    for (uint32_t i = 0; i < s->nvar; i++)
        text_add(out, "%s%s", i ? ", " : "", k->var.at[s->var[i]].name);
    for (uint32_t i = 0; i < s->nvar; i++) {
        text_add(out, i ? ", " : " in ");
        lp_print_expr(k, s->lo[i], out);
        text_add(out, "..");
        lp_print_expr(k, s->hi[i], out);
        if (s->step[i] != 1 || s->kind == LP_VEC)
            text_add(out, " step %lld", (long long)s->step[i]);
    }
    text_add(out, " {\n");
}

static void print_block(const lp_kernel *k, const lp_stmt *s, int depth, text *out);

static void print_store(const lp_kernel *k, const lp_stmt *s, text *out)
{
    static const char *const assign[SC_COUNT] = {
        [SC_NONE] = "=", [SC_ADD] = "+=", [SC_MUL] = "*=", [SC_MIN] = "min=", [SC_MAX] = "max=",
        [SC_AND] = "and=", [SC_OR] = "or=",
    };

    if (s->stream)
        text_add(out, "stream ");
    print_access(k, s->buf, s->idx, out);
    text_add(out, " %s ", assign[s->accum]);
    lp_print_expr(k, s->value, out);
    text_add(out, "\n");
}

static void print_simple(const lp_kernel *k, const lp_stmt *s, text *out)
{
    switch (s->op) {
    case LP_LOCAL:
        text_add(out, "local ");
        print_buffer(k, s->buf, out);
        if (s->value) {
            text_add(out, " = ");
            lp_print_expr(k, s->value, out);
        }
        break;
    case LP_LET:
        text_add(out, "%s = ", k->var.at[s->var[0]].name);
        lp_print_expr(k, s->value, out);
        break;
    case LP_FOLD:
        text_add(out, "%s = fold %s %s", k->var.at[s->var[0]].name, sc_text(s->accum),
                 k->buf.at[s->from].name);
        break;
    case LP_TRANSPOSE:
        text_add(out, "transpose ");
        print_access(k, s->buf, s->idx, out);
        text_add(out, " ");
        print_access(k, s->from, s->from_idx, out);
        text_add(out, " %d", s->size);
        break;
    default:
        text_add(out, s->far ? "prefetch far " : "prefetch ");
        print_access(k, s->buf, s->idx, out);
    }
    text_add(out, "\n");
}

static void print_stmt(const lp_kernel *k, const lp_stmt *s, int depth, text *out)
{
    text_add(out, "%*s", depth * 2, "");
    switch (s->op) {
    case LP_LOOP:
        print_loop_head(k, s, out);
        print_block(k, s->body, depth + 1, out);
        text_add(out, "%*s}\n", depth * 2, "");
        break;
    case LP_IF:
        text_add(out, "if ");
        lp_print_expr(k, s->value, out);
        text_add(out, " {\n");
        print_block(k, s->body, depth + 1, out);
        if (s->other) {
            text_add(out, "%*s} else {\n", depth * 2, "");
            print_block(k, s->other, depth + 1, out);
        }
        text_add(out, "%*s}\n", depth * 2, "");
        break;
    case LP_STORE: print_store(k, s, out); break;
    default: print_simple(k, s, out);
    }
}

static void print_block(const lp_kernel *k, const lp_stmt *s, int depth, text *out)
{
    for (; s; s = s->next)
        print_stmt(k, s, depth, out);
}

/* Bounds that are the usual ones are left out: n in 1..64 % 4 says that n is 1 to
 * 64 and a multiple of 4. */
static void print_dims(const lp_kernel *k, text *out)
{
    for (uint32_t i = 0; i < k->dim.len; i++) {
        const lp_variable *v = &k->var.at[k->dim.at[i]];

        text_add(out, "%s%s", i ? ", " : " dims ", v->name);
        if (v->lo == 0 && v->hi == INT64_MAX && v->divisor == 1)
            continue;
        text_add(out, " in %lld..", (long long)v->lo);
        if (v->hi != INT64_MAX)
            text_add(out, "%lld", (long long)v->hi);
        if (v->divisor != 1)
            text_add(out, " %% %lld", (long long)v->divisor);
    }
}

/* The schedule stands in the head, so that a printed kernel says why its loops are
 * as they are. */
static void print_kernel(const lp_kernel *k, const char *name, text *out)
{
    text_add(out, "kernel %s", name);
    if (!schedule_is_none(&k->schedule)) {
        text_add(out, " ");
        schedule_print(&k->schedule, out);
    }
    text_add(out, "(");
    for (uint32_t i = 0; i < k->param.len; i++) {
        text_add(out, i ? ", " : "");
        print_buffer(k, k->param.at[i], out);
    }
    text_add(out, ")");
    print_dims(k, out);
    text_add(out, " {\n");
    print_block(k, k->body, 1, out);
    text_add(out, "}\n");
}

void lp_print(const lp_kernel *k, text *out)
{
    print_kernel(k, k->name, out);
}

void lp_print_anonymous(const lp_kernel *k, text *out)
{
    print_kernel(k, "_", out);
}

static uint32_t number_block(lp_stmt *s, uint32_t line);

/* A statement takes a line, and one that holds others a line more, its last brace, and one
 * for an else. */
static uint32_t number_stmt(lp_stmt *s, uint32_t line)
{
    s->loc.line = line++;
    if (s->op != LP_LOOP && s->op != LP_IF)
        return line;
    line = number_block(s->body, line);
    if (s->op == LP_IF && s->other)
        line = number_block(s->other, line + 1);
    return line + 1;
}

static uint32_t number_block(lp_stmt *s, uint32_t line)
{
    for (; s; s = s->next)
        line = number_stmt(s, line);
    return line;
}

uint32_t lp_number_lines(lp_kernel *k, uint32_t line)
{
    return number_block(k->body, line + 1) + 1;
}
