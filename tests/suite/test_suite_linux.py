"""Suites over Linux boards: dispatched as single runs are, and one connection for the cases of a place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchrunner.board import load_board
from benchrunner.cli import cli
from benchrunner.deadline import Deadline
from benchrunner.record import Fidelity, Latency, Measurement
from benchrunner.run import RunRequest
from benchrunner.run.linux import access, kept
from benchrunner.run.linux.kept import KeptConnection
from benchrunner.run.request import LinuxOptions
from benchrunner.simulator.linux import serve_ssh_board
from benchrunner.store import load_runs, new_run_id
from benchrunner.suite import case as cases
from benchrunner.suite.file import load_suite
from benchrunner.suite.plan import make_plan
from benchrunner.suite.worker import Order
from benchrunner.transport.known_hosts import HostKey, accept
from benchrunner.transport.ssh import SshShell, open_ssh
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model

MIXED = """
name = "mixed"
target = "sim"
tune = true
[[matrix]]
boards = ["stm32h747i-disco"]
models = ["m.tflite"]
runs = [3]
[[matrix]]
boards = ["stm32mp257f-dk"]
models = ["m.tflite"]
engines = ["nbg", "tflite"]
runs = [3]
[[matrix]]
boards = ["stm32mp157f-dk2"]
models = ["m.tflite"]
threads = [2]
starts = [2]
runs = [3]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    shutil.copy(resolve_model("fdmobilenet_0.25_128_uint8"), tmp_path / "m.tflite")
    (tmp_path / "night.toml").write_text(MIXED)
    return tmp_path


def stored(folder: Path) -> list[Measurement]:
    return [each for run in load_runs(folder / "results").runs for each in run.document.measurements]


def test_a_suite_over_simulated_boards_of_both_kinds_ends_with_all_its_rows(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["suite", "night.toml"], standalone_mode=False)
    assert result.return_value == 0, result.output
    found = {(each.case.board, each.case.engine): each for each in stored(folder)}
    assert set(found) == {
        ("stm32h747i-disco", "aot"),
        ("stm32mp257f-dk", "nbg"),
        ("stm32mp257f-dk", "tflite"),
        ("stm32mp157f-dk2", "tflite"),
    }
    assert {each.fidelity for each in found.values()} == {Fidelity.SIMULATED}
    two = found["stm32mp157f-dk2", "tflite"]
    assert isinstance(two.latency, Latency)
    assert (two.case.execution_engine, len(two.latency.starts)) == ("2 CPU", 2)
    assert two.case.options == {"threads": 2, "tune": True}
    assert found["stm32mp257f-dk", "nbg"].case.execution_engine == "NPU/GPU"


@pytest.fixture
def place(folder: Path) -> Iterator[SshTarget]:
    """A board that stands at a place of lab.toml."""
    with serve_ssh_board(load_board("stm32mp157f-dk2")) as board:
        known = folder / "settings" / "benchrunner" / "known_hosts"
        accept(board.host, board.port, HostKey.parse(board.host_key), known)
        (folder / "bench.toml").write_text(
            f'[places.here]\nboard = "stm32mp157f-dk2"\nhost = "{board.user}@{board.host}:{board.port}"\n'
            f'key_file = "{board.private_key}"\n'
        )
        yield SshTarget(
            board.host, board.user, board.port, (board.private_key,), True, host_key=board.host_key
        )


def test_cases_at_a_place_share_one_connection(
    folder: Path, place: SshTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(target: SshTarget, deadline: Deadline, **more: float) -> SshShell:
        opened.append(target.description)
        return open_ssh(target, deadline, **more)

    monkeypatch.setattr(kept, "open_ssh", counted)
    monkeypatch.setattr(access, "open_ssh", counted)
    plan = make_plan(load_suite(folder / "night.toml"), "real")
    (planned,) = (case for case in plan.cases if case.board == "stm32mp157f-dk2")
    for number in (1, 2, 3):
        order = Order(
            replace(planned, number=number, starts=1),
            new_run_id(datetime.now(UTC)),
            "",
            folder / "results",
            "here",
            folder / "bench.toml",
        )
        assert cases.run(order, lambda text: None).exit_status == 0
    cases._kept().drop()
    assert opened == [place.description]
    assert [each.provenance.place for each in stored(folder)] == ["here"] * 3


def test_a_connection_that_does_not_answer_any_more_is_opened_anew(place: SshTarget) -> None:
    connection = KeptConnection()
    first = connection.open(place, Deadline(60))
    assert connection.open(place, Deadline(60)) is first
    first.close()
    second = connection.open(place, Deadline(60))
    assert second is not first
    assert second.run(["true"], Deadline(60)).status == 0
    assert connection.open(replace(place, port=place.port, given=("again",)), Deadline(60)) is not second
    connection.drop()
    assert not second.alive


def test_a_case_that_ends_badly_leaves_no_connection_behind(folder: Path, place: SshTarget) -> None:
    connection = KeptConnection()
    request = RunRequest(
        board=load_board("stm32mp157f-dk2"),
        board_file_sha256="",
        model=folder / "m.tflite",
        engine="tflite",
        linux=LinuxOptions(target=place, kept=connection),
    )
    with access.reach(request, cases._Told(lambda text: None)) as reached:
        kept_one = reached.shell
    assert isinstance(kept_one, SshShell)
    assert kept_one.alive
    stopped = access.reach(request, cases._Told(lambda text: None))
    assert stopped.__enter__().shell is kept_one
    assert stopped.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None) is not True
    assert not kept_one.alive


def test_inferences_that_are_not_counted_in_the_file_are_as_many_as_a_single_run_times(folder: Path) -> None:
    (folder / "night.toml").write_text(
        'name = "n"\n[[matrix]]\nboards = ["stm32h747i-disco", "stm32mp135f-dk"]\nmodels = ["m.tflite"]\n'
    )
    plan = make_plan(load_suite(folder / "night.toml"))
    assert {case.board: case.runs for case in plan.cases} == {"stm32h747i-disco": 10, "stm32mp135f-dk": 50}
