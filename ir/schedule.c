/* ir/schedule.c - choice of schedules, by one table of tiles and one cost.
 *
 * A `problem` says what a product, convolution, map or reduction is like (rows, columns,
 * sums, where the second operand lies), a `schedule` how its loops are cut.
 * schedule_choose chooses, by times that cost.h estimates; schedule_fault says
 * what an edited schedule breaks; passes ask single numbers of it before any kernel
 * exists, so that they decide as the template will. */
#include "schedule.h"

#include <limits.h>

#include "cost.h"

/* ---- tiles ---------------------------------------------------------------------- */

enum {
    MIN_CHAINS = 8,             /* sums that are added to in turn keep the units busy */
    MIN_BLOCKS = 4,             /* blocks of rows that share a panel */
};

/* A tile's sums, one row of the panel's vectors and one element of the first
 * operand fit the registers.  Of equal cost the first is taken.  Wide tiles with few
 * rows come before narrow ones: rows that lie a power of two apart fall into few sets
 * of the cache. */
typedef struct tile_shape {
    int registers, vectors, rows;
    bool near;                  /* only for rows that are neighbours: others would need
                                   more registers for addresses than there are */
    bool whole;                 /* only for columns that fill its panels */
} tile_shape;

static const tile_shape shapes[] = {
    {32, 2, 14, true, false},  {32, 4, 6, false, false}, {32, 3, 8, false, false},
    {32, 2, 12, false, false}, {32, 5, 5, false, true},  {32, 1, 14, false, false},
    {16, 4, 1, false, false},  {16, 2, 6, false, false}, {16, 3, 4, true, false},
    {16, 1, 10, false, false}, {8, 1, 5, false, false},
};

/* The most registers that shapes are for and that there are; else the fewest of any. */
static int shapes_for(int registers)
{
    int most = 0, least = INT_MAX;

    for (size_t i = 0; i < COUNT(shapes); i++) {
        least = shapes[i].registers < least ? shapes[i].registers : least;
        if (shapes[i].registers <= registers && shapes[i].registers > most)
            most = shapes[i].registers;
    }
    return most ? most : least;
}

/* Time of one k over all tiles of `rows` rows and `vectors` of columns.  Loads from rows
 * that lie apart may miss. */
static int64_t tile_cost(const tile_shape *s, int64_t rows, int64_t vectors, bool near)
{
    int64_t tiles = (rows + s->rows - 1) / s->rows;
    int64_t panels = (vectors + s->vectors - 1) / s->vectors;
    int64_t loads = rows + tiles * s->vectors;
    cost all = {0}, panel = {.ops = rows * s->vectors, .moves = loads, .far = near ? 0 : loads};

    cost_add(&all, &panel, panels);
    return cost_time(&all);
}

static const tile_shape *cheapest(int registers, int64_t rows, int64_t vectors, bool near)
{
    const tile_shape *best = NULL;
    int wanted = shapes_for(registers);

    for (const tile_shape *s = shapes; s < shapes + COUNT(shapes); s++)
        if (s->registers == wanted && (near || !s->near) &&
            (!s->whole || vectors % s->vectors == 0) &&
            (!best || tile_cost(s, rows, vectors, near) < tile_cost(best, rows, vectors, near)))
            best = s;
    return best;
}

int schedule_parts(const target *t, ir_dtype sums, const schedule *s, int rows)
{
    int registers = t->vector_regs / target_regs(t, sums, s->lanes) - s->vectors - 1;
    int chains = rows * s->vectors, parts = 1;

    while (parts * chains < MIN_CHAINS && 2 * parts * chains <= registers)
        parts *= 2;
    return parts;
}

/* n > 0 in parts of at most `most`, all about as large. */
static int64_t evenly(int64_t n, int64_t most)
{
    int64_t parts = (n - 1) / most + 1;

    return (n - 1) / parts + 1;
}

/* ---- products --------------------------------------------------------------------- */

/* An extent for the cost: what only the run knows is taken as `unknown`; huge ones
 * are cut, so that costs cannot overflow. */
