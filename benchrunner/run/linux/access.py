"""How a run reaches a Linux board: over SSH to a host or a place, or a board that is started for the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchrunner import lab
from benchrunner.deadline import Deadline
from benchrunner.errors import BenchrunnerError, UsageError
from benchrunner.run.linux.local import start_local
from benchrunner.run.request import Observer, RunRequest
from benchrunner.session.linux.conditions import Facts
from benchrunner.transport.shell import Shell
from benchrunner.transport.ssh import open_ssh
from benchrunner.transport.ssh_target import SshTarget, ssh_target
from benchrunner.transport.staging import Staging


@dataclass(frozen=True, slots=True)
class Reached:
    """A board that is logged in to."""

    shell: Shell
    place: str
    counts_instructions: bool  # the nanoseconds of its clock are instructions
    facts: Facts = field(default_factory=dict)  # of a board that was started for the run


@contextmanager
def reach(request: RunRequest, observer: Observer) -> Iterator[Reached]:
    """Lock the place and log in. Connection and lock are given up at the end; a connection that is to be kept
    stays, unless the block ends with an exception.

    Raises `PlaceLockedError`, `UsageError`, and what `open_ssh` raises.
    """
    with ExitStack() as stack:
        if request.simulate or request.emulate:
            local = stack.enter_context(start_local(request, observer))
            target, place, facts = local.target, local.place, local.facts
            instructions = local.counts_instructions
        else:
            target, place = _target(request)
            instructions, facts = False, {}
            stack.enter_context(
                lab.place_lock(f"ssh://{target.address}", " ".join(("benchrunner", *request.command)))
            )
        observer.note(f"{place or 'host'}: {target.description}")
        shell = stack.enter_context(_connected(request, target))
        yield Reached(shell, place, instructions, facts)


@contextmanager
def _connected(request: RunRequest, target: SshTarget) -> Iterator[Shell]:
    deadline, kept = Deadline(request.limits.connect_s), request.linux.kept
    # A board that is started for the run ends with it, and its connection too.
    if kept is None or request.simulate or request.emulate:
        shell = open_ssh(target, deadline, leaving_s=request.limits.leaving_s)
        try:
            yield shell
        finally:
            shell.close()
        return
    try:
        yield kept.open(target, deadline, leaving_s=request.limits.leaving_s)
    except BaseException:
        kept.drop()  # what the case has left on it is not known
        raise


@contextmanager
def staged(shell: Shell, deadline: Deadline, warnings: list[str]) -> Iterator[Staging]:
    """A private folder on the board; that it cannot be removed any more costs no number."""
    staging = Staging.open(shell, deadline, warnings=warnings)
    try:
        yield staging
    except KeyboardInterrupt as interrupt:
        shell.leave_soon(interrupt)
        raise
    finally:
        try:
            staging.close()
        except BenchrunnerError as error:
            warnings.append(
                f"{staging.folder} is still on the board, until the next contact: {error.message}"
            )


def _target(request: RunRequest) -> tuple[SshTarget, str]:
    """The host that was named, the place of lab.toml, or the one place that has such a board."""
    options, board = request.linux, request.board
    if options.target is not None:
        return options.target, request.place or ""
    host, place = options.host, None
    if host is None:
        place = _place(request)
        if place.host is None:
            raise UsageError(
                f"place {place.name} has no host, and {board.id} is reached over SSH",
                hint='write host = "root@192.168.7.1" into lab.toml',
            )
        host = place.host
    target = ssh_target(
        host,
        key_file=options.key_file
        or (Path(place.key_file).expanduser() if place and place.key_file else None),
        jump=options.jump or (place.jump if place else None),
        password_variable=options.password_variable or (place.password_variable if place else None),
        ask=options.ask,
    )
    return target, place.name if place else ""


def _place(request: RunRequest) -> lab.Place:
    board, laboratory = request.board, lab.find_lab(request.lab_file)
    if request.place is not None:
        place = laboratory.place(request.place)
        if place.board != board.id:
            raise UsageError(
                f"place {place.name} holds a {place.board}, not a {board.id}",
                hint=f"use --board {place.board}, or another place",
            )
        return place
    match laboratory.places_of(board.id):
        case [place]:
            return place
        case []:
            raise UsageError(
                f"{board.id}: expected a host, found none: neither --host nor a place of lab.toml names it",
                hint="give --host USER@HOST (root@192.168.7.1 over USB on STM32MP boards), or --sim",
            )
        case several:
            raise UsageError(
                f"{board.id} is at {len(several)} places: {', '.join(place.name for place in several)}",
                hint="choose one with --place",
            )
