"""docs/format/corrections.md, 2.2: headers of dynamic blocks, relative to others."""

from .deflate import CODE_LENGTH_ORDER, END, MAX_DISTANCES, MAX_LITERALS, Header, length_steps, push_step
from .fields import need
from .trees import merged_lengths, zlib_lengths

BUILDERS = (merged_lengths, zlib_lengths)
RANGES = {16: (3, 6), 17: (3, 10), 18: (11, 138)}


class Grid:
    """Lengths, each at a place of its own, as another header has them."""

    def __init__(self, header):
        self.literals, self.distances, self.own_coded, self.own = 257, 1, 4, [0] * 19
        self.lengths = [0] * (MAX_LITERALS + MAX_DISTANCES)
        if header:
            self.set(header.lengths[: header.literals], header.lengths[header.literals :])
            self.own_coded, self.own = header.own_coded, list(header.own)

    def set(self, literals, distances):
        self.literals, self.distances = max(257, len(literals)), len(distances)
        self.lengths[: len(literals)] = literals
        self.lengths[MAX_LITERALS : MAX_LITERALS + len(distances)] = distances


def cut(lengths):
    """Up to the last code that there is."""
    while lengths and not lengths[-1]:
        lengths.pop()
    return lengths


def built(builder, counts):
    grid = Grid(None)
    literals, distances = (cut(builder(of, 15)) for of in counts)
    grid.set(literals, distances or [1])
    return grid


def unzigzag(channel, like, least, most):
    number = channel.take(1000)
    value = like - (number + 1) // 2 if number & 1 else like + number // 2
    need(least <= value <= most, "corrections: a number of lengths")
    return value


def differ(channel, values, most):
    """Brings values up to date by differences."""
    at = 0
    for _ in range(channel.take(len(values))):
        gap, kind = divmod(channel.take(), 3)
        at += gap
        need(at < len(values), "corrections: a difference of nothing")
        values[at] = channel.take(most) if kind == 2 else values[at] + (1, -1)[kind]
        need(0 <= values[at] <= most, "corrections: a length")
        at += 1


def read_steps(channel, lengths):
    steps, made = [], []
    while len(made) < len(lengths):
        number = channel.take(3 * 135 + 3)
        symbol, times = (16 + (number - 1) % 3, (number - 1) // 3 + 3) if number else (lengths[len(made)], 1)
        least, most = RANGES.get(symbol, (1, 1))
        need(least <= times <= most, "corrections: a run of lengths")
        steps.append((symbol, times))
        push_step(made, symbol, times)
    need(made == lengths, "corrections: runs of other lengths")
    return steps


def own_like(way, grid, steps):
    if not way:
        return grid.own_coded, grid.own
    counts = [0] * 19
    for symbol, _ in steps:
        counts[symbol] += 1
    lengths = BUILDERS[way - 1](counts, 7)
    own = [lengths[symbol] for symbol in CODE_LENGTH_ORDER]
    return max(4, len(cut(list(own)))), own


def read_header_like(head, channel, likes, counts):
    """A header. `likes`: the predicted one, and the last one that was written; `counts`: of the block's symbols."""
    like, form, way = head & 3, head >> 2 & 3, head >> 4
    need(form < 3 and way < 3, "corrections: a header")
    grid = Grid(likes[like]) if like < 2 else built(BUILDERS[like - 2], counts)
    literals = unzigzag(channel, grid.literals, 257, MAX_LITERALS)
    distances = unzigzag(channel, grid.distances, 1, MAX_DISTANCES)
    differ(channel, grid.lengths, 15)
    parts = grid.lengths[:literals], grid.lengths[MAX_LITERALS : MAX_LITERALS + distances]
    lengths = parts[0] + parts[1]
    need(lengths[END], "corrections: no end of a block")
    steps = read_steps(channel, lengths) if form == 2 else length_steps(parts if form else [lengths])
    own_coded, own = own_like(way, grid, steps)
    own_coded, own = unzigzag(channel, own_coded, 4, 19), list(own)
    differ(channel, own, 7)
    need(not any(own[own_coded:]), "corrections: codes of code lengths")
    return Header(literals, lengths, steps, own_coded, own)
