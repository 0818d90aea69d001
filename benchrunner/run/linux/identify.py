"""Whether the board that was reached is the one of the request, before anything is changed on it."""

from __future__ import annotations

from benchrunner.errors import UsageError
from benchrunner.run.linux.draft import LinuxDraft
from benchrunner.run.request import RunRequest
from benchrunner.session.linux.conditions import Conditions
from benchrunner.session.linux.preflight import check_identity


def identify(request: RunRequest, conditions: Conditions, draft: LinuxDraft) -> None:
    """Nothing has been changed yet: another board, or CPUs that are not there, end the case here."""
    system, options = request.board.linux, request.linux
    assert system is not None
    check_identity(system, conditions, draft.port)
    cpus = conditions.cpus or len(conditions.online)
    if cpus and options.threads > cpus:
        raise UsageError(
            f"{draft.port}: {options.threads} threads were asked for, the board has {cpus} CPUs",
            hint=f"give --threads {cpus} or fewer",
        )
    missing = set(options.affinity or ()) - conditions.online
    if missing and conditions.online:
        raise UsageError(
            f"{draft.port}: CPU {', '.join(map(str, sorted(missing)))} is not online: there are "
            f"{conditions.first('cpus.online')}",
            hint="give other CPUs with --affinity",
        )
    draft.reached(conditions, generic=not system.device_tree)
