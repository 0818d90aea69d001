"""What stands in a block: the latest rows of one fidelity, chosen by its attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from benchrunner.accuracy.document import StoredAccuracy
from benchrunner.accuracy.table import FigureRow
from benchrunner.config import close_matches
from benchrunner.errors import ConfigError
from benchrunner.publish.accuracies import accuracy_beside, measured_accuracy
from benchrunner.publish.beside import ACCURACY, beside_records
from benchrunner.publish.blocks import Block, comment, find_blocks, replace_blocks, suffix_of
from benchrunner.record import BoardClass, Fidelity
from benchrunner.report import Kind, Layout
from benchrunner.report.style import Style, laid_out, styled
from benchrunner.table import Row, latest

TABLES: Final = {
    "mcu-latency": Kind.LATENCY,
    "mcu-footprint": Kind.FOOTPRINT,
    "mpu-latency": Kind.MPU,
    "combined": Kind.COMBINED,
}
"""Names of tables of records in blocks; `accuracy` is made of other results."""

_CLASS_OF_TABLE: Final = {"mpu-latency": BoardClass.LINUX, "combined": None}  # others: microcontrollers

_MAX_DOCUMENT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """A block, the rows of its table in their order, and the line of the first of them."""

    block: Block
    rows: tuple[Row | FigureRow | None, ...]  # None: nothing in the line comes from a result
    content: str

    @property
    def first_row_line(self) -> int:
        """From 1, in the document as published."""
        lines = self.content.splitlines()
        header = next(index for index, line in enumerate(lines) if line.startswith("|-"))
        return self.block.begin + header + 2


def read_document(file: Path) -> str:
    """The text, with its own line ends. Raises `ConfigError`."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_DOCUMENT_BYTES + 1)
        if len(data) > _MAX_DOCUMENT_BYTES:
            raise ConfigError(f"{file}: larger than {_MAX_DOCUMENT_BYTES >> 20} MiB")
        return data.decode()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}", hint="save it as UTF-8") from error


def publish(
    file: Path, text: str, rows: Sequence[Row], accuracies: Sequence[StoredAccuracy] = ()
) -> tuple[str, list[Published]]:
    """The document with every block made anew. The same data give the same bytes.

    Raises `ConfigError` for a document without blocks, a block that cannot be read or that chooses nothing,
    and for records that are not as they were written.
    """
    blocks = find_blocks(file, text)
    if not blocks:
        raise ConfigError(
            f"{file}: no block",
            hint="put in <!-- benchrunner:begin table=mcu-latency --> and "
            "<!-- benchrunner:end table=mcu-latency -->",
        )
    made = [_published(file, block, rows, accuracies) for block in blocks]
    new = replace_blocks(text, blocks, [each.content for each in made])
    # Where a block begins once those above it have their new lengths.
    shifted, shift = [], 0
    for each in made:
        begin = each.block.begin + shift
        end = begin + len(each.content.splitlines()) + 1
        shift = end - each.block.end
        shifted.append(Published(Block(begin, end, each.block.attributes), each.rows, each.content))
    return new, shifted


def _published(
    file: Path, block: Block, rows: Sequence[Row], accuracies: Sequence[StoredAccuracy]
) -> Published:
    where, attributes = f"{file}:{block.begin}", block.attributes
    name = _one_of(where, "table", attributes["table"], (*TABLES, ACCURACY))
    style = Style(_one_of(where, "style", attributes.get("style", Style.BENCHRUNNER), list(Style)))
    # One table has numbers of one kind: what a simulated board says never stands beside a measurement.
    wanted = _one_of(where, "fidelity", attributes.get("fidelity", Fidelity.MEASURED), list(Fidelity))
    chosen = _chosen(rows, attributes, wanted) if name != ACCURACY else []
    if not chosen and name != ACCURACY:
        others = sorted({row.fidelity for row in _chosen(rows, attributes, None)})
        found = f"; there are {' and '.join(others)} ones" if others else ""
        raise ConfigError(
            f"{where}: no {wanted} results for this block{found}",
            hint="measure them, or say fidelity=simulated where simulated ones are meant",
        )
    altered = sorted({row.run_id for row in chosen if row.altered})
    if altered:
        raise ConfigError(
            f"{where}: run {altered[0]} is not as it was written",
            hint="restore the document, or measure again: what was edited is not published",
        )
    layout = Layout.MARKDOWN if suffix_of(file) == ".md" else Layout.LATEX
    made_from = f"runs {', '.join(sorted({row.run_id for row in chosen}))}"
    source = file.parent / attributes["beside"] if "beside" in attributes else None
    if source is not None and style is not Style.BENCHRUNNER:
        raise ConfigError(f"{where}: style={style} has no columns for beside=", hint="leave one of them")
    lines: Sequence[Row | FigureRow | None] = chosen
    if name == ACCURACY:
        if source is not None:
            table, lines, ids = accuracy_beside(where, source, attributes, Fidelity(wanted), accuracies)
        else:
            table, lines, ids = measured_accuracy(where, attributes, Fidelity(wanted), style, accuracies)
        made_from = f"accuracy {', '.join(ids) or 'none'}"
        body = laid_out(table, layout)
    elif source is not None:
        table, lines = beside_records(where, source, name, wanted, chosen)
        body = laid_out(table, layout)
    else:
        body = styled(chosen, TABLES[name], layout, style)
    head = comment(file, f"generated by `benchrunner publish {file.name}` from {made_from}; do not edit")
    return Published(block, tuple(lines), f"{head}\n{body}")


def _chosen(rows: Sequence[Row], attributes: Mapping[str, str], fidelity: str | None) -> list[Row]:
    board_class = _CLASS_OF_TABLE.get(attributes["table"], BoardClass.MCU)

    def wanted(row: Row) -> bool:
        return (
            fidelity in (None, row.fidelity)
            and board_class in (None, row.board_class)
            and all(
                fnmatchcase(getattr(row, key), attributes[key])
                for key in ("board", "model", "engine")
                if key in attributes
            )
            and attributes.get("suite") in (None, row.suite_run)
        )

    return sorted(
        latest([row for row in rows if wanted(row)]),
        key=lambda row: (row.model, row.resolution, row.board, row.engine, row.model_sha256),
    )


def _one_of(where: str, key: str, value: str, known: Sequence[str] | Mapping[str, object]) -> str:
    if value not in known:
        raise ConfigError(
            f"{where}: {key}={value}: expected one of {', '.join(known)}",
            hint=close_matches(value, known) or "",
        )
    return value
