"""Board `linux` as users have it: login shells that print, homes with strange names, boards with little."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from linux_loopback import loopback
from run_boards import Watching

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError
from benchrunner.record import Outcome
from benchrunner.run import CaseResult, run_case
from benchrunner.session.linux.tools.call import FIND
from benchrunner.session.linux.tools.load import watched
from benchrunner.transport.ssh import open_ssh
from benchrunner.transport.ssh_command import command_line, ending_words
from benchrunner.transport.staging import HASH_TOOLS

FOLDERS = ("/usr/lib/openssh", "/usr/lib/ssh", "/usr/libexec/openssh", "/usr/libexec")  # of distributions
SFTP_SERVER = next(path for name in FOLDERS if (path := f"{name}/sftp-server") and Path(path).exists())
PROGRAMS = (
    "sh",
    "env",
    "printenv",
    "ls",
    "mktemp",
    "rm",
    "mkdir",
    "sha256sum",
    "uname",
    "tr",
    "nproc",
    "sleep",
)


def login_shell(folder: Path, before: str, *, sftp: str = "") -> list[str]:
    """A shell that does something before it runs a command, and something else before it serves files."""
    shell = folder / "login-shell"
    files = f'case "$SSH_ORIGINAL_COMMAND" in {SFTP_SERVER}) {sftp or ":"}; exec {SFTP_SERVER};; esac'
    shell.write_text(f'#!/bin/sh\n{files}\n{before}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    shell.chmod(0o755)
    return [f"ForceCommand {shell}"]


def case(
    folder: Path,
    *,
    lines: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    python: str = sys.executable,
) -> CaseResult:
    with loopback(folder, lines=lines, environment=environment, sftp=SFTP_SERVER) as board:
        result = run_case(board.request(python=python), Watching())
        assert board.left_behind == []
        return result


NOISE = [
    "echo Welcome to the board; echo and more >&2",
    "printf 'no line end'; printf 'none here' >&2",
    "echo benchrunner-0123456789abcdef; echo 'benchrunner-0123456789abcdef 1' >&2; echo 'kernel 9.9.9'",
]


@pytest.mark.parametrize("noise", NOISE)
def test_what_a_login_file_prints_is_no_answer_of_a_command(noise: str, tmp_path: Path) -> None:
    measurement = case(tmp_path, lines=login_shell(tmp_path, noise)).measurement

    assert measurement.outcome is Outcome.OK, measurement.reason
    assert measurement.conditions["kernel"] != "9.9.9"


def test_a_login_file_that_prints_into_sftp_is_named(tmp_path: Path) -> None:
    result = case(tmp_path, lines=login_shell(tmp_path, ":", sftp="echo Welcome to the board"))

    assert result.measurement.outcome is Outcome.FAILED
    assert "the login shell prints something before SFTP begins" in result.measurement.reason
    assert "`ssh HOST true` must print nothing" in result.hint


def test_an_account_without_a_shell_is_no_case(tmp_path: Path) -> None:
    closed = login_shell(tmp_path, "echo This account is currently not available.; exit 1")
    with pytest.raises(BoardError, match=r"did not run sh: status 1, it says: This account is currently not"):
        case(tmp_path, lines=closed)


@pytest.mark.parametrize("name", ["my home", "$HOME `id` 'q' \"d\"", "-rf", "größe"])
def test_a_home_may_have_any_name(name: str, tmp_path: Path) -> None:
    home = tmp_path / name
    (home / ".cache").mkdir(parents=True)

    assert case(tmp_path, environment={"HOME": str(home)}).measurement.outcome is Outcome.OK
    assert list((home / ".cache").iterdir()) == []


@pytest.mark.parametrize("home", ["/proc", "/nonexistent", "relative"])
def test_a_home_that_cannot_be_written_is_not_needed(home: str, tmp_path: Path) -> None:
    assert case(tmp_path, environment={"HOME": home}).measurement.outcome is Outcome.OK


def test_a_language_with_a_decimal_comma_changes_nothing(tmp_path: Path) -> None:
    """Where the board has none of that name, its programs fall back to C: no harm either."""
    measurement = case(tmp_path, environment={"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}).measurement

    assert measurement.outcome is Outcome.OK, measurement.reason
    assert float(str(measurement.conditions["load_1min"])) >= 0


def test_a_board_with_little_more_than_a_shell_is_enough(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)

    assert case(tmp_path, environment={"PATH": str(programs)}).measurement.outcome is Outcome.OK

    without = case(tmp_path / "again", environment={"PATH": str(programs)}, python="python3")
    assert without.measurement.outcome is Outcome.FAILED
    assert "no 'python3' on the board that can be started (status 127)" in without.measurement.reason
    assert "--board-python" in without.hint


def test_a_python_that_does_not_know_the_runners_language_is_called_too_old(tmp_path: Path) -> None:
    """As 3.6 and 2.7 do: they stumble over its first lines."""
    old = tmp_path / "python"
    text = "SyntaxError: future feature annotations is not defined"
    old.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{text}' >&2\nexit 1\n")
    old.chmod(0o755)

    result = case(tmp_path, python=str(old))

    assert result.measurement.outcome is Outcome.FAILED
    assert f"{str(old)!r} on the board is older than Python 3.8: {text}" in result.measurement.reason
    assert "--board-python" in result.hint


def test_our_own_words_mean_the_same_to_fish_and_csh() -> None:
    """fish takes a backslash for its own also between single quotes, csh a `!` and the end of a line."""
    for word in [*ending_words(5), *watched([FIND]), *(word for tool in HASH_TOOLS for word in tool)]:
        line = command_line(["x", word], mark="benchrunner-0123456789abcdef")
        assert not set("!\n") & set(line), word
        assert "\\\\" not in line, word
        assert "\\'" not in line, word


def test_a_command_is_ended_also_behind_a_shell_that_prints(tmp_path: Path) -> None:
    lines = login_shell(tmp_path, NOISE[1])
    with loopback(tmp_path, lines=lines, sftp=SFTP_SERVER) as board:
        shell = open_ssh(board.server.target(), Deadline(60), leaving_s=60)
        try:
            pieces: list[bytes] = []

            def stop(piece: bytes) -> None:
                pieces.append(piece)
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                shell.run(["sh", "-c", "echo $$; exec sleep 600"], Deadline(60), on_stdout=stop)
            process = Path(f"/proc/{int(pieces[0])}/stat")
            deadline = Deadline(60)
            while process.exists() and process.read_text().rpartition(")")[2].split()[0] not in "ZX":
                deadline.check("the command is ended")
        finally:
            shell.close()
