"""What a guest under dom0=hvm that tries everything comes to see, and what Berth says and does about it. The probe
kernel (tests/guests/probe) does it, order by order. Under dom0=native the same orders show what the machine itself
does: without that, an order that does nothing would look like one that is refused. docs/hvm-probes.md is the table.
"""
import struct

import pytest
from hvm import CPU, KEPT_LINE, MODES, PAGE, PATTERN, Outside, kept_bytes, kept_ranges, numbers_of, probe

UD, GP = "fault 6 error 0x0", "fault 13 error 0x0"
# A reserved bit in an entry that is present; QEMU's processor leaves out that it is.
PAGE_FAULTS_RESERVED = ["fault 14 error 0x9", "fault 14 error 0x8"]
ONES = (1 << 64) - 1
MODELS = [CPU, "max"]

# AMD APM volume 2, appendix A; Intel SDM volume 4.
APIC_BASE, EFER, SYSTEM_CONFIG, VM_CR = 0x1B, 0xC0000080, 0xC0010010, 0xC0010114
SMM_CTL, VM_HSAVE_PA, SVM_KEY = 0xC0010116, 0xC0010117, 0xC0010118
EFER_SVME, EFER_NXE, EFER_LONG_MODE = 1 << 12, 1 << 11, 0x500
VM_CR_LOCKED_OFF, MEMORY_ENCRYPTION, FIXED_TYPES = 0x18, 1 << 23, 1 << 18
APIC_PAGE, FIRST_PROCESSOR, APIC_ENABLED = 0xFEE00000, 0x100, 0x800


def kept_of(guest):
    """[(start, end)] of what Berth keeps in a probe's machine."""
    e820 = [(entry["start"], entry["bytes"], entry["type"]) for entry in guest.numbers("map")]
    return kept_ranges(guest.vm.log, e820)


def alive(guest):
    """It still answers, and nothing was reset."""
    assert guest.ask_one("places").startswith("places buffer")
    assert guest.vm.triple_faults == 0 and guest.vm.log.errors == []


# --- instructions and registers of hypervisors ------------------------------------------------------------------------

SVM = ["vmrun", "vmsave", "vmload", "stgi", "clgi", "skinit", "invlpga"]
VMX = ["vmxon", "vmxoff", "vmclear", "vmptrld", "vmlaunch", "vmresume", "vmcall"]


@pytest.mark.parametrize("cpu", MODELS)
def test_virtualisation_is_not_there(case, cpu):
    with probe(case, "hvm", cpu=cpu) as guest:
        for name in SVM + VMX:
            assert guest.ask_one(f"do {name}") == f"{name} {UD}"
        efer = numbers_of(guest.ask_one(f"rdmsr {EFER:#x}"))["value"]
        assert efer & EFER_SVME == 0
        assert guest.ask_one(f"wrmsr {EFER:#x} {efer | EFER_SVME:#x}") == f"wrmsr {GP}"
        assert guest.ask_one(f"wrmsr {EFER:#x} {efer:#x}") == "wrmsr done"
        for msr in SMM_CTL, VM_HSAVE_PA, SVM_KEY:
            assert guest.ask_one(f"rdmsr {msr:#x}") == f"rdmsr {GP}"
            assert guest.ask_one(f"wrmsr {msr:#x} 0x100000") == f"wrmsr {GP}"
        assert guest.ask_one(f"rdmsr {VM_CR:#x}") == f"rdmsr done value {VM_CR_LOCKED_OFF:#x}"
        assert guest.ask_one(f"wrmsr {VM_CR:#x} 0") == "wrmsr done"
        assert guest.ask_one(f"rdmsr {VM_CR:#x}") == f"rdmsr done value {VM_CR_LOCKED_OFF:#x}"
        alive(guest)


def test_the_machine_itself_has_virtualisation(case):
    """What the test above would see if nothing were in its way."""
    with probe(case, "native") as guest:
        efer = numbers_of(guest.ask_one(f"rdmsr {EFER:#x}"))["value"]
        assert guest.ask_one(f"wrmsr {EFER:#x} {efer | EFER_SVME:#x}") == "wrmsr done"
        for name in "clgi", "stgi", "vmsave", "vmload":
            assert guest.ask_one(f"do {name}") == f"{name} done"
        assert guest.ask_one(f"wrmsr {VM_HSAVE_PA:#x} 0x100000") == "wrmsr done"


