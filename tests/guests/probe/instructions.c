/*
 * CPUID, model specific registers, instructions that belong to a hypervisor, and calls to the one
 * below. Source: Intel SDM volume 2A, CPUID, and volume 3C, section 30.3; AMD APM volume 3, section
 * 3 (VMRUN and its kin).
 */
#include "guest_io.h"
#include "probe.h"

/* --- CPUID --- */
#define SUBLEAVES_MOST 64
#define LEAVES_MOST    64

static void say_leaf(uint32_t leaf, uint32_t subleaf)
{
    uint32_t a = leaf, b, c = subleaf, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    say("cpuid");
    say_number("leaf", leaf);
    say_number("subleaf", subleaf);
    say_number("a", a);
    say_number("b", b);
    say_number("c", c);
    say_number("d", d);
    end();
}

/* Leaves that depend on ecx; all others are asked once. */
static unsigned int subleaves(uint32_t leaf)
{
    switch (leaf) {
    case 0x4:
    case 0xb:
    case 0x8000001d:
        return 8;
    case 0x7:
    case 0x14:
    case 0x8000001e:
        return 4;
    case 0xd:
        return SUBLEAVES_MOST;
    default:
        return 1;
    }
}

/* A range of leaves, its highest named by its first; and the two behind that. */
static void say_leaves(uint32_t first)
{
    uint32_t a = first, b, c = 0, d;
    uint32_t last;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    last = a >= first && a - first < LEAVES_MOST ? a : first;
    for (uint32_t leaf = first; leaf <= last + 2; leaf++) {
        for (uint32_t subleaf = 0; subleaf < subleaves(leaf); subleaf++) {
            say_leaf(leaf, subleaf);
        }
    }
}

/* --- model specific registers --- */
struct msr {
    uint32_t number;
    uint64_t value;
};

static void get_msr(void *argument)
{
    struct msr *msr = argument;

    msr->value = read_msr(msr->number);
}

static void set_msr(void *argument)
{
    const struct msr *msr = argument;

    __asm__ volatile("wrmsr"
                     :
                     : "a"((uint32_t)msr->value), "d"((uint32_t)(msr->value >> 32)),
                       "c"(msr->number)
                     : "memory");
}

/* Those that read as something other than 0, and those that cannot be read. */
static void say_msrs(uint32_t first, uint32_t last)
{
    for (uint64_t at = first; at <= last; at++) {
        struct msr msr = {.number = (uint32_t)at};
        bool done = attempt(get_msr, &msr);

        if (done && msr.value == 0) {
            continue;
        }
        say("msr");
        say_number("number", at);
        if (done) {
            say_number("value", msr.value);
        } else {
            say_outcome(false);
        }
        end();
    }
}

/* --- single instructions --- */
#define INSTRUCTIONS(X)                                                                            \
    X(vmrun, "vmrun")                                                                              \
    X(vmsave, "vmsave")                                                                            \
    X(vmload, "vmload")                                                                            \
    X(stgi, "stgi")                                                                                \
    X(clgi, "clgi")                                                                                \
    X(skinit, "skinit")                                                                            \
    X(invlpga, "invlpga")                                                                          \
    X(vmxon, "vmxon (%%rdx)")                                                                      \
    X(vmxoff, "vmxoff")                                                                            \
    X(vmclear, "vmclear (%%rdx)")                                                                  \
    X(vmptrld, "vmptrld (%%rdx)")                                                                  \
    X(vmlaunch, "vmlaunch")                                                                        \
    X(vmresume, "vmresume")                                                                        \
    X(vmcall, "vmcall")                                                                            \
    X(vmmcall, "vmmcall")                                                                          \
    X(ud2, "ud2")

/* In rax what an instruction of SVM takes for its control block: a page of this guest. */
#define DEFINE_INSTRUCTION(name, text)                                                             \
    static void do_##name(void *unused)                                                            \
    {                                                                                              \
        uint64_t a = (uintptr_t)buffer;                                                            \
                                                                                                   \
        (void)unused;                                                                              \
        __asm__ volatile(text : "+a"(a) : "c"(0), "d"(buffer) : "cc", "memory");                   \
    }
INSTRUCTIONS(DEFINE_INSTRUCTION)

static action instruction(const char **line)
{
#define CHOOSE_INSTRUCTION(name, text)                                                             \
    if (word(line, #name)) {                                                                       \
        return do_##name;                                                                          \
    }
    INSTRUCTIONS(CHOOSE_INSTRUCTION)
    return NULL;
}

static void say_instruction(const char *line)
{
    const char *name = line;
    action what = instruction(&line);

    if (what == NULL) {
        say("no such instruction\n");
        return;
    }
    say(name);
    say_outcome(attempt(what, NULL));
    end();
}

/* --- calls to the hypervisor --- */
struct call {
    uint64_t number;
    uint64_t first;
    uint64_t second;
    uint64_t answer;
    bool intel;
    bool kept; /* no register but rax was changed */
};

static void do_call(void *argument)
{
    struct call *call = argument;
    uint64_t a = call->number, b = 1, c = 2, d = 3;

    if (call->intel) {
        __asm__ volatile("vmcall"
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d)
                         : "D"(call->first), "S"(call->second)
                         : "memory");
    } else {
        __asm__ volatile("vmmcall"
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d)
                         : "D"(call->first), "S"(call->second)
                         : "memory");
    }
    call->answer = a;
    call->kept = b == 1 && c == 2 && d == 3;
}

static void say_call(const char *line, bool ring3, bool intel)
{
    struct call call = {.intel = intel};
    bool done;

    call.number = number(&line);
    call.first = number(&line);
    call.second = number(&line);
    done = ring3 ? attempt_in_ring3(do_call, &call) : attempt(do_call, &call);
    say("call");
    say_outcome(done);
    if (done) {
        say_number("answer", call.answer);
        say_number("kept", call.kept);
    }
    end();
}

static void say_read(uint32_t msr)
{
    struct msr read = {.number = msr};
    bool done = attempt(get_msr, &read);

    say("rdmsr");
    say_outcome(done);
    if (done) {
        say_number("value", read.value);
    }
    end();
}

static void say_written(uint32_t msr, uint64_t value)
{
    struct msr write = {.number = msr, .value = value};

    say("wrmsr");
    say_outcome(attempt(set_msr, &write));
    end();
}

bool instruction_order(const char *line)
{
    if (word(&line, "cpuid")) {
        say_leaves((uint32_t)number(&line));
    } else if (word(&line, "msrs")) {
        uint32_t first = (uint32_t)number(&line);

        say_msrs(first, (uint32_t)number(&line));
    } else if (word(&line, "rdmsr")) {
        say_read((uint32_t)number(&line));
    } else if (word(&line, "wrmsr")) {
        uint32_t msr = (uint32_t)number(&line);

        say_written(msr, number(&line));
    } else if (word(&line, "do")) {
        say_instruction(line);
    } else if (word(&line, "vmmcall")) {
        say_call(line, false, false);
    } else if (word(&line, "vmmcall-ring3")) {
        say_call(line, true, false);
    } else if (word(&line, "vmcall")) {
        say_call(line, false, true);
    } else {
        return false;
    }
    return true;
}
