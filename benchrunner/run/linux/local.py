"""Linux boards that are started for a run: simulated ones of this process, emulated ones on QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchrunner.errors import UsageError
from benchrunner.run.request import Observer, RunRequest
from benchrunner.session.linux.conditions import Facts
from benchrunner.transport.ssh_target import SshTarget


@dataclass(frozen=True, slots=True)
class LocalBoard:
    """A running board, and how to log in to it."""

    target: SshTarget
    place: str
    counts_instructions: bool
    facts: Facts = field(default_factory=dict)  # for the record: what the board cannot say itself


@contextmanager
def start_local(request: RunRequest, observer: Observer) -> Iterator[LocalBoard]:
    """Run the board of the request for the length of the block. It says itself what it is.

    Raises `UsageError` where something it needs is not installed, and what the boards raise.
    """
    if request.board.linux is None or not request.board.linux.device_tree:
        raise UsageError(
            f"board {request.board.id} is any Linux machine: there is none to simulate or emulate",
            hint="take --board stm32mp257f-dk, stm32mp157f-dk2 or stm32mp135f-dk",
        )
    if request.emulate and request.linux_faults is not None:
        raise UsageError(
            f"--fault: an emulated {request.board.name} is a real Linux, and has no declared faults",
            hint="simulated boards have them: --sim",
        )
    if request.emulate:
        with _emulated(request, observer) as board:
            yield board
    else:
        with _simulated(request) as board:
            yield board


@contextmanager
def _emulated(request: RunRequest, observer: Observer) -> Iterator[LocalBoard]:
    from benchrunner.linuxemu import emulated_linux

    # Instructions are counted on one processor only: two threads need the board as fast as it gets.
    icount = request.linux.threads == 1
    # Resumed where one has booted before: the same counts, without the boot.
    with emulated_linux(request.board, icount=icount, warm=True, progress=observer.note) as board:
        target = SshTarget(
            host=board.host,
            user=board.user,
            port=board.port,
            key_files=(board.private_key,),
            only_key_files=True,
            host_key=board.host_key,
        )
        facts: Facts = {
            "emulator": f"QEMU {board.qemu}",
            "emulator_icount": board.icount,
            "emulator_image": board.image_key,
            "emulator_resumed": board.warm,
            "emulator_cpufreq": "files of the emulation, without effect on what is counted",
        }
        yield LocalBoard(target, f"emulated board, QEMU {board.qemu}", board.icount, facts)


@contextmanager
def _simulated(request: RunRequest) -> Iterator[LocalBoard]:
    from benchrunner.simulator.linux import serve_ssh_board

    with serve_ssh_board(request.board, request.linux_faults) as board:
        target = SshTarget(
            host=board.host,
            user=board.user,
            port=board.port,
            key_files=(board.private_key,),
            only_key_files=True,
            host_key=board.host_key_line.split(" ", 1)[1],
        )
        yield LocalBoard(target, "simulated board", counts_instructions=False)
