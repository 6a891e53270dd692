"""Looks at one server: starts it, asks it, extracts from it."""

import urllib.request

import extracts
import peers
import probe
from wire import Wire


def put_all(root, port, prefix):
    """Puts a folder into a bucket, as the one user of a server that asks for no keys."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.match("probe/[0-9]*"))
    for file in [None, *files]:
        path = f"/{file.relative_to(root)}" if file else ""
        data = file.read_bytes() if file else b""
        # Readers have no keys.
        headers = {"x-amz-acl": "public-read", "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{prefix}{path}", data, headers, method="PUT")
        urllib.request.urlopen(request, timeout=60).close()


def _summary(outcomes):
    """One word where all three extracts came to the same."""
    words = [outcome.word for outcome in outcomes.values()]
    return words[0] if len(set(words)) == 1 else ", ".join(words)


def at_static(peer, pair, places, number):
    """What was seen of a static server, and what is wrong."""
    work = places.work / f"static-{number}"
    child, port = peers.start(peer, places, work)
    wire = Wire(port)
    try:
        if peer.publish == "put":
            put_all(places.root, port, peer.prefix)
        name = f"probe/{number}.rgx" if peer.publish == "folder" else ""
        seen = probe.all_of(probe.Host(port, peer.prefix), places.root, name)
        url = f"http://127.0.0.1:{wire.port}{peer.prefix}"
        outcomes = extracts.three(pair, url, work, wire.take)
        verified = extracts.verify(pair, url, work)
    finally:
        wire.end()
        child.end()
    seen["share"] = ", ".join(f"{outcome.bytes / max(1, outcome.packs):.2f}" for outcome in outcomes.values())
    faults = [fault for way, outcome in outcomes.items()
              for fault in extracts.faults(f"{peer.name}, {way}", outcome, seen["range"] == "206")]
    faults += extracts.faults(f"{peer.name}, verify", verified, True)
    return {**seen, "regrow": _summary({**outcomes, "verify": verified})}, faults


def at_limited(peer, pair, places, number):
    """What was seen of a server that answers few requests a second, and what is wrong."""
    work = places.work / f"limited-{number}"
    child, port = peers.start(peer, places, work)
    wire = Wire(port)
    try:
        outcomes = extracts.three(pair, f"http://127.0.0.1:{wire.port}", work, wire.take)
    finally:
        wire.end()
        child.end()
    answers = [exchange.status for outcome in outcomes.values() for exchange in outcome.exchanges]
    refused = [status for status in answers if status >= 400]
    seen = {"regrow": _summary(outcomes), "requests": len(answers), "refused": len(refused)}
    seen["refusal"] = ", ".join(map(str, sorted(set(refused)))) or "–"
    faults = [fault for way, outcome in outcomes.items()
              for fault in extracts.faults(f"{peer.name}, {way}", outcome, True)]
    return seen, faults
