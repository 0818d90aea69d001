"""Writes a new lock: asks the archive which packages an image needs today, in which versions."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchrunner.deadline import Deadline
from benchrunner.durable import write_atomic
from benchrunner.errors import LinuxImageError
from benchrunner.linuxemu.fetch import download_wheel, sha256_of
from benchrunner.linuxemu.lock import Lock, Package, Wheel, format_lock, lock_path
from benchrunner.linuxemu.mirror import find_mirror
from benchrunner.linuxemu.programs import Programs, find_programs, run
from benchrunner.linuxemu.target import NOT_NEEDED, PACKAGES, SUITE, Target, WheelSource

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DEADLINE_S = 300.0


def refresh_lock(target: Target, *, progress: Callable[[str], None] = lambda _: None) -> Lock:
    """Write the lock of `target` anew; the packages' hashes are those that the archive signed.

    Raises `LinuxImageError` where it cannot be reached, or nothing here can check its signature.
    """
    deadline = Deadline(_DEADLINE_S)
    with tempfile.TemporaryDirectory(prefix="benchrunner-apt-") as name:
        apt = _Apt(target, Path(name), deadline)
        progress(f"index of {SUITE} for {target.name}")
        apt.update()
        packages = tuple(each for each in apt.needed() if not NOT_NEEDED.fullmatch(each.name))
        kernel = apt.kernel()
        wheels = []
        for number, source in enumerate(target.wheels):
            progress(f"{source.name} {source.version}")
            folder = Path(name) / f"wheel{number}"
            wheels.append(_wheel(source, folder, deadline))
    lock = Lock(SUITE, kernel, tuple(wheels), packages)
    path = lock_path(target)
    try:
        write_atomic(path, format_lock(target, lock).encode())
    except OSError as error:
        raise LinuxImageError(
            f"{path}: expected to write the lock, found: {error.strerror}",
            hint="work in a checkout of the project, where you may write",
        ) from error
    return lock


def _wheel(source: WheelSource, folder: Path, deadline: Deadline) -> Wheel:
    with Programs() as programs:
        requirement = f"{source.name}=={source.version}"
        path = download_wheel(programs, requirement, source.platform, folder, deadline)
    return Wheel(source.name, source.version, sha256_of(path), source.platform, source.folder)


class _Apt:
    """An apt of its own for another architecture; the machine's package database is neither read nor written.

    Only the suite itself is asked, not its security updates: those change weekly, and an image that reaches
    no network does not need them.
    """

    def __init__(self, target: Target, folder: Path, deadline: Deadline) -> None:
        self._target, self._deadline = target, deadline
        if not _KEYRING.is_file():
            raise LinuxImageError(
                f"{_KEYRING}: expected the keys of the Debian archive, found no such file",
                hint="apt-get install debian-archive-keyring",
            )
        for part in ("lists/partial", "cache/archives/partial", "sources"):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources" / "debian.sources").write_text(
            f"Types: deb\nURIs: {find_mirror()}\nSuites: {SUITE}\nComponents: main\nSigned-By: {_KEYRING}\n",
            encoding="utf-8",
        )
        settings = {
            "APT::Architecture": target.name,
            "APT::Architectures": target.name,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::ForceHash": "SHA256",
            "Dir::State": str(folder),
            "Dir::State::lists": str(folder / "lists"),
            "Dir::State::status": str(folder / "status"),
            "Dir::Cache": str(folder / "cache"),
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": str(folder / "sources"),
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
        }
        self._options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        self._programs = find_programs(["apt-get", "apt-cache"])

    def update(self) -> None:
        # An error of one index is a warning to apt, which would go on with what it has.
        self._run("apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update")

    def needed(self) -> list[Package]:
        """The packages and all that they depend on, by name."""
        printed = self._run("apt-get", "-qq", "--print-uris", "--yes", "install", *PACKAGES)
        files = re.findall(r"^'[^']+' (\S+)_\S+_\S+\.deb \d+ SHA256:", printed, re.MULTILINE)
        return self._described(files)

    def kernel(self) -> Package:
        printed = self._run("apt-cache", "depends", self._target.kernel)
        found = re.search(r"Depends: (linux-image-\d\S+)", printed)
        if found is None:
            raise LinuxImageError(
                f"{self._target.kernel}: expected it to depend on a kernel, found {printed!r}"
            )
        return self._described([found[1]])[0]

    def _described(self, names: list[str]) -> list[Package]:
        printed = self._run("apt-cache", "--no-all-versions", "show", *names)
        packages = []
        for stanza in printed.strip().split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|SHA256|Filename): (\S+)", stanza, re.MULTILINE))
            packages.append(
                Package(fields["Package"], fields["Version"], fields["SHA256"], fields["Filename"])
            )
        return sorted(packages, key=lambda package: package.name)

    def _run(self, program: str, *arguments: str) -> str:
        command = (self._programs[program], *self._options, *arguments)
        return run(command, f"{program} for {self._target.name}", self._deadline)
