/* codegen/lower/panel.h - an operand copied at run time into the panels that tiles
 * read: [outer, columns / NR, rows, NR], NR = schedule_panel columns side by side.
 *
 * What lies behind the last column repeats it: no result is made of that.  Columns
 * that are neighbours in memory are copied as they lie; where rows are, tiles of the
 * panel are read along them and turned in registers.  Example: B stored as
 * [columns, rows] in panels of 16: 16 vectors of one column each are read, turned,
 * and stored as 16 rows. */
#ifndef INGOT_PANEL_H
#define INGOT_PANEL_H

#include "schedule.h"
#include "templates.h"

/* An operand and how it is copied: `element` reads it, `place` says where a row goes. */
typedef struct panels {
    job *j;
    const schedule *s;
    ir_dtype dtype;
    ir_dim outer, columns, rows;
    const void *cx;             /* of the two functions: */
    /* The operand's element; rows are counted as they lie in memory. */
    lp_expr (*element)(const void *cx, body *b, lp_expr outer, lp_expr row, lp_expr column);
    /* Where a panel has that row; null: as they are counted. */
    lp_expr (*place)(const void *cx, body *b, lp_expr row);
} panels;

/* Panels for `columns` columns. */
ir_dim panels_count(const panels *p);
/* Adds the kernel that fills them to the job: their temp.  False if it has none. */
bool panels_pack(const panels *p, uint32_t *temp);
/* Fills one panel in memory of the thread, [1, 1, rows, NR], where `b` stands. */
lp_buf panels_fill(const panels *p, body *b, lp_expr outer, lp_expr panel);

#endif
