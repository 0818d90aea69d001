"""Whole inferences, from a model to counts and outputs: our emulated boards, and QEMU as the witness."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from measured import measure, on_qemu, on_stm32
from tflite_builder import keyword_spotting

from benchrunner.emulator import qemu
from benchrunner.emulator.machines import MACHINES, machine
from benchrunner.emulator.qemu import serve_qemu
from benchrunner.errors import UsageError
from benchrunner.firmware.toolchain import ToolchainKind
from benchrunner.protocol.messages import FidelityCode


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "keyword_spotting.tflite"
    path.write_bytes(keyword_spotting())
    return path


@pytest.mark.parametrize(
    ("board_id", "witness"),
    [
        ("stm32h747i-disco", "mps2-an500"),
        ("stm32l4r9i-disco", "mps2-an386"),
        ("stm32f469i-disco", "netduinoplus2"),
        ("nucleo-u575zi-q", "mps2-an505"),
    ],
    ids=["M7", "M4", "F4", "M33"],
)
def test_counts_and_outputs_are_those_of_qemu(
    board_id: str, witness: str, model: Path, tmp_path: Path
) -> None:
    with on_stm32(board_id, model, tmp_path / "ours") as (transport, firmware):
        ours = measure(transport, model)
    assert firmware.faults == []
    assert firmware.machine is not None
    assert firmware.machine.usart.overruns == 0
    with on_qemu(witness, model, tmp_path / "qemu") as transport:
        theirs = measure(transport, model)
    assert ours.manifest.fidelity is theirs.manifest.fidelity is FidelityCode.EMULATED
    assert ours.manifest.time_scale_permille == theirs.manifest.time_scale_permille == 0
    assert ours.outputs == theirs.outputs == ours.expected
    assert len(set(ours.instructions)) == 1, "the same inference takes the same instructions"
    count = ours.instructions[0]
    assert count > 500_000
    for found in theirs.instructions:
        assert abs(found - count) <= count / 1000
    assert len(ours.layers) == len(theirs.layers)
    assert abs(sum(ours.layers) - count) <= count / 100


def test_two_boards_count_the_same(model: Path, tmp_path: Path) -> None:
    counts = []
    for name in ("first", "second"):
        with on_stm32("stm32h747i-disco", model, tmp_path / name) as (transport, _):
            found = measure(transport, model)
        counts.append((found.instructions, found.layers))
    assert counts[0] == counts[1]


def test_a_cortex_m55_gives_the_answers_of_the_oracle(model: Path, tmp_path: Path) -> None:
    with on_qemu("mps3-an547", model, tmp_path) as transport:
        found = measure(transport, model)
    assert found.outputs == found.expected
    assert found.manifest.counter_running


def test_the_compiler_that_pip_installs_makes_firmware_with_the_answers_of_the_oracle(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "objects"))
    with on_stm32("stm32h747i-disco", model, tmp_path / "ours", kind=ToolchainKind.ZIG) as (transport, core):
        found = measure(transport, model)
    assert core.faults == []
    assert found.manifest.text["compiler"].startswith("zig cc")
    assert found.outputs == found.expected
    assert len(set(found.instructions)) == 1
    for witness in ("mps2-an500", "mps3-an547"):  # the M55's vector instructions, too
        with on_qemu(witness, model, tmp_path / witness, kind=ToolchainKind.ZIG) as transport:
            assert measure(transport, model).outputs == found.expected


def test_qemu_that_is_not_installed_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", "qemu-system-none")
    with (
        pytest.raises(UsageError, match="qemu-system-none is not installed"),
        serve_qemu(machine("mps2-an500"), Path("image.elf"), deadline_s=1.0),
    ):
        raise AssertionError("nothing runs")


def test_an_unknown_machine_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        machine("mps2-an999")
    assert all(name in caught.value.hint for name in MACHINES)


def test_a_port_that_nobody_opens_costs_nothing() -> None:
    with serve_qemu(machine("mps2-an500"), Path("image.elf"), deadline_s=60.0) as url:
        assert url.startswith("socket://127.0.0.1:")
    assert not any(thread.name == "QEMU" for thread in threading.enumerate())


def test_a_machine_ends_at_its_deadline_and_with_its_block(model: Path, tmp_path: Path) -> None:
    from measured import built

    found = machine("mps2-an500")
    image = built(found.board(), model, tmp_path).elf_path
    with serve_qemu(found, image, deadline_s=0.5) as url:
        host, port = url.removeprefix("socket://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.settimeout(120.0)
            started = time.monotonic()
            while connection.recv(4096):
                pass
            assert time.monotonic() - started < 120.0
    assert not any(thread.name == "QEMU" for thread in threading.enumerate())
