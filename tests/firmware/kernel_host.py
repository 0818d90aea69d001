"""Runs lowered layers on the host: the kernels' C, compiled with sanitizers, behind a pipe."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from benchrunner.firmware.lowered import (
    Call,
    ConstantArgument,
    LiteralArgument,
    Lowered,
    ScratchArgument,
    StructArgument,
    TensorArgument,
)
from benchrunner.model import Model
from benchrunner.resources import shipped

KERNELS = shipped("firmware") / "kernels"
C_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]

# In the order of the table in kernel_driver.c.
FUNCTIONS = (
    "conv_2d_scalar_s8",
    "depthwise_conv_2d_scalar_s8",
    "fully_connected_scalar_s8",
    "conv_2d_s8",
    "conv_1x1_s8",
    "depthwise_conv_2d_s8",
    "depthwise_conv_3x3_s8",
    "fully_connected_s8",
)
SHARED = ("columns_s8", "window_s8", "depthwise_runs")
_STRUCTS = {"conv_shape_t": "h", "fully_connected_shape_t": "i"}  # the type of all of its fields
GUARD = bytes(range(0xA0, 0xC0))  # around every buffer


def build_driver(folder: Path) -> Path:
    program = folder / "kernel_driver"
    sources = [
        Path(__file__).with_name("kernel_driver.c"),
        *(KERNELS / f"{name}.c" for name in (*FUNCTIONS, *SHARED)),
    ]
    subprocess.run(["gcc", *C_FLAGS, *SANITIZERS, "-I", KERNELS, *sources, "-o", program], check=True)
    return program


class Driver:
    """The driver's process. Any error that a sanitizer finds ends it; the next call starts another."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, function: str, blocks: list[bytes], arguments: list[tuple[int, int]]) -> list[bytes]:
        """Call `function` with pointers (block, offset); returns the blocks as they are afterwards."""
        request = [struct.pack("<II", FUNCTIONS.index(function), len(blocks))]
        for block in blocks:
            request += [struct.pack("<I", len(block)), block]
        request.append(struct.pack("<I", len(arguments)))
        request += [struct.pack("<II", *argument) for argument in arguments]
        if self.process is None:
            self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"".join(request))
        self.process.stdin.flush()
        sizes = [len(block) for block in blocks]
        found = self.process.stdout.read(sum(sizes))
        if len(found) != sum(sizes):
            status = self.close()
            raise AssertionError(
                f"{function} ended with status {status}; the sanitizer's report is on stderr"
            )
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        return [found[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    def close(self) -> int:
        """Ends the process; its exit status, which is not 0 after an error, a leak included."""
        process, self.process = self.process, None
        if process is None:
            return 0
        with process:
            process.communicate()
        return process.returncode


def run_layer(
    driver: Driver, model: Model, lowered: Lowered, stimulus: bytes, lead_bytes: int | None = None
) -> bytes:
    """The output of a layer of one input, every buffer between guard bytes that must stay as they are.

    With `lead_bytes` the output lies that much before the input, in the same memory.
    """
    (call,) = lowered.calls
    (overlap,) = lowered.overlaps
    size = model.graph.tensors[overlap.output_tensor].size_bytes
    if lead_bytes is None:
        arena = bytearray(GUARD + stimulus + GUARD + bytes(size) + GUARD)
        input_at, output_at = len(GUARD), 2 * len(GUARD) + len(stimulus)
    else:
        start = min(0, -lead_bytes)
        end = max(len(stimulus), size - lead_bytes)
        arena = bytearray(GUARD + bytes(end - start) + GUARD)
        input_at, output_at = len(GUARD) - start, len(GUARD) - start - lead_bytes
        arena[input_at : input_at + len(stimulus)] = stimulus
    scratch = b"\xee" * lowered.scratch_bytes
    blocks = [bytes(arena), scratch, *(constant.data for constant in lowered.constants)]
    blocks += [_struct(argument) for argument in call.arguments if isinstance(argument, StructArgument)]
    pointers = _pointers(lowered, call, {overlap.input_tensor: input_at, overlap.output_tensor: output_at})
    found = driver.call(call.function, blocks, pointers)
    assert found[2:] == blocks[2:]  # constants
    _guards_hold(bytes(arena), found[0], input_at, len(stimulus), output_at, size, lead_bytes)
    return found[0][output_at : output_at + size]


def _guards_hold(
    before: bytes, after: bytes, input_at: int, input_bytes: int, output_at: int, size: int, lead: int | None
) -> None:
    """Nothing but the output has changed."""
    assert after[:output_at] == before[:output_at]
    assert after[output_at + size :] == before[output_at + size :]
    if lead is None:
        assert after[input_at : input_at + input_bytes] == before[input_at : input_at + input_bytes]


def _pointers(lowered: Lowered, call: Call, tensors: dict[int, int]) -> list[tuple[int, int]]:
    names = [constant.name for constant in lowered.constants]
    found = []
    for argument in call.arguments:
        match argument:
            case TensorArgument(tensor=tensor):
                found.append((0, tensors[tensor]))
            case ScratchArgument() | LiteralArgument(text="0"):
                found.append((1, 0))
            case ConstantArgument(name=name):
                found.append((2 + names.index(name), 0))
            case StructArgument():
                found.append((2 + len(names), 0))
            case _:
                raise AssertionError(argument)
    return found


def _struct(argument: StructArgument) -> bytes:
    code = _STRUCTS[argument.ctype]
    return struct.pack(f"<{len(argument.fields)}{code}", *(int(value) for _, value in argument.fields))
