/*
 * Entries of nested page tables. AMD's are ordinary ones; Intel's have the large-page bit and the bit that allows
 * writes in the same places. Constants only.
 * Source: AMD APM volume 2, section 15.25.5 (a nested walk is a user's access); Intel SDM volume 3C, section 28.3.2
 *         (29.3.2 in later editions), tables 28-1 to 28-7
 */
#ifndef X86_NESTED_PAGING_H
#define X86_NESTED_PAGING_H

#include "x86/const.h"
#include "x86/paging.h"

#define NPT_TABLE (PTE_PRESENT + PTE_WRITE + PTE_USER + PTE_ACCESSED)
#define NPT_LEAF  (PTE_PRESENT + PTE_WRITE + PTE_USER + PTE_ACCESSED + PTE_DIRTY)

#define EPT_READ       UC(0x1)
#define EPT_WRITE      UC(0x2)
#define EPT_EXECUTE    UC(0x4)
#define EPT_TYPE_SHIFT 3 /* of a leaf: the memory type */
#define EPT_LARGE      UC(0x80)

#define EPT_TABLE (EPT_READ + EPT_WRITE + EPT_EXECUTE)
#define EPT_LEAF  (EPT_READ + EPT_WRITE + EPT_EXECUTE)

#endif
