"""Compares the registers in firmware/ports with tables of the parts, one CSV file per part.

A table has the columns peripheral, base_address, register, offset, reset_value, field, bit_offset, bit_width,
as they come out of the vendor's SVD descriptions. The tables are not part of the project:

    python tools/check_registers.py --tables DIR

Every base address, register offset and bit field that a family uses is looked up in the table of each of its
parts. What a table does not have is listed as not covered; a difference that the reference manual explains is
listed with the reason; any other difference is an error (exit status 1).
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PORTS = Path(__file__).resolve().parent.parent / "firmware" / "ports"

# Family -> headers it includes. cortex_m's registers are the core's: no part's table has them.
HEADERS = {
    "stm32h7": ["stm32/stm32_registers.h", "stm32/usart_registers.h", "stm32h7/family_registers.h"],
    "stm32f7": ["stm32/stm32_registers.h", "stm32/usart_registers.h", "stm32f4_f7/rcc_f4_f7.h",
                "stm32f7/family_registers.h"],
    "stm32f4": ["stm32/stm32_registers.h", "stm32f4_f7/rcc_f4_f7.h", "stm32f4/family_registers.h"],
    "stm32l4": ["stm32/stm32_registers.h", "stm32/usart_registers.h", "stm32l4/family_registers.h"],
    "stm32u5": ["stm32/stm32_registers.h", "stm32/usart_registers.h", "stm32u5/family_registers.h"],
}  # fmt: skip

# Table -> family and the parts that it describes.
TABLES = {
    "stm32h743.csv": ("stm32h7", "STM32H747 (the table's part is the H743)"),
    "stm32h7a3.csv": ("stm32h7", "STM32H7A3"),
    "stm32f7x9.csv": ("stm32f7", "STM32F746, F769"),
    "stm32l4x5.csv": ("stm32l4", "STM32L475"),
    "stm32l4r9.csv": ("stm32l4", "STM32L4R5, L4R9"),
    "stm32f405.csv": ("stm32f4", "STM32F405"),
}
NO_TABLE = {
    "stm32f4": "STM32F401, F469",
    "stm32u5": "STM32U575, U585",
}

# Names that the tables write differently: ours -> theirs, tried in turn.
PERIPHERALS = {
    "GPIO": ["GPIOA"],
    "USART": ["USART1"],
    "DBGMCU": ["DBGMCU", "DBG"],
    "FLASH": ["FLASH", "Flash"],
}
REGISTERS = {
    "PWR_CR": ["CR", "CR1"],
    "PWR_CSR": ["CSR", "CSR1"],
    "GPIO_OSPEEDR": ["OSPEEDR", "GPIOB_OSPEEDR"],
}
FIELDS = {"PWR_CR3_SMPSEN": ["SMPSEN", "SDEN", "SCUEN"]}

# (table, name) -> why the reference manual is right and the table, or its part, differs.
EXPLAINED = {
    (
        "stm32f405.csv",
        "FLASH_ACR_LATENCY",
    ): "4 bits in RM0368 and RM0386 (F401, F469); the fourth is 0 in the F405",
    ("stm32l4x5.csv", "DBGMCU_IDCODE_DEV_ID"): "DEV_ID is [11:0] in RM0351; the bits above are reserved",
    ("stm32l4r9.csv", "DBGMCU_IDCODE_DEV_ID"): "DEV_ID is [11:0] in RM0432; the bits above are reserved",
    ("stm32l4r9.csv", "RCC_PLLCFGR_PLLM"): "the L4+ has a fourth bit; the setting used does not need it",
}


@dataclass
class Registers:
    """Numbers of one family: names as in the headers."""

    bases: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, tuple[str, str, int]] = field(
        default_factory=dict
    )  # name -> peripheral, register, offset
    masks: dict[str, tuple[str, int]] = field(default_factory=dict)  # name -> register's name, mask


@dataclass
class Part:
    """One table: numbers by the table's names."""

    bases: dict[str, int] = field(default_factory=dict)
    offsets: dict[tuple[str, str], int] = field(default_factory=dict)
    masks: dict[tuple[str, str, str], int] = field(default_factory=dict)


@dataclass
class Outcome:
    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)


_DEFINE = re.compile(r"^#define (\w+) (0x[0-9A-Fa-f]+u|BITS?\([\d, ]+\))", re.MULTILINE)


