"""The native timing loop for a board's processor, compiled here where there is a compiler."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchrunner.durable import write_atomic
from benchrunner.resources import user_cache_folder

SOURCE: Final = Path(__file__).with_name("native_loop.c")
_COMPILE_S: Final = 300.0  # the first call of zig prepares the C library's stubs
_FLAGS: Final = (
    *("-O2", "-fPIC", "-shared", "-s", "-fvisibility=hidden", "-std=gnu11", "-Wall", "-Wextra", "-Werror"),
)
# `uname -m` -> zig's target, with the oldest glibc of a board, and the prefix of Debian's cross compilers.
_TARGETS: Final = {
    "aarch64": ("aarch64-linux-gnu.2.27", "aarch64-linux-gnu-"),
    "armv7l": ("arm-linux-gnueabihf.2.27", "arm-linux-gnueabihf-"),
    "armv8l": ("arm-linux-gnueabihf.2.27", "arm-linux-gnueabihf-"),
    "x86_64": ("x86_64-linux-gnu.2.27", "x86_64-linux-gnu-"),
}


@dataclass(frozen=True, slots=True)
class NativeLoop:
    """The shared object for a board, or why there is none."""

    library: bytes | None
    remark: str  # the compiler, or the reason


def native_loop(machine: str) -> NativeLoop:
    """Compile the loop for `machine`, as `uname -m` names it; kept in the user's cache."""
    if machine not in _TARGETS:
        return NativeLoop(None, f"no native loop for processors that uname calls {machine!r}")
    problems = []
    for command in _compilers(machine):
        name = " ".join(Path(word).name if index == 0 else word for index, word in enumerate(command[:2]))
        try:
            return NativeLoop(_compiled(command), name)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or b""
            problems.append(f"{name}: {said.decode(errors='replace').strip()[:300] or error}")
    if problems:
        return NativeLoop(None, "; ".join(problems))
    return NativeLoop(
        None, f"no compiler for {machine}: pip install 'benchrunner[toolchain]' brings one for every board"
    )


def _compilers(machine: str) -> list[tuple[str, ...]]:
    """Commands that compile for `machine`, the quickest first.

    The loop needs one symbol of the C library, which is as old as the oldest board: any compiler's will do.
    """
    target, prefix = _TARGETS[machine]
    names = [f"{prefix}gcc"] + (["gcc", "cc"] if platform.machine() == machine else [])
    found: list[tuple[str, ...]] = [(path,) for path in map(shutil.which, names) if path]
    spec = importlib.util.find_spec("ziglang")
    if spec is not None and spec.submodule_search_locations:
        zig = Path(spec.submodule_search_locations[0]) / "zig"
        if zig.is_file():
            found.append((str(zig), "cc", "-target", target))
    return found


def _compiled(command: tuple[str, ...]) -> bytes:
    source = SOURCE.read_bytes()
    key = hashlib.sha256("\0".join((*command, *_FLAGS)).encode() + source).hexdigest()[:32]
    kept = user_cache_folder() / "native" / f"{key}.so"
    if kept.is_file():
        return kept.read_bytes()
    with tempfile.TemporaryDirectory(prefix="benchrunner-") as folder:
        made = Path(folder) / "loop.so"
        subprocess.run(
            [*command, *_FLAGS, "-o", str(made), str(SOURCE)],
            check=True,
            capture_output=True,
            timeout=_COMPILE_S,
            cwd=folder,
        )
        data = made.read_bytes()
    write_atomic(kept, data)
    return data
