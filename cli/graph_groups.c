/* cli/graph_groups.c - the groups of a function as a picture.
 *
 * A box is a group, or several in a row of which each only feeds the next, where the
 * graph is long.  Its colour says what kind of work it is.  Checks that compare nothing but
 * extents hang on no value; one box stands for all of them. */
#include "const.h"
#include "graph.h"
#include "template_facts.h"

enum { LONG = 150, NAMED = 3 };

typedef VEC(uint32_t) numbers;

/* What is known of a group while it is drawn, or of a result behind them. */
typedef struct box {
    numbers from;                   /* groups whose values it reads */
    numbers input;                  /* nodes of inputs and states that it reads */
    uint32_t readers;               /* groups and results that read its values, */
    uint32_t checkers;              /* and such that only check them */
    bool hidden;                    /* a check of extents, or what only these read */
    uint32_t into;                  /* the box that it is drawn in: its own number, or that
                                     * of the first of a row */
    int64_t weights;                /* bytes of constants that it reads */
} box;

/* A function's groups being drawn, and who reads what of them. */
typedef struct picture_of {
    const ir_module *m;
    const ir_groups *g;
    uint32_t *owner;                /* by node: the group that computes it; NAMES_NONE */
    uint32_t *seen;                 /* by node: 1 + the last box that looked at it */
    box *box;                       /* by group; then by result */
    text *out;
} picture_of;

/* ---- who reads what ------------------------------------------------------------------- */

/* Does its value come from outside of the function? */
static bool is_outside(const ir_node *n)
{
    return n->op == OP_INPUT || n->op == OP_STATE;
}

static bool is_drawn(const picture_of *p, uint32_t group)
{
    const ir_node *n = &p->g->fn->node.at[p->g->group.at[group].root];

    return n->op != OP_CONST && n->op != OP_DIMVAL && !is_outside(n);
}

/* An arrow for each pair, however many values go along it.  Is it a new one? */
static bool add_once(numbers *list, uint32_t from)
{
    for (uint32_t i = 0; i < list->len; i++)
        if (list->at[i] == from)
            return false;
    vec_push(list, from);
    return true;
}

static void follow(picture_of *p, uint32_t node, uint32_t box);

/* Box `to` reads what node `from` makes. */
static void add_reader(picture_of *p, uint32_t from, uint32_t to)
{
    const ir_node *n = &p->g->fn->node.at[from];
    uint32_t owner = p->owner[from];

    if (n->op == OP_CONST)
        p->box[to].weights += max_i64(0, const_bytes_of(p->m, n->attr->CONST.id));
    else if (is_outside(n))
        add_once(&p->box[to].input, from);
    else if (owner == NAMES_NONE)
        follow(p, from, to);
    else if (owner != to && is_drawn(p, owner))
        p->box[owner].readers += add_once(&p->box[to].from, owner);
}

/* Follows the operands of a node to the groups that make them; what is inlined belongs
 * to none, so that its operands are followed too. */
static void follow(picture_of *p, uint32_t node, uint32_t box)
{
    const ir_fn *f = p->g->fn;
    const ir_node *n = &f->node.at[node];

    if (p->seen[node] == box + 1)
        return;
    p->seen[node] = box + 1;
    for (uint32_t j = 0; j < n->narg; j++)
        add_reader(p, f->value.at[ir_arg(f, n, j)].node, box);
}

/* The nodes that a group is known by: its own, and behind these the ones whose values it
 * stores, at the end of an epilogue. */
static uint32_t node_of(const picture_of *p, const ir_group *g, uint32_t k)
{
    return k < g->nnode ? g->node[k] : p->g->fn->value.at[g->out[k - g->nnode]].node;
}

static uint32_t node_count(const ir_group *g)
{
    return g->nnode + g->nout;
}

/* First who makes what, then who reads it. */
static void find_readers(picture_of *p)
{
    const ir_fn *f = p->g->fn;

    for (uint32_t i = 0; i < p->g->group.len; i++)
        for (uint32_t k = 0; k < node_count(&p->g->group.at[i]); k++)
            p->owner[node_of(p, &p->g->group.at[i], k)] = i;
    for (uint32_t i = 0; i < p->g->group.len; i++)
        for (uint32_t k = 0; k < node_count(&p->g->group.at[i]); k++)
            follow(p, node_of(p, &p->g->group.at[i], k), i);
    for (uint32_t i = 0; i < f->result.len; i++)
        add_reader(p, f->value.at[f->result.at[i]].node, p->g->group.len + i);
}

