"""Two commands that write the same thing at once: nothing is lost, nothing doubled, no file half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import night_factory as nights
import pytest
import record_factory as factory
from click.testing import CliRunner
from two_processes import Side

from benchrunner import store, table
from benchrunner.accuracy.journal import Answer, Journal
from benchrunner.cli import again, cli
from benchrunner.compare import load_baseline
from benchrunner.errors import PlaceLockedError
from benchrunner.history import index, open_history

# Runs a command; whoever is called `first` stops before it writes a file.
_COMMAND = """
import benchrunner.durable as durable
part, words = sys.argv[3], sys.argv[4:]
real = durable.write_atomic
def write_atomic(path, data, **options):
    if part == "first" and not path.name.startswith("2"):
        stop("about to write")
    return real(path, data, **options)
durable.write_atomic = write_atomic
from benchrunner.cli import main
main(words)
"""
BLOCK = "<!-- benchrunner:{} table=mcu-latency fidelity=simulated -->\n"


def invoke(*words: object) -> None:
    found = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    assert found.exception is None, found.output


def test_of_two_decisions_about_one_baseline_none_is_lost(tmp_path: Path) -> None:
    nights.save_night(tmp_path, 0)
    nights.save_night(tmp_path, 1)
    invoke("baseline", "set", "main", nights.run_id(0), "--results", tmp_path)

    def decide(part: str, cell: str) -> Side:
        words = ("baseline", "decide", "main", "acknowledged", cell, "--results", tmp_path)
        return Side(_COMMAND, part, *words)

    first = decide("first", "latency")
    assert first.word() == "about to write"
    second = decide("second", "cold")
    assert second.word() == "blocked"
    first.go_on()
    assert first.end()[0] == 0
    assert second.end()[0] == 0
    assert {one.label.split()[-2] for one in load_baseline(tmp_path, "main").triage} == {"latency", "cold"}


def test_a_command_that_is_killed_while_it_decides_leaves_the_baseline_and_no_lock(tmp_path: Path) -> None:
    nights.save_night(tmp_path, 0)
    invoke("baseline", "set", "main", "--results", tmp_path)
    before = load_baseline(tmp_path, "main")
    first = Side(
        _COMMAND, "first", "baseline", "decide", "main", "expected", "latency", "--results", tmp_path
    )
    assert first.word() == "about to write"
    first.kill()
    assert load_baseline(tmp_path, "main") == before
    invoke("baseline", "decide", "main", "expected", "cold", "--results", tmp_path)


def test_of_two_that_publish_one_document_the_later_has_the_last_word(tmp_path: Path) -> None:
    results, page = tmp_path / "results", tmp_path / "page.md"
    page.write_text(BLOCK.format("begin") + BLOCK.format("end") + "by hand\n")
    nights.save_night(results, 0)
    first = Side(_COMMAND, "first", "publish", page, "--results", results)
    assert first.word() == "about to write"
    newer = nights.save_night(results, 1)
    second = Side(_COMMAND, "second", "publish", page, "--results", results)
    assert second.word() == "blocked"
    first.go_on()
    assert first.end()[0] == 0
    assert second.end()[0] == 0
    assert newer in page.read_text()
    assert page.read_text().endswith("by hand\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.md", "results"]


def test_publish_check_waits_for_nobody(tmp_path: Path) -> None:
    results, page = tmp_path / "results", tmp_path / "page.md"
    page.write_text(BLOCK.format("begin") + BLOCK.format("end"))
    nights.save_night(results, 0)
    first = Side(_COMMAND, "first", "publish", page, "--results", results)
    assert first.word() == "about to write"
    second = Side(_COMMAND, "second", "publish", page, "--results", results, "--check")
    assert second.end()[0] == 1  # stale, and said so
    first.kill()
    assert page.read_text() == BLOCK.format("begin") + BLOCK.format("end")


def test_a_journal_that_is_put_beside_its_result_while_another_opens_it_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path, {"model": "m"}, new=False) as first:
        first.add([Answer(0, sha256="00")])
    real = os.open
    opened: list[str] = []

    def open_(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        if Path(path) == first.path and not opened:
            opened.append(str(path))
            first.path.rename(tmp_path / "accuracy-1.jsonl")  # as its holder does at its end
        return descriptor

    monkeypatch.setattr("benchrunner.accuracy.journal.os.open", open_)
    with Journal(tmp_path, {"model": "m"}, new=False) as second:
        assert second.answers == {}
        second.add([Answer(1, sha256="11")])
        with pytest.raises(PlaceLockedError):
            Journal(tmp_path, {"model": "m"}, new=False)
    assert '"index":1' not in (tmp_path / "accuracy-1.jsonl").read_text()
    assert '"index":1' in first.path.read_text()


def test_two_gates_that_run_one_case_again_do_not_read_each_others_records(tmp_path: Path) -> None:
    one, other = again.AgainByCommand(tmp_path), again.AgainByCommand(tmp_path)
    assert one.own_folder("20261121T020000Z-00000001") != other.own_folder("20261121T020000Z-00000001")


_MANY = """
import sys
from benchrunner.history import index
index._WORTH_A_FILE = 1
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.readline()
from benchrunner.cli import main
main(sys.argv[1:])
"""
SUITE = """name = "night"
[[matrix]]
boards = ["stm32h747i-disco"]
models = ["fdmobilenet_0.25_128_int8"]
runs = [2, 3]
"""


def test_runs_a_suite_and_readers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for night in range(30):
        nights.save_night(results, night)
    (tmp_path / "s.toml").write_text(SUITE)
    writer = ("--out", str(results))
    commands = (
        ("run", "--board", "stm32h747i-disco", "--sim", *writer),
        ("run", "--board", "stm32h747i-disco", "--sim", *writer),
        ("suite", str(tmp_path / "s.toml"), "--sim", *writer),
        ("history", "latency", "--results", str(results)),
        ("baseline", "set", "main", nights.run_id(3), "--results", str(results)),
        ("baseline", "set", "main", nights.run_id(3), "--results", str(results)),
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _MANY, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        for words in commands
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for words, process in zip(commands, processes, strict=True):
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, (words, err)
        assert "locked" not in err, (words, err)
        assert "Traceback" not in err, (words, err)
    loaded = store.load_runs(results)
    assert len(loaded.runs) == 30 + 2 + 2
    assert loaded.problems == ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_WORTH_A_FILE", 1)
        with open_history(results) as history:
            assert history.rows() == table.rows_of(loaded.runs)
            assert history.problems == []
    assert load_baseline(results, "main").run_ids == (nights.run_id(3),)
    assert list(results.rglob("*.tmp")) == []


_SAVE = """
import benchrunner.durable as durable
real = durable.os.fsync
def fsync(descriptor):
    real(descriptor)
    stop("synced")
