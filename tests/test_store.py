import errno
import json
import math
import os
import re
import resource
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import record_factory as factory
from hypothesis import given, settings
from record_strategies import documents

from benchrunner import store
from benchrunner.errors import NewerSchemaError, StoreError, UsageError
from benchrunner.record import (
    SCHEMA_VERSION,
    NotMeasured,
    Outcome,
    RunDocument,
)

RECORDS = Path(__file__).parent / "data" / "records"
NOW = datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)


def test_run_ids_sort_by_time_and_differ_within_a_second() -> None:
    ids = [store.new_run_id(NOW + timedelta(seconds=seconds)) for seconds in (0, 1, 60, 86400, 10**7)]
    assert ids == sorted(ids)
    assert len({store.new_run_id(NOW) for _ in range(100)}) == 100


def test_a_run_id_is_in_utc_whatever_the_zone_of_the_clock() -> None:
    run_id = store.new_run_id(NOW.astimezone(timezone(timedelta(hours=9))))
    assert re.fullmatch(r"20261121T020000Z-[0-9a-f]{8}", run_id)


def test_a_document_lies_in_the_folder_of_its_day_and_is_readable(tmp_path: Path) -> None:
    path = store.save_run(factory.document(), tmp_path)
    assert path == tmp_path / "2026-11-21" / f"{factory.RUN_ID}.json"
    lines = path.read_text().splitlines()
    assert '    "board_name": "STM32H747I-DISCO",' in lines
    assert max(map(len, lines)) < 110
    assert path.stat().st_mode & 0o777 == 0o644


@settings(max_examples=60, deadline=None, derandomize=True)
@given(document=documents())
def test_what_is_stored_is_what_is_loaded(
    document: RunDocument, tmp_path_factory: pytest.TempPathFactory
) -> None:
    loaded = store.load_run(store.save_run(document, tmp_path_factory.mktemp("results")))
    assert loaded.document == document
    assert not loaded.altered
    assert _types(loaded.document) == _types(document)