static bool is_check(const picture_of *p, uint32_t group)
{
    return p->g->fn->node.at[p->g->group.at[group].root].op == OP_CHECK;
}

/* Backwards: what do only checks read?  Then forwards: which of these begin with extents?  And
 * backwards: what a box that is drawn reads is drawn. */
static void hide_checks(picture_of *p)
{
    for (uint32_t i = p->g->group.len; i-- > 0;) {
        box *b = &p->box[i];
        b->hidden = is_check(p, i) || (b->readers && b->readers == b->checkers);
        for (uint32_t k = 0; b->hidden && k < b->from.len; k++)
            p->box[b->from.at[k]].checkers++;
    }
    for (uint32_t i = 0; i < p->g->group.len; i++) {
        box *b = &p->box[i];
        b->hidden = b->hidden && !b->input.len;
        for (uint32_t k = 0; k < b->from.len; k++)
            b->hidden = b->hidden && p->box[b->from.at[k]].hidden;
    }
    for (uint32_t i = p->g->group.len; i-- > 0;)
        for (uint32_t k = 0; !p->box[i].hidden && k < p->box[i].from.len; k++)
            p->box[p->box[i].from.at[k]].hidden = false;
}

/* Puts a group into the box of the only one that it reads, if no other reads that. */
static void fold_rows(picture_of *p)
{
    bool fold = p->g->group.len > LONG;

    for (uint32_t i = 0; i < p->g->group.len; i++) {
        const box *b = &p->box[i];
        bool row = fold && !b->hidden && b->from.len == 1 && !b->input.len &&
                   p->box[b->from.at[0]].readers == 1;
        p->box[i].into = row ? p->box[b->from.at[0]].into : i;
    }
}

/* ---- drawing ---------------------------------------------------------------------------- */

/* By the kind of the template, a letter of its row in ir/templates.def. */
static const char *colour_of(const ir_group *g)
{
    switch (ir_template_get(g->template)->kind) {
    case 'C': return "#fde2c8";     /* contractions */
    case 'R': return "#d9ecd3";     /* reductions */
    case 'M': return "#dbe9f6";     /* maps */
    case 'S': return "#e8dcf0";     /* one after the other */
    default: return "#e9e9e9";
    }
}

static bool same_place(ir_loc a, ir_loc b)
{
    return a.file == b.file && a.line == b.line && a.col == b.col;
}

/* The names of the nodes of the file that a group came from, the first few. */
static void add_names(const picture_of *p, const ir_group *g)
{
    ir_loc last = {0};
    uint32_t shown = 0, more = 0;

    for (uint32_t k = 0; k < node_count(g); k++) {
        ir_loc loc = p->g->fn->node.at[node_of(p, g, k)].loc;
        text name = {0};
        graph_add_name(p->m->diag, loc, &name);
        if (name.len && !same_place(loc, last) && shown < NAMED)
            text_add(p->out, "%s%s", shown++ ? ", " : "\\n", name.at);
        else
            more += name.len && !same_place(loc, last);
        last = loc;
        text_free(&name);
    }
    if (more)
        text_add(p->out, " and %u more", more);
}

/* Types of what the group stores. */
static void add_results(const picture_of *p, const ir_group *g)
{
    for (uint32_t k = 0; k < g->nout; k++) {
        text_add(p->out, k ? ", " : "\\n");
        graph_add_type(p->m, ir_type_of(p->g->fn, g->out[k]), p->out);
    }
}

/* "12: conv", names of the file, types, and the size of its weights if it has some. */
static void add_group(const picture_of *p, uint32_t i)
{
    const ir_group *g = &p->g->group.at[i];
    const ir_node *n = &p->g->fn->node.at[g->root];

    text_add(p->out, "%u: %s", i, ir_op_get(n->op)->text);
    add_names(p, g);
    add_results(p, g);
    if (p->box[i].weights >= 64) {
        text_add(p->out, "\\nweights ");
        graph_add_size(p->box[i].weights, p->out);
    }
}

/* What a row of groups is: how many, the first and the last. */
static void add_row(const picture_of *p, uint32_t first, uint32_t last, uint32_t n)
{
    text_add(p->out, "%u groups in a row\\n", n);
    add_group(p, first);
    text_add(p->out, "\\n..\\n");
    add_group(p, last);
}

