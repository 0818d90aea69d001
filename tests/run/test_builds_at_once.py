"""Two runs of one model on boards of one kind share the folder that firmware is built in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from run_boards import Watching

from benchrunner.emulator.machines import board_or_machine, facts_sha256
from benchrunner.firmware import aot
from benchrunner.firmware.build import Firmware
from benchrunner.record import Outcome
from benchrunner.run import RunRequest, run_case
from benchrunner.run.request import Limits

MACHINE = "mps2-an386"


@pytest.fixture
def request_of_a_machine(request_for: Callable[..., RunRequest]) -> RunRequest:
    board = board_or_machine(MACHINE)
    return request_for(
        board=board, board_file_sha256=facts_sha256(board), limits=Limits(boot_s=60, request_s=30), runs=2,
        simulate=False,
    )  # fmt: skip


def test_they_build_one_after_the_other(
    request_of_a_machine: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "cache" / "objects"))
    build, building, most = aot.build, threading.Semaphore(0), [0]
    at_work: list[str] = []

    def slow_build(project: object, folder: Path, toolchain: object) -> Firmware:
        if not str(folder).startswith(str(tmp_path / "cache")):
            return build(project, folder, toolchain)  # type: ignore[arg-type]  # that of the empty model
        at_work.append("builds")
        most[0] = max(most[0], len(at_work))
        building.acquire(timeout=0.3)  # nobody releases it: time for the other one to come
        try:
            return build(project, folder, toolchain)  # type: ignore[arg-type]
        finally:
            at_work.pop()

    monkeypatch.setattr(aot, "build", slow_build)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: run_case(request_of_a_machine, Watching()), range(2)))
    assert [result.measurement.outcome for result in results] == [Outcome.OK] * 2
    assert most == [1]


def test_an_image_runs_that_was_replaced_where_it_was_built(
    request_of_a_machine: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "cache" / "objects"))
    build = aot.build

    def build_and_lose(project: object, folder: Path, toolchain: object) -> Firmware:
        firmware = build(project, folder, toolchain)  # type: ignore[arg-type]
        firmware.elf_path.write_bytes(b"what another run builds")
        return firmware

    monkeypatch.setattr(aot, "build", build_and_lose)
    result = run_case(request_of_a_machine, Watching())
    assert result.measurement.outcome is Outcome.OK, result.measurement.reason
