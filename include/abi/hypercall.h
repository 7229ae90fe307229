/*
 * What a guest under dom0=hvm can ask of Berth: VMMCALL or VMCALL with the number in rax, arguments in rdi and rsi, the
 * answer in rax. From ring 0 alone. docs/hvm.md tells it to guests' authors. All pointers are guest-physical.
 */
#ifndef ABI_HYPERCALL_H
#define ABI_HYPERCALL_H

/* In rax. Everything else answers HYPERCALL_UNKNOWN. */
#define HYPERCALL_VERSION 0 /* answers major << 32 | minor << 16 | patch */
#define HYPERCALL_LOG                                                                              \
    1 /* rdi: text, rsi: its bytes, HYPERCALL_LOG_MOST at most; one line of the log */
#define HYPERCALL_STATISTICS                                                                       \
    2 /* rdi: a struct exit_statistics, rsi: room in bytes; answers the bytes written */

#define HYPERCALL_LOG_MOST 256

/* Answers that are no answers: as if they were negative. */
#define HYPERCALL_UNKNOWN     (-1L) /* there is no such call */
#define HYPERCALL_DENIED      (-2L) /* not from ring 0 */
#define HYPERCALL_BAD_POINTER (-3L) /* not all of it lies in the guest's RAM */
#define HYPERCALL_BAD_SIZE    (-4L)

/* What CPUID leaf 0x40000000 says: the highest of these leaves in eax, then this in ebx, ecx, edx. */
#define HYPERCALL_SIGNATURE "BerthBerth\0\0"

#ifndef __ASSEMBLY__
#include <stdint.h>

enum exit_reason {
    VMEXIT_CPUID,
    VMEXIT_MSR_READ,
    VMEXIT_MSR_WRITE,
    VMEXIT_HYPERCALL,
    VMEXIT_APIC_WRITE,
    VMEXIT_MEMORY,  /* an access to what is not mapped */
    VMEXIT_VIRTUAL, /* an instruction of SVM or VMX */
    VMEXIT_CONTROL, /* control registers, XSETBV: VMX alone */
    VMEXIT_INIT,
    VMEXIT_START, /* SIPI: VMX alone */
    VMEXIT_SHUTDOWN,
    VMEXIT_OTHER,
    VMEXIT_REASONS,
};

/* Of all processors together. */
struct exit_statistics {
    uint32_t version; /* 1 */
    uint32_t processors;
    uint64_t exits[VMEXIT_REASONS];
};
_Static_assert(sizeof(struct exit_statistics) == 8 + 8 * VMEXIT_REASONS, "a contract with guests");
#endif

#endif