/* A row of groups in one box has the look of a pile. */
static void draw_box(const picture_of *p, uint32_t i)
{
    uint32_t last = i, n = 0;

    for (uint32_t k = i; k < p->g->group.len; k++)
        if (p->box[k].into == i)
            last = k, n++;
    text_add(p->out, "  g%u [label=\"", i);
    if (n > 1)
        add_row(p, i, last, n);
    else
        add_group(p, i);
    text_add(p->out, "\" style=filled fillcolor=\"%s\"%s];\n", colour_of(&p->g->group.at[i]),
             n > 1 ? " shape=box3d" : "");
}

/* Inputs and states, by the numbers of their nodes. */
static void draw_outside(const picture_of *p)
{
    const ir_fn *f = p->g->fn;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        if (!is_outside(n))
            continue;
        text_add(p->out, "  i%u [label=\"", i);
        graph_add_text(n->op == OP_INPUT ? f->param_name.at[n->attr->INPUT.index]
                                         : p->m->state.at[n->attr->STATE.id].name, p->out);
        text_add(p->out, "\\n");
        graph_add_type(p->m, ir_type_of(f, n->first), p->out);
        text_add(p->out, "\" shape=ellipse style=filled fillcolor=lightblue];\n");
    }
}

/* Arrows from all that box `i` reads to `kind` and `to`, its name; groups that were drawn as
 * one box have none among themselves. */
static void draw_arrows(const picture_of *p, uint32_t i, char kind, uint32_t to)
{
    for (uint32_t k = 0; k < p->box[i].from.len; k++) {
        uint32_t from = p->box[p->box[i].from.at[k]].into;
        if (kind != 'g' || from != to)
            text_add(p->out, "  g%u -> %c%u;\n", from, kind, to);
    }
    for (uint32_t k = 0; k < p->box[i].input.len; k++)
        text_add(p->out, "  i%u -> %c%u;\n", p->box[i].input.at[k], kind, to);
}

static void draw_results(const picture_of *p)
{
    const ir_fn *f = p->g->fn;

    for (uint32_t i = 0; i < f->result.len; i++) {
        text_add(p->out, "  r%u [label=\"", i);
        graph_add_text(f->result_name.at[i], p->out);
        text_add(p->out, "\\n");
        graph_add_type(p->m, ir_type_of(f, f->result.at[i]), p->out);
        text_add(p->out, "\" shape=ellipse];\n");
        draw_arrows(p, p->g->group.len + i, 'r', i);
    }
}

static void draw_checks(const picture_of *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->g->group.len; i++)
        n += p->box[i].hidden && is_check(p, i);
    if (n)
        text_add(p->out, "  checks [label=\"%u check%s of extents\" style=\"filled,dashed\" "
                 "fillcolor=\"#e9e9e9\"];\n", n, n > 1 ? "s" : "");
}

/* Boxes before arrows: Graphviz places what it meets first. */
static void draw(picture_of *p)
{
    text_add(p->out, "digraph groups {\n"
                     "  node [shape=box fontname=Helvetica fontsize=10];\n");
    draw_outside(p);
    for (uint32_t i = 0; i < p->g->group.len; i++)
        if (is_drawn(p, i) && !p->box[i].hidden && p->box[i].into == i)
            draw_box(p, i);
    for (uint32_t i = 0; i < p->g->group.len; i++)
        if (is_drawn(p, i) && !p->box[i].hidden)
            draw_arrows(p, i, 'g', p->box[i].into);
    draw_results(p);
    draw_checks(p);
    text_add(p->out, "}\n");
}

void graph_print_groups(const ir_module *m, const ir_groups *groups, text *out)
{
    size_t nodes = groups->fn->node.len, boxes = groups->group.len + groups->fn->result.len;
    picture_of p = {.m = m, .g = groups, .out = out,
                    .owner = mem_alloc((nodes + 1) * sizeof *p.owner),
                    .seen = mem_alloc((nodes + 1) * sizeof *p.seen),
                    .box = mem_alloc((boxes + 1) * sizeof *p.box)};

    for (size_t i = 0; i < nodes; i++)
        p.owner[i] = NAMES_NONE;
    find_readers(&p);
    hide_checks(&p);
    fold_rows(&p);
    draw(&p);
    for (size_t i = 0; i < boxes; i++)
        vec_free(&p.box[i].from), vec_free(&p.box[i].input);
    mem_free(p.box);
    mem_free(p.seen);
    mem_free(p.owner);
}
