"""Export to Parquet: what other tools (DuckDB, polars, R) read of a history."""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from benchrunner.durable import write_atomic
from benchrunner.errors import StoreError, UsageError
from benchrunner.history.index import History


class Content(StrEnum):
    """What a row of the file is."""

    MEASUREMENTS = "measurements"  # the frame of `benchrunner.load_results`
    CELLS = "cells"  # one metric of one case of one run, with its samples as a list


def export(history: History, path: Path, content: Content = Content.MEASUREMENTS) -> int:
    """Write `path` whole or not at all; returns the number of rows.

    Raises `UsageError` without pyarrow, `StoreError` where the file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            f"Parquet needs a package that is not installed: {error}",
            hint='pip install "benchrunner[parquet]"',
        ) from error
    match content:
        case Content.MEASUREMENTS:
            frame = history.frame()
        case Content.CELLS:
            frame = history.results()
        case _:
            assert_never(content)
    found = pyarrow.Table.from_pandas(frame, preserve_index=False)
    buffer = io.BytesIO()
    parquet.write_table(found, buffer, compression="zstd")
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise StoreError(
            f"{path}: cannot write the export: {error.strerror or error}",
            hint="free space there, or choose another file",
        ) from error
    return int(found.num_rows)
