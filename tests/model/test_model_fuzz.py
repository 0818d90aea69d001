"""Whatever the bytes, reading a model ends soon, in a model or in a `ModelError`."""

import random
import struct
import time
import tracemalloc

import pytest
import tflite_builder as built
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_builder import ModelBuilder

from benchrunner.errors import ModelError
from benchrunner.model import parse_model
from benchrunner.model.cost import model_cost

LONGEST_S = 2.0  # of processor time, far above the milliseconds that it takes


def one_layer() -> bytes:
    """A small file that has every part which the reader looks at."""
    net = ModelBuilder(description="d")
    x = net.conv(net.input((1, 4, 4, 2)), 2)
    y = net.tensor((1, 4, 4, 2), name="y", signature=(-1, 4, 4, 2))
    net.operator("CUSTOM", (x,), (y,), custom="Mine")
    z = net.tensor((1, 16, 2))
    net.operator("RESHAPE", (y, net.constant([1, 16, 2])), (z,), ("ReshapeOptions", {"NewShape": [1, 16, 2]}))
    return net.finish(z, others=[ModelBuilder(name="other")])


SMALL = one_layer()


def survives(data: bytes) -> bool:
    """True for a model, False for a `ModelError`; anything else, or taking long, fails the test."""
    start = time.process_time()
    refusal = None
    try:
        model_cost(parse_model(data, "fuzzed.tflite"))
    except ModelError as error:
        refusal = error.message
    assert refusal is None or refusal.startswith("fuzzed.tflite: ")
    assert time.process_time() - start < LONGEST_S
    return refusal is None


def test_every_truncation_is_refused_or_read() -> None:
    outcomes = [survives(SMALL[:length]) for length in range(len(SMALL))]
    assert outcomes.count(False) > 0.9 * len(SMALL)


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_refused_or_read(change: int) -> None:
    outcomes = []
    for position in range(len(SMALL)):
        data = bytearray(SMALL)
        data[position] ^= change
        outcomes.append(survives(bytes(data)))
    assert True in outcomes
    assert False in outcomes


@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(SMALL), len(SMALL) - 4])
def test_every_word_may_claim_anything(value: int) -> None:
    outcomes = []
    for position in range(0, len(SMALL) - 3, 2):
        data = bytearray(SMALL)
        struct.pack_into("<I", data, position, value)
        outcomes.append(survives(bytes(data)))
    assert False in outcomes


def test_many_random_changes_of_a_real_network() -> None:
    source, draw = built.small_cnn(), random.Random(7)
    for _ in range(2000):
        data = bytearray(source)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        survives(bytes(data))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=400))
def test_noise_behind_the_identifier_is_refused_or_read(noise: bytes) -> None:
    survives(noise[:4].ljust(4, b"\0") + b"TFL3" + noise[4:])


def vector_of_tables(count: int, padding: int = 900) -> bytes:
    """A root table whose operator codes are a vector of `count` references to one table."""
    body = bytearray(struct.pack("<I4s", 16, b"TFL3"))
    body += struct.pack("<HHHH", 8, 12, 4, 8)  # field list: version at 4, operator codes at 8
    body += struct.pack("<iII", 8, 3, 4)  # root table at 16; the vector follows at 28
    body += struct.pack("<I", count)
    return bytes(body) + bytes(padding)


def test_a_claim_of_two_to_the_31_tables_is_refused_at_once() -> None:
    data = vector_of_tables(1 << 31)
    tracemalloc.start()
    with pytest.raises(ModelError, match="root table: vector at 28 of 2147483648 elements leaves the file"):
        parse_model(data, "claims.tflite")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_many_references_to_one_table_are_refused_before_they_are_followed() -> None:
    count = 1 << 20
    start = time.process_time()
    with pytest.raises(ModelError, match="1048576 operator codes, the limit is"):
        parse_model(vector_of_tables(count, padding=4 * count), "claims.tflite")
    assert time.process_time() - start < LONGEST_S


def test_tensors_that_share_a_long_part_are_refused_after_bounded_work() -> None:
    """2,000 tensors with one name of 100 kB would be 200 MB of text."""
    net = ModelBuilder()
    for _ in range(2_000):
        net.tensor((1,), name="n" * 100_000)
    data = net.finish([])
    assert len(data) < 1_000_000
    with pytest.raises(ModelError, match="overlap too often"):
        parse_model(data, "shares.tflite")


def test_a_file_of_nothing_but_tables_ends_soon() -> None:
    net = ModelBuilder()
    x = net.input((1, 4))
    for _ in range(5_000):
        x = net.softmax(x)
    assert survives(net.finish(x))
