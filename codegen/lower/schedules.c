/* codegen/lower/schedules.c - lists of schedules, and their text. */
#include "schedules.h"

#include "lex.h"

void schedules_free(schedules *l)
{
    names_free(&l->problems);
    vec_free(&l->entry);
    arena_reset(&l->mem);
}

/* By the whole problem's text; lists have some hundred lines at most. */
schedules_entry *schedules_find(const schedules *l, const char *problem)
{
    uint32_t at = names_find(&l->problems, problem);

    return at == NAMES_NONE ? NULL : &l->entry.at[at];
}

void schedules_add(schedules *l, const char *problem, const schedule *s, ir_loc at)
{
    if (schedules_find(l, problem))
        return;
    const char *copy = arena_strdup(&l->mem, problem);
    names_add(&l->problems, copy);
    vec_push(&l->entry, (schedules_entry){.problem = copy, .s = *s, .at = at});
}

void schedules_print(const schedules *l, text *out)
{
    for (uint32_t i = 0; i < l->entry.len; i++) {
        text_add(out, "%s ", l->entry.at[i].problem);
        schedule_print(&l->entry.at[i].s, out);
        text_add(out, "\n");
    }
}

/* ---- messages --------------------------------------------------------------------- */

bool schedules_error(const schedules_entry *e, const char *why, diag *d)
{
    return diag_error(d, e->at, D_SCHEDULE, e->problem, why);
}

bool schedules_used(const schedules *l, diag *d)
{
    const schedules_entry *first = NULL;
    uint32_t unused = 0;

    for (uint32_t i = 0; i < l->entry.len; i++) {
        first = first || l->entry.at[i].used ? first : &l->entry.at[i];
        unused += !l->entry.at[i].used;
    }
    if (unused < 2)
        return !first || schedules_error(first, "the model has no such problem", d);
    return diag_error(d, (ir_loc){0}, D_GENERAL,
                      arena_printf(&d->mem, "--schedule: the model has %u of the list's %u "
                                   "problems; the first that it has not is in line %d: %s",
                                   l->entry.len - unused, l->entry.len, first->at.line,
                                   first->problem));
}

/* ---- text --------------------------------------------------------------------------- */

/* Line and column of s, a place in the list's text. */
static ir_loc place_of(const schedules *l, const char *s, uint32_t file)
{
    ir_loc at = {.file = file, .line = 1, .col = 1};

    for (const char *q = l->text; q < s; q++) {
        at.col = *q == '\n' ? 1 : at.col + 1;
        at.line += *q == '\n';
    }
    return at;
}

/* The words before `schedule`, one blank between them; empty where it stands first or
 * never. */
static void take_problem(const char **s, text *problem)
{
    static const char word[] = "schedule{";

    while (lex_peek(s) && strncmp(*s, word, sizeof word - 1)) {
        size_t n = strcspn(*s, " \t\r\n#");
        text_add(problem, "%s%.*s", problem->len ? " " : "", (int)n, *s);
        *s += n;
    }
    if (!**s)
        problem->len = 0;
}

/* PROBLEM SCHEDULE */
static bool parse_entry(schedules *l, const char **s, uint32_t file, diag *d)
{
    ir_loc at = place_of(l, *s, file);
    text problem = {0};
    schedule found;
    const char *want = "a problem and its schedule{..}";

    take_problem(s, &problem);
    bool ok = problem.len && schedule_parse(s, &found, &want);
    if (!ok)
        diag_error(d, problem.len ? place_of(l, *s, file) : at, D_PARSE, "schedules", want);
    else if (schedules_find(l, problem.at))
        ok = diag_error(d, at, D_SCHEDULE, problem.at, "it has one already");
    else
        schedules_add(l, problem.at, &found, at);
    text_free(&problem);
    return ok;
}

bool schedules_parse(schedules *l, const char *text, uint32_t file, diag *d)
{
    bool ok = true;

    l->text = text;
    for (const char *s = text; ok && lex_peek(&s);)
        ok = parse_entry(l, &s, file, d);
    return ok;
}
