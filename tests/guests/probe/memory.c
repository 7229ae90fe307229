/*
 * Reads, writes by instructions of every form, execution and page walks at an address that the
 * tester names: each is told with what it did to the registers. A form is first tried in memory of
 * this guest that is full of ones; "same" is what leaves the registers as that did.
 */
#include "guest_io.h"
#include "probe.h"

#define SAMPLE_BYTES 128
#define RETURN       0xc3
#define ENTRY_RIGHTS 7 /* of a page table: present, writable, for ring 3 */

/* By assembly alone. */
struct registers {
    uint64_t a, c, d, si, di, sp, flags;
};
#pragma GCC visibility push(hidden)
extern struct registers after;
extern uint64_t source[4];
#pragma GCC visibility pop

struct registers after;
uint64_t source[4];
static uint8_t sample[SAMPLE_BYTES] __attribute__((aligned(64)));

/* rbx and rdi: where. rsi: a source. rax, rdx, rcx = 3: values. r8 to r10 may be used. */
#define FORMS(X)                                                                                   \
    X(mov8, "movb %%al, (%%rbx)")                                                                  \
    X(mov8_high, "movb %%ah, (%%rbx)")                                                             \
    X(mov16, "movw %%ax, (%%rbx)")                                                                 \
    X(mov32, "movl %%eax, (%%rbx)")                                                                \
    X(mov64, "movq %%rax, (%%rbx)")                                                                \
    X(mov64_r15, "movq %%rax, %%r15\n\tmovq %%r15, (%%rbx)")                                       \
    X(mov8_immediate, "movb $0x5a, (%%rbx)")                                                       \
    X(mov16_immediate, "movw $0x5a5a, (%%rbx)")                                                    \
    X(mov32_immediate, "movl $0x5a5a5a5a, (%%rbx)")                                                \
    X(mov64_immediate, "movq $-77, (%%rbx)")                                                       \
    X(mov32_displaced, "lea -0x1234(%%rbx), %%r8\n\tmovl %%eax, 0x1234(%%r8)")                     \
    X(mov32_scaled, "lea -12(%%rbx), %%r8\n\tmovl %%eax, (%%r8, %%rcx, 4)")                        \
    X(mov32_address32, "addr32 movl %%eax, (%%ebx)")                                               \
    X(mov_segment, "movw %%ds, (%%rbx)")                                                           \
    X(movs8, "movsb")                                                                              \
    X(movs64, "movsq")                                                                             \
    X(stos8, "stosb")                                                                              \
    X(stos16, "stosw")                                                                             \
    X(stos32, "stosl")                                                                             \
    X(stos64, "stosq")                                                                             \
    X(rep_stos64, "rep stosq")                                                                     \
    X(rep_movs8, "rep movsb")                                                                      \
    X(stos8_down, "std\n\tstosb\n\tcld")                                                           \
    X(xchg8, "xchgb %%al, (%%rbx)")                                                                \
    X(xchg64, "xchgq %%rax, (%%rbx)")                                                              \
    X(lock_add32, "lock addl %%eax, (%%rbx)")                                                      \
    X(add8_immediate, "addb $1, (%%rbx)")                                                          \
    X(or64, "orq %%rax, (%%rbx)")                                                                  \
    X(adc64, "stc\n\tadcq %%rax, (%%rbx)")                                                         \
    X(sbb32, "stc\n\tsbbl %%eax, (%%rbx)")                                                         \
    X(and16, "andw %%ax, (%%rbx)")                                                                 \
    X(sub64_immediate, "subq $5, (%%rbx)")                                                         \
    X(xor32, "xorl %%eax, (%%rbx)")                                                                \
    X(inc64, "incq (%%rbx)")                                                                       \
    X(dec8, "decb (%%rbx)")                                                                        \
    X(not32, "notl (%%rbx)")                                                                       \
    X(neg64, "negq (%%rbx)")                                                                       \
    X(lock_xadd64, "lock xaddq %%rax, (%%rbx)")                                                    \
    X(lock_cmpxchg64, "lock cmpxchgq %%rdx, (%%rbx)")                                              \
    X(cmpxchg32_equal, "mov $-1, %%eax\n\tcmpxchgl %%edx, (%%rbx)")                                \
    X(bts32, "btsl $3, (%%rbx)")                                                                   \
    X(lock_btr64, "lock btrq $63, (%%rbx)")                                                        \
    X(btc16, "btcw $1, (%%rbx)")                                                                   \
    X(movnti, "movnti %%rax, (%%rbx)")                                                             \
    X(push, "mov %%rsp, %%r9\n\tlea 8(%%rbx), %%rsp\n\tpush %%rax\n\tmov %%rsp, %%r10\n\t"         \
            "mov %%r9, %%rsp")                                                                     \
    X(ins8, "mov $0x80, %%edx\n\tinsb")                                                            \
    X(setc, "stc\n\tsetc (%%rbx)")                                                                 \
    X(shl32, "shll $1, (%%rbx)")                                                                   \
    X(movups, "movups %%xmm0, (%%rbx)")                                                            \
    X(movd, "movd %%xmm0, (%%rbx)")                                                                \
    X(fst, "fnstcw (%%rbx)")                                                                       \
    X(cmpxchg8b, "cmpxchg8b (%%rbx)")                                                              \
    X(sgdt, "sgdt (%%rbx)")

