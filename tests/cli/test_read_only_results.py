"""A results folder that may be read and not written, by real processes without the rights of root."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import night_factory as nights
import pytest

from benchrunner.cli import cli
from benchrunner.history import index

DIGITS = Path(__file__).parents[1] / "data" / "digits" / "test.npz"
# Root may write anywhere: without these two rights it is a user like any other.
_RIGHTS = "-dac_override,-dac_read_search"
_AS_A_USER = ["setpriv", "--bounding-set", _RIGHTS, "--inh-caps", _RIGHTS, "--"] if os.geteuid() == 0 else []
# Runs the commands in a row, and prints status, stdout and stderr of each.
_RUNNER = """
import contextlib, io, json, sys
from benchrunner.cli import main
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            status = end.code
    print(json.dumps([int(status), out.getvalue(), err.getvalue()]))
"""

BLOCK = "<!-- benchrunner:{} table=mcu-latency fidelity=simulated -->\n"
SUITE = """name = "night"
[[matrix]]
boards = ["stm32h747i-disco"]
models = ["fdmobilenet_0.25_128_int8"]
runs = [2]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a history, a baseline, a published document and a suite file; `results` read-only."""
    results = tmp_path / "results"
    for night in range(index._WORTH_A_FILE):
        nights.save_night(results, night)
    (tmp_path / "README.md").write_text(BLOCK.format("begin") + BLOCK.format("end"))
    (tmp_path / "s.toml").write_text(SUITE)
    for words in (
        ["baseline", "set", "main", "--results", str(results)],
        ["publish", str(tmp_path / "README.md"), "--results", str(results)],
    ):
        assert cli.main(words, standalone_mode=False) in (None, 0)
    (results / index.INDEX_NAME).unlink()
    _writable(results, False)
    yield tmp_path
    _writable(results, True)


def _writable(top: Path, yes: bool) -> None:
    for path in (top, *top.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IWUSR if yes else mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def _content(top: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def run(folder: Path, *commands: list[str]) -> list[tuple[int, str, str]]:
    done = subprocess.run(
        [*_AS_A_USER, sys.executable, "-c", _RUNNER],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


READS = (
    ["table"],
    ["history"],
    ["history", "latency"],
    ["compare", "2026-01-01", "latest"],
    ["check", "--baseline", "main"],
    ["why", "README.md:5"],
    ["report", "--out", "r.html"],
    ["report", "--markdown"],
    ["site", "site"],
    ["publish", "README.md", "--check"],
    ["export", "--out", "x.parquet"],
    ["baseline", "show", "main"],
)


def test_every_command_that_reads_works_and_says_where_its_index_is(folder: Path) -> None:
    before = _content(folder / "results")
    found = run(folder, *READS)
    assert [(words, status) for words, (status, _, _) in zip(READS, found, strict=True)] == [
        (words, 0) for words in READS
    ]
    assert _content(folder / "results") == before
    (made,) = (folder / "cache").rglob("*.sqlite")
    said = f"note: results cannot be written: its index is {made}"
    asked = [
        err for words, (_, _, err) in zip(READS, found, strict=True) if words[0] not in ("why", "baseline")
    ]
    assert all(said in err for err in asked)


WRITES = (
    ["run", "--board", "stm32h747i-disco", "--sim"],
    ["run", "--board", "stm32mp157f-dk2", "--sim", "--runs", "2"],
    ["suite", "s.toml", "--sim"],
    ["baseline", "set", "other"],
    ["baseline", "decide", "main", "expected", "latency"],
    ["check", "--baseline", "main", "--confirm"],
    [
        *("accuracy", "--model", "digits_cnn_int8", "--dataset", str(DIGITS), "--scale", "1/16"),
        *("--limit", "2", "--board", "stm32h747i-disco", "--sim"),
    ],
)  # fmt: skip


def test_every_command_that_writes_ends_before_the_board_is_touched_and_names_path_and_fix(
    folder: Path,
) -> None:
    before = _content(folder / "results")
    found = run(folder, *WRITES)
    for words, (status, out, err) in zip(WRITES, found, strict=True):
        assert status == 3, (words, err)
        assert out == "", words
        assert "error: results/" in err, (words, err)
        assert "Permission denied" in err, (words, err)
        assert "write access" in err or "--out" in err, (words, err)
        assert "connect" not in err, (words, err)
    assert _content(folder / "results") == before


def test_a_suite_that_was_stopped_cannot_go_on_in_a_folder_that_became_read_only(folder: Path) -> None:
    _writable(folder / "results", True)
    ((status, _, err),) = run(folder, ["suite", "s.toml", "--sim", "--new"])
    assert status == 0, err
    (journal,) = (folder / "results" / "suites").glob("*/journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"ended"' not in line))
    _writable(folder / "results" / "suites", False)
    ((status, _, err),) = run(folder, ["suite", "s.toml", "--sim"])
    assert status == 3
    assert "cannot begin the suite: Permission denied" in err


def test_a_document_that_cannot_be_written_is_named_with_what_to_do(folder: Path) -> None:
    text = (folder / "README.md").read_text().replace("| ", "|  ", 1)
    (folder / "README.md").write_text(text)
    folder.chmod(0o555)
    try:
        ((status, _, err),) = run(folder, ["publish", "README.md"])
    finally:
        folder.chmod(0o755)
    assert status == 3
    assert "README.md: cannot be written: Permission denied" in err
    assert "write access" in err
    assert (folder / "README.md").read_text() == text


def test_an_index_of_another_user_costs_a_note_that_says_what_to_do(folder: Path) -> None:
    results = folder / "results"
    _writable(results, True)
    run(folder, ["history"])
    assert (results / index.INDEX_NAME).exists()
    (results / index.INDEX_NAME).chmod(0o444)
    nights.save_night(results, index._WORTH_A_FILE)  # without news there is nothing to write to it
    ((status, out, err),) = run(folder, ["history"])
    assert status == 0
    assert "latency" in out
    assert f"note: no index in results/{index.INDEX_NAME}: attempt to write a readonly database" in err
    assert "remove it (the documents have everything)" in err
    assert len(list((folder / "cache").rglob("*.sqlite"))) == 1
