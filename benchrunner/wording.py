"""Numbers with their nouns, as people write them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 case`, `2 cases`, `20,000 runs`; the noun is one that takes an `s`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
