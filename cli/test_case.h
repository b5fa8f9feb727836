/* cli/test_case.h - one case in the form of the ONNX backend tests: a model and
 * folders of inputs and expected outputs. */
#ifndef INGOT_TEST_CASE_H
#define INGOT_TEST_CASE_H

#include "ingot.h"

/* MISUSED: failed by what the command line says of the model. */
typedef enum test_outcome { PASSED, FAILED, SKIPPED, MISUSED, OUTCOMES } test_outcome;

/* How cases are run: the same for all of them. */
typedef struct test_settings {
    ingot_options model;
    const char *file;           /* the model of every case; null: model.onnx */
    ingot_engine_kind engine;
    bool bind;                  /* take run-time dims from the data */
    double rtol, atol;          /* < 0: as the case says */
    int threads;
} test_settings;

/* Names in a folder that begin with `prefix`, sorted; the caller frees. */
char **test_list(const char *folder, const char *prefix, int *count);
void test_list_free(char **names, int count);
/* Is it a case, with data and a model? */
bool test_is_case(const char *folder, bool model_given);
/* Is it half a case, with data or with a model? */
bool test_is_half(const char *folder);
/* Runs all sets of the case; adds the reason when it does not pass. */
test_outcome test_case_run(const test_settings *s, const char *folder, text *why);

#endif
