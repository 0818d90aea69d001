"""Every kind of mistake in a board file is reported with file, line and key."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchrunner.board import load_board_file
from benchrunner.errors import ConfigError
from benchrunner.resources import shipped

# What is replaced in a good file, by what, and the problems (key, expected or found) in the order of lines.
MCU_MISTAKES = [
    ('id = "stm32h747i-disco"', 'id = "other"', [("id", '"stm32h747i-disco", the name of the file')]),
    ('id = "stm32h747i-disco"', 'id = "Other Board"', [("id", "lower-case"), ("id", "the name of the file")]),
    ('name = "STM32H747I-DISCO"\n', "", [("name", "expected a text in quotes, found nothing")]),
    ('name = "STM32H747I-DISCO"', 'name = " "', [("name", "the name that the maker prints")]),
    ('series = "STM32H7"', 'series = "H7"', [("series", 'a series such as "STM32H7"')]),
    ('series = "STM32H7"', 'series = "STM32L0"', [("series", "192 KiB of flash and 20 KiB of RAM")]),
    ('kind = "mcu"', 'kind = "fpga"', [("kind", 'expected "mcu" or "linux", found "fpga"')]),
    (
        'kind = "mcu"',
        'kind = "linux"',
        [("linux", "a table [linux]"), ("engines[0]", '"tflite" or'), ("mcu", "no table")],
    ),
    ('engines = ["aot"]', 'engines = ["oat"]', [("engines[0]", "did you mean 'aot'?")]),
    ('engines = ["aot"]', 'engines = ["aot", "aot"]', [("engines[1]", "each engine once")]),
    ('engines = ["aot"]', "engines = []", [("engines", "at least one engine")]),
    (
        'engines = ["aot"]',
        'engines = "aot"',
        [("engines", 'expected a list, each element a text in quotes, found "aot"')],
    ),
    ('part = "STM32H747XI"', 'part = "AT91"', [("mcu.chip.part", "a part number")]),
    ("chip_id = 0x450", "chip_id = 0x1450", [("mcu.chip.chip_id", "a 12-bit product id), found 5_200")]),
    ("chip_id = 0x450", "chip_id = 0", [("mcu.chip.chip_id", "a 12-bit product id")]),
    (
        "chip_id = 0x450",
        'chip_id = "0x450"',
        [("mcu.chip.chip_id", 'expected a whole number, found "0x450"')],
    ),
    ('core = "Cortex-M7"', 'core = "Cortex-M8"', [("mcu.chip.core", '"Cortex-M33", found "Cortex-M8"')]),
    (
        "clock_hz = 400_000_000",
        "clock_hz = 0",
        [("mcu.chip.clock_hz", "1_000_000 to 2_000_000_000 (Hz), found 0")],
    ),
    ("clock_hz = 400_000_000", "clock_hz = 400", [("mcu.chip.clock_hz", "found 400")]),
    ("clock_hz = 400_000_000", "clock_hz = 2_000_000_001", [("mcu.chip.clock_hz", "found 2_000_000_001")]),
    ("clock_hz = 400_000_000", "clock_hz = 4e8", [("mcu.chip.clock_hz", "expected a whole number")]),
    (
        "clock_hz = 400_000_000",
        "clock_mhz = 400",
        [("mcu.chip.clock_hz", "found nothing"), ("mcu.chip.clock_mhz", "did you mean 'clock_hz'")],
    ),
    (
        'clock_source = "HSE"',
        'clock_source = "LSE"',
        [("mcu.chip.clock_source", 'expected "HSE" or "HSI16"')],
    ),
    (
        "clock_tolerance_ppm = 100",
        "clock_tolerance_ppm = 5_000",
        [("mcu.chip.clock_tolerance_ppm", "at most 500")],
    ),
    (
        "clock_tolerance_ppm = 100",
        "clock_tolerance_ppm = 20_000",
        [
            ("mcu.chip.clock_tolerance_ppm", "0 to 15_000 (ppm)"),
            ("mcu.chip.clock_tolerance_ppm", "at most 500"),
        ],
    ),
    ('fpu = "double"', 'fpu = "quad"', [("mcu.chip.fpu", 'for Cortex-M7, found "quad"')]),
    ("dcache_bytes = 16_384", "dcache_bytes = -1", [("mcu.chip.dcache_bytes", "found -1")]),
    ("icache_bytes = 16_384", "icache_bytes = 1_000_000", [("mcu.chip.icache_bytes", "found 1_000_000")]),
    (
        "flash_wait_states = 2",
        "flash_wait_states = 16",
        [("mcu.chip.flash_wait_states", "FLASH_ACR.LATENCY")],
    ),
    ("base = 0x0800_0000", "base = 0x0800_0004", [("mcu.flash.base", "a multiple of 1024, found 0x8000004")]),
    ("base = 0x0800_0000", "base = 0x1_0000_0000", [("mcu.flash.base", "a 32-bit address")]),
    (
        "size_bytes = 2_097_152",
        "size_bytes = 1_048_576",
        [("mcu.flash.sectors", "1048576 bytes in all (size_bytes), found 2097152")],
    ),
    ("write_bytes = 32", "write_bytes = 3", [("mcu.flash.write_bytes", "found 3")]),
    ("rewritable = false", "rewritable = 0", [("mcu.flash.rewritable", "expected true or false, found 0")]),
    (
        "count = 16",
        "count = 0",
        [("mcu.flash.sectors", "found 0 bytes"), ("mcu.flash.sectors[0].count", "found 0")],
    ),
    (
        "count = 16, size_bytes = 131_072",
        "count = 16, size_bytes = 131_073",
        [("mcu.flash.sectors", "found 2097168"), ("mcu.flash.sectors[0].size_bytes", "a power of two")],
    ),
    (
        "count = 16,",
        "number = 16,",
        [("mcu.flash.sectors[0].count", "found nothing"), ("mcu.flash.sectors[0].number", "unknown key")],
    ),
    (
        "size_register = 0x1FF1_E880",
        "size_register = 0x1FF1_E881",
        [("mcu.flash.size_register", "a multiple of 2")],
    ),
    ("erase_sector_s = 1.1", "erase_sector_s = 0", [("mcu.flash.erase_sector_s", "found 0")]),
    (
        "erase_mass_s = 6.0",
        "erase_mass_s = inf",
        [("mcu.flash.erase_mass_s", "expected a finite number, found inf")],
    ),
    (
        "base = 0x2400_0000",
        "base = 0x2001_0000",
        [("mcu.memories[1].base", 'memory "DTCM" is 0x20000000..0x2001ffff')],
    ),
    (
        "base = 0x2400_0000",
        "base = 0x0810_0000",
        [("mcu.memories[1].base", "flash is 0x08000000..0x081fffff")],
    ),
    ("base = 0x2400_0000", "base = 0x2400_0001", [("mcu.memories[1].base", "a multiple of 256")]),
    ("base = 0x2400_0000", "base = 0xFFFF_F000", [("mcu.memories[1].size_bytes", "below 4 GiB")]),
    ('name = "AXI SRAM"', 'name = "DTCM"', [("mcu.memories[1].name", "a name of its own")]),
    ("size_bytes = 524_288", "size_bytes = 0", [("mcu.memories[1].size_bytes", "found 0")]),
    ("base = 0x1FF0_9800", "base = 0x1FF0_9802", [("mcu.bootloader.base", "a multiple of 4")]),
    ("version = 0x31", "version = 3.1", [("mcu.bootloader.version", "expected a whole number, found 3.1")]),
    ("version = 0x31", "version = 3", [("mcu.bootloader.version", "0x31 is V3.1")]),
    (
        "ram_used_to = 0x2000_4100",
        "ram_used_to = 0x1000_0000",
        [("mcu.bootloader.ram_used_to", "inside one of the memories")],
    ),
    (
        'usart = "USART1"  # PA9 TX',
        'usart = "COM1"  # PA9 TX',
        [("mcu.serial.usart", 'a USART such as "USART1"')],
    ),
    ("baud_hz = 115_200", "baud_hz = 0", [("mcu.serial.baud_hz", "found 0")]),
    ('"0483:374e"', '"0483-374E"', [("mcu.serial.usb_ids[0]", 'such as "0483:374b"')]),
    ('["0483:374e", "0483:3754", "0483:3753"]', "[]", [("mcu.serial.usb_ids", "at least one USB id")]),
    ("boot_lines = false", 'boot_lines = "no"', [("mcu.serial.boot_lines", "expected true or false")]),
    (
        "[mcu.serial]",
        "[mcu.port]",
        [("mcu.serial", "expected a table, found nothing"), ("mcu.port", "unknown key 'port'")],
    ),
]
ELSEWHERE = {"mcu.flash.sectors", "mcu.memories[1].size_bytes", "linux", "engines[0]", "mcu"}
LINUX_MISTAKES = [
    ("cpus = 2", "cpus = 0", [("linux.cpus", "found 0")]),
    ("clock_hz = 1_500_000_000", "clock_hz = 1500", [("linux.clock_hz", "found 1_500")]),
    ("ram_bytes = 4_294_967_296", "ram_bytes = 4", [("linux.ram_bytes", "found 4")]),
    ('core = "Cortex-A35"', 'core = "Cortex-M7"', [("linux.core", '"Cortex-A7" or "Cortex-A35"')]),
    ('soc = "STM32MP257F"', 'soc = "i.MX8"', [("linux.soc", "a part number")]),
    ('"nbg"]', '"aot"]', [("engines[3]", '"nbg", found "aot"')]),
    ("[linux]", "[mcu]", [("linux", "a table [linux]")]),
]


def mistakes(tmp_path: Path, board_id: str, good: str, bad: str) -> tuple[int, list[str]]:
    """The line that was changed, and the problems without the name of the file."""
    text = (shipped("boards") / f"{board_id}.toml").read_text()
    file = tmp_path / f"{board_id}.toml"
    file.write_text(text.replace(good, bad, 1))
    with pytest.raises(ConfigError) as caught:
        load_board_file(file)
    problems = caught.value.message.splitlines()
    assert all(problem.startswith(f"{file}:") for problem in problems)
    changed = text[: text.index(good)].count("\n") + 1
    return changed, [problem.removeprefix(f"{file}:") for problem in problems]


@pytest.mark.parametrize(("good", "bad", "expected"), MCU_MISTAKES, ids=[bad for _, bad, _ in MCU_MISTAKES])
def test_a_mistake_in_a_board_file_has_its_line_and_key(
    tmp_path: Path, good: str, bad: str, expected: list[tuple[str, str]]
) -> None:
    changed, problems = mistakes(tmp_path, "stm32h747i-disco", good, bad)
    found = [re.fullmatch(r"(\d+):\d+: ([^ ]+): (expected .+, found .+)", problem) for problem in problems]
    assert [match[2] for match in found if match] == [key for key, _ in expected]
    for match, (key, text_part) in zip(found, expected, strict=True):
        assert match is not None
        assert text_part in match[3]
        # What is wrong only together with what was changed is reported at its own line.
        elsewhere = key in ELSEWHERE or "found nothing" in match[3]
        assert elsewhere or int(match[1]) == changed


@pytest.mark.parametrize(
    ("good", "bad", "expected"), LINUX_MISTAKES, ids=[bad for _, bad, _ in LINUX_MISTAKES]
)
def test_a_mistake_in_the_file_of_a_linux_board_has_its_key(
    tmp_path: Path, good: str, bad: str, expected: list[tuple[str, str]]
) -> None:
    _, problems = mistakes(tmp_path, "stm32mp257f-dk", good, bad)
    for key, text_part in expected:
        assert [problem for problem in problems if f": {key}: " in problem and text_part in problem]


VALUES = st.sampled_from(
    ["0", "-1", "1.5", "true", '""', '"x"', "[]", "[1]", "[{}]", "{}", "1979-05-27", "nan"]
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(["stm32f469i-disco", "stm32mp257f-dk"]), st.data())
def test_a_file_with_any_lines_changed_loads_or_is_refused_with_lines(
    board_id: str, data: st.DataObject
) -> None:
    source = (shipped("boards") / f"{board_id}.toml").read_text().splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(source) - 1))
        line = source[index]
        other_value = f"{line.partition(' = ')[0]} = {data.draw(VALUES)}"
        source[index] = data.draw(st.sampled_from(["", line[:-3], f"x{line}", other_value]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{board_id}.toml"
        file.write_text("\n".join(source))
        try:
            assert load_board_file(file).id == board_id
        except ConfigError as error:
            for problem in error.message.splitlines():
                assert re.match(rf"{re.escape(str(file))}:\d+:\d+: [^:]+: expected ", problem)


def test_the_first_and_the_last_mistake_of_a_file_are_reported_together(tmp_path: Path) -> None:
    text = (shipped("boards") / "stm32h747i-disco.toml").read_text()
    text = text.replace("chip_id = 0x450", "chip_id = 0x10000").replace("count = 16", "count = 15")
    file = tmp_path / "stm32h747i-disco.toml"
    file.write_text(text.replace("boot_lines = false", "boot_line = false") + "extra = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_board_file(file)
    keys = [problem.split(": ")[1] for problem in caught.value.message.splitlines()]
    assert keys == [
        "mcu.chip.chip_id",
        "mcu.flash.sectors",
        "mcu.serial.boot_lines",
        "mcu.serial.boot_line",
        "mcu.serial.extra",
    ]
