/* passes/fuse_region.h - what fuse.c and the finders of regions share.
 *
 * A region is several nodes that one template computes at once, such as all of
 * a softmax.  Each template that has one (column `region` of templates.def) has
 * a finder in a file of its own, fuse_<x>.c. */
#ifndef INGOT_FUSE_REGION_H
#define INGOT_FUSE_REGION_H

#include "fuse.h"
#include "small_set.h"

/* One function being cut into groups. */
typedef struct fuse_cx {
    const ir_fn *fn;
    int64_t longest_row;        /* elements of a row that stay in the cache */
    ir_groups *out;
    uint32_t *uses;             /* by ref: readers, results and updates */
    ir_readers readers;
    uint32_t *owner;            /* by node: 1 + root of the group it is computed in,
                                 * if that is an epilogue's or a region's */
    const char **why;           /* by ref: why it is stored */
    uint32_t *paths;            /* by ref: ways from it to what is stored, if it is not */
    bool *result;               /* by ref: a result or an update */
    bool *early;                /* by ref: it is made ahead of its place: */
    ir_ref *ahead;              /* by node: what is made behind it, before its place; 0: none */
    ir_group *region;           /* by root: its nodes and private values, if several */
} fuse_cx;

/* The nodes of a region in order; the last one's value is what it stores.
 * Example, softmax: max, broadcast, sub, exp, sum, broadcast, div, where exp is
 * private, as sum and div both need it and computing it again is costly. */
typedef struct fuse_region {
    uint32_t n, node[GROUP_MAX_NODES];
    uint32_t nprivate;
    ir_ref private[GROUP_MAX_NODES];
} fuse_region;

/* Gives what its template would compute at once from node `root` on; false if
 * nothing.  It changes nothing. */
typedef bool fuse_finder(const fuse_cx *f, uint32_t root, fuse_region *out);
fuse_finder region_rows;

/* Makes groups that have values in common one (fuse_join.c).  `apart`: those of an entry may
 * have to run again, each for its result. */
void fuse_join(fuse_cx *f, bool apart);
/* For ir_group.over: that each of so many results overwrites none. */
ir_ref *fuse_no_states(ir_groups *g, uint32_t n);
/* Stores costly operands of epilogues, and makes them where what they read is (fuse_ahead.c). */
void fuse_ahead(fuse_cx *f);
/* Puts the groups of an entry in an order that takes less memory (fuse_order.c). */
void fuse_order(ir_groups *g);

enum { MAX_REGION = SMALL_SET };      /* nodes between a value and where its readers meet */

/* May node n stand between a value and where all that is computed from it meets? */
typedef bool fuse_fits(const fuse_cx *f, const void *cx, const ir_node *n);

/* The first node that all that is computed from r goes through, if it and what
 * lies between (`inner`) fit and are in no group yet; else UINT32_MAX. */
uint32_t fuse_meeting(const fuse_cx *f, ir_ref r, fuse_fits *fits, const void *cx,
                      small_set *inner);

/* Elementwise in the shape `cx`?  (A fuse_fits.) */
fuse_fits fuse_is_elementwise;

/* The rows of a reduction: the axes from `kept` on of `full`. */
typedef struct row_shape {
    const ir_type *full;
    int kept;
} row_shape;

/* The rows that a REDUCE node takes together; false if it takes other elements together, or
 * rows that are too long for a cache. */
bool fuse_row_shape(const fuse_cx *f, const ir_node *n, row_shape *w);
/* One element a row: the kept axes, perhaps with 1s behind. */
bool fuse_one_a_row(const fuse_cx *f, const row_shape *w, const ir_type *t);
/* Is node n's element in a row of `cx` made of values of that row?  (A fuse_fits.) */
fuse_fits fuse_stays_in_row;

/* At most one cheap scalar operation an element? */
bool fuse_is_cheap(const ir_node *n);
bool fuse_same_shape(const ir_type *a, const ir_type *b);

#endif