static int64_t counted(int64_t extent, int64_t unknown)
{
    enum { MOST = 1 << 20 };

    return extent < 0 ? unknown : min_i64(max_i64(extent, 1), MOST);
}

/* Half registers where they are as fast and leave enough fewer lanes idle: 36 columns
 * take three vectors of 16 lanes, or five of 8. */
static int choose_lanes(const target *t, const problem *p)
{
    int whole = target_lanes(t, p->sums), half = whole / 2;
    bool fits = t->half_as_fast && dt_is_float(p->sums) &&
                whole * dt_size(p->sums) == t->vector_bytes;
    int64_t columns = counted(p->columns, 0);
    int64_t computed = (columns + whole - 1) / whole * whole;
    int64_t fewer = (columns + half - 1) / half * half;

    return fits && fewer * 16 / 15 < computed ? half : whole;
}

static void choose_tile(const target *t, const problem *p, schedule *s)
{
    enum { MANY = 256 };
    int64_t rows = counted(p->rows, MANY), columns = counted(p->columns, MANY * s->lanes);
    int64_t vectors = (columns + s->lanes - 1) / s->lanes;
    int registers = t->vector_regs / target_regs(t, p->sums, s->lanes);
    const tile_shape *best = cheapest(registers, rows, vectors, p->near);

    s->vectors = best->vectors;
    s->rows = (int32_t)(p->rows < 0 ? best->rows : evenly(rows, best->rows));
    s->parts = p->whole ? 1 : schedule_parts(t, p->sums, s, s->rows);
}

/* Blocks of rows of a group, where threads had better share rows than panels: each panel needs
 * all rows, which are more than the panels' columns.  0: they had not. */
static int64_t choose_share(const problem *p, int64_t blocks, int panel)
{
    enum { SHARES = 4 };
    bool more = p->columns > panel && p->rows > p->columns && blocks >= SHARES * MIN_BLOCKS;

    return more ? evenly(blocks, (blocks - 1) / SHARES + 1) : 0;
}

/* How many blocks of rows are computed against every panel before the next blocks are
 * begun: as many as schedule_cache holds, so that their rows come from further away
 * once and not once for each panel.  0: all blocks in one go, where the cache holds
 * them, or half of them. */
static int32_t choose_group(const target *t, const problem *p, const schedule *s)
{
    if (p->rows < 1 || p->row_bytes < 1)
        return 0;
    int64_t blocks = (p->rows - 1) / s->rows + 1;
    int64_t bytes = min_i64(p->row_bytes, t->l2_bytes) * s->rows;
    int64_t group = evenly(blocks, max_i64(schedule_cache(t) / bytes, MIN_BLOCKS));
    return (int32_t)(2 * group < blocks ? group : choose_share(p, blocks, schedule_panel(s)));
}

/* Do tiles lose what they read again?  Of a turned operand each tile reads few elements of the
 * lines of all k, before the next one reads what else is in them; a panel is read by every
 * block of rows. */
static bool loses_lines(const target *t, const problem *p, const schedule *s)
{
    int64_t panel = counted(p->row_bytes, 0) * schedule_panel(s);

    return p->turned || (p->rows > s->rows && panel >= schedule_cache(t));
}

/* Then all tiles of a group read them for so many k as leave the lines, and the panel's part,
 * in the first cache: each comes from further away once.  Groups are as large as leave something
 * to some threads. */
static void keep_lines(const target *t, const problem *p, schedule *s)
{
    enum { PANEL = 1 << 14, BLOCKS = 16, SHARES = 4 };
    int64_t blocks = (counted(p->rows, 1) - 1) / s->rows + 1;
    int64_t panels = (counted(p->columns, 1) - 1) / schedule_panel(s) + 1;
    int64_t most = (blocks * panels - 1) / SHARES + 1;
    int64_t deep = max_i64(PANEL / (schedule_panel(s) * dt_size(p->sums)), 1);
    bool few = p->row_bytes >= 0 && p->row_bytes < 2 * deep * dt_size(p->sums);
    int64_t group = evenly(blocks, min_i64(most, BLOCKS));

    if (p->kind != PROBLEM_PRODUCT || p->rows < 1 || s->parts > 1 || few || group < 2 ||
        !loses_lines(t, p, s))
        return;
    s->deep = (int32_t)deep;
    s->group = (int32_t)group;
}

