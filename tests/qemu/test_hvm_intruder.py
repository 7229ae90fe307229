"""A program inside Linux maps Berth's memory through /dev/mem, and reads, writes and executes there
(tests/guests/intruder): it finds ones, changes nothing, and is told of in the log, once a page.
"""
import re

import pytest
from hvm import PAGE, PATTERN, Outside, kept_ranges, linux, zero_page_map
from mkinitrd import payload_sha256

ONES = (1 << 64) - 1
SIGILL = 4
LINE = re.compile(r"(0x[0-9a-f]+): read (0x[0-9a-f]+), then (0x[0-9a-f]+), (ran on|signal \d+)")
PAGES_MOST = 48  # a line on the console has its limit


def some_pages(kept, base):
    """The first and the last page of each part, and the image's first ones, its code among them."""
    pages = {page for start, end in kept for page in (start, end - PAGE)}
    return sorted(pages | {base + number * PAGE for number in range(1, 12)})[:PAGES_MOST]


def intrude(guest, pages):
    answers = guest.ask("/programs/intruder " + " ".join(map(hex, pages)))
    found = [LINE.fullmatch(answer) for answer in answers]
    assert all(found) and len(found) == len(pages), "\n".join(answers)
    return {int(m[1], 0): (int(m[2], 0), int(m[3], 0), m[4]) for m in found}


@pytest.mark.parametrize("processors", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_berths_memory_is_out_of_reach(case, processors):
    with linux(case, "hvm", processors=processors) as guest:
        kept = kept_ranges(guest.vm.log, zero_page_map(guest))
        pages = some_pages(kept, guest.vm.log.base)
        outside = Outside(case, guest.vm, kept)
        assert guest.touches == []
        # Ones are no instruction: the program is told so, and nobody else.
        expected = {page: (ONES, ONES, f"signal {SIGILL}") for page in pages}
        assert intrude(guest, pages) == expected
        outside.unchanged([page + at for page in pages for at in (0, 8, PAGE - 8)])
        touched = [where for _, _, where in guest.touches]
        assert sorted(touched) == pages
        assert intrude(guest, pages) == expected
        assert len(guest.touches) == len(pages), "a page is in the log again"
        outside.unchanged()
        assert guest.ask_one("sha256sum /payload.bin").split()[0] == payload_sha256()
        guest.order("poweroff -f")
        assert guest.vm.wait_exit() == 0 and guest.vm.triple_faults == 0 and guest.vm.log.errors == []