#define DEFINE_FORM(name, text)                                                                    \
    static void form_##name(void *at)                                                              \
    {                                                                                              \
        __asm__ volatile("mov %0, %%rbx\n\t"                                                       \
                         "mov %0, %%rdi\n\t"                                                       \
                         "lea source(%%rip), %%rsi\n\t"                                            \
                         "movabs $0x1122334455667788, %%rax\n\t"                                   \
                         "movabs $0x99aabbccddeeff01, %%rdx\n\t"                                   \
                         "mov $3, %%ecx\n\t"                                                       \
                         "mov %%rbx, %%r10\n\t"                                                    \
                         "push $2\n\t"                                                             \
                         "popfq\n\t" text "\n\t"                                                   \
                         "pushfq\n\t"                                                              \
                         "pop after + 48(%%rip)\n\t"                                               \
                         "mov %%rax, after(%%rip)\n\t"                                             \
                         "mov %%rcx, after + 8(%%rip)\n\t"                                         \
                         "mov %%rdx, after + 16(%%rip)\n\t"                                        \
                         "sub %%rbx, %%rdi\n\t"                                                    \
                         "sub %%rbx, %%r10\n\t"                                                    \
                         "mov %%rsi, after + 24(%%rip)\n\t"                                        \
                         "mov %%rdi, after + 32(%%rip)\n\t"                                        \
                         "mov %%r10, after + 40(%%rip)"                                            \
                         :                                                                         \
                         : "r"(at)                                                                 \
                         : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r15",     \
                           "cc", "memory");                                                        \
    }
FORMS(DEFINE_FORM)

static void fill(volatile uint64_t *at)
{
    *at = ~0ull;
}

static void read_quad(void *argument)
{
    uint64_t *inout = argument;

    *inout = *(volatile uint64_t *)(uintptr_t)*inout;
}

static void write_ones(void *argument)
{
    fill((volatile uint64_t *)argument);
}

static void say_quad(uint64_t at)
{
    uint64_t value = at;
    bool done = attempt(read_quad, &value);

    if (done) {
        say_number("reads", value);
    } else {
        say_outcome(false);
    }
}

static void say_registers(const struct registers *found)
{
    say_number("a", found->a);
    say_number("c", found->c);
    say_number("d", found->d);
    say_number("di", found->di);
    say_number("sp", found->sp);
    say_number("flags", found->flags);
}

/* Ones are written first, so that memory which is the guest's own begins as it reads elsewhere. */
static void say_form(const char *name, action form, uint64_t at)
{
    struct registers expected;
    bool done;

    for (unsigned int i = 0; i < SAMPLE_BYTES; i++) {
        sample[i] = 0xff;
    }
    (void)attempt(form, sample + SAMPLE_BYTES / 2);
    expected = after;
    after = (struct registers){0};
    (void)attempt(write_ones, (void *)(uintptr_t)at);
    done = attempt(form, (void *)(uintptr_t)at);
    say("form ");
    print(name);
    if (!done) {
        say_outcome(false);
    } else if (__builtin_memcmp(&after, &expected, sizeof(after)) == 0) {
        print(" same");
    } else {
        print(" differs");
        say_registers(&after);
        print(" expected");
        say_registers(&expected);
    }
    say_quad(at);
    end();
}

static void say_forms(uint64_t at)
{
    for (unsigned int i = 0; i < 4; i++) {
        source[i] = 0x0101010101010101ull * (i + 1);
    }
#define SAY_FORM(name, text) say_form(#name, form_##name, at);
    FORMS(SAY_FORM)
}

static void call_it(void *argument)
{
    ((void (*)(void))argument)();
}

/* Code there; one instruction is written first where that is wanted. */
static void say_execute(uint64_t at, bool write)
{
    bool done;

    if (write) {
        *(volatile uint8_t *)(uintptr_t)at = RETURN;
    }
    done = attempt(call_it, (void *)(uintptr_t)at);
    say("execute");
    say_outcome(done);
    end();
}

/* A page table there; its first entry is made to lead back to this guest where that is wanted. */
static void say_walk(uint64_t at, unsigned int level, bool write)
{
    uint64_t value = map_by(at, level);
    bool done;

    /* Where it leads to leads to itself, so that it serves as a table of every lower level. */
    *(volatile uint64_t *)buffer = (uintptr_t)buffer | ENTRY_RIGHTS;
    if (write) {
        *(volatile uint64_t *)(uintptr_t)at = (uintptr_t)buffer | ENTRY_RIGHTS;
    }
    done = attempt(read_quad, &value);
    say("walk");
    say_outcome(done);
    end();
}

/* A read of so many places, each a step behind the one before, wherever physical addresses reach. */
static void say_far(uint64_t at, uint64_t step, uint64_t count)
{
    static uint64_t table[PAGE_BYTES / sizeof(uint64_t)] __attribute__((aligned(PAGE_BYTES)));
    uint64_t done = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t value;

        table[0] = (at + i * step) | ENTRY_RIGHTS;
        value = map_by((uintptr_t)table, 1);
        done += attempt(read_quad, &value);
    }
    say("far");
    say_number("done", done);
    end();
}

static void copy(uint64_t to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((volatile uint8_t *)(uintptr_t)to)[i] = ((const uint8_t *)from)[i];
    }
}

