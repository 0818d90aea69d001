"""Cycles of each operator of a model on a core, and of the first inference after reset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.timing.coefficients import REFERENCE_ENGINE, load_coefficients
from benchrunner.timing.formula import TERMS, TimedLayer, work

_CACHE_LINE_BYTES = 32  # Cortex-M7 (ARM DDI 0489, level 1 caches)
# Only the Cortex-M7 caches data itself. L4 and U5 parts read constants through the flash interface in every
# inference, so their first one is not told apart here.
_DATA_CACHE_BYTES = {"Cortex-M7": 16 * 1024}  # STM32F76x, F77x, H74x, H75x and H7Ax; F74x have 4 KiB


@dataclass(frozen=True, slots=True)
class Prediction:
    """Modelled time of one warm inference: one value per operator, and their sum."""

    layer_cycles: tuple[int, ...]
    total_cycles: int
    error_percent: float  # leave-one-model-out median absolute error on this core
    version: str
    basis: str  # one sentence: what it was fitted on, and what it predicts


def predict(layers: Sequence[TimedLayer], core: str, *, engine: str = REFERENCE_ENGINE) -> Prediction:
    """Cycles of every operator, as if `engine` ran the model.

    `engine` is "name version" (`Coefficients.engines`); the default is the reference, because no published
    times of this project's own engine exist. Raises `NoTimingModelError` for a core or an engine without
    published rows, an unknown operator, or arithmetic other than int8.
    Formula: docs/decisions/timing-model.md.
    """
    fitted = load_coefficients()
    factor = fitted.core_factor(core) * fitted.engine_factor(engine)
    costs = [factor * fitted.cycles[term] for term in TERMS]
    cycles = tuple(
        round(sum(cost * amount for cost, amount in zip(costs, work(layer), strict=True))) for layer in layers
    )
    error = fitted.errors[core]
    return Prediction(
        layer_cycles=cycles,
        total_cycles=sum(cycles),
        error_percent=error.median_percent,
        version=fitted.version,
        basis=(
            f"modelled as {engine} on {core}, from published times; networks left out of the fit are off by "
            f"{error.median_percent:.1f} % in the median, {error.p90_percent:.1f} % at the 90th percentile "
            f"({error.rows} rows of {error.networks} networks)"
        ),
    )


def cold_extra_cycles(
    weight_bytes: int, core: str, flash_wait_states: int, *, data_cache_bytes: int | None = None
) -> int:
    """Cycles that the first inference after reset takes on top of a warm one: modelled, not fitted.

    Weights that stay in the data cache between inferences are read from flash once, a line at a time, and
    each line waits for the flash: min(weights, cache) / 32 x wait states. Weights beyond the cache are read
    anew by every inference, so the warm time has them already. 0 on cores without a data cache.
    `data_cache_bytes` is the board's; by default that of most parts with this core.
    """
    cache_bytes = _DATA_CACHE_BYTES.get(core, 0) if data_cache_bytes is None else data_cache_bytes
    lines = -(-min(weight_bytes, cache_bytes) // _CACHE_LINE_BYTES)
    return lines * flash_wait_states
