/*
 * What VMX does not do to the local APIC, and Berth does in its stead: INIT, and NMIs that came to the wrong one.
 */
#include "apic_registers.h"
#include "processors.h"
#include "vmx_state.h"

static bool apic_is_on(void)
{
    return (msr_read(MSR_APIC_BASE) & APIC_BASE_ENABLED) != 0;
}

static bool is_in_service(volatile uint32_t *page)
{
    for (uint32_t word = 0; word < APIC_VECTOR_WORDS; word++) {
        if (apic_read(page, APIC_IN_SERVICE + word * APIC_WORD_BYTES) != 0) {
            return true;
        }
    }
    return false;
}

/* Each write ends the highest vector that is being handled. Requests that still wait cannot be withdrawn. */
static void service_end(volatile uint32_t *page)
{
    for (uint32_t i = 0; i < APIC_VECTORS && is_in_service(page); i++) {
        apic_write(page, APIC_EOI, 0);
    }
}

void vmx_apic_off(void)
{
    if (apic_is_on()) {
        apic_write(apic_page(), APIC_SPURIOUS, APIC_SPURIOUS_RESET);
    }
}

void vmx_apic_reset(void)
{
    /* By how many entries the local vector table has to have, for each to be there. */
    static const struct {
        uint16_t offset;
        uint8_t last_entry;
    } vectors[] = {{APIC_LVT_TIMER, 0}, {APIC_LVT_LINT0, 0},       {APIC_LVT_LINT1, 0},
                   {APIC_LVT_ERROR, 3}, {APIC_LVT_PERFORMANCE, 4}, {APIC_LVT_THERMAL, 5},
                   {APIC_LVT_CMCI, 6}};
    volatile uint32_t *page;
    uint32_t last_entry;

    if (!apic_is_on()) {
        return;
    }
    page = apic_page();
    last_entry = apic_read(page, APIC_VERSION) >> APIC_VERSION_LAST_SHIFT & APIC_VERSION_LAST;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        if (last_entry >= vectors[i].last_entry) {
            apic_write(page, vectors[i].offset, APIC_LVT_MASKED);
        }
    }
    service_end(page);
    apic_write(page, APIC_ERROR_STATUS, 0);
    apic_write(page, APIC_TIMER_INITIAL, 0);
    apic_write(page, APIC_TIMER_DIVIDE, 0);
    apic_write(page, APIC_TASK_PRIORITY, 0);
    if (page != NULL) {
        apic_write(page, APIC_LOGICAL_ID, 0);
        apic_write(page, APIC_MODEL, UINT32_MAX);
    }
    apic_write(page, APIC_SPURIOUS, APIC_SPURIOUS_RESET);
}

/*
 * A message to oneself goes without the shorthand for that, which is not for NMIs: SDM volume 3A, table 10-3. The id
 * is the one that the APIC has now; in its page it lies where a destination does.
 */
void vmx_nmi(void)
{
    volatile uint32_t *page;
    uint32_t destination;
    uint32_t id;

    if (!apic_is_on()) {
        return;
    }
    page = apic_page();
    id = apic_read(page, APIC_ID);
    if (page == NULL) {
        msr_write(MSR_X2APIC(APIC_COMMAND),
                  (uint64_t)id << X2APIC_ID_SHIFT | APIC_NMI | APIC_ASSERT);
        return;
    }
    /* The guest may be between its two writes. */
    apic_wait_sent(page);
    destination = apic_read(page, APIC_COMMAND_HIGH);
    apic_write(page, APIC_COMMAND_HIGH, id);
    apic_write(page, APIC_COMMAND, APIC_NMI | APIC_ASSERT);
    apic_wait_sent(page);
    apic_write(page, APIC_COMMAND_HIGH, destination);
}
