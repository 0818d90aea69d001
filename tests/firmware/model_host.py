"""Compiles generated models for the host, with sanitizers, and runs them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from layer_host import C_FLAGS, KERNELS, SANITIZERS

from benchrunner.firmware.compiled import CompiledModel
from benchrunner.firmware.generate import generate
from benchrunner.firmware.plan import MemoryPlan
from benchrunner.resources import shipped


@dataclass
class HostModel:
    program: Path
    output_bytes: int

    def run(self, inputs: Sequence[bytes], mode: str) -> list[bytes]:
        """The outputs of every inference; `mode` is run or layers."""
        done = subprocess.run([self.program, mode], input=b"".join(inputs), capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        size = self.output_bytes
        assert len(done.stdout) == size * len(inputs)
        return [done.stdout[i : i + size] for i in range(0, len(done.stdout), size)]


def build_model(compiled: CompiledModel, folder: Path, *, plan: MemoryPlan | None = None) -> HostModel:
    """`plan` replaces the compiled one, to see that a wrong one shows."""
    plan = plan or compiled.plan
    sources = sorted({source for layer in compiled.layers for source in layer.sources})
    headers = [Path(source).with_suffix(".h").name for source in sources]
    generated = generate(compiled.model, compiled.layers, plan, headers=headers)
    for name, text in generated.files.items():
        (folder / name).write_text(text)
    (folder / "dead.inc").write_text(
        "".join(f"{{{i}, {a}, {b}}},\n" for i, a, b in dead_ranges(compiled, plan))
    )
    graph = compiled.model.graph
    subprocess.run(
        [
            *("gcc", *C_FLAGS, *SANITIZERS, "-Dsection(name)="),  # sanitizers leave named sections out
            *("-I", folder, "-I", KERNELS, "-I", shipped("firmware") / "core"),
            *(Path(__file__).with_name("model_driver.c"), folder / "model.c", folder / "model_data.c"),
            *(KERNELS / source for source in sources),
            *("-o", folder / "model"),
        ],
        check=True,
    )
    return HostModel(folder / "model", sum(graph.tensors[i].size_bytes for i in graph.outputs))


def dead_ranges(compiled: CompiledModel, plan: MemoryPlan) -> list[tuple[int, int, int]]:
    """(layer, from, to): bytes of the arena that nothing reads after the layer before they are written."""
    found = []
    for layer in range(-1, len(compiled.layers)):
        at = 0
        kept = sorted(
            (plan.tensor_offset[buffer.tensors[0]], buffer.size_bytes)
            for buffer in plan.buffers
            if buffer.tensors and buffer.first <= layer < buffer.last
        )
        for offset, size in kept:
            if offset > at:
                found.append((layer, at, offset))
            at = max(at, offset + size)
        if at < plan.arena_bytes:
            found.append((layer, at, plan.arena_bytes))
    return found
