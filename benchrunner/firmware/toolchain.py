"""Which compiler builds the firmware, and with which flags for which core."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from benchrunner.errors import UsageError


class ToolchainKind(StrEnum):
    GCC = "gcc"  # arm-none-eabi-gcc
    ZIG = "zig"  # the clang in the wheel `ziglang`


# Single precision everywhere, also where the core has doubles: the engine computes in integers, the images
# then run on the instruction-set emulator, which has single precision only, and one set of objects serves all
# parts of a core.
_GCC_TARGETS: Mapping[str, tuple[str, ...]] = {
    "Cortex-M4": ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "Cortex-M7": ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "Cortex-M33": ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "Cortex-M55": ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
}
# zig's CPU names carry neither FPU nor DSP; without them the code is soft-float without a word.
_ZIG_TARGET = ("-target", "thumb-freestanding-eabihf")
_ZIG_TARGETS: Mapping[str, tuple[str, ...]] = {
    "Cortex-M4": (*_ZIG_TARGET, "-mcpu=cortex_m4+vfp4d16sp"),
    "Cortex-M7": (*_ZIG_TARGET, "-mcpu=cortex_m7+fp_armv8d16sp"),
    "Cortex-M33": (*_ZIG_TARGET, "-mcpu=cortex_m33+dsp+fp_armv8d16sp"),
    "Cortex-M55": (*_ZIG_TARGET, "-mcpu=cortex_m55+mve_fp+fp_armv8d16"),
}

_COMMON = (
    "-std=c11",
    "-O2",
    "-g",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
)
_ZIG_ONLY = ("-ffreestanding", "-fno-sanitize=undefined")  # zig cc adds the sanitizer on its own
_LINK = ("-Wl,--gc-sections",)
_GCC_LINK = ("-nostdlib", "-nostartfiles", "-Wl,--no-warn-rwx-segments")
_GCC_LIBRARIES = ("-lc", "-lgcc")  # memcpy, memset; 64-bit division

INSTALL_HINT = (
    "install the Arm compiler (Debian: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi), "
    "or the one that pip has: pip install 'benchrunner[toolchain]'"
)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler that is there. `command` takes the arguments of a C compiler."""

    kind: ToolchainKind
    command: tuple[str, ...]
    version: str  # "12.2.1"

    @property
    def title(self) -> str:
        name = "arm-none-eabi-gcc" if self.kind is ToolchainKind.GCC else "zig cc"
        return f"{name} {self.version}"


@dataclass(frozen=True, slots=True)
class Flags:
    """What the compiler is called with, but for files."""

    compile: tuple[str, ...]
    link: tuple[str, ...]
    libraries: tuple[str, ...]

    @property
    def text(self) -> str:
        """For the manifest: what decides about the machine code."""
        return " ".join(flag for flag in self.compile if not flag.startswith(("-W", "-g")))


def flags_for(kind: ToolchainKind, core: str) -> Flags:
    """The flags for a `core` as board files name it. Raises `UsageError` for one that is not known."""
    targets = _GCC_TARGETS if kind is ToolchainKind.GCC else _ZIG_TARGETS
    if core not in targets:
        raise UsageError(
            f"core {core}: no compiler flags are known for it", hint=f"known: {', '.join(targets)}"
        )
    target = targets[core]
    if kind is ToolchainKind.GCC:
        return Flags((*target, *_COMMON), (*target, *_GCC_LINK, *_LINK), _GCC_LIBRARIES)
    # zig asks its linker for an entry of its own, whatever the script says.
    return Flags((*target, *_COMMON, *_ZIG_ONLY), (*target, *_LINK, "-Wl,--entry=Reset_Handler"), ())


def find_toolchain(kind: ToolchainKind | None = None) -> Toolchain:
    """The compiler `kind`, or the first that is installed: arm-none-eabi-gcc, then zig.

    Raises `UsageError` that says what to install.
    """
    finders = {ToolchainKind.GCC: _gcc, ToolchainKind.ZIG: _zig}
    wanted = [kind] if kind else list(finders)
    for each in wanted:
        found = finders[each]()
        if found is not None:
            return found
    names = " and ".join("arm-none-eabi-gcc" if each is ToolchainKind.GCC else "ziglang" for each in wanted)
    missing = "neither arm-none-eabi-gcc nor ziglang is" if len(wanted) > 1 else f"{names} is not"
    raise UsageError(f"no compiler for Arm microcontrollers: {missing} installed", hint=INSTALL_HINT)


def _gcc() -> Toolchain | None:
    path = shutil.which("arm-none-eabi-gcc")
    return Toolchain(ToolchainKind.GCC, (path,), _answer((path, "-dumpfullversion"))) if path else None


def _zig() -> Toolchain | None:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / ("zig.exe" if sys.platform == "win32" else "zig")
    if not path.is_file():
        return None
    return Toolchain(ToolchainKind.ZIG, (str(path), "cc"), _answer((str(path), "version")))


@cache
def _answer(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{command[0]}: does not say its version: {error}", hint=INSTALL_HINT) from error
    return done.stdout.strip()