@pytest.mark.parametrize("mode", MODES)
def test_memory_encryption_cannot_be_switched_on(case, mode):
    """An address with the bit for it would be Berth's memory once more. QEMU's processor takes any value, and has 0."""
    with probe(case, mode) as guest:
        answers = [guest.ask_one(f"wrmsr {SYSTEM_CONFIG:#x} {value:#x}") for value in (MEMORY_ENCRYPTION, FIXED_TYPES)]
        assert answers == [f"wrmsr {GP}" if mode == "hvm" else "wrmsr done", "wrmsr done"]


def test_the_apic_does_not_move(case):
    """Neither over Berth, nor over anything else; what is not a move goes through."""
    with probe(case, "hvm") as guest:
        before = numbers_of(guest.ask_one(f"rdmsr {APIC_BASE:#x}"))["value"]
        assert before == APIC_PAGE | FIRST_PROCESSOR | APIC_ENABLED
        for page in [start for start, _ in kept_of(guest)] + [APIC_PAGE + PAGE]:
            assert guest.ask_one(f"wrmsr {APIC_BASE:#x} {page | before & 0xFFF:#x}") == f"wrmsr {GP}"
        assert guest.ask_one(f"wrmsr {APIC_BASE:#x} {before:#x}") == "wrmsr done"
        assert numbers_of(guest.ask_one(f"rdmsr {APIC_BASE:#x}"))["value"] == before
        alive(guest)


# --- CPUID ------------------------------------------------------------------------------------------------------------

EXT_FEATURE, EXT_SVM = 0x80000001, 0x8000000A
EXT_SVM_BIT = 1 << 2
HYPERVISOR = 0x40000000
SIGNATURE = struct.unpack("<III", b"BerthBerth\0\0")


def leaves(case, mode, cpu):
    """{(leaf, subleaf): (a, b, c, d)} of all ranges."""
    found = {}
    with probe(case, mode, cpu=cpu) as guest:
        for first in 0, HYPERVISOR, 0x80000000, 0xC0000000:
            for told in guest.numbers(f"cpuid {first:#x}"):
                found[told["leaf"], told["subleaf"]] = tuple(told[name] for name in "abcd")
    return found


@pytest.mark.parametrize("cpu", MODELS)
def test_cpuid_differs_from_the_machines_in_virtualisation_alone(case, cpu):
    native, guest = leaves(case, "native", cpu), leaves(case, "hvm", cpu)
    a, b, c, d = native[EXT_FEATURE, 0]
    assert c & EXT_SVM_BIT
    expected = {**native, (EXT_FEATURE, 0): (a, b, c & ~EXT_SVM_BIT, d), (EXT_SVM, 0): (0, 0, 0, 0),
                (HYPERVISOR, 0): (HYPERVISOR, *SIGNATURE)}
    # The other leaves there would be those of a hypervisor below.
    expected.update({where: (0, 0, 0, 0) for where in expected if where[0] >> 8 == HYPERVISOR >> 8 and
                     where[0] != HYPERVISOR})
    guest = {where: told for where, told in guest.items() if where in expected}
    assert guest.keys() >= native.keys() - {where for where in native if where[0] >> 8 == HYPERVISOR >> 8}
    assert {where: (told, expected[where]) for where, told in guest.items() if told != expected[where]} == {}


# --- model specific registers -----------------------------------------------------------------------------------------

RANGES = [(0, 0x1FFF), (0xC0000000, 0xC0001FFF), (0xC0010000, 0xC0011FFF)]
# A few of those that no map of permissions knows.
OUTSIDE = [(0x2000, 0x2010), (0x40000000, 0x40000010), (0x4B564D00, 0x4B564D07), (0xC0002000, 0xC0002010),
           (0xC0012000, 0xC0012010), (0xFFFFFFF0, 0xFFFFFFFF)]
TSC, PLATFORM = 0x10, 0xCE
# They count, or tell of the moment.
MOVING = {TSC}


def registers(case, mode, cpu, ranges):
    """{number: value, or the words of its fault}"""
    found = {}
    with probe(case, mode, cpu=cpu) as guest:
        for first, last in ranges:
            for answer in guest.ask(f"msrs {first:#x} {last:#x}"):
                told = numbers_of(answer)
                found[told["number"]] = told.get("value", answer.partition(" fault ")[2])
    return {number: told for number, told in found.items() if number not in MOVING}


