"""Pages open offline, hold what the records say and nothing else, and render in a browser."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pages_history
import pytest
from click.testing import CliRunner, Result
from host_machine import BROWSERS, needs_browser
from hypothesis import example, given
from hypothesis import strategies as st

import benchrunner
from benchrunner import plots, store
from benchrunner.cli import cli
from benchrunner.errors import UsageError
from benchrunner.history import open_history
from benchrunner.pages import charts
from benchrunner.pages.gather import Content, gather
from benchrunner.pages.markup import tag
from benchrunner.pages.page import page
from benchrunner.pages.site import write_site


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "results"
    pages_history.write(folder)
    return folder


@pytest.fixture(scope="module")
def content(results: Path) -> Content:
    with open_history(results) as history:
        return gather("Lab", store.load_runs(results).runs, history)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def test_a_page_needs_no_other_file_and_lets_no_text_become_markup(content: Content) -> None:
    text = page(content)
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"|@import|url\(", text) == []
    assert text.count("<script>") == 1
    assert pages_history.HOSTILE not in text
    assert "&lt;script&gt;alert" in text
    assert page(content) == text, "the same records give the same bytes"


def test_times_of_the_table_have_their_unit(content: Content) -> None:
    table = page(content).partition("<tbody>")[2].partition("</tbody>")[0]
    for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL):
        numbers = re.findall(r'class="number"[^>]*>([^<]*)<', row)
        assert all(re.search(r" ms|^-?$|^exact$", text) for text in numbers[:3]), numbers


def test_each_case_has_its_row_its_card_and_its_fidelity(content: Content) -> None:
    text = page(content)
    for card in content.cards:
        assert text.count(f'href="#{card.anchor}"') == 1
        assert text.count(f'<details id="{card.anchor}"') == 1
        assert card.row.fidelity in text
    assert "5 of 5 output values differ" in text
    assert "18.61 ms" in text


def test_the_step_of_the_history_is_marked_with_its_revisions(content: Content) -> None:
    text = page(content)
    assert re.search(r"2026-11-09: \+[45]\.\d\d %, rev19\.\.rev20", text)
    assert text.count('class="mark change"') == 1


def test_five_hundred_cases_stay_small(content: Content) -> None:
    cards = tuple(content.cards[index % len(content.cards)] for index in range(500))
    assert len(page(Content("many", cards, 500)).encode()) < 6_000_000


@needs_browser
def test_a_browser_shows_the_page_and_opens_the_case_of_a_link(content: Content, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(content))
    anchor = content.cards[1].anchor
    dom = browse(tmp_path, "--dump-dom", f"{file.as_uri()}#{anchor}").decode()
    opened = re.findall(r'<details id="([^"]+)" open', dom)
    assert opened == [anchor]
    assert "<th tabindex=" in dom, "the script ran"


@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_the_page_as_a_picture_is_not_blank(content: Content, tmp_path: Path, width: int, dark: bool) -> None:
    file, picture = tmp_path / "report.html", tmp_path / "report.png"
    file.write_text(page(content))
    mode = ["--force-dark-mode"] if dark else []
    browse(tmp_path, *mode, f"--window-size={width},1200", f"--screenshot={picture}", file.as_uri())
    data = picture.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (width, 1200)
    assert len(data) > 20_000, "an empty page of this size compresses to a few kilobytes"


def browse(folder: Path, *arguments: str) -> bytes:
    program = next(filter(None, map(shutil.which, BROWSERS)))
    quiet = ("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync",
             "--disable-component-update", "--hide-scrollbars")  # fmt: skip
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        *quiet,
        f"--user-data-dir={folder / 'user'}",
    ]
    ran = subprocess.run([*command, *arguments], capture_output=True, timeout=180, check=True)
    return ran.stdout


def test_a_site_has_a_page_for_each_board_and_drops_old_ones(content: Content, tmp_path: Path) -> None:
    written = write_site(tmp_path, content)
    assert [each.path.relative_to(tmp_path).as_posix() for each in written] == [
        "index.html",
        "boards/stm32h747i-disco.html",
    ]
    (tmp_path / "boards" / "gone.html").write_text("old")
    write_site(tmp_path, content)
    assert not (tmp_path / "boards" / "gone.html").exists()
    assert 'href="boards/stm32h747i-disco.html"' in (tmp_path / "index.html").read_text()


def test_the_commands_write_pages_and_a_comment(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("report", "--results", str(results), "--out", "r.html", "--title", "Night")
    assert "4 cases" in made.stderr
    assert Path("r.html").read_text().startswith("<!doctype html>")
    printed = run("report", "--results", str(results), "--markdown").stdout
    assert printed.startswith("## benchrunner\n\n4 cases: **1** failed, **3** ok\n")
    assert printed.index("broken") < printed.index("<details>")
    assert "index.html: 4 cases" in run("site", "public", "--results", str(results)).stderr


def test_a_page_against_a_baseline_shows_its_verdicts(results: Path, tmp_path: Path) -> None:
    from benchrunner.compare import Baseline, save_baseline

    first = sorted(run.document.run_id for run in store.load_runs(results).runs)[:20]
    save_baseline(results, Baseline("main", tuple(first), "2026-11-22"))
    out = tmp_path / "v.html"
    run("report", "--results", str(results), "--baseline", "main", "--out", str(out))
    text = out.read_text()
    assert "<th>verdict</th>" in text
    row = next(line for line in re.findall(r"<tr>.*?</tr>", text) if ">fdmobilenet_0.25_128<" in line)
    assert re.search(r">(suspect|inconclusive|regressed)<", row)
    same = next(line for line in re.findall(r"<tr>.*?</tr>", text) if ">kws_ds_cnn<" in line)
    assert ">same<" in same


def test_plots_are_files_of_one_fidelity(results: Path, tmp_path: Path) -> None:
    frame = benchrunner.load_results(results)
    last = frame[frame.run_id == frame.run_id.max()]
    png = plots.plot_latency(last, tmp_path / "l.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    svg = plots.plot_memory(last, tmp_path / "m.svg")
    assert "<svg" in svg.read_text()
    again = plots.plot_memory(last, tmp_path / "n.svg")
    assert again.read_bytes() == svg.read_bytes()
    with open_history(results) as history:
        assert plots.plot_history(history, ["kws", "latency"], tmp_path / "h.png").stat().st_size > 5_000
        with pytest.raises(UsageError, match="expected the words of one cell"):
            plots.plot_history(history, ["stm32h747i"], tmp_path / "h.png")
    mixed = last.assign(fidelity=["simulated", *["measured"] * (len(last) - 1)])
    mixed["latency_median_ms"] = 1.0
    with pytest.raises(UsageError, match="expected timed results of one fidelity"):
        plots.plot_latency(mixed, tmp_path / "x.png")
    with pytest.raises(UsageError, match="expected a name that ends in"):
        plots.plot_latency(last, tmp_path / "x.gif")


def test_the_front_has_what_nothing_beats() -> None:
    points = [(1.0, 9.0), (2.0, 5.0), (3.0, 6.0), (4.0, 1.0), (4.0, 1.0)]
    assert charts.pareto(points) == [True, True, False, True, True]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
@example(-900719925.9980469, 1e-06)  # steps of the order of what a float resolves there
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    found = charts.ticks(low, low + span)
    assert len(found) <= 12
    assert all(low <= tick <= low + span for tick in found)


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "<b>", tag("i", "&"), title='"<') == '<p title="&quot;&lt;">&lt;b&gt;<i>&amp;</i></p>'
