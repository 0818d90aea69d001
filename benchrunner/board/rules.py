"""What a board file must satisfy beyond the types of its values: ranges, known names, what hangs together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Final

from benchrunner.config import Problem, Rule, Values, choices, close_matches, show

MCU_ENGINES: Final = ("aot", "st-edge-ai", "tflm")
LINUX_ENGINES: Final = ("tflite", "benchmark-model", "onnxruntime", "nbg")
NO_L0: Final = (
    "STM32L0 boards are not supported: with at most 192 KiB of flash and 20 KiB of RAM they hold none of the "
    "supported networks"
)

CLOCK_SOURCES: Final = ("HSE", "HSI16")
_CRYSTAL_PPM = 500  # the worst that a crystal or a resonator is sold with

_MCU_CORES = ("Cortex-M4", "Cortex-M7", "Cortex-M33")
_LINUX_CORES = ("Cortex-A7", "Cortex-A35")
_FPUS = {
    "Cortex-M4": ("none", "single"),
    "Cortex-M7": ("none", "single", "double"),
    "Cortex-M33": ("none", "single"),
}
_ADDRESS_END = 1 << 32
_MIB = 1 << 20
_GIB = 1 << 30

Path = tuple[str | int, ...]

# Key -> (smallest, largest, unit or meaning). The clock's lower bound finds MHz written as Hz.
_RANGES: dict[Path, tuple[float, float, str]] = {
    ("mcu", "chip", "chip_id"): (1, 0xFFF, "a 12-bit product id"),
    ("mcu", "chip", "clock_hz"): (1_000_000, 2_000_000_000, "Hz"),
    # Above 1.5 % a wrong PLL could not be told from a poor oscillator (docs/decisions/clock-limit.md).
    ("mcu", "chip", "clock_tolerance_ppm"): (0, 15_000, "ppm"),
    ("mcu", "chip", "icache_bytes"): (0, 64 * 1024, "bytes"),
    ("mcu", "chip", "dcache_bytes"): (0, 64 * 1024, "bytes"),
    ("mcu", "chip", "flash_wait_states"): (0, 15, "wait states, what FLASH_ACR.LATENCY can hold"),
    ("mcu", "flash", "base"): (0, _ADDRESS_END - 1, "a 32-bit address"),
    ("mcu", "flash", "size_bytes"): (1024, 64 * _MIB, "bytes"),
    ("mcu", "flash", "size_register"): (0, _ADDRESS_END - 2, "a 32-bit address"),
    ("mcu", "flash", "uid_register"): (0, _ADDRESS_END - 12, "a 32-bit address"),
    ("mcu", "flash", "erase_sector_s"): (0.0001, 60, "s"),
    ("mcu", "flash", "erase_mass_s"): (0.0001, 300, "s"),
    ("mcu", "bootloader", "base"): (0, _ADDRESS_END - 8, "a 32-bit address"),
    ("mcu", "bootloader", "version"): (0x10, 0xFF, "a version byte (0x31 is V3.1)"),
    ("mcu", "bootloader", "ram_used_to"): (0, _ADDRESS_END - 1, "a 32-bit address"),
    ("mcu", "serial", "baud_hz"): (1200, 12_000_000, "Bd"),
    ("linux", "cpus"): (1, 64, "processors"),
    ("linux", "clock_hz"): (1_000_000, 2_000_000_000, "Hz"),
    ("linux", "ram_bytes"): (_MIB, 64 * _GIB, "bytes"),
}
_RANGES_OF_ELEMENTS: dict[tuple[Path, str], tuple[float, float, str]] = {
    (("mcu", "flash", "sectors"), "count"): (1, 4096, "sectors"),
    (("mcu", "flash", "sectors"), "size_bytes"): (128, _MIB, "bytes"),
    (("mcu", "memories"), "base"): (0, _ADDRESS_END - 1, "a 32-bit address"),
    (("mcu", "memories"), "size_bytes"): (256, 64 * _MIB, "bytes"),
}
# Key -> (pattern, what it looks like)
_PATTERNS: dict[Path, tuple[str, str]] = {
    ("id",): (r"[a-z0-9]+(-[a-z0-9]+)*", "lower-case letters, digits and single hyphens"),
    ("name",): (r"\S(.*\S)?", "the name that the maker prints"),
    ("series",): (r"STM32[A-Z]+[0-9]+", 'a series such as "STM32H7"'),
    ("mcu", "chip", "part"): (r"STM32[A-Z0-9]+", 'a part number such as "STM32H747XI"'),
    ("mcu", "bootloader", "usart"): (r"(LP)?US?ART[1-9][0-9]?", 'a USART such as "USART1"'),
    ("mcu", "serial", "usart"): (r"(LP)?US?ART[1-9][0-9]?", 'a USART such as "USART1"'),
    ("linux", "soc"): (r"STM32MP[A-Z0-9]+", 'a part number such as "STM32MP257F"'),
}
_CHOICES: dict[Path, tuple[object, ...]] = {
    ("mcu", "chip", "core"): _MCU_CORES,
    ("mcu", "chip", "clock_source"): CLOCK_SOURCES,
    ("mcu", "flash", "write_bytes"): (1, 2, 4, 8, 16, 32),
    ("linux", "core"): _LINUX_CORES,
}


def rules_for(path: PurePath) -> tuple[Rule, ...]:
    """The rules for the board file `path`, whose name must be the board's id."""

    def named_as_file(values: Values) -> Iterator[Problem]:
        if values.at("id") != path.stem:
            yield Problem(("id",), f'"{path.stem}", the name of the file', show(values.at("id")))

    return (*_RULES, named_as_file)


