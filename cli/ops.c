/* cli/ops.c - `ingot ops`: the operators of the standard, and which versions of them
 * are supported. */
#include "command.h"
#include "nearest.h"
#include "onnx.h"

/* An operator; its versions run from `since` to the newest. */
typedef struct listed {
    const char *domain, *op;
    int since;                      /* its first version in the standard; 0: not in it */
    int covered;                    /* the first that is supported; 0: none */
} listed;

/* Joined from two tables: signatures of the standard and rows of what is supported. */
typedef struct operators {
    VEC(listed) at;
    names place;                    /* of an operator in the list, by "domain.op" */
    arena mem;
} operators;

/* The operator's place in the list, where it is put unless it is there. */
static listed *entry(operators *o, const char *domain, const char *op)
{
    uint32_t i = names_add(&o->place, arena_printf(&o->mem, "%s%s%s", domain, *domain ? "." : "",
                                                   op));

    if (i == o->at.len)
        vec_push(&o->at, (listed){.domain = domain, .op = op});
    return &o->at.at[i];
}

static void see_standard(void *cx, const char *domain, const char *op, int since)
{
    listed *l = entry(cx, domain, op);

    l->since = l->since ? l->since : since;
}

static void see_supported(void *cx, const char *domain, const char *op, int since)
{
    listed *l = entry(cx, domain, op);

    l->covered = l->covered ? l->covered : since;
}

static bool is_whole(const listed *l)
{
    return l->covered && (!l->since || l->covered <= l->since);
}

/* "Acos  7 to 27".  A version covers those that follow, up to the next that changed
 * the meaning. */
static void print_line(const operators *o, uint32_t i)
{
    const listed *l = &o->at.at[i];
    int64_t newest = onnx_newest_version(l->domain);
    char last[24] = "the newest";

    if (newest < INT64_MAX)
        snprintf(last, sizeof last, "%d", (int)newest);
    printf("%-36s ", o->place.text.at[i]);
    if (!l->covered)
        printf("missing, %d to %s\n", l->since, last);
    else if (is_whole(l))
        printf("%d to %s\n", l->covered, last);
    else
        printf("%d to %s, missing %d to %d\n", l->covered, last, l->since, l->covered - 1);
}

/* How much of the default domain there is. */
static void print_sum(const operators *o)
{
    int all = 0, covered = 0, whole = 0;

    for (uint32_t i = 0; i < o->at.len; i++) {
        const listed *l = &o->at.at[i];
        bool counts = !*l->domain && l->since;
        all += counts;
        covered += counts && l->covered;
        whole += counts && is_whole(l);
    }
    printf("%d of the %d operators of the default domain, %d of them in all versions\n", covered,
           all, whole);
}

/* What is asked for. */
typedef struct question {
    const char *op;                 /* null: all */
    bool missing;
} question;

/* One operator, supported or not; the exit code. */
static int print_one(const operators *o, const char *op)
{
    nearest near = nearest_to(op);

    for (uint32_t i = 0; i < o->at.len; i++) {
        if (!strcmp(o->place.text.at[i], op)) {
            print_line(o, i);
            return CLI_OK;
        }
        nearest_try(&near, o->place.text.at[i]);
    }
    cli_wrong(near.best ? "there is no operator '%s'; did you mean '%s'?"
                        : "there is no operator '%s'", op, near.best);
    return CLI_USAGE;
}

/* By domain and name, as both tables are in order. */
static void print_all(const operators *o, bool missing)
{
    for (uint32_t i = 0; i < o->at.len; i++)
        if (missing ? !is_whole(&o->at.at[i]) : o->at.at[i].covered > 0)
            print_line(o, i);
    print_sum(o);
}

int command_ops(int argc, char **argv)
{
    const cli_option rows[] = {
        {"OP", NULL, "only this one, supported or not", .set = cli_set_once,
         .at = offsetof(question, op)},
        {"--missing", NULL, "those of the standard that are not supported, or not in all versions",
         .set = cli_set_flag, .at = offsetof(question, missing)},
        {0}};
    question q = {0};
    operators o = {0};

    int status = cli_parse(argc, argv, "ingot ops [--missing] [OP]",
                           "Lists the ONNX operators that are supported, and since which version\n"
                           "of the operator set; what a version covers holds to the newest.",
                           rows, &q);
    if (status)
        return status;
    onnx_each_signature(see_standard, &o);
    onnx_each_operator(see_supported, &o);
    if (q.op)
        status = print_one(&o, q.op);
    else
        print_all(&o, q.missing);
    names_free(&o.place);
    vec_free(&o.at);
    arena_reset(&o.mem);
    return status;
}
