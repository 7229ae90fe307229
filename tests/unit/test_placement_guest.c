/*
 * The places of a native kernel, its initrd and what is handed over: single cases, and random ones
 * against exhaustive search over a small memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cell_row.h"
#include "placement.h"
#include "random.h"
#include "x86/paging.h"

#define GUEST_RUNS 60000

static struct memmap map;

/* --- a native kernel: single cases ---------------------------------------------------------- */

static struct guest_needs usual_needs(void)
{
    return (struct guest_needs){
        .image = {MIB(1022), MIB(1024)},
        .kernel_file = {MIB(40), MIB(48)},
        .kernel_bytes = MIB(30),
        .kernel_preferred = MIB(16),
        .kernel_alignment = MIB(2),
        .kernel_relocatable = true,
        .initrd = {MIB(100), MIB(150) + 123},
        .initrd_below = GIB(2),
        .handoff_bytes = 5000,
    };
}

static void one_gigabyte(void)
{
    map.count = 2;
    map.ranges[0] = (struct memory_range){{0, KIB(639)}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{MIB(1), GIB(1)}, MEMORY_RAM};
}

static void test_the_usual_guest_moves_nothing(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(out.kernel, MIB(16)); /* over a part of its own file */
    assert_int_equal(out.initrd.start, needs.initrd.start);
    assert_int_equal(out.initrd.end, needs.initrd.end);
    assert_false(out.initrd_first);
    assert_int_equal(out.handoff.start, MIB(1022) - 2 * PAGE_BYTES);
    assert_int_equal(prange_bytes(out.handoff), 5000);
}

static void test_a_guest_goes_around_boot_services_but_its_initrd_may_stay_there(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    map.count = 4;
    map.ranges[0] = (struct memory_range){{MIB(1), MIB(17)}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{MIB(17), MIB(18)}, MEMORY_BOOT_SERVICES};
    map.ranges[2] = (struct memory_range){{MIB(18), MIB(120)}, MEMORY_RAM};
    map.ranges[3] = (struct memory_range){{MIB(120), GIB(1)}, MEMORY_BOOT_SERVICES};
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(out.kernel, MIB(18));
    assert_int_equal(out.initrd.start, needs.initrd.start);
    assert_int_equal(out.handoff.start, MIB(100) - 2 * PAGE_BYTES);
}

static void test_an_initrd_that_the_kernel_cannot_take_moves_high(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    needs.initrd.start += 1; /* not page-aligned */
    needs.initrd.end += 1;
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_true(out.initrd_first);
    assert_int_equal(out.initrd.end,
                     align_down(MIB(1022) - MIB(50) - 123, PAGE_BYTES) + MIB(50) + 123);

    needs = usual_needs();
    needs.initrd_below = MIB(150); /* ends above the limit: moves down, partly over itself */
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_true(out.initrd_first);
    assert_int_equal(out.initrd.start, MIB(100) - PAGE_BYTES);
}

static void test_an_initrd_in_the_only_place_for_the_kernel_moves_away_first(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    needs.kernel_relocatable = false;
    needs.kernel_alignment = 1;
    needs.initrd = (struct prange){MIB(20), MIB(30)};
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(out.kernel, MIB(16));
    assert_true(out.initrd_first);
    assert_int_equal(out.initrd.end, MIB(1022));

    needs.kernel_relocatable = true; /* now the kernel can make way instead */
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(out.kernel, MIB(30));
    assert_false(out.initrd_first);
}

static void test_an_initrd_goes_above_4_gib_only_when_nothing_below_fits(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    map.count = 3;
    map.ranges[2] = (struct memory_range){{GIB(4), GIB(8)}, MEMORY_RAM};
    needs.initrd = (struct prange){0, MIB(200)};
    needs.initrd_below = 1ULL << 52;
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(out.initrd.end, MIB(1022));
    needs.initrd.end = MIB(1000);
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(out.initrd.end, GIB(8));
    assert_int_equal(out.kernel, MIB(16));
    needs.initrd_below = GIB(2);
    assert_int_equal(placement_guest(&map, &needs, &out).code, PLACEMENT_NO_ROOM_INITRD);
}

