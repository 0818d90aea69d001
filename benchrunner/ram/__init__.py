"""Where the RAM of a model on a board goes, byte by byte, and what would change it: all of it planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchrunner.board import Board
from benchrunner.errors import DoesNotFitError, ModelError, UsageError
from benchrunner.firmware.aot import empty_footprint
from benchrunner.firmware.buffers import Buffer
from benchrunner.firmware.compiled import CompiledModel, compile_model
from benchrunner.firmware.placement import RUNTIME_RAM_BYTES, place
from benchrunner.firmware.plan import MemoryPlan, plan_memory
from benchrunner.firmware.toolchain import Toolchain
from benchrunner.model import Model
from benchrunner.model.memory import live_memory
from benchrunner.networks.variants import expansion_fused, padding_apart, resized

_STACK_BYTES = 4 << 10  # what the linker scripts reserve
_RESOLUTIONS = (64, 96, 128, 160, 224, 320)
_RESOLUTION_LIMIT = 1_024  # a single map of it is beyond any microcontroller
_STEP = 8  # pixels: five halvings are not asked of every network, three are


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of RAM with one purpose; negative where two tensors share them."""

    name: str
    size_bytes: int
    text: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """RAM that is there for any model. `exact` where it was linked, else the most that it may be."""

    static_bytes: int
    stack_bytes: int
    exact: bool

    @property
    def total_bytes(self) -> int:
        return self.static_bytes + self.stack_bytes


