/*
 * The memory and string functions, compiled here under other names and compared with the C
 * library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block.h"
#include "random.h"

#define memcpy  berth_memcpy
#define memmove berth_memmove
#define memset  berth_memset
#define memcmp  berth_memcmp
#define strlen  berth_strlen
#define strcmp  berth_strcmp
#define strncmp berth_strncmp
#include "../../arch/x86/lib/mem.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp

#define AREA_BYTES 96

static void fill_random(uint8_t *area, size_t bytes, struct random *random)
{
    for (size_t i = 0; i < bytes; i++) {
        area[i] = (uint8_t)random_u64(random);
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void test_memcpy_of_every_length_at_every_alignment(void **state)
{
    struct random random = {.state = 1};
    uint8_t from[AREA_BYTES];
    uint8_t ours[AREA_BYTES];
    uint8_t hosts[AREA_BYTES];

    (void)state;
    for (size_t bytes = 0; bytes <= 40; bytes++) {
        for (size_t at = 0; at < 64; at++) {
            uint8_t *to = ours + at % 8;

            fill_random(from, sizeof(from), &random);
            fill_random(ours, sizeof(ours), &random);
            memcpy(hosts, ours, sizeof(ours));
            assert_ptr_equal(berth_memcpy(to, from + at / 8, bytes), to);
            memcpy(hosts + at % 8, from + at / 8, bytes);
            assert_memory_equal(ours, hosts, sizeof(ours));
        }
    }
}

static void test_memmove_of_every_overlap(void **state)
{
    struct random random = {.state = 2};
    uint8_t ours[AREA_BYTES];
    uint8_t hosts[AREA_BYTES];

    (void)state;
    for (size_t bytes = 0; bytes <= 48; bytes++) {
        for (size_t to = 0; to <= 48; to++) {
            size_t from = 24;

            fill_random(ours, sizeof(ours), &random);
            memcpy(hosts, ours, sizeof(ours));
            assert_ptr_equal(berth_memmove(ours + to, ours + from, bytes), ours + to);
            memmove(hosts + to, hosts + from, bytes);
            assert_memory_equal(ours, hosts, sizeof(ours));
        }
    }
}

static void test_memset_of_every_length_and_value(void **state)
{
    uint8_t ours[AREA_BYTES];
    uint8_t hosts[AREA_BYTES];

    (void)state;
    for (size_t bytes = 0; bytes <= 40; bytes++) {
        for (int value = -1; value <= 256; value++) {
            memset(ours, 0x55, sizeof(ours));
            memset(hosts, 0x55, sizeof(hosts));
            assert_ptr_equal(berth_memset(ours + bytes % 8, value, bytes), ours + bytes % 8);
            memset(hosts + bytes % 8, value, bytes);
            assert_memory_equal(ours, hosts, sizeof(ours));
        }
    }
}

static void test_memcmp_compares_unsigned_bytes(void **state)
{
    (void)state;
    assert_int_equal(berth_memcmp("abc", "abc", 3), 0);
    assert_int_equal(berth_memcmp("abc", "abd", 2), 0);
    assert_int_equal(berth_memcmp("x", "y", 0), 0);
    assert_true(berth_memcmp("abc", "abd", 3) < 0);
    assert_true(berth_memcmp("\xff", "\x01", 1) > 0);
    assert_true(berth_memcmp("a\0b", "a\0c", 3) < 0);
}

static void test_string_functions_stop_at_the_nul(void **state)
{
    (void)state;
    assert_int_equal(berth_strlen(""), 0);
    assert_int_equal(berth_strlen("abc\0def"), 3);
    assert_int_equal(berth_strcmp("abc\0x", "abc\0y"), 0);
    assert_int_equal(berth_strncmp("abc\0x", "abc\0y", 5), 0);
    assert_int_equal(berth_strncmp("abc", "abd", 2), 0);
    assert_int_equal(berth_strncmp("a", "b", 0), 0);
}

static void test_string_order_is_the_hosts(void **state)
{
    static const char *const texts[] = {"", "a", "ab", "abc", "b", "\xff", "\x01", "a\xff"};
    const size_t count = sizeof(texts) / sizeof(texts[0]);

    (void)state;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            assert_int_equal(sign(berth_strcmp(texts[a], texts[b])),
                             sign(strcmp(texts[a], texts[b])));
            for (size_t most = 0; most < 5; most++) {
                assert_int_equal(sign(berth_strncmp(texts[a], texts[b], most)),
                                 sign(strncmp(texts[a], texts[b], most)));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy_of_every_length_at_every_alignment),
        cmocka_unit_test(test_memmove_of_every_overlap),
        cmocka_unit_test(test_memset_of_every_length_and_value),
        cmocka_unit_test(test_memcmp_compares_unsigned_bytes),
        cmocka_unit_test(test_string_functions_stop_at_the_nul),
        cmocka_unit_test(test_string_order_is_the_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