def read_headers(paths: list[Path]) -> Registers:
    """The registers that these headers define: P_BASE, P_R (a plain hex number), P_R_F (BIT() or BITS())."""
    numbers: dict[str, str] = {}
    for path in paths:
        numbers.update(_DEFINE.findall(path.read_text()))
    found = Registers()
    for name, text in numbers.items():
        if name.endswith("_BASE"):
            found.bases[name.removesuffix("_BASE")] = int(text[:-1], 16)
    peripherals = sorted({*found.bases, "GPIO", "USART"}, key=len, reverse=True)
    for name, text in numbers.items():
        owner = next((p for p in peripherals if name.startswith(p + "_")), None)
        register = name.removeprefix(f"{owner}_")
        # A plain number behind the name of a register is a value to write, not an offset.
        plain = text.startswith("0x") and not any(name.startswith(f"{other}_") for other in found.offsets)
        if owner and plain and register not in ("BASE", "STEP"):
            found.offsets[name] = (owner, register, int(text[:-1], 16))
    for name, text in numbers.items():
        if text.startswith("BIT"):
            register = max((r for r in found.offsets if name.startswith(f"{r}_")), key=len)
            arguments = [int(word) for word in re.findall(r"\d+", text)]
            offset, width = arguments if len(arguments) == 2 else (arguments[0], 1)
            found.masks[name] = (register, ((1 << width) - 1) << offset)
    return found


def read_table(path: Path) -> Part:
    part = Part()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            peripheral, register = row["peripheral"], row["register"]
            part.bases[peripheral] = int(row["base_address"], 16)
            part.offsets[peripheral, register] = int(row["offset"], 16)
            if row["field"]:
                mask = ((1 << int(row["bit_width"])) - 1) << int(row["bit_offset"])
                part.masks[peripheral, register, row["field"]] = mask
    return part


def check(registers: Registers, part: Part, table: str) -> Outcome:
    """Every number of `registers` against `part`; `table` is the table's name."""
    outcome = Outcome()

    def compare(name: str, ours: int, theirs: int | None) -> None:
        if theirs is None:
            outcome.not_covered.append(name)
        elif ours == theirs:
            outcome.checked += 1
        elif (table, name) in EXPLAINED:
            outcome.explained.append(f"{name}: {ours:#x}, table {theirs:#x}: {EXPLAINED[table, name]}")
        else:
            outcome.wrong.append(f"{name}: {ours:#x}, table {theirs:#x}")

    for name, base in registers.bases.items():
        compare(f"{name}_BASE", base, _first(part.bases, PERIPHERALS.get(name, [name])))
    where: dict[str, tuple[str, str]] = {}
    for name, (owner, register, offset) in registers.offsets.items():
        names = REGISTERS.get(name, [register])
        keys = [(p, r) for p in PERIPHERALS.get(owner, [owner]) for n in names for r in (n, f"{owner}_{n}")]
        compare(name, offset, _first(part.offsets, keys))
        where[name] = next((key for key in keys if key in part.offsets), ("", ""))
    for name, (register_name, mask) in registers.masks.items():
        compare(
            name, mask, _mask(part, where[register_name], FIELDS.get(name, [name[len(register_name) + 1 :]]))
        )
    return outcome


def _first(numbers: Mapping[Any, int], keys: Iterable[Any]) -> int | None:
    return next((numbers[key] for key in keys if key in numbers), None)


def _mask(part: Part, where: tuple[str, str], names: list[str]) -> int | None:
    """The mask of a field, or of the bits NAME0, NAME1 ... into which some tables split it."""
    whole = _first(part.masks, [(*where, name) for name in names])
    if whole is not None:
        return whole
    split = [
        mask
        for (peripheral, register, other), mask in part.masks.items()
        if (peripheral, register) == where and any(re.fullmatch(rf"{name}\d+", other) for name in names)
    ]
    return sum(split) if split else None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, metavar="DIR", help="folder of the CSV files")
    arguments = parser.parse_args()
    wrong = 0
    for table, (family, parts) in TABLES.items():
        registers = read_headers([PORTS / header for header in HEADERS[family]])
        outcome = check(registers, read_table(arguments.tables / table), table)
        wrong += len(outcome.wrong)
        print(f"{table}: {parts}: {outcome.checked} agree, {len(outcome.wrong)} wrong, "
              f"{len(outcome.explained)} explained, {len(outcome.not_covered)} not covered")  # fmt: skip
        for title in ("wrong", "explained", "not_covered"):
            for line in getattr(outcome, title):
                print(f"    {title.replace('_', ' ')}: {line}")
    for family, parts in NO_TABLE.items():
        registers = read_headers([PORTS / header for header in HEADERS[family]])
        count = len(registers.bases) + len(registers.offsets) + len(registers.masks)
        print(f"no table: {parts}: {count} numbers of {family} not covered")
    core = read_headers([PORTS / "cortex_m/core_registers.h"])
    print(f"no table: Cortex-M: {len(core.bases) + len(core.offsets) + len(core.masks)} numbers not covered")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
