"""The digits: float, int8 on the host, on a simulated and on an emulated board, measured and consistent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from digits import DATA, Told, board_request, digits_request

from benchrunner.accuracy.document import load_accuracy
from benchrunner.accuracy.measure import AccuracyResult, measure_accuracy
from benchrunner.accuracy.table import accuracy_table
from benchrunner.errors import BoardResetError, DatasetError, UsageError, WrongImageError
from benchrunner.record import Fidelity
from benchrunner.zoo import resolve_model

DOCS = Path(__file__).parents[2] / "docs" / "accuracy.md"
FLOAT = resolve_model("digits_cnn_float")


def answers(result: AccuracyResult) -> list[dict[str, object]]:
    """What the journal beside the result says about each image."""
    found: dict[int, dict[str, object]] = {}
    for line in result.path.with_suffix(".jsonl").read_text().splitlines():
        found |= {each["index"]: each for each in json.loads(line).get("answers", ())}
    return [found[index] for index in sorted(found)]


def counts(result: AccuracyResult) -> dict[str, tuple[int, int]]:
    return {str(figure.source): (figure.right, figure.images) for figure in result.document.figures}


def test_float_host_and_simulated_board_have_the_documented_accuracy(results: Path) -> None:
    request = digits_request(results, float_model=FLOAT, device=board_request(results=results))
    result = measure_accuracy(request, Told())
    assert counts(result) == {"float host": (510, 540), "host": (511, 540), "device": (511, 540)}
    every = answers(result)
    assert len(every) == 540
    assert all(each["host_class"] == each["device_class"] for each in every)
    assert all(each["host_crc32"] == each["device_crc32"] for each in every)
    device, twin = result.document.agreements
    assert (device.same_class, device.same_bytes, device.largest_difference_lsb) == (540, 540, 0)
    assert (twin.same_class, twin.same_bytes) == (539, None)
    (other,) = result.document.differing
    assert (other.name, other.label, other.float_class, other.host_class) == ("x[166]", 8, 9, 8)
    assert result.document.board is not None
    assert result.document.board.fidelity is Fidelity.SIMULATED
    table = accuracy_table([load_accuracy(result.path)])
    assert table.rows[0][:6] == ("digits_cnn_float", "Float", "8x8x1", "94.44", "92.18 to 96.08", "540")
    assert table.rows[1][:6] == ("digits_cnn_int8", "Int8", "8x8x1", "94.63", "92.39 to 96.24", "540")
    assert [row[-1] for row in table.rows] == ["host", "host", "simulated"]
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in DOCS.read_text().splitlines()]
    for row in table.rows:
        assert list(row) in shown, "docs/accuracy.md shows other figures"


def test_the_unmodified_firmware_on_an_emulated_cortex_m7_answers_as_the_host_does(results: Path) -> None:
    device = board_request(results=results, emulate=True)
    result = measure_accuracy(digits_request(results, limit=60, device=device), Told())
    every = answers(result)
    assert len(every) == 60
    assert all(each["host_crc32"] == each["device_crc32"] for each in every)
    assert counts(result)["host"] == counts(result)["device"] == (57, 60)
    assert result.document.board is not None
    assert result.document.board.fidelity is Fidelity.EMULATED
    assert len({each["host_crc32"] for each in every}) > 20, "equal answers to all would prove nothing"


def test_a_device_whose_answers_are_wrong_is_reported(results: Path) -> None:
    device = board_request("wrong_output=true", results=results)
    result = measure_accuracy(digits_request(results, limit=20, device=device), Told())
    (agreement,) = result.document.agreements
    assert agreement.same_bytes == 0
    assert agreement.largest_difference_lsb is not None
    assert agreement.largest_difference_lsb > 0
    assert result.document.differing_count == 20
    assert {each.device_equals_host for each in result.document.differing} == {False}


def test_a_board_that_resets_in_the_middle_is_connected_again_and_no_answer_is_lost(results: Path) -> None:
    told = Told()
    device = board_request("reset_at=run:30", results=results)
    result = measure_accuracy(digits_request(results, limit=60, device=device), told)
    assert any("connecting again" in note for note in told.notes)
    assert result.document.sessions > 1
    assert len(answers(result)) == 60
    assert counts(result)["host"] == counts(result)["device"]


def test_a_board_that_never_answers_ends_the_measurement(results: Path) -> None:
    device = board_request("reset_at=run:1+", results=results)
    with pytest.raises(BoardResetError):
        measure_accuracy(digits_request(results, limit=60, device=device), Told())
    assert list(results.glob("accuracy/journal-*.jsonl"))
    assert not list(results.glob("accuracy/*.json"))


def test_images_are_chosen_at_equal_distances(results: Path) -> None:
    result = measure_accuracy(digits_request(results, limit=9), Told())
    assert [each["index"] for each in answers(result)] == [0, 60, 120, 180, 240, 300, 360, 420, 480]
    assert (result.document.dataset.images, result.document.dataset.chosen) == (540, 9)


def test_the_same_images_have_the_same_hash_and_others_another(results: Path) -> None:
    one = measure_accuracy(digits_request(results, limit=9), Told()).document.dataset.sha256
    again = measure_accuracy(
        digits_request(results, limit=9, float_model=FLOAT), Told()
    ).document.dataset.sha256
    other = measure_accuracy(digits_request(results, limit=10), Told()).document.dataset.sha256
    assert one == again != other


def test_a_scaling_that_the_model_was_not_quantised_for_is_said(results: Path) -> None:
    from benchrunner.accuracy.preprocessing import Preprocessing

    wrong = digits_request(results, limit=30, preprocessing=Preprocessing(scale=1.0))
    result = measure_accuracy(wrong, Told())
    assert result.document.clipped_input_values > 300
    assert any("beyond what the model's input can hold" in text for text in result.document.warnings)
    assert not measure_accuracy(digits_request(results, limit=30), Told()).document.warnings


def test_a_model_with_other_classes_than_the_data_is_refused(results: Path) -> None:
    with pytest.raises(DatasetError, match=r"output \[1, 5\], the data set has 10 classes") as caught:
        measure_accuracy(digits_request(results, model=resolve_model("fdmobilenet_0.25_128_int8")), Told())
    assert "--classes" in caught.value.hint


def test_an_int8_file_is_no_float_model(results: Path) -> None:
    with pytest.raises(UsageError, match="a float model takes float32"):
        measure_accuracy(digits_request(results, float_model=resolve_model("digits_cnn_int8")), Told())


def test_answers_of_two_devices_are_not_one_figure(results: Path) -> None:
    def stop(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    request = digits_request(results, limit=40, device=board_request(results=results))
    with pytest.raises(KeyboardInterrupt):
        measure_accuracy(request, Told(stop))
    (journal,) = results.glob("accuracy/journal-*.jsonl")
    begin, session, *rest = journal.read_text().splitlines()
    facts = json.loads(session) | {"fidelity": "measured"}
    journal.write_text("\n".join([begin, json.dumps(facts), *rest, ""]))
    with pytest.raises(WrongImageError, match="fidelity measured, now it is simulated") as caught:
        measure_accuracy(request, Told())
    assert "--new" in caught.value.hint


def test_the_committed_images_are_where_the_documents_say() -> None:
    assert DATA.is_file()
    assert "tests/data/digits/test.npz" in DOCS.read_text()


def test_an_engine_that_does_not_take_inputs_is_refused(results: Path) -> None:
    device = board_request(results=results, engine="mlperf-tiny")
    with pytest.raises(UsageError, match="accuracy on a microcontroller is for engine aot"):
        measure_accuracy(digits_request(results, device=device), Told())