/* The most rows of a tile of two vectors, which leaves enough of the registers. */
static int64_t rows_of_pairs(int registers)
{
    int64_t most = 0;

    for (size_t i = 0; i < COUNT(shapes); i++)
        if (shapes[i].registers == registers && shapes[i].vectors == 2 && !shapes[i].near)
            most = shapes[i].rows;
    return most;
}

/* In a loop whose second operand each core's cache holds from one iteration to the next,
 * threads take rows instead of panels: what else the body makes of a row is made where the
 * row was, so no line goes to another core and back in each iteration.  Rows are cut into
 * an even number of tiles, all alike and of the most rows that do so; where columns fill
 * half of the last panel, wider or narrower tiles compute less. */
static void keep_rows(const target *t, const problem *p, schedule *s)
{
    int registers = t->vector_regs / target_regs(t, p->sums, s->lanes);

    if (!p->again || p->rows < 1 || p->columns < 1 || p->row_bytes < 1 ||
        (p->columns - 1) / s->lanes % 2 == 0 ||
        p->row_bytes > schedule_cache(t) / min_i64(p->columns, schedule_cache(t)))
        return;
    for (int64_t rows = rows_of_pairs(shapes_for(registers)); 2 * rows >= MIN_CHAINS; rows--)
        if (p->rows % rows == 0 && p->rows / rows % 2 == 0) {
            *s = (schedule){.lanes = s->lanes, .vectors = 2, .rows = (int32_t)rows, .parts = 1,
                            .group = 1};
            return;
        }
}

/* Do so many tiles of rows read the second operand that a copy in panels costs less
 * than rows that lie far apart?  Unknown counts are taken to be small. */
static bool repays_packing(const problem *p, const schedule *s)
{
    return p->rows >= 8 * s->rows && p->columns > 2 * schedule_panel(s);
}

/* Panels are streams that tiles of long vectors read faster than the processor
 * foresees; not where a row of them is all that a sum needs. */
static int32_t choose_ahead(const target *t, const problem *p, const schedule *s)
{
    enum { LONG = 64, DISTANCE = 2048 };
    bool waits = s->rows < SCHEDULE_FETCH_ROWS || t->vector_bytes < LONG;

    return s->pack && !p->by_lanes && !waits ? DISTANCE : 0;
}

/* ---- squares of a convolution ------------------------------------------------------- */

/* Along one axis `square` results of 3 taps read this many elements, as many products as
 * Winograd's algorithm has for them. */
static int64_t square_reach(int64_t square)
{
    return square + 2;
}

int64_t schedule_squares(int64_t height, int64_t width, int64_t square)
{
    return ((height - 1) / square + 1) * ((width - 1) / square + 1);
}

/* Time of a 3x3 convolution of one image made in squares; 0: summed over its taps.  Weights,
 * which are read once, come from memory; a square is moved to where products are made and
 * back for each vector of features and results, at a few operations an element.  So are
 * weights that only the run knows, tap by tap. */
static int64_t square_cost(const problem *p, int lanes, int64_t square)
{
    enum { UNKNOWN = 32, TAPS = 9, MOVES = 8 };
    int64_t height = counted(p->height, UNKNOWN), width = counted(p->rows, UNKNOWN);
    int64_t columns = counted(p->columns, UNKNOWN), features = counted(p->features, UNKNOWN);
    int64_t vectors = (columns - 1) / lanes + 1, reach = square_reach(square);
    int64_t squares = square ? schedule_squares(height, width, square) : height * width;
    int64_t products = square ? reach * reach : TAPS;
    int64_t moves = square ? squares * products * MOVES * (features / lanes + vectors) : 0;
    if (square && p->second != OPERAND_CONST)
        moves += features * (products * MOVES * vectors + TAPS * columns);
    cost c = {.ops = squares * products * features * vectors + moves,
              .bytes = products * features * columns * dt_size(p->sums)};

    return cost_time(&c);
}