durable.os.fsync = fsync
from pathlib import Path
import record_factory as factory
from benchrunner import store
store.save_run(factory.document(), Path(sys.argv[3]))
"""


def test_a_writer_that_is_killed_before_its_record_has_its_name_leaves_none(tmp_path: Path) -> None:
    nights.save_night(tmp_path, 0)
    side = Side(_SAVE, tmp_path)
    assert side.word() == "synced"
    side.kill()
    loaded = store.load_runs(tmp_path)
    assert [run.document.run_id for run in loaded.runs] == [nights.run_id(0)]
    assert loaded.problems == ()
    store.save_run(factory.document(), tmp_path)  # the same id can be written after all
    assert len(store.load_runs(tmp_path).runs) == 2


def test_an_index_that_is_lost_while_it_is_asked_is_made_again(tmp_path: Path) -> None:
    for night in range(3):
        nights.save_night(tmp_path, night)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_WORTH_A_FILE", 1)
        with open_history(tmp_path) as history:
            for path in tmp_path.glob(f"{index.INDEX_NAME}*"):
                path.unlink()
            with open_history(tmp_path) as other:
                assert other.rows() == history.rows()
            shutil.rmtree(tmp_path / "2026-01-01")
            with open_history(tmp_path) as other:
                assert len(other.rows()) == 2
            assert len(history.runs()) == 3  # the one that is open answers as it was