@pytest.mark.parametrize("cpu", MODELS)
def test_every_msr_reads_as_the_machines_but_those_of_svm(case, cpu):
    native, guest = registers(case, "native", cpu, RANGES), registers(case, "hvm", cpu, RANGES)
    differing = {number: guest.get(number) for number in native.keys() | guest.keys()
                 if native.get(number) != guest.get(number)}
    # EFER: Berth hands on its own with NXE, but enters a guest with nothing but long mode.
    assert native[EFER] == EFER_LONG_MODE | EFER_NXE
    assert differing == {EFER: EFER_LONG_MODE, VM_CR: VM_CR_LOCKED_OFF,
                         **dict.fromkeys((SMM_CTL, VM_HSAVE_PA, SVM_KEY), GP.removeprefix("fault "))}


def test_msrs_outside_of_all_ranges_are_not_there(case):
    """QEMU's processor reads any number as 0; a real one faults, and so does Berth."""
    found = registers(case, "hvm", CPU, OUTSIDE)
    asked = {number for first, last in OUTSIDE for number in range(first, last + 1)}
    assert found == {number: GP.removeprefix("fault ") for number in asked}


# --- hypercalls -------------------------------------------------------------------------------------------------------

UNKNOWN, DENIED, BAD_POINTER, BAD_SIZE = (ONES + 1 - number for number in (1, 2, 3, 4))
VERSION, LOG, STATISTICS = 0, 1, 2
LOG_MOST = 256
STATISTICS_BYTES = 104
CPUID_EXITS = 0


def called(guest, call, first=0, second=0, how="vmmcall"):
    """rax of an answer; the other registers are as they were."""
    answer = guest.ask_one(f"{how} {call:#x} {first:#x} {second:#x}")
    assert answer.startswith("call done "), guest.vm.error(answer)
    numbers = numbers_of(answer)
    assert numbers["kept"] == 1
    return numbers["answer"]


def test_hypercalls_answer(case):
    with probe(case, "hvm") as guest:
        buffer = numbers_of(guest.ask_one("places"))["buffer"]
        version = called(guest, VERSION)
        text = f"Berth {version >> 32}.{version >> 16 & 0xFFFF}.{version & 0xFFFF} "
        assert any(line.startswith(text) for line in guest.vm.log.lines)

        words = "a guest's words, 100%s %n"
        guest.ask(f"put {words}")
        assert called(guest, LOG, buffer, len(words)) == 0
        assert guest.vm.log.one("hvm: guest: ") == words
        guest.ask("put \x1b[2J\x07end")
        assert called(guest, LOG, buffer, 8) == 0
        assert guest.vm.log.starting("hvm: guest: ")[1] == "?[2J?end"

        def statistics():
            assert called(guest, STATISTICS, buffer, PAGE) == STATISTICS_BYTES
            words = [numbers["value"] for numbers in guest.numbers(f"dump {STATISTICS_BYTES // 8}")]
            assert words[0] == 1 << 32 | 1  # version 1 and one processor
            return words[1:]
        before = statistics()
        asked = len(guest.ask("cpuid 0")) + 1
        after = statistics()
        assert after[CPUID_EXITS] - before[CPUID_EXITS] == asked
        alive(guest)


@pytest.mark.parametrize("call", [3, 4, 0xFF, 1 << 31, 1 << 32, ONES - 3, ONES], ids=hex)
@pytest.mark.slow
def test_unknown_hypercalls_answer_so(case, call):
    with probe(case, "hvm") as guest:
        assert called(guest, call, 0, 0) == UNKNOWN
        alive(guest)


def test_hypercalls_are_for_ring_0_alone(case):
    with probe(case, "hvm") as guest:
        for call in VERSION, LOG, STATISTICS, 77:
            assert called(guest, call, 0x1000, 16, how="vmmcall-ring3") == DENIED
        assert guest.vm.log.starting("hvm: guest: ") == []
        alive(guest)


