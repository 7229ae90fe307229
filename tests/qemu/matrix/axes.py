"""The axes: what a machine, its loader and its guest can be; what does not combine, and why; and which cases follow.

A case is a dictionary {axis: value}. Its name lists what differs from DEFAULT, so that `make case` needs nothing else.
"""
import itertools

AXES = {
    "loader": ("grub-bios-mb2", "grub-bios-mb1", "grub-efi", "grub-efi-noservices", "grub-efi32", "efi-direct",
               "qemu-mb1", "pvh", "ipxe", "syslinux", "kexec-mb2", "kexec-mb1", "pxe-bios", "pxe-efi"),
    "machine": ("q35", "pc", "microvm"),
    "memory": ("256M", "26M", "64M", "128M", "1G", "2G", "3G", "4G", "5G", "8G", "64G"),
    "cpu": ("qemu64", "max", "EPYC", "Haswell", "Nehalem", "qemu64+pdpe1gb", "max-la57"),
    "processors": (1, 2, 8),
    "guest": ("zp64", "zp32", "zp64-fixed", "zp32-fixed", "zp32-206", "zp64-low4g", "zp32-lowinitrd", "cloud",
              "amd64"),
    "base": ("any", "0x200000", "0x1000000", "0x1e00000", "0x7e00000", "0x40000000"),
}
DEFAULT = {axis: values[0] for axis, values in AXES.items()}
# Each axis value alone is tried, and each pair of values. These are tried in full:
PRODUCTS = (("loader", "machine"), ("loader", "memory"), ("loader", "guest"), ("memory", "base"))

SLOT_MIB = 2
EFI = ("grub-efi", "grub-efi-noservices", "grub-efi32", "efi-direct", "pxe-efi")
DIRECT = ("qemu-mb1", "pvh")
# Loaders that read the relocatable tag of the file which the case patches.
RELOCATING = ("grub-bios-mb2", "grub-efi", "grub-efi-noservices", "grub-efi32")
FIXED = ("zp64-fixed", "zp32-fixed", "zp32-206")
DEBIAN = ("cloud", "amd64")
# Loaders that come over the network, and keep memory for the card's boot program.
NETWORK = ("ipxe", "syslinux", "pxe-bios")
# The loaders that themselves begin as a Linux kernel.
KEXEC = ("kexec-mb2", "kexec-mb1")


def mebibytes(text):
    return int(text[:-1]) * {"M": 1, "G": 1024}[text[-1]]


def least_memory(case):
    """What the firmware, the loader or the guest needs, in MiB."""
    needs = [24]
    if case["loader"] in EFI:
        needs.append(128)
    if case["loader"] == "grub-efi32":
        needs.append(256)
    if case["loader"] in NETWORK:
        needs.append(128 if case["loader"] == "ipxe" else 64)
    if case["loader"] in KEXEC:
        needs.append(512)
    if case["guest"] in DEBIAN:
        needs.append(256 if case["loader"] in EFI or case["guest"] == "amd64" else 128)
    if case["guest"] == "zp32-lowinitrd":
        needs.append(64)
    return max(needs)


def base_end_mib(case):
    return int(case["base"], 16) // (1 << 20) + SLOT_MIB


# (what does not combine, why)
RULES = (
    (lambda c: c["machine"] == "microvm" and c["loader"] not in DIRECT,
     "microvm has neither disk firmware nor UEFI here: QEMU loads the image itself"),
    (lambda c: c["machine"] == "pc" and c["loader"] == "grub-efi32", "OVMF for 32 bits with SMM needs q35"),
    (lambda c: mebibytes(c["memory"]) < least_memory(c), "too little memory for the firmware, the loader or the guest"),
    (lambda c: c["loader"] == "grub-efi32" and c["guest"] in DEBIAN and c["cpu"].startswith("max"),
     "Linux 6.1 calls 32-bit firmware now and then in vain on this processor, and panics; from GRUB's own `linux` too"),
    (lambda c: c["loader"] == "grub-efi32" and mebibytes(c["memory"]) > 8192, "32-bit firmware does not map so much"),
    (lambda c: c["base"] != "any" and c["loader"] not in RELOCATING, "this loader puts the image where it is linked"),
    (lambda c: c["base"] != "any" and base_end_mib(c) > min(mebibytes(c["memory"]), 2048) - 64,
     "no RAM below 4 GiB at that address, or the firmware's own"),
    (lambda c: c["base"] == "0x1000000" and c["loader"] in EFI, "OVMF keeps its own data from 8 to 22 MiB"),
    (lambda c: c["base"] == "0x1000000" and c["guest"] in FIXED,
     "the kernel cannot move from 16 MiB, where the image is"),
    (lambda c: c["loader"] == "pvh" and c["guest"] in DEBIAN,
     "QEMU hands over one module by PVH: the kernel would have no initrd to show that it runs"),
    (lambda c: c["machine"] == "microvm" and c["guest"] in DEBIAN,
     "Debian's kernels find no clock on microvm and stop, under QEMU's own loader as well"),
    (lambda c: c["loader"] in EFI and c["guest"] in FIXED,
     "the kernel cannot move from 16 MiB, where OVMF keeps its own data"),
)