static void assert_initrd_moves(struct prange initrd)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    needs.initrd = initrd;
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_true(out.initrd_first);
    assert_int_equal(out.initrd.end, needs.image.start); /* all these sizes are whole pages */
}

static void test_an_initrd_on_the_first_page_outside_ram_or_over_the_image_moves(void **state)
{
    (void)state;
    one_gigabyte();
    assert_initrd_moves((struct prange){0, PAGE_BYTES});
    assert_initrd_moves((struct prange){KIB(600), KIB(700)});
    assert_initrd_moves((struct prange){MIB(1021), MIB(1023)});
}

static void test_a_kernel_that_must_be_below_1_mib_has_no_place(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    map.count = 1;
    map.ranges[0] = (struct memory_range){{0, GIB(1)}, MEMORY_RAM};
    needs.kernel_relocatable = false;
    needs.kernel_preferred = KIB(512);
    struct status status = placement_guest(&map, &needs, &out);

    assert_int_equal(status.code, PLACEMENT_NO_ROOM_KERNEL);
    assert_int_equal(status.offset, KIB(512)); /* of its place, what is below 1 MiB */
}

static void test_a_kernel_that_must_end_above_4_gib_has_no_place(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    map.ranges[1].bytes.end = GIB(8);
    needs.kernel_relocatable = false;
    needs.kernel_preferred = GIB(4) - MIB(20);
    struct status status = placement_guest(&map, &needs, &out);

    assert_int_equal(status.code, PLACEMENT_NO_ROOM_KERNEL);
    assert_int_equal(status.offset, MIB(10));
}

static void test_a_guest_without_an_initrd_gets_none(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;

    (void)state;
    one_gigabyte();
    needs.initrd = (struct prange){0, 0};
    assert_true(is_ok(placement_guest(&map, &needs, &out)));
    assert_int_equal(prange_bytes(out.initrd), 0);
    assert_false(out.initrd_first);
}

static void test_the_error_says_what_did_not_fit_and_how_much_was_missing(void **state)
{
    struct guest_needs needs = usual_needs();
    struct guest_placement out;
    struct status status;

    (void)state;
    one_gigabyte();
    needs.kernel_bytes = GIB(1);
    status = placement_guest(&map, &needs, &out);
    assert_int_equal(status.code, PLACEMENT_NO_ROOM_KERNEL);
    assert_int_equal(status.offset, GIB(1) - (MIB(1022) - MIB(16)));

    needs = usual_needs();
    needs.kernel_preferred = GIB(5);
    status = placement_guest(&map, &needs, &out);
    assert_int_equal(status.code, PLACEMENT_NO_ROOM_KERNEL);
    assert_int_equal(status.offset, needs.kernel_bytes);
    needs.kernel_relocatable = false;
    assert_int_equal(placement_guest(&map, &needs, &out).offset, needs.kernel_bytes);

    needs = usual_needs();
    needs.kernel_relocatable = false;
    needs.kernel_preferred = MIB(1000);
    status = placement_guest(&map, &needs, &out);
    assert_int_equal(status.code, PLACEMENT_NO_ROOM_KERNEL);
    assert_int_equal(status.offset, MIB(8));

    needs = usual_needs();
    needs.initrd = (struct prange){0, GIB(2)};
    status = placement_guest(&map, &needs, &out);
    assert_int_equal(status.code, PLACEMENT_NO_ROOM_INITRD);
    assert_int_equal(status.offset, GIB(2) - (MIB(1022) - MIB(48)));

    needs = usual_needs();
    needs.handoff_bytes = GIB(1);
    status = placement_guest(&map, &needs, &out);
    assert_int_equal(status.code, PLACEMENT_NO_ROOM_HANDOFF);
    assert_true(status.offset > 0 && status.offset < GIB(1));
}

/* --- a native kernel: random needs against exhaustive search ------------------------------- */

/* Half a MiB a cell: low memory, and memory around 4 GiB. */
static const struct row guest_row = {
    .unit = KIB(512), .cells = 40, .split = 28, .high = GIB(4) - 6 * KIB(512)};

struct guest_case {
    struct guest_needs needs;
    struct prange others[BUSY_MAX];
    uint64_t ram;
    uint64_t fixed; /* cells of the image and of other modules */
    uint64_t file;
    uint64_t initrd;
    uint32_t kernel_cells;
    uint32_t initrd_cells;
    uint32_t handoff_cells;
};

