/* cli/sha256.h - the hash SHA-256 (FIPS 180-4). */
#ifndef INGOT_SHA256_H
#define INGOT_SHA256_H

#include <stdbool.h>

/* Writes the hash of a file as 64 hexadecimal digits and a zero, as sha256sum prints
 * it.  False, with the reason in errno, if the file cannot be read. */
bool sha256_file(const char *path, char hex[65]);

#endif
