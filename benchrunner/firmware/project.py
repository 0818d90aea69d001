"""The self-contained CMake project of one model on one board: every file of it, and nothing outside of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchrunner import __version__
from benchrunner.board import Board, list_boards
from benchrunner.board.description import Mcu
from benchrunner.durable import write_atomic
from benchrunner.errors import UsageError
from benchrunner.firmware.compiled import CompiledModel
from benchrunner.firmware.generate import comment, generate
from benchrunner.firmware.mlperf import mlperf_source, mlperf_task
from benchrunner.firmware.placement import Placement, place
from benchrunner.firmware.recorded import FACTS, recorded_files
from benchrunner.firmware.toolchain import ToolchainKind, flags_for
from benchrunner.resources import shipped

INCLUDES = ("core", "kernels", "mlperf_tiny", "port", "board", "model", "image")
ZIG_INCLUDE = "freestanding"
BLOCK = "image/image_block.c"
LINKER_SCRIPT = "port/link.ld"
_INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Project:
    """`files` by path within the project. `sources` are linked in this order, behind BLOCK."""

    board: Board
    mcu: Mcu
    compiled: CompiledModel
    placement: Placement
    files: Mapping[str, bytes]
    sources: tuple[str, ...]
    layer_functions: tuple[str | None, ...]
    kept_input_bytes: int


def make_project(board: Board, compiled: CompiledModel, *, engine_reference: str) -> Project:
    """The project in memory. `engine_reference` names the oracle that the kernels agree with.

    Raises `UsageError` for a board that has no port, `DoesNotFitError`.
    """
    mcu = board.mcu
    if mcu is None or "aot" not in board.engines:
        raise UsageError(
            f"board {board.id} does not run engine 'aot'", hint=f"it runs: {', '.join(board.engines)}"
        )
    model, plan = compiled.model, compiled.plan
    inputs = sum(model.graph.tensors[index].size_bytes for index in model.graph.inputs)
    placement = place(
        board,
        mcu,
        constants=compiled.constant_bytes,
        arena=plan.arena_bytes,
        kept=inputs if plan.inputs_overwritten else 0,
        model=model.source,
    )
    firmware = shipped("firmware")
    kernels = dict(_kernels(firmware / "kernels", compiled))
    generated = generate(
        model,
        compiled.layers,
        plan,
        headers=_headers(firmware / "kernels", compiled),
        keep_inputs=placement.kept is not None,
    )
    files: dict[str, bytes] = {}
    files |= {f"core/{path.name}": path.read_bytes() for path in _c_files(firmware / "core")}
    files |= {f"kernels/{name}": content for name, content in kernels.items()}
    files |= {f"port/{name}": content for name, content in _port(firmware / "ports", board)}
    files |= {f"model/{name}": text.encode() for name, text in generated.files.items()}
    task = mlperf_task(model)
    if task is not None:
        tiny = firmware / "mlperf_tiny"
        files |= {f"mlperf_tiny/{path.name}": path.read_bytes() for path in _c_files(tiny)}
        files["mlperf_tiny/mlperf_model.c"] = mlperf_source(model, task, board.id).encode()
    files["model/model_sizes.h"] = _sizes(len(compiled.layers)).encode()
    files["board/board.h"] = _board_header(board, mcu).encode()
    files["board/memory.ld"] = _memory(mcu, placement).encode()
    project = firmware / "project"
    for name in ("CMakeLists.txt", "toolchain.cmake", "seal.cmake", f"{ZIG_INCLUDE}/string.h"):
        files[name] = (project / name).read_bytes()
    files[BLOCK] = (project / "image_block.c").read_bytes()
    sources = tuple(sorted(name for name in files if name.endswith(".c") and name != BLOCK))
    files["project.cmake"] = _cmake_facts(mcu, sources).encode()
    files["README.md"] = _readme(board, compiled, generated.kept_input_bytes).encode()
    files["image/image_facts.h"] = _image_facts(board, mcu, compiled, files, engine_reference).encode()
    files[FACTS] = _facts(board, compiled, files).encode()
    return Project(
        board,
        mcu,
        compiled,
        placement,
        files,
        sources,
        generated.layer_functions,
        generated.kept_input_bytes,
    )


def write_project(project: Project, folder: Path) -> None:
    """Write every file; those of an earlier project that this one lacks are removed, anything else is left.

    Raises `UsageError` where the folder has other files at its top and is not a project of ours.
    """
    earlier = recorded_files(folder)
    if not earlier and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder}: is not empty, and not a project that benchrunner made",
            hint="give a new folder, or one that an earlier build wrote",
        )
    try:
        for name in earlier.keys() - project.files.keys():
            (folder / name).unlink(missing_ok=True)
        for name, content in project.files.items():
            path = folder / name
            # Unchanged files keep their time, so that CMake compiles only what is new.
            if not (path.is_file() and path.read_bytes() == content):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, content) if name == FACTS else path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _c_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.[ch]"))


def _kernels(folder: Path, compiled: CompiledModel) -> Iterator[tuple[str, bytes]]:
    """The kernels that the layers call, and every header of that folder that they include."""
    left = sorted({source for layer in compiled.layers for source in layer.sources})
    seen: set[str] = set()
    while left:
        name = left.pop()
        path = folder / name
        if name in seen or not path.is_file():
            continue  # a header that lies elsewhere
        seen.add(name)
        content = path.read_bytes()
        yield name, content
        left += [match.decode() for match in _INCLUDE.findall(content)]


def _headers(folder: Path, compiled: CompiledModel) -> tuple[str, ...]:
    """The header beside each kernel."""
    names = {Path(source).with_suffix(".h").name for layer in compiled.layers for source in layer.sources}
    return tuple(sorted(name for name in names if (folder / name).is_file()))


def _port(folder: Path, board: Board) -> Iterator[tuple[str, bytes]]:
    family = folder / board.series.lower()
    if not family.is_dir():
        ports = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        raise UsageError(f"board {board.id}: there is no port for {board.series}", hint=f"ports: {ports}")
    uses = family / "uses.txt"
    others = uses.read_text(encoding="utf-8").split() if uses.is_file() else []
    script: bytes | None = None
    for part in (*(folder / name for name in others), family):
        for path in _c_files(part):
            yield path.name, path.read_bytes()
        if (part / "link.ld").is_file():
            script = (part / "link.ld").read_bytes()
    own_script, own_header = (family / "boards" / f"{board.id}{suffix}" for suffix in (".ld", ".h"))
    if own_script.is_file():
        script = own_script.read_bytes()
    if not own_header.is_file():
        known = ", ".join(sorted(path.stem for path in own_header.parent.glob("*.h")))
        raise UsageError(
            f"board {board.id}: the port of {board.series} does not know it", hint=f"it knows: {known}"
        )
    if script is None:
        raise UsageError(f"board {board.id}: the port of {board.series} has no linker script")
    yield "board_port.h", own_header.read_bytes()
    yield "link.ld", script


def _sizes(layers: int) -> str:
    """What the bench loop has to know of the model when it is compiled."""
    return (
        "/* Room for the cycles of every layer, 8 bytes each, where that is more than the usual. */\n"
        f"#define MODEL_LAYER_BYTES {8 * layers}u\n"
    )


def _board_header(board: Board, mcu: Mcu) -> str:
    values = {
        "CHIP_ID": f"{mcu.chip.chip_id:#x}u",
        "CORE_CLOCK_HZ": f"{mcu.chip.clock_hz}u",
        "FLASH_WAIT_STATES": f"{mcu.chip.flash_wait_states}u",
        "BAUD_HZ": f"{mcu.serial.baud_hz}u",
        "FLASH_BASE": f"{mcu.flash.base:#x}u",
        "FLASH_BYTES": f"{mcu.flash.size_bytes:#x}u",
        "UID_REGISTER": f"{mcu.flash.uid_register:#x}u",
        "BOOTLOADER_BASE": f"{mcu.bootloader.base:#x}u",
        "USART": mcu.serial.usart,
        f"USART_{mcu.serial.usart}": "1",
    }
    lines = "".join(f"#define BOARD_{name} {value}\n" for name, value in values.items())
    return (
        f"/* {comment(board.name)}: what its board file says. */\n"
        f'#ifndef BOARD_H\n#define BOARD_H\n\n#define BOARD_ID "{board.id}"\n{lines}\n#endif\n'
    )


def _memory(mcu: Mcu, placement: Placement) -> str:
    regions = {placement.ram.name: ("RAM", placement.ram)}
    for name, memory in (("ARENA", placement.arena), ("KEPT", placement.kept or placement.arena)):
        regions.setdefault(memory.name, (name, memory))
    lines = [f"    FLASH (rx) : ORIGIN = {mcu.flash.base:#x}, LENGTH = {mcu.flash.size_bytes:#x}\n"]
    lines += [
        f"    /* {comment(memory.name)} */\n"
        f"    {name} (rwx) : ORIGIN = {memory.base:#x}, LENGTH = {memory.size_bytes:#x}\n"
        for name, memory in regions.values()
    ]
    aliases = [
        f'REGION_ALIAS("{name}", {regions[memory.name][0]})\n'
        for name, memory in (("ARENA", placement.arena), ("KEPT", placement.kept or placement.arena))
        if regions[memory.name][0] != name
    ]
    word = mcu.flash.write_bytes
    return (
        "/* The memories that this image uses. */\n"
        f"MEMORY\n{{\n{''.join(lines)}}}\n{''.join(aliases)}\n"
        "/* The length of the image, in whole flash words; .data is the last thing in flash. */\n"
        f"__image_bytes = (__data_load + __data_end - __data_start - ORIGIN(FLASH) + {word - 1})"
        f" / {word} * {word};\n"
    )


def _cmake_facts(mcu: Mcu, sources: tuple[str, ...]) -> str:
    parts = [
        "# What is built, in link order, and with which flags.\n",
        _cmake_list("BENCH_SOURCES", sources),
        f"set(BENCH_FLASH_WORD_BYTES {mcu.flash.write_bytes})\n",
    ]
    for kind in ToolchainKind:
        flags = flags_for(kind, mcu.chip.core)
        name = f"BENCH_{kind.name}"
        parts.append(_cmake_list(f"{name}_COMPILE", flags.compile))
        parts.append(_cmake_list(f"{name}_LINK", flags.link))
        parts.append(_cmake_list(f"{name}_LIBRARIES", flags.libraries))
    parts.append(_cmake_list("BENCH_INCLUDES", INCLUDES))
    parts.append('if(NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")\n')
    parts.append(f"  list(APPEND BENCH_INCLUDES {ZIG_INCLUDE})\nendif()\n")
    return "".join(parts)


def _cmake_list(name: str, values: tuple[str, ...]) -> str:
    return f"set({name}\n" + "".join(f"  {value}\n" for value in values) + ")\n"


def _image_facts(
    board: Board,
    mcu: Mcu,
    compiled: CompiledModel,
    files: Mapping[str, bytes],
    reference: str,
) -> str:
    text = {
        "board": board.id,
        "engine": "aot",
        "engine_version": __version__,
        "kernels": reference,
        "model": _one_line(compiled.model.name),
        "sources": sources_sha256(files),
        "tool_version": __version__,
    }
    encoded = "".join(f"{key}={value}\n" for key, value in text.items()).encode()
    flags = "".join(
        f'#define IMAGE_{kind.name}_FLAGS "{flags_for(kind, mcu.chip.core).text}"\n' for kind in ToolchainKind
    )
    digest = ", ".join(f"{byte:#04x}" for byte in bytes.fromhex(compiled.model.sha256))
    return (
        "/* What the manifest block says. */\n#ifndef IMAGE_FACTS_H\n#define IMAGE_FACTS_H\n\n"
        f"#define IMAGE_CHIP_ID {mcu.chip.chip_id:#x}u\n"
        f"#define IMAGE_MODEL_SHA256 {digest}\n"
        f'#define IMAGE_TEXT "{_c_string(encoded)}"\n{flags}\n#endif\n'
    )


def sources_sha256(files: Mapping[str, bytes]) -> str:
    """One digest over names and contents of the files that decide about the machine code."""
    chosen = {
        name: _sha256(content)
        for name, content in files.items()
        if name not in (FACTS, "README.md", "image/image_facts.h")
    }
    return _sha256(json.dumps(chosen, sort_keys=True).encode())


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def _c_string(data: bytes) -> str:
    r"""Bytes as the inside of a C string; octal, which unlike \x ends after three digits."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=._- "
    return "".join(chr(byte) if byte in safe else f"\\{byte:03o}" for byte in data)