/* A random range in RAM, if luck has it, that keeps clear of `taken`; empty otherwise. */
static struct prange random_range(struct random *random, uint64_t allowed, uint32_t cells)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        uint32_t first = random_below(random, guest_row.cells);

        if (cells != 0 && is_in_one_part(&guest_row, first, cells) &&
            (allowed & run_mask(first, cells)) == run_mask(first, cells)) {
            return (struct prange){cell_start(&guest_row, first),
                                   cell_end(&guest_row, first + cells - 1)};
        }
    }
    return (struct prange){0, 0};
}

static void random_case(struct random *random, struct guest_case *guest)
{
    struct guest_needs *needs = &guest->needs;
    uint64_t taken;

    /*
     * Cell 0 holds the first page, which is nobody's: no RAM there, so that cells are all that
     * counts.
     */
    guest->ram = random_map(random, &guest_row, &map) & ~1ULL;
    if (map.count > 0 && map.ranges[0].bytes.start == 0) {
        map.ranges[0].bytes.start = guest_row.unit;
    }
    if (map.count > 0 && map.ranges[0].bytes.start == map.ranges[0].bytes.end) {
        map.ranges[0].bytes = (struct prange){KIB(4), KIB(8)};
        map.ranges[0].type = MEMORY_RESERVED;
    }
    needs->image = random_range(random, guest->ram, 1 + random_below(random, 3));
    guest->fixed = cells_of(&guest_row, needs->image);
    needs->kernel_file =
        random_range(random, guest->ram & ~guest->fixed, 1 + random_below(random, 4));
    guest->file = cells_of(&guest_row, needs->kernel_file);
    taken = guest->fixed | guest->file;
    needs->initrd = random_range(random, guest->ram & ~taken, random_below(random, 6));
    guest->initrd = cells_of(&guest_row, needs->initrd);
    taken |= guest->initrd;
    needs->others = (struct busy_list){guest->others, random_below(random, 4)};
    for (uint32_t i = 0; i < needs->others.count; i++) {
        guest->others[i] = random_range(random, ~taken, 1 + random_below(random, 2));
        guest->fixed |= cells_of(&guest_row, guest->others[i]);
        taken |= guest->fixed;
    }
    guest->kernel_cells = 1 + random_below(random, 8);
    guest->initrd_cells = (uint32_t)(prange_bytes(needs->initrd) / guest_row.unit);
    guest->handoff_cells = 1 + random_below(random, 2);
    needs->kernel_bytes = guest->kernel_cells * guest_row.unit;
    needs->kernel_relocatable = random_below(random, 4) != 0;
    needs->kernel_alignment =
        needs->kernel_relocatable ? KIB(512) << random_below(random, 3) : PAGE_BYTES;
    needs->kernel_preferred = random_below(random, 20) * guest_row.unit;
    needs->initrd_below =
        random_below(random, 3) == 0 ? 1ULL << 52 : MIB(5) + random_below(random, 16) * MIB(1);
    needs->handoff_bytes = guest->handoff_cells * guest_row.unit;
}

/* Is there a place in the allowed cells, below a limit? */
static bool has_place(uint64_t allowed, uint32_t cells, uint64_t below)
{
    for (uint32_t i = 0; i + cells <= guest_row.cells; i++) {
        uint64_t mask = run_mask(i, cells);

        if (is_in_one_part(&guest_row, i, cells) && (allowed & mask) == mask &&
            cell_end(&guest_row, i + cells - 1) <= below) {
            return true;
        }
    }
    return false;
}

static bool kernel_may_be_at(const struct guest_case *guest, uint32_t cell)
{
    const struct guest_needs *needs = &guest->needs;
    uint64_t start = cell_start(&guest_row, cell);
    uint64_t lowest = needs->kernel_preferred < MIB(1) ? MIB(1) : needs->kernel_preferred;
    uint64_t mask = run_mask(cell, guest->kernel_cells);

    return is_in_one_part(&guest_row, cell, guest->kernel_cells) &&
           (guest->ram & ~guest->fixed & mask) == mask && start % needs->kernel_alignment == 0 &&
           start + needs->kernel_bytes <= GIB(4) && start >= lowest &&
           (needs->kernel_relocatable || start == needs->kernel_preferred);
}

