"""Every port compiles for every board, with both compilers, and its parts are where they must be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from port_build import build_with_gcc, build_with_zig, lay_out, mcu, stm32_boards

from benchrunner.board import Board

BOARDS = stm32_boards()
Build = Callable[[Board, Path], Path]


def test_every_stm32_board_has_a_port() -> None:
    assert set(BOARDS) >= {
        "b-l475e-iot01a", "b-u585i-iot02a", "nucleo-f401re", "nucleo-h7a3zi-q", "nucleo-l4r5zi",
        "nucleo-u575zi-q", "stm32f469i-disco", "stm32f746g-disco", "stm32f769i-disco", "stm32h747i-disco",
        "stm32l4r9i-disco",
    }  # fmt: skip


@pytest.mark.parametrize("build", [build_with_gcc, build_with_zig], ids=["gcc", "zig"])
@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_the_image_of_a_board_is_laid_out_as_the_contract_says(
    board_id: str, build: Build, tmp_path: Path
) -> None:
    board = BOARDS[board_id]
    facts = mcu(board)
    with build(board, lay_out(board, tmp_path / "project")).open("rb") as file:
        elf = ELFFile(file)
        symbols = {
            symbol.name: symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols()
        }
        sections = {
            section.name: section for section in elf.iter_sections() if section["sh_flags"] & 2
        }  # ALLOC
        vectors = sections[".isr_vector"]
        words = [int.from_bytes(vectors.data()[i : i + 4], "little") for i in range(0, 64, 4)]

        assert elf.header["e_machine"] == "EM_ARM"
        assert vectors["sh_addr"] == facts.flash.base == symbols["__image_start"]
        assert words[0] == symbols["__stack_top"]
        assert words[1] == symbols["Reset_Handler"] | 1
        assert set(words[2:]) == {symbols["port_fault_entry"] | 1}
        assert sections[".image_block"]["sh_addr"] == facts.flash.base + 0x400
        assert sections[".image_block"].data().startswith(b"BRIMAGE\0")

        ram, largest = facts.memories[0], max(facts.memories, key=lambda memory: memory.size_bytes)
        assert symbols["__stack_limit"] == ram.base  # below it is nothing: an overflow faults
        assert symbols["__stack_top"] - symbols["__stack_limit"] == 4096
        for name, memory in [(".noinit", ram), (".data", ram), (".bss", ram), (".arena", largest)]:
            start, end = sections[name]["sh_addr"], sections[name]["sh_addr"] + sections[name]["sh_size"]
            assert memory.base <= start < end <= memory.base + memory.size_bytes, name
        for name in [".stack", ".noinit", ".bss", ".arena", ".kept_inputs"]:
            assert sections[name]["sh_type"] == "SHT_NOBITS", name
        assert set(sections) - {".ARM.attributes"} <= {
            ".isr_vector", ".image_block", ".text", ".rodata", ".stack", ".noinit", ".data", ".bss", ".arena",
            ".kept_inputs",
        }  # fmt: skip

        # The values of .data lie in flash, where start-up fetches them.
        load = next(
            s
            for s in elf.iter_segments()
            if s["p_type"] == "PT_LOAD" and s["p_vaddr"] == symbols["__data_start"]
        )
        assert load["p_paddr"] == symbols["__data_load"]
        assert symbols["__data_start"] % 4 == symbols["__data_load"] % 4 == symbols["__bss_start"] % 4 == 0
        assert (0x12345678).to_bytes(4, "little") in sections[".data"].data()


@pytest.mark.parametrize("board_id", ["stm32h747i-disco", "nucleo-f401re"])
def test_the_options_of_a_port_compile_too(board_id: str, tmp_path: Path) -> None:
    board = BOARDS[board_id]
    folder = lay_out(board, tmp_path / "project")
    options = "".join(f"#define PORT_{name} {value}\n" for name, value in
                      {"ICACHE": 0, "DCACHE": 0, "PREFETCH": 0, "WATCHDOG": 1}.items())  # fmt: skip
    (folder / "board.h").write_text((folder / "board.h").read_text() + options)
    assert build_with_gcc(board, folder).exists()
