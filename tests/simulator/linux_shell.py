"""A shell on a simulated Linux board, without SSH."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.board import load_board
from benchrunner.simulator.linux import LinuxFaults
from benchrunner.simulator.linux.machine import DEFAULT_PATH, LinuxMachine
from benchrunner.simulator.linux.process import Collected, Given, Group, Process, SignalledError
from benchrunner.simulator.linux.shell.interpreter import Shell


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str


class BoardShell:
    """Each `run` is a login of its own; files stay."""

    def __init__(
        self, board: str = "stm32mp257f-dk", faults: LinuxFaults | None = None, seed: int = 0
    ) -> None:
        self.machine = LinuxMachine(load_board(board), faults, seed=seed)

    def run(self, text: str, stdin: bytes = b"") -> Done:
        out, errors = Collected(), Collected()
        environment = {"PATH": DEFAULT_PATH, "HOME": "/home/root"}
        streams = {0: Given(stdin), 1: out, 2: errors}
        process = Process(self.machine, Group(), ["sh"], environment, "/home/root", streams)
        self.machine.remember(process)
        before = self.machine.enter(process)
        try:
            status = Shell(process).run_text(text)
        except SignalledError as ended:
            status = 128 + ended.number
        finally:
            self.machine.leave(before)
            self.machine.forget(process)
        return Done(
            status,
            bytes(out.data).decode("utf-8", "surrogateescape"),
            bytes(errors.data).decode("utf-8", "surrogateescape"),
        )