def test_bad_pointers_and_sizes_reach_nothing(case):
    with probe(case, "hvm", memory="64M") as guest:
        buffer = numbers_of(guest.ask_one("places"))["buffer"]
        kept = kept_of(guest)
        guest.ask("put x")
        bad = [where for start, end in kept for where in (start, end - 8, start - 8)]
        bad += [64 << 20, (64 << 20) - 8, 0xB8000, APIC_PAGE, 1 << 32, 1 << 40, 1 << 52, 1 << 63, ONES, ONES - 15]
        for where in bad:
            assert called(guest, LOG, where, 16) == BAD_POINTER, hex(where)
            assert called(guest, STATISTICS, where, STATISTICS_BYTES) == BAD_POINTER, hex(where)
        for size in 0, LOG_MOST + 1, 1 << 32, ONES:
            assert called(guest, LOG, buffer, size) == BAD_SIZE
        for size in 0, STATISTICS_BYTES - 1:
            assert called(guest, STATISTICS, buffer, size) == BAD_SIZE
        assert guest.vm.log.starting("hvm: guest: ") == [] and guest.touches == []
        alive(guest)


# --- Berth's memory ---------------------------------------------------------------------------------------------------

# Forms that Berth passes over although they change registers, too: those stay.
PASSED_OVER = {"push", "ins8", "shl32", "cmpxchg8b"}
IMAGE_CODE = 0x1000  # the first page of it, in the image


def answers_by_form(guest, at):
    """{form: words of its answer}"""
    return dict(answer.split(" ", 2)[1:] for answer in guest.ask(f"forms {at:#x}"))


def test_what_berth_keeps_is_reserved_and_what_its_line_says(case):
    with probe(case, "hvm", processors=2) as guest:
        kept = kept_of(guest)
        line = next(found for found in map(KEPT_LINE.match, guest.vm.log.lines) if found)
        assert line["by"] == "SVM" and int(line["processors"]) == 2
        assert kept_bytes(kept) == int(line["kib"]) << 10
        base = guest.vm.log.base
        assert any(start <= base < end for start, end in kept), "the image itself"
        assert any(end <= 0xA0000 for _, end in kept), "the page in which processors start"
        assert all(start % PAGE == end % PAGE == 0 for start, end in kept)


def test_every_page_that_berth_keeps_reads_as_ones_and_takes_no_write(case):
    with probe(case, "hvm", cpu="max") as guest:
        kept = kept_of(guest)
        outside = Outside(case, guest.vm, kept)
        pages = [page for start, end in kept for page in range(start, end, PAGE)]
        for page in pages:
            guest.ask(f"write {page + 8:#x} {PATTERN:#x}")
            assert guest.ask_one(f"read {page + 8:#x}") == f"read reads {ONES:#x}"
        assert [(what, where) for _, what, where in guest.touches] == [("wrote to", page + 8) for page in pages]
        outside.unchanged([page + 8 for page in pages])
        alive(guest)


@pytest.mark.parametrize("cpu", MODELS)
def test_writes_of_every_form_are_left_out(case, cpu):
    with probe(case, "hvm", cpu=cpu) as guest:
        kept = kept_of(guest)
        outside = Outside(case, guest.vm, kept)
        code = guest.vm.log.base + IMAGE_CODE
        # In the middle of a page, and from one page of Berth's on to the next one.
        for at in code + 0x123, code + PAGE - 3:
            for form, words in answers_by_form(guest, at).items():
                assert words.startswith("differs" if form in PASSED_OVER else "same"), f"{form} {words}"
                assert words.endswith(f" reads {ONES:#x}"), f"{form} {words}"
        outside.unchanged()
        assert len(guest.touches) == 2
        alive(guest)


def test_the_same_forms_write_to_memory_of_the_guest(case):
    """What the test above would see if Berth's memory were memory."""
    with probe(case, "native") as guest:
        answers = answers_by_form(guest, guest.vm.log.base + IMAGE_CODE)
        assert all(words.startswith("same") for words in answers.values())
        stays = {form for form, words in answers.items() if words.endswith(f" reads {ONES:#x}")}
        # What is or-ed, compared in vain, or read from a port where nothing is.
        assert stays == {"or64", "lock_cmpxchg64", "bts32", "cmpxchg8b", "ins8"}


def test_a_write_across_the_bound_is_left_out_as_a_whole(case):
    """Neither side changes: the instruction is not done."""
    with probe(case, "hvm") as guest:
        start, end = next((start, end) for start, end in kept_of(guest) if start <= guest.vm.log.base < end)
        for at in start - 4, end - 4:
            mine = start - 8 if at < start else end
            guest.ask(f"write {mine:#x} 0x1122334455667788")
            guest.ask(f"write {at:#x} {PATTERN:#x}")
            assert guest.ask_one(f"read {mine:#x}") == "read reads 0x1122334455667788"
        alive(guest)


