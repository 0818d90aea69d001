"""How an image is built: programs that are missing, fail or hang; whole or not at all; by one at a time."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    DeadlineExceededError,
    LinuxImageError,
    MissingProgramsError,
)
from benchrunner.linuxemu import TARGETS, build_image, image_folder
from benchrunner.linuxemu import image as image_module
from benchrunner.linuxemu.programs import Programs, find_programs, run

ARM64 = TARGETS["arm64"]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images that is the test's own."""
    monkeypatch.setenv(image_module.FOLDER_VARIABLE, str(tmp_path / "images"))
    return tmp_path / "images"


def test_missing_programs_are_named_all_at_once_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingProgramsError, match="qemu-system-aarch64, ssh-keygen") as caught:
        find_programs(["qemu-system-aarch64", "ssh-keygen"])
    assert caught.value.packages == ("openssh-client", "qemu-system-arm")
    assert "apt-get install --no-install-recommends openssh-client qemu-system-arm" in caught.value.hint


def test_a_program_that_fails_or_hangs_is_told_with_its_last_words() -> None:
    with pytest.raises(LinuxImageError, match=r"unpack: sh ended with status 3:\nno space"):
        run(("sh", "-c", "echo no space >&2; exit 3"), "unpack", Deadline(60))
    with pytest.raises(DeadlineExceededError, match=r"unpack: not done within 0\.2 s"):
        run(("sleep", "600"), "unpack", Deadline(0.2))


def test_programs_in_other_threads_end_with_the_block() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            programs.run(("sh", "-c", f"touch {marker}; exec sleep 600"), "sleep", Deadline(600))
        except LinuxImageError as error:
            failures.append(error)

    with tempfile.TemporaryDirectory() as name:
        marker = Path(name) / "started"
        with Programs() as programs:
            thread = threading.Thread(target=work)
            thread.start()
            while not marker.exists():
                thread.join(0.01)
        thread.join(60)
    assert not thread.is_alive()
    assert len(failures) == 1
    with pytest.raises(LinuxImageError, match="given up"):
        programs.run(("true",), "late", Deadline(60))


def test_an_image_is_there_whole_or_not_at_all(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(image: image_module.LinuxImage, *_: object) -> None:
        image.disk.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(image.disk))

    monkeypatch.setattr(image_module, "fetch", lambda *_: {})
    monkeypatch.setattr(image_module, "_make", disk_full)
    left = images / ".arm64-left-by-one-that-was-killed"
    left.mkdir(parents=True)
    with pytest.raises(LinuxImageError, match="No space left on device"):
        build_image(ARM64)
    assert [path.name for path in images.iterdir()] == ["arm64.lock"]

    monkeypatch.setattr(image_module, "_make", lambda image, *_: image.disk.write_bytes(b"whole"))
    built = build_image(ARM64)
    assert built.disk.read_bytes() == b"whole"
    monkeypatch.setattr(image_module, "_make", disk_full)
    assert build_image(ARM64) == built  # from the cache
    assert image_folder() == images


def test_an_image_is_built_by_one_process_at_a_time(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "fetch", lambda *_: {})
    monkeypatch.setattr(image_module, "_make", lambda image, *_: image.disk.write_bytes(b"whole"))
    steps: list[str] = []
    image = image_module.LinuxImage(ARM64, "key", images / "arm64-key")
    with image_module._only_builder(image, Deadline(60), steps.append):
        with pytest.raises(DeadlineExceededError, match="which another process builds"):
            build_image(ARM64, deadline=Deadline(0.3), progress=steps.append)
        build_image(TARGETS["armhf"])  # another one is no hindrance
    assert steps == ["wait for another process that builds the image of arm64"]
    assert build_image(ARM64).disk.read_bytes() == b"whole"
