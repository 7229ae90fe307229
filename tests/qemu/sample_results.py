#!/usr/bin/python3
"""Made-up results of a matrix, of the shape and number of real ones: to test the report with, and to work on its looks.

usage: sample_results.py FOLDER     writes results.jsonl, run.json and junit.xml; then tools/report.py --results FOLDER
"""
import json
import pathlib
import random
import sys

MIB = 1 << 20
SLOT, PAGE = 2 * MIB, 4096
GIB = 1 << 30
NO_RAM, FIRMWARE = "no RAM at {:#x}", "BS-data at {:#x}"
IMPOSSIBLE = [("grub-bios-mb2", "microvm", "no disk that its BIOS can boot from"),
              ("grub-bios-mb1", "microvm", "no disk that its BIOS can boot from"),
              ("syslinux", "microvm", "no disk that its BIOS can boot from"),
              ("grub-efi", "microvm", "no OVMF for this machine"), ("grub-efi", "pc", "no OVMF with q35's flash"),
              ("efi-direct", "microvm", "no OVMF for this machine")]
LOADERS = {"grub-bios-mb2": ("pc", "q35"), "grub-bios-mb1": ("pc", "q35"), "grub-efi": ("q35",),
           "grub-efi-noservices": ("q35",), "grub-efi32": ("q35",), "efi-direct": ("q35",),
           "qemu-mb1": ("pc", "q35", "microvm"), "pvh": ("pc", "q35", "microvm"), "ipxe": ("pc", "q35"),
           "syslinux": ("pc", "q35"), "kexec-mb2": ("pc", "q35"), "pxe-bios": ("pc", "q35"), "pxe-efi": ("q35",)}
AXES = {"memory": ["128M", "256M", "2G", "8G"], "cpu": ["qemu64", "Opteron_G5", "Skylake-Client", "max"],
        "processors": [1, 2, 8], "guest": ["zp64", "zp32", "debian"]}
DEFAULT = {"loader": "grub-bios-mb2", "machine": "pc", "memory": "256M", "cpu": "qemu64", "processors": 1,
           "guest": "zp64"}
SHIM = {"loader": "shim", "machine": "microvm"}
BYTES = {"128M": 128 * MIB, "256M": 256 * MIB, "2G": 2 * GIB, "8G": 8 * GIB, "4056M": 4056 * MIB}
LOG = """(BERTH) Berth 0.1.0 (gcc 12.2.0, git 53b811a)
(BERTH) boot: protocol=multiboot2 firmware=bios loader="GRUB 2.06-13+deb12u2" base={base:#x} link=0x200000
(BERTH) mem: 0x0000000000000000-0x000000000009fbff ram
(BERTH) module 0: 0x104000-0xf03fff "vmlinuz" cmdline="console=ttyS0"
(BERTH) error: page table entry 3 of l2_image holds {base:#x} instead of its own base - this is a defect of Berth
(BERTH) halted"""


def memory_of(name, efi):
    total = BYTES[name]
    low = min(total, 2 * GIB)
    found = [(0, 0x9f000, "ram"), (0x9f000, 0xa0000, "reserved"), (0xf0000, 0x100000, "reserved")]
    if efi:
        found += [(0x100000, 0x800000, "ram"), (0x800000, 0x808000, "acpi-nvs"), (0x808000, 0x1600000, "boot-services"),
                  (0x1600000, low - 28 * MIB, "ram"), (low - 28 * MIB, low - 9 * MIB, "boot-services"),
                  (low - 9 * MIB, low - 8 * MIB, "acpi-reclaim"), (low - 8 * MIB, low - 7 * MIB, "reserved")]
    else:
        found += [(0x100000, low - 0x20000, "ram"), (low - 0x20000, low, "reserved")]
    found.append((0xfffc0000, 4 * GIB, "reserved"))
    if total > low:
        found.append((4 * GIB, 4 * GIB + total - low, "ram"))
    return [{"start": start, "end": end, "type": type_} for start, end, type_ in found]


def placement_of(base, kernel=0x1000000):
    return [{"what": "image", "start": base, "end": base + 0x194000},
            {"what": "kernel", "start": kernel, "end": kernel + 0x2e00000},
            {"what": "initrd", "start": 0x4000000, "end": 0x4000000 + 0x88000},
            {"what": "zero-page", "start": base - 0x3000, "end": base - 0x1000},
            {"what": "module 0", "start": 0x104000, "end": 0xf04000},
            {"what": "module 1", "start": 0x4000000, "end": 0x4000000 + 0x88000}]


