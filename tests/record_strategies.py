"""Random records for property tests, from the types of their fields."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from benchrunner import store
from benchrunner.record import Measurement, RunDocument


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of a record may have, from its type."""
    if hint is str:  # as a device or a person may give it; surrogates are tested apart: JSON has none
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    if hint is int:
        return st.integers(-(2**63), 2**64 - 1)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is bool:
        return st.booleans()
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: values_of(hints[field.name]) for field in fields(hint)})
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if get_origin(hint) is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    return st.one_of([values_of(argument) for argument in arguments])


def documents() -> st.SearchStrategy[RunDocument]:
    """Any document that may be stored."""
    return st.builds(
        RunDocument,
        run_id=st.integers(0, 2**32).map(
            lambda second: store.new_run_id(datetime.fromtimestamp(second, UTC))
        ),
        measurements=st.lists(values_of(Measurement), max_size=2).map(tuple),
    )
