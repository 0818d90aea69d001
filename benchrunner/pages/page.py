"""One self-contained HTML page: summary, table, Pareto charts, and a card for each case."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

from benchrunner import __version__
from benchrunner.pages import charts
from benchrunner.pages.cards import badge, card, kind_of, value, verdict_of
from benchrunner.pages.gather import Card, Content
from benchrunner.pages.markup import Markup, join, tag
from benchrunner.record import Fidelity, NotMeasured, Outcome
from benchrunner.report import cells

_GOOD = (Outcome.OK, Outcome.DEGRADED)
_COLUMNS = (
    "Model",
    "Latency",
    "fidelity",
    "outcome",
    "Board",
    "Engine",
    "95 % interval",
    "p95",
    "n",
    "RAM",
    "Flash",
)


def page(content: Content, links: list[Markup] | None = None) -> str:
    """The page, ending with a newline. The same content gives the same bytes."""
    body = [
        tag("h1", content.title),
        tag("p", f"newest result {content.newest or '-'}; benchrunner {__version__}", class_="sub"),
        *(links or []),
        _summary(content),
        *[tag("p", note, class_="warn") for note in content.notes],
        _table(content.cards),
        *_pareto(content.cards),
        tag("section", tag("h2", "Cases"), *[card(one) for one in content.cards]),
        tag("script", Markup(_asset("script.js"))),
    ]
    head = [
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", content.title),
        tag("style", Markup(_asset("style.css"))),
    ]
    return f"<!doctype html>\n{tag('html', tag('head', *head), tag('body', *body), lang='en')}\n"


def _asset(name: str) -> str:
    return files("benchrunner.pages").joinpath(name).read_text()


def _summary(content: Content) -> Markup:
    outcomes = Counter(one.row.outcome for one in content.cards)
    verdicts = Counter(filter(None, map(verdict_of, content.cards)))
    tiles = [_tile(str(len(content.cards)), "cases", "soft"), _tile(str(content.runs), "runs", "soft")]
    for outcome, count in sorted(outcomes.items()):
        kind = "good" if outcome == Outcome.OK else "warn" if outcome == Outcome.DEGRADED else "bad"
        tiles.append(_tile(str(count), outcome, kind))
    tiles += [_tile(str(count), verdict, kind_of(verdict)) for verdict, count in sorted(verdicts.items())]
    fidelities = Counter(one.row.fidelity for one in content.cards)
    tiles += [_tile(str(count), fidelity, "soft") for fidelity, count in sorted(fidelities.items())]
    return tag("div", *tiles, class_="tiles")


def _tile(number: str, words: str, kind: str) -> Markup:
    return tag("div", tag("b", number, class_=kind), words, class_="tile")


def _table(cards: tuple[Card, ...]) -> Markup:
    judged = any(one.findings for one in cards)
    columns = (*_COLUMNS[:4], "verdict", *_COLUMNS[4:]) if judged else _COLUMNS
    head = tag("thead", tag("tr", *[tag("th", name) for name in columns]))
    body = tag("tbody", *[_row(one, judged=judged) for one in cards])
    table = tag("div", tag("table", head, body, class_="data"), class_="scroll")
    box = tag("input", type="search", class_="filter", placeholder="filter by words", aria_label="filter")
    # `input` has no content, and so no end tag.
    return tag("section", tag("h2", "Results"), Markup(box.removesuffix("</input>")), table)


def _row(one: Card, *, judged: bool) -> Markup:
    row = one.row
    low, high, p95 = row.latency_ci_low_ms, row.latency_ci_high_ms, row.latency_p95_ms
    interval = ""
    if not isinstance(low, NotMeasured) and not isinstance(high, NotMeasured):
        interval = f"{low:.6g} .. {high:.6g} ms" if low < high else "exact"
    outcome = row.outcome if row.outcome == Outcome.OK else f"{row.outcome}: {row.reason}"
    kind = "good" if row.outcome == Outcome.OK else "warn" if row.outcome == Outcome.DEGRADED else "bad"
    made = [
        tag("td", tag("a", row.model, href=f"#{one.anchor}")),
        _number(value(one) if row.outcome in _GOOD else "-", _sortable(row.latency_median_ms)),
        tag("td", badge(cells.fidelity(row), "warn" if row.altered else "soft")),
        tag("td", tag("span", outcome, class_=kind)),
        tag("td", row.board_name, class_="name"),
        tag("td", f"{row.engine}, {row.execution_engine}"),
        _number(interval, _sortable(low)),
        _number("" if isinstance(p95, NotMeasured) else cells.milliseconds(p95), _sortable(p95)),
        _number(
            "" if isinstance(row.timed_runs, NotMeasured) else str(row.timed_runs), _sortable(row.timed_runs)
        ),
        _number(*_ram(one)),
        _number(_kibibytes(row.total_flash_bytes, row.weights_flash_bytes), _sortable(row.total_flash_bytes)),
    ]
    if judged:
        verdict = verdict_of(one)
        made.insert(4, tag("td", badge(verdict, kind_of(verdict)) if verdict else ""))
    return tag("tr", *made)


def _number(text: str, sort: str) -> Markup:
    return tag("td", text, class_="number", data_value=sort)


def _sortable(number: float | NotMeasured) -> str:
    return "" if isinstance(number, NotMeasured) else repr(number)


def _ram(one: Card) -> tuple[str, str]:
    row = one.row
    for number in (row.total_ram_bytes, row.activation_ram_bytes, row.process_peak_bytes):
        if not isinstance(number, NotMeasured):
            return cells.kibibytes(number), repr(number)
    return "", ""


def _kibibytes(total: int | NotMeasured, part: int | NotMeasured) -> str:
    known = part if isinstance(total, NotMeasured) else total
    return "" if isinstance(known, NotMeasured) else cells.kibibytes(known)


def _pareto(cards: tuple[Card, ...]) -> list[Markup]:
    """Activation RAM against latency, a chart for each board and fidelity: others are not comparable."""
    made: list[Markup] = []
    groups: dict[tuple[str, Fidelity], list[tuple[float, float, str]]] = {}
    for one in cards:
        latency, ram = one.row.latency_median_ms, one.row.activation_ram_bytes
        if not isinstance(latency, NotMeasured) and not isinstance(ram, NotMeasured):
            key = (one.row.board_name, Fidelity(one.row.fidelity))
            label = f"{one.row.model}: {cells.milliseconds(latency)}, {cells.kibibytes(ram)}"
            groups.setdefault(key, []).append((latency, ram / 1024, label))
    for (board, fidelity), points in sorted(groups.items()):
        if len(points) < 2:
            continue
        best = charts.pareto([(x, y) for x, y, _ in points])
        marked = [(*point, front) for point, front in zip(points, best, strict=True)]
        made.append(tag("h3", f"{board} ", badge(fidelity.value)))
        made.append(charts.scatter(marked, "ms", "KiB"))
    title = tag("h2", "Activation RAM against latency")
    caption = tag("p", "Green: no other case is both faster and smaller.", class_="sub")
    return [tag("section", title, caption, join(made))] if made else []
