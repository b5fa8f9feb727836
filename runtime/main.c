/* runtime/main.c - the main() of an executable made from a model. */
#include "program.h"

extern const struct ingot_model ingot_artifact_model;

int main(int argc, char **argv)
{
    return program_main(&ingot_artifact_model, argc, argv);
}
