"""The check of what runs while a guest is stopped (tests/check/exit_path.py): small programs with one defect each,
compiled as Berth is."""
import pathlib
import subprocess
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "check"))
import exit_path  # noqa: E402

FLAGS = ("-O2 -g -m64 -fpie -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-jump-tables -fno-stack-protector "
         "-fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables -fcf-protection=none "
         "-fno-tree-loop-distribute-patterns -fno-shrink-wrap -nostdlib -static -Wl,-e,exit_begin "
         "-Wl,--build-id=none").split()

SOURCE = """
#define NOINLINE __attribute__((noinline))
extern volatile unsigned long words[64];
volatile unsigned long words[64];

NOINLINE __attribute__((noreturn)) void machine_stop(void);
void machine_stop(void) { for (;;) { asm volatile("hlt"); } }
NOINLINE void spin_lock(void); void spin_lock(void) { words[1] = 1; }
NOINLINE void page_alloc_take(void); void page_alloc_take(void) { words[2] = 1; }
PARTS
static inline void words_clear(unsigned long count)
{
#ifndef WAIT
#define WAIT
#endif
    for (unsigned long i = 0; i < count; i++) { WAIT; words[i] = 0; }
}
NOINLINE void answer(unsigned long reason);
void answer(unsigned long reason)
{
    words_clear(reason & 31);
    if (reason > 1000) { machine_stop(); }
    words[3]++;
    ANSWER;
}
NOINLINE void above(void); void above(void)
{
    volatile char room[256];
    room[words[0] & 255] = 1;
    words[5] = room[words[1] & 255];
}
void exit_begin(unsigned long reason);
void exit_begin(unsigned long reason) { answer(reason); }
asm(".globl _exit_top\\n_exit_top: call above\\n call exit_begin\\n ret\\n");
"""

RULES = """# a comment
begin exit_begin
end machine_stop fatal
never spin_* page_*
loop words_clear: at most 31 times
above PROCESSOR_STACK_BYTES: above
margin 0x100: for a report
"""

STACKS = "#define PROCESSOR_STACK_BYTES UC(0x400)\n"

# name: (functions, what answer() does, what is said)
REFUSED = {
    "recursion": ("NOINLINE void again(unsigned long n); void answer(unsigned long);"
                  "void again(unsigned long n) { if (n) { answer(n - 1); } words[4] = n; }", "again(reason)",
                  "recursion: exit_begin > answer > again > answer"),
    "pointer": ("extern void (*volatile to)(void); void (*volatile to)(void);", "to()", "calls through a pointer"),
    "lock": ("NOINLINE void locked(void); void locked(void) { spin_lock(); words[4] = 0; }", "locked()",
             "spin_lock is reached: exit_begin > answer > locked > spin_lock"),
    "allocator": ("", "page_alloc_take()", "page_alloc_take is reached: exit_begin > answer > page_alloc_take"),
    "loop": ("", "while (words[4] == reason) { words[6]++; }", "a loop of answer, and no rule says why it ends"),
    "loop in an inline function": ("static inline void wait(void) { while (words[4]) { words[6]++; } }", "wait()",
                                   "a loop of wait, and no rule says why it ends"),
    "loop in a loop that ends": ("static inline void wait(void) { while (words[4]) { words[6]++; } }\n"
                                 "#define WAIT wait()", "", "a loop of wait, and no rule says why it ends"),
    "string instruction": ("static inline void fill(unsigned long count) { unsigned long *to = (unsigned long *)words;"
                           "asm volatile(\"rep stosb\" : \"+D\"(to), \"+c\"(count) : \"a\"(0) : \"memory\"); }",
                           "fill(reason)", "a loop of fill, and no rule says why it ends"),
    "stack": ("NOINLINE void large(unsigned long n); void large(unsigned long n)"
              "{ volatile char room[512]; room[n & 511] = 1; words[4] = room[n & 3]; }",
              "large(reason)", "bytes are more than 1024"),
    "stack of a size not known": ("NOINLINE void grow(unsigned long n);"
                                  "void grow(unsigned long n)"
                                  "{ volatile char room[n]; room[0] = 1; words[4] = room[0]; }",
                                  "grow(reason)", "the stack changes by an amount that is not known"),
}


def image(folder, parts="", answer="", compiler="gcc"):
    source, out = folder / "program.c", folder / "program"
    source.write_text(SOURCE.replace("PARTS", parts).replace("ANSWER", answer))
    flags = [flag for flag in FLAGS if compiler == "gcc" or flag not in
             ("-fno-tree-loop-distribute-patterns", "-fno-shrink-wrap")]
    subprocess.run([compiler, *flags, "-o", out, source], check=True, capture_output=True)
    return str(out)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_short_path_passes_and_is_told(case, compiler):
    said = "\n".join(exit_path.check(image(case.folder, compiler=compiler), RULES, STACKS))
    assert "functions from exit_begin" in said
    assert "deepest: exit_begin " in said and "> answer " in said
    assert "loop of words_clear: at most 31 times" in said
    assert "not followed, because the guest or the machine ends there: machine_stop" in said


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_defect_is_refused(case, name, compiler):
    parts, answer, words = REFUSED[name]
    with pytest.raises(exit_path.Refused) as refused:
        exit_path.check(image(case.folder, parts, answer, compiler), RULES, STACKS)
    assert words in str(refused.value)


def test_what_is_cut_off_is_told(case):
    made = image(case.folder, answer="page_alloc_take()")
    said = exit_path.check(made, RULES + "cut page_alloc_take: never called\n", STACKS)
    assert "  not followed: page_alloc_take: never called" in said


def test_where_a_pointer_leads_can_be_told(case):
    parts = """extern void (*volatile to)(void); void (*volatile to)(void);
               NOINLINE void there(void); void there(void) { spin_lock(); words[4] = 0; }"""
    made = image(case.folder, parts, "to()")
    with pytest.raises(exit_path.Refused, match="spin_lock is reached: exit_begin > answer > there > spin_lock"):
        exit_path.check(made, RULES + "through answer there: a pointer of ours\n", STACKS)


@pytest.mark.parametrize("rules, words", [
    (RULES.replace("exit_begin", "exit_start"), "the image has no function exit_start"),
    (RULES.replace(": at most 31 times", ""), "rules, line 5: loop words_clear: why?"),
    (RULES + "ends machine_stop\n", "rules, line 8: there is no 'ends'"),
    (RULES.replace("margin", "# margin"), "margin is missing"),
], ids=["no such function", "no reason", "no such rule", "no margin"])
def test_rules_that_lead_nowhere_are_refused(case, rules, words):
    with pytest.raises(exit_path.Refused) as refused:
        exit_path.check(image(case.folder), rules, STACKS)
    assert words in str(refused.value)


def test_a_stack_that_fits_to_the_byte(case):
    made = image(case.folder)
    said = "\n".join(exit_path.check(made, RULES, STACKS))
    deepest = int(said.split("deepest: ")[1].split(" bytes")[0].split(": ")[1])
    above = int(said.split(" bytes, ")[1].split(" above")[0])
    enough = deepest + above + 0x100
    exit_path.check(made, RULES, f"#define PROCESSOR_STACK_BYTES UC({enough})\n")
    with pytest.raises(exit_path.Refused, match=f"bytes are more than {enough - 1}"):
        exit_path.check(made, RULES, f"#define PROCESSOR_STACK_BYTES UC({enough - 1})\n")