def _ranges(values: Values) -> Iterator[Problem]:
    for path, limits in _RANGES.items():
        yield from _range(values, path, *limits)
    for (path, key), limits in _RANGES_OF_ELEMENTS.items():
        for index in range(_length(values, *path)):
            yield from _range(values, (*path, index, key), *limits)


def _range(values: Values, path: Path, smallest: float, largest: float, meaning: str) -> Iterator[Problem]:
    if values.usable(*path) and not smallest <= values.at(*path) <= largest:
        yield Problem(path, f"{smallest:_} to {largest:_} ({meaning})", f"{values.at(*path):_}")


def _patterns(values: Values) -> Iterator[Problem]:
    for path, (pattern, meaning) in _PATTERNS.items():
        if values.usable(*path) and not re.fullmatch(pattern, values.at(*path)):
            yield Problem(path, meaning, show(values.at(*path)))


def _choices(values: Values) -> Iterator[Problem]:
    for path, known in _CHOICES.items():
        if values.usable(*path) and values.at(*path) not in known:
            yield Problem(path, choices(known), show(values.at(*path)))


def _no_l0(values: Values) -> Iterator[Problem]:
    if values.at("series").upper().startswith("STM32L0"):
        yield Problem(("series",), "a supported series", f"{show(values.at('series'))}; {NO_L0}")


def _one_system(values: Values) -> Iterator[Problem]:
    kind = values.at("kind")
    other = {"mcu": "linux", "linux": "mcu"}[kind]
    if kind not in values.keys_at():
        yield Problem((kind,), f'a table [{kind}], because kind is "{kind}"', "nothing")
    if other in values.keys_at():
        yield Problem((other,), f'no table [{other}], because kind is "{kind}"', "one")


def _engines(values: Values) -> Iterator[Problem]:
    engines, kind = values.at("engines"), values.at("kind")
    known = {"mcu": MCU_ENGINES, "linux": LINUX_ENGINES}[kind]
    if not engines:
        yield Problem(("engines",), "at least one engine", "an empty list")
    for index, engine in enumerate(engines):
        path = ("engines", index)
        if engine not in known:
            hint = close_matches(engine, known)
            yield Problem(path, choices(known), show(engine) + (f" ({hint})" if hint else ""))
        elif engine in engines[:index]:
            yield Problem(path, "each engine once", f"{show(engine)} again")


def _fpu(values: Values) -> Iterator[Problem]:
    core, fpu = values.at("mcu", "chip", "core"), values.at("mcu", "chip", "fpu")
    if core in _FPUS and fpu not in _FPUS[core]:
        yield Problem(("mcu", "chip", "fpu"), f"{choices(_FPUS[core])} for {core}", show(fpu))


def _crystal(values: Values) -> Iterator[Problem]:
    path: Path = ("mcu", "chip", "clock_tolerance_ppm")
    if values.at("mcu", "chip", "clock_source") == "HSE" and values.at(*path) > _CRYSTAL_PPM:
        yield Problem(path, f"at most {_CRYSTAL_PPM} with HSE, a crystal", f"{values.at(*path):_}")


def _sectors_fill_flash(values: Values) -> Iterator[Problem]:
    flash: Path = ("mcu", "flash")
    runs = values.at(*flash, "sectors")
    total = sum(run["count"] * run["size_bytes"] for run in runs)
    size = values.at(*flash, "size_bytes")
    if total != size:
        yield Problem((*flash, "sectors"), f"sectors of {size} bytes in all (size_bytes)", f"{total} bytes")