def test_execution_and_page_walks_in_berths_memory_end_in_the_guest(case):
    with probe(case, "hvm") as guest:
        kept = kept_of(guest)
        outside = Outside(case, guest.vm, kept)
        page = guest.vm.log.base + IMAGE_CODE
        # Ones are no instruction.
        assert guest.ask_one(f"execute {page:#x}") == f"execute {UD}"
        assert guest.ask_one(f"execute {page:#x} 1") == f"execute {UD}"
        expected, walked = [(0, "executed", page)], []
        for level in 1, 2, 3:
            page += PAGE
            # An entry of ones has reserved bits.
            assert guest.ask_one(f"walk {page:#x} {level}").removeprefix("walk ") in PAGE_FAULTS_RESERVED
            walked.append(page)
            expected.append((0, "walked", page))
        page += PAGE
        assert guest.ask_one(f"read {page:#x}") == f"read reads {ONES:#x}"
        assert guest.touches == [*expected, (0, "read", page)]
        # The frame of an exception: the processor pushes it, and there is no instruction to be left out.
        page += PAGE
        assert guest.ask_one(f"use-stack {page:#x}") == f"use-stack {UD}"
        assert guest.touches[-1] == (0, "walked", page + PAGE - 8)
        walked.append(page)
        # What is a page table to the processor has to be writable to it: one page that stands for all of these.
        for where in walked:
            guest.ask(f"write {where:#x} {PATTERN:#x}")
        outside.unchanged(walked)
        alive(guest)


def test_execution_and_page_walks_work_in_memory_of_the_guest(case):
    with probe(case, "native") as guest:
        page = guest.vm.log.base + IMAGE_CODE
        assert guest.ask_one(f"execute {page:#x} 1") == "execute done"
        for level in 1, 2, 3:
            assert guest.ask_one(f"walk {page:#x} {level} 1") == "walk done"
        assert guest.ask_one(f"use-tables {page:#x}") == "alive"
        assert guest.ask_one(f"use-gates {page:#x}") == "alive"
        assert guest.ask_one(f"use-stack {page:#x}") == f"use-stack {UD}"


# --- A20 --------------------------------------------------------------------------------------------------------------

# Ports and bytes that switch it off, in the keyboard controller and in the system's control port.
A20_OFF = {"port-92": ["out 0x92 0"], "command": ["out 0x64 0xdd"], "output-port": ["out 0x64 0xd1", "out 0x60 0xdd"],
           "word": ["out16 0x92 0"]}
A20 = 1 << 20


@pytest.mark.sample(2)
@pytest.mark.parametrize("way", A20_OFF)
@pytest.mark.parametrize("mode", MODES)
def test_a20_cannot_be_switched_off(case, mode, way):
    """With it off, a guest reaches Berth's code by an address that is its own, and Berth other memory than its own."""
    with probe(case, mode, memory="255M") as guest:
        kept = kept_of(guest)
        outside = Outside(case, guest.vm, kept)
        # A page of Berth's code or constants, and one of the guest's that differs from it in bit 20.
        theirs = next(page for page in range(guest.vm.log.base + IMAGE_CODE, outside.end, PAGE)
                      if not any(start <= page + A20 < end for start, end in kept))
        mine = theirs + A20
        guest.ask(f"write {mine:#x} 1")
        for order in A20_OFF[way]:
            guest.ask(order)
        off = guest.ask_one(f"read {mine:#x}") != "read reads 0x1"
        guest.ask(f"write {mine:#x} {PATTERN:#x}")
        if mode == "native":
            assert off, "this does not switch it off: the test shows nothing"
            return
        assert not off
        outside.unchanged([theirs])
        alive(guest)


@pytest.mark.slow
@pytest.mark.parametrize("cpu", MODELS)
def test_reads_wherever_addresses_reach_come_to_an_end(case, cpu):
    with probe(case, "hvm", cpu=cpu) as guest:
        for first, step, count in (1 << 32, 1 << 30, 900), (1 << 32, 1 << 21, 2000), (0xFD << 32, PAGE, 100):
            assert guest.ask_one(f"far {first:#x} {step:#x} {count}") == f"far done {count:#x}"
        alive(guest)


# --- the end of a guest -----------------------------------------------------------------------------------------------

