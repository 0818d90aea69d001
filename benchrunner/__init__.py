"""benchrunner: on-device benchmarks of neural networks, with numbers that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas

__version__ = "0.1.0"
__all__ = ["load_results"]


def load_results(folder: str | Path | Iterable[str | Path] = "results") -> pandas.DataFrame:
    """Load stored results into a data frame, one row per measurement, in the order of the runs.

    `folder` is a folder, a document, or several of them. Numeric columns are nullable (`Int64`, `Float64`);
    a value that is not known is `NA` there and its reason is in the column of the same name with `_reason`
    appended. A document that cannot be read is left out with a warning. Raises
    `benchrunner.errors.UsageError` for a folder or file that does not exist. The columns and their units
    are in docs/python-api.md.
    """
    from benchrunner import history  # imports pandas, which takes longer than everything else together

    return history.load_results(folder, stacklevel=3)
