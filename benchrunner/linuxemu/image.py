"""The image of an architecture: kernel, initramfs, disk and keys, built once and kept in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchrunner.deadline import Deadline
from benchrunner.errors import LinuxImageError
from benchrunner.linuxemu.fetch import fetch
from benchrunner.linuxemu.initramfs import build_initramfs
from benchrunner.linuxemu.keys import make_key
from benchrunner.linuxemu.lock import Lock, lock_path, read_lock
from benchrunner.linuxemu.programs import as_root, find_programs, run
from benchrunner.linuxemu.target import Target
from benchrunner.linuxemu.userland import build_userland, host_python
from benchrunner.resources import user_cache_folder

FOLDER_VARIABLE = "BENCHRUNNER_LINUX_IMAGES"
"""Environment variable that names another folder for images than the user's cache."""

BUILD_DEADLINE_S = 900.0
_SPARE_MIB = 40  # free on the disk of the board
_UNUSED_DAYS = 30.0  # an image that nobody booted for so long is removed when another one is built
_HERE = Path(__file__).resolve().parent
# What decides the content of an image, and hence is part of its key.
_RECIPE = (
    *("initramfs.py", "keys.py", "target.py", "userland.py", "image.py"),
    *("onboard/init", "onboard/inittab", "onboard/boot", "onboard/fake_clocks", "onboard/ready"),
    "onboard/sshd_config",
)


@dataclass(frozen=True, slots=True)
class LinuxImage:
    """A built image; nothing in its folder changes."""

    target: Target
    key: str
    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        return self.folder / "initramfs.gz"

    @property
    def disk(self) -> Path:
        return self.folder / "root.ext4"

    @property
    def private_key(self) -> Path:
        """What logs in as root."""
        return self.folder / "user"

    @property
    def host_key(self) -> str:
        """The board's key, "ssh-ed25519 AAAA..."."""
        return " ".join((self.folder / "host.pub").read_text(encoding="ascii").split()[:2])


def image_folder() -> Path:
    """Where images and downloads are kept: BENCHRUNNER_LINUX_IMAGES, or below the user's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_cache_folder() / "linux"


def image_key(target: Target) -> str:
    """Names the content: same lock, same recipe, same key."""
    digest = hashlib.sha256(lock_path(target).read_bytes())
    for name in _RECIPE:
        digest.update(name.encode() + b"\0" + hashlib.sha256((_HERE / name).read_bytes()).digest())
    digest.update(b"compiled" if host_python() else b"sources only")
    return digest.hexdigest()[:16]


def build_image(
    target: Target,
    *,
    deadline: Deadline | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> LinuxImage:
    """The image of that architecture, from the cache if it is there.

    It is there whole or not at all, and built by one process at a time; others wait for it. Raises
    `MissingProgramsError`, `LinuxImageError` and its kinds, `DeadlineExceededError`.
    """
    deadline = deadline or Deadline(BUILD_DEADLINE_S)
    image = LinuxImage(target, key := image_key(target), image_folder() / f"{target.name}-{key}")
    if not image.folder.is_dir():
        needed = ["apt-helper", "dpkg-deb", "mke2fs", "ssh-keygen"]
        find_programs([*needed, *(["fakeroot"] if os.geteuid() else [])])
        with _only_builder(image, deadline, progress):
            if not image.folder.is_dir():
                _build(image, deadline, progress)
    os.utime(image.folder)  # when it was used last
    return image


def _build(image: LinuxImage, deadline: Deadline, progress: Callable[[str], None]) -> None:
    root, target = image.folder.parent, image.target
    for left in root.glob(f".{target.name}-*"):  # of a builder that was killed: ours is the only one now
        shutil.rmtree(left, ignore_errors=True)
    lock = read_lock(lock_path(target))
    progress(f"fetch {1 + len(lock.packages)} packages and {len(lock.wheels)} wheels for {target.name}")
    files = fetch(target, lock, root / "downloads", deadline)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=root))
    try:
        made = temporary / "image"
        made.mkdir(mode=0o700)
        _make(LinuxImage(target, image.key, made), lock, files, temporary, deadline, progress)
        made.rename(image.folder)
    except OSError as error:
        raise LinuxImageError(f"{error.filename or root}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in root.glob(f"{target.name}-*"):
        if old != image.folder and old.stat().st_mtime < time.time() - _UNUSED_DAYS * 86_400:
            shutil.rmtree(old, ignore_errors=True)


def _make(
    image: LinuxImage,
    lock: Lock,
    files: dict[str, Path],
    temporary: Path,
    deadline: Deadline,
    progress: Callable[[str], None],
) -> None:
    keys = {name: make_key(image.folder, name, deadline) for name in ("host", "user")}
    tree, kernel = temporary / "tree", temporary / "kernel"
    wheels = [(wheel, files[wheel.sha256]) for wheel in lock.wheels]
    packages = [files[package.sha256] for package in lock.packages]
    build_userland(image.target, packages, wheels, keys, tree, deadline, progress)
    progress("kernel and initramfs")
    program = find_programs(["dpkg-deb"])["dpkg-deb"]
    run((program, "-x", str(files[lock.kernel.sha256]), str(kernel)), lock.kernel.name, deadline)
    shutil.copyfile(next((kernel / "boot").glob("vmlinuz-*")), image.kernel)
    image.initramfs.write_bytes(build_initramfs(kernel, tree / "bin" / "busybox"))
    progress("file system")
    _make_disk(tree, image.disk, deadline)


def _make_disk(tree: Path, disk: Path, deadline: Deadline) -> None:
    """An ext4 file system with the content of `tree`, without mounting anything."""
    used = int(run(("du", "-sm", str(tree)), "size of the files", deadline).split()[0])
    program = find_programs(["mke2fs"])["mke2fs"]
    # No journal and no checksums: the disk is a throw-away copy at each boot.
    layout = ("-t", "ext4", "-O", "^has_journal,^metadata_csum", "-E", "lazy_itable_init=1", "-m", "0")
    run(
        # Both SSH servers of the board refuse keys that do not belong to root.
        as_root((program, "-q", "-F", *layout, "-d", str(tree), str(disk), f"{used + _SPARE_MIB}M")),
        "file system",
        deadline,
    )


@contextmanager
def _only_builder(image: LinuxImage, deadline: Deadline, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to build; the kernel gives it back when its holder dies."""
    root = image.folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / f"{image.target.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LinuxImageError(
            f"{root}: expected a folder to keep images in, found: {error.strerror}",
            hint=f"set {FOLDER_VARIABLE} to a folder of yours",
        ) from error
    try:
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress(f"wait for another process that builds the image of {image.target.name}")
                    told = True
                deadline.check(f"image of {image.target.name}, which another process builds")
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)
