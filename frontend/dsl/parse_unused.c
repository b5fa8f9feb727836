/* frontend/dsl/parse_unused.c - names of a file that stand nowhere but where they are defined.
 *
 * What a program defines and never names is a mistake, or left over: a config that --set would
 * change without any effect, a layer that the net forgets.  Counted are words, not meanings, so
 * that nothing is called unused which is not.  A file without nets, entries and train blocks is
 * a library, whose names are for others. */
#include "parse.h"

/* How often each name stands in the file. */
typedef struct tally {
    names names;
    VEC(uint32_t) count;
} tally;

static void count(tally *t, const char *name)
{
    uint32_t id = names_add(&t->names, name);

    if (id == t->count.len)
        vec_push(&t->count, 0);
    t->count.at[id]++;
}

/* "block{i}" names i. */
static void count_in_text(parser *p, tally *t, const char *s)
{
    for (const char *open = strchr(s, '{'); open; open = strchr(open + 1, '{')) {
        size_t n = strcspn(open + 1, "{}");
        count(t, ast_name(p->pool, open + 1, n));
    }
}

static void count_all(parser *p, tally *t)
{
    for (uint32_t i = 0; i < p->tokens.len; i++) {
        const token *x = &p->tokens.at[i];
        if (x->kind == TOKEN_NAME)
            count(t, x->text);
        else if (x->kind == TOKEN_STRING)
            count_in_text(p, t, x->text);
    }
}

static bool stands_alone(const tally *t, const char *name)
{
    uint32_t id = name ? names_find(&t->names, name) : NAMES_NONE;

    return id != NAMES_NONE && t->count.at[id] == 1;
}

static void add_word(parser *p, const tally *t, const char *kind, ast_word name)
{
    if (stands_alone(t, name.text))
        list_push(p, &p->program->unused, (ast_unused){name, kind});
}

static void add_words(parser *p, const tally *t, const char *kind, const ast_words *l)
{
    for (uint32_t i = 0; i < l->len; i++)
        add_word(p, t, kind, l->at[i]);
}

static void add_decls(parser *p, const tally *t, const char *kind, const ast_decls *l)
{
    for (uint32_t i = 0; i < l->len; i++)
        add_word(p, t, kind, l->at[i].name);
}

/* A net is an entry as well; beside train blocks it should be in one. */
static void add_item(parser *p, const tally *t, const ast_item *i, bool trained)
{
    switch (i->kind) {
    case AST_ITEM_IMPORT:
        add_word(p, t, "import", i->import.alias);
        add_words(p, t, "import", &i->import.names);
        break;
    case AST_ITEM_CONFIG: add_decls(p, t, "config", &i->decls); break;
    case AST_ITEM_DIM: add_words(p, t, "dim", &i->dims); break;
    case AST_ITEM_STATE: add_decls(p, t, "state", &i->decls); break;
    case AST_ITEM_DATA: add_decls(p, t, "data", &i->decls); break;
    case AST_ITEM_FN: add_word(p, t, "fn", i->name); break;
    case AST_ITEM_LAYER: add_word(p, t, "layer", i->name); break;
    case AST_ITEM_OPTIMIZER: add_word(p, t, "optimizer", i->name); break;
    case AST_ITEM_NET:
    case AST_ITEM_NET_OF:
        if (trained)
            add_word(p, t, "net", i->name);
        break;
    default: break;
    }
}

void find_unused(parser *p)
{
    bool offers = false, trained = false;
    tally t = {0};

    for (uint32_t i = 0; i < p->program->items.len; i++) {
        ast_item_kind kind = p->program->items.at[i]->kind;
        trained |= kind == AST_ITEM_TRAIN;
        offers |= kind == AST_ITEM_NET || kind == AST_ITEM_NET_OF || kind == AST_ITEM_ENTRY;
    }
    if (!offers && !trained)
        return;
    count_all(p, &t);
    for (uint32_t i = 0; i < p->program->items.len; i++)
        add_item(p, &t, p->program->items.at[i], trained);
    names_free(&t.names);
    vec_free(&t.count);
}
