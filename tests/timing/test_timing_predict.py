"""Cycles per operator: signs, sums, growth, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchrunner.errors import NoTimingModelError
from benchrunner.model import LayerCost, LayerKind
from benchrunner.timing import TERMS, cold_extra_cycles, load_coefficients, predict, work

KINDS = [kind for kind in LayerKind if kind is not LayerKind.UNKNOWN]
WITH_MACS = [LayerKind.CONVOLUTION, LayerKind.POINTWISE, LayerKind.DEPTHWISE, LayerKind.DENSE]


def layer(kind: LayerKind, *, size: int = 16, operator: str = "OPERATOR", dtype: str = "int8") -> LayerCost:
    elements = size * size * 8
    return LayerCost(
        index=3,
        operator=operator,
        name="out",
        kind=kind,
        macs=elements * 9 if kind in WITH_MACS else 0,
        parameters=0,
        weight_bytes=0,
        input_shapes=((1, size, size, 8),),
        output_shapes=((1, size, size, 8),),
        input_elements=elements,
        output_elements=elements,
        input_bytes=elements,
        output_bytes=elements,
        dtype=dtype,
        activation="NONE",
        in_channels=8,
        out_channels=8,
        out_h=size,
        out_w=size,
    )


@pytest.mark.parametrize("core", ["Cortex-M7", "Cortex-M33", "Cortex-M4"])
def test_every_operator_gets_cycles_and_they_sum_to_the_total(core: str) -> None:
    layers = [layer(kind) for kind in KINDS]
    prediction = predict(layers, core)
    assert len(prediction.layer_cycles) == len(layers)
    assert sum(prediction.layer_cycles) == prediction.total_cycles
    for kind, cycles in zip(KINDS, prediction.layer_cycles, strict=True):
        assert (cycles == 0) == (kind is LayerKind.VIEW)
        assert cycles >= 0


@pytest.mark.parametrize("kind", WITH_MACS)
def test_more_macs_never_take_less_time(kind: LayerKind) -> None:
    base = layer(kind)
    assert base.macs is not None
    totals = [
        predict([replace(base, macs=base.macs * factor)], "Cortex-M7").total_cycles
        for factor in (1, 2, 3, 10)
    ]
    assert totals == sorted(set(totals))


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in (LayerKind.VIEW, LayerKind.QUANTISE)])
def test_a_larger_output_takes_longer(kind: LayerKind) -> None:
    small, large = (predict([layer(kind, size=size)], "Cortex-M33").total_cycles for size in (16, 32))
    assert small < large


def test_a_depthwise_mac_is_dearer_than_one_of_a_matrix_product() -> None:
    cycles = load_coefficients().cycles
    assert cycles["depthwise_mac"] > 2 * cycles["convolution_mac"]


def test_cores_that_issue_one_instruction_at_a_time_take_more_cycles() -> None:
    totals = [
        predict([layer(LayerKind.CONVOLUTION)], core).total_cycles
        for core in ("Cortex-M7", "Cortex-M33", "Cortex-M4")
    ]
    assert totals == sorted(set(totals))


def test_a_mac_on_the_three_channels_of_an_image_is_dearer_than_on_eight() -> None:
    eight = layer(LayerKind.CONVOLUTION)
    three = replace(eight, in_channels=3)
    assert predict([three], "Cortex-M7").total_cycles > predict([eight], "Cortex-M7").total_cycles


def test_an_image_given_as_uint8_takes_no_longer_than_one_given_as_int8() -> None:
    quantise = layer(LayerKind.QUANTISE, size=224)
    operator_cycles = load_coefficients().cycles["operator"]
    assert predict([quantise], "Cortex-M7").total_cycles == round(operator_cycles)


def test_padding_is_part_of_the_convolution_behind_it() -> None:
    assert work(layer(LayerKind.COPY, operator="PAD")) == (0,) * len(TERMS)
    assert sum(work(layer(LayerKind.COPY, operator="CONCATENATION"))) > 0


def test_a_prediction_says_how_far_it_may_be_off_and_what_it_stands_for() -> None:
    prediction = predict([layer(LayerKind.DENSE)], "Cortex-M7")
    error = load_coefficients().errors["Cortex-M7"]
    assert prediction.error_percent == error.median_percent
    assert prediction.version == load_coefficients().version
    for part in ("X-CUBE-AI 9.1.0", "Cortex-M7", f"{error.median_percent:.1f} %", f"{error.rows} rows"):
        assert part in prediction.basis


@pytest.mark.parametrize("core", ["Cortex-M55", "Cortex-A35", ""])
def test_a_core_without_published_rows_is_refused(core: str) -> None:
    with pytest.raises(
        NoTimingModelError, match="expected one of Cortex-M7, Cortex-M33, Cortex-M4"
    ) as refused:
        predict([], core)
    assert refused.value.hint


@pytest.mark.parametrize("engine", ["tflm 1.0", "X-CUBE-AI", "", "X-CUBE-AI nightly"])
def test_an_engine_without_published_rows_is_refused(engine: str) -> None:
    with pytest.raises(NoTimingModelError, match="no timing model for engine"):
        predict([], "Cortex-M7", engine=engine)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [("7.3.0", "7.3.0"), ("8.0.1", "8.0.0"), ("9.1.0", "9.1.0"), ("10.0.0", "9.1.0"), ("5.2.0", "7.3.0")],
)
def test_an_engine_version_takes_the_newest_earlier_one(asked: str, taken: str) -> None:
    fitted = load_coefficients()
    assert fitted.engine_factor(f"X-CUBE-AI {asked}") == fitted.engines[f"X-CUBE-AI {taken}"]


def test_an_unknown_operator_is_refused_by_layer_and_name() -> None:
    unknown = replace(layer(LayerKind.UNKNOWN, operator="CUSTOM:FFT"), macs=None)
    with pytest.raises(NoTimingModelError, match=r"layer 3: CUSTOM:FFT"):
        predict([layer(LayerKind.DENSE), unknown], "Cortex-M7")


def test_arithmetic_in_float_is_refused_but_a_float_output_is_not() -> None:
    with pytest.raises(NoTimingModelError, match="int8, found float32"):
        predict([layer(LayerKind.CONVOLUTION, dtype="float32")], "Cortex-M7")
    assert predict([layer(LayerKind.QUANTISE, dtype="float32")], "Cortex-M7").total_cycles > 0


def test_the_first_inference_waits_once_for_each_line_of_weights_that_the_cache_keeps() -> None:
    assert cold_extra_cycles(3200, "Cortex-M7", 4) == 100 * 4
    assert cold_extra_cycles(3201, "Cortex-M7", 4) == 101 * 4
    assert cold_extra_cycles(1_000_000, "Cortex-M7", 2) == 512 * 2
    assert cold_extra_cycles(1_000_000, "Cortex-M7", 2, data_cache_bytes=4096) == 128 * 2
    assert cold_extra_cycles(1_000_000, "Cortex-M4", 5) == 0