static bool initrd_may_stay(const struct guest_case *guest)
{
    return guest->needs.initrd.end <= guest->needs.initrd_below;
}

/* How far the best of all attempts gets. */
static enum status_code exhaustive_guest(const struct guest_case *guest)
{
    uint64_t free = guest->ram & ~guest->fixed;
    enum status_code best = PLACEMENT_NO_ROOM_KERNEL;

    for (uint32_t k = 0; k < guest_row.cells; k++) {
        uint64_t kernel = run_mask(k, guest->kernel_cells);

        if (!kernel_may_be_at(guest, k)) {
            continue;
        }
        if (guest->initrd_cells == 0 || (initrd_may_stay(guest) && (kernel & guest->initrd) == 0)) {
            if (has_place(free & ~(guest->file | guest->initrd | kernel), guest->handoff_cells,
                          GIB(4))) {
                return STATUS_OK;
            }
            best = PLACEMENT_NO_ROOM_HANDOFF;
        }
        if (guest->initrd_cells == 0) {
            continue;
        }
        best = best < PLACEMENT_NO_ROOM_INITRD ? PLACEMENT_NO_ROOM_INITRD : best;
        for (uint32_t i = 0; i + guest->initrd_cells <= guest_row.cells; i++) {
            uint64_t initrd = run_mask(i, guest->initrd_cells);

            if (!is_in_one_part(&guest_row, i, guest->initrd_cells) ||
                (initrd & ~(free & ~guest->file & ~kernel)) != 0 ||
                cell_end(&guest_row, i + guest->initrd_cells - 1) > guest->needs.initrd_below) {
                continue;
            }
            if (has_place(free & ~(guest->file | guest->initrd | initrd | kernel),
                          guest->handoff_cells, GIB(4))) {
                return STATUS_OK;
            }
            best = PLACEMENT_NO_ROOM_HANDOFF;
        }
    }
    return best;
}

/* By how much the initrd is too large, with the kernel in the best of its places. */
static uint64_t initrd_shortfall(const struct guest_case *guest)
{
    uint32_t most = 0;

    for (uint32_t k = 0; k < guest_row.cells; k++) {
        uint64_t allowed =
            guest->ram & ~guest->fixed & ~guest->file & ~run_mask(k, guest->kernel_cells);

        if (kernel_may_be_at(guest, k)) {
            while (has_place(allowed, most + 1, guest->needs.initrd_below)) {
                most++;
            }
        }
    }
    return (guest->initrd_cells - most) * guest_row.unit;
}

/*
 * Where the kernel is put when the initrd stays: the lowest place that leaves room for the block;
 * or ~0.
 */
static uint64_t lowest_kernel_beside_initrd(const struct guest_case *guest)
{
    uint64_t free = guest->ram & ~guest->fixed & ~guest->file & ~guest->initrd;

    for (uint32_t k = 0; k < guest_row.cells && initrd_may_stay(guest); k++) {
        uint64_t kernel = run_mask(k, guest->kernel_cells);

        if (kernel_may_be_at(guest, k) && (kernel & guest->initrd) == 0 &&
            has_place(free & ~kernel, guest->handoff_cells, GIB(4))) {
            return cell_start(&guest_row, k);
        }
    }
    return UINT64_MAX;
}

