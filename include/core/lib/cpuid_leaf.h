/* What CPUID answers. */
#ifndef LIB_CPUID_LEAF_H
#define LIB_CPUID_LEAF_H

#include <stdint.h>

struct cpuid_leaf {
    uint32_t eax, ebx, ecx, edx;
};

#endif
