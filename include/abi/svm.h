/*
 * AMD's SVM: the virtual machine control block, exit codes and MSRs.
 * Source: AMD APM volume 2, appendix B (layout of the VMCB), appendix C (exit codes), sections 15.4 and 15.30.
 */
#ifndef ABI_SVM_H
#define ABI_SVM_H

#include <stddef.h>
#include <stdint.h>

#include "x86/hidden.h"

/* CPUID 0x80000001 ecx; 0x8000000a: ebx is the number of ASIDs, edx the features. */

#define SVM_FEATURE_NESTED 0x1u

/* Intercepts: the double words at offsets 0xc and 0x10. */
#define SVM_INTERCEPT_INIT     (1u << 3)
#define SVM_INTERCEPT_CPUID    (1u << 18)
#define SVM_INTERCEPT_INVD     (1u << 22)
#define SVM_INTERCEPT_INVLPGA  (1u << 26)
#define SVM_INTERCEPT_IO       (1u << 27)
#define SVM_INTERCEPT_MSR      (1u << 28)
#define SVM_INTERCEPT_SHUTDOWN (1u << 31)
#define SVM_INTERCEPT_VMRUN    (1u << 0)
#define SVM_INTERCEPT_VMMCALL  (1u << 1)
#define SVM_INTERCEPT_VMLOAD   (1u << 2)
#define SVM_INTERCEPT_VMSAVE   (1u << 3)
#define SVM_INTERCEPT_STGI     (1u << 4)
#define SVM_INTERCEPT_CLGI     (1u << 5)
#define SVM_INTERCEPT_SKINIT   (1u << 6)

#define SVM_EXIT_INIT     0x63
#define SVM_EXIT_CPUID    0x72
#define SVM_EXIT_INVD     0x76
#define SVM_EXIT_INVLPGA  0x7a
#define SVM_EXIT_IO       0x7b
#define SVM_EXIT_MSR      0x7c
#define SVM_EXIT_SHUTDOWN 0x7f
#define SVM_EXIT_VMRUN    0x80
#define SVM_EXIT_VMMCALL  0x81
#define SVM_EXIT_VMLOAD   0x82
#define SVM_EXIT_VMSAVE   0x83
#define SVM_EXIT_STGI     0x84
#define SVM_EXIT_CLGI     0x85
#define SVM_EXIT_SKINIT   0x86
#define SVM_EXIT_NPF      0x400
#define SVM_EXIT_INVALID  UINT64_MAX

/* SVM_EXIT_NPF, exit_info_1: a page fault's error code, and what was being accessed. */
#define SVM_NPF_TABLE (1ULL << 33) /* a page table of the guest */

#define SVM_EVENT_TYPE      (7ULL << 8)
#define SVM_EVENT_SOFTWARE  (4ULL << 8) /* INT n */
#define SVM_EVENT_EXCEPTION (3ULL << 8)
#define SVM_EVENT_ERROR     (1ULL << 11)
#define SVM_EVENT_VALID     (1ULL << 31)

#define SVM_FEATURE_INVLPGB (1u << 24) /* CPUID 0x8000000a, edx */
#define SVM_NESTED_PAGING   1u
#define SVM_NESTED_INVLPGB  (1u << 7)
#define SVM_FLUSH_ALL       1u /* tlb_control */

#define SVM_MSR_WRITE 1u /* SVM_EXIT_MSR, exit_info_1 */

/* SVM_EXIT_IO, exit_info_1: what it is, its bytes, the port. exit_info_2 is rip behind it. */
#define SVM_IO_IN          0x1u
#define SVM_IO_STRING      0x4u
#define SVM_IO_BYTES_SHIFT 4
#define SVM_IO_BYTES       0x7u
#define SVM_IO_PORT_SHIFT  16
#define SVM_IO_MAP_BYTES   0x3000 /* a bit for each port; 1: intercepted */

/* Attributes of a segment: the descriptor's bits 40 to 47, and above them 52 to 55. */
#define SVM_SEGMENT_LONG 0x200u
#define SVM_SEGMENT_BIG  0x400u
#define SVM_CODE64       0xa9bu
#define SVM_CODE32       0xc9bu
#define SVM_DATA         0xc93u
#define SVM_REAL_CODE    0x09bu
#define SVM_REAL_DATA    0x093u
#define SVM_REAL_LDT     0x082u
#define SVM_REAL_TASK    0x08bu /* busy */

struct svm_segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit;
    uint64_t base;
};
_Static_assert(sizeof(struct svm_segment) == 16, "APM volume 2, table B-2");

struct vmcb {
    uint32_t intercept_registers; /* CR, DR */
    uint32_t intercept_debug;
    uint32_t intercept_exceptions;
    uint32_t intercept_3;
    uint32_t intercept_4;
    uint8_t reserved_1[0x40 - 0x14];
    uint64_t io_map_pa;
    uint64_t msr_map_pa;
    uint64_t tsc_offset;
    uint32_t asid;
    uint32_t tlb_control; /* bits 7:0 */
    uint64_t virtual_interrupt;
    uint64_t interrupt_shadow;
    uint64_t exit_code;
    uint64_t exit_info_1;
    uint64_t exit_info_2;
    uint64_t exit_interrupt;
    uint64_t nested_control;
    uint8_t reserved_2[0xa8 - 0x98];
    uint64_t event;
    uint64_t nested_cr3;
    uint64_t virtualization_control;
    uint64_t clean_bits;
    uint64_t next_rip;
    uint8_t fetched[16]; /* SVM_EXIT_NPF: how many bytes are told of the instruction, and these */
    uint8_t reserved_3[0x400 - 0xe0];

    struct svm_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved_5;
    uint64_t efer;
    uint8_t reserved_6[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_7[0x5d8 - 0x580];
    uint64_t rsp;
    uint8_t reserved_8[0x5f8 - 0x5e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp,
        sysenter_eip, cr2;
    uint8_t reserved_9[0x668 - 0x648];
    uint64_t pat;
    uint8_t reserved_10[0x1000 - 0x670];
};
_Static_assert(sizeof(struct vmcb) == 0x1000, "APM volume 2, section 15.5.1");
_Static_assert(offsetof(struct vmcb, asid) == 0x58 && offsetof(struct vmcb, exit_code) == 0x70 &&
                   offsetof(struct vmcb, nested_control) == 0x90 &&
                   offsetof(struct vmcb, event) == 0xa8 &&
                   offsetof(struct vmcb, nested_cr3) == 0xb0 &&
                   offsetof(struct vmcb, next_rip) == 0xc8 &&
                   offsetof(struct vmcb, fetched) == 0xd0,
               "APM volume 2, table B-1");
_Static_assert(offsetof(struct vmcb, tr) == 0x490 && offsetof(struct vmcb, cpl) == 0x4cb &&
                   offsetof(struct vmcb, efer) == 0x4d0 && offsetof(struct vmcb, cr4) == 0x548 &&
                   offsetof(struct vmcb, rip) == 0x578 && offsetof(struct vmcb, rsp) == 0x5d8 &&
                   offsetof(struct vmcb, rax) == 0x5f8 && offsetof(struct vmcb, cr2) == 0x640 &&
                   offsetof(struct vmcb, pat) == 0x668,
               "APM volume 2, table B-2");

#endif
