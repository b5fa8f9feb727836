/* runtime/train/main.c - the main() of an executable made from a training program. */
#include "trainer.h"

extern const struct ingot_model ingot_artifact_model;
extern const struct ingot_trainer ingot_artifact_trainer;

int main(int argc, char **argv)
{
    return trainer_main(&ingot_artifact_model, &ingot_artifact_trainer, argc, argv);
}
