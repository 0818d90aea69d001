"""Where an image comes from: locks, mirrors, downloads. No network beyond loopback."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import (
    ConfigError,
    LinuxImageError,
    LinuxImageOutdatedError,
    UsageError,
)
from benchrunner.linuxemu import TARGETS, Target, target_of
from benchrunner.linuxemu import image as image_module
from benchrunner.linuxemu.fetch import fetch
from benchrunner.linuxemu.lock import Lock, Package, format_lock, lock_path, read_lock
from benchrunner.linuxemu.mirror import MIRROR_VARIABLE, find_mirror
from benchrunner.linuxemu.target import NOT_NEEDED, PACKAGES

ARM64 = TARGETS["arm64"]


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_the_shipped_locks_name_everything_with_its_hash(target: Target) -> None:
    lock = read_lock(lock_path(target))
    names = {package.name for package in lock.packages}
    assert names >= set(PACKAGES)
    assert not any(NOT_NEEDED.fullmatch(name) for name in names)
    assert {wheel.name for wheel in lock.wheels} == {source.name for source in target.wheels}
    for entry in (lock.kernel, *lock.packages, *lock.wheels):
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    for package in (lock.kernel, *lock.packages):
        assert package.path.startswith("pool/main/")
        assert package.path.endswith((f"_{target.name}.deb", "_all.deb"))
    assert "://" not in lock_path(target).read_text()  # the mirror is the machine's


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_lock_that_is_written_reads_back_equal(target: Target, tmp_path: Path) -> None:
    lock = read_lock(lock_path(target))
    copy = tmp_path / "copy.toml"
    copy.write_text(format_lock(target, lock))
    assert read_lock(copy) == lock
    assert copy.read_text() == lock_path(target).read_text()


def test_a_damaged_lock_is_refused_with_its_line(tmp_path: Path) -> None:
    text = lock_path(ARM64).read_text()
    damaged = tmp_path / "damaged.toml"
    damaged.write_text(text.replace("sha256", "sha265", 1))
    with pytest.raises(ConfigError, match=r"damaged\.toml:5:.*kernel\.sha265"):
        read_lock(damaged)


def test_the_key_of_an_image_changes_with_its_lock_and_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = image_module.image_key(ARM64)
    assert image_module.image_key(ARM64) == first != image_module.image_key(TARGETS["armhf"])
    with monkeypatch.context() as patch:
        other = tmp_path / "arm64.lock.toml"
        other.write_text(lock_path(ARM64).read_text().replace("6.1", "6.2"))
        patch.setattr(image_module, "lock_path", lambda _: other)
        assert image_module.image_key(ARM64) != first
    for name in image_module._RECIPE:
        with monkeypatch.context() as patch:
            other = tmp_path / "recipe"
            other.mkdir(exist_ok=True)
            for each in image_module._RECIPE:
                (other / each).parent.mkdir(exist_ok=True)
                (other / each).write_bytes((Path(image_module.__file__).parent / each).read_bytes())
            (other / name).write_bytes((other / name).read_bytes() + b"\n")
            patch.setattr(image_module, "_HERE", other)
            assert image_module.image_key(ARM64) != first


def test_every_linux_board_file_has_something_that_emulates_it() -> None:
    found = {name: target_of(load_board(name)).name for name in ("stm32mp257f-dk", "stm32mp135f-dk")}
    assert found == {"stm32mp257f-dk": "arm64", "stm32mp135f-dk": "armhf"}
    with pytest.raises(UsageError, match="expected a board that runs Linux"):
        target_of(load_board("nucleo-f401re"))


def apt_folder(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return tmp_path


def test_the_mirror_is_that_of_apt_in_either_style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    one_line = """
        # deb http://old.example/debian bookworm main
        deb [arch=amd64 signed-by=/a/key] http://ubuntu.example/ubuntu noble main
        deb-src http://source.example/debian bookworm main
        deb http://new.example/debian trixie main
        deb [arch=amd64] http://here.example/debian/ bookworm main contrib # comment
    """
    lists = apt_folder(tmp_path / "lists", "sources.list", one_line)
    assert find_mirror(lists) == "http://here.example/debian"
    stanzas = """\
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

# a comment
Types: deb deb-src
URIs:
  http://there.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
"""
    folder = apt_folder(tmp_path / "stanzas", "sources.list.d/debian.sources", stanzas)
    assert find_mirror(folder) == "http://there.example/debian"


def test_a_machine_without_a_debian_mirror_is_told_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    folder = apt_folder(tmp_path, "sources.list", "deb http://ubuntu.example/ubuntu noble main universe\n")
    with pytest.raises(LinuxImageError, match="expected a source of Debian packages") as caught:
        find_mirror(folder)
    assert MIRROR_VARIABLE in caught.value.hint
    monkeypatch.setenv(MIRROR_VARIABLE, "http://named.example/debian/")
    assert find_mirror(folder) == "http://named.example/debian"


@contextmanager
def archive(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def two_packages(folder: Path) -> Lock:
    packages = []
    for name in ("kernel", "lib++"):
        path = folder / "pool" / "main" / f"{name}_1.0+b1_arm64.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        packages.append(Package(name, "1.0+b1", sha256, str(path.relative_to(folder))))
    return Lock("bookworm", packages[0], (), (packages[1],))


def test_what_a_lock_names_is_fetched_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = two_packages(tmp_path / "archive")
    downloads = tmp_path / "downloads"
    with archive(tmp_path / "archive") as address:
        monkeypatch.setenv(MIRROR_VARIABLE, address)
        first = fetch(ARM64, lock, downloads, Deadline(60))
    assert first[lock.kernel.sha256].read_bytes() == b"kernel" * 1000
    # The archive is gone now: what is whole is not asked for again, what is damaged is.
    assert fetch(ARM64, lock, downloads, Deadline(60)) == first
    first[lock.kernel.sha256].write_bytes(b"damaged")
    with pytest.raises(LinuxImageError) as caught:
        fetch(ARM64, lock, downloads, Deadline(60))
    assert not isinstance(caught.value, LinuxImageOutdatedError)
    assert sorted(path.name for path in downloads.iterdir()) == sorted(first)


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "changed"])
def test_a_package_that_the_archive_no_longer_has_is_named_with_the_way_to_a_new_lock(
    gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = two_packages(tmp_path / "archive")
    path = tmp_path / "archive" / lock.packages[0].path
    if gone:
        path.unlink()
    else:
        path.write_bytes(b"another one")
    with archive(tmp_path / "archive") as address:
        monkeypatch.setenv(MIRROR_VARIABLE, address)
        with pytest.raises(LinuxImageOutdatedError, match=r"lib\+\+ 1\.0\+b1 \(arm64\)") as caught:
            fetch(ARM64, lock, tmp_path / "downloads", Deadline(60))
    assert "--arch arm64 --refresh" in caught.value.hint