/* Has an image so few squares that each number of the weights, of which
 * there are more than taps, is loaded for hardly any products? */
static bool are_few(const problem *p, int64_t square)
{
    enum { FEW = 8 };

    return p->rows > 0 && p->height > 0 && schedule_squares(p->height, p->rows, square) < FEW;
}

/* Larger squares take more weights and round more: they must be worth it. */
static int32_t choose_square(const problem *p, int lanes)
{
    int32_t best = 0;

    for (int32_t square = 2; p->features && square <= 4; square += 2)
        if (!are_few(p, square) &&
            square_cost(p, lanes, square) * 11 / 10 < square_cost(p, lanes, best))
            best = square;
    return best;
}

/* The problem for each of the products, which have a row for each square. */
static problem problem_of_squares(const problem *p, int64_t square)
{
    problem own = *p;

    own.rows = p->rows < 0 || p->height < 0 ? -1 : schedule_squares(p->height, p->rows, square);
    own.whole = true;
    return own;
}

/* ---- the choice --------------------------------------------------------------------- */

/* The order matters: the square (Winograd) changes what the product is, the tile
 * what fits the cache, and panels are worth packing or fetching ahead only for a
 * given tile. */
static schedule schedule_product(const target *t, const problem *p)
{
    schedule s = {.lanes = p->lanes ? p->lanes : choose_lanes(t, p)};
    problem squares;

    s.square = choose_square(p, s.lanes);
    if (s.square) {
        squares = problem_of_squares(p, s.square);
        p = &squares;
    }
    choose_tile(t, p, &s);
    s.group = choose_group(t, p, &s);
    keep_lines(t, p, &s);
    keep_rows(t, p, &s);
    s.pack = p->second != OPERAND_STORED || repays_packing(p, &s);
    s.ahead = choose_ahead(t, p, &s);
    s.next = p->far_ahead;
    return s;
}

/* ---- loops that make no products ------------------------------------------------------ */

/* Partial results, in vectors, of a reduction along its lanes: few, or where they are filled
 * several times.  A BEST has one: each step compares values and positions anyway, which takes
 * longer than it waits for the step before. */
enum { FEW_PARTS = 2, MANY_PARTS = 4, BEST_PARTS = 1 };

/* Results of a window's row that are worked off at once, so that the places which they read
 * stay in the first cache, with so many elements beside each. */
static int32_t choose_run(const problem *p, int64_t beside)
{
    enum { PLACES = 4096, LEAST = 16 };

    return (int32_t)max_i64(PLACES / (max_i64(p->stride, 1) * beside), LEAST);
}

/* The rows of a square tile, each a vector, stay in registers. */
enum { MAX_SQUARE = 16 };

/* Vectors of results beside each other make whole cache lines, and partial results do not
 * wait for each other; runs of a map are few enough to be even on all threads.  A strip of
 * square tiles reads whole lines; where the next one along the axis lies elsewhere in memory,
 * as in blocks of a tile, threads share chunks as they share a convolution's rows: what a core
 * reads, it has mostly made. */
static schedule schedule_loop(const target *t, const problem *p)
{
    enum { RUN = 512, STRIP = 4, BESIDE = 4, SQUARES = 16, CHUNKS = 8 };
    schedule s = {.lanes = target_lanes(t, p->sums)};

    switch (p->kind) {
    case PROBLEM_POSITIONS:
        s.vectors = (int32_t)max_i64(MIN_CHAINS / max_i64(p->columns, 1), 1);
        break;
    case PROBLEM_MAP: s.run = RUN; break;
    case PROBLEM_TURN:
        s.lanes = (int32_t)min_i64(s.lanes, MAX_SQUARE);
        s.vectors = p->near ? SQUARES : 1;
        s.chunks = p->near ? 0 : CHUNKS;
        break;
    case PROBLEM_COLUMNS: s.vectors = STRIP; break;
    case PROBLEM_ROWS: s.parts = p->many ? MANY_PARTS : FEW_PARTS; break;
    case PROBLEM_BEST:
        s.lanes = p->columns || p->many ? s.lanes : 1;
        s.vectors = p->columns ? BESIDE : 0;
        break;
    case PROBLEM_WINDOW:
        s.vectors = p->columns ? BESIDE : 0;
        s.run = choose_run(p, p->columns > 0   ? evenly(p->columns, BESIDE * s.lanes)
                              : p->columns < 0 ? BESIDE * s.lanes
                                               : 1);
        break;
    default: break;
    }
    return s;
}

