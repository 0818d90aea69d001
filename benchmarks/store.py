"""Results on disk: saving, loading and tabulating thousands of runs, against bare JSON as the yardstick."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import record_factory as factory  # noqa: E402

from benchrunner import report, store, table  # noqa: E402

RUNS = 3000
Result = TypeVar("Result")
START = datetime(2020, 1, 1, tzinfo=UTC)


def timed(name: str, work: Callable[[], Result], bare_s: float | None = None) -> tuple[Result, float]:
    """Run `work` once and print its time, and its ratio to `bare_s`."""
    begin = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begin
    ratio = "" if bare_s is None else f"{seconds / bare_s:8.1f}"
    print(f"{name:34}{seconds:9.3f}{seconds / RUNS * 1e6:12.0f}{ratio}", flush=True)
    return result, seconds


def main() -> None:
    documents = [
        factory.document(run_id=store.new_run_id(START + timedelta(hours=number))) for number in range(RUNS)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{f'{RUNS} runs of one measurement':34}{'s':>9}{'us per run':>12}{'ratio':>8}")
        paths, _ = timed(
            "save_run (fsync of file and folder)", lambda: [store.save_run(one, folder) for one in documents]
        )
        _, bare_s = timed("read + json.loads (the yardstick)", lambda: [bare(path) for path in paths])
        loaded, _ = timed("load_runs (checked, validated)", lambda: store.load_runs(folder), bare_s)
        rows, _ = timed("rows_of", lambda: table.rows_of(loaded.runs), bare_s)
        timed("text tables", lambda: report.render(rows), bare_s)
        timed("to_frame (with the pandas import)", lambda: table.to_frame(rows), bare_s)
        timed("to_frame again", lambda: table.to_frame(rows), bare_s)


def bare(path: Path) -> object:
    return json.loads(path.read_bytes())


if __name__ == "__main__":
    main()
