"""The page's tables: made of what was seen, and compared with it."""

import re

# Heading, and the key of what was seen. Columns of the second list depend on the machine, and are not compared.
STATIC = [
    ("server", "name"), ("range", "range"), ("suffix", "suffix"), ("ends past", "ends past"),
    ("begins past", "begins past"), ("tag", "tag"), ("304 by", "304 by"), ("new index", "same size and time"),
    ("types", "type"), ("compresses", "compresses"), ("absent", "absent"), ("regrow", "regrow"),
]
STATIC_MEASURED = [("fetched", "share"), ("version", "version")]
LIMITED = [("server", "name"), ("refuses with", "refusal"), ("regrow", "regrow")]
LIMITED_MEASURED = [("requests", "requests"), ("refused", "refused"), ("version", "version")]
CACHES = [
    ("cache", "name"), ("asks for", "lacks"), ("the same again", "again"), ("after a whole GET", "after whole"),
    ("regrow", "regrow"),
]
CACHES_MEASURED = [
    ("update", "update"), ("install", "install"), ("two at once", "together"), ("time", "time"), ("version", "version"),
]


def _line(cells):
    return f"| {' | '.join(cells)} |"


def table(rows, columns):
    headings = [heading for heading, _ in columns]
    lines = [_line(headings), "|" + "---|" * len(headings)]
    return "\n".join(lines + [_line([str(row.get(key, "–")) for _, key in columns]) for row in rows])


def _section(page, mark):
    found = re.search(rf"(<!-- {mark} -->\n)(.*?)(<!-- end -->)", page, re.S)
    if not found:
        raise SystemExit(f"the page has no section {mark}")
    return found


def _read(text):
    """A table's rows by their first cell, as dictionaries by heading."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.strip().splitlines()]
    if len(lines) < 2:
        return {}
    return {cells[0]: dict(zip(lines[0], cells)) for cells in lines[2:]}


def differences(page, mark, rows, columns):
    """What the page says otherwise than was seen, in columns of behaviour: lines."""
    said = _read(_section(page, mark).group(2))
    for row in rows:
        if row["name"] not in said:
            yield f"{row['name']}: not in the page's table"
            continue
        for heading, key in columns:
            seen, written = str(row.get(key, "–")), said[row["name"]].get(heading, "nothing")
            if seen != written:
                yield f"{row['name']}: {heading}: the page says {written}, seen is {seen}"


def gone(page, mark, rows):
    """Rows of the page that nothing was seen of."""
    return [name for name in _read(_section(page, mark).group(2)) if name not in {row["name"] for row in rows}]


def written(page, mark, rows, columns, order):
    """The page with the rows in its table; rows of it that nothing was seen of stay. `order` has the names of all."""
    found = _section(page, mark)
    headings = {heading: key for heading, key in columns}
    known = {name: {headings.get(heading, heading): cell for heading, cell in cells.items()}
             for name, cells in _read(found.group(2)).items()}
    known.update({row["name"]: row for row in rows})
    kept = [known[name] for name in order if name in known]
    return page[: found.start(2)] + table(kept, columns) + "\n" + page[found.end(2) :]
