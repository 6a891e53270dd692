"""Section 3.7, checksums of tar headers: what they will be, and whether one is ahead."""

import re

CHECKSUM = re.compile(rb"(?=([0-7]{6}\0 ))", re.DOTALL)
LOOK, BEFORE, SPAN = 1280, 24, 148
PATIENCE = 4


class Checksums:
    def __init__(self, base, target):
        self.base, self.target = base, target
        self.patience, self.foretold_for, self.foretold = 0, None, b""

    def digit(self, a):
        """The digit foretold for base byte `a`, whose place is the target's end; None where it is no digit."""
        for k in range(6):
            if a >= k and CHECKSUM.match(self.base, a - k):
                self.foretell(a - k, len(self.target) - k)
                return self.foretold[k]
        return None

    def foretell(self, begin, s):
        if self.foretold_for == (begin, s):
            return
        number = int(self.base[begin : begin + 6], 8)
        number += sum(self.target[max(0, s - SPAN) : max(0, s)]) - sum(self.base[max(0, begin - SPAN) : begin])
        self.foretold = b"%06o" % (number % (1 << 18))
        self.foretold_for, self.patience = (begin, s), PATIENCE

    def header_ahead(self, at, end):
        """Where size and time of the next header begin, if one is known to be ahead."""
        if not self.patience:
            return None
        limit = min(at + LOOK, end)
        found = CHECKSUM.search(self.base, at + BEFORE, limit) if at + BEFORE < limit else None
        # The pattern looks ahead: what it finds must lie whole before the limit too.
        if found and found.start() + 8 <= limit:
            self.patience = PATIENCE
            return found.start() - BEFORE
        self.patience -= 1
        return None
