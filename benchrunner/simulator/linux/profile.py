"""What a simulated Linux board is beside its board file: software versions, clocks, sizes, temperatures.

Versions: X-LINUX-AI v6.1.1 (its release notes). Operating points, thermal figures and disk sizes are
stated assumptions: no board was at hand (docs/decisions/simulated-linux-board.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.board import Board, LinuxSystem
from benchrunner.errors import UsageError


@dataclass(frozen=True, slots=True)
class Thermal:
    ambient_c: float
    idle_rise_c: float
    busy_rise_c: float  # with every CPU busy, in equilibrium
    time_constant_s: float
    passive_c: float  # the clock is lowered above
    critical_c: float


@dataclass(frozen=True, slots=True)
class Profile:
    board: Board
    linux: LinuxSystem
    hostname: str
    kernel: str
    architecture: str  # as `uname -m` has it
    cpu_part: str
    cpu_features: str
    frequencies_khz: tuple[int, ...]  # ascending
    governors: tuple[str, ...]
    default_governor: str
    thermal: Thermal
    accelerator_hz: int | None
    x_linux_ai: str
    tflite: str
    onnxruntime: str
    python: str
    xnnpack: bool
    rootfs_bytes: int
    rootfs_used_bytes: int
    userfs_bytes: int
    userfs_used_bytes: int

    @property
    def model(self) -> str:
        return next(text for text in self.linux.device_tree if "," not in text.partition(" ")[0])

    @property
    def compatible(self) -> tuple[str, ...]:
        return tuple(text for text in self.linux.device_tree if "," in text.partition(" ")[0])

    @property
    def has_npu(self) -> bool:
        return self.accelerator_hz is not None


_ARMV7 = "half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae"
_ARMV8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_PARTS = {"Cortex-A35": "0xd04", "Cortex-A7": "0xc07"}
# Lower operating points that Linux has for these chips beside the board file's clock; kHz.
_LOWER_KHZ = {"STM32MP25": (1_200_000,), "STM32MP15": (400_000, 650_000), "STM32MP13": (650_000,)}
_HOSTNAMES = {"stm32mp257f-dk": "stm32mp2-e3-d3-8a", "stm32mp157f-dk2": "stm32mp15-disco"}


def profile_of(board: Board) -> Profile:
    """Raises `UsageError` for a board that runs no Linux, or a core that is not known."""
    linux = board.linux
    if linux is None:
        raise UsageError(f"board {board.id!r} runs no Linux: expected kind linux, found {board.kind}")
    if linux.core not in _PARTS:
        raise UsageError(
            f"board {board.id!r}: no simulated board with a {linux.core}: expected {', '.join(_PARTS)}"
        )
    wide = linux.core == "Cortex-A35"
    top_khz = linux.clock_hz // 1000
    lower = next((khz for soc, khz in _LOWER_KHZ.items() if linux.soc.startswith(soc)), ())
    return Profile(
        board=board,
        linux=linux,
        hostname=_HOSTNAMES.get(board.id, board.id),
        kernel="6.6.78",
        architecture="aarch64" if wide else "armv7l",
        cpu_part=_PARTS[linux.core],
        cpu_features=_ARMV8 if wide else _ARMV7,
        frequencies_khz=(*(khz for khz in lower if khz < top_khz), top_khz),
        governors=("conservative", "ondemand", "userspace", "powersave", "performance", "schedutil"),
        default_governor="ondemand",
        thermal=Thermal(25.0, 14.0, 21.0 if linux.cpus > 1 else 12.0, 40.0, 85.0, 120.0),
        accelerator_hz=800_000_000 if "NPU" in linux.accelerators else None,
        x_linux_ai="v6.1.1",
        tflite="2.18.0",
        onnxruntime="1.19.2",
        python="3.12.9",
        xnnpack=False,  # not used by default since v6.1.1
        rootfs_bytes=2_400 << 20,
        rootfs_used_bytes=2_000 << 20,
        userfs_bytes=1_200 << 20,
        userfs_used_bytes=900 << 20,
    )
