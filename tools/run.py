#!/usr/bin/python3
"""Boot Berth and a Debian kernel in QEMU.

usage: run.py shell --build build [--memory 1G] [--cpu MODEL] [--processors 1] [--cmdline "..."] [--timeout SECONDS]
       run.py debug --build build [--memory 1G] [--cpu MODEL] [--processors 1] [--cmdline "..."] [--commands FILE]

shell  ends in a shell on the serial line, which is this terminal (leave it with poweroff -f, or Ctrl-A X). Without a
       terminal Linux powers off after its banner instead; the status is 0 when the banner came.
debug  a machine stopped at Berth's entry, wherever the loader put it, with gdb attached and symbols at both places the
       image has: where it was loaded and where it is linked. With --commands gdb runs that file and ends.
"""
import argparse
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

import mkiso
from mkinitrd import BANNER

BATCH_WORD = "berth.batch"
# Deterministic for the same ISO, machine and memory size: where the image was put once it will be put again.
MACHINE = ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-nodefaults", "-display", "none", "-no-reboot"]
HALTED = rb"\(BERTH\) halted"
BASE_LINE = rb"\(BERTH\) boot: .*base=(0x[0-9a-f]+)\s"


class RunError(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def boot_iso(arguments, batch):
    build = pathlib.Path(arguments.build)
    # Linux checks early that the timer's interrupts come at their rate, and panics where a busy host's do not.
    kernel_cmdline = "console=ttyS0 no_timer_check" + (f" {BATCH_WORD}" if batch else "")
    modules = [(build / "kernel/amd64/vmlinuz", kernel_cmdline), (build / "initrd-shell.gz", "")]
    return mkiso.berth_iso(arguments.folder / "berth.iso", build / "berth", arguments.cmdline, modules)


def machine(arguments, iso):
    cpu = ["-cpu", arguments.cpu] if arguments.cpu else []
    return MACHINE + ["-m", arguments.memory, "-smp", str(arguments.processors), *cpu, "-cdrom", str(iso)]


def read_until(process, pattern, seconds, echo):
    """The match of `pattern` in what the machine prints; None when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    seen = b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            break
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        if echo:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        # Lines are short: a match never spans more than the last few thousand bytes.
        seen = seen[-8192:] + data
        found = re.search(pattern, seen)
        if found:
            return found
    return None


def run_batch(arguments):
    command = machine(arguments, boot_iso(arguments, batch=True)) + ["-serial", "stdio"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    deadline = time.monotonic() + arguments.timeout
    try:
        found = read_until(process, re.escape(BANNER.encode()) + b"|" + HALTED, arguments.timeout, echo=True)
        if not found or found[0] != BANNER.encode():
            why = "Berth halted" if found else f"QEMU ended, or {arguments.timeout} s were over"
            raise RunError(f"the banner {BANNER!r} did not come: {why}")
        read_until(process, rb"(?!)", max(deadline - time.monotonic(), 5), echo=True)
        try:
            status = process.wait(5)
        except subprocess.TimeoutExpired:
            raise RunError(f"Linux did not power off within {arguments.timeout} s") from None
        if status != 0:
            raise RunError(f"QEMU ended with status {status}")
    finally:
        process.kill()
        process.wait()


def leave_ctrl_c_to_children():
    """A handler, unlike SIG_IGN, is not inherited by what we start."""
    signal.signal(signal.SIGINT, lambda *_: None)


def run_shell(arguments):
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        run_batch(arguments)
        return
    leave_ctrl_c_to_children()
    say("Leave the machine with `poweroff -f`, or at any time with Ctrl-A X.")
    command = machine(arguments, boot_iso(arguments, batch=False)) + ["-serial", "mon:stdio"]
    status = subprocess.call(command)
    if status != 0:
        raise RunError(f"QEMU ended with status {status}")


def symbol(image, name):
    listing = subprocess.run(["nm", str(image)], check=True, text=True, capture_output=True).stdout
    found = re.search(rf"^([0-9a-f]+) \w {re.escape(name)}$", listing, re.MULTILINE)
    if not found:
        raise RunError(f"{image} has no symbol {name}")
    return int(found[1], 16)


def learn_base(arguments, iso):
    """Boot once to see where the loader puts the image."""
    process = subprocess.Popen(machine(arguments, iso) + ["-serial", "stdio"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    try:
        found = read_until(process, BASE_LINE, arguments.timeout, echo=False)
    finally:
        process.kill()
        process.wait()
    if not found:
        raise RunError("Berth's boot: line did not come; look at `make run`")
    return int(found[1], 16)


def run_debug(arguments):
    image = pathlib.Path(arguments.build) / "berth.debug"
    iso = boot_iso(arguments, batch=True)
    base = learn_base(arguments, iso)
    linked = symbol(image, "_start")
    entry = base + symbol(image, "start") - linked
    say(f"Berth is loaded at {base:#x} and linked at {linked:#x}; stopping at its entry, {entry:#x}.")

    socket = arguments.folder / "gdb"
    pid_file = arguments.folder / "pid"
    log = pathlib.Path(arguments.build) / "debug-serial.log"
    say(f"The serial line goes to {log}.")
    # QEMU listens before its process detaches, so gdb finds the socket.
    subprocess.run(machine(arguments, iso) + ["-S", "-gdb", f"unix:{socket},server=on,wait=off", "-serial",
                                              f"file:{log}", "-daemonize", "-pidfile", str(pid_file)], check=True)
    pid = int(pid_file.read_text())
    commands = ["set pagination off", "set confirm off", f"target remote {socket}",
                f"add-symbol-file {image} -o {(base - linked) % (1 << 64):#x}",
                f"thbreak *{entry:#x}", "continue"]
    gdb = ["gdb", "-q", "-nx", str(image)]
    for command in commands:
        gdb += ["-ex", command]
    if arguments.commands:
        gdb += ["-batch", "-x", arguments.commands]
    leave_ctrl_c_to_children()
    try:
        return subprocess.call(gdb)
    finally:
        os.kill(pid, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("shell", "debug"))
    parser.add_argument("--build", default="build")
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--cpu")
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--timeout", type=int, default=300)
    parser.add_argument("--commands")
    arguments = parser.parse_args()
    try:
        # A folder for each run: several may go on at once. It is short, for the path of a socket.
        with tempfile.TemporaryDirectory(prefix="berth-run-") as folder:
            arguments.folder = pathlib.Path(folder)
            status = {"shell": run_shell, "debug": run_debug}[arguments.what](arguments)
        sys.exit(status)
    except (RunError, mkiso.IsoError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"\nrun: {error}")


if __name__ == "__main__":
    main()