bool schedule_fills(problem_kind kind, int64_t extent, int lanes)
{
    enum { TIMES = 4 };

    return extent >= TIMES * (kind == PROBLEM_ROWS ? MANY_PARTS : BEST_PARTS) * lanes;
}

/* Is it a sum of products?  Else it is a loop without any. */
static bool has_products(const problem *p)
{
    return p->kind == PROBLEM_PRODUCT || p->kind == PROBLEM_IMAGE;
}

schedule schedule_choose(const target *t, const problem *p)
{
    return has_products(p) ? schedule_product(t, p) : schedule_loop(t, p);
}

void problem_print(const problem *p, text *out)
{
    static const char *const places[] = {
        [OPERAND_CONST] = " const", [OPERAND_STORED] = "", [OPERAND_APART] = " apart"};

    if (!has_products(p)) {
        text_add(out, "%s", p->many ? " many" : "");
        if (p->stride)
            text_add(out, " stride=%lld", (long long)p->stride);
        if (p->kind == PROBLEM_POSITIONS)
            text_add(out, " outputs=%lld", (long long)p->columns);
        text_add(out, "%s", p->kind == PROBLEM_TURN && p->near ? " near" : "");
        return;
    }
    if (p->sums != DT_F32)
        text_add(out, " sums=%s", dt_text(p->sums));
    if (p->lanes)
        text_add(out, " lanes=%d", p->lanes);
    text_add(out, "%s%s%s%s%s%s", places[p->second], p->whole ? " whole" : "",
             p->turned ? " turned" : "", p->far_ahead ? " far" : "", p->features ? " squares" : "",
             p->again ? " again" : "");
}

/* ---- fields ------------------------------------------------------------------------- */

/* Kinds of problems whose templates read a field. */
enum {
#define KIND(name, readers, ...) readers = 1 << PROBLEM_##name,
    PROBLEM_TABLE(KIND, )
#undef KIND
    ALL = (1 << PROBLEM_KINDS) - 1
};

