"""Fetches what a lock names into a folder of downloads, where a file is called by its SHA-256."""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchrunner.deadline import Deadline
from benchrunner.errors import LinuxImageError, LinuxImageOutdatedError
from benchrunner.linuxemu.lock import Lock, Package, Wheel
from benchrunner.linuxemu.mirror import find_mirror
from benchrunner.linuxemu.programs import Programs, find_programs
from benchrunner.linuxemu.target import PYTHON, Target

_GONE = re.compile(r"Failed to fetch (\S+)\s+404")
_DIFFERS = re.compile(r"Failed to fetch (\S+)\s+Hash Sum mismatch")
_CONNECTIONS = 3  # the kernel is a third of the bytes, a connection of its own pays


def fetch(target: Target, lock: Lock, downloads: Path, deadline: Deadline) -> dict[str, Path]:
    """Every file that the lock names, by SHA-256; those that are there already are not fetched again.

    Raises `LinuxImageOutdatedError` where the archive no longer has one of them as it was,
    `LinuxImageError` where it cannot be reached.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    packages = [
        package for package in (lock.kernel, *lock.packages) if not _is_whole(downloads, package.sha256)
    ]
    wheels = [wheel for wheel in lock.wheels if not _is_whole(downloads, wheel.sha256)]
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=downloads) as name:
        folder = Path(name)
        with ThreadPoolExecutor() as pool, Programs() as programs:
            job = _Fetch(target, folder, programs, deadline)
            parts = [packages[index::_CONNECTIONS] for index in range(_CONNECTIONS)]
            done = [pool.submit(job.packages, part) for part in parts if part]
            done += [pool.submit(job.wheel, wheel) for wheel in wheels]
            for each in done:
                each.result()
        missing: list[Package | Wheel] = [*packages, *wheels]
        for entry in missing:
            if not _is_whole(folder, entry.sha256):
                raise LinuxImageError(f"{entry.name} {entry.version}: it was fetched and is not whole")
            (folder / entry.sha256).replace(downloads / entry.sha256)
    named: list[Package | Wheel] = [lock.kernel, *lock.packages, *lock.wheels]
    return {entry.sha256: downloads / entry.sha256 for entry in named}


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Fetches into `folder`; `programs` ends all of it when one part fails."""

    target: Target
    folder: Path
    programs: Programs
    deadline: Deadline

    def packages(self, packages: Sequence[Package]) -> None:
        mirror = find_mirror()
        arguments: list[str] = []
        for package in packages:
            # As apt asks for them: a mirror need not know a "+" that is not quoted.
            address = f"{mirror}/{quote(package.path)}"
            arguments += (address, str(self.folder / package.sha256), f"SHA256:{package.sha256}")
        helper = find_programs(["apt-helper"])["apt-helper"]
        try:
            self.programs.run(
                (helper, "-qq", "-o", "APT::Sandbox::User=", "download-file", *arguments),
                f"{len(packages)} packages for {self.target.name}",
                self.deadline,
            )
        except LinuxImageError as error:
            raise _explained(error, self.target, packages) from error

    def wheel(self, wheel: Wheel) -> None:
        pinned = f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}"
        folder = self.folder / f"{wheel.name}.wheels"
        path = download_wheel(self.programs, pinned, wheel.platform, folder, self.deadline)
        path.replace(self.folder / wheel.sha256)


def _explained(error: LinuxImageError, target: Target, packages: Sequence[Package]) -> LinuxImageError:
    for pattern, what in ((_GONE, "is no longer in"), (_DIFFERS, "differs from the lock in")):
        found = pattern.search(error.message)
        if found:
            file = found[1].rsplit("/", 1)[-1]
            package = next((each for each in packages if quote(each.path).endswith(file)), None)
            name = f"{package.name} {package.version}" if package else file
            return LinuxImageOutdatedError(
                f"{name} ({target.name}) {what} the archive; the lock file of {target.name} names it",
                hint=f"python tools/build_linux_image.py --arch {target.name} --refresh writes a new lock",
            )
    return error


def download_wheel(
    programs: Programs, requirement: str, platform: str, folder: Path, deadline: Deadline
) -> Path:
    """The one wheel that meets the line of a requirements file, for another platform than the host's."""
    folder.mkdir()
    listed = folder / "requirements.txt"
    listed.write_text(requirement + "\n", encoding="ascii")
    tags = ("--platform", platform, "--python-version", PYTHON, "--implementation", "cp")
    programs.run(
        (
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"),
            *("--no-deps", "--only-binary=:all:", *tags, "--dest", str(folder), "-r", str(listed)),
        ),
        f"wheel {requirement.split()[0]}",
        deadline,
    )
    return next(folder.glob("*.whl"))


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_whole(folder: Path, sha256: str) -> bool:
    path = folder / sha256
    return path.is_file() and sha256_of(path) == sha256