TRIPLE_FAULT = "hvm: triple fault of the guest on processor 0 at 0x"
# The guest's top page table, or table of gates, in Berth's memory is full of ones.
DEATHS = ["triple-fault", "use-tables", "use-gates"]


def die(guest, death):
    guest.vm.qmp("query-status")  # from now on events are kept
    where = f" {guest.vm.log.base + IMAGE_CODE:#x}" if death != "triple-fault" else ""
    guest.order(death + where)


@pytest.mark.sample(1)
@pytest.mark.parametrize("death", DEATHS)
def test_a_triple_fault_restarts_the_machine(case, death):
    with probe(case, "hvm") as guest:
        die(guest, death)
        assert guest.vm.wait_exit() == 0
        assert guest.vm.shutdown_reason() == "guest-reset" and guest.vm.triple_faults == 0
        (error,) = guest.vm.log.errors
        assert error.startswith(TRIPLE_FAULT)


@pytest.mark.sample(1)
@pytest.mark.parametrize("death", DEATHS)
def test_a_triple_fault_halts_with_the_registers_where_that_is_wanted(case, death):
    with probe(case, "hvm", words=["triple-fault=halt"], processors=2) as guest:
        outside = Outside(case, guest.vm, kept_of(guest))
        die(guest, death)
        log = guest.vm.wait_halted()
        (error,) = log.errors
        assert error.startswith(TRIPLE_FAULT) and guest.vm.triple_faults == 0
        assert any("cr0 0x" in line and "cr3 0x" in line for line in log.lines)
        outside.unchanged()


# --- messages between processors --------------------------------------------------------------------------------------

INIT, START, TO_OTHERS = 0x4500, 0x4600, 0xC0000
FEW_POLLS = 50000  # long after any message has come where it was sent to
CACHES_OFF = 0x60000000  # CR0.CD and NW, which INIT leaves as they are: SDM volume 3A, table 10-1
REAL_CR0 = 0x10


def icr(guest, target, command):
    """Send it, and no more than that."""
    assert guest.ask_one(f"icr {target << 24:#x} {command:#x}").startswith("icr done")


def started(guest, vector, count=1, target=1, to=0):
    """INIT, and start-up messages until so many processors have come to the page; what the last one found there."""
    icr(guest, target, INIT | to)
    return sent(guest, vector, count, target, to)


def sent(guest, vector, count, target=1, to=0):
    """The same without INIT."""
    return numbers_of(guest.ask_one(f"start {target << 24:#x} {START | vector | to:#x} {count}"))


def arrivals(guest, vector, count):
    """How many have come, when `count` have, or none has for a while."""
    return numbers_of(guest.ask_one(f"arrived {vector:#x} {count} {FEW_POLLS}"))["count"]


def comes(guest, vector, target=1, touch=0):
    """A processor is started there, and comes."""
    guest.ask(f"prepare {vector:#x} {touch:#x} 0")
    found = started(guest, vector, target=target)
    assert found["count"] == 1, guest.vm.error(f"no processor at {vector:#x}")
    assert found["cs"] == vector << 8 and found["ds"] == 0
    assert found["cr0"] & ~CACHES_OFF == REAL_CR0
    icr(guest, target, INIT)
    guest.ask(f"restore {vector:#x}")
    return found


