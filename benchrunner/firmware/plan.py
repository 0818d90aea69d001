"""Where each buffer lies in the arena: as low as the search finds, and what no plan can go below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchrunner.firmware.buffers import ALIGN_BYTES, Buffer, Needs, memory_needs
from benchrunner.firmware.lowered import Lowered
from benchrunner.model import Graph

_WORK = 2_000  # steps of the exact search per question: with some 30 buffers half a second


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Offsets from the start of the arena, in bytes."""

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]  # one per buffer
    tensor_offset: Mapping[int, int]  # of every tensor that has a place
    scratch_offset: Mapping[int, int]  # layer -> its scratch memory
    arena_bytes: int
    activation_bytes: int  # of the arena, in which some tensor lies at some time: the rest is for scratch
    bound_bytes: int  # no plan is smaller
    optimal: bool  # proven: by the bound, or because the search came to its end
    inputs_overwritten: bool


def plan_memory(graph: Graph, layers: Sequence[Lowered]) -> MemoryPlan:
    """The plan for `layers` of `graph`. Equal arguments give equal plans.

    Raises `ModelError` for an output that nothing computes.
    """
    needs = memory_needs(graph, layers)
    search = _Search(needs)
    offsets = search.run()
    ends = [offset + buffer.size_bytes for offset, buffer in zip(offsets, needs.buffers, strict=True)]
    placed = list(zip(needs.buffers, offsets, ends, strict=True))
    return MemoryPlan(
        buffers=needs.buffers,
        offsets=offsets,
        tensor_offset={index: offset for buffer, offset, _ in placed for index in buffer.tensors},
        scratch_offset={buffer.first: offset for buffer, offset, _ in placed if buffer.scratch},
        arena_bytes=_aligned(max(ends, default=0)),
        activation_bytes=_covered([(start, end) for buffer, start, end in placed if not buffer.scratch]),
        bound_bytes=search.bound,
        optimal=search.proven,
        inputs_overwritten=any(
            start < other_end and other_start < end
            for buffer, start, end in placed
            if buffer.first < 0
            for other, other_start, other_end in placed
            if other is not buffer
        ),
    )


def _covered(spans: Sequence[tuple[int, int]]) -> int:
    """Bytes that lie in at least one of the spans."""
    total, at = 0, 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, at))
        at = max(at, end)
    return total