static void assert_promises_kept(const struct guest_case *guest, const struct guest_placement *out)
{
    const struct guest_needs *needs = &guest->needs;
    struct prange kernel = {out->kernel, out->kernel + needs->kernel_bytes};
    struct prange handoff = out->handoff;

    assert_true(memmap_is_ram(&map, kernel) && memmap_is_ram(&map, out->initrd) &&
                memmap_is_ram(&map, handoff));
    assert_int_equal(cells_of(&guest_row, kernel) & guest->fixed, 0);
    assert_int_equal(cells_of(&guest_row, out->initrd) & guest->fixed, 0);
    assert_false(prange_overlaps(kernel, out->initrd));
    assert_true(kernel.start >= MIB(1) && kernel.start >= needs->kernel_preferred &&
                kernel.end <= GIB(4));
    assert_int_equal(kernel.start % needs->kernel_alignment, 0);
    assert_true(needs->kernel_relocatable || kernel.start == MIB(1) ||
                kernel.start == needs->kernel_preferred);
    assert_true(out->initrd.end <= needs->initrd_below);
    assert_int_equal(out->initrd.start % PAGE_BYTES, 0);
    assert_int_equal(prange_bytes(out->initrd), prange_bytes(needs->initrd));
    if (out->initrd_first) {
        assert_false(prange_overlaps(out->initrd, needs->kernel_file));
    } else {
        assert_int_equal(out->initrd.start, needs->initrd.start);
    }
    assert_int_equal(prange_bytes(handoff), needs->handoff_bytes);
    assert_true(handoff.start >= PAGE_BYTES && handoff.start % PAGE_BYTES == 0 &&
                handoff.end <= GIB(4));
    assert_int_equal(cells_of(&guest_row, handoff) & (guest->fixed | guest->file | guest->initrd),
                     0);
    assert_false(prange_overlaps(handoff, kernel));
    assert_false(prange_overlaps(handoff, out->initrd));
}

static void test_random_guests_find_their_places_whenever_there_are_any(void **state)
{
    struct random random = {0x90};
    int seen[PLACEMENT_NO_ROOM_HANDOFF + 1] = {0};
    int moved = 0;
    int overlooked = 0;
    int lower = 0;

    (void)state;
    for (int run = 0; run < GUEST_RUNS; run++) {
        struct guest_case guest;
        struct guest_placement out;

        random_case(&random, &guest);
        struct status status = placement_guest(&map, &guest.needs, &out);

        seen[status.code]++;
        if (is_ok(status)) {
            uint64_t lowest = lowest_kernel_beside_initrd(&guest);

            assert_promises_kept(&guest, &out);
            assert_int_equal(out.initrd_first, lowest == UINT64_MAX);
            lower += out.kernel == lowest;
            moved += out.initrd_first;
        } else {
            enum status_code best = exhaustive_guest(&guest);

            /*
             * With something on each side of the kernel a place between the ends of a hole could
             * have helped.
             */
            overlooked += best == STATUS_OK && status.code == PLACEMENT_NO_ROOM_HANDOFF;
            assert_true(best == status.code || status.code == PLACEMENT_NO_ROOM_HANDOFF);
            assert_true(status.offset > 0);
            if (status.code == PLACEMENT_NO_ROOM_INITRD) {
                assert_int_equal(status.offset, initrd_shortfall(&guest));
            }
        }
    }
    assert_true(lower > GUEST_RUNS / 8);
    assert_true(overlooked < GUEST_RUNS / 5000);
    assert_true(moved > GUEST_RUNS / 20);
    assert_true(seen[STATUS_OK] > GUEST_RUNS / 4);
    assert_true(seen[PLACEMENT_NO_ROOM_KERNEL] > GUEST_RUNS / 20);
    assert_true(seen[PLACEMENT_NO_ROOM_INITRD] > GUEST_RUNS / 100);
    assert_true(seen[PLACEMENT_NO_ROOM_HANDOFF] > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_usual_guest_moves_nothing),
        cmocka_unit_test(test_a_guest_goes_around_boot_services_but_its_initrd_may_stay_there),
        cmocka_unit_test(test_an_initrd_that_the_kernel_cannot_take_moves_high),
        cmocka_unit_test(test_an_initrd_in_the_only_place_for_the_kernel_moves_away_first),
        cmocka_unit_test(test_an_initrd_goes_above_4_gib_only_when_nothing_below_fits),
        cmocka_unit_test(test_an_initrd_on_the_first_page_outside_ram_or_over_the_image_moves),
        cmocka_unit_test(test_a_kernel_that_must_be_below_1_mib_has_no_place),
        cmocka_unit_test(test_a_kernel_that_must_end_above_4_gib_has_no_place),
        cmocka_unit_test(test_a_guest_without_an_initrd_gets_none),
        cmocka_unit_test(test_the_error_says_what_did_not_fit_and_how_much_was_missing),
        cmocka_unit_test(test_random_guests_find_their_places_whenever_there_are_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
