"""The firmware of a simulated board: it boots what was flashed and speaks the device protocol."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import assert_never

from benchrunner import image
from benchrunner.board import Mcu
from benchrunner.errors import BenchrunnerError, WrongImageError
from benchrunner.image import ImageInfo
from benchrunner.protocol.endpoint import DeviceEndpoint, Incoming
from benchrunner.protocol.exchange import layers_per_message, samples_per_message
from benchrunner.protocol.messages import (
    PROTOCOL_VERSION,
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    ErrorCode,
    FidelityCode,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    InputCrc,
    JumpToBootloader,
    Layers,
    LoadInput,
    Manifest,
    Memory,
    Output,
    ProfileDone,
    ReadOutput,
    Reply,
    Request,
    Reset,
    Run,
    RunDone,
    RunProfile,
    Sample,
    Samples,
    Time,
)
from benchrunner.simulator.bootloader import HangError, SystemResetError
from benchrunner.simulator.clock import BoardClock, CycleCounter
from benchrunner.simulator.device_model import DEFAULT_KERNELS, DeviceModel
from benchrunner.simulator.faults import FaultCounters, Interruption
from benchrunner.simulator.memory import MemoryMap
from benchrunner.simulator.program import BootloaderRequestedError, Surroundings
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Parity

MAX_PAYLOAD_BYTES = 1024
WINDOW_FRAMES = 8
MAX_SAMPLES = 256
# What two counter reads and the loop around them take on a Cortex-M: a stated constant of this model, so that
# the layers of a profile and its total differ as they do on a board.
LOOP_OVERHEAD_CYCLES = 20
PROFILE_CYCLES_PER_LAYER = 20
_WRAP_AFTER_S = 0.5  # a wrapped counter starts this far before 2^32

_STEPS: dict[type[Request], str] = {
    GetManifest: "manifest",
    Echo: "echo",
    GetTime: "time",
    LoadInput: "load",
    GetInputCrc: "crc",
    Run: "run",
    GetSamples: "samples",
    RunProfile: "profile",
    GetLayers: "layers",
    ReadOutput: "output",
    GetMemory: "memory",
    JumpToBootloader: "jump",
    Reset: "reset",
}


def find_image(flash: bytes) -> ImageInfo | None:
    """The image in `flash`, None where a core would run into nothing: erased, cut off or damaged."""
    try:
        return image.read(flash)
    except WrongImageError:
        return None


class PlayedFirmware:
    """Applications in Python: they do what the firmware would, with the model that the image carries."""

    def power_on(self, memory: MemoryMap) -> None:
        pass

    def can_start(self, memory: MemoryMap, vectors: int) -> bool:
        at_base = vectors == memory.flash.base and memory.vectors_at(vectors) is not None
        return at_base and find_image(memory.flash.content) is not None

    def boot(self, around: Surroundings, vectors: int) -> Application:
        around.tune(LineFormat(around.mcu.serial.baud_hz, Parity.NONE))
        flash = around.memory.flash.content
        return Application(around.mcu, flash, image.read(flash), around.clock, around.counters, around.emit)


class Application:
    """The firmware from one boot to the next reset.

    `feed` raises `SystemResetError`, `BootloaderRequestedError` or `HangError` when it ends. An image for
    another chip, or one whose model cannot be run, says so at boot and refuses everything but the manifest
    and a way out.
    """

    again_in_s = None  # it does nothing but answer

    def __init__(
        self,
        mcu: Mcu,
        flash: bytes,
        info: ImageInfo,
        clock: BoardClock,
        counters: FaultCounters,
        emit: Callable[[bytes], None],
    ) -> None:
        self._mcu, self._info, self._clock = mcu, info, clock
        self._counters, self._faults = counters, counters.faults
        self._emit = emit
        self._reach("boot")
        self._endpoint = DeviceEndpoint(max_payload_bytes=MAX_PAYLOAD_BYTES)
        self._rate = self._faults.wrong_clock or 1.0
        hz = mcu.chip.clock_hz
        self._counter = CycleCounter(
            clock,
            hz * self._rate,
            bits=32 if self._faults.wrapped_counter else 64,
            first=(1 << 32) - int(hz * _WRAP_AFTER_S) if self._faults.wrapped_counter else 0,
            frozen=self._faults.frozen_counter,
        )
        self._samples: tuple[Sample, ...] = ()
        self._layers: tuple[int, ...] = ()
        self._outputs: tuple[bytes, ...] = ()
        self._is_cold = True
        self._model: DeviceModel | None = None
        self._refusal = self._load(flash)
        sizes: tuple[int, ...] = self._model.input_bytes if self._model else ()
        self._inputs = [bytearray(size) for size in sizes]
        self._missing = [bytearray(b"\x01" * size) for size in sizes]  # 1 where no byte was loaded
        if self._refusal is None:
            emit(self._endpoint.announce(self.manifest()))
        else:
            emit(b"\x00" + self._endpoint.fault(self._refusal.code, self._refusal.text))

    def feed(self, data: bytes) -> None:
        for incoming in self._endpoint.feed(data):
            self._emit(self._endpoint.answer(incoming, self._execute))
            self._leave(incoming)

    def manifest(self) -> Manifest:
        chip, info, model = self._mcu.chip, self._info, self._model
        sha = info.image_sha256
        return Manifest(
            protocol_version=PROTOCOL_VERSION,
            fidelity=FidelityCode.SIMULATED,
            chip_id=chip.chip_id,
            core_clock_hz=chip.clock_hz,
            time_scale_permille=round(1000 * self._clock.factor),
            image_sha256=hashlib.sha256(sha).digest() if self._faults.wrong_firmware else sha,
            model_sha256=info.model_sha256,
            icache=chip.icache_bytes > 0,
            dcache=chip.dcache_bytes > 0,
            prefetch=True,
            counter_running=True,
            flash_wait_states=chip.flash_wait_states,
            max_payload_bytes=MAX_PAYLOAD_BYTES,
            window_frames=WINDOW_FRAMES,
            max_samples=MAX_SAMPLES,
            layer_count=len(model.layer_cycles) if model else 0,
            loop_overhead_cycles=LOOP_OVERHEAD_CYCLES,
            reset_cause=0,
            input_bytes=model.input_bytes if model else (),
            output_bytes=model.output_bytes if model else (),
            text={
                **info.text,
                **(model.timing if model else {}),
                "kernels": str(model.kernels) if model else info.text.get("kernels", ""),
                "profile_cycles_per_layer": str(PROFILE_CYCLES_PER_LAYER),
            },
        )

    # --- inside ------------------------------------------------------------------------------------------

    def _load(self, flash: bytes) -> DeviceError | None:
        """Load the model; the reason where this image is not to be run."""
        chip, info = self._mcu.chip, self._info
        if info.chip_id != chip.chip_id:
            text = f"image for chip {info.chip_id:#05x}, this is {chip.chip_id:#05x} ({chip.part})"
            return DeviceError(ErrorCode.WRONG_CHIP, text)
        payload = flash[info.payload_offset : info.payload_offset + info.payload_bytes]
        if hashlib.sha256(payload).digest() != info.model_sha256:
            return DeviceError(ErrorCode.BAD_IMAGE, "the model in the image is not the one it names")
        kernels = info.text.get("kernels", DEFAULT_KERNELS)
        try:
            self._model = DeviceModel(payload, info.text.get("model", "model"), chip, kernels)
        except BenchrunnerError as error:
            return DeviceError(ErrorCode.BAD_IMAGE, error.message)
        return None

    def _reach(self, step: str, half_done: Callable[[], None] = lambda: None) -> None:
        match self._counters.interruption(step, self._counters.reach(step)):
            case Interruption.HANG:
                half_done()
                raise HangError
            case Interruption.RESET:
                half_done()
                raise SystemResetError
            case None:
                pass

    def _leave(self, incoming: Incoming) -> None:
        match incoming.request:
            case JumpToBootloader():
                raise BootloaderRequestedError
            case Reset():
                raise SystemResetError
            case _:
                pass

    def _execute(self, request: Request) -> Reply:
        if not isinstance(request, Run):  # a run is interrupted in its middle
            self._reach(_STEPS[type(request)])
        match request:
            case GetManifest():
                return self.manifest()
            case JumpToBootloader() | Reset():
                return Accepted()
            case _ if self._refusal is not None or self._model is None:
                return self._refusal or DeviceError(ErrorCode.BAD_IMAGE, "no model")
            case Echo(data):
                return Echoed(data)
            case GetTime():
                return Time(self._counter.read())
            case LoadInput():
                return self._load_input(request)
            case GetInputCrc(index):
                if index >= len(self._inputs):
                    return _no_such("input", index, len(self._inputs))
                return InputCrc(zlib.crc32(self._inputs[index]))
            case Run(count):
                return self._run(count, self._model)
            case GetSamples(first, count):
                return self._get_samples(first, count)
            case RunProfile():
                return self._profile(self._model)
            case GetLayers(first, count):
                return self._get_layers(first, count)
            case ReadOutput():
                return self._read_output(request)
            case GetMemory():
                return self._memory(self._model)
            case _ as never:
                assert_never(never)

    def _load_input(self, request: LoadInput) -> Reply:
        index, end = request.index, request.offset + len(request.data)
        if index >= len(self._inputs):
            return _no_such("input", index, len(self._inputs))
        if end > len(self._inputs[index]):
            text = f"input {index} has {len(self._inputs[index])} bytes, {request.offset}..{end} given"
            return DeviceError(ErrorCode.BAD_ARGUMENT, text)
        self._inputs[index][request.offset : end] = request.data
        self._missing[index][request.offset : end] = bytes(len(request.data))
        return Accepted()

    def _infer(self, model: DeviceModel) -> DeviceError | None:
        """Compute the outputs; what prevents it, if anything does."""
        missing = [index for index, mask in enumerate(self._missing) if any(mask)]
        if missing:
            return DeviceError(ErrorCode.NO_INPUT, f"input {missing[0]} was not loaded completely")
        try:
            outputs = model.outputs([bytes(data) for data in self._inputs])
        except BenchrunnerError as error:
            return DeviceError(ErrorCode.FAULT, error.message)
        if self._faults.wrong_output:
            outputs = (bytes([outputs[0][0] ^ 0x40]) + outputs[0][1:], *outputs[1:])
        self._outputs = outputs
        return None

    def _counted(self, cycles: int) -> int:
        """How many cycles the counter sees where `cycles` pass."""
        return 0 if self._faults.frozen_counter else round(cycles * self._rate)

    def _spend(self, cycles: int) -> None:
        self._clock.advance(cycles / self._mcu.chip.clock_hz)

    def _run(self, count: int, model: DeviceModel) -> Reply:
        if not 1 <= count <= MAX_SAMPLES:
            return DeviceError(ErrorCode.BAD_ARGUMENT, f"count {count}, expected 1..{MAX_SAMPLES}")
        failure = self._infer(model)
        cycles = [model.total_cycles] * count
        first_is_cold = self._is_cold
        if first_is_cold:
            cycles[0] += model.cold_extra_cycles
        spent = sum(cycles) + (count + 1) * LOOP_OVERHEAD_CYCLES
        self._reach("run", lambda: self._spend(spent // 2))
        if failure is not None:
            return failure
        crc32 = zlib.crc32(b"".join(self._outputs))
        began = self._counter.read()
        self._spend(spent)
        ended = self._counter.read()
        self._samples = tuple(Sample(self._counted(each), crc32) for each in cycles)
        self._is_cold = False
        return RunDone(count, first_is_cold, began, ended)

    def _profile(self, model: DeviceModel) -> Reply:
        failure = self._infer(model)
        if failure is not None:
            return failure
        extra = model.cold_extra_cycles if self._is_cold else 0
        cycles = list(model.layer_cycles)
        if cycles:
            cycles[0] += extra
        self._is_cold = False
        total = sum(cycles) + PROFILE_CYCLES_PER_LAYER * len(cycles)
        self._spend(total)
        self._layers = tuple(self._counted(each) for each in cycles)
        return ProfileDone(len(cycles), self._counted(total))

    def _get_samples(self, first: int, count: int) -> Reply:
        if count < 1 or first + count > len(self._samples):
            return _no_such("samples", first + count, len(self._samples))
        most = min(count, samples_per_message(MAX_PAYLOAD_BYTES))
        return Samples(first, self._samples[first : first + most])

    def _get_layers(self, first: int, count: int) -> Reply:
        if count < 1 or first + count > len(self._layers):
            return _no_such("layers", first + count, len(self._layers))
        most = min(count, layers_per_message(MAX_PAYLOAD_BYTES))
        return Layers(first, self._layers[first : first + most])

    def _read_output(self, request: ReadOutput) -> Reply:
        index, end = request.index, request.offset + request.length
        if index >= len(self._outputs):
            return _no_such("output", index, len(self._outputs))
        if end > len(self._outputs[index]) or not 0 < request.length <= MAX_PAYLOAD_BYTES:
            text = f"output {index} has {len(self._outputs[index])} bytes, {request.offset}..{end} wanted"
            return DeviceError(ErrorCode.BAD_ARGUMENT, text)
        return Output(index, request.offset, self._outputs[index][request.offset : end])

    def _memory(self, model: DeviceModel) -> Memory:
        """There is no stack, heap or static data here; the arena is what the model's tensors need at
        least."""
        peak = model.live_peak_bytes
        return Memory(peak, peak, None, None, None, None, None)


def _no_such(what: str, asked: int, there: int) -> DeviceError:
    return DeviceError(ErrorCode.BAD_ARGUMENT, f"{what} {asked}: there are {there}")
