"""What the host decides: the model, its input, the right answer, the image for the chip it found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchrunner import __version__
from benchrunner.durable import alone_in
from benchrunner.errors import UsageError, WrongImageError
from benchrunner.firmware.simulated import simulated_image
from benchrunner.image import ImageInfo, read
from benchrunner.model import LayerCost, Model, layer_costs, load_model
from benchrunner.record import BoardClass, Case, NotMeasured
from benchrunner.run.device import Device
from benchrunner.run.request import RunRequest
from benchrunner.runtime import ORACLE, Interpreter, Tensor, load_input, natural_input, reference_name

if TYPE_CHECKING:
    from benchrunner.firmware.aot import BuiltImage

INPUT_SEED = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case that can be tried: everything the host decides."""

    case: Case
    model: Model
    model_bytes: bytes
    costs: tuple[LayerCost, ...]
    inputs: tuple[bytes, ...]
    reference: tuple[bytes, ...]  # the right outputs
    reference_name: str
    output_dtypes: tuple[str, ...]

    @property
    def weight_bytes(self) -> int:
        return sum(cost.weight_bytes for cost in self.costs)


@dataclass(frozen=True, slots=True)
class Image:
    """What is flashed, what its manifest block says, and where a built one came from."""

    info: ImageInfo
    data: bytes
    built: BuiltImage | None = None

    @property
    def kept_input_bytes(self) -> int:
        """RAM of the bench for a copy of inputs that an inference overwrites."""
        return self.built.footprint.ram_bytes.get("kept inputs", 0) if self.built else 0


def prepare(request: RunRequest) -> Prepared:
    """Read the model, choose the input, compute the right answer.

    Raises `ModelError` or `UsageError`; nothing has been touched then.
    """
    if request.engine not in request.board.engines:
        raise UsageError(
            f"board {request.board.id} does not run engine {request.engine!r}",
            hint=f"it runs: {', '.join(request.board.engines)}",
        )
    model = load_model(request.model)
    model_bytes = request.model.read_bytes()
    if hashlib.sha256(model_bytes).hexdigest() != model.sha256:
        raise UsageError(f"{request.model}: the file changed while it was being read")
    interpreter = Interpreter(model_bytes, ORACLE)
    inputs = choose_inputs(request, interpreter.inputs)
    reference = interpreter.run(inputs)
    board = request.board
    case = Case(
        board=board.id,
        board_class=BoardClass.MCU,
        board_name=board.name,
        series=board.series,
        engine=request.engine,
        engine_version=__version__,
        model=model.name,
        model_sha256=model.sha256,
        graph_sha256=model.graph_sha256,
        format=weight_format(model),
        quantization=quantization(model),
        resolution="x".join(str(size) for size in interpreter.inputs[0].shape[1:]),
        execution_engine="1 CPU",  # no engine of an STM32 microcontroller uses more than one core
        clock_hz=board.mcu.chip.clock_hz if board.mcu else NotMeasured("not a microcontroller"),
        starts=1,
        timed_runs=request.runs,
        input_sha256=hashlib.sha256(b"".join(inputs)).hexdigest(),
    )
    return Prepared(
        case=case,
        model=model,
        model_bytes=model_bytes,
        costs=layer_costs(model),
        inputs=inputs,
        reference=reference,
        reference_name=reference_name(ORACLE),
        output_dtypes=tuple(tensor.dtype for tensor in interpreter.outputs),
    )


def choose_inputs(request: RunRequest, tensors: Sequence[Tensor]) -> tuple[bytes, ...]:
    """The given file, or seeded inputs. Raises `UsageError`."""
    if request.input_file is None:
        return tuple(natural_input(tensor, INPUT_SEED + index) for index, tensor in enumerate(tensors))
    if len(tensors) != 1:
        raise UsageError(
            f"{request.model}: takes {len(tensors)} inputs, --input gives one",
            hint="leave --input away to use seeded inputs",
        )
    return (load_input(request.input_file, tensors[0]),)


def make_image(request: RunRequest, prepared: Prepared, chip: Device) -> Image:
    """The image for this case and this chip.

    A simulated chip plays the model file itself; every other one gets compiled firmware, the same that
    `benchrunner build` leaves. Raises `DoesNotFitError`, `UnsupportedOperatorError`, and `UsageError` without
    a compiler. An image that was given is taken as it is, if it is for this board and model.
    """
    if request.image is not None:
        return _given(request.image, request, prepared, chip)
    if chip.simulated:
        data = simulated_image(
            request.board,
            prepared.model_bytes,
            model_name=prepared.model.name,
            engine=request.engine,
            kernels=ORACLE,
        )
        return Image(read(data), data)
    from benchrunner.firmware.aot import build_image
    from benchrunner.firmware.build import cache_folder
    from benchrunner.firmware.toolchain import find_toolchain

    folder = cache_folder().parent / "firmware" / f"{request.board.id}-{prepared.model.sha256[:16]}"
    toolchain = find_toolchain()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from error
    # Runs of this model at other places with such a board, or of another version of this program, build here.
    with alone_in(folder):
        built = build_image(request.board, prepared.model, folder, toolchain)
    return Image(built.firmware.info, built.firmware.binary, built)


def _given(path: Path, request: RunRequest, prepared: Prepared, chip: Device) -> Image:
    """An image that was made before. Raises `UsageError` where it is not for this board and model."""
    hint = "an image is for the board and the model that it was built for"
    try:
        data = path.read_bytes()
        info = read(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    except WrongImageError as error:
        raise UsageError(f"{path}: not an image of benchrunner: {error.message}", hint=hint) from error
    if info.chip_id != chip.mcu.chip.chip_id:
        raise UsageError(
            f"{path}: for a chip {info.chip_id:#05x}, not {chip.mcu.chip.chip_id:#05x}", hint=hint
        )
    if info.model_sha256.hex() != prepared.model.sha256:
        raise UsageError(
            f"{path}: of model {info.model_sha256.hex()[:12]}, not {prepared.model.sha256[:12]}", hint=hint
        )
    if bool(info.payload_bytes) is not chip.simulated:
        kind = "a simulated chip" if info.payload_bytes else "a chip that executes it"
        raise UsageError(f"{path}: for {kind}, which {chip.place or request.board.id} is not", hint=hint)
    return Image(info, data)


def weight_format(model: Model) -> str:
    """The data type of the weights, which is what tables call the format."""
    dtypes = {
        tensor.dtype
        for operator in model.graph.operators
        for tensor in model.graph.weights(operator)
        if tensor.dtype != "int32"  # biases
    }
    return "+".join(sorted(dtypes)) or "none"


def quantization(model: Model) -> str:
    """How the weights of convolutions and matrices are scaled: `per-channel`, `per-tensor` or `none`."""
    scales = [
        len(tensor.quantisation.scales)
        for operator in model.graph.operators
        for tensor in model.graph.weights(operator)
        if tensor.quantisation is not None and tensor.dtype in ("int8", "uint8") and len(tensor.shape) > 1
    ]
    if not scales:
        return "none"
    return "per-channel" if max(scales) > 1 else "per-tensor"
