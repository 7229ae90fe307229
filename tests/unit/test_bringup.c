/*
 * Which processors are started, and how long they are left alone after their INIT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bringup.h"

static struct acpi_info acpi;
static struct bringup who;

static void processors(uint32_t count, const uint32_t *ids)
{
    acpi.processor_count = count;
    acpi.processors_enabled = count;
    acpi.processors_dropped = 0;
    for (uint32_t i = 0; i < count; i++) {
        acpi.processors[i] = (struct acpi_processor){.apic_id = ids[i], .enabled = true};
    }
}

static void test_all_others_are_started(void **state)
{
    (void)state;
    processors(4, (const uint32_t[]){4, 2, 0, 6});
    bringup_decide(&acpi, 2, false, &who);
    assert_int_equal(who.count, 3);
    assert_int_equal(who.apic_ids[0], 4);
    assert_int_equal(who.apic_ids[1], 0);
    assert_int_equal(who.apic_ids[2], 6);
    assert_int_equal(who.unreachable, 0);
}

static void test_one_processor_starts_nobody(void **state)
{
    (void)state;
    processors(1, (const uint32_t[]){3});
    bringup_decide(&acpi, 3, false, &who);
    assert_int_equal(who.count, 0);
}

static void test_who_is_not_enabled_is_not_started(void **state)
{
    (void)state;
    processors(3, (const uint32_t[]){0, 1, 2});
    acpi.processors[2].enabled = false;
    bringup_decide(&acpi, 0, false, &who);
    assert_int_equal(who.count, 1);
    assert_int_equal(who.apic_ids[0], 1);
}

static void test_the_first_need_not_be_named(void **state)
{
    (void)state;
    processors(2, (const uint32_t[]){1, 2});
    bringup_decide(&acpi, 0, false, &who);
    assert_int_equal(who.count, 2);
}

static void test_ids_end_where_the_mode_does(void **state)
{
    const uint32_t ids[] = {0, 0xfe, 0xff, 0x100, 0xfffffffe, 0xffffffff};

    (void)state;
    processors(6, ids);
    bringup_decide(&acpi, 0, false, &who);
    assert_int_equal(who.count, 1);
    assert_int_equal(who.apic_ids[0], 0xfe);
    assert_int_equal(who.unreachable, 4);

    bringup_decide(&acpi, 0, true, &who);
    assert_int_equal(who.count, 4);
    assert_int_equal(who.apic_ids[3], 0xfffffffe);
    assert_int_equal(who.unreachable, 1);
}

static void test_as_many_as_the_tables_hold(void **state)
{
    uint32_t ids[ACPI_PROCESSORS_MAX];

    (void)state;
    for (uint32_t i = 0; i < ACPI_PROCESSORS_MAX; i++) {
        ids[i] = i;
    }
    processors(ACPI_PROCESSORS_MAX, ids);
    bringup_decide(&acpi, 0x10000, true, &who);
    assert_int_equal(who.count, ACPI_PROCESSORS_MAX);
}

static uint32_t delay(const char *vendor, uint32_t signature)
{
    uint32_t words[3];

    memcpy(words, vendor, sizeof(words));
    return bringup_init_delay_us(words, signature);
}

static void test_only_old_processors_get_time_after_init(void **state)
{
    (void)state;
    assert_int_equal(delay("GenuineIntel", 0x00050654), 0);     /* Skylake-X, family 6 */
    assert_int_equal(delay("GenuineIntel", 0x00000f41), 10000); /* Pentium 4, family 15 */
    assert_int_equal(delay("GenuineIntel", 0x00000543), 10000); /* Pentium, family 5 */
    assert_int_equal(delay("AuthenticAMD", 0x00800f12), 0);     /* Zen, family 15 + 8 */
    assert_int_equal(delay("AuthenticAMD", 0x00000f48), 0);     /* K8, family 15 */
    assert_int_equal(delay("AuthenticAMD", 0x00000662), 10000); /* K7, family 6 */
    assert_int_equal(delay("CentaurHauls", 0x000006fa), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_others_are_started),
        cmocka_unit_test(test_one_processor_starts_nobody),
        cmocka_unit_test(test_who_is_not_enabled_is_not_started),
        cmocka_unit_test(test_the_first_need_not_be_named),
        cmocka_unit_test(test_ids_end_where_the_mode_does),
        cmocka_unit_test(test_as_many_as_the_tables_hold),
        cmocka_unit_test(test_only_old_processors_get_time_after_init),
    };

    return cmocka_run_group_tests_name("bringup", tests, NULL, NULL);
}