def complete(values):
    return {**DEFAULT, **values}


def objection(case):
    """Why this case does not combine; "" when it does."""
    return next((reason for is_wrong, reason in RULES if is_wrong(case)), "")


def name_of(case):
    changed = [f"{axis}={case[axis]}" for axis in AXES if case[axis] != DEFAULT[axis]]
    return ",".join(changed) or "default"


def case_of(name):
    """The case of a name; ValueError where a part of it is unknown."""
    case = dict(DEFAULT)
    for part in [] if name == "default" else name.split(","):
        axis, _, text = part.partition("=")
        found = [value for value in AXES.get(axis, ()) if str(value) == text]
        if not found:
            raise ValueError(f"no axis has {part}")
        case[axis] = found[0]
    return case


# --- which cases ----------------------------------------------------------------------------------------------------

def repaired(wanted):
    """A case with these values, and what the rules then need changed of the rest; None where nothing helps."""
    case = complete(wanted)
    if not objection(case):
        return case
    free = [axis for axis in AXES if axis not in wanted]
    for count in (1, 2, 3):
        for changed in itertools.combinations(free, count):
            for values in itertools.product(*(AXES[axis][1:] for axis in changed)):
                case = complete({**dict(zip(changed, values)), **wanted})
                if not objection(case):
                    return case
    return None


def alone(loaders):
    """Every axis value once, all else the default as far as the rules allow."""
    cases = [repaired({axis: value}) for axis, values in AXES.items() for value in values
             if axis != "loader" or value in loaders]
    return unique([case for case in cases if case and case["loader"] in loaders])


def product(names, loaders):
    """Every combination of some axes that the rules allow with the defaults of the others."""
    lists = [[value for value in AXES[axis] if axis != "loader" or value in loaders] for axis in names]
    cases = [complete(dict(zip(names, values))) for values in itertools.product(*lists)]
    return [case for case in cases if not objection(case)]


def on_every_machine(loaders):
    """Every loader on every machine, all else the default as far as the rules allow."""
    cases = [repaired({"loader": loader, "machine": machine}) for loader in loaders for machine in AXES["machine"]]
    return unique(case for case in cases if case)


def products(loaders):
    return unique([*(case for names in PRODUCTS for case in product(names, loaders)), *on_every_machine(loaders)])


def pairs_of(case):
    items = list(case.items())
    return set(itertools.combinations(items, 2))


def possible_pairs(loaders):
    """Every pair of values for which some case can be found."""
    axes = {axis: [v for v in values if axis != "loader" or v in loaders] for axis, values in AXES.items()}
    for first, second in itertools.combinations(axes, 2):
        for pair in itertools.product(((first, v) for v in axes[first]), ((second, v) for v in axes[second])):
            case = repaired(dict(pair))
            if case and case["loader"] in loaders:
                yield pair, case


def grown(case, pair, open_pairs, random, loaders):
    """A case with `pair` that covers as many open pairs as a few random changes of the rest can."""
    fixed = {axis for axis, _ in pair}
    best, most = case, len(pairs_of(case) & open_pairs)
    axes = [axis for axis in AXES if axis not in fixed]
    for _ in range(3):
        random.shuffle(axes)
        for axis in axes:
            for value in AXES[axis]:
                if axis == "loader" and value not in loaders:
                    continue
                tried = {**best, axis: value}
                count = len(pairs_of(tried) & open_pairs)
                if count > most and not objection(tried):
                    best, most = tried, count
    return best


def all_pairs(random, loaders):
    """A greedy cover: every pair of values that the rules allow lies in one case at least."""
    starts = dict(possible_pairs(loaders))
    open_pairs = set(starts)
    cases = []
    for pair in starts:
        if pair in open_pairs:
            case = grown(starts[pair], pair, open_pairs, random, loaders)
            open_pairs -= pairs_of(case)
            cases.append(case)
    return unique(cases)


def unique(cases):
    return list({name_of(case): case for case in cases}.values())
