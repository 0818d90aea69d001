"""The boards' own tools end to end: over SSH on simulated boards, faults included; and their table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import FallBackError, ToolMissingError, ToolOutputError
from benchrunner.protocol.linux_tools import parse_unified, parse_unified_json, parse_x_linux_ai_version
from benchrunner.record import Shares
from benchrunner.session.linux.tools import (
    MODEL_SUFFIXES,
    ToolLog,
    ToolRequest,
    ToolResult,
    measure_with_tool,
)
from benchrunner.simulator.linux import LinuxFaults, serve_ssh_board
from benchrunner.simulator.linux.tools.network import simulated_binary
from benchrunner.transport.shell import Shell
from benchrunner.transport.ssh import open_ssh
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model

MODEL = "fdmobilenet_0.25_128_int8"
FOLDER = "/tmp/bench marks; #"
VX = "/usr/lib/libvx_delegate.so.2"
ENGINES = list(MODEL_SUFFIXES)


@contextmanager
def board(name: str, faults: LinuxFaults | None = None) -> Iterator[Shell]:
    with serve_ssh_board(load_board(name), faults) as served:
        target = SshTarget(
            served.host,
            served.user,
            served.port,
            key_files=(served.private_key,),
            only_key_files=True,
            host_key=served.host_key_line.partition(" ")[2],
        )
        shell = open_ssh(target, Deadline(60))
        try:
            assert shell.run(["mkdir", "-p", FOLDER], Deadline(60)).status == 0
            data = resolve_model(MODEL).read_bytes()
            for suffix in MODEL_SUFFIXES.values():
                content = data if suffix == ".tflite" else simulated_binary(data)
                shell.put(content, f"{FOLDER}/m{suffix}", Deadline(60))
            yield shell
        finally:
            shell.close()


def measured(
    shell: Shell, engine: str, *, delegate: str | None = None, log: ToolLog | None = None
) -> ToolResult:
    request = ToolRequest(
        model=f"{FOLDER}/m{MODEL_SUFFIXES[engine]}",
        folder=FOLDER,
        runs=10,
        starts=2,
        threads=1,
        delegate=delegate,
    )
    return measure_with_tool(engine, shell, request, Deadline(120), log or ToolLog())


def test_each_tool_of_the_mp257_gives_starts_and_the_npu_gives_its_shares() -> None:
    with board("stm32mp257f-dk") as shell:
        cpu, npu, onnx = (measured(shell, engine) for engine in ENGINES)
        delegated = measured(shell, "benchmark-model", delegate=VX)
        provided = measured(shell, "onnxruntime", delegate="vsinpu")
    for result in (cpu, npu, onnx, delegated, provided):
        assert len(result.starts) == 2
        assert all(0 < start.timed_counts[0] < 1_000_000_000 for start in result.starts)
    assert isinstance(npu.shares, Shares)
    shares = (npu.shares.npu_percent, npu.shares.gpu_percent, npu.shares.cpu_percent)
    assert sum(float(str(share)) for share in shares) == pytest.approx(100)
    assert npu.conditions["accelerator_clock_hz"] == 800_000_000
    assert delegated.conditions["delegation"] == "complete"
    assert all(result.version for result in (cpu, npu, onnx))


def test_a_board_without_an_npu_has_no_tool_for_one() -> None:
    with board("stm32mp135f-dk") as shell:
        assert len(measured(shell, "benchmark-model").starts) == 2
        with pytest.raises(ToolMissingError):
            measured(shell, "nbg")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tool_that_ends_well_without_a_result_is_a_failed_case(engine: str) -> None:
    log = ToolLog()
    faults = LinuxFaults(tool_without_result=True)
    with board("stm32mp257f-dk", faults) as shell, pytest.raises(ToolOutputError):
        measured(shell, engine, log=log)
    assert "[exit status 0]" in list(log.texts.values())[-1]


@pytest.mark.parametrize(
    ("engine", "delegate"), [("benchmark-model", VX), ("nbg", None), ("onnxruntime", "vsinpu")]
)
def test_a_silent_fall_back_to_the_cpu_is_a_failed_case(engine: str, delegate: str | None) -> None:
    faults = LinuxFaults(silent_cpu_fallback=True)
    with board("stm32mp257f-dk", faults) as shell, pytest.raises(FallBackError):
        measured(shell, engine, delegate=delegate)


@pytest.mark.parametrize("body", ["head -c 3000 /dev/urandom", "echo '{\"Average\": 1}'", "true", "exit 3"])
def test_a_tool_that_prints_anything_else_is_a_failed_case(body: str) -> None:
    path = "/usr/local/bin/tensorflow-lite-99.0/tools/benchmark_model"
    with board("stm32mp257f-dk") as shell:
        shell.run(["mkdir", "-p", path.rpartition("/")[0]], Deadline(60))
        shell.put(f"#!/bin/sh\n{body}\n".encode(), path, Deadline(60), mode=0o755)
        with pytest.raises(ToolOutputError):
            measured(shell, "benchmark-model")


def test_the_boards_own_table_can_be_read() -> None:
    with board("stm32mp257f-dk") as shell:
        shown = shell.run(
            ["x-linux-ai-benchmark", "-d", FOLDER, "--export_results"], Deadline(120), folder=FOLDER
        )
        exported = shell.get(f"{FOLDER}/x-linux-ai-benchmark-result.json", Deadline(60), max_bytes=1 << 20)
        version = shell.run(["x-linux-ai", "-v"], Deadline(60)).stdout.decode()
    table, document = parse_unified(shown.stdout.decode()), parse_unified_json(exported.decode())
    assert sorted(row.runtime for row in table.rows) == ["nbg", "onnxruntime", "tflite"]
    assert sorted(row.runtime for row in document.rows) == ["nbg", "onnxruntime", "tflite"]
    assert table.machine["X-LINUX-AI Version"] == parse_x_linux_ai_version(version)
