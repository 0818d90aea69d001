"""`benchrunner boards` as a person and as a script use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchrunner import cli
from benchrunner.board import board_ids
from benchrunner.emulator.machines import MACHINES
from benchrunner.resources import shipped


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_list_has_one_line_for_each_board(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("boards", capsys=capsys)
    assert (status, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split() == ["id", "name", "kind", "core", "clock", "flash", "RAM", "engines"]
    assert [row.split()[0] for row in rows] == [*board_ids(), *MACHINES]
    (h747,) = [row for row in rows if row.startswith("stm32h747i-disco")]
    assert " ".join(h747.split()[1:]) == "STM32H747I-DISCO mcu Cortex-M7 400 MHz 2 MiB 992 KiB aot"


def test_the_json_list_has_every_fact_as_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("boards", "--json", capsys=capsys)
    boards = {board["id"]: board for board in json.loads(out)}
    assert status == 0
    assert list(boards) == [*board_ids(), *MACHINES]
    assert boards["stm32h747i-disco"]["mcu"]["chip"]["chip_id"] == 0x450
    assert boards["stm32h747i-disco"]["mcu"]["flash"]["sectors"] == [{"count": 16, "size_bytes": 131072}]
    assert boards["stm32mp257f-dk"]["mcu"] is None
    assert len(boards["stm32mp257f-dk"]["file_sha256"]) == 64


def test_machines_of_qemu_are_marked_and_have_nothing_that_only_a_board_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run("boards", capsys=capsys)
    (an500,) = [row for row in out.splitlines() if row.startswith("mps2-an500")]
    assert an500.split()[1:5] == ["QEMU", "mps2-an500", "emulator", "Cortex-M7"]
    _, out, _ = run("boards", "mps2-an500", capsys=capsys)
    assert "mps2-an500 of qemu-system-arm" in out
    assert "boot loader" not in out
    _, out, _ = run("boards", "mps2-an500", "--json", capsys=capsys)
    record = json.loads(out)
    assert (record["emulator"], record["mcu"]["chip"]["core"]) == ("QEMU", "Cortex-M7")
    assert record["mcu"]["bootloader"] is record["mcu"]["chip"]["chip_id"] is None
    _, out, _ = run("boards", "nucleo-f401re", "--json", capsys=capsys)
    assert json.loads(out)["emulator"] is None


def test_one_board_is_shown_with_its_memories_and_ports(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("boards", "stm32f769i-disco", capsys=capsys)
    assert status == 0
    assert "STM32F769NI, id 0x451" in out
    assert "4 x 32 KiB, 1 x 128 KiB, 7 x 256 KiB" in out
    assert "DTCM, 128 KiB at 0x20000000" in out
    assert "USART1, 115200 Bd, USB id 0483:374b or 0483:3752" in out


def test_a_linux_board_is_shown_with_its_device_tree(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("boards", "stm32mp257f-dk", capsys=capsys)
    assert status == 0
    assert "2x Cortex-A35" in out
    assert "STMicroelectronics STM32MP257F-DK Discovery Board; st,stm32mp257f-dk" in out


def test_one_board_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run("boards", "nucleo-f401re", "--json", capsys=capsys)
    assert json.loads(out)["mcu"]["chip"]["part"] == "STM32F401RE"


def test_a_misspelt_id_exits_with_2_and_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("boards", "nucleo-f410re", capsys=capsys)
    assert (status, out) == (2, "")
    assert "did you mean 'nucleo-f401re'" in err


def test_an_stm32l0_exits_with_2_and_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run("boards", "stm32l0538-disco", capsys=capsys)
    assert status == 2
    assert "20 KiB of RAM" in err


def test_the_option_boards_adds_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_BOARDS", "")  # restored afterwards
    text = (shipped("boards") / "nucleo-f401re.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"nucleo-f401re"', '"mine"'))
    status, out, _ = run("--boards", str(tmp_path), "boards", "mine", capsys=capsys)
    assert (status, os.environ["BENCHRUNNER_BOARDS"]) == (0, str(tmp_path))
    assert "NUCLEO-F401RE" in out


def completions(words: str, position: int) -> list[str]:
    program = "import sys; from benchrunner import cli; sys.argv[0] = 'benchrunner'; cli.main()"
    environment = {
        **os.environ,
        "_BENCHRUNNER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(position),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_the_shell_completes_board_ids() -> None:
    assert completions("benchrunner boards stm32mp1", 2) == ["plain,stm32mp135f-dk", "plain,stm32mp157f-dk2"]
    machines = ["plain,mps2-an386", "plain,mps2-an500", "plain,mps2-an505", "plain,mps3-an547"]
    assert completions("benchrunner run --board mps", 3) == machines
    assert completions("benchrunner flash --board mps", 3) == []


def test_listing_boards_imports_no_heavy_package() -> None:
    program = (
        "import sys; from benchrunner import cli\n"
        "try: cli.main(['boards'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'pandas', 'numpy', 'ai_edge_litert', 'rich', 'serial', 'paramiko'}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"
