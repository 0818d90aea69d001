"""Long data frames straight from the index, with categories for what repeats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchrunner.history.database import Query

if TYPE_CHECKING:
    import numpy
    import pandas

_SAMPLES = "JOIN samples USING (run_id, position, metric)"
_IDENTITY = (
    "board",
    "engine",
    "model",
    "format",
    "resolution",
    "execution_engine",
    "options",
    "fidelity",
    "unit",
)


def medians(query: Query, metric: str) -> pandas.DataFrame:
    return _frame(query, metric, ("n", "median"))


def intervals(query: Query, metric: str) -> pandas.DataFrame:
    names = ("class", "quality", "n", "starts", "median", "ci_low", "ci_high", "p95", "min", "max", "mad")
    return _frame(query, metric, names)


def results(query: Query) -> pandas.DataFrame:
    """A row per run and cell of all metrics, its samples as an array in the cell's unit."""
    import pandas

    names = ("metric", "class", "quality", "n", "starts", "median", "ci_low", "ci_high", "p95", "min", "max")
    quoted = ", ".join(f'"{name}"' for name in names)
    rows = query(
        f"SELECT run_id, cell_id, {quoted}, counter_hz, sample_type, samples "
        f"FROM result {_SAMPLES} ORDER BY run_id, position, metric"
    )
    columns = _columns(rows, 5 + len(names))
    keys = _keys(query, columns[0], columns[1])
    values = [_values(*row[-3:]) for row in rows]
    return pandas.DataFrame({**keys, **dict(zip(names, columns[2:-3], strict=True)), "samples": values})


def samples(query: Query, metric: str) -> pandas.DataFrame:
    """A row per sample. Integers of 64 bits that were counts of a clock become its milliseconds."""
    import numpy
    import pandas

    rows = query(
        f"SELECT run_id, cell_id, layout, counter_hz, sample_type, samples FROM result {_SAMPLES} "
        "WHERE metric = :metric ORDER BY run_id, position",
        metric=metric,
    )
    values = [_values(*row[3:]) for row in rows]
    layouts = {row[2]: [size for size, _ in json.loads(row[2])] for row in rows}
    starts = {text: numpy.repeat(numpy.arange(len(sizes)), sizes) for text, sizes in layouts.items()}
    lengths = [len(one) for one in values]
    keys = _keys(query, [row[0] for row in rows], [row[1] for row in rows])
    columns: dict[str, Any] = {
        name: pandas.Categorical.from_codes(numpy.repeat(column.codes, lengths), dtype=column.dtype)
        for name, column in keys.items()
    }
    empty = numpy.array([], dtype=numpy.int64)
    columns["start"] = numpy.concatenate([empty, *(starts[row[2]] for row in rows)])
    columns["value"] = numpy.concatenate([empty.astype(float), *values])
    return pandas.DataFrame(columns)


def _values(counter_hz: int, kind: str, packed: bytes) -> numpy.ndarray[Any, numpy.dtype[Any]]:
    import numpy

    counts = numpy.frombuffer(packed, dtype=f"<{kind}").astype(float)
    return counts * 1000 / counter_hz if counter_hz else counts


def _frame(query: Query, metric: str, names: tuple[str, ...]) -> pandas.DataFrame:
    import pandas

    quoted = ", ".join(f'"{name}"' for name in names)
    rows = query(
        f"SELECT run_id, cell_id, {quoted} FROM result WHERE metric = :metric ORDER BY run_id, position",
        metric=metric,
    )
    columns = _columns(rows, 2 + len(names))
    keys = _keys(query, columns[0], columns[1])
    return pandas.DataFrame({**keys, **dict(zip(names, columns[2:], strict=True))})


def _keys(query: Query, run_ids: Any, cell_ids: Any) -> dict[str, Any]:
    """Run, cell and what the cell is: categories, of which each text is there once."""
    import numpy
    import pandas

    run, cell = _categories(run_ids), _categories(cell_ids)
    names = ", ".join(f'"{name}"' for name in _IDENTITY)
    identity = {row[0]: row[1:] for row in query(f"SELECT cell_id, {names} FROM cell")}
    columns: dict[str, Any] = {"run_id": run, "cell_id": cell}
    for position, name in enumerate(_IDENTITY):
        texts = pandas.Categorical([identity[cell_id][position] for cell_id in cell.categories])
        codes = numpy.asarray(texts.codes)[cell.codes] if len(cell) else numpy.array([], dtype=numpy.int8)
        columns[name] = pandas.Categorical.from_codes(codes, dtype=texts.dtype)
    return columns


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[list[Any]]:
    # zip(*rows) of 200 000 rows takes six times as long
    return [[row[number] for row in rows] for number in range(count)]


def _categories(texts: list[str]) -> Any:
    import numpy
    import pandas

    order = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    codes = numpy.fromiter(map(order.__getitem__, texts), dtype=numpy.int32, count=len(texts))
    return pandas.Categorical.from_codes(codes, dtype=pandas.CategoricalDtype(list(order)))
