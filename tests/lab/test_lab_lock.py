"""One process at a time uses a place; a dead one leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchrunner.errors import LabError, PlaceLockedError
from benchrunner.lab import place_lock

PORT = "rfc2217://127.0.0.1:4001"
HOLDER = """
import sys
from benchrunner.lab import place_lock
with place_lock(sys.argv[1], "benchrunner run --board nucleo-f401re"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@contextmanager
def other_process(resource: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, resource], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_place_that_another_process_uses_names_who_what_and_since_when() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with other_process(PORT) as holder:
        with pytest.raises(PlaceLockedError) as caught, place_lock(PORT, "mine"):
            raise AssertionError("two processes hold one place")
        found = re.fullmatch(
            rf"{PORT}: expected a free place, found it in use by pid (\d+) of user (\S+), "
            r"`benchrunner run --board nucleo-f401re`, since (.+ UTC)",
            caught.value.message,
        )
        assert found is not None
        assert int(found[1]) == holder.pid
        since = datetime.strptime(found[3], "%Y-%m-%d %H:%M:%S %Z").replace(tzinfo=UTC)
        assert before <= since <= datetime.now(UTC)


def test_a_holder_that_was_killed_leaves_the_place_free() -> None:
    with other_process(PORT) as holder:
        holder.send_signal(signal.SIGKILL)
        assert holder.wait() == -signal.SIGKILL
        with place_lock(PORT, "mine"):
            pass


def test_a_holder_that_ended_leaves_the_place_free() -> None:
    with other_process(PORT) as holder:
        assert holder.stdin is not None
        holder.stdin.close()
        assert holder.wait() == 0
        with place_lock(PORT, "mine"):
            pass


def test_the_lock_is_given_back_when_the_body_fails() -> None:
    with pytest.raises(KeyboardInterrupt), place_lock(PORT, "first"):
        raise KeyboardInterrupt
    with place_lock(PORT, "second"):
        pass


def test_one_process_cannot_take_a_place_twice_either() -> None:
    with (
        place_lock(PORT, "the first", now=lambda: datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)),
        pytest.raises(PlaceLockedError) as caught,
        place_lock(PORT, "the second"),
    ):
        raise AssertionError("a place is held twice")
    assert f"pid {os.getpid()} of user" in caught.value.message
    assert caught.value.message.endswith("`the first`, since 2026-03-01 12:00:05 UTC")


def test_different_places_do_not_disturb_each_other() -> None:
    with place_lock(PORT, "a"), place_lock("rfc2217://127.0.0.1:4002", "b"), place_lock("/dev/ttyACM0", "c"):
        pass


def test_two_names_of_one_port_are_one_lock(tmp_path: Path) -> None:
    (tmp_path / "ttyACM0").touch()
    link = tmp_path / "usb-STMicroelectronics_STM32_STLink_066D-if02"
    link.symlink_to(tmp_path / "ttyACM0")
    with (
        place_lock(str(link), "by id"),
        pytest.raises(PlaceLockedError),
        place_lock(str(link.resolve()), "by name"),
    ):
        raise AssertionError("one port is held twice")


def test_the_case_of_a_host_name_does_not_make_another_place() -> None:
    with (
        place_lock("rfc2217://Rack:1", "a"),
        pytest.raises(PlaceLockedError),
        place_lock("rfc2217://rack:1", "b"),
    ):
        raise AssertionError("one port is held twice")


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff\xfe"])
def test_a_lock_file_without_a_readable_holder_still_refuses(runtime_folder: Path, left: bytes) -> None:
    with place_lock(PORT, "first"):
        (file,) = (runtime_folder / "benchrunner").iterdir()
        file.write_bytes(left)
        with pytest.raises(PlaceLockedError, match="just starting or ending"), place_lock(PORT, "second"):
            raise AssertionError("one port is held twice")


def test_what_a_dead_process_left_in_the_file_is_no_lock(runtime_folder: Path) -> None:
    with place_lock(PORT, "first"):
        (file,) = (runtime_folder / "benchrunner").iterdir()
        text = file.read_bytes()
    assert file.read_bytes() == b""
    file.write_bytes(text)
    with place_lock(PORT, "second"):
        assert b'"second"' in file.read_bytes()


def test_the_lock_folder_is_the_users_own(runtime_folder: Path) -> None:
    with place_lock(PORT, "first"):
        assert (runtime_folder / "benchrunner").stat().st_mode & 0o777 == 0o700


def test_without_a_runtime_folder_a_folder_named_after_the_user_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # nor /run/user/<uid>
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with place_lock(PORT, "first"):
        assert len(list((tmp_path / f"benchrunner-{os.getuid()}").iterdir())) == 1


def test_a_lock_folder_that_is_a_link_is_refused(
    runtime_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (runtime_folder / "benchrunner").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(LabError, match="expected a folder of user"), place_lock(PORT, "first"):
        raise AssertionError("locked in someone else's folder")