def _types(value: Any) -> Any:
    """Types all the way down: `True == 1` and `1 == 1.0` must not pass as a round trip."""
    if is_dataclass(value):
        return type(value), [_types(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, dict):
        return dict, sorted((key, type(item)) for key, item in value.items())
    if isinstance(value, tuple):
        return tuple, [_types(item) for item in value]
    return type(value)


def test_the_same_document_is_the_same_bytes(tmp_path: Path) -> None:
    first = store.save_run(factory.document(), tmp_path / "a").read_bytes()
    assert store.save_run(factory.document(), tmp_path / "b").read_bytes() == first


def test_bytes_of_a_command_line_that_are_no_text_do_not_lose_the_result(tmp_path: Path) -> None:
    provenance = replace(factory.MEASUREMENT.provenance, command=("run", os.fsdecode(b"m\xff.tflite")))
    path = store.save_run(factory.document(factory.measurement(provenance=provenance)), tmp_path)
    loaded = store.load_run(path)
    assert loaded.document.measurements[0].provenance.command == ("run", "m?.tflite")
    assert not loaded.altered


def test_a_result_is_never_overwritten(tmp_path: Path) -> None:
    path = store.save_run(factory.document(), tmp_path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="never overwritten"):
        store.save_run(factory.document(factory.failed("other")), tmp_path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_result_is_never_overwritten_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = store.save_run(factory.document(), tmp_path)
    with pytest.raises(StoreError, match="never overwritten"):
        store.save_run(factory.document(), tmp_path)
    assert store.load_run(path).document == factory.document()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("where", "code"),
    [("os.fsync", errno.ENOSPC), ("os.fdopen", errno.ENOSPC), ("tempfile.mkstemp", errno.EACCES)],
)
def test_a_full_disk_or_a_folder_of_another_user_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(f"benchrunner.durable.{where}", refuse)
        with pytest.raises(StoreError, match=rf"1f0c93ab\.json: .*{os.strerror(code)}") as caught:
            store.save_run(factory.document(), tmp_path)
    assert "--out" in caught.value.hint
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.load_run(store.save_run(factory.document(), tmp_path)).document == factory.document()


def test_a_write_that_the_system_cuts_short_leaves_nothing(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StoreError, match="File too large"):
            store.save_run(factory.document(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_results_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.write_text("")
    with pytest.raises(StoreError, match=f"{folder}/2026-11-21/.*: cannot write the result"):
        store.save_run(factory.document(), folder)


@pytest.mark.parametrize(
    "run_id", ["", "../../escape", "20261121T020000Z-1f0c93ab/x", "²" * 8 + "T020000Z-1f0c93ab"]
)
def test_a_run_id_cannot_be_a_path(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(StoreError, match="expected the form"):
        store.save_run(factory.document(run_id=run_id), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_value_of_another_type_is_refused_before_it_is_written(tmp_path: Path) -> None:
    latency = factory.timed(1, 2.5, 3)
    with pytest.raises(StoreError, match=r"measurements\.0\.latency\.Latency\.starts\.0\.timed_counts\.1"):
        store.save_run(factory.document(factory.measurement(latency=latency)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_is_none_is_refused_before_it_is_written(tmp_path: Path) -> None:
    model = replace(factory.MEASUREMENT.timing_model, error_percent=math.nan)
    with pytest.raises(StoreError, match=r"timing_model\.TimingModel\.error_percent"):
        store.save_run(factory.document(factory.measurement(timing_model=model)), tmp_path)


def test_every_version_of_the_format_is_read() -> None:
    versions = sorted(RECORDS.glob("v*.json"))
    assert [path.stem for path in versions] == [f"v{version}" for version in range(1, SCHEMA_VERSION + 1)]
    for path in versions:
        run = store.load_run(path)
        ok, failed = run.document.measurements
        assert not run.altered
        assert ok.latency.starts[0].timed_counts[-1] == 7_092_100
        assert ok.footprint.code_flash_bytes == NotMeasured("a simulator image has no code")
        assert (failed.outcome, failed.reason) == (Outcome.FAILED, "5 of 5 output values differ")


def test_the_current_version_is_written_as_it_always_was(tmp_path: Path) -> None:
    document = factory.document(factory.MEASUREMENT, factory.failed("5 of 5 output values differ"))
    written = store.save_run(document, tmp_path).read_bytes()
    assert written == (RECORDS / f"v{SCHEMA_VERSION}.json").read_bytes()


def test_an_older_document_passes_through_the_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(fields: dict[str, Any]) -> dict[str, Any]:
        for measurement in fields["measurements"]:
            measurement["reason"] = measurement.pop("why")
        return fields | {"schema_version": fields["schema_version"] + 1}

    path = _rewrite(
        tmp_path,
        lambda fields: fields["measurements"][0].update(why=fields["measurements"][0].pop("reason") + "old"),
    )
    monkeypatch.setattr(store, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(store, "MIGRATIONS", {SCHEMA_VERSION: rename})
    document = store.load_run(path).document
    assert (document.schema_version, document.measurements[0].reason) == (SCHEMA_VERSION + 1, "old")


def test_a_document_that_is_not_of_its_versions_shape_is_damage(tmp_path: Path) -> None:
    path = _rewrite(tmp_path, lambda fields: fields.update(schema_version=1, measurements=[{"case": 1}]))
    with pytest.raises(StoreError, match="not of the shape of its version"):
        store.load_run(path)


def test_a_newer_schema_says_which_versions_and_what_to_do(tmp_path: Path) -> None:
    path = _rewrite(tmp_path, lambda fields: fields.update(schema_version=7, anything="new"))
    with pytest.raises(
        NewerSchemaError, match=f"{path}: schema version 7, this benchrunner reads up to {SCHEMA_VERSION}"
    ) as caught:
        store.load_run(path)
    assert "pip install --upgrade benchrunner" in caught.value.hint
    assert caught.value.exit_status == 2


def test_a_document_edited_by_hand_is_marked(tmp_path: Path) -> None:
    path = store.save_run(factory.document(), tmp_path)
    path.write_text(path.read_text().replace("7092100", "6092100"))
    run = store.load_run(path)
    assert run.altered
    assert run.document.measurements[0].latency.starts[0].timed_counts[-1] == 6_092_100


def test_another_layout_of_the_same_content_is_not_an_edit(tmp_path: Path) -> None:
    path = store.save_run(factory.document(), tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert not store.load_run(path).altered


def test_a_document_without_its_checksum_is_marked(tmp_path: Path) -> None:
    path = _rewrite(tmp_path, lambda fields: fields.pop("content_sha256"))
    assert store.load_run(path).altered


def _damage_value(fields: dict[str, Any]) -> None:
    fields["measurements"][0]["latency"]["counter_hz"] = "400 MHz"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda fields: fields.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda fields: fields["measurements"][0]["case"].update(extra=1), "case.extra: Unexpected keyword"),
        (lambda fields: fields["measurements"][0].pop("fidelity"), "fidelity: Field required"),
        (_damage_value, "counter_hz: Input should be a valid integer"),
        (lambda fields: fields["measurements"][0].update(fidelity="guessed"), "'measured', 'emulated' or"),
        (lambda fields: fields.update(run_id="../x"), "run_id: String should match pattern"),
        (
            lambda fields: fields.update(schema_version=0),
            f"schema_version: expected a number from 1 to {SCHEMA_VERSION}, found 0",
        ),
        (lambda fields: fields.update(schema_version=True), "found True"),
        (lambda fields: fields.pop("schema_version"), "found None"),
        (lambda fields: fields["measurements"][0]["steps_ns"].update(x=10**30), "a number of 31 digits"),
    ],
)
def test_a_document_with_a_wrong_value_says_where(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], reason: str
) -> None:
    path = _rewrite(tmp_path, edit)
    with pytest.raises(StoreError, match=re.escape(reason)) as caught:
        store.load_run(path)
    assert str(path) in caught.value.message
    assert type(caught.value) is StoreError


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema_version": 1}',
        b'{"schema_version": NaN}',
        b'{"schema_version": 1, "run_id": "\\ud800", "measurements": []}',
        b'{"schema_version": ' + b"1" * 10_000 + b"}",
    ],
    ids=range(9),
)
def test_whatever_is_no_document_is_an_error_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "20261121T020000Z-00000000.json"
    path.write_bytes(data)
    with pytest.raises(StoreError, match=f"{path}: not a result of benchrunner, or damaged"):
        store.load_run(path)


def test_a_document_cut_anywhere_is_never_taken_for_whole(tmp_path: Path) -> None:
    path = store.save_run(factory.document(), tmp_path)
    data = path.read_bytes()
    cut = tmp_path / path.name
    for length in range(0, len(data) - 2, 97):
        cut.write_bytes(data[:length])
        with pytest.raises(StoreError, match="damaged"):
            store.load_run(cut)


def test_a_document_is_read_only_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.save_run(factory.document(), tmp_path)
    monkeypatch.setattr(store, "MAX_DOCUMENT_BYTES", path.stat().st_size - 1)
    with pytest.raises(StoreError, match="which no result is"):
        store.load_run(path)


def test_a_pipe_in_the_place_of_a_document_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "20261121T020000Z-00000000.json"
    os.mkfifo(pipe)
    assert [problem.message for problem in store.load_runs(tmp_path).problems] == [f"{pipe}: not a file"]


def test_a_damaged_document_in_the_middle_is_reported_and_the_rest_loads(tmp_path: Path) -> None:
    paths = _save_three(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:700])
    loaded = store.load_runs(tmp_path)
    assert [run.path for run in loaded.runs] == [paths[0], paths[2]]
    assert [problem.message.split(":")[0] for problem in loaded.problems] == [str(paths[1])]


def test_runs_come_in_the_order_of_their_ids_whatever_the_order_of_the_sources(tmp_path: Path) -> None:
    paths = _save_three(tmp_path)
    loaded = store.load_runs([paths[2], tmp_path, paths[0]])
    assert [run.path for run in loaded.runs] == paths
    assert loaded.problems == ()


def test_a_copy_of_a_run_does_not_count_twice(tmp_path: Path) -> None:
    path = store.save_run(factory.document(), tmp_path)
    copy = tmp_path / "copy.json"
    copy.write_bytes(path.read_bytes())
    loaded = store.load_runs([path, copy])
    assert [run.path for run in loaded.runs] == [path]
    assert f"{copy}: left out" in loaded.problems[0].message


def test_other_files_in_the_folder_are_not_results(tmp_path: Path) -> None:
    store.save_run(factory.document(), tmp_path)
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "README.md").write_text("results")
    loaded = store.load_runs(tmp_path)
    assert (len(loaded.runs), loaded.problems) == (1, ())


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{tmp_path}/none: no such file or folder"):
        store.load_runs(tmp_path / "none")


def _save_three(folder: Path) -> list[Path]:
    return [
        store.save_run(factory.document(run_id=store.new_run_id(NOW + timedelta(days=day))), folder)
        for day in range(3)
    ]


def _rewrite(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    path = store.save_run(factory.document(), folder)
    fields = json.loads(path.read_text())
    edit(fields)
    path.write_text(json.dumps(fields))
    return path
