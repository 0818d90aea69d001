"""Runs any lowered layer on the host: its calls one after the other, in one arena full of guard bytes."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchrunner.firmware.lowered import (
    Argument,
    Call,
    ConstantArgument,
    LiteralArgument,
    Lowered,
    Overlap,
    ScratchArgument,
    StructArgument,
    TensorArgument,
)
from benchrunner.model import Graph
from benchrunner.resources import shipped

KERNELS = shipped("firmware") / "kernels"
C_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
GUARD = bytes(range(0xA0, 0xC0))  # around every buffer

# Function -> its parameters: p a pointer, u a number.
SIGNATURES = {
    "add_s8": "pppp",
    "average_pool_s8": "ppp",
    "conv_1x1_s8": "pppppp",
    "conv_2d_s8": "pppppp",
    "conv_2d_scalar_s8": "ppppp",
    "copy_blocks": "ppp",
    "depthwise_conv_2d_s8": "ppppp",
    "depthwise_conv_2d_scalar_s8": "ppppp",
    "depthwise_conv_3x3_s8": "ppppp",
    "dequantise_f32": "ppup",
    "fill_bytes": "puu",
    "flip_sign_s8": "ppu",
    "fully_connected_s8": "pppppp",
    "fully_connected_scalar_s8": "ppppp",
    "lookup_s8": "ppup",
    "max_pool_s8": "ppp",
    "mean_s8": "ppp",
    "mul_s8": "pppp",
    "quantise_f32": "ppup",
    "resize_nearest": "ppppp",
    "softmax_s8": "ppuup",
}
WEIGHTED_SOURCES = (
    "columns_s8",
    "conv_1x1_s8",
    "conv_2d_s8",
    "conv_2d_scalar_s8",
    "depthwise_conv_2d_s8",
    "depthwise_conv_2d_scalar_s8",
    "depthwise_conv_3x3_s8",
    "depthwise_runs",
    "fully_connected_s8",
    "fully_connected_scalar_s8",
    "window_s8",
)
SOURCES = (
    "add_s8",
    "copy_blocks",
    "lookup_s8",
    "mean_s8",
    "mul_s8",
    "pool_s8",
    "quantise_f32",
    "softmax_s8",
    *WEIGHTED_SOURCES,
)
NUMBER = 0xFFFFFFFF


def build_layer_driver(folder: Path) -> Path:
    wrappers = [f'#include "{name}.h"\n' for name in SOURCES]
    for name, kinds in SIGNATURES.items():
        arguments = ", ".join(
            f"a[{i}].p"
            if kind == "p"
            else f"{'(int32_t)' if name == 'fill_bytes' and i == 1 else ''}a[{i}].u"
            for i, kind in enumerate(kinds)
        )
        wrappers.append(f"static void run_{name}(const argument_t *a) {{ {name}({arguments}); }}\n")
    table = ", ".join(f"run_{name}" for name in SIGNATURES)
    wrappers.append(f"static void (*const functions[])(const argument_t *) = {{{table}}};\n")
    (folder / "layer_functions.inc").write_text("".join(wrappers))
    program = folder / "layer_driver"
    sources = [Path(__file__).with_name("layer_driver.c"), *(KERNELS / f"{name}.c" for name in SOURCES)]
    command = ["gcc", *C_FLAGS, *SANITIZERS, "-I", KERNELS, "-I", folder, *sources, "-o", program]
    subprocess.run(command, check=True)
    return program


def host(folder: Path) -> Iterator[Host]:
    """Builds the driver in `folder`, starts it, ends it afterwards; a leak is an error too."""
    program = build_layer_driver(folder)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Host(process)
        process.communicate()
    assert process.returncode == 0


@dataclass(frozen=True)
class Places:
    """Where the tensors of a layer lie in the arena."""

    offsets: Mapping[int, int]
    size_bytes: int


def apart(graph: Graph, indices: list[int]) -> Places:
    """Each tensor for itself, guard bytes around it."""
    offsets, position = {}, len(GUARD)
    for index in indices:
        offsets[index] = position
        position += -(-graph.tensors[index].size_bytes // 4) * 4 + len(GUARD)
    return Places(offsets, position)


def over(graph: Graph, indices: list[int], overlap: Overlap) -> Places:
    """As `apart`, but the output as close over the input as `overlap` allows, on the next whole word."""
    output, source = overlap.output_tensor, overlap.input_tensor
    rest = apart(graph, [index for index in indices if index != output])
    offsets = dict(rest.offsets)
    lead = -(-overlap.lead_bytes // 4) * 4 if graph.tensors[output].dtype == "float32" else overlap.lead_bytes
    room = max(0, lead, graph.tensors[output].size_bytes)
    room = -(-room // 4) * 4
    # The other tensors keep out of the way: the input and its output move behind them.
    offsets[source] = rest.size_bytes + room
    offsets[output] = offsets[source] - lead
    ends = (offsets[i] + graph.tensors[i].size_bytes for i in (source, output))
    return Places(offsets, max(ends) + len(GUARD))


class Machine(Protocol):
    """What runs kernels."""

    def call(self, function: str, blocks: list[bytes], arguments: list[tuple[int, int]]) -> bytes:
        """All blocks as `function` leaves them; arguments are (block, offset) or (NUMBER, value)."""


@dataclass
class Host:
    """This machine: one running driver; any error that a sanitizer finds ends it."""

    process: subprocess.Popen[bytes]

    def call(self, function: str, blocks: list[bytes], arguments: list[tuple[int, int]]) -> bytes:
        request = [struct.pack("<II", list(SIGNATURES).index(function), len(blocks))]
        for block in blocks:
            request += [struct.pack("<I", len(block)), block]
        request += [struct.pack("<I", len(arguments)), *(struct.pack("<II", *pair) for pair in arguments)]
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"".join(request))
        self.process.stdin.flush()
        found = self.process.stdout.read(sum(map(len, blocks)))
        if len(found) != sum(map(len, blocks)):
            raise AssertionError(f"{function} ended with status {self.process.wait()}; see stderr")
        return found


@dataclass
class Layers:
    """Lowered layers on one machine."""

    machine: Machine

    def run(
        self, graph: Graph, lowered: Lowered, inputs: Mapping[int, bytes], places: Places
    ) -> dict[int, bytes]:
        """The tensors that the layer writes; nothing else may change, but inputs that an output lies over."""
        arena = bytearray(b"\xa5" * places.size_bytes)
        for index, data in inputs.items():
            arena[places.offsets[index] : places.offsets[index] + len(data)] = data
        before = bytes(arena)
        for call in lowered.calls:
            arena = bytearray(self._call(call, lowered, bytes(arena), places))
        written = {i: places.offsets[i] for i in graph.operators[lowered.layer].outputs}
        found = {i: bytes(arena[at : at + graph.tensors[i].size_bytes]) for i, at in written.items()}
        for index, at in written.items():
            size = graph.tensors[index].size_bytes
            arena[at : at + size] = before[at : at + size]
        assert bytes(arena) == before
        return found

    def _call(self, call: Call, lowered: Lowered, arena: bytes, places: Places) -> bytes:
        names = [constant.name for constant in lowered.constants]
        blocks = [arena, *(constant.data for constant in lowered.constants)]
        blocks += [struct_bytes(a) for a in call.arguments if isinstance(a, StructArgument)]
        pairs = [_argument(argument, names, places, len(blocks)) for argument in call.arguments]
        constants = b"".join(blocks[1:])
        found = self.machine.call(call.function, [*blocks, b"\xee" * lowered.scratch_bytes], pairs)
        assert found[len(arena) : len(arena) + len(constants)] == constants
        return found[: len(arena)]


def _argument(argument: Argument, names: list[str], places: Places, scratch: int) -> tuple[int, int]:
    match argument:
        case TensorArgument(tensor=tensor):
            return 0, places.offsets[tensor]
        case ConstantArgument(name=name):
            return 1 + names.index(name), 0
        case StructArgument():
            return 1 + len(names), 0
        case ScratchArgument():
            return scratch, 0
        case LiteralArgument(text=text):
            return NUMBER, int(text) & 0xFFFFFFFF
        case _:
            raise AssertionError(argument)


def struct_bytes(argument: StructArgument) -> bytes:
    """The struct in memory: all of its fields are 32 bits wide, or 16 in a convolution's shape."""
    if argument.ctype == "conv_shape_t":
        return struct.pack(f"<{len(argument.fields)}h", *(int(text) for _, text in argument.fields))
    words = []
    for _, text in argument.fields:
        for value in text.replace("{", "").replace("}", "").split(", "):
            if "p" in value:
                words.append(struct.pack("<f", float.fromhex(value.rstrip("f"))))
            else:
                words.append(struct.pack("<I", int(value.rstrip("u")) & 0xFFFFFFFF))
    return b"".join(words)
