"""The neural network inside a simulated board: its tensors, its outputs, and the cycles it is said to
take."""

from __future__ import annotations

from collections.abc import Sequence

from benchrunner.board import Chip
from benchrunner.errors import ModelError
from benchrunner.model import layer_costs, parse_model
from benchrunner.model.memory import live_memory
from benchrunner.runtime import Interpreter, KernelSet
from benchrunner.timing import cold_extra_cycles, predict

DEFAULT_KERNELS = KernelSet.BUILTIN


class DeviceModel:
    """A `.tflite` file as the simulated firmware runs it.

    Raises `ModelError` for bytes that are no model, `UsageError` for an unknown kernel set,
    `NoTimingModelError` where no time can be predicted. Outputs are computed with the kernel set that the
    image names, when the first inference wants them.
    """

    def __init__(self, payload: bytes, name: str, chip: Chip, kernels: str) -> None:
        self.kernels = _kernel_set(kernels)
        model = parse_model(payload, name)
        costs = layer_costs(model)
        prediction = predict(costs, chip.core)
        graph = model.graph
        self.input_bytes = tuple(graph.tensors[index].size_bytes for index in graph.inputs)
        self.output_bytes = tuple(graph.tensors[index].size_bytes for index in graph.outputs)
        self.layer_cycles = prediction.layer_cycles
        self.total_cycles = prediction.total_cycles
        self.cold_extra_cycles = cold_extra_cycles(
            sum(cost.weight_bytes for cost in costs),
            chip.core,
            chip.flash_wait_states,
            data_cache_bytes=chip.dcache_bytes,
        )
        self.live_peak_bytes = live_memory(graph).peak_bytes
        self.timing = {
            "timing_model": prediction.version,
            "timing_basis": prediction.basis,
            "timing_error_percent": f"{prediction.error_percent:.1f}",
        }
        self._payload = payload
        self._interpreter: Interpreter | None = None
        self._last: tuple[tuple[bytes, ...], tuple[bytes, ...]] | None = None

    def outputs(self, inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        """Output tensors for `inputs`; the same inputs are not computed twice."""
        key = tuple(inputs)
        if self._last is None or self._last[0] != key:
            if self._interpreter is None:
                self._interpreter = Interpreter(self._payload, self.kernels)
            self._last = key, self._interpreter.run(key)
        return self._last[1]


def _kernel_set(name: str) -> KernelSet:
    try:
        return KernelSet(name)
    except ValueError:
        known = ", ".join(KernelSet)
        raise ModelError(f"image: kernels: unknown kernel set {name!r}, expected one of {known}") from None
