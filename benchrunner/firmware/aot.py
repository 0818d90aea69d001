"""From a model and a board to an image in one step: project, compiler, footprint."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchrunner.board import Board
from benchrunner.firmware.build import Firmware, build
from benchrunner.firmware.compiled import CompiledModel, compile_model
from benchrunner.firmware.footprint import Footprint, footprint
from benchrunner.firmware.plan import plan_memory
from benchrunner.firmware.project import Project, make_project, write_project
from benchrunner.firmware.toolchain import Toolchain
from benchrunner.model import Graph, Model, Tensor
from benchrunner.runtime import ORACLE


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """`empty` is the footprint of the same firmware with a model that has no layers."""

    project: Project
    firmware: Firmware
    footprint: Footprint
    empty: Footprint


def emit_project(board: Board, model: Model, folder: Path) -> Project:
    """Write the project of `model` on `board` to `folder`, without a compiler.

    Raises `ModelError` and its kinds for models that the engine does not run or the board has no room for,
    `UsageError` for a board without a port or a folder that has other things in it.
    """
    project = make_project(board, compile_model(model), engine_reference=ORACLE)
    write_project(project, folder)
    return project


def build_image(board: Board, model: Model, folder: Path, toolchain: Toolchain) -> BuiltImage:
    """Write the project to `folder`, and build it there. Raises what `emit_project` and `build` raise."""
    project = emit_project(board, model, folder)
    firmware = build(project, folder, toolchain)
    return BuiltImage(project, firmware, _footprint(project, firmware), empty_footprint(board, toolchain))


def empty_footprint(board: Board, toolchain: Toolchain) -> Footprint:
    """What the firmware of `board` takes with a model that copies one byte of input to its output: itself."""
    byte = Tensor(0, "nothing", (1,), "int8", None, None)
    graph = Graph("main", (byte,), (), (0,), (0,))
    digest = hashlib.sha256(b"").hexdigest()
    model = Model("empty", "empty", digest, 0, "", graph, digest)
    project = make_project(board, CompiledModel(model, (), plan_memory(graph, ())), engine_reference=ORACLE)
    with tempfile.TemporaryDirectory() as folder:
        write_project(project, Path(folder))
        return _footprint(project, build(project, Path(folder), toolchain))


def _footprint(project: Project, firmware: Firmware) -> Footprint:
    return footprint(
        firmware.elf,
        firmware.map_text,
        activation_bytes=project.compiled.plan.activation_bytes,
        image_bytes=firmware.info.image_bytes,
    )
