"""The one error tree: what went wrong, where, and what to do next."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of the command line (docs/architecture.md)."""

    GOOD = 0
    FAILED = 1  # a case failed, or got worse
    USAGE = 2  # a command, configuration or input file is wrong
    BOARD = 3  # a board or the lab is at fault
    INCONCLUSIVE = 4
    INTERRUPTED = 130  # Ctrl-C, as the shell reports it


class BenchrunnerError(Exception):
    """Base of every error the project raises on purpose.

    `message` names the file, key, layer or port, what was expected and what was found;
    `hint` says what to do next.
    """

    exit_status = ExitStatus.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BenchrunnerError):
    """The request itself cannot be carried out as given."""

    exit_status = ExitStatus.USAGE


class ConfigError(UsageError):
    """A board, lab or suite file is wrong; the message starts with `file:line:column: key:`."""


class UnknownBoardError(UsageError):
    """No board file of that id."""


class ModelError(UsageError):
    """A model file cannot be read or used."""


class DatasetError(UsageError):
    """A data set cannot be read, or does not fit the model."""


class UnreadableImageError(DatasetError):
    """One image of a data set cannot be read; the others can."""


class UnsupportedOperatorError(ModelError):
    """The model has operators that the engine does not run; the message lists each with its layer."""


class MissingProgramsError(UsageError):
    """Programs of the host are not installed; `packages` are those of Debian that have them."""

    def __init__(self, message: str, *, packages: tuple[str, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.packages = packages


class ToolMissingError(UsageError):
    """A program that the request needs is not installed, on this computer or on the board."""


class NoTimingModelError(UsageError):
    """A simulated time is asked for a core, an engine or an operator that the timing model does not cover."""


class DoesNotFitError(ModelError):
    """The image or its memory does not fit the board."""


class StoreError(BenchrunnerError):
    """A result cannot be written or read."""

    exit_status = ExitStatus.BOARD


class NewerSchemaError(StoreError):
    """A result was written by a later version of benchrunner."""

    exit_status = ExitStatus.USAGE


class LabError(BenchrunnerError):
    """Something between the host and the board is at fault."""

    exit_status = ExitStatus.BOARD


class PlaceLockedError(LabError):
    """Another process is using the place."""


class PortError(LabError):
    """A port cannot be opened or used: missing, in use, no permission, gone."""


class LinuxImageError(LabError):
    """The file system of an emulated Linux board cannot be fetched or built."""


class LinuxImageOutdatedError(LinuxImageError):
    """A package that the lock file names is no longer in the archive, or is not what it was."""


class HostUnreachableError(LabError):
    """A Linux board does not answer at its address, or what answers is no SSH server."""


class HostKeyError(LabError):
    """A Linux board's host key is unknown, another one than before, or revoked."""


class AuthenticationError(LabError):
    """A Linux board refuses the login."""


class NotFitError(LabError):
    """A board's conditions would spoil the numbers, and the policy is to refuse then."""


class DeadlineExceededError(LabError):
    """Something did not happen in the time it was given."""


class LinkError(LabError):
    """The bytes on the wire make no sense, after the retries that the protocol allows."""


class ConnectionLostError(LinkError):
    """The connection to a Linux board ended in the middle of a step."""


class BoardError(LabError):
    """The board answered, and what it said is wrong."""


class WrongChipError(BoardError):
    """The chip id differs from the board file's."""


class WrongBoardError(BoardError):
    """A Linux board's device tree differs from the board file's."""


class WrongImageError(BoardError):
    """The firmware that runs is not the image that was built."""


class BoardResetError(BoardError):
    """The board reset in the middle of a conversation."""


class MalformedMessageError(BoardError):
    """A frame arrived undamaged, and its content breaks the device protocol."""


class DeviceFaultError(BoardError):
    """The firmware reported an error: `code` of the device protocol, and the firmware's own words."""

    def __init__(self, message: str, *, code: int, text: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.text = text


class ReadoutProtectedError(BoardError):
    """The chip refuses access to its flash."""


class FlashError(BoardError):
    """Flash could not be brought to the wanted content."""

    def __init__(self, message: str, *, address: int, sector: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.address = address
        self.sector = sector


class CaseFailedError(BenchrunnerError):
    """The case ran and yields no number: it becomes a failed row."""


class OutputMismatchError(CaseFailedError):
    """The device's output differs from the reference by more than the tolerance."""


class ToolOutputError(CaseFailedError):
    """A board's own tool ended without a result, or what it printed makes no sense."""


class FallBackError(CaseFailedError):
    """The CPU executed what an accelerator was asked for: its time is no result of the case."""


class ClockInvalidError(CaseFailedError):
    """The device's cycle counter does not agree with the host's clock."""
