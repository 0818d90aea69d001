"""What the lowering of an operator hands to planner and generator: calls, constants, scratch, overlap.

One operator of the model becomes one `Lowered`. Nothing here knows C beyond names and literals.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Constant:
    """Const data of one layer, laid out as its kernel wants it."""

    name: str  # unique within the layer: "weights", "bias", "multipliers"
    ctype: str  # element type: "int8_t", "int16_t", "int32_t", "float", "uint8_t"
    data: bytes  # little-endian
    align_bytes: int = 4


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """The address of an activation in the arena."""

    tensor: int  # index in the model's graph
    ctype: str  # the kernel's parameter type, "const int8_t *" or "int8_t *"


@dataclass(frozen=True, slots=True)
class ConstantArgument:
    """The address of one of the layer's constants."""

    name: str


@dataclass(frozen=True, slots=True)
class ScratchArgument:
    """The address of the layer's scratch memory, `Lowered.scratch_bytes` long, aligned to 8."""

    ctype: str = "void *"


@dataclass(frozen=True, slots=True)
class StructArgument:
    """The address of a `static const` struct that the generator emits."""

    ctype: str  # "bench_conv_s8_t"
    fields: tuple[tuple[str, str], ...]  # field name and C initialiser


@dataclass(frozen=True, slots=True)
class LiteralArgument:
    """A C literal."""

    text: str


Argument = TensorArgument | ConstantArgument | ScratchArgument | StructArgument | LiteralArgument


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel. Kernels return nothing: their arguments were checked when they were made."""

    function: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The output may lie over the input if it starts early enough.

    Safe wherever output address + `lead_bytes` <= input address: 0 is in place, positive means that the
    output must start that much before the input, negative that it may start behind it.
    """

    input_tensor: int
    output_tensor: int
    lead_bytes: int


@dataclass(frozen=True, slots=True)
class Lowered:
    """One operator as calls."""

    layer: int  # operator index in the model
    calls: tuple[Call, ...]  # none for an operator that was folded or is a mere alias
    # Files under firmware/kernels/ that the calls need. `x.c` has its declarations in `x.h`, which may
    # include any other header of that folder.
    sources: tuple[str, ...]
    constants: tuple[Constant, ...] = ()
    scratch_bytes: int = 0
    overlaps: tuple[Overlap, ...] = ()
    aliases: tuple[tuple[int, int], ...] = field(default=())  # (output, input): the same bytes, RESHAPE
