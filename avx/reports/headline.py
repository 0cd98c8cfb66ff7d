"""Says the main numbers of a result in plain sentences."""

from collections.abc import Iterator

from avx.core.result import Result, ResultRow
from avx.reports.metric_names import between, direction_words, last_digit

ROLES = ("system", "variant", "baseline", "chance")
_QUERY = {
    "audio": "A sound",
    "video": "A video",
    "clip": "A clip",
    "image": "An image",
    "text": "A sentence",
    "speech": "A spoken sentence",
}


def galleries(result: Result) -> dict[str, list[ResultRow]]:
    """The rows by the gallery that they search, each list in the order system, variant, baseline, chance.

    Keys are what stands behind a title: ", gallery: <name>", or "" where there is one gallery.
    """
    ordered = sorted(result.rows, key=lambda row: ROLES.index(row.role) if row.role in ROLES else 0)
    names = dict.fromkeys(row.gallery for row in result.rows)
    label = ", gallery: {}" if len(names) > 1 else ""
    return {label.format(name): [row for row in ordered if row.gallery == name] for name in names}


def rivals(result: Result) -> list[ResultRow]:
    """The rows that search the gallery of the first one, itself among them."""
    return next(rows for rows in galleries(result).values() if result.rows[0] in rows)


def measured(
    row: ResultRow, direction: str, level: str, metric: str
) -> tuple[float | None, tuple[float, float] | None]:
    """A value of a row and its 95 % confidence interval, each None where there is none."""
    found = row.directions.get(direction)
    if found is None:
        return None, None
    value = found.levels.get(level, {}).get(metric)
    return None if value is None or value != value else value, found.intervals.get(level, {}).get(metric)


def _share(value: float | None, limits: tuple[float, float] | None) -> str:
    """A share with its interval: `71.4 % (62.0-79.1)`."""
    assert value is not None
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%" + (f" ({between('map', *limits)})" if limits else "")


def headline(result: Result) -> str:
    """What the first row reaches at rank 1, beside every other row of its gallery; says so if that was not measured."""
    first = result.rows[0]
    for direction in sorted(first.directions, key=lambda name: not name.endswith("_to_video"))[:1]:
        query, _, gallery = direction.partition("_to_")
        for level, words in (("class", "of its class"), ("instance", "of its own")):
            figures = [(row, *measured(row, direction, level, "hit@1")) for row in rivals(result)]
            shares = {row: _share(value, limits) for row, value, limits in figures if value is not None}
            if first in shares:
                who, found = _QUERY.get(query, f"A query by {query}"), _QUERY.get(gallery, f"an item by {gallery}")
                said = f"{who} finds {found[0].lower()}{found[1:]} {words} first in {shares.pop(first)} of queries"
                return "; ".join([said, *(f"{row.name} {share}" for row, share in shares.items())]) + "."
    return "The share of queries with a right answer at rank 1 was not measured."


def ahead(result: Result) -> list[str]:
    """A sentence for each baseline that has a higher MAP than the system somewhere, as far as the shown digits tell."""
    lost: dict[str, list[str]] = {}
    for where, rows in galleries(result).items():
        system = next((row for row in rows if row.role == "system"), None)
        for row in rows:
            if system and row.role == "baseline":
                lost.setdefault(row.name, []).extend(_losses(system, row, where))
    name = result.rows[0].name
    return [f"{rival} is ahead of {name} in MAP: {'; '.join(places)}." for rival, places in lost.items() if places]


def _losses(system: ResultRow, rival: ResultRow, where: str) -> Iterator[str]:
    """Where `rival` is ahead, with the number of queries and both figures."""
    for direction, found in system.directions.items():
        for level in found.levels:
            ours, theirs = (measured(row, direction, level, "map") for row in (system, rival))
            if ours[0] is None or theirs[0] is None or theirs[0] - ours[0] < last_digit("map", ours[0]) / 2:
                continue
            count = f", {len(found.queries)} queries" if len(found.queries) else ""
            yield f"{direction_words(direction)}, {level}{where}{count}, {_share(*theirs)} against {_share(*ours)}"


def question(result: Result) -> str:
    """What was asked of the system: sides, data set and counts."""
    asked = [
        direction_words(name) + (f" ({len(found.queries)} queries)" if len(found.queries) else "")
        for name, found in result.rows[0].directions.items()
    ]
    names = result.protocol.get("class_names") or ()
    searched = ", ".join(dict.fromkeys(row.gallery for row in result.rows))
    facts = [f"gallery: {searched}", *([f"{len(names)} classes"] if names else [])]
    return f"Asked: {' and '.join(asked)}. {result.protocol.get('dataset', 'Dataset')}, {', '.join(facts)}."
