/*
 * The C library's memory and string primitives, as the compiler expects to find them. On the host
 * the C library's own are linked instead (arch/x86/lib/mem.c is then tested under other names).
 * Contracts: ISO C11, 7.24.
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t most);

#endif
