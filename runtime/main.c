/* runtime/main.c - the main() of an executable made from a model. */
#include "artifact.h"

extern const struct ingot_model ingot_artifact_model;

int main(int argc, char **argv)
{
    return artifact_main(&ingot_artifact_model, argc, argv);
}
