"""A suite of many models on one Linux board: what reusing its connection saves.

`python benchmarks/suite_linux.py [--models 20]`. A simulated board behind its SSH server on loopback stands
for the real one at a place of a lab; every case is a whole run, as the suite's process of that place does it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.metrics import median
from benchrunner.run.linux import kept
from benchrunner.run.linux.kept import KeptConnection
from benchrunner.simulator.linux import serve_ssh_board
from benchrunner.store import new_run_id
from benchrunner.suite import case as cases
from benchrunner.suite.file import load_suite
from benchrunner.suite.plan import PlannedCase, make_plan
from benchrunner.suite.worker import Order
from benchrunner.transport.known_hosts import HostKey, accept
from benchrunner.transport.ssh import SshShell
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model

BOARD = "stm32mp157f-dk2"


@contextmanager
def place(folder: Path) -> Iterator[Path]:
    """A board at a place; the lab file that names it."""
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    with serve_ssh_board(load_board(BOARD)) as board:
        known = folder / "benchrunner" / "known_hosts"
        accept(board.host, board.port, HostKey.parse(board.host_key), known)
        lab = folder / "lab.toml"
        lab.write_text(
            f'[places.here]\nboard = "{BOARD}"\nhost = "{board.user}@{board.host}:{board.port}"\n'
            f'key_file = "{board.private_key}"\n'
        )
        yield lab


def plan(folder: Path, models: int) -> tuple[PlannedCase, ...]:
    for number in range(models):
        shutil.copy(resolve_model("fdmobilenet_0.25_128_int8"), folder / f"m{number:02}.tflite")
    text = f'name = "bench"\n[[matrix]]\nboards = ["{BOARD}"]\nmodels = ["m*.tflite"]\nruns = [3]\n'
    (folder / "suite.toml").write_text(text)
    return make_plan(load_suite(folder / "suite.toml")).cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    arguments = parser.parse_args()
    connections = {True: 0, False: 0}
    times: dict[bool, list[float]] = {True: [], False: []}
    held = {True: KeptConnection(), False: KeptConnection()}
    reuse = True
    open_ssh = kept.open_ssh

    def counted(target: SshTarget, deadline: Deadline) -> SshShell:
        connections[reuse] += 1
        return open_ssh(target, deadline)

    def chosen() -> KeptConnection:
        return held[reuse]

    def silent(text: str) -> None:
        """Nobody looks on."""

    kept.open_ssh = counted
    cases._kept = chosen  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as name, place(Path(name)) as lab:
        for case in plan(Path(name), arguments.models):
            for reuse in (True, False):  # in turns: what else the machine does meets both
                run_id = new_run_id(datetime.now(UTC))
                order = Order(replace(case, starts=1), run_id, "", Path(name) / "results", "here", lab)
                began_s = time.perf_counter()
                done = cases.run(order, silent)
                times[reuse].append(time.perf_counter() - began_s)
                if done.exit_status:
                    raise SystemExit(f"{case.title}: {done.outcome}: {done.summary}")
            held[False].drop()
        held[True].drop()
    for reuse, values_s in times.items():
        what = "reused" if reuse else "one for each case"
        print(
            f"{what:18} {connections[reuse]:3} connections, median case {median(values_s):.3f} s, "
            f"all {sum(values_s):.1f} s"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
