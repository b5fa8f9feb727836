/* export/link.h - object code and weights become an executable or a library, by
 * the system's compiler and linker. */
#ifndef INGOT_LINK_H
#define INGOT_LINK_H

#include "compile.h"
#include "train_abi.h"
#include "workplace.h"

/* False after a message. */
bool link_write_file(const char *path, const void *data, size_t size);
/* WORK_WEIGHTS, if weights stay apart.  False after a message. */
bool link_write_weights(const workplace *w, const image *im);
/* The model's code, as files of the workplace.  False after a message. */
bool link_write_objects(workplace *w, const objects *o);
/* The runtime's kernels that the model calls, likewise: what has no runtime of its own
 * holds them itself.  They are weak, so that models in one program share a copy. */
bool link_kernels(workplace *w, const image *im);
/* From those files to WORK_OUT, with the weights unless they stay apart; the header of
 * a library or an object in WORK_HEADER.  `strip` leaves out the names of kernels, by
 * which profilers know them.  False after a message. */
bool link_object(const workplace *w, const image *im);
bool link_executable(const workplace *w, const image *im, bool is_static, bool strip);
/* The same of a training program: its record becomes a constant beside the model.  `mpi`: the
 * system's mpicc links it, for several processes. */
bool link_trainer(workplace *w, const image *im, const struct ingot_trainer *t, bool mpi,
                  bool strip);
/* With functions that train where `trainer` is not null. */
bool link_library(const workplace *w, const image *im, const struct ingot_trainer *trainer,
                  bool shared, bool strip);

#endif
