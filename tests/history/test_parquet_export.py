import subprocess
import sys
from pathlib import Path

import night_factory as nights
import pandas
import pytest
import record_factory as factory

import benchrunner
from benchrunner import cli
from benchrunner.history import open_history


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["export", *map(str, arguments)])
    return int(caught.value.code or 0)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    nights.save_night(tmp_path / "results", 0, factory.MEASUREMENT, factory.failed("hang"))
    return tmp_path / "results"


def test_measurements_come_back_as_the_frame_they_were(results: Path, tmp_path: Path) -> None:
    assert run("--results", results, "--out", tmp_path / "all.parquet") == 0
    found = pandas.read_parquet(tmp_path / "all.parquet")
    expected = benchrunner.load_results(results)
    assert list(found.columns) == list(expected.columns)
    for name in ("latency_median_ms", "total_ram_bytes", "reason", "altered"):
        assert found[name].astype(str).tolist() == expected[name].astype(str).tolist()


def test_cells_come_with_all_their_samples(results: Path, tmp_path: Path) -> None:
    assert run("--results", results, "--content", "cells", "--out", tmp_path / "cells.parquet") == 0
    found = pandas.read_parquet(tmp_path / "cells.parquet")
    latency = found[found["metric"] == "latency"]
    assert latency["samples"].map(list).tolist() == [[17.73] * 9 + [17.73025]]
    with open_history(results) as history:
        assert len(found) == len(history.cells())


def test_a_file_that_cannot_be_written_is_the_labs_fault(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").mkdir()
    assert run("--results", results, "--out", tmp_path / "taken") == 3
    assert "cannot write the export" in capsys.readouterr().err


def test_without_the_package_the_extra_is_named(results: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['pyarrow'] = None\nfrom benchrunner import cli; cli.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "export", "--results", results, "--out", tmp_path / "x.parquet"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 2
    assert 'pip install "benchrunner[parquet]"' in found.stderr
