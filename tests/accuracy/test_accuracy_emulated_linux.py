"""Accuracy on a real Linux with Arm's own kernels, on QEMU."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from host_machine import needs_debian_packages
from linux_digits import ROUNDED, pictures

from benchrunner.cli import cli

pytestmark = needs_debian_packages


def test_arms_kernels_give_the_bytes_of_the_same_kernel_set_here_and_not_the_oracles(
    results: Path, tmp_path: Path
) -> None:
    words = ["accuracy", "--model", str(ROUNDED), "--dataset", str(pictures(tmp_path, 12)), "--quiet"]
    words += ["--board", "stm32mp257f-dk", "--emulate", "--out", str(results), "--json"]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == 0, done.output
    document = json.loads(done.stdout)
    assert document["board"]["fidelity"] == "emulated"
    assert document["board"]["conditions"]["machine"] == "aarch64"
    assert document["board"]["conditions"]["emulator"].startswith("QEMU ")
    compared = document["comparison"]
    assert compared["reference"].endswith("builtin-without-default-delegates")
    assert (compared["images"], compared["same_bytes"], compared["beyond"]) == (12, 12, 0)
    assert document["agreements"][0]["same_bytes"] < 12
