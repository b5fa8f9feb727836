/* cli/train_load.c - the training of a file: by a program that it has or stands for. */
#include "train_load.h"

#include "file_kind.h"
#include "program_load.h"
#include "train_info.h"

ir_module *train_load(const char *path, const ingot_options *o, const tune_options *tune,
                      const struct ingot_trainer **t, diag *d)
{
    ingot_options given = *o;
    trainer_options none = trainer_defaults;
    tuned text = {0};

    if (!has_suffix(path, ".ingot") && !tune_is_given(tune))
        return train_info_import(path, &o->import, &trainer_defaults, t, d);
    if (!has_suffix(path, ".ingot") &&
        !tune_program(path, tune, &none, o->program.f64 ? DT_F64 : DT_F32, &text, d))
        return NULL;
    given.program.source = text.program;
    return program_load_training(path, &given, t, d);
}
