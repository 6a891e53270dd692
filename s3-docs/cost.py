#!/usr/bin/env python3
"""What one release costs on S3 behind CloudFront: requests, bytes and money, for regrow, casync and whole tars.

    python3 s3-docs/cost.py                            the tables of cost.md
    python3 s3-docs/cost.py --devices 5000 --price-egress 0.02
    python3 s3-docs/cost.py --write                    puts the tables into cost.md
    python3 s3-docs/cost.py --check                    fails if cost.md's tables are not what would be printed now

The counts are in counts.json beside this file. Prices are US dollars. The defaults have the form of AWS's public price
list; check them against it before you rely on them.
"""

import argparse
import json
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "cost.md"
BEGIN = "<!-- cost.py: begin -->\n"
END = "<!-- cost.py: end -->\n"
GB = 10**9

# name, default, what it is the price of
PRICES = [
    ("put", 0.005, "1,000 PUT requests"),
    ("get", 0.0004, "1,000 GET requests to the bucket"),
    ("storage", 0.023, "a GB stored for a month"),
    ("cdn", 0.0100, "10,000 HTTPS requests to the CDN"),
    ("egress", 0.085, "a GB from the CDN to devices"),
]
WAYS = ["regrow, patch", "regrow", "casync", "tar.gz", "tar"]


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--devices", type=int, action="append", metavar="N", help="how many devices update; repeatable (1000 and 1000000)")
    parser.add_argument("--polls", type=int, default=0, metavar="N", help="requests for the index by each device that bring nothing new (0)")
    parser.add_argument("--caches", type=int, default=15, metavar="N", help="how many of the CDN's caches fetch each object from the bucket (15)")
    parser.add_argument("--months", type=float, default=1, metavar="N", help="how long a release is stored (1)")
    parser.add_argument("--counts", type=Path, default=HERE / "counts.json", metavar="FILE", help="counts of other images")
    for name, default, what in PRICES:
        parser.add_argument(f"--price-{name}", type=float, default=default, metavar="USD", help=f"of {what} ({default})")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with cost.md instead of printing")
    action.add_argument("--write", action="store_true", help="put the tables into cost.md instead of printing")
    chosen = parser.parse_args()
    chosen.devices = chosen.devices or [1000, 1_000_000]
    numbers = chosen.devices + [chosen.polls, chosen.caches, chosen.months] + [getattr(chosen, f"price_{name}") for name, *_ in PRICES]
    if min(numbers) < 0:
        parser.error("numbers below 0 make no sense")
    return chosen


def counts_of(pair, way, counts):
    """PUTs and GETs of publishing, bytes that the release adds to the bucket; GETs and bytes of a device's update."""
    if way == "regrow, patch":
        # The chunks are there too, for devices that have another image.
        update = pair["regrow_patch"]
        publish = update["publish"]
        return publish["put"], publish["get"], update["added"], update["update_get"], update["update_bytes"]
    if way == "regrow":
        update, publish = pair["regrow"], pair["regrow"].get("publish", counts["regrow_publish"])
        return publish["put"], publish["get"], update["update_bytes"], update["update_get"], update["update_bytes"]
    if way == "casync":
        # Each new chunk is an object, and the index is one: what a device gets was put before.
        update = pair["casync"]
        return update["update_get"], 0, update["update_bytes"], update["update_get"], update["update_bytes"]
    size = pair["tar_gz" if way == "tar.gz" else "tar"]
    return 1, 0, size, 1, size


def money(amount):
    if amount >= 100:
        return f"{amount:,.0f}"
    return f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else "< 0.01"


def size(number):
    return f"{number / GB:,.1f}" if number < 1000 * GB else f"{number / GB:,.0f}"


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---|---|" + "--:|" * (len(head) - 2)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def releases(counts):
    for name, pair in counts["pairs"].items():
        for way in WAYS:
            yield (name if way == WAYS[0] else ""), way, counts_of(pair, way, counts)


def shown(way):
    return f"**{way}**" if way.startswith("regrow") else way


def of_a_release(counts):
    head = ["pair", "way", "PUTs", "GETs of publishing", "bytes added to the bucket", "GETs of a device", "bytes of a device"]
    rows = []
    for name, way, (put, get, added, update_get, update_bytes) in releases(counts):
        rows.append([name, shown(way), f"{put:,}", f"{get:,}", f"{added:,}", f"{update_get:,}", f"{update_bytes:,}"])
    yield from table(head, rows)


def of_devices(counts, chosen, devices):
    head = ["pair", "way", "requests to the CDN", "GB from the CDN", "publishing, $", "storage, $", "CDN requests, $", "egress, $", "total, $"]
    rows = []
    for name, way, (put, get, added, update_get, update_bytes) in releases(counts):
        requests = devices * (update_get + chosen.polls)
        # No more caches fetch an object than there are devices.
        origin = get + update_get * min(chosen.caches, devices)
        publishing = put / 1000 * chosen.price_put + origin / 1000 * chosen.price_get
        storage = added / GB * chosen.price_storage * chosen.months
        cdn = requests / 10_000 * chosen.price_cdn
        egress = devices * update_bytes / GB * chosen.price_egress
        parts = [publishing, storage, cdn, egress]
        rows.append([name, shown(way), f"{requests:,}", size(devices * update_bytes)] + [money(part) for part in [*parts, sum(parts)]])
    yield from table(head, rows)


def output(chosen):
    counts = json.loads(chosen.counts.read_text())
    prices = "; ".join(f"{what} {getattr(chosen, f'price_{name}'):g}" for name, _, what in PRICES)
    lines = [*textwrap.wrap(f"Prices in US dollars; check them against the price list of the day: {prices}.", 100), ""]
    if chosen.polls:
        lines += [f"Each device also asks {chosen.polls:,} times for an index that did not change.", ""]
    lines += ["### A release, and one device's update", "", *of_a_release(counts), ""]
    if not counts.get("publish_counted", False):
        lines += ["regrow's PUTs and GETs of publishing are estimates, not yet counted; all else is.", ""]
    for devices in chosen.devices:
        devices_text = "1 device" if devices == 1 else f"{devices:,} devices"
        lines += [f"### {devices_text}", "", *of_devices(counts, chosen, devices), ""]
    return "\n".join(lines)


def main():
    chosen = arguments()
    text = output(chosen)
    if not (chosen.check or chosen.write):
        print(text, end="")
        return 0
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    there, end, after = rest.partition(END)
    if not (begin and end):
        print(f"{PAGE.name}: the lines {BEGIN.strip()} and {END.strip()} are not there", file=sys.stderr)
        return 1
    wanted = f"\n{text}"
    if chosen.write:
        PAGE.write_text(before + BEGIN + wanted + END + after)
        return 0
    if there != wanted:
        print(f"{PAGE.name} does not hold what is printed now: python3 s3-docs/cost.py --write", file=sys.stderr)
        return 1
    print(f"{PAGE.name}: up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
