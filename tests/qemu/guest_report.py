"""What the zeropage guest (tests/guests/zeropage) printed, as objects; and names for tests."""
import re

TEXT_SCREEN_TYPE, LINEAR_SCREEN_TYPE = 1, 0x23


def dashed(name):
    """A test's name from words, so that -k can choose it."""
    return name.replace(" ", "-").replace(",", "")


class GuestReport:
    def __init__(self, text):
        self.text = text
        words = self._line("PLACES").split()
        self.kernel, self.zero_page, self.cmdline_at = (int(words[i], 0) for i in (1, 3, 5))
        self.initrd = (int(words[7], 0), int(words[8], 0))

    def _line(self, start):
        return re.search(rf"^{start} (.*)$", self.text, re.MULTILINE)[1]

    @property
    def cmdline(self):
        return self._line("CMDLINE")

    @property
    def screen(self):
        """All fields of the screen on one line."""
        return self._line("SCREEN")

    @property
    def rsdp(self):
        return int(self._line("RSDP"), 0)

    @property
    def e820(self):
        """[(start, end, type)], with an end of 2^64 as 0."""
        lines = re.findall(r"^E820 (\S+) (\S+) (\d+)$", self.text, re.MULTILINE)
        return [(int(start, 0), int(end, 0), int(kind)) for start, end, kind in lines]
