/*
 * How a guest is to run inside VMX: which of a processor's controls are set. The guest shall have the machine to
 * itself, so as little as possible leads to an exit, and every instruction that CPUID names shall work.
 */
#ifndef POLICY_VMX_CONTROLS_H
#define POLICY_VMX_CONTROLS_H

#include <stdint.h>

/* The capability MSRs, as they are. Source: Intel SDM volume 3C, appendix A. */
struct vmx_capabilities {
    uint64_t pin, primary, exit, entry; /* the true ones, where there are any */
    uint64_t secondary;                 /* 0: the processor has none */
    uint64_t ept_vpid;                  /* 0: it has neither */
    uint64_t misc;
    uint64_t cr0_fixed0, cr4_fixed0;
};

struct vmx_controls {
    uint32_t pin, primary, secondary, exit;
    uint32_t entry; /* without ENTRY_LONG_MODE, which follows the guest's mode */
    /* Bits that are 1 whatever the guest writes there. */
    uint64_t cr0_kept, cr4_kept;
    /* Of what XSAVES and XRSTORS save and load: what leads to an exit. */
    uint64_t xss_exiting;
};

/* What keeps a guest from running, the plainest first. */
enum vmx_lack {
    VMX_LACKS_NOTHING,
    VMX_LACKS_SECONDARY,
    VMX_LACKS_EPT,
    VMX_LACKS_UNRESTRICTED,
    VMX_LACKS_EPT_WALK,
    VMX_LACKS_EPT_WRITE_BACK,
    VMX_LACKS_EPT_2MIB,
    VMX_LACKS_EPT_INVEPT,
    VMX_LACKS_MSR_BITMAPS,
    VMX_LACKS_64_BIT_HOST,
    VMX_LACKS_EFER,
    VMX_LACKS_DEBUG,
    VMX_LACKS_WAIT_FOR_START,
    VMX_LACKS_FREEDOM, /* exits that cannot be switched off */
};

/* @out  filled when nothing is lacking */
enum vmx_lack vmx_controls_choose(const struct vmx_capabilities *has, struct vmx_controls *out);

/* In words; NULL when nothing is lacking. */
const char *vmx_lack_words(enum vmx_lack lack);

/* What a processor has against VMLAUNCH and the like. Source: Intel SDM volume 3C, section 30.4 (31.4). */
const char *vmx_error_words(uint32_t number);

/* Why an entry failed that the processor had begun. Source: section 26.8 (27.8). */
const char *vmx_entry_failure_words(uint32_t basic_reason);

#endif
