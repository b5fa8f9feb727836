/* frontend/dsl/spelling.c - what numbers below a dim stand for: characters, words, categories.
 *
 * Data tell it while a program is trained; a file of weights notes it as a list of strings,
 * `"a", "b"`, for whoever builds the program with these weights. */
#include "check.h"
#include "token.h"

void dsl_read_spelling(dsl *cx, const dsl_note *note)
{
    VEC(const char *) at = {0};
    tokens t = {0};
    diag silent;

    diag_init(&silent);
    token_read(&cx->pool, note->text, 0, &silent, &t);
    bool ok = t.len % 2 == 0 && !diag_failed(&silent);
    for (uint32_t i = 0; ok && i + 1 < t.len; i++) {
        ok = t.at[i].kind == (i % 2 ? TOKEN_COMMA : TOKEN_STRING);
        if (t.at[i].kind == TOKEN_STRING)
            vec_push(&at, arena_strdup(cx->mem, t.at[i].text));
    }
    if (ok)
        vec_push(&cx->names, (dsl_names){ast_name(&cx->pool, note->dim, strlen(note->dim)), at.len,
                                         arena_copy(cx->mem, at.at, at.len * sizeof *at.at)});
    else
        diag_warning(cx->d, (ir_loc){0}, "%s: its note names.%s is no list of texts",
                     cx->o->weights_file, note->dim);
    vec_free(&at);
    vec_free(&t);
    diag_free(&silent);
}

int64_t dsl_spelling(const dsl *cx, const ast_expr *bound, const char *const **names)
{
    for (uint32_t i = 0; bound && bound->kind == AST_NAME && i < cx->names.len; i++)
        if (cx->names.at[i].dim == bound->name) {
            *names = cx->names.at[i].names;
            return cx->names.at[i].count;
        }
    return 0;
}

static void note(dsl *cx, const ir_fn *f, const char *value, const ast_type *t, bool result)
{
    ir_spelling s = {.entry = f->name, .value = value, .result = result};

    s.n = dsl_spelling(cx, t ? t->bound : NULL, &s.names);
    if (s.n)
        vec_push(&cx->m->spelling, s);
}

void dsl_note_spelling(dsl *cx, const dsl_template *t)
{
    const ir_fn *f = ir_module_find(cx->m, t->name);
    const ast_params *p = &t->item->callable.params;
    const ast_results *r = &t->item->callable.results;

    for (uint32_t i = 0; f && i < p->len; i++)
        note(cx, f, arena_strdup(cx->mem, p->at[i].name.text), p->at[i].type, false);
    for (uint32_t i = 0; f && i < r->len && i < f->result.len; i++)
        note(cx, f, f->result_name.at[i], r->at[i].type, true);
}
