#!/usr/bin/env bash
# Proves that the built wheel stands alone: an empty environment, a folder that is not the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
}
.venv/bin/python -m venv "$work/empty"
"$work/empty/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl
mkdir "$work/elsewhere"
cd "$work/elsewhere"
"$work/empty/bin/benchrunner" boards --json | grep -q '"stm32h747i-disco"'
"$work/empty/bin/benchrunner" run --board stm32h747i-disco --sim
ls results/*/*.json >/dev/null
echo "the wheel stands alone: $(basename "$work"/dist/*.whl)"
