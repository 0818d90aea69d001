"""Many simulated boards at once: wall time against the ideal, and what hung boards cost the others.

`python benchmarks/suite.py [--boards 64] [--cores 2]`. Real runs on simulated boards, a process each. The
ideal is the time of a warm case alone, times their number, over the cores: simulated boards compute all the
time, so nothing can be faster. Hung boards go silent in the middle of a run and are ended by the deadline.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchrunner.suite import journal as journals
from benchrunner.suite.engine import CaseRow, Options, Suite
from benchrunner.suite.plan import Plan, PlannedCase
from benchrunner.zoo import list_models, resolve_model

ROOT = Path(__file__).resolve().parents[1]
CASES = 4
DEADLINE_S = 60


class Rows:
    """When each case of a board that does not hang had its row."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.last_s: dict[str, float] = {}
        self.first_s: dict[str, float] = {}

    def row(self, row: CaseRow) -> None:
        if row.case.faults:
            return
        if row.outcome != "ok":
            raise SystemExit(f"{row.case.title}: {row.outcome}: {row.summary}")
        now_s = time.monotonic() - self.began_s
        self.first_s.setdefault(row.case.board, now_s)
        self.last_s[row.case.board] = now_s

    def tick(self, lanes: object, waiting: int) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Nothing to show."""


def board_files(folder: Path, count: int) -> list[str]:
    """Copies of one board under other ids."""
    text = (ROOT / "boards" / "stm32h747i-disco.toml").read_text()
    names = [f"bench-{number:03}" for number in range(count)]
    for name in names:
        (folder / f"{name}.toml").write_text(re.sub(r"(?m)^id = .*$", f'id = "{name}"', text))
    os.environ["BENCHRUNNER_BOARDS"] = str(folder)
    return names


def run(boards: Sequence[str], cases: int, hung: int = 0) -> Rows:
    model = next(model for model in list_models() if model.default)
    pairs = [(board, number) for board in boards for number in range(cases)]
    path = str(resolve_model(model.name))
    planned = []
    for number, (board, case) in enumerate(pairs, start=1):
        faults = ("hang_at=run",) if boards.index(board) < hung else ()
        runs = 10 + case
        planned.append(
            PlannedCase(
                number, board, "aot", path, model.name, model.sha256, "sim", runs, 1, 1, False, faults
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan("benchmark", tuple(planned), DEADLINE_S, 1)
        journal = journals.create(Path(folder), "20261121T020000Z-00000000", plan)
        rows = Rows()
        with journals.held(journal.folder):
            Suite(journal, Options(), rows).run()
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=64)
    parser.add_argument("--hung", type=int, default=8)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.cores]))
    print(f"{options.cores} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        names = board_files(Path(folder), options.boards + options.hung)
        one = run(names[:1], 12)
        case_s = (one.last_s[names[0]] - one.first_s[names[0]]) / 11
        ideal_s = case_s * CASES * options.boards / options.cores
        print(f"a warm case {case_s:.3f} s; {options.boards} boards x {CASES} cases, ideal {ideal_s:.1f} s")
        rows = run(names[: options.boards], CASES)
        wall_s, first_s = max(rows.last_s.values()), max(rows.first_s.values())
        print(
            f"all {wall_s:.1f} s, {wall_s / ideal_s:.2f} of the ideal; last board's first row {first_s:.1f} s"
        )
        beside = run(names, CASES, options.hung)
        beside_s = max(beside.last_s.values())
        print(
            f"{options.hung} more that hang: the others {beside_s:.1f} s, {beside_s / wall_s:.3f} of before"
        )


if __name__ == "__main__":
    main()
