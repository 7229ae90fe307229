/* Messages between processors: which of them start one, and whom each one reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipi.h"

#define XAPIC  false
#define X2APIC true

static void test_kinds(void **state)
{
    static const struct {
        uint32_t command;
        enum ipi_kind kind;
    } rows[] = {
        {0x000fd, IPI_ORDINARY}, /* fixed */
        {0x001fd, IPI_ORDINARY}, /* lowest priority */
        {0x00200, IPI_ORDINARY}, /* SMI */
        {0x00400, IPI_ORDINARY}, /* NMI */
        {0x00700, IPI_ORDINARY}, {0x00500, IPI_INIT},
        {0x04500, IPI_INIT},     {0x0c500, IPI_INIT}, /* level-triggered, asserted */
        {0x08500, IPI_NOTHING},                       /* and de-asserted */
        {0xc8500, IPI_NOTHING},  {0x0069f, IPI_START},
        {0x04600, IPI_START},    {0x0c6ff, IPI_START},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ipi_decode(rows[i].command, XAPIC).kind, rows[i].kind);
        assert_int_equal(ipi_decode(rows[i].command, X2APIC).kind, rows[i].kind);
        assert_int_equal(ipi_decode(rows[i].command, X2APIC).vector, rows[i].command & 0xff);
    }
}

/* The other mode's processors heed none of these bits. */
static void test_reserved_bits_are_refused_in_x2apic_mode(void **state)
{
    (void)state;
    for (unsigned int bit = 0; bit < 64; bit++) {
        const bool reserved =
            bit == 12 || bit == 13 || bit == 16 || bit == 17 || (bit >= 20 && bit < 32);
        const uint64_t command = 0x600 ^ 1ULL << bit;

        assert_int_equal(ipi_decode(command, X2APIC).kind == IPI_REFUSED, reserved);
        assert_true(ipi_decode(command, XAPIC).kind != IPI_REFUSED);
    }
}

static void test_destinations(void **state)
{
    (void)state;
    assert_int_equal(ipi_decode(0x2345678000004600, XAPIC).destination, 0x23);
    assert_int_equal(ipi_decode(0x1234567800004600, X2APIC).destination, 0x12345678);
    assert_int_equal(ipi_decode(0x00004600, XAPIC).target, IPI_TO_ONE);
    assert_int_equal(ipi_decode(0x00044600, XAPIC).target, IPI_TO_SELF);
    assert_int_equal(ipi_decode(0x00084600, XAPIC).target, IPI_TO_ALL);
    assert_int_equal(ipi_decode(0x000c4600, XAPIC).target, IPI_TO_OTHERS);
    assert_false(ipi_decode(0x00004600, XAPIC).logical);
    assert_true(ipi_decode(0x00004e00, XAPIC).logical);
}

/* The processor may answer it with #GP, and it is Berth that would get that. */
static void test_remote_reads_are_refused_in_x2apic_mode(void **state)
{
    (void)state;
    assert_int_equal(ipi_decode(0x4300, X2APIC).kind, IPI_REFUSED);
    assert_int_equal(ipi_decode(0x4300, XAPIC).kind, IPI_ORDINARY);
}

/* The sender is processor 1. */
static bool reaches(uint64_t icr, bool x2apic, struct ipi_address who)
{
    const struct ipi ipi = ipi_decode(icr, x2apic);

    return ipi_reaches(&ipi, x2apic, 1, &who);
}

static void test_shorthands(void **state)
{
    const struct ipi_address self = {.apic_id = 1}, other = {.apic_id = 2};

    (void)state;
    for (int x2apic = 0; x2apic < 2; x2apic++) {
        assert_true(reaches(0x44600, x2apic, self));
        assert_false(reaches(0x44600, x2apic, other));
        assert_true(reaches(0x84600, x2apic, self));
        assert_true(reaches(0x84600, x2apic, other));
        assert_false(reaches(0xc4600, x2apic, self));
        assert_true(reaches(0xc4600, x2apic, other));
    }
}

static void test_one_by_its_id(void **state)
{
    const struct ipi_address three = {.apic_id = 3, .logical_id = 0xff000000, .flat = true};
    const struct ipi_address far = {.apic_id = 0x103};

    (void)state;
    assert_true(reaches(0x0300000000004600, XAPIC, three));
    assert_false(reaches(0x0200000000004600, XAPIC, three));
    assert_true(reaches(0xff00000000004600, XAPIC, three));
    assert_true(reaches(0x0000000300004600, X2APIC, three));
    assert_false(reaches(0x0000000300004600, X2APIC, far));
    assert_true(reaches(0x0000010300004600, X2APIC, far));
    assert_false(reaches(0x000000ff00004600, X2APIC, far));
    assert_true(reaches(0xffffffff00004600, X2APIC, far));
}

static void test_some_by_logical_addresses(void **state)
{
    const struct ipi_address flat = {.apic_id = 9, .logical_id = 0x04000000, .flat = true};
    const struct ipi_address cluster = {.apic_id = 9, .logical_id = 0x24000000};
    const struct ipi_address x2 = {.apic_id = 0x22, .logical_id = 0x00020004};

    (void)state;
    assert_true(reaches(0x0600000000004e00, XAPIC, flat));
    assert_false(reaches(0x0900000000004e00, XAPIC, flat));
    assert_true(reaches(0xff00000000004e00, XAPIC, flat));

    assert_true(reaches(0x2600000000004e00, XAPIC, cluster));
    assert_false(reaches(0x2300000000004e00, XAPIC, cluster));
    assert_false(reaches(0x1400000000004e00, XAPIC, cluster));
    assert_true(reaches(0xff00000000004e00, XAPIC, cluster));

    assert_true(reaches(0x0002000600004e00, X2APIC, x2));
    assert_false(reaches(0x0002000300004e00, X2APIC, x2));
    assert_false(reaches(0x0003000400004e00, X2APIC, x2));
    assert_true(reaches(0xffffffff00004e00, X2APIC, x2));
}

/* Intel SDM volume 3A, section 10.12.10.2 (11.12.10.2). */
static void test_logical_addresses_in_x2apic_mode_follow_from_ids(void **state)
{
    (void)state;
    assert_int_equal(ipi_x2apic_logical_id(0), 0x00000001);
    assert_int_equal(ipi_x2apic_logical_id(0xf), 0x00008000);
    assert_int_equal(ipi_x2apic_logical_id(0x22), 0x00020004);
    assert_int_equal(ipi_x2apic_logical_id(0xfffff), 0xffff8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_reserved_bits_are_refused_in_x2apic_mode),
        cmocka_unit_test(test_remote_reads_are_refused_in_x2apic_mode),
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_shorthands),
        cmocka_unit_test(test_one_by_its_id),
        cmocka_unit_test(test_some_by_logical_addresses),
        cmocka_unit_test(test_logical_addresses_in_x2apic_mode_follow_from_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