def signature(guest):
    """CPUID leaf 1, eax: what a processor has in edx behind INIT."""
    return next(leaf["a"] for leaf in guest.numbers("cpuid 0") if leaf["leaf"] == 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_processor_starts_in_real_mode_at_any_page(case, mode):
    with probe(case, mode, processors=2) as guest:
        edx = signature(guest)
        for vector in 0, 1, 0x10, 0x70, 0x90, 0x10:
            assert comes(guest, vector)["edx"] == edx
        alive(guest)


def start_page(kept):
    return next(start for start, end in kept if end <= 0xA0000) // PAGE


@pytest.mark.slow
@pytest.mark.parametrize("vector", [0xA0, 0xA5, 0xB0, 0xFF], ids=hex)
@pytest.mark.parametrize("mode", MODES)
def test_a_processor_lost_in_what_is_no_ram_can_be_started_again(case, mode, vector):
    with probe(case, mode, processors=2) as guest:
        icr(guest, 1, INIT)
        icr(guest, 1, START | vector)
        assert comes(guest, 0x10)
        assert guest.touches == []
        alive(guest)


def test_a_processor_sent_into_berths_page_finds_ones(case):
    with probe(case, "hvm", processors=2) as guest:
        kept = kept_of(guest)
        outside = Outside(case, guest.vm, kept)
        page = start_page(kept)
        found = comes(guest, 0x10, touch=page << 8)
        assert found["read"] == found["read-again"] == ONES >> 32
        assert guest.touches == [(1, "read", page * PAGE)]
        icr(guest, 1, INIT)
        icr(guest, 1, START | page)
        assert comes(guest, 0x10)
        outside.unchanged()
        alive(guest)


@pytest.mark.parametrize("mode", MODES)
def test_messages_in_odd_orders(case, mode):
    """As on the machine: a second start-up message counts for nothing, nor does one without INIT; INIT always does."""
    with probe(case, mode, processors=3) as guest:
        guest.ask("prepare 0x10 0 1")
        assert started(guest, 0x10)["count"] == 1
        for _ in range(2):
            icr(guest, 1, START | 0x10)
        assert arrivals(guest, 0x10, 2) == 1, "started while it runs"
        assert started(guest, 0x10, 2)["count"] == 2, "a running processor is started anew, as by CPU hotplug"
        assert started(guest, 0x10, 4, to=TO_OTHERS)["count"] == 4
        icr(guest, 77, INIT)
        icr(guest, 77, START | 0x10)
        assert arrivals(guest, 0x10, 5) == 4, "a message to nobody"
        icr(guest, 0, INIT | TO_OTHERS)
        guest.ask("prepare 0x10 0 0")
        assert arrivals(guest, 0x10, 1) == 0, "INIT alone starts nobody"
        assert sent(guest, 0x10, 1, target=2)["count"] == 1
        alive(guest)


NMI, SMI = 0x4400, 0x4200
RESERVED_MESSAGES = [0x4300, 0x4700]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_messages_of_every_other_kind(case, mode):
    """To the sender, and to one that runs. (One that waits to be started ignores all of them; QEMU's wakes up.)"""
    with probe(case, mode, processors=2) as guest:
        assert guest.ask_one(f"icr 0 {NMI:#x}").startswith("icr fault 2 ")
        guest.ask("prepare 0x10 0 1")
        assert started(guest, 0x10)["count"] == 1
        for command in (SMI, *RESERVED_MESSAGES):
            icr(guest, 0, command)
        for command in (NMI, SMI, *RESERVED_MESSAGES):
            icr(guest, 1, command)
        assert arrivals(guest, 0x10, 2) == 1
        assert started(guest, 0x10, 2)["count"] == 2
        alive(guest)


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="QEMU's processor heeds NMIs while it waits for a start-up message")
@pytest.mark.parametrize("mode", MODES)
def test_a_processor_that_waits_to_be_started_heeds_no_nmi(case, mode):
    """It would run the guest's handler in real mode, and outside of Berth. A real one waits: SDM volume 3A, 9.4."""
    with probe(case, mode, processors=2) as guest:
        guest.ask("prepare 0x10 0 1")
        guest.ask("write 0x8 0x1000000010000000")  # the real-mode vectors 2 and 3: 0x1000:0
        icr(guest, 1, INIT)
        for _ in range(3):
            icr(guest, 1, NMI)
        assert arrivals(guest, 0x10, 1) == 0


@pytest.mark.slow
def test_a_page_table_in_the_apics_page_costs_the_guest_its_apic(case):
    """Nobody else is hurt: it finds ones there from then on."""
    with probe(case, "hvm", processors=2) as guest:
        outside = Outside(case, guest.vm, kept_of(guest))
        assert guest.ask_one(f"walk {APIC_PAGE:#x} 1").startswith("walk fault 14 ")
        assert numbers_of(guest.ask_one("apic-id"))["value"] == 0xFF
        icr(guest, 1, INIT)
        outside.unchanged()
        alive(guest)


@pytest.mark.parametrize("mode", MODES)
def test_init_to_the_first_processor_starts_the_machine_over(case, mode):
    with probe(case, mode, processors=2) as guest:
        guest.vm.qmp("query-status")
        guest.order(f"icr 0 {INIT:#x}")
        assert guest.vm.wait_exit() == 0
        assert guest.vm.shutdown_reason() == "guest-reset"
        if mode == "hvm":
            last = "hvm: the guest sent INIT to the first processor: the machine starts over"
            assert guest.vm.log.warnings[-1] == last