def _sector_shapes(values: Values) -> Iterator[Problem]:
    for index in range(_length(values, "mcu", "flash", "sectors")):
        path: Path = ("mcu", "flash", "sectors", index, "size_bytes")
        if values.usable(*path) and values.at(*path) & (values.at(*path) - 1):
            yield Problem(path, "a power of two", str(values.at(*path)))


def _alignment(values: Values) -> Iterator[Problem]:
    yield from _aligned(values, ("mcu", "flash", "base"), 1024)
    yield from _aligned(values, ("mcu", "flash", "size_register"), 2)
    yield from _aligned(values, ("mcu", "flash", "uid_register"), 4)
    yield from _aligned(values, ("mcu", "bootloader", "base"), 4)
    for index in range(_length(values, "mcu", "memories")):
        yield from _aligned(values, ("mcu", "memories", index, "base"), 256)
        yield from _aligned(values, ("mcu", "memories", index, "size_bytes"), 256)


def _aligned(values: Values, path: Path, unit_bytes: int) -> Iterator[Problem]:
    if values.usable(*path) and values.at(*path) % unit_bytes:
        yield Problem(path, f"a multiple of {unit_bytes}", hex(values.at(*path)))


def _memories_named_once(values: Values) -> Iterator[Problem]:
    seen: set[str] = set()
    if _length(values, "mcu", "memories") == 0 and values.usable("mcu", "memories"):
        yield Problem(("mcu", "memories"), "at least one memory", "an empty list")
    for index in range(_length(values, "mcu", "memories")):
        path: Path = ("mcu", "memories", index, "name")
        if values.usable(*path):
            if values.at(*path) in seen:
                yield Problem(path, "a name of its own", f"{show(values.at(*path))} again")
            seen.add(values.at(*path))


def _regions_apart(values: Values) -> Iterator[Problem]:
    """No two of flash and memories overlap, and each ends within the 32-bit address space."""
    paths: list[Path] = [("mcu", "flash")]
    paths += [("mcu", "memories", index) for index in range(_length(values, "mcu", "memories"))]
    known: list[tuple[int, int, str]] = []
    for path in paths:
        if not (values.usable(*path, "base") and values.usable(*path, "size_bytes")):
            continue
        start = values.at(*path, "base")
        end = start + values.at(*path, "size_bytes")
        name = f"memory {show(values.at(*path, 'name'))}" if values.usable(*path, "name") else str(path[1])
        for other_start, other_end, other in known:
            if start < other_end and other_start < end:
                taken = f"{other} is 0x{other_start:08x}..0x{other_end - 1:08x}"
                free = f"addresses of its own ({taken})"
                yield Problem((*path, "base"), free, f"0x{start:08x}..0x{end - 1:08x}")
        if start < _ADDRESS_END < end:
            yield Problem((*path, "size_bytes"), "a region that ends below 4 GiB", f"an end at 0x{end:x}")
        known.append((start, end, name))


def _rom_ram_inside_memory(values: Values) -> Iterator[Problem]:
    used_to = values.at("mcu", "bootloader", "ram_used_to")
    memories = values.at("mcu", "memories")
    if not any(each["base"] < used_to < each["base"] + each["size_bytes"] for each in memories):
        yield Problem(
            ("mcu", "bootloader", "ram_used_to"), "an address inside one of the memories", hex(used_to)
        )


def _usb_ids(values: Values) -> Iterator[Problem]:
    path: Path = ("mcu", "serial", "usb_ids")
    ids = values.at(*path)
    if not ids:
        yield Problem(path, "at least one USB id, by which the board is found", "an empty list")
    for index, usb_id in enumerate(ids):
        if not re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", usb_id):
            yield Problem((*path, index), 'vendor and product such as "0483:374b", lower case', show(usb_id))


def _device_tree(values: Values) -> Iterator[Problem]:
    if not values.at("linux", "device_tree"):
        yield Problem(("linux", "device_tree"), "at least one string of the device tree", "an empty list")


def _length(values: Values, *path: str | int) -> int:
    """How many elements the list at `path` has: 0 where it is no list."""
    return len(values.at(*path)) if values.usable(*path) else 0


_RULES: Final[tuple[Callable[[Values], Iterator[Problem]], ...]] = (
    _ranges,
    _patterns,
    _choices,
    _no_l0,
    _one_system,
    _engines,
    _fpu,
    _crystal,
    _sectors_fill_flash,
    _sector_shapes,
    _alignment,
    _memories_named_once,
    _regions_apart,
    _rom_ram_inside_memory,
    _usb_ids,
    _device_tree,
)
