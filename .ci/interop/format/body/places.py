"""Section 1: the ways to a place of the base."""

from ..fields import M64, need

DISTANCE = 7


def signed(zigzag):
    return -(zigzag + 1) // 2 if zigzag & 1 else zigzag // 2


class Places:
    """Turns ways into places. `distance` is called where the way is told by one."""

    def __init__(self, base_length):
        self.base_length, self.end, self.alignments = base_length, 0, [0] * 6

    def of(self, way, distance, at):
        """Where in the base a copy begins whose place in the target is `at`."""
        need(way <= DISTANCE, "body: an unknown way")
        if way == 0:
            return self.end
        return self.end + distance if way == DISTANCE else at + self.alignments[way - 1] & M64

    def copied(self, start, length, at):
        need(0 <= start and start + length <= self.base_length, "body: a copy beyond the base")
        own = start - at & M64
        if own in self.alignments:
            self.alignments.remove(own)
        else:
            self.alignments.pop()
        self.alignments.insert(0, own)
        self.end = start + length