class _Search:
    """Offsets by two means: placing buffers one by one as low as they go, and an exact search below that.

    The exact search asks whether everything fits below a ceiling. A pair of buffers that lives together has
    two orders; wherever one of them cannot be kept below the ceiling, the other follows, and only what then
    still collides is tried both ways.
    """

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.sizes = [_aligned(buffer.size_bytes) for buffer in needs.buffers]
        # For every pair (a, b) that lives together: the least offset a - offset b where a is the upper one.
        self.above: dict[tuple[int, int], int] = {}
        self.others: list[list[int]] = [[] for _ in needs.buffers]
        for a in range(len(self.sizes)):
            for b in range(a):
                if needs.together(a, b):
                    self._separate(a, b)
        self.bound = max((self._layer_bound(i) for i in range(-1, needs.layer_count + 1)), default=0)
        self.best: tuple[int, ...] = ()
        self.best_bytes = sum(self.sizes) + ALIGN_BYTES
        self.work = 0
        self.proven = False

    def _separate(self, a: int, b: int) -> None:
        for upper, lower in ((a, b), (b, a)):
            distance = self.sizes[lower]
            if (lower, upper) in self.needs.leads:  # the lower one is the output, the upper one the input
                distance = min(distance, _aligned(self.needs.leads[lower, upper]))
            self.above[upper, lower] = distance
        self.others[a].append(b)
        self.others[b].append(a)

    def _layer_bound(self, layer: int) -> int:
        """What every plan needs during `layer`: all that lives, outputs over inputs where they may."""
        alive = [i for i, b in enumerate(self.needs.buffers) if b.first <= layer <= b.last]
        new = {i for i in alive if self.needs.buffers[i].first == layer}
        pairs = [pair for pair in self.needs.leads if pair[0] in new and pair[1] in alive]
        everything = sum(self.sizes[i] for i in alive)
        if not pairs:
            return everything
        kept = sum(self.sizes[i] for i in alive if all(i not in pair for pair in pairs))
        outputs = {output for output, _ in pairs}
        sources = {source for _, source in pairs}
        if len(outputs) == len(sources) == 1:
            ((output, source),) = pairs
            lead = max(0, _aligned(self.needs.leads[output, source]))
            least = max(self.sizes[output], min(lead, self.sizes[output]) + self.sizes[source])
            return kept + least
        return kept + max(sum(self.sizes[i] for i in outputs), sum(self.sizes[i] for i in sources))

    def run(self) -> tuple[int, ...]:
        count = len(self.sizes)
        times = [(buffer.first, buffer.last) for buffer in self.needs.buffers]
        for order in (
            sorted(range(count), key=lambda i: (-self.sizes[i], i)),
            sorted(range(count), key=lambda i: (times[i], i)),
            sorted(range(count), key=lambda i: (times[i], i), reverse=True),
        ):
            self._place(order)
        # Halving the distance between what is known to fit and what is known not to.
        low = self.bound
        self.proven = True
        while low < self.best_bytes:
            ceiling = (low + self.best_bytes) // 2 // ALIGN_BYTES * ALIGN_BYTES
            self.work = 0
            answer = self._fits(_Offsets.start(self.sizes), ceiling)
            if answer is not True:  # not below this, or not found
                low = ceiling + ALIGN_BYTES
                self.proven &= answer is False
        return self.best

    def _place(self, order: Sequence[int]) -> None:
        placed: dict[int, int] = {}
        for index in order:
            taken = sorted(
                (placed[other] - self.above[other, index], placed[other] + self.above[index, other])
                for other in self.others[index]
                if other in placed
            )
            offset = 0
            for low, high in taken:
                if low >= offset:
                    break  # and so do all that follow
                offset = max(offset, high)
            placed[index] = offset
        self._keep([placed[index] for index in range(len(self.sizes))])

    def _keep(self, offsets: Sequence[int]) -> None:
        peak = max((at + size for at, size in zip(offsets, self.sizes, strict=True)), default=0)
        if peak < self.best_bytes:
            self.best_bytes, self.best = peak, tuple(offsets)

    def _fits(self, state: _Offsets, ceiling: int) -> bool | None:
        """True with the plan kept, False when there is none below the ceiling, None when the work ran out."""
        self.work += 1
        if self.work > _WORK:
            return None
        if not self._force(state, ceiling):
            return False
        collisions = [
            (min(state.lift(a, b, self.above[a, b]), state.lift(b, a, self.above[b, a])), a, b)
            for a, b in self.above
            if a < b
            and state.heads[a] - state.heads[b] < self.above[a, b]
            and state.heads[b] - state.heads[a] < self.above[b, a]
        ]
        if not collisions:
            self._keep(state.heads)
            return True
        _, a, b = max(collisions)
        orders = sorted(((a, b), (b, a)), key=lambda pair: state.lift(pair[0], pair[1], self.above[pair]))
        answer: bool | None = False
        for upper, lower in orders:
            further = state.copy()
            if not further.order(upper, lower, self.above[upper, lower], ceiling):
                continue
            found = self._fits(further, ceiling)
            if found:
                return True
            if found is None:
                answer = None
        return answer

    def _force(self, state: _Offsets, ceiling: int) -> bool:
        """Fix every order that the ceiling leaves no choice about. False when a pair has no order left."""
        changed = True
        while changed:
            changed = False
            for a, b in self.above:
                if a > b or (a, b) in state.fixed or (b, a) in state.fixed:
                    continue
                up, down = self.above[a, b], self.above[b, a]
                first = state.heads[b] + up + state.tails[a] <= ceiling
                second = state.heads[a] + down + state.tails[b] <= ceiling
                if first and second:
                    continue
                if not (first or second):
                    return False
                upper, lower = (a, b) if first else (b, a)
                if not state.order(upper, lower, self.above[upper, lower], ceiling):
                    return False
                changed = True
        return True


class _Offsets:
    """What is known while orders are being fixed: `heads`, the lowest offset of each buffer, and `tails`, how
    much there must at least be from its offset to the ceiling.
    """

    def __init__(
        self,
        heads: list[int],
        tails: list[int],
        fixed: dict[tuple[int, int], int],
        over: list[list[int]],
        under: list[list[int]],
    ) -> None:
        self.heads, self.tails, self.fixed = heads, tails, fixed
        self.over, self.under = over, under  # which buffers are fixed to lie over, under each

    @classmethod
    def start(cls, sizes: Sequence[int]) -> _Offsets:
        return cls([0] * len(sizes), list(sizes), {}, [[] for _ in sizes], [[] for _ in sizes])

    def copy(self) -> _Offsets:
        return _Offsets(
            list(self.heads),
            list(self.tails),
            dict(self.fixed),
            [list(others) for others in self.over],
            [list(others) for others in self.under],
        )

    def lift(self, upper: int, lower: int, distance: int) -> int:
        """By how much this order raises the upper buffer."""
        return self.heads[lower] + distance - self.heads[upper]

    def order(self, upper: int, lower: int, distance: int, ceiling: int) -> bool:
        """Fix offset `upper` >= offset `lower` + `distance`. False when something no longer fits."""
        self.fixed[upper, lower] = distance
        self.over[lower].append(upper)
        self.under[upper].append(lower)
        left = [(upper, lower)]
        while left:
            above, below = left.pop()
            distance = self.fixed[above, below]
            head, tail = self.heads[below] + distance, self.tails[above] + distance
            if head > self.heads[above]:
                self.heads[above] = head
                if head + self.tails[above] > ceiling:
                    return False
                left += [(other, above) for other in self.over[above]]
            if tail > self.tails[below]:
                self.tails[below] = tail
                if tail + self.heads[below] > ceiling:
                    return False
                left += [(below, other) for other in self.under[below]]
        return True


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGN_BYTES) * ALIGN_BYTES