class Sample:
    def __init__(self, seed=1, failures=True):
        self.random = random.Random(seed)
        self.failures = failures
        self.records = []

    def add(self, group, name, axes, result="pass", reason="", base=None):
        clock = 1 if group == "cost" else self.random.randint(400, 700)
        work = self.random.randint(61_000, 64_000) * (12 if "efi" in axes["loader"] else 1)
        ticks = {"entry_to_start": 690 * clock, "start_to_handoff": work * clock}
        self.records.append({
            "id": f"{group}.{name}", "group": group, "axes": axes, "result": result, "reason": reason,
            "base": None if result == "refused" else base, "moved_by": None if result == "refused" else "loader",
            "tsc": ticks if result == "pass" else None, "seconds": round(self.random.uniform(0.06, 0.14), 3),
            "log_tail": "" if result == "pass" else LOG.format(base=base or 0x200000) if result == "fail" else reason,
            "command": f"make case C={group}.{name}"})
        return self.records[-1]

    def slots(self, group, count, refused, reason, bad, **axes):
        for index in range(1, count + 1):
            base = index * SLOT
            result = "refused" if refused(index) else "fail" if self.failures and index in bad else "pass"
            why = {"refused": reason.format(base), "fail": "page table entry without the load base", "pass": ""}[result]
            self.add(group, f"{base:#x}", {**DEFAULT, **axes, "base": f"{base:#x}"}, result, why, base)

    def sweeps(self):
        self.slots("slots-bios", 2047, lambda index: index * SLOT >= 0xfd800000, NO_RAM, (700, 701, 1400),
                   memory="4056M")
        self.slots("slots-efi", 1023, lambda index: 4 <= index <= 10 or index > 1009, FIRMWARE, (),
                   loader="grub-efi", machine="q35", memory="2G")
        for index in range(512):
            base = 64 * MIB + index * PAGE
            self.add("offsets", f"{base:#x}", {**DEFAULT, **SHIM, "memory": "256M", "base": f"{base:#x}"}, base=base)
        for index in range(2000):
            base = self.random.randrange(0x200000, 0xbfc00000, PAGE)
            self.add("random-4k", f"{index}.{base:#x}", {**DEFAULT, **SHIM, "memory": "3072M", "base": f"{base:#x}"},
                     base=base)

        for index in range(64):
            base = (1 + index * 30) * SLOT
            self.add("cost", f"{base:#x}", {**DEFAULT, "memory": "4056M", "base": f"{base:#x}"}, base=base)

    def placed(self, record):
        axes = record["axes"]
        low = min(BYTES[axes["memory"]], 2 * GIB)
        record["memory"] = memory_of(axes["memory"], "efi" in axes["loader"])
        record["placement"] = placement_of((low - 32 * MIB) // SLOT * SLOT)

    def axes(self):
        for loader, machines in LOADERS.items():
            for machine in machines:
                self.placed(self.add("axes", f"{loader}.{machine}", {**DEFAULT, "loader": loader, "machine": machine}))
        for axis, values in AXES.items():
            for value in values:
                self.placed(self.add("axes", f"{axis}-{value}", {**DEFAULT, axis: value}))
        for index in range(120):
            loader = self.random.choice(list(LOADERS))
            axes = {**DEFAULT, "loader": loader, "machine": self.random.choice(LOADERS[loader]),
                    **{axis: self.random.choice(values) for axis, values in AXES.items()}}
            bad = self.failures and index == 77
            self.placed(self.add("pairs", f"{index}", axes, "fail" if bad else "pass",
                                 "no line matching 'handover: ok' within 9 s" if bad else ""))

    def run(self):
        groups = {}
        for record in self.records:
            group = groups.setdefault(record["group"], {"count": 0, "pass": 0, "fail": 0, "refused": 0, "seconds": 0.0})
            group["count"] += 1
            group[record["result"]] += 1
            group["seconds"] = round(group["seconds"] + record["seconds"], 3)
        return {"revision": "53b811a0d2f7", "image_sha256": "5f2b" * 16, "seed": 20261121,
                "started": "2026-11-21T13:40:02Z", "elapsed": 412.7,
                "qemu": "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)",
                "grub": "grub-mkimage (GRUB) 2.06-13+deb12u2", "groups": groups,
                "phases": [{"name": "32-bit entry", "tsc": 690}, {"name": "information block", "tsc": 7210},
                           {"name": "ACPI root pointer", "tsc": 45120}, {"name": "memory map", "tsc": 3405},
                           {"name": "placement", "tsc": 2210}, {"name": "zero page", "tsc": 4107},
                           {"name": "kernel copied", "tsc": 1802000}],
                "impossible": [dict(zip(("loader", "machine", "reason"), row)) for row in IMPOSSIBLE]}

    def write(self, folder, run=None):
        """`run` is what run.json says instead of the truth."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.jsonl").write_text("".join(json.dumps(record) + "\n" for record in self.records))
        (folder / "run.json").write_text(json.dumps(self.run() if run is None else run))
        (folder / "junit.xml").write_text("<testsuites/>\n")


def whole_sample(seed=1, failures=True):
    sample = Sample(seed, failures)
    sample.sweeps()
    sample.axes()
    return sample


if __name__ == "__main__":
    whole_sample().write(pathlib.Path(sys.argv[1]))