/* A row of schedule.def each. */
static const struct {
    size_t offset;
    int readers;
    const char *why_not[PROBLEM_KINDS];     /* where it is set for others */
} fields[] = {
#define WHY(name, readers, what, field) what " do not read " field,
#define SCHEDULE(field, most, readers) \
    {offsetof(schedule, field), readers, {PROBLEM_TABLE(WHY, #field)}},
#include "schedule.def"
#undef WHY
};

/* Null, or the message about a field that is set and that no template of p reads. */
static const char *unread_field(const problem *p, const schedule *s)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (*(const int32_t *)((const char *)s + fields[i].offset) &&
            !(fields[i].readers & 1 << p->kind))
            return fields[i].why_not[p->kind];
    return NULL;
}

static bool is_power_of_two(int32_t n)
{
    return n > 0 && !(n & (n - 1));
}

/* The rules of loops that make no products. */
static const char *fault_of_loop(const target *t, const problem *p, const schedule *s)
{
    bool runs = p->kind == PROBLEM_MAP || p->kind == PROBLEM_WINDOW;
    bool beside = p->kind == PROBLEM_WINDOW || p->kind == PROBLEM_BEST;
    bool wide = beside ? p->columns != 0
                       : p->kind == PROBLEM_COLUMNS || p->kind == PROBLEM_POSITIONS ||
                             p->kind == PROBLEM_TURN;
    int64_t sums = p->kind == PROBLEM_COLUMNS     ? s->vectors
                   : p->kind == PROBLEM_ROWS      ? s->parts
                   : p->kind == PROBLEM_POSITIONS ? s->vectors * p->columns
                                                  : 0;

    if (!is_power_of_two(s->lanes) || (p->kind == PROBLEM_ROWS && !is_power_of_two(s->parts)))
        return "lanes and parts are powers of two";
    if ((wide && s->vectors < 1) || (runs && s->run < 1))
        return "vectors and run are at least 1";
    if (beside && !p->columns && s->vectors)
        return "nothing lies beside the row";
    if (p->kind == PROBLEM_TURN && (s->lanes < 2 || s->lanes > MAX_SQUARE))
        return "a square tile has 2 to 16 rows";
    if (sums * target_regs(t, p->sums, s->lanes) > t->vector_regs)
        return "the tile takes more registers than there are";
    return unread_field(p, s);
}

/* Null, or the rule that the schedule breaks.  Whatever passes is right code,
 * though it may be slow: --schedule takes numbers from people and searches. */
const char *schedule_fault(const target *t, const problem *p, const schedule *s)
{
    if (!has_products(p))
        return fault_of_loop(t, p, s);
    if (s->rows < 1 || s->vectors < 1 || s->lanes < 1 || s->parts < 1)
        return "rows, vectors, lanes and parts are at least 1";
    if (!is_power_of_two(s->lanes) || !is_power_of_two(s->parts))
        return "lanes and parts are powers of two";
    int64_t vectors = (int64_t)s->parts * s->rows * s->vectors + s->vectors + 1;
    if (vectors * target_regs(t, p->sums, s->lanes) > t->vector_regs)
        return "the tile takes more registers than there are";
    if (!s->pack && p->second != OPERAND_STORED)
        return "an operand that is not stored row by row is read in panels (pack=1)";
    if (s->group && p->rows < 0)
        return "rows that only the run knows are in no groups";
    if (s->deep && (!s->group || s->parts > 1))
        return "sums of a part of k are those of a group, in one part";
    if (s->square && (!p->features || (s->square != 2 && s->square != 4)))
        return p->features ? "squares have sides of 2 or 4"
                           : "only 3x3 convolutions of blocks are made in squares";
    if (p->height > 0 && s->chunks > p->height)
        return "there are more chunks than rows of the image";
    if (p->lanes && s->lanes != p->lanes)
        return "the lanes are those of a block of channels";
    if ((p->whole || s->square) && s->parts > 1)
        return "sums of so few products are in one part";
    if (p->by_lanes && s->vectors > 1)
        return "its tile is one vector wide";
    if (s->next && !p->far_ahead)
        return "what is read next of the first operand is near";
    if (s->ahead && !s->pack)
        return "only panels are fetched ahead";
    return unread_field(p, s);
}

/* ---- what passes ask -------------------------------------------------------------- */

int schedule_block(const target *t, int64_t channels)
{
    int vector = t ? (int)max_i64(target_lanes(t, DT_F32), SCHEDULE_LEAST_BLOCK)
                   : SCHEDULE_LEAST_BLOCK;

    return channels % vector == 0                 ? vector
           : channels % SCHEDULE_LEAST_BLOCK == 0 ? SCHEDULE_LEAST_BLOCK
                                                  : 0;
}

bool schedule_by_positions(const target *t, ir_dtype sums, int64_t width, int64_t stride,
                           int64_t taps, int64_t outputs)
{
    enum { MAX_TAPS = 16 };     /* that are written out */
    int lanes = target_lanes(t, sums);

    return stride == 1 && taps <= MAX_TAPS && outputs > 0 && outputs <= lanes / 2 &&
           width >= 2 * lanes;
}

int64_t schedule_longest_row(const target *t)
{
    enum { ARRAYS = 4 };        /* the row and about three operands */

    return schedule_cache(t) / (ARRAYS * dt_size(DT_F32));
}
