"""`make run` and `make debug`, as a user types them."""
import os
import re
import subprocess

import conftest
import pexpect
from berth_qemu import PATIENCE
from mkinitrd import BANNER

KEEP = {"PATH", "HOME", "LANG", "TERM"}


def make_command(*words):
    return ["make", "--no-print-directory", f"BUILD={conftest.BUILD}", "DEPS=skip", *words]


def environment():
    """Without the variables of a make that may be running us."""
    return {"TERM": "dumb", **{name: value for name, value in os.environ.items() if name in KEEP}}


def make(*words, seconds=300):
    return subprocess.run(make_command(*words), cwd=conftest.ROOT, env=environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=seconds * PATIENCE)


def test_run_without_a_terminal_powers_off_after_the_banner():
    done = make("run")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert BANNER in done.stdout
    assert "moved-by=loader" in done.stdout


def test_run_on_another_processor_shows_the_kernel_inside_svm():
    done = make("run", "CPU=max", "SMP=2", "MEMORY=512M")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert BANNER in done.stdout
    assert "dom0: mode=hvm" in done.stdout and "hvm: SVM, 2 processors" in done.stdout


def test_run_that_does_not_reach_userspace_fails_in_words():
    done = make("run", "CMDLINE=dom0=pv", seconds=60)
    assert done.returncode != 0
    assert "(BERTH) halted" in done.stdout
    assert "the banner" in done.stderr and "did not come" in done.stderr


def test_run_on_a_terminal_ends_in_a_shell(case):
    command = make_command("run")
    with open(case.folder / "terminal.log", "wb") as log:
        shell = pexpect.spawn(command[0], command[1:], cwd=str(conftest.ROOT), env=environment(),
                              timeout=120 * PATIENCE, logfile=log)
        shell.expect_exact(BANNER)
        shell.expect_exact("# ")
        shell.sendline("echo $((6 * 7)) && tty")
        shell.expect(r"\n42\s")
        shell.expect("/dev/ttyS0")
        shell.expect_exact("# ")
        shell.sendline("poweroff -f")
        shell.expect(pexpect.EOF)
        shell.close()
    assert shell.exitstatus == 0


def test_debug_stops_at_the_entry_with_symbols_at_both_places(case):
    commands = case.write("entry.gdb", b"""
info registers rip eax
x/i $pc
info symbol $pc
info line *$pc
printf "linked start is %#lx\\n", &_start
thbreak __start_xen
continue
backtrace 1
printf "start_xen at %#lx\\n", $pc
""")
    done = make("debug", f"GDB_COMMANDS={commands}")
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout
    base = int(re.search(r"loaded at (0x[0-9a-f]+)", done.stderr)[1], 16)
    entry = int(re.search(r"^rip +(0x[0-9a-f]+)", text, re.MULTILINE)[1], 16)
    # A 64-bit kernel's loader contract: the multiboot2 magic is in eax (specification 2.0, section 3.3).
    assert re.search(r"^eax +0x36d76289", text, re.MULTILINE), text
    assert base <= entry < base + (2 << 20)
    assert re.search(rf"=> {entry:#x} <start>:\s+cli", text), text
    assert "start in section .text" in text
    assert "boot/head.S" in text
    # After the switch to long mode the same names hold at the link address.
    assert re.search(r"__start_xen \(", text), text
    assert re.search(r"start_xen at 0xffff82d0402\w+", text), text