@dataclass(frozen=True, slots=True)
class Change:
    """The same model otherwise. `total_bytes` is with runtime, stack and kept inputs; None with `problem`.

    `by_engine` is False where the aot engine has no such plan: then the bytes are a computed bound.
    """

    name: str
    kind: str  # "as it is", "placement", "resolution", "channels"
    arena_bytes: int | None
    kept_bytes: int
    largest_bytes: int  # the largest tensor by itself
    total_bytes: int | None
    by_engine: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Two habits of runtimes, and the arena that they lead to. Overlaid and not apart is this engine."""

    overlaid: bool  # outputs lie over inputs where a kernel allows it
    padding_apart: bool  # a layer of its own pads, as the Keras applications export it
    arena_bytes: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """`parts` add up to `total_bytes`. `least_bytes` of arena no plan with whole tensors goes below."""

    model: Model
    board: Board
    parts: tuple[Part, ...]
    total_bytes: int
    arena_bytes: int
    least_bytes: int
    peak_layer: str
    runtime: Runtime
    fits: str  # the memories that hold it, or why it does not fit
    input_bytes: int
    arrangements: tuple[Arrangement, ...]
    changes: tuple[Change, ...]

    @property
    def as_it_is(self) -> Change:
        return self.changes[0]


def explain_ram(
    model: Model,
    board: Board,
    toolchain: Toolchain | None,
    *,
    resolutions: Sequence[int] = (),
    below_bytes: int | None = None,
) -> Explanation:
    """Plan `model` as it is and otherwise. `toolchain` links the runtime; without one its limit is taken.

    `below_bytes` asks for the largest resolution whose total is less. Raises `ModelError` for a model that
    the engine does not run, `UsageError` for a board without a microcontroller.
    """
    if board.mcu is None:
        raise UsageError(
            f"board {board.id} runs Linux: its RAM is the system's", hint="give a microcontroller board"
        )
    for size in resolutions:
        if not 1 <= size <= _RESOLUTION_LIMIT:
            raise UsageError(f"resolution {size}", hint=f"1 to {_RESOLUTION_LIMIT}")
    compiled = compile_model(model)
    plan, runtime = compiled.plan, _runtime(board, toolchain)
    kept, fits = _placed(board, compiled)
    arena, peak = _arena_parts(compiled)
    inputs = [compiled.model.graph.tensors[index] for index in compiled.model.graph.inputs]
    parts = [*arena]
    if kept:
        shapes = ", ".join(f"{_shape(t.shape)} {t.dtype}" for t in inputs)
        parts.append(Part("kept input", kept, f"{shapes}: a copy, since an inference overwrites the arena"))
    at_most = "" if runtime.exact else ", at most"
    parts.append(Part("runtime", runtime.static_bytes, f"protocol, samples, C library, padding{at_most}"))
    parts.append(Part("stack", runtime.stack_bytes, "as reserved; a run reports how much was used"))
    total = sum(part.size_bytes for part in parts)
    assert total == plan.arena_bytes + kept + runtime.total_bytes
    base = Change("as it is", "as it is", plan.arena_bytes, kept, _largest(model), total)
    arrangements, placements = _placements(compiled, runtime)
    changes = [base, *placements, *_channels(compiled, runtime)]
    changes += _resolutions(compiled, runtime, resolutions or _RESOLUTIONS, below_bytes)
    return Explanation(
        compiled.model,
        board,
        tuple(parts),
        total,
        plan.arena_bytes,
        plan.bound_bytes,
        peak,
        runtime,
        fits,
        sum(tensor.size_bytes for tensor in inputs),
        arrangements,
        tuple(changes),
    )


def _runtime(board: Board, toolchain: Toolchain | None) -> Runtime:
    if toolchain is None:
        return Runtime(RUNTIME_RAM_BYTES - _STACK_BYTES, _STACK_BYTES, exact=False)
    parts = dict(empty_footprint(board, toolchain).ram_bytes)
    stack = parts.pop("stack", 0)
    others = sum(parts.get(name, 0) for name in ("static data", "padding", "unattributed"))
    return Runtime(others, stack, exact=True)


def _input_bytes(compiled: CompiledModel) -> int:
    """What is kept of the inputs: all of them, where an inference overwrites one."""
    graph = compiled.model.graph
    size = sum(graph.tensors[index].size_bytes for index in graph.inputs)
    return size if compiled.plan.inputs_overwritten else 0


def _placed(board: Board, compiled: CompiledModel) -> tuple[int, str]:
    """Bytes of kept inputs, and which memory holds what."""
    assert board.mcu is not None
    wanted = _input_bytes(compiled)
    try:
        placement = place(
            board,
            board.mcu,
            constants=compiled.constant_bytes,
            arena=compiled.plan.arena_bytes,
            kept=wanted,
            model=compiled.model.name,
        )
    except DoesNotFitError as error:
        return wanted, f"{error.message}; {error.hint}"
    text = f"arena in {placement.arena.name} of {placement.arena.size_bytes:,} bytes"
    text += f", stack and variables in {placement.ram.name}"
    if placement.kept is None:
        return 0, text + ("; no room to keep the input" if wanted else "")
    return wanted, f"{text}, kept input in {placement.kept.name}"


def _arena_parts(compiled: CompiledModel) -> tuple[list[Part], str]:
    """The arena at the layer that needs most of it: pair, shared bytes, what waits for later, scratch."""
    plan, graph = compiled.plan, compiled.model.graph
    if not graph.operators:
        return [Part("activations", plan.arena_bytes, "nothing is computed")], ""
    layer = max(range(len(graph.operators)), key=lambda i: (_top(plan, i), _sum(plan, i), -i))
    operator = graph.operators[layer]
    heading = f"layer {layer} {operator.name} {short_name(graph.tensors[operator.outputs[0]].name)}"
    alive = [
        (buffer, offset)
        for buffer, offset in zip(plan.buffers, plan.offsets, strict=True)
        if buffer.first <= layer <= buffer.last
    ]
    parts = []
    for buffer, _ in sorted(alive, key=lambda pair: (pair[0].scratch, pair[0].first)):
        parts.append(_part(compiled, buffer, layer))
    covered = _covered(alive)
    shared = sum(buffer.size_bytes for buffer, _ in alive) - covered
    if shared:
        parts.append(Part("shared", -shared, "the output is laid over what the layer has read"))
    gap = plan.arena_bytes - covered
    if gap:
        parts.append(Part("gap", gap, "between them, or needed by another layer"))
    return parts, heading


def _part(compiled: CompiledModel, buffer: Buffer, layer: int) -> Part:
    graph = compiled.model.graph
    if buffer.scratch:
        return Part("scratch", buffer.size_bytes, f"of the kernel of layer {layer}")
    tensor = graph.tensors[buffer.tensors[0]]
    text = f"{_shape(tensor.shape)} {tensor.dtype} {short_name(tensor.name)}"
    operator = graph.operators[layer]
    if any(index in operator.outputs for index in buffer.tensors):
        return Part("peak output", buffer.size_bytes, text)
    if any(index in operator.inputs for index in buffer.tensors):
        kind = "peak input (the model's)" if buffer.first < 0 else "peak input"
        return Part(kind, buffer.size_bytes, text)
    return Part("shortcut", buffer.size_bytes, f"{text}, until layer {buffer.last}")


def _top(plan: MemoryPlan, layer: int) -> int:
    return max(
        (
            offset + buffer.size_bytes
            for buffer, offset in zip(plan.buffers, plan.offsets, strict=True)
            if buffer.first <= layer <= buffer.last
        ),
        default=0,
    )


def _sum(plan: MemoryPlan, layer: int) -> int:
    return sum(buffer.size_bytes for buffer in plan.buffers if buffer.first <= layer <= buffer.last)


def _covered(alive: Sequence[tuple[Buffer, int]]) -> int:
    total = at = 0
    for start, size in sorted((offset, buffer.size_bytes) for buffer, offset in alive):
        total += max(0, start + size - max(start, at))
        at = max(at, start + size)
    return total


def _placements(
    compiled: CompiledModel, runtime: Runtime
) -> tuple[tuple[Arrangement, ...], tuple[Change, ...]]:
    model, padded = compiled.model, padding_apart(compiled.model)
    apart = compiled if padded is model else compile_model(padded)
    plans = {
        (True, False): compiled.plan,
        (False, False): _without_overlap(compiled),
        (True, True): apart.plan,
        (False, True): _without_overlap(apart),
    }
    changes = [_planned("no output over its input", "placement", model, plans[False, False], runtime)]
    if apart is not compiled:
        for overlaid, rest in ((True, ""), (False, ", no output over its input")):
            name = f"padding as layers of its own{rest}"
            if overlaid or plans[False, True].arena_bytes != plans[True, True].arena_bytes:
                changes.append(_planned(name, "placement", padded, plans[overlaid, True], runtime))
    live = live_memory(expansion_fused(model).graph).peak_bytes
    if live < live_memory(model.graph).peak_bytes:
        kept = _input_bytes(compiled)
        name, total = "expansion and depthwise layer as one", live + kept + runtime.total_bytes
        changes.append(Change(name, "placement", live, kept, 0, total, by_engine=False))
    arrangements = tuple(Arrangement(*habits, plan.arena_bytes) for habits, plan in plans.items())
    return arrangements[: 2 if apart is compiled else 4], tuple(changes)


def _without_overlap(compiled: CompiledModel) -> MemoryPlan:
    layers = [replace(layer, overlaps=()) for layer in compiled.layers]
    return plan_memory(compiled.model.graph, layers)


def _channels(compiled: CompiledModel, runtime: Runtime) -> list[Change]:
    shape = _image_shape(compiled.model)
    if shape is None or shape[3] not in (1, 3):
        return []
    other = 4 - shape[3]
    name = f"{shape[1]}x{shape[2]}x{other} ({'grey' if other == 1 else 'colour'})"
    return [_changed(compiled, runtime, name, "channels", (shape[1], shape[2], other))]


def _resolutions(
    compiled: CompiledModel, runtime: Runtime, resolutions: Sequence[int], below_bytes: int | None
) -> list[Change]:
    shape = _image_shape(compiled.model)
    if shape is None:
        return []
    wanted = {(size, size) for size in resolutions} - {shape[1:3]}
    changes = [
        _changed(compiled, runtime, f"{h}x{w}x{shape[3]}", "resolution", (h, w, shape[3]))
        for h, w in sorted(wanted)
    ]
    if below_bytes is not None:
        found = _largest_below(compiled, runtime, shape, below_bytes)
        known = {f"{shape[1]}x{shape[2]}x{shape[3]}", *(change.name for change in changes)}
        if found is not None and found.name not in known:
            changes.append(found)
    return sorted(changes, key=lambda change: change.total_bytes or 0)


def _largest_below(
    compiled: CompiledModel, runtime: Runtime, shape: tuple[int, ...], below_bytes: int
) -> Change | None:
    """The largest square input, in steps, with less RAM: memory grows with the input, so it is halved."""
    low, high, best = 1, max(shape[1:3]) // _STEP * 2, None
    while low <= high:
        size = (low + high) // 2 * _STEP
        name = f"{size}x{size}x{shape[3]}"
        change = _changed(compiled, runtime, name, "resolution", (size, size, shape[3]))
        if change.total_bytes is not None and change.total_bytes < below_bytes:
            best, low = change, (low + high) // 2 + 1
        else:
            high = (low + high) // 2 - 1
    return best


def _image_shape(model: Model) -> tuple[int, ...] | None:
    shapes = [model.graph.tensors[index].shape for index in model.graph.inputs]
    return shapes[0] if len(shapes) == 1 and len(shapes[0]) == 4 else None


def _changed(
    compiled: CompiledModel, runtime: Runtime, name: str, kind: str, size: tuple[int, int, int]
) -> Change:
    try:
        model = resized(compiled.model, *size)
        other = compile_model(model)
    except ModelError as error:
        problem = error.message.removeprefix(f"{compiled.model.source}: ")
        return Change(name, kind, None, 0, 0, None, problem=problem)
    return _planned(name, kind, other.model, other.plan, runtime)


def _planned(name: str, kind: str, model: Model, plan: MemoryPlan, runtime: Runtime) -> Change:
    inputs = sum(model.graph.tensors[index].size_bytes for index in model.graph.inputs)
    kept = inputs if plan.inputs_overwritten else 0
    total = plan.arena_bytes + kept + runtime.total_bytes
    return Change(name, kind, plan.arena_bytes, kept, _largest(model), total)


def _largest(model: Model) -> int:
    return max((t.size_bytes for t in model.graph.tensors if not t.constant), default=0)


def short_name(name: str) -> str:
    """Of `model/layer/operation;...`, as converters name what they have fused, the layer."""
    parts = name.split(";")[0].split("/")
    return parts[1] if len(parts) > 1 else name


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[1:] if len(shape) > 1 and shape[0] == 1 else shape)) or "scalar"
