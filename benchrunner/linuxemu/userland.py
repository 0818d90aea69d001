"""The board's root file system as a folder: packages unpacked, and set up without running their scripts.

Nothing of the board's architecture is executed, so what a script of a package does on installation (accounts,
links, host keys) is done here in Python.
"""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

from benchrunner.deadline import Deadline
from benchrunner.errors import LinuxImageError
from benchrunner.linuxemu.keys import KeyPair, for_dropbear
from benchrunner.linuxemu.lock import Wheel
from benchrunner.linuxemu.programs import Programs, find_programs, run
from benchrunner.linuxemu.target import LITERT_FOLDER, PYTHON, TFLITE_FOLDER, Target

_ONBOARD = Path(__file__).resolve().parent / "onboard"
_MOUNT_POINTS = ("dev", "proc", "run", "sys", "tmp")
_APPLETS = {
    "bin": ("hostname", "mount", "umount", "dmesg", "df"),
    "sbin": ("init", "poweroff", "reboot", "halt"),
    "usr/bin": ("free", "top", "uptime", "killall", "awk", "less", "vi", "which", "sha256sum", "tar", "gzip"),
}
# Never looked at on the board, and a third of its size. Below "usr/".
_UNUSED = (
    *("share/doc", "share/man", "share/locale", "share/info", "share/lintian", "share/zoneinfo", "share/bug"),
    *("share/perl", "share/perl5", "lib/locale", "share/common-licenses"),
    *("lib/{triplet}/gconv", "lib/{triplet}/perl", "lib/{triplet}/perl-base"),
    *("lib/python3.11/ensurepip", "lib/python3.11/idlelib", "lib/python3.11/lib2to3"),
    *("lib/python3.11/pydoc_data", "lib/python3.11/tkinter", "lib/python3.11/turtledemo"),
    *("lib/python3/dist-packages/numpy/f2py", "lib/python3/dist-packages/numpy/distutils"),
)


def build_userland(
    target: Target,
    packages: Sequence[Path],
    wheels: Sequence[tuple[Wheel, Path]],
    keys: Mapping[str, KeyPair],
    tree: Path,
    deadline: Deadline,
    progress: Callable[[str], None],
) -> None:
    """Make the file system below `tree`; `keys` has the `host`'s and the `user`'s."""
    progress(f"unpack {len(packages)} packages")
    tree.mkdir()
    program = find_programs(["dpkg-deb"])["dpkg-deb"]
    with ThreadPoolExecutor() as pool, Programs() as programs:
        for _ in pool.map(
            lambda path: programs.run((program, "-x", path, tree), path.name, deadline), packages
        ):
            pass
    for wheel, path in wheels:
        with ZipFile(path) as archive:
            archive.extractall(tree / wheel.folder)
    _remove_unused(target, tree)
    _link(target, tree)
    _write_accounts(tree)
    _write_settings(tree, keys)
    progress("compile Python")
    _compile_python(tree, deadline)


def _remove_unused(target: Target, tree: Path) -> None:
    for name in _UNUSED:
        shutil.rmtree(tree / "usr" / name.format(triplet=target.triplet), ignore_errors=True)
    for path in (tree / TFLITE_FOLDER / "numpy").rglob("tests"):
        shutil.rmtree(path)


def _link(target: Target, tree: Path) -> None:
    libraries = f"usr/lib/{target.triplet}"
    links = {
        "bin/sh": "dash",
        "usr/bin/python3": f"python{PYTHON}",
        # numpy does not import without.
        f"{libraries}/libblas.so.3": "blas/libblas.so.3",
        f"{libraries}/liblapack.so.3": "lapack/liblapack.so.3",
    }
    for folder, names in _APPLETS.items():
        links |= {f"{folder}/{name}": "/bin/busybox" for name in names}
    for name, goal in links.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.exists() or path.is_symlink()):
            path.symlink_to(goal)
    for name in _MOUNT_POINTS:
        (tree / name).mkdir(exist_ok=True)


def _write_accounts(tree: Path) -> None:
    masters = tree / "usr/share/base-passwd"
    accounts = (masters / "passwd.master").read_text(encoding="ascii")
    if "root:*:" not in accounts:
        raise LinuxImageError("base-passwd: expected an account `root:*:`, found none")
    accounts = accounts.replace("root:*:", "root:x:", 1)
    # sshd gives up its rights to this one before anybody has logged in.
    accounts += "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
    etc = tree / "etc"
    (etc / "passwd").write_text(accounts, encoding="ascii")
    shutil.copyfile(masters / "group.master", etc / "group")
    # No password is `*`; `!` would lock the account for keys, too.
    _write_secret(etc / "shadow", b"root:*:19000:0:99999:7:::\n")
    # dropbear lets nobody in whose shell is not listed.
    (etc / "shells").write_text("/bin/sh\n/bin/bash\n", encoding="ascii")


def _write_settings(tree: Path, keys: Mapping[str, KeyPair]) -> None:
    etc = tree / "etc"
    (etc / "hostname").write_text("emulated\n", encoding="ascii")
    (etc / "hosts").write_text("127.0.0.1 localhost emulated\n", encoding="ascii")
    shutil.copyfile(_ONBOARD / "inittab", etc / "inittab")
    shutil.copyfile(_ONBOARD / "sshd_config", etc / "ssh" / "sshd_config")
    (etc / "benchrunner").mkdir()
    for name in ("boot", "fake_clocks", "ready"):
        shutil.copyfile(_ONBOARD / name, etc / "benchrunner" / name)
        (etc / "benchrunner" / name).chmod(0o755)
    host, user = keys["host"], keys["user"]
    _write_secret(etc / "ssh" / "ssh_host_ed25519_key", host.private)
    (etc / "dropbear").mkdir(exist_ok=True)
    _write_secret(etc / "dropbear" / "host_key", for_dropbear(host.private))
    home = tree / "root" / ".ssh"
    home.mkdir(mode=0o700)
    _write_secret(home / "authorized_keys", f"{user.public}\n".encode())
    for path in (tree, tree / "root"):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)  # a umask of 002 makes sshd refuse the keys


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(0o600)


def _compile_python(tree: Path, deadline: Deadline) -> None:
    """Byte code for what is imported there: on the board numpy alone would take ten seconds of each boot."""
    program = host_python()
    if program is None:
        return
    folders = [f"usr/lib/python{PYTHON}", TFLITE_FOLDER, LITERT_FOLDER]
    run(
        (
            # Not checked on the board: the sources there do not change, and a check is a system call each.
            *(program, "-m", "compileall", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(tree), "-p", "/", *(str(tree / name) for name in folders if (tree / name).is_dir())),
        ),
        "byte code",
        deadline,
    )


def host_python() -> str | None:
    """A Python of this machine that makes byte code for the board; without one, it compiles by itself."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON:
        return sys.executable
    # Not every file of that name is an interpreter: version managers put a stand-in there.
    check = "import sys; sys.exit(sys.version_info[:2] != (3, 11))"
    for program in (shutil.which(f"python{PYTHON}"), f"/usr/bin/python{PYTHON}"):
        if program is not None and Path(program).exists():
            try:
                run((program, "-c", check), f"look for Python {PYTHON}", Deadline(20.0))
            except LinuxImageError:
                continue
            return program
    return None
