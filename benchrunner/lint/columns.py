"""The columns of published tables: the names they go by, and what a cell of each looks like.

Names and formats are those of the ST model zoo's pages, versions 1 to 4.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Column(StrEnum):
    MODEL = "Model"
    DATASET = "Dataset"
    FORMAT = "Format"
    RESOLUTION = "Resolution"
    QUANTIZATION = "Quantization"
    SERIES = "Series"
    BOARD = "Board"
    ENGINE = "Execution Engine"
    FREQUENCY = "Frequency"
    TIME = "Inference time"
    RATE = "Inf / sec"
    ACTIVATION_RAM = "Activation RAM"
    RUNTIME_RAM = "Runtime RAM"
    WEIGHTS_FLASH = "Weights Flash"
    CODE_FLASH = "Code Flash"
    TOTAL_RAM = "Total RAM"
    TOTAL_FLASH = "Total Flash"
    INTERNAL_RAM = "Internal RAM"
    EXTERNAL_RAM = "External RAM"
    NPU = "%NPU"
    GPU = "%GPU"
    CPU = "%CPU"
    TOOL_VERSION = "STM32Cube.AI version"
    CORE_VERSION = "STEdgeAI Core version"
    LINUX_VERSION = "X-LINUX-AI version"
    FRAMEWORK = "Framework"
    ACCURACY = "Top 1 Accuracy"
    FIDELITY = "fidelity"


MEMORY = (
    Column.ACTIVATION_RAM,
    Column.RUNTIME_RAM,
    Column.WEIGHTS_FLASH,
    Column.CODE_FLASH,
    Column.TOTAL_RAM,
    Column.TOTAL_FLASH,
    Column.INTERNAL_RAM,
    Column.EXTERNAL_RAM,
)
SHARES = (Column.NPU, Column.GPU, Column.CPU)
VERSIONS = (Column.TOOL_VERSION, Column.CORE_VERSION, Column.LINUX_VERSION)

# What a cell looks like where nothing but spaces separates it from the next, as in a page copied as text.
_QUANTITY = r"~?[\d.,]+(?: ?(?:[KMG]i?B|kB|Bytes?|B|ms|us|[\u00b5\u03bc]s|s)\b)*"
_SHAPES: dict[Column, str] = {
    Column.MODEL: r"\S.*?",
    Column.DATASET: r"\S+",
    Column.FORMAT: r"(?:Int8(?:/Int4)?|Float(?:32|16)?|W4A8|Hybrid)",
    Column.RESOLUTION: r"\d+x\d+(?:x\d+)?",
    Column.QUANTIZATION: r"per-\w+\*{0,2}",
    Column.SERIES: r"STM32\w+",
    Column.BOARD: r"[A-Z][A-Z0-9]*-[A-Z0-9-]+",
    Column.ENGINE: r"(?:\d+ CPUs?|NPU/GPU|NPU/MCU|NPU|GPU)",
    Column.FREQUENCY: r"[\d.]+ ?[KMG]Hz",
    Column.RATE: r"[\d.]+",
    Column.TOOL_VERSION: r"v?\d+(?:\.\w+)*",
    Column.CORE_VERSION: r"v?\d+(?:\.\w+)*",
    Column.LINUX_VERSION: r"v?\d+(?:\.\w+)*",
    Column.FRAMEWORK: r"[A-Za-z]\S*(?: \S+)?",
    Column.ACCURACY: r"[\d.]+ ?%?",
    Column.FIDELITY: r"(?:measured|emulated|simulated)",
    **dict.fromkeys(SHARES, r"(?:NA|[\d.]+)"),
    **dict.fromkeys((Column.TIME, *MEMORY), _QUANTITY),
}


def column_of(title: str) -> Column | None:
    """The column that a title means, whatever stands in parentheses behind it."""
    plain = re.sub(r"\(.*?\)|[*_`\\]", "", title).strip().casefold()
    return next((column for column in Column if column.casefold() == plain), None)


def columns_of_text(line: str) -> tuple[Column, ...]:
    """The columns of a header whose names are separated by single spaces; empty when it is none."""
    found: list[Column] = []
    rest = re.sub(r"\((?:ms|KiB|%)\)", "", line).strip()
    names = sorted(Column, key=lambda column: -len(column.value))
    while rest:
        column = next((name for name in names if rest.casefold().startswith(name.casefold())), None)
        if column is None:
            return ()
        found.append(column)
        rest = rest[len(column.value) :].lstrip()
    return tuple(found) if len(found) >= 3 and len(set(found)) == len(found) else ()


def row_pattern(columns: tuple[Column, ...]) -> re.Pattern[str]:
    """Matches a row of such a table; group n is the cell of column n."""
    return re.compile(r"\s*" + r"\s+".join(f"({_SHAPES[column]})" for column in columns) + r"\s*")
