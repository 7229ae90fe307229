/*
 * The stage that starts the other processors: what is needed for it is found here, and its words are printed.
 */
#include "processors.h"

#include "format.h"
#include "instructions.h"
#include "log.h"
#include "log_lock.h"
#include "page_tables.h"
#include "pages.h"
#include "report.h"
#include "start.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/stacks.h"

/* Ids that one warning lists. */
#define IDS_SHOWN 8
#define ID_BYTES  sizeof(" 0x00000000")

/* Where their stacks are. */
static struct prange areas;

static uint32_t init_delay_us(void)
{
    const struct cpuid_leaf leaf = cpuid(CPUID_VENDOR);
    const uint32_t vendor[3] = {leaf.ebx, leaf.edx, leaf.ecx};

    return bringup_init_delay_us(vendor, cpuid(CPUID_FEATURE).eax);
}

/* The first processor's APIC, ready for use. */
static bool apic_ready(struct local_apic *apic)
{
    *apic = local_apic_detect();
    if (!apic->on) {
        log_warning("the local APIC is switched off: other processors cannot be started");
        return false;
    }
    if (!apic->x2apic && !page_tables_add_device(apic->registers)) {
        log_warning("the local APIC at 0x%lx lies in RAM or above 4 GiB: other processors cannot "
                    "be started",
                    apic->registers.pa);
        return false;
    }
    local_apic_use(apic);
    return true;
}

static void areas_free(void)
{
    if (areas.start < areas.end) {
        require(pages_free(areas));
        areas = (struct prange){0, 0};
    }
}

/* Memory for the start: the page below 1 MiB, and stacks. */
static bool memory_ready(const struct memmap *map, struct busy_list busy,
                         struct processors_request *request)
{
    const uint64_t bytes = (uint64_t)request->who->count * PROCESSOR_AREA_BYTES;
    struct status taken;

    if (!placement_start_page(map, busy, &request->start_page)) {
        /* Where there is none at all, the memory map's own warning has said so. */
        if (memmap_has_start_page(map)) {
            log_warning("no page between 4 KiB and 640 KiB is free: other processors cannot be "
                        "started");
        }
        return false;
    }
    taken = pages_take(bytes / PAGE_BYTES, &areas);
    /* Not beside the page where they start. */
    if (is_ok(taken) && areas.start < LOW_MEMORY_BYTES) {
        areas_free();
        taken = status_at(PAGES_NONE_FREE, bytes / PAGE_BYTES);
    }
    if (!is_ok(taken)) {
        log_warning("no room for the stacks of %u processors, 0x%lx bytes in one piece: they are "
                    "not started",
                    request->who->count, bytes);
        return false;
    }
    if (!page_tables_add_areas((paddr_t){areas.start}, request->who->count)) {
        fatal("the page tables do not fit the memory counted for them", "report this defect");
    }
    return true;
}

static void silent_report(const struct bringup *who, uint32_t online)
{
    char ids[IDS_SHOWN * ID_BYTES + sizeof(" ...")];
    size_t used = 0;
    uint32_t shown = 0;

    for (uint32_t i = 0; i < who->count && shown <= IDS_SHOWN; i++) {
        if (processor_online(i) == NULL) {
            used += shown++ == IDS_SHOWN
                        ? format_text(ids + used, sizeof(ids) - used, " ...")
                        : format_text(ids + used, sizeof(ids) - used, " 0x%x", who->apic_ids[i]);
        }
    }
    log_warning("%u of %u other processors do not answer, APIC ids%s: they are not used",
                who->count - online, who->count, ids);
}

static void state_report(const struct processor *processor)
{
    const struct processor_state *const state = &processor->state;

    log_debug("processor %u: apic-id=0x%x cr0=0x%lx cr4=0x%lx efer=0x%lx pat=0x%lx "
              "mtrr-default=0x%lx mtrr-0=0x%lx/0x%lx",
              processor->number, processor->apic_id, state->cr0, state->cr4, state->efer,
              state->pat, state->mtrrs.default_type, state->mtrrs.variable[0],
              state->mtrrs.variable[1]);
}

static void states_report(const struct bringup *who)
{
    state_report(&first_processor);
    for (uint32_t i = 0; i < who->count; i++) {
        const struct processor *processor = processor_online(i);

        if (processor != NULL) {
            state_report(processor);
        }
        if (processor != NULL && processor->differs) {
            log_warning("processor %u, APIC id 0x%x, has not taken over the first one's control "
                        "registers, PAT and MTRRs",
                        processor->number, processor->apic_id);
        }
    }
}

uint32_t stage_processors(const struct acpi_info *acpi, const struct memmap *map,
                          struct busy_list busy)
{
    static struct bringup who;
    struct local_apic apic;
    struct processors_request request = {.who = &who, .apic = &apic};
    uint32_t online;

    if (acpi->processors_enabled <= 1 || !apic_ready(&apic)) {
        return 1;
    }
    bringup_decide(acpi, local_apic_id(), apic.x2apic, &who);
    if (who.unreachable > 0) {
        log_warning("%u processors have APIC ids above 0xfe and the firmware left x2APIC mode off: "
                    "they are not used",
                    who.unreachable);
    }
    if (who.count == 0 || !memory_ready(map, busy, &request)) {
        return 1;
    }
    request.init_delay_us = init_delay_us();
    request.clock = clock_choose(acpi);
    log_lock_start();
    online = processors_start(&request);
    if (online < who.count) {
        silent_report(&who, online);
    }
    states_report(&who);
    return 1 + online;
}

void stage_processors_end(void)
{
    processors_put_back();
    areas_free();
}
