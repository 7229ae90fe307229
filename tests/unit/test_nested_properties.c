/* Nested page tables for any machine: everything in its place, as many tables as asked for, many processors at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nested_model.h"
#include "random.h"

#define KEPT_MOST 12
#define TYPE_MOST 8
#define PAGE      0x1000ULL

/* A request, and what it points to. */
struct machine {
    struct nested_request request;
    struct prange kept[KEPT_MOST];
    struct memory_types types;
};

/* Some pages, which may be anywhere, or at a bound of 2 MiB or 1 GiB, or near the top. */
static struct prange random_pages(struct random *random, uint64_t top)
{
    static const unsigned int shifts[] = {12, 12, 21, 30};
    const unsigned int shift = shifts[random_below(random, 4)];
    const uint64_t start = random_below(random, (uint32_t)(top >> shift)) * (1ULL << shift);
    const uint64_t bytes =
        PAGE * (1 + random_below(random, random_below(random, 4) == 0 ? 1500 : 3));

    return (struct prange){start, start + bytes < top ? start + bytes : top};
}

static void random_types(struct random *random, struct memory_types *types)
{
    const unsigned int shifts[] = {12, 21, 30, 31};
    uint64_t at = 0;

    types->otherwise = 6;
    types->count = random_below(random, TYPE_MOST + 1);
    for (uint32_t i = 0; i < types->count; i++) {
        const unsigned int shift = shifts[random_below(random, 4)];
        const uint64_t start = align_up(at + PAGE * random_below(random, 0x80000), 1ULL << shift);

        at = start + (1ULL << shift) * (1 + random_below(random, 3));
        types->ranges[i] =
            (struct memory_type_range){{start, at}, (uint8_t)random_below(random, 2)};
    }
}

static void random_machine(struct random *random, struct machine *machine)
{
    const uint64_t top = GIB(4 + random_below(random, 6));

    machine->request = (struct nested_request){
        .format = random_below(random, 2) != 0 ? NESTED_EPT : NESTED_NPT,
        .has_1gib_pages = random_below(random, 2) != 0,
        .physical_bits = 36 + random_below(random, 17),
        .top = top,
        .kept = {machine->kept, random_below(random, KEPT_MOST + 1)},
        .has_apic_page = random_below(random, 2) != 0,
        .apic_page = {0xfee00000},
        .ones = {0x111000},
        .walked = {0x222000},
    };
    for (uint32_t i = 0; i < machine->request.kept.count; i++) {
        machine->kept[i] = random_pages(random, top);
        if (prange_overlaps(machine->kept[i], (struct prange){0xfee00000, 0xfee01000})) {
            machine->kept[i] = (struct prange){0, PAGE};
        }
    }
    random_types(random, &machine->types);
    if (machine->request.format == NESTED_EPT || random_below(random, 2) != 0) {
        machine->request.types = &machine->types;
    }
}

static void test_any_machine(void **state)
{
    struct random random = {.state = 1};

    (void)state;
    for (uint32_t round = 0; round < 300; round++) {
        struct machine machine;
        struct nested nested;

        random_machine(&random, &machine);
        assert_true(nested_make(&nested, &machine.request));
        assert_true(nested_is_right(&nested) && nested_is_full(&nested));
        /* What is touched above the top is right, too, and touching it twice changes nothing. */
        for (uint32_t i = 0; i < 6; i++) {
            const uint64_t gpa =
                GIB(random_below(&random, 64)) + PAGE * random_below(&random, 0x40000);

            if (gpa < machine.request.top) {
                continue;
            }
            for (uint32_t turn = 0; turn < 2; turn++) {
                assert_int_equal(nested_fault(&nested, gpa, NESTED_WRITE), NESTED_MAPPED);
                assert_true(nested_walk(&nested, gpa).present);
            }
        }
        assert_true(nested_is_right(&nested));
        free(nested.tables);
    }
}

