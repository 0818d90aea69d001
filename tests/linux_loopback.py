"""This machine as a Linux board behind a real OpenSSH server, and Pythons on it that misbehave."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from board_folder import board_folder
from openssh_server import OpenSshServer, openssh_server
from tflite_builder import small_cnn

from benchrunner.board import board_file_sha256, load_board
from benchrunner.run import RunRequest
from benchrunner.run.request import Limits, LinuxOptions
from benchrunner.session.linux.preflight import FitLimits

# What else this machine does while the tests run is not to be judged.
PATIENT = FitLimits(load_1min=1e9, other_cpu_share=1e9, frequency_change=1e9, hottest_c=1e9, memory_bytes=0)

# A runner that says what it is told to; {events} may use `request`.
FAKE_RUNNER = """#!{python}
import hashlib, json, os, struct, sys, time
request = json.loads(sys.stdin.readline())
def say(event, **keys):
    print(json.dumps(dict(event=event, **keys)), flush=True)
def hello():
    say("hello", version=1, python="3", runtime="fake", runtime_version="1", pid=1)
def loaded(size):
    tensor = dict(name="out", dtype="int8", shape=[1, size], bytes=size)
    say("loaded", init_ns=1, inputs=[], outputs=[tensor], operators=1, delegated=None, delegate=None)
def sample(phase, crc32=7):
    say("sample", phase=phase, ns=1000, crc32=crc32, cpu_ns=1)
def outputs(data, sha256=None):
    os.mkdir(request["outputs"])
    path = os.path.join(request["outputs"], "0.bin")
    open(path, "wb").write(data)
    say("outputs", files=[path], sha256=[sha256 or hashlib.sha256(data).hexdigest()])
def timing():
    say("timing", method="python", invokes_per_sample=1, call_overhead_ns=None, clock="CLOCK_MONOTONIC_RAW")
{events}
"""


class Loopback:
    """The server, and requests for it."""

    def __init__(self, server: OpenSshServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.results = folder / "results"
        self.model = folder / "small.tflite"
        self.model.write_bytes(small_cnn())
        (server.home / ".cache").mkdir(exist_ok=True)

    def request(self, board: str = "linux", *, limits: Limits | None = None, **options: Any) -> RunRequest:
        given = {
            name: options.pop(name) for name in ("model", "engine", "runs", "command") if name in options
        }
        linux = LinuxOptions(target=self.server.target(), python=sys.executable, fit=PATIENT)
        return RunRequest(
            board=load_board(board),
            board_file_sha256=board_file_sha256(board),
            results=self.results,
            linux=replace(linux, **options),
            limits=limits or Limits(leaving_s=60),  # this machine may be a busy one
            **{"model": self.model, "engine": "tflite", "runs": 3, **given},
        )

    def program(self, text: str) -> str:
        """A program of the board; the path of its file."""
        path = self.folder / f"program-{len(list(self.folder.glob('program-*')))}"
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def fake_runner(self, events: str) -> str:
        return self.program(FAKE_RUNNER.format(python=sys.executable, events=events))

    def board_files(self, changed: dict[str, str | None] | None = None) -> str:
        """A folder with the files of an STM32MP257F-DK in the place of this machine's."""
        return str(board_folder(self.folder / "board", changed))

    @property
    def left_behind(self) -> list[str]:
        return sorted(path.name for path in (self.server.home / ".cache").iterdir())


@contextmanager
def loopback(folder: Path, **options: Any) -> Iterator[Loopback]:
    """`options` are those of the server."""
    with openssh_server(folder / "server", **options) as server:
        yield Loopback(server, folder)
