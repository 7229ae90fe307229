"""Multiboot2 information blocks, right and wrong ones. Source: Multiboot2 specification 2.0, section 3.6."""
import struct

MAGIC = 0x36D76289
TAG_END, TAG_CMDLINE, TAG_LOADER, TAG_MODULE, TAG_BASIC_MEMORY = 0, 1, 2, 3, 4
TAG_MEMORY_MAP, TAG_FRAMEBUFFER, TAG_RSDP_OLD, TAG_RSDP_NEW, TAG_LOAD_BASE = 6, 8, 14, 15, 21
RAM, RESERVED, ACPI_RECLAIM, ACPI_NVS, UNUSABLE = 1, 2, 3, 4, 5
ENTRY_BYTES = 24
TAG_ALIGN = 8
LOADER = "GRUB 2.06"  # a loader that hands over arguments without a leading file name
FRAMEBUFFER_INDEXED, FRAMEBUFFER_RGB, FRAMEBUFFER_TEXT = 0, 1, 2


def tag(kind, payload=b"", size=None):
    """One tag with its padding; `size` overrides what the tag says of its own length."""
    data = struct.pack("<II", kind, 8 + len(payload) if size is None else size) + payload
    return data + bytes(-len(data) % TAG_ALIGN)


def string_tag(kind, text):
    return tag(kind, text.encode("latin-1") + b"\0")


def cmdline(text):
    return string_tag(TAG_CMDLINE, text)


def loader(text=LOADER):
    return string_tag(TAG_LOADER, text)


def module(start, end, text=""):
    return tag(TAG_MODULE, struct.pack("<II", start, end) + text.encode("latin-1") + b"\0")


def basic_memory(lower_kib=639, upper_kib=0):
    return tag(TAG_BASIC_MEMORY, struct.pack("<II", lower_kib, upper_kib))


def load_base(address):
    return tag(TAG_LOAD_BASE, struct.pack("<I", address))


def memory_map(entries, entry_bytes=ENTRY_BYTES, version=0):
    """`entries`: (base, length, type). Bytes of an entry beyond what is known are 0xff, shorter ones are cut."""
    rows = [(struct.pack("<QQII", *entry, 0) + b"\xff" * entry_bytes)[:entry_bytes] for entry in entries]
    return tag(TAG_MEMORY_MAP, struct.pack("<II", entry_bytes, version) + b"".join(rows))


def framebuffer(base, width, height, pitch, depth, kind=FRAMEBUFFER_RGB, colours=((16, 8), (8, 8), (0, 8))):
    """`colours`: position and size of red, green and blue."""
    tail = b"".join(struct.pack("BB", *colour) for colour in colours) if kind == FRAMEBUFFER_RGB else b""
    return tag(TAG_FRAMEBUFFER, struct.pack("<QIIIBBH", base, pitch, width, height, depth, kind, 0) + tail)


END = tag(TAG_END)


def block(tags, end=END, total_size=None):
    data = bytes(8) + b"".join(tags) + end
    return struct.pack("<II", len(data) if total_size is None else total_size, 0) + data[8:]


def offset_of(tags, index):
    """Where in the block tag `index` of `tags` begins."""
    return 8 + sum(len(t) for t in tags[:index])
