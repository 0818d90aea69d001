"""The tool that compares the ports' registers with tables of the parts finds what differs."""

import subprocess
import sys
from pathlib import Path

from port_build import PORTS

TOOL = PORTS.parent.parent / "tools" / "check_registers.py"
TABLES = ["stm32h743", "stm32h7a3", "stm32f7x9", "stm32l4x5", "stm32l4r9", "stm32f405"]
HEADER = "peripheral,base_address,register,offset,reset_value,field,bit_offset,bit_width\n"
RIGHT = "RCC,0x58024400,CR,0x0,0x83,HSEON,16,1\nRCC,0x58024400,CR,0x0,0x83,PLL1ON,24,1\n"


def run(folder: Path, h743: str) -> subprocess.CompletedProcess[str]:
    for table in TABLES:
        (folder / f"{table}.csv").write_text(HEADER + (h743 if table == "stm32h743" else ""))
    return subprocess.run(
        [sys.executable, TOOL, "--tables", folder], capture_output=True, text=True, check=False
    )


def test_what_agrees_is_counted_and_the_rest_is_not_covered(tmp_path: Path) -> None:
    done = run(tmp_path, RIGHT)
    assert done.returncode == 0
    # RCC_BASE, RCC_CR, RCC_CR_HSEON, RCC_CR_PLL1ON
    assert "stm32h743.csv: STM32H747 (the table's part is the H743): 4 agree, 0 wrong" in done.stdout
    assert "not covered: RCC_CFGR_SWS" in done.stdout


def test_a_wrong_base_offset_or_bit_is_an_error(tmp_path: Path) -> None:
    for right, wrong, line in [
        ("HSEON,16", "HSEON,17", "wrong: RCC_CR_HSEON: 0x10000, table 0x20000"),
        (",CR,0x0,", ",CR,0x4,", "wrong: RCC_CR: 0x0, table 0x4"),
        ("0x58024400", "0x58024800", "wrong: RCC_BASE: 0x58024400, table 0x58024800"),
        ("PLL1ON,24,1", "PLL1ON,24,2", "wrong: RCC_CR_PLL1ON: 0x1000000, table 0x3000000"),
    ]:
        done = run(tmp_path, RIGHT.replace(right, wrong))
        assert done.returncode == 1
        assert line in done.stdout


def test_a_field_that_a_table_splits_into_bits_is_put_together(tmp_path: Path) -> None:
    split = "RCC,0x58024400,CFGR,0x10,0x0,SW0,0,1\nRCC,0x58024400,CFGR,0x10,0x0,SW1,1,1\n"
    done = run(tmp_path, RIGHT + split)
    assert "wrong: RCC_CFGR_SW: 0x7, table 0x3" in done.stdout
