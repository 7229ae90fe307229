/*
 * Capability MSRs -> controls. The lower half of such an MSR has the bits that must be 1, the upper half those that
 * may.
 */
#include "vmx_controls.h"

#include <stdbool.h>
#include <stddef.h>

#include "abi/vmx.h"
#include "x86/registers.h"

/* Needed, and set. */
#define PRIMARY_NEEDED   (PRIMARY_MSR_BITMAPS | PRIMARY_SECONDARY)
#define SECONDARY_NEEDED (SECONDARY_EPT | SECONDARY_UNRESTRICTED)
#define EXIT_NEEDED      (EXIT_SAVE_DEBUG | EXIT_HOST_64_BIT | EXIT_SAVE_EFER | EXIT_LOAD_EFER)
#define ENTRY_NEEDED     (ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER)

/* Set where they are: instructions that would be undefined otherwise, and what saves time. */
#define SECONDARY_WELCOME                                                                          \
    (SECONDARY_RDTSCP | SECONDARY_VPID | SECONDARY_INVPCID | SECONDARY_XSAVES |                    \
     SECONDARY_USER_WAIT | SECONDARY_PCONFIG)
#define EXIT_WELCOME  (EXIT_SAVE_PAT | EXIT_LOAD_PAT)
#define ENTRY_WELCOME ENTRY_LOAD_PAT

/* Exits that nobody answers: processors with EPT can do without, but some only by their true capabilities. */
#define PRIMARY_UNWANTED                                                                           \
    (PRIMARY_INTERRUPT_WINDOW | PRIMARY_HLT | PRIMARY_INVLPG | PRIMARY_MWAIT | PRIMARY_RDPMC |     \
     PRIMARY_RDTSC | PRIMARY_CR3_LOAD | PRIMARY_CR3_STORE | PRIMARY_CR8_LOAD | PRIMARY_CR8_STORE | \
     PRIMARY_NMI_WINDOW | PRIMARY_MOV_DR | PRIMARY_IO | PRIMARY_MONITOR | PRIMARY_PAUSE)

#define PIN_UNWANTED (PIN_INTERRUPTS | PIN_NMIS | PIN_VIRTUAL_NMIS)

/* What an unrestricted guest may clear although VMX needs it: SDM volume 3C, section 23.8. */
#define CR0_OF_UNRESTRICTED (CR0_PG | CR0_PE)

static uint32_t may(uint64_t capability)
{
    return (uint32_t)(capability >> 32);
}

static uint32_t adjusted(uint64_t capability, uint32_t wanted)
{
    return (wanted & may(capability)) | (uint32_t)capability;
}

static enum vmx_lack lack_find(const struct vmx_capabilities *has)
{
    const struct {
        uint64_t found, needed;
        enum vmx_lack lack;
    } rows[] = {
        {may(has->primary), PRIMARY_SECONDARY, VMX_LACKS_SECONDARY},
        {may(has->secondary), SECONDARY_EPT, VMX_LACKS_EPT},
        {may(has->secondary), SECONDARY_UNRESTRICTED, VMX_LACKS_UNRESTRICTED},
        {has->ept_vpid, EPT_CAP_WALK_4, VMX_LACKS_EPT_WALK},
        {has->ept_vpid, EPT_CAP_WRITE_BACK, VMX_LACKS_EPT_WRITE_BACK},
        {has->ept_vpid, EPT_CAP_2MIB, VMX_LACKS_EPT_2MIB},
        {has->ept_vpid, EPT_CAP_INVEPT, VMX_LACKS_EPT_INVEPT},
        {may(has->primary), PRIMARY_MSR_BITMAPS, VMX_LACKS_MSR_BITMAPS},
        {may(has->exit), EXIT_HOST_64_BIT, VMX_LACKS_64_BIT_HOST},
        {may(has->exit), EXIT_SAVE_EFER | EXIT_LOAD_EFER, VMX_LACKS_EFER},
        {may(has->entry), ENTRY_LOAD_EFER, VMX_LACKS_EFER},
        {may(has->exit), EXIT_SAVE_DEBUG, VMX_LACKS_DEBUG},
        {may(has->entry), ENTRY_LOAD_DEBUG, VMX_LACKS_DEBUG},
        {has->misc, VMX_MISC_WAIT_FOR_START, VMX_LACKS_WAIT_FOR_START},
        {~has->primary, PRIMARY_UNWANTED, VMX_LACKS_FREEDOM},
        {~has->pin, PIN_UNWANTED, VMX_LACKS_FREEDOM},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((rows[i].found & rows[i].needed) != rows[i].needed) {
            return rows[i].lack;
        }
    }
    return VMX_LACKS_NOTHING;
}

enum vmx_lack vmx_controls_choose(const struct vmx_capabilities *has, struct vmx_controls *out)
{
    const enum vmx_lack lack = lack_find(has);
    uint32_t secondary = SECONDARY_NEEDED | SECONDARY_WELCOME;

    if (lack != VMX_LACKS_NOTHING) {
        return lack;
    }
    if ((has->ept_vpid & EPT_CAP_INVVPID) != EPT_CAP_INVVPID) {
        secondary &= ~(uint32_t)SECONDARY_VPID;
    }
    *out = (struct vmx_controls){
        .pin = adjusted(has->pin, 0),
        .primary = adjusted(has->primary, PRIMARY_NEEDED),
        .secondary = adjusted(has->secondary, secondary),
        .exit = adjusted(has->exit, EXIT_NEEDED | EXIT_WELCOME),
        .entry = adjusted(has->entry, ENTRY_NEEDED | ENTRY_WELCOME),
        .cr0_kept = has->cr0_fixed0 & ~CR0_OF_UNRESTRICTED,
        .cr4_kept = has->cr4_fixed0,
        /* Intel PT writes to physical addresses that its MSRs name, and these are loaded past the bitmap of MSRs. */
        .xss_exiting = UC(1) << XSTATE_TRACE_BIT,
    };
    return VMX_LACKS_NOTHING;
}

const char *vmx_lack_words(enum vmx_lack lack)
{
    switch (lack) {
    case VMX_LACKS_SECONDARY:
        return "the processor\'s VMX has no secondary controls";
    case VMX_LACKS_EPT:
        return "the processor\'s VMX has no nested paging (EPT)";
    case VMX_LACKS_UNRESTRICTED:
        return "the processor\'s VMX cannot run a guest without paging (unrestricted guest)";
    case VMX_LACKS_EPT_WALK:
        return "the processor\'s VMX has no nested page tables of four levels";
    case VMX_LACKS_EPT_WRITE_BACK:
        return "the processor\'s VMX cannot keep nested page tables in its caches";
    case VMX_LACKS_EPT_2MIB:
        return "the processor\'s VMX has no nested pages of 2 MiB";
    case VMX_LACKS_EPT_INVEPT:
        return "the processor\'s VMX cannot forget nested translations";
    case VMX_LACKS_MSR_BITMAPS:
        return "the processor\'s VMX has no MSR bitmaps";
    case VMX_LACKS_64_BIT_HOST:
        return "the processor\'s VMX has no exits to 64-bit mode";
    case VMX_LACKS_EFER:
        return "the processor\'s VMX does not switch EFER";
    case VMX_LACKS_DEBUG:
        return "the processor\'s VMX does not switch debug controls";
    case VMX_LACKS_WAIT_FOR_START:
        return "the processor\'s VMX cannot let a processor wait for its start";
    case VMX_LACKS_FREEDOM:
        return "the processor\'s VMX insists on exits that are not answered";
    case VMX_LACKS_NOTHING:
        break;
    }
    return NULL;
}
