/* What a guest is told by CPUID: what the processor says, but for virtualisation, which Berth itself uses. */
#ifndef POLICY_CPUID_FILTER_H
#define POLICY_CPUID_FILTER_H

#include <stdint.h>

#include "cpuid_leaf.h"

/*
 * @hardware  what the processor says about this leaf in Berth's own state
 * @cr4       the guest's: OSXSAVE and OSPKE follow it
 * @return    what the guest is told. SVM, VMX, SMX and their leaves are not there; nor what writes to memory by itself
 *            (debug store, Intel PT, hardware feedback), MSRs by lists, immediates or from user mode, AMD's memory
 *            encryption, by which the same memory has a second address, and the scalable machine-check architecture,
 *            whose MSRs SVM's bitmap does not cover. The hypervisor's first leaf names Berth, its others (0x40000001
 *            to 0x4fffffff) are zero: they would be another hypervisor's. Nothing else is changed
 * Source:    AMD APM volume 3, appendix E; Intel SDM volume 2A, CPUID
 */
struct cpuid_leaf cpuid_filter(uint32_t leaf, uint32_t subleaf, struct cpuid_leaf hardware,
                               uint64_t cr4);

#endif
