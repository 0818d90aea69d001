"""A folder of results with a history worth a page: nights, a step, a failed case, hostile text."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import record_factory as factory

from benchrunner.record import Fidelity, Measurement, NotMeasured, Outcome
from benchrunner.store import save_run

HOSTILE = '<script>alert("x")</script> & <b>'
NIGHTS = 30
MODELS = ("fdmobilenet_0.25_128", "mobilenet_v2_0.35_96", "kws_ds_cnn")


def measured(model: str, base: int, drawn: random.Random, revision: str) -> Measurement:
    counts = [round(base * drawn.gauss(1, 0.002)) for _ in range(30)]
    one = factory.measurement(
        case={"model": model, "timed_runs": 30},
        fidelity=Fidelity.MEASURED,
        latency=factory.timed(*counts, cold=round(base * 1.3)),
        timing_model=NotMeasured("time is not modelled"),
        conditions={"core": "cortex-m7", "note": HOSTILE},
        warnings=(HOSTILE,),
        logs={"tool": HOSTILE},
    )
    scale = {"fdmobilenet_0.25_128": 1.0, "mobilenet_v2_0.35_96": 2.5, "kws_ds_cnn": 0.3}[model]
    footprint = replace(one.footprint, activation_ram_bytes=round(50_000 * scale), code_flash_bytes=21_000)
    return replace(one, footprint=footprint, provenance=replace(one.provenance, revision=revision))


def write(results: Path) -> list[str]:
    """Nights of three models with a step of +5 % in one, and a failed case in the last; the run ids."""
    drawn = random.Random(3)
    start = datetime(2026, 10, 20, 2, tzinfo=UTC)
    bases = dict(zip(MODELS, (7_092_000, 21_000_000, 2_400_000), strict=True))
    ids = []
    for night in range(NIGHTS):
        when = start + timedelta(days=night)
        found = []
        for model, base in bases.items():
            stepped = base * 1.05 if model == MODELS[0] and night >= 20 else base
            found.append(measured(model, round(stepped), drawn, f"rev{night:02}"))
        if night == NIGHTS - 1:
            bad = factory.failed(f"5 of 5 output values differ {HOSTILE}")
            found.append(replace(bad, outcome=Outcome.FAILED, case=replace(bad.case, model="broken")))
        run_id = f"{when:%Y%m%dT%H%M%SZ}-{night:08x}"
        save_run(factory.document(*found, run_id=run_id), results)
        ids.append(run_id)
    return ids
