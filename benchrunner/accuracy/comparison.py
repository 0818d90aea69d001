"""A device's answers against the kernel sets of this computer: which is the nearest, and how near."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchrunner.accuracy.document import Comparison
from benchrunner.accuracy.journal import Against, Answer
from benchrunner.runtime import Interpreter
from benchrunner.session.linux.answers import Reference, check_answer, default_tolerance

_ANY_LSB: Final = 1 << 62  # a difference is counted here, not refused


class References:
    """The answers that may be right: that of the oracle, and on Linux boards of other kernel sets, too."""

    def __init__(self, oracle: Interpreter, others: Sequence[Interpreter] = ()) -> None:
        self._dtype = oracle.outputs[0].dtype
        # The oracle's answer is there anyhow, and the slowest.
        self._others = [each for each in others if each.reference != oracle.reference]
        self.names = (oracle.reference, *(each.reference for each in self._others))

    def against(
        self, tensor: bytes, expected: bytes, found: bytes, class_of: Callable[[bytes], int]
    ) -> tuple[Against, ...]:
        """`found` against each of them, the oracle (which gave `expected`) first."""
        right = [expected, *(each.run((tensor,))[0] for each in self._others)]
        return tuple(
            (class_of(output), zlib.crc32(output), self._difference(name, output, found))
            for name, output in zip(self.names, right, strict=True)
        )

    def _difference(self, name: str, right: bytes, found: bytes) -> int:
        """The largest, in LSB. Raises `OutputMismatchError` for an output of another size."""
        reference = Reference(name, "", "", "", (right,))
        return check_answer(
            (found,), (reference,), (self._dtype,), exact=None, tolerance=_ANY_LSB
        ).max_difference_lsb


@dataclass(frozen=True, slots=True)
class Rule:
    """What must be equal to what."""

    names: tuple[str, ...]  # of the references, in the order of `Answer.against`
    exact: str  # the one that the device must equal bit for bit; empty: the nearest is taken
    tolerance_lsb: int | None  # that was stated, instead of the usual
    dtype: str  # of the output

    def compare(self, answers: Sequence[Answer]) -> Comparison | None:
        """All answers of a device against one reference. None without a device."""
        asked = [answer for answer in answers if answer.against]
        if not asked:
            return None
        exact = self.exact in self.names
        allowed = self.tolerance_lsb
        if allowed is None:
            allowed = 0 if exact else default_tolerance((self.dtype,))
        # One for all images: the board has one set of kernels, and the nearest for each would hide that.
        made = [
            self._comparison(asked, index, allowed, exact=exact)
            for index, name in enumerate(self.names)
            if not exact or name == self.exact
        ]
        return min(made, key=lambda each: (each.beyond, each.largest_difference_lsb, -each.same_bytes))

    def _comparison(self, answers: Sequence[Answer], index: int, allowed: int, *, exact: bool) -> Comparison:
        pairs = [(answer, answer.against[index]) for answer in answers]
        return Comparison(
            reference=self.names[index],
            exact=exact,
            tolerance_lsb=allowed,
            images=len(pairs),
            same_bytes=sum(crc32 == answer.device_crc32 for answer, (_, crc32, _) in pairs),
            same_class=sum(found == answer.device_class for answer, (found, _, _) in pairs),
            largest_difference_lsb=max(lsb for _, (_, _, lsb) in pairs),
            beyond=sum(is_beyond(answer, index, allowed) for answer in answers),
            others=tuple(name for name in self.names if name != self.names[index]),
        )


def is_beyond(answer: Answer, index: int, allowed_lsb: int) -> bool:
    """Whether an answer differs from a reference by more than is allowed."""
    _, crc32, lsb = answer.against[index]
    # Floats may have other bytes and no distance: -0.0, or another NaN.
    return lsb > allowed_lsb or (allowed_lsb == 0 and crc32 != answer.device_crc32)
