/*
 * A QEMU plugin that counts executed guest instructions and notes the count at marked addresses.
 *
 *   -plugin bench-plugin.so,out=FILE,mark=NAME:ADDRESS,mark=...,profile=START:BYTES,stop=on
 *
 * Marks are passed in the order given: each is armed when the one before it was reached, which may
 * have the same address.
 *
 * Lines of the output:
 * - mark NAME INSTRUCTIONS MOVES STORES: the counts so far; MOVES and STORES are those that were
 *   iterations of `rep movs` and `rep stos`, which count one each
 * - at ADDRESS COUNT: with profile=, how often the instruction at that address was executed
 * - end INSTRUCTIONS MOVES STORES: when the machine ends; with stop=on that is at the last mark
 *
 * Debian ships no header for plugins. What is used of QEMU's plugin interface, version 1, is
 * declared here; see QEMU's documentation, "QEMU TCG Plugins" (docs/devel/tcg-plugins.rst).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
enum { CALLBACK_READS_NO_REGISTERS = 0, INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t id,
                                                              struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*executed)(unsigned int cpu, void *data),
                                            int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *instruction, int operation,
                                                void *counter, uint64_t amount);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
                                    void (*ended)(qemu_plugin_id_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

EXPORT int qemu_plugin_version = 1;

#define MARKS_MAX 16

struct mark {
    char name[32];
    uint64_t address;
};

static struct mark marks[MARKS_MAX];
static size_t mark_count;
static size_t next_mark;
static bool stop_at_last_mark;
static FILE *out;

static uint64_t instructions;
static uint64_t moves;
static uint64_t stores;

static uint64_t profile_start;
static uint64_t profile_bytes;
static uint64_t *profile;

static void counts_print(const char *what, const char *name)
{
    fprintf(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", what, name, instructions, moves,
            stores);
    fflush(out);
}

static void ended(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    for (uint64_t i = 0; i < profile_bytes; i++) {
        if (profile[i] != 0) {
            fprintf(out, "at %#" PRIx64 " %" PRIu64 "\n", profile_start + i, profile[i]);
        }
    }
    counts_print("end", "");
}

static void mark_reached(unsigned int cpu, void *data)
{
    const struct mark *mark = data; /* the first one of its address */

    (void)cpu;
    if (next_mark == mark_count || mark->address != marks[next_mark].address) {
        return;
    }
    counts_print("mark ", marks[next_mark].name);
    next_mark++;
    if (next_mark == mark_count && stop_at_last_mark) {
        ended(0, NULL);
        _exit(0);
    }
}

/* Where the iterations of this instruction are counted: rep (f3), perhaps REX, then movs (a4, a5)
 * or stos (aa, ab). */
static uint64_t *string_counter(const struct qemu_plugin_insn *instruction)
{
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);
    const size_t size = qemu_plugin_insn_size(instruction);
    uint8_t opcode;

    if (size < 2 || bytes[0] != 0xf3) {
        return NULL;
    }
    opcode = bytes[size - 1] & 0xfe;
    if (size > 3 || (opcode != 0xa4 && opcode != 0xaa)) {
        return NULL;
    }
    return opcode == 0xa4 ? &moves : &stores;
}

static void instruction_watch(struct qemu_plugin_insn *instruction)
{
    const uint64_t address = qemu_plugin_insn_vaddr(instruction);
    uint64_t *counter = string_counter(instruction);

    for (size_t i = 0; i < mark_count; i++) {
        if (marks[i].address == address) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark_reached,
                                                   CALLBACK_READS_NO_REGISTERS, &marks[i]);
            break;
        }
    }
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, INLINE_ADD_U64, &instructions, 1);
    if (counter != NULL) {
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, INLINE_ADD_U64, counter, 1);
    }
    if (address - profile_start < profile_bytes) {
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, INLINE_ADD_U64,
                                                   &profile[address - profile_start], 1);
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    const size_t count = qemu_plugin_tb_n_insns(block);

    (void)id;
    for (size_t i = 0; i < count; i++) {
        instruction_watch(qemu_plugin_tb_get_insn(block, i));
    }
}

static bool argument_take(const char *argument)
{
    struct mark *mark = &marks[mark_count];

    if (strncmp(argument, "out=", 4) == 0) {
        out = fopen(argument + 4, "w");
        return out != NULL;
    }
    if (strncmp(argument, "mark=", 5) == 0) {
        if (mark_count == MARKS_MAX ||
            sscanf(argument + 5, "%31[^:]:%" SCNx64, mark->name, &mark->address) != 2) {
            return false;
        }
        mark_count++;
        return true;
    }
    if (strncmp(argument, "profile=", 8) == 0) {
        if (sscanf(argument + 8, "%" SCNx64 ":%" SCNx64, &profile_start, &profile_bytes) != 2) {
            return false;
        }
        profile = calloc(profile_bytes, sizeof(*profile));
        return profile != NULL;
    }
    stop_at_last_mark = strcmp(argument, "stop=on") == 0;
    return stop_at_last_mark;
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!argument_take(argv[i])) {
            fprintf(stderr, "bench-plugin: bad argument %s\n", argv[i]);
            return 1;
        }
    }
    if (out == NULL) {
        fprintf(stderr, "bench-plugin: out=FILE is missing\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
