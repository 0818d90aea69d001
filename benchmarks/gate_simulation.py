"""The regression gate at work for a thousand nights: how often it is wrong, and how soon it is right.

A/A: cells whose code never changes, under the noise models of docs/regression-gate.md. Steps: a real change
in the last night of a quiet history. Both where the baseline's image is run again, where it cannot be and a
canary is (a Linux board: what a night does is common to both, what a start does is each one's own), and where
there is neither. Everything that the gate decides is decided by its own code; only the lab is drawn from a
seeded generator.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import numpy  # noqa: E402

from benchrunner.compare.canary import Canary  # noqa: E402
from benchrunner.compare.finding import Again, Finding  # noqa: E402
from benchrunner.compare.gate import judge_night  # noqa: E402
from benchrunner.compare.settings import Settings  # noqa: E402
from benchrunner.compare.verdict import Verdict  # noqa: E402
from benchrunner.history import CellKey, Point  # noqa: E402
from benchrunner.history.entries import pack  # noqa: E402

STARTS = int(os.environ.get("STARTS", "5"))  # of a night
INFERENCES = 7  # of a start; more of them change nothing, its level is what varies
WITHIN = 0.003
BASE_NS = 20_000_000
CANARY = "canary"
SETTLING = 10  # nights after the baseline before the gate is asked: it learns each cell's noise from them
SETTINGS = Settings()


class Way(Enum):
    """What a suspect is run again in turns with."""

    IMAGE = "the baseline's image"
    CANARY = "the canary"
    NIGHTS = "nothing, its nights trusted"


@dataclass(frozen=True)
class Model:
    """How the level of a start comes about: one part of the night, one of the start itself."""

    name: str
    night: Callable[[numpy.random.Generator, int], numpy.ndarray]
    start: Callable[[numpy.random.Generator, int], numpy.ndarray]
    own: float = 0.0  # what a night does to a case or canary alone, standard deviation


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
# Linux boards have these as well. Where a night moves one of the two alone, a canary cannot tell it from a
# slower program: how often that happens is printed, and no limit is set.
LINUX = (
    *MODELS,
    Model("drift 0.7 %, starts 1 %", drift, gauss(0.01)),
    Model("drift 0.7 %, own nights 0.2 %", drift, gauss(0.003), 0.002),
    Model("drift 0.7 %, own nights 1 %", drift, gauss(0.003), 0.01),
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
    """One cell and the canary on one board: their nights, and what they do when they are run again."""

    def __init__(self, model: Model, cell: int, nights: int, way: Way) -> None:
        self.model, self.way = model, way
        self.random = numpy.random.default_rng([cell, 5])
        self.nightly = model.night(self.random, nights)
        self.own = self.random.normal(0, model.own, (2, nights)) if model.own else numpy.zeros((2, nights))
        self.now, self.factor, self.reruns = 0, 1.0, 0
        self.key, self.canary_key = key_of(f"model {cell}"), key_of(CANARY)
        self.past: list[Point] = []
        self.canary: list[Point] = []

    def levels(self, count: int, which: int = 0) -> numpy.ndarray:
        return self.nightly[self.now] + self.own[which][self.now] + self.model.start(self.random, count)

    def medians(self, count: int, factor: float, which: int = 0) -> tuple[float, ...]:
        # The median of a start's inferences scatters by 1.25 / sqrt(n) of what they do.
        within = self.random.normal(0, WITHIN * 1.25 / math.sqrt(INFERENCES), count)
        return tuple(BASE_NS / 1e6 * factor * (1 + self.levels(count, which) + within))

    def again(self, candidate: Point, baseline: Point, restarts: int, canary: Point | None) -> Again:
        self.reruns += 1
        base = self.medians(restarts, 1.0) if self.way is Way.IMAGE else ()
        other = self.medians(restarts, 1.0, 1) if canary is not None and not base else ()
        return Again(self.medians(restarts, self.factor), base, "", other)

    def night(self, number: int) -> Point:
        """Measure both; the case of another image every night, the canary never."""
        self.now = number
        levels = (1 + self.levels(STARTS)) * self.factor - 1
        if self.way is Way.CANARY:
            frozen = self.levels(STARTS, 1)
            self.canary.append(point(self.canary_key, number, frozen, "", self.random))
        image = "" if self.way is Way.CANARY else f"{number:064x}"  # a Linux board has none
        return point(self.key, number, levels, image, self.random)

    def judge(self, tonight: Point) -> Finding:
        canary = Canary(CANARY, tuple(window(self.canary))) if self.way is Way.CANARY else None
        settings = replace(SETTINGS, trust_nights=self.way is Way.NIGHTS)
        past = window(self.past)
        return judge_night(past, self.past[:1], [tonight], None, settings, self.again, canary=canary)


def window(nights: list[Point]) -> list[Point]:
    """The gate looks at the first 30 nights of a baseline and at the last 60, and at no others."""
    return nights if len(nights) < 120 else nights[:40] + nights[-70:]


def key_of(model: str) -> CellKey:
    return CellKey("b", "e", model, "int8", "", "", "{}", "measured", "latency", "ms", "lower")


def nights_of_one_cell(cell: int, nights: int, way: Way) -> tuple[str, Counter[str], list[str]]:
    """A/A: unchanged code every night, judged by the nights before it."""
    models = LINUX if way is Way.CANARY else MODELS
    model = models[cell % len(models)]
    lab = Lab(model, cell, nights, way)
    counts: Counter[str] = Counter()
    wrong = []
    for night in range(nights):
        tonight = lab.night(night)
        if night >= SETTLING:
            before = lab.reruns
            found = lab.judge(tonight)
            counts[found.verdict] += 1
            counts["nights"] += 1
            counts["suspects"] += lab.reruns > before
            if found.verdict is Verdict.REGRESSED:
                wrong.append(
                    f"{model.name}: cell {cell}, night {night}, {found.comparison.change_percent:+.2f} %"
                )
        lab.past.append(tonight)
    counts["re-runs"] = lab.reruns
    return model.name, counts, wrong


def first_night(trial: int, model: Model, step: float, way: Way, history: int) -> Verdict:
    """A real change in the night after `history` quiet ones."""
    lab = Lab(model, 100_000 + trial, history + 1, way)
    for night in range(history):
        lab.past.append(lab.night(night))
    lab.factor = 1 + step
    return lab.judge(lab.night(history)).verdict


def one_cell(order: tuple[int, int, Way]) -> tuple[str, Counter[str], list[str]]:
    return nights_of_one_cell(*order)


def one_trial(order: tuple[int, int, float, Way, int]) -> Verdict:
    trial, model, step, way, history = order
    return first_night(trial, LINUX[model], step, way, history)


def a_a(pool: ProcessPoolExecutor, cells: int, nights: int, way: Way) -> int:
    models = LINUX if way is Way.CANARY else MODELS
    cells = cells * len(models) // len(MODELS)
    print(f"\nA/A: {nights - SETTLING} nights x {cells} cells, run again in turns with {way.value}")
    header = f"{'noise':40}{'judged':>9}{'suspects':>10}{'re-runs':>9}"
    print(f"{header}{'inconcl.':>10}{'board moved':>13}{'false alarms':>14}")
    totals: dict[str, Counter[str]] = {model.name: Counter() for model in models}
    wrong: list[str] = []
    own = {model.name for model in models if model.own}
    for name, counts, mistakes in pool.map(one_cell, [(cell, nights, way) for cell in range(cells)]):
        totals[name] += counts
        wrong += [] if name in own else mistakes
    for name, counts in totals.items():
        share = counts["suspects"] * 100 / max(1, counts["nights"])
        print(
            f"{name:40}{counts['nights']:9}{share:9.2f}%{counts['re-runs']:9}{counts[Verdict.INCONCLUSIVE]:10}"
            f"{counts[Verdict.LAB_FAULT]:13}{counts[Verdict.REGRESSED]:14}",
            flush=True,
        )
    for text in wrong[:50]:
        print(f"  false: {text}")
    return len(wrong)


def steps(pool: ProcessPoolExecutor, trials: int, ways: list[Way]) -> dict[Way, float]:
    print(f"\nA real step, {trials} trials each: confirmed in the first night, run again in turns with")
    print(f"{'noise':40}{'step':>7}{'history':>9}" + "".join(f"{way.value:>30}" for way in ways))
    asked = {}
    rows = [
        (0, 0.01, 10),
        (0, 0.01, 30),
        (0, 0.02, 30),
        (1, 0.03, 30),
        (2, 0.03, 30),
        (4, 0.03, 30),
        (7, 0.03, 30),
        (9, 0.01, 30),
        (9, 0.02, 30),
        (9, 0.05, 30),
        (10, 0.03, 30),
        (10, 0.05, 30),
        (11, 0.01, 30),
        (11, 0.02, 30),
    ]
    for model, step, history in rows:
        found = []
        for way in ways:
            orders = [(trial, model, step, way, history) for trial in range(trials)]
            confirmed = sum(v is Verdict.REGRESSED for v in pool.map(one_trial, orders, chunksize=20))
            found.append(confirmed / trials)
            if (model, step, history) == (0, 0.01, 30):
                asked[way] = found[-1]
        shown = "".join(f"{share:30.1%}" for share in found)
        print(f"{LINUX[model].name:40}{step:7.0%}{history:9}{shown}", flush=True)
    return asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-steps", action="store_true", help="Only nights in which nothing changed.")
    parser.add_argument("--way", choices=[way.name.lower() for way in Way], help="Only this one.")
    options = parser.parse_args()
    begin = time.perf_counter()
    ways = [Way[options.way.upper()]] if options.way else list(Way)
    print(f"starts per night {STARTS}, {SETTINGS}")
    with ProcessPoolExecutor(options.jobs) as pool:
        asked = dict.fromkeys(ways, 1.0) if options.no_steps else steps(pool, options.trials, ways)
        false = {way: a_a(pool, options.cells, options.nights + SETTLING, way) for way in ways}
    print()
    for way in ways:
        limits = {Way.IMAGE: "limits 0 and 95 %", Way.CANARY: "limit 0"}.get(way, "no limit")
        print(f"{way.value}: {false[way]} false alarms, a 1 % step {asked[way]:.1%}; {limits}")
    print(f"{time.perf_counter() - begin:.0f} s")
    none_false = all(false[way] == 0 for way in ways if way is not Way.NIGHTS)
    return 0 if none_false and asked.get(Way.IMAGE, 1.0) >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