/* The top table there, as this guest has it. */
static void use_tables(uint64_t at)
{
    copy(at, own_tables(), PAGE_BYTES);
    __asm__ volatile("mov %0, %%cr3" : : "r"(at) : "memory");
    __asm__ volatile("mov %0, %%cr3" : : "r"(own_tables()) : "memory");
    say("alive");
    end();
}

static void do_undefined(void *unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

/* The table of gates there, and an exception. */
static void use_gates(uint64_t at)
{
    size_t bytes;
    const void *gates = own_gates(&bytes);

    copy(at, gates, bytes);
    load_gates((const void *)(uintptr_t)at);
    (void)attempt(do_undefined, NULL);
    load_gates(NULL);
    say("alive");
    end();
}

/* The stack of exceptions there, and one. */
static void use_stack(uint64_t at)
{
    bool done;

    set_exception_stack(at + PAGE_BYTES);
    done = attempt(do_undefined, NULL);
    set_exception_stack(0);
    say("use-stack");
    say_outcome(done);
    end();
}

static void triple_fault(void)
{
    static const uint64_t nothing[2];

    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

bool memory_order(const char *line)
{
    if (word(&line, "read")) {
        say("read");
        say_quad(number(&line));
        end();
    } else if (word(&line, "write")) {
        uint64_t at = number(&line);

        *(volatile uint64_t *)(uintptr_t)at = number(&line);
    } else if (word(&line, "out")) {
        uint16_t port = (uint16_t)number(&line);

        outb(port, (uint8_t)number(&line));
    } else if (word(&line, "out16")) {
        uint16_t port = (uint16_t)number(&line);

        __asm__ volatile("outw %0, %1" : : "a"((uint16_t)number(&line)), "Nd"(port));
    } else if (word(&line, "far")) {
        uint64_t at = number(&line);
        uint64_t step = number(&line);

        say_far(at, step, number(&line));
    } else if (word(&line, "forms")) {
        say_forms(number(&line));
    } else if (word(&line, "execute")) {
        uint64_t at = number(&line);

        say_execute(at, number(&line) != 0);
    } else if (word(&line, "walk")) {
        uint64_t at = number(&line);

        unsigned int level = (unsigned int)number(&line);

        say_walk(at, level, number(&line) != 0);
    } else if (word(&line, "use-tables")) {
        use_tables(number(&line));
    } else if (word(&line, "use-gates")) {
        use_gates(number(&line));
    } else if (word(&line, "use-stack")) {
        use_stack(number(&line));
    } else if (word(&line, "triple-fault")) {
        triple_fault();
    } else {
        return false;
    }
    return true;
}
