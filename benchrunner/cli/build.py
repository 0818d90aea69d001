"""`benchrunner build`: a CMake project and the image of a model on a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchrunner.cli.parameters import BoardId, ModelName
from benchrunner.errors import UsageError
from benchrunner.wording import counted

_KINDS = ("gcc", "zig")


@click.command(
    epilog="""\b
Examples:
  benchrunner build --board stm32h747i-disco --model fdmobilenet_0.25_224_int8 --out firmware
  benchrunner build --board nucleo-f401re --model model.tflite --out firmware --emit-only
  cd firmware && cmake -B build && cmake --build build
  benchrunner build --check firmware
"""
)
@click.option(
    "--board",
    "board_id",
    metavar="ID",
    type=BoardId(machines=True),
    help="Board to build for.",
)
@click.option("--model", metavar="MODEL", type=ModelName(), help="A .tflite file or a zoo name.")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the project; new, or of an earlier build.",
)
@click.option("--emit-only", is_flag=True, help="Write the project and compile nothing.")
@click.option(
    "--compiler", type=click.Choice(_KINDS), help="Default: arm-none-eabi-gcc where installed, else zig."
)
@click.option(
    "--check",
    "checked",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Only see whether the image of the project in DIR is built from what is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    board_id: str | None,
    model: str | None,
    folder: Path | None,
    emit_only: bool,
    compiler: str | None,
    checked: Path | None,
    as_json: bool,
) -> None:
    """Turn MODEL into a self-contained CMake project in DIR, and build its image.

    Leaves image.elf, image.bin and image.map in DIR/build: the same bytes that cmake --build makes there.
    """
    if checked is not None:
        given = {"--board": board_id, "--model": model, "--out": folder, "--compiler": compiler}
        others = [name for name, value in given.items() if value is not None]
        if others or emit_only:
            raise UsageError(
                f"--check builds nothing: it takes no {', '.join(others or ['--emit-only'])}",
                hint=f"benchrunner build --check {checked}",
            )
        _check(checked, as_json=as_json)
        return
    if board_id is None or model is None or folder is None:
        missing = {"--board": board_id, "--model": model, "--out": folder}
        names = [name for name, value in missing.items() if value is None]
        raise UsageError(f"missing {', '.join(names)}", hint="see benchrunner build --help")
    from benchrunner.emulator.machines import board_or_machine
    from benchrunner.firmware.aot import build_image, emit_project
    from benchrunner.firmware.toolchain import ToolchainKind, find_toolchain
    from benchrunner.model import load_model
    from benchrunner.zoo import resolve_model

    board = board_or_machine(board_id)
    read = load_model(resolve_model(model))
    if emit_only:
        project = emit_project(board, read, folder)
        plan = project.compiled.plan
        if as_json:
            click.echo(json.dumps({"folder": str(folder), "arena_bytes": plan.arena_bytes}, indent=2))
        else:
            click.echo(
                f"{folder}: {counted(len(project.files), 'file')}; activations {plan.arena_bytes:,} bytes"
            )
        return
    toolchain = find_toolchain(ToolchainKind(compiler) if compiler else None)
    click.echo(f"compiler: {toolchain.title}", err=True)
    built = build_image(board, read, folder, toolchain)
    firmware, parts, empty = built.firmware, built.footprint, built.empty
    if as_json:
        document: dict[str, Any] = {
            "board": board.id,
            "model": read.name,
            "model_sha256": read.sha256,
            "folder": str(folder),
            "compiler": toolchain.title,
            "image_bytes": firmware.info.image_bytes,
            "image_sha256": firmware.info.image_sha256.hex(),
            "text": firmware.info.text,
            "flash_bytes": dict(parts.flash_bytes),
            "ram_bytes": dict(parts.ram_bytes),
            "code_flash_bytes": parts.code_flash_bytes,
            "runtime_ram_bytes": parts.runtime_ram_bytes,
            "unattributed_bytes": parts.unattributed_bytes,
            "empty_model": {"flash_bytes": dict(empty.flash_bytes), "ram_bytes": dict(empty.ram_bytes)},
        }
        click.echo(json.dumps(document, indent=2))
        return
    from benchrunner.cli.footprint_text import footprint_table

    click.echo(footprint_table(parts, empty))
    click.echo(f"\n{firmware.elf_path}: {firmware.info.image_bytes:,} bytes of flash, checksums hold")
    click.echo(f"image SHA-256 {firmware.info.image_sha256.hex()}")


def _check(folder: Path, *, as_json: bool) -> None:
    from benchrunner.firmware.recorded import check_built

    info, files = check_built(folder)
    digest = info.image_sha256.hex()
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "files": files, "image_sha256": digest}, indent=2))
    else:
        click.echo(f"{folder}: {files} files are as recorded, and the image is built from them")
        click.echo(f"image SHA-256 {digest}")
