/*
 * A virtual processor: one for each real one, in pages of its own. The world switches fill `state`, the answers to
 * exits change it.
 */
#ifndef HVM_VCPU_H
#define HVM_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hypercall.h"
#include "guest_memory.h"
#include "guest_state.h"
#include "hvm.h"
#include "insn.h"
#include "log.h"
#include "msr_filter.h"
#include "processors.h"
#include "start_word.h"

/* Pages of a virtual processor: struct vcpu, and those that the world switch has its own use for: not cleared. */
#define VCPU_PAGES     4
#define VCPU_OWN_PAGES (VCPU_PAGES - 1)
/* And for all together: its bitmaps. */
#define HVM_SHARED_PAGES 5

/* Lines for the log that wait until a processor prints them: a ring with one writer and one reader at a time. */
#define VCPU_LINES      8
#define VCPU_LINE_BYTES 320

struct vcpu_lines {
    uint32_t written; /* ever; the ring's place is this modulo VCPU_LINES */
    uint32_t printed;
    uint32_t lost;
    enum log_level levels[VCPU_LINES];
    char text[VCPU_LINES][VCPU_LINE_BYTES];
};

/*
 * Where the code of the last exit is, for as long as the guest's registers that say so are the same. What is read there
 * is only compared with an instruction's bytes.
 */
struct vcpu_code {
    uint64_t page_va;
    uint64_t cr0, cr3, cr4, efer;
    const uint8_t *page; /* NULL: not known */
};

struct vcpu {
    struct guest_state state; /* comes first: the world switches' assembly */

    uint32_t number;
    uint32_t apic_id;
    bool is_there;   /* it answered when it was started */
    uint64_t own_pa; /* of VCPU_OWN_PAGES pages, which begin behind this one */
    uint64_t
        stack_top; /* of the exit loop: for the first one, which leaves the boot stack to reports */
    struct guest_memory memory;
    struct vcpu_code code;
    /* A memory exit's instruction as the processor tells it: how many bytes, and then these. NULL: it does not. */
    const uint8_t *fetched;
    struct msr_context msrs;

    struct start_word start; /* SVM, where the guest's messages to others go by way of Berth */
    uint64_t started_tsc;    /* VMX: when the last start-up message came */
    uint64_t
        xcr0_bits; /* VMX: that the processor had before the guest, which can cut CPUID short */
    /* As the guest set its APIC's logical destination and model. */
    uint32_t logical_id;
    bool cluster_model;

    uint64_t exits[VMEXIT_REASONS];
    struct vcpu_lines lines;
};
_Static_assert(sizeof(struct vcpu) <= 0x1000, "it is a page");

/* What the world switch does when an exit has been answered. */
enum hvm_answer {
    HVM_DONE, /* the instruction is done: go on behind it */
    HVM_AGAIN, /* go on where `state` says: the instruction is tried again, or rip is right already */
    HVM_UD,    /* #UD in the guest */
    HVM_GP,    /* #GP(0) in the guest */
    HVM_EFER, /* hvm_msr_write: done, and the guest's EFER is `state.efer` now */
};

/* The virtual processor of a number, 0 to hvm_vcpu_count() - 1; where its own pages can be reached; shared pages. */
struct vcpu *hvm_vcpu(uint32_t number);
uint32_t hvm_vcpu_count(void);
void *hvm_own_page(const struct vcpu *vcpu, uint32_t page);
void *hvm_shared_pages(void);
uint64_t hvm_shared_pages_pa(void);
/* The top one of the nested tables. */
uint64_t hvm_nested_root_pa(void);

/* --- answers to exits: none of them allocates, waits for a lock, or loops without a bound ---------------------- */

/* The instructions, once the world switch knows that they are theirs. */
enum hvm_answer hvm_cpuid(struct vcpu *vcpu);
enum hvm_answer hvm_msr_read(struct vcpu *vcpu);
enum hvm_answer hvm_msr_write(struct vcpu *vcpu);
enum hvm_answer hvm_hypercall(struct vcpu *vcpu);

/* An access that the nested tables do not allow. */
enum hvm_answer hvm_memory(struct vcpu *vcpu, uint64_t gpa, enum nested_access access);

/* A triple fault. */
NORETURN void hvm_shutdown(struct vcpu *vcpu);

/* The machine restarts, because the guest did what only that can follow. */
NORETURN void hvm_start_over(const char *why);

/* What a world switch cannot go on after. */
NORETURN void hvm_fail(struct vcpu *vcpu, const char *what, uint64_t code);

/* One line of the log, sooner or later. Never waits; what there is no room for is counted. */
void hvm_line(struct vcpu *vcpu, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Before going on in the guest: print what is waiting, if nobody else is printing. */
void hvm_lines_print(struct vcpu *vcpu);

/* This processor was printing, perhaps, when it was told to start anew: others may print now. */
void hvm_lines_forget(const struct vcpu *vcpu);

static inline bool hvm_has_lines(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->lines.printed, __ATOMIC_RELAXED) != vcpu->lines.written;
}

/*
 * The bytes at the guest's rip, when they are the instruction wanted: its length; 0: they are something else by now, so
 * it is tried again.
 */
uint32_t hvm_instruction(struct vcpu *vcpu, enum insn_operation wanted);

#endif
