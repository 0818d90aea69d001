"""The dialogue of the benchmark's public runner with our firmware, byte for byte.

`RunnerStandIn` is not that runner. It is a stand-in with its way of reading and its commands, written from
what it needs (mlcommons/tiny, benchmark/runner, 2026): single bytes as strict UTF-8, lines that end in a line
feed, an answer that ends with any line that has `m-ready` in it, and a list only where there are several.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest
from firmware.host_device import DeviceClock, HostDevice, build_host, build_image, mlperf_sources, running

from benchrunner.deadline import Deadline
from benchrunner.session.link import Link

MODEL = Path(__file__).with_name("mlperf_model.c")
BYTES_PER_COMMAND = 31


class RunnerStandIn:
    """Asks as the public runner does, and raises where it would go wrong."""

    def __init__(self, device: HostDevice) -> None:
        self._device = device
        self._message = ""
        self._lines: list[str] = []

    def ask(self, command: str) -> list[str] | str:
        """What it makes of an answer: a list of the lines that are not empty, or the only one of them."""
        self._device.write(command.encode())
        self._device.write(b"%")
        answer: list[str] = []
        while True:
            line = self._line(command)
            if line:
                answer.append(line)
            if "m-ready" in line:
                return answer if len(answer) != 1 else answer[0]

    def _line(self, command: str) -> str:
        while not self._lines:
            data = self._device.read(65536, Deadline(60))
            assert data, f"no response to command {command}"
            for number in data:
                character = bytes([number]).decode()  # which raises for all that is not ASCII
                if character == "\n":
                    self._lines.append(self._message)
                    self._message = ""
                elif character not in "\r\0":
                    self._message += character
        return self._lines.pop(0)

    def name(self) -> str:
        (found,) = self._matches(r"^m-(name)-dut-\[([^]]+)]$", "name")
        return found[1]

    def profile(self) -> dict[str, str]:
        return dict(self._matches(r"^m-(model|profile)-\[([^]]+)]$", "profile"))

    def load(self, data: bytes) -> list[str] | str:
        """The answer to the last command, which is all that it keeps."""
        self.ask(f"db load {len(data)}")
        last: list[str] | str = ""
        for at in range(0, len(data), BYTES_PER_COMMAND):
            last = self.ask(f"db {data[at : at + BYTES_PER_COMMAND].hex()}")
        return last

    def infer(self, iterations: int, warmups: int) -> tuple[float, list[float]]:
        """Inferences per second, and the results."""
        times, results = [], []
        for line in self.ask(f"infer {iterations} {warmups}"):
            if found := re.match(r"^m-results-\[([^]]+)\]$", line):
                results = [float(text) for text in found[1].split(",") if text.strip()]
            elif found := re.match(r"^m-lap-us-([0-9]+)$", line):
                times.append(int(found[1]))
        began, ended = times
        return iterations / ((ended - began) / 1e6), results

    def _matches(self, pattern: str, command: str) -> list[tuple[str, str]]:
        answer = self.ask(command)
        assert isinstance(answer, list), answer
        return [(found[1], found[2]) for line in answer if (found := re.match(pattern, line))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runner")


@contextmanager
def board(folder: Path, model: str) -> Iterator[HostDevice]:
    """Firmware that has booted while nobody listened, and takes itself for a real board's."""
    defines = (f"TEST_{model}", "HOST_FIDELITY=BENCH_FIDELITY_MEASURED")
    program = build_host(folder, *mlperf_sources(), MODEL, defines=defines)
    clock = DeviceClock(folder)
    with running(program, build_image(folder), BENCH_CLOCK_FILE=str(clock.file)) as device:
        Link(device).wait_for_manifest(Deadline(60))
        device.received.clear()
        yield device


def test_every_byte_of_a_performance_run_of_kws_is_as_the_runner_needs_it(folder: Path) -> None:
    values = bytes(range(12)) + bytes(478)
    results = ",".join(f"{(value + 128) / 256:.3f}" for value in values[:12])
    with board(folder, "KWS") as device:
        runner = RunnerStandIn(device)
        assert runner.name() == "host"
        assert runner.profile() == {"profile": "ULPMark for tinyML Firmware V0.0.1", "model": "kws01"}
        expected = b"m-name-dut-[host]\r\nm-ready\r\n"
        expected += b"m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[kws01]\r\nm-ready\r\n"
        throughputs = []
        for _ in range(5):
            assert runner.load(values) == ["m-load-done", "m-ready"]
            expected += b"m-[Expecting 490 bytes]\r\nm-ready\r\n"
            expected += b"m-ready\r\n" * 15 + b"m-load-done\r\nm-ready\r\n"
            throughput, found = runner.infer(70, 10)
            assert found == [float(text) for text in results.split(",")]
            throughputs.append(throughput)
            expected += b"m-warmup-start-10\r\nm-warmup-done\r\nm-infer-start-70\r\n"
            expected += b"m-lap-us-T\r\nm-lap-us-T\r\nm-infer-done\r\n"
            expected += f"m-results-[{results}]\r\nm-ready\r\n".encode()
        assert median(throughputs) == pytest.approx(1000.0)  # a millisecond each, on the device's own clock
        assert re.sub(rb"m-lap-us-[0-9]+", b"m-lap-us-T", bytes(device.received)) == expected


def test_one_line_that_answers_a_load_is_no_list(folder: Path) -> None:
    with board(folder, "KWS") as device:
        runner = RunnerStandIn(device)
        assert runner.ask("db load 490") == ["m-[Expecting 490 bytes]", "m-ready"]
        assert runner.ask("db " + "00" * 31) == "m-ready"


def test_what_the_runner_does_to_find_and_to_flush_a_device_is_survived(folder: Path) -> None:
    with board(folder, "KWS") as device:
        runner = RunnerStandIn(device)
        device.write(b"%")  # its flush: whatever was begun is a command now
        assert runner.ask("name") == ["e-[Unknown command: ]", "m-ready"]
        assert runner.ask("timestamp") == [
            "m-name-dut-[host]",
            "m-ready",
        ]  # it is one answer behind, as there
        device.write(b"name%" * 7)
        for _ in range(7):
            runner.ask("name")


@pytest.mark.parametrize(
    ("model", "name", "count", "results"), [("VWW", "vww01", 300, 2), ("AD", "ad01", 2560, 1)]
)
def test_an_accuracy_run_loads_all_bytes_and_reads_the_results(
    folder: Path, model: str, name: str, count: int, results: int
) -> None:
    data = struct.pack("<640f", *[0.25] * 640) if model == "AD" else bytes(at % 251 for at in range(count))
    assert len(data) == count
    with board(folder, model) as device:
        runner = RunnerStandIn(device)
        assert runner.profile()["model"] == name
        assert runner.load(data) == ["m-load-done", "m-ready"]
        _, found = runner.infer(1, 0)
        assert len(found) == results