/* So many bytes somewhere below the top, and often where they lie in as many large pages as they can. */
static struct prange anywhere(struct random *random, uint64_t bytes, uint64_t top)
{
    const unsigned int shift = random_below(random, 2) != 0 ? 21 : 30;
    const uint64_t bound = (uint64_t)random_below(random, (uint32_t)(top >> shift)) << shift;
    const uint64_t into = PAGE * (1 + random_below(random, 2));
    uint64_t start = bound > into && random_below(random, 3) != 0
                         ? bound - into
                         : PAGE * random_below(random, (uint32_t)(top / PAGE));

    start = start + bytes <= top ? start : top - bytes;
    return (struct prange){start, start + bytes};
}

#define LATER_MOST 4

/* Processors and IOMMUs in any number make the ranges long, or many. */
static void test_what_is_counted_before_all_is_known_is_enough(void **state)
{
    struct random random = {.state = 2};

    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        struct prange kept[KEPT_MOST + LATER_MOST + 1];
        struct busy_list *list;
        struct machine machine;
        uint64_t later[LATER_MOST], beside, counted;
        const uint32_t count = random_below(&random, LATER_MOST + 1);

        random_machine(&random, &machine);
        list = &machine.request.kept;
        memcpy(kept, machine.kept, list->count * sizeof(kept[0]));
        list->ranges = kept;
        for (uint32_t i = 0; i < count; i++) {
            later[i] = PAGE * random_below(&random, random_below(&random, 2) != 0 ? 3 : 1200);
        }
        beside = PAGE * random_below(&random, random_below(&random, 2) != 0 ? 10 : 3000);
        if (random_below(&random, 4) ==
            0) { /* by what they cost themselves they get into one more large page */
            beside = MIB(4) - nested_bytes_before(&machine.request, later, count, 0) +
                     PAGE * random_below(&random, 8);
        }
        counted = nested_bytes_before(&machine.request, later, count, beside);
        /* No more than that: a short range is in two large pages of each size. */
        assert_true(count > 0 || counted + beside > MIB(1) ||
                    counted <= nested_bytes(&machine.request) + 4 * PAGE);
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t bytes = PAGE * random_below(&random, (uint32_t)(later[i] / PAGE) + 1);

            if (bytes > 0) {
                kept[list->count++] = anywhere(&random, bytes, machine.request.top);
            }
        }
        kept[list->count++] = anywhere(&random, counted + beside, machine.request.top);
        assert_true(nested_bytes(&machine.request) <= counted);
    }
}

/* 64 GiB without 1 GiB pages, 8 processors: a part of 8 MiB. With them, next to nothing. */
static void test_tables_are_small(void **state)
{
    const struct prange kept[] = {{0x9f000, 0xa0000}, {0x7fa00000, 0x80000000}};
    struct nested_request request = {.physical_bits = 40, .top = GIB(65), .kept = {kept, 2}};

    (void)state;
    assert_true(nested_bytes(&request) <= MIB(1) / 2);
    request.has_1gib_pages = true;
    assert_true(nested_bytes(&request) <= KIB(192));
    request.has_1gib_pages = false;
    request.top = GIB(4);
    assert_true(nested_bytes(&request) <= KIB(192));
}