def _facts(board: Board, compiled: CompiledModel, files: Mapping[str, bytes]) -> str:
    document = {
        "benchrunner": __version__,
        "board": board.id,
        "model": compiled.model.name,
        "model_sha256": compiled.model.sha256,
        "arena_bytes": compiled.plan.arena_bytes,
        "sources_sha256": sources_sha256(files),
        "files": {name: _sha256(content) for name, content in sorted(files.items())},
    }
    return json.dumps(document, indent=2) + "\n"


def _readme(board: Board, compiled: CompiledModel, kept_bytes: int) -> str:
    plan = compiled.plan
    return f"""# {comment(compiled.model.name)} on {comment(board.name)}

Made by benchrunner {__version__}. Needs CMake and a compiler for Arm microcontrollers, nothing else:

    cmake -B build && cmake --build build

leaves `build/image.elf` (for a debugger), `build/image.bin` (for the start of flash) and `build/image.map`.
The compiler is `arm-none-eabi-gcc` where it is installed, else zig (`pip install ziglang`);
`-DBENCH_COMPILER=zig` takes zig in any case. CMake says which.

| folder | what |
|---|---|
| `model/` | the network: `model.c` runs the layers one after the other, `model_data.c` has the weights |
| `kernels/` | the operators it uses |
| `core/` | bench loop and device protocol |
| `mlperf_tiny/` | only with the benchmark's models: its serial commands |
| `port/` | start-up, clocks, serial port and cycle counter of the MCU; `link.ld` |
| `board/` | facts of the board, and its memories |
| `image/` | manifest block: model, board, compiler, checksums |

Activations and scratch take {plan.arena_bytes:,} bytes, inputs and outputs included{_kept(kept_bytes)}.
`{FACTS}` lists every file with its SHA-256: an image built from changed files is told apart by that.
"""


def _kept(kept_bytes: int) -> str:
    return f"; {kept_bytes:,} more keep the inputs, which an inference overwrites" if kept_bytes else ""


def boards_with_ports() -> tuple[str, ...]:
    """Ids of the boards that an image can be built for."""
    ports = shipped("firmware") / "ports"
    return tuple(
        board.id
        for board in list_boards()
        if "aot" in board.engines and (ports / board.series.lower() / "boards" / f"{board.id}.h").is_file()
    )
