"""The regression gate at work for a thousand nights: how often it is wrong, and how soon it is right.

A/A: 100 cells whose code never changes, under the noise models of docs/regression-gate.md. Steps: a real
change in the last night of a quiet history. Everything that the gate decides is decided by its own code;
only the lab is drawn from a seeded generator.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import numpy  # noqa: E402

from benchrunner.compare.finding import Again  # noqa: E402
from benchrunner.compare.gate import judge_night  # noqa: E402
from benchrunner.compare.settings import Settings  # noqa: E402
from benchrunner.compare.verdict import Verdict  # noqa: E402
from benchrunner.history import CellKey, Point  # noqa: E402
from benchrunner.history.entries import pack  # noqa: E402

STARTS, INFERENCES = 5, 7  # of a night; more inferences of a start change nothing, its level is what varies
WITHIN = 0.003
BASE_NS = 20_000_000
SETTLING = 10  # nights after the baseline before the gate is asked: it learns each cell's noise from them
SETTINGS = Settings()
TRUSTING = replace(SETTINGS, trust_nights=True)  # for what the baseline's image cannot be run again


@dataclass(frozen=True)
class Model:
    """How the level of a start comes about: one part of the night, one of the start itself."""

    name: str
    night: Callable[[numpy.random.Generator, int], numpy.ndarray]
    start: Callable[[numpy.random.Generator, int], numpy.ndarray]


def none(_: numpy.random.Generator, count: int) -> numpy.ndarray:
    return numpy.zeros(count)


def gauss(sd: float) -> Callable[[numpy.random.Generator, int], numpy.ndarray]:
    return lambda random, count: random.normal(0, sd, count)


def tail(random: numpy.random.Generator, count: int) -> numpy.ndarray:
    return random.lognormal(math.log(0.01), 0.5, count)


def outliers(random: numpy.random.Generator, count: int) -> numpy.ndarray:
    far = random.random(count) < 0.08
    return random.normal(0, 0.003, count) + far * random.uniform(0.03, 0.30, count)


def modes(share: float, apart: float) -> Callable[[numpy.random.Generator, int], numpy.ndarray]:
    return lambda random, count: (random.random(count) < share) * apart + random.normal(0, 0.003, count)


def drift(random: numpy.random.Generator, count: int) -> numpy.ndarray:
    level = random.normal(0, 0.007, count)
    for index in range(1, count):
        level[index] += 0.5 * level[index - 1]
    return level


MODELS = (
    Model("gauss 0.3 %", none, gauss(0.003)),
    Model("gauss 1 %", none, gauss(0.01)),
    Model("log-normal tail", none, tail),
    Model("8 % outliers of +3..30 %", none, outliers),
    Model("two modes of a start, 20 % at +2 %", none, modes(0.2, 0.02)),
    Model("two modes of a start, 50 % at +4 %", none, modes(0.5, 0.04)),
    Model("two modes of a night, 20 % at +2 %", modes(0.2, 0.02), gauss(0.003)),
    Model("two modes of a night, 50 % at +4 %", modes(0.5, 0.04), gauss(0.003)),
    Model("nights of outliers, 8 % of +3..30 %", outliers, gauss(0.003)),
    Model("drift, AR(1) phi 0.5, 0.7 %", drift, gauss(0.003)),
)


def point(
    key: CellKey, night: int, levels: numpy.ndarray, image: str, random: numpy.random.Generator
) -> Point:
    """One night's result, as the index would give it."""
    counts = BASE_NS * (1 + levels[:, None] + random.normal(0, WITHIN, (len(levels), INFERENCES)))
    samples = counts.astype(int).ravel().tolist()
    kind, packed = pack(samples)
    value = float(numpy.median(numpy.median(counts, axis=1))) / 1e6
    return Point(
        key=key, run_id=f"{20200101 + night:08}T020000Z-00000000", position=0, started_at="", env_id="e",
        environment={}, model_sha256="m", image_sha256=image, input_sha256="i", clock_hz=None, place="p",
        revision="", tool_version="", engine_version="", suite_run=f"night {night}", cell_class="noisy",
        quality="ok", median=value, ci_low=None, ci_high=None, p95=value, n=len(samples),
        counter_hz=1_000_000_000, sample_type=kind, layout=str([[INFERENCES, 0]] * len(levels)),
        samples=packed,
    )  # fmt: skip


class Lab:
    """One cell on one board: its nights, and what it does when it is run again."""

    def __init__(self, model: Model, cell: int, nights: int, *, keeps: bool) -> None:
        self.model, self.keeps = model, keeps
        self.random = numpy.random.default_rng([cell, 5])
        self.nightly = model.night(self.random, nights)
        self.now, self.factor, self.reruns = 0, 1.0, 0

    def levels(self, count: int) -> numpy.ndarray:
        return self.nightly[self.now] + self.model.start(self.random, count)

    def medians(self, count: int, factor: float) -> tuple[float, ...]:
        # The median of a start's inferences scatters by 1.25 / sqrt(n) of what they do.
        within = self.random.normal(0, WITHIN * 1.25 / math.sqrt(INFERENCES), count)
        return tuple(BASE_NS / 1e6 * factor * (1 + self.levels(count) + within))

    def again(self, candidate: Point, baseline: Point, restarts: int) -> Again:
        self.reruns += 1
        base = self.medians(restarts, 1.0) if self.keeps else ()
        return Again(self.medians(restarts, self.factor), base)