static void test_what_cannot_be_built(void **state)
{
    static uint64_t tables[512];
    struct prange kept = {PAGE, 2 * PAGE};
    const struct nested_request good = {
        .physical_bits = 36, .top = GIB(4), .kept = {&kept, 1}, .has_apic_page = true};
    const struct prange bad[] = {
        {0x1001, 0x2000},
        {0x1000, 0x2001},
        {0x1000, 0x1000},
        {0x2000, 0x1000},
        {GIB(4) - PAGE, GIB(4) + PAGE},
        {GIB(4), GIB(4) + PAGE},
    };
    const uint64_t bad_tops[] = {0, GIB(3), GIB(4) + PAGE, GIB(65)};
    struct nested_request request = good;
    struct nested nested;
    struct status status = nested_build(&nested, &good, tables, 0, nested_bytes(&good) - 1);

    (void)state;
    assert_int_equal(status.code, NESTED_NO_ROOM);
    assert_int_equal(status.offset, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        kept = bad[i];
        status = nested_build(&nested, &good, tables, 0, UINT64_MAX);
        assert_int_equal(status.code, NESTED_BAD_RANGE);
        assert_int_equal(status.offset, bad[i].start);
    }
    kept = (struct prange){PAGE, 2 * PAGE};
    for (size_t i = 0; i < sizeof(bad_tops) / sizeof(bad_tops[0]); i++) {
        request.top = bad_tops[i];
        assert_int_equal(nested_build(&nested, &request, tables, 0, UINT64_MAX).code,
                         NESTED_BAD_RANGE);
    }
    request = good;
    request.apic_page.pa = GIB(4);
    assert_int_equal(nested_build(&nested, &request, tables, 0, UINT64_MAX).code, NESTED_BAD_RANGE);
}

/* --- many processors at once ------------------------------------------------------------------------------------ */

#define THREADS    2
#define ROUNDS     100
#define KEPT_PAGES 1536
#define GIBS_ABOVE (NESTED_SPARE_TABLES + 8)

struct toucher {
    struct nested *nested;
    pthread_barrier_t *start;
    uint32_t words; /* how often this one was told NESTED_KEPT */
};

/* All go the same way, so that they meet again and again: who is behind finds less to do, and catches up. */
static void *touch(void *argument)
{
    struct toucher *toucher = argument;

    pthread_barrier_wait(toucher->start);
    for (uint32_t i = 0; i < KEPT_PAGES; i++) {
        const enum nested_access access = i % 2 != 0 ? NESTED_WALK : NESTED_WRITE;

        toucher->words += nested_fault(toucher->nested, GIB(1) + PAGE * i, access) == NESTED_KEPT;
        if (i < GIBS_ABOVE) {
            nested_fault(toucher->nested, GIB(4 + i), NESTED_READ);
        }
    }
    return NULL;
}

static void all_touch(struct nested *nested, struct toucher touchers[THREADS])
{
    pthread_t threads[THREADS];
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        touchers[i] = (struct toucher){nested, &start, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, touch, &touchers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    pthread_barrier_destroy(&start);
}

static void test_many_processors_at_once(void **state)
{
    const struct prange kept = {GIB(1), GIB(1) + KEPT_PAGES * PAGE};
    const struct nested_request request = {.physical_bits = 40,
                                           .top = GIB(4),
                                           .kept = {&kept, 1},
                                           .ones = {0x111000},
                                           .walked = {0x222000}};

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct toucher touchers[THREADS];
        struct nested nested;
        uint32_t words = 0;

        assert_true(nested_make(&nested, &request));
        all_touch(&nested, touchers);
        for (uint32_t i = 0; i < THREADS; i++) {
            words += touchers[i].words;
        }
        assert_int_equal(words, KEPT_PAGES);
        for (uint64_t i = 0; i < KEPT_PAGES; i++) {
            const struct nested_page page = nested_walk(&nested, GIB(1) + PAGE * i);

            assert_true(page.sound && page.present);
            assert_int_equal(page.pa, i % 2 != 0 ? 0x222000 : 0x111000);
        }
        for (uint64_t i = 0; i < GIBS_ABOVE; i++) {
            const struct nested_page page = nested_walk(&nested, GIB(4 + i));

            assert_true(page.sound && page.present);
            assert_int_equal(page.pa, page.may_write ? GIB(4 + i) : 0x111000);
        }
        assert_true(nested.used_pages <= nested.capacity_pages + THREADS);
        free(nested.tables);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_machine),
        cmocka_unit_test(test_what_is_counted_before_all_is_known_is_enough),
        cmocka_unit_test(test_tables_are_small),
        cmocka_unit_test(test_what_cannot_be_built),
        cmocka_unit_test(test_many_processors_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
