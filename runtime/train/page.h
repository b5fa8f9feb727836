/* runtime/train/page.h - a training as one page of HTML without outside references: curves,
 * what the net gets right and wrong, samples, and how large it is.
 *
 * Sections of blocks are gathered while their rows are read; the page is written at the
 * end. */
#ifndef INGOT_TRAIN_PAGE_H
#define INGOT_TRAIN_PAGE_H

#include "judge.h"
#include "journal.h"

typedef struct page {
    FILE *body;                     /* the sections so far; null: there is no page */
    char *text;
    size_t size;
} page;

/* False without memory. */
bool page_open(page *p);
/* Tells of a block that was trained up to `at`: rows, answers beside truths, samples, from
 * the test's rows, or else the validation's or the training's.  A page that has no body is
 * left alone; where the answers fail, it says why. */
void page_add_block(page *p, const struct ingot_trainer *t, const block *k, const place *at);
/* Writes the page: the journal's curves and last numbers, the sections, the size of the net.
 * False with a message. */
bool page_write(page *p, const char *path, const struct ingot_trainer *t, const session *s,
                const journal *j, char error[TENSOR_ERROR_SIZE]);
void page_free(page *p);

/* Text between tags. */
void page_text(FILE *f, const char *text);
/* Answers beside truths: a table of classes, or numbers as points; then single rows. */
void page_answers(FILE *f, const judge *j);
void page_samples(FILE *f, const judge *j);

#endif