def key_of(cell: int) -> CellKey:
    return CellKey("b", "e", f"model {cell}", "int8", "", "", "{}", "measured", "latency", "ms", "lower")


def nights_of_one_cell(cell: int, nights: int, keeps: bool) -> tuple[str, Counter[str], list[str]]:
    """A/A: every night another image hash of unchanged code, judged by the nights before it."""
    model = MODELS[cell % len(MODELS)]
    lab, key = Lab(model, cell, nights, keeps=keeps), key_of(cell)
    past: list[Point] = []
    counts: Counter[str] = Counter()
    wrong = []
    for night in range(nights):
        lab.now = night
        image = f"{night:064x}"
        tonight = point(key, night, lab.levels(STARTS), image, lab.random)
        if night >= SETTLING:
            # The gate looks at the first 30 nights of a baseline and at the last 60, and at no others.
            seen = past if len(past) < 120 else past[:40] + past[-70:]
            found = judge_night(seen, past[:1], [tonight], None, SETTINGS if keeps else TRUSTING, lab.again)
            counts[found.verdict] += 1
            counts["nights"] += 1
            if found.verdict is Verdict.REGRESSED:
                wrong.append(
                    f"{model.name}: cell {cell}, night {night}, {found.comparison.change_percent:+.2f} %"
                )
        past.append(tonight)
    counts["re-runs"] = lab.reruns
    return model.name, counts, wrong


def first_night(trial: int, model: Model, step: float, keeps: bool, history: int) -> Verdict:
    """A real change in the night after `history` quiet ones."""
    lab, key = Lab(model, 100_000 + trial, history + 1, keeps=keeps), key_of(trial)
    past = []
    for night in range(history):
        lab.now = night
        past.append(point(key, night, lab.levels(STARTS), f"{night:064x}", lab.random))
    lab.now, lab.factor = history, 1 + step
    levels = (1 + lab.levels(STARTS)) * (1 + step) - 1
    tonight = point(key, history, levels, "f" * 64, lab.random)
    return judge_night(past, past[:1], [tonight], None, SETTINGS if keeps else TRUSTING, lab.again).verdict


def one_cell(order: tuple[int, int, bool]) -> tuple[str, Counter[str], list[str]]:
    return nights_of_one_cell(*order)


def one_trial(order: tuple[int, int, float, bool, int]) -> Verdict:
    trial, model, step, keeps, history = order
    return first_night(trial, MODELS[model], step, keeps, history)


def a_a(pool: ProcessPoolExecutor, cells: int, nights: int, keeps: bool) -> int:
    how = "run again" if keeps else "not kept, its nights trusted"
    print(f"\nA/A: {nights - SETTLING} nights x {cells} cells, the baseline's image {how}")
    print(f"{'noise':40}{'judged':>9}{'suspects':>10}{'re-runs':>9}{'inconcl.':>10}{'false alarms':>14}")
    totals: dict[str, Counter[str]] = {model.name: Counter() for model in MODELS}
    wrong: list[str] = []
    for name, counts, mistakes in pool.map(one_cell, [(cell, nights, keeps) for cell in range(cells)]):
        totals[name] += counts
        wrong += mistakes
    for name, counts in totals.items():
        rounds = counts["re-runs"]
        suspects = rounds  # a second round only follows a first that found something
        print(
            f"{name:40}{counts['nights']:9}{suspects * 100 / max(1, counts['nights']):9.2f}%{rounds:9}"
            f"{counts[Verdict.INCONCLUSIVE]:10}{counts[Verdict.REGRESSED]:14}",
            flush=True,
        )
    for text in wrong:
        print(f"  false: {text}")
    return len(wrong)


def steps(pool: ProcessPoolExecutor, trials: int) -> float:
    print(f"\nA real step, {trials} trials each: confirmed in the first night")
    print(f"{'noise':40}{'step':>7}{'history':>9}{'image again':>14}{'nights trusted':>16}")
    asked = 0.0
    rows = [
        (0, 0.01, 10),
        (0, 0.01, 30),
        (0, 0.02, 30),
        (1, 0.03, 30),
        (2, 0.03, 30),
        (4, 0.03, 30),
        (9, 0.05, 30),
    ]
    for model, step, history in rows:
        found = []
        for keeps in (True, False):
            orders = [(trial, model, step, keeps, history) for trial in range(trials)]
            confirmed = sum(v is Verdict.REGRESSED for v in pool.map(one_trial, orders, chunksize=20))
            found.append(confirmed / trials)
        if (model, step, history) == (0, 0.01, 30):
            asked = found[0]
        print(f"{MODELS[model].name:40}{step:7.0%}{history:9}{found[0]:14.1%}{found[1]:16.1%}", flush=True)
    return asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    begin = time.perf_counter()
    print(f"starts per night {STARTS}, {SETTINGS}")
    with ProcessPoolExecutor(options.jobs) as pool:
        asked = steps(pool, options.trials)
        false = a_a(pool, options.cells, options.nights + SETTLING, True)
        false_alone = a_a(pool, options.cells, options.nights + SETTLING, False)
    print(
        f"\nfalse alarms {false}, limit 0 (nights trusted: {false_alone}); 1 % step {asked:.1%}, limit 95 %"
    )
    print(f"{time.perf_counter() - begin:.0f} s")
    return 0 if false == 0 and asked >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
