"""Looks at one cache before an origin whose traffic is counted: what it asks for, and what machines cost the origin."""

import concurrent.futures
import time

import extracts
import peers
import probe
from wire import Wire

SLOW = 4 << 20
# Seconds before each time that a cache is asked again.
PAUSES = (0, 1, 2, 4)
# What a setting that suits packs may cost the origin, of what the first machine fetched; and any further one.
MOST_FIRST = 1.3
MOST_SECOND = 0.05


def _asked(exchanges, given):
    """What a cache asks its origin for when a machine asks for a range."""
    if not exchanges:
        return "nothing"
    ranges = {exchange.range for exchange in exchanges}
    if "" in ranges:
        return "the whole file"
    return "the range" if ranges == {given} else "slices"


def habits(host, wire):
    """What a cache asks its origin for."""

    def ask(name, *headers):
        wire.take()
        host.get(name, **dict(headers))
        time.sleep(0.2)
        wire.rest()
        # Some caches ask their origin for more, on their own account.
        return [exchange for exchange in wire.take() if exchange.path.endswith(name)]

    def ask_until_kept(name, ranges):
        """What is asked for in the end; a cache may take a moment to keep what it got."""
        for pause, given in zip(PAUSES, ranges):
            time.sleep(pause)
            found = ask(name, ("Range", given))
            if not found:
                break
        return _asked(found, given)

    first, *others = [f"bytes={at}000-{at}999" for at in range(1000, 3000, 100)]
    seen = {"lacks": _asked(ask(probe.LARGE, ("Range", first)), first)}
    seen["again"] = ask_until_kept(probe.LARGE, [first] * len(PAUSES))
    ask(probe.SECOND)
    # A range that was asked for may itself be kept, so each is another one.
    return {**seen, "after whole": ask_until_kept(probe.SECOND, others)}


class Behind:
    """A cache with nothing in it, and the origin behind it."""

    def __init__(self, peer, pair, places, folder, rate=0):
        self.pair, self.folder, self.peer, self.places, self.rate = pair, folder, peer, places, rate

    def __enter__(self):
        self.wire = Wire(self.places.origin, self.rate)
        try:
            self.child, self.port = peers.start(self.peer, self.places, self.folder, self.wire.port)
        except BaseException:
            self.wire.end()
            raise
        return self

    def __exit__(self, *_):
        self.child.end()
        self.wire.end()

    def machine(self, name, *options):
        """One machine's extract; its bytes are those of the origin."""
        url = f"http://127.0.0.1:{self.port}"
        outcome = extracts.extract(self.pair, url, self.folder / name, options, self.wire.take)
        self.wire.rest()
        outcome.bytes += sum(exchange.body_bytes for exchange in self.wire.take())
        return outcome


def _share(*outcomes):
    return ", ".join(f"{outcome.bytes / max(1, outcome.fetched):.2f}" for outcome in outcomes)


def _both(behind):
    """Two machines at once: the bytes of the origin, as a share of what both fetched."""
    behind.wire.take()
    url = f"http://127.0.0.1:{behind.port}"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(extracts.extract, behind.pair, url, behind.folder / f"both-{at}", (), list) for at in range(2)]
        outcomes = [run.result() for run in runs]
    behind.wire.rest()
    bytes_of_origin = sum(exchange.body_bytes for exchange in behind.wire.take())
    return outcomes, f"{bytes_of_origin / max(1, outcomes[0].fetched):.2f}"


def _measure(peer, pair, places, folder):
    """Installs from a slow origin: alone, through the cache by one machine after another, by two at once."""
    direct = Wire(places.origin, SLOW)
    alone = extracts.extract(pair, f"http://127.0.0.1:{direct.port}", folder / "alone")
    direct.end()
    with Behind(peer, pair, places, folder / "b", SLOW) as behind:
        install = [behind.machine(f"install-{at}") for at in range(2)]
    with Behind(peer, pair, places, folder / "c", SLOW) as behind:
        both, together = _both(behind)
    time_share = f"{install[0].seconds / max(0.1, alone.seconds):.1f}"
    return [*install, *both], {"install": _share(*install), "together": together, "time": time_share}


def at_cache(peer, pair, places, number):
    """What was seen of a cache, and what is wrong."""
    folder = places.work / f"cache-{number}"
    seed = ("--seed", pair.old)
    with Behind(peer, pair, places, folder / "a") as behind:
        seen = habits(probe.Host(behind.port), behind.wire)
        update = [behind.machine(f"update-{at}", *seed, "--no-patch") for at in range(2)]
        every = [*update, behind.machine("patch", *seed), behind.machine("install")]
    seen["update"] = _share(*update)
    if places.is_thorough:
        more, measured = _measure(peer, pair, places, folder)
        every += more
        seen.update(measured)
    seen["regrow"] = ", ".join(sorted({outcome.word for outcome in every}))
    faults = [f"{peer.name}: {outcome.word}: {outcome.said}" for outcome in every if outcome.word != "ok"]
    first, second = update
    if peer.good and (first.bytes > MOST_FIRST * first.fetched or second.bytes > MOST_SECOND * second.fetched):
        faults.append(f"{peer.name}: the origin gave {seen['update']} of what was fetched")
    return seen, faults
