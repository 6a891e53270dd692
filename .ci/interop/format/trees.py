"""Lengths of codes for how often symbols occur, as zlib's build_tree and as package-merge chooses them."""


class Heap:
    """zlib's: of equally frequent nodes the shallower is smaller, and a new one sinks below none of its equals."""

    def __init__(self, symbols, counts):
        self.counts, self.depths = counts, [0] * len(counts)
        self.nodes = [None, *symbols]
        for at in range(len(symbols) // 2, 0, -1):
            self.sink(at)

    def smaller(self, a, b):
        return (self.counts[a], self.depths[a]) <= (self.counts[b], self.depths[b])

    def sink(self, at):
        nodes, node = self.nodes, self.nodes[at]
        child = 2 * at
        while child < len(nodes):
            if child + 1 < len(nodes) and self.smaller(nodes[child + 1], nodes[child]):
                child += 1
            if self.smaller(node, nodes[child]):
                break
            nodes[at] = nodes[child]
            at, child = child, 2 * child
        nodes[at] = node


def zlib_lengths(counts, most):
    """build_tree and gen_bitlen of zlib's trees.c; at least two symbols get codes."""
    counts = list(counts)
    used = [symbol for symbol, count in enumerate(counts) if count]
    while len(used) < 2:
        new = 0 if used and used[-1] >= 2 else used[-1] + 1 if used else 0
        counts[new] = 1
        used.append(new)
    heap = Heap(used, counts + [0] * len(used))
    order, parents, node = [], {}, len(counts)
    while len(heap.nodes) > 2:
        first, last = heap.nodes[1], heap.nodes.pop()
        heap.nodes[1] = last
        heap.sink(1)
        second = heap.nodes[1]
        order += [first, second]
        heap.counts[node] = heap.counts[first] + heap.counts[second]
        heap.depths = heap.depths + [0] * (node + 1 - len(heap.depths))
        heap.depths[node] = max(heap.depths[first], heap.depths[second]) + 1
        parents[first] = parents[second] = heap.nodes[1] = node
        node += 1
        heap.sink(1)
    return bounded(order, parents, node - 1, len(counts), most)


def bounded(order, parents, root, symbols, most):
    """The lengths of a tree whose nodes were joined in this order, none longer than `most`."""
    lengths, of_length, over = {root: 0}, [0] * (most + 1), 0
    leaves = []
    for node in reversed(order):
        length = lengths[parents[node]] + 1
        over += length > most
        lengths[node] = min(length, most)
        if node < symbols:
            leaves.append(node)
            of_length[lengths[node]] += 1
    if not over:
        return [lengths.get(symbol, 0) for symbol in range(symbols)]
    while over > 0:
        length = most - 1
        while not of_length[length]:
            length -= 1
        of_length[length] -= 1
        of_length[length + 1] += 2
        of_length[most] -= 1
        over -= 2
    out = [0] * symbols
    # The rarest get the longest.
    rarest = iter(reversed(leaves))
    for length in range(most, 0, -1):
        for _ in range(of_length[length]):
            out[next(rarest)] = length
    return out


def merged_lengths(counts, most):
    """Package-merge: of rows that each merge the symbols with pairs of the row before, by rising count, pairs first
    where they are equal, the last row's first 2n - 2 items count for each symbol in them a bit. Rarer symbols get
    longer codes, of equally rare ones the lower."""
    used = sorted((count, symbol) for symbol, count in enumerate(counts) if count)
    out = [0] * len(counts)
    if len(used) <= 2:
        for _, symbol in used:
            out[symbol] = 1
        return out
    row = []
    for _ in range(min(most, len(used) - 1)):
        pairs = [(a[0] + b[0], 0, a[2] + b[2]) for a, b in zip(row[::2], row[1::2])]
        row = sorted(pairs + [(count, 1, [at]) for at, (count, _) in enumerate(used)], key=lambda item: item[:2])
        row = row[: 2 * len(used) - 2]
    found = [0] * len(used)
    for _, _, symbols in row:
        for at in symbols:
            found[at] += 1
    for length, (_, symbol) in zip(sorted(found, reverse=True), used):
        out[symbol] = length
    return out
