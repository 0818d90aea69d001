"""Where each buffer lies in the arena: as low as the search finds, and what no plan can go below."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchrunner.firmware.buffers import ALIGN_BYTES, Buffer, Needs, memory_needs
from benchrunner.firmware.lowered import Lowered
from benchrunner.model import Graph

_SHUFFLES = 200  # tries of the heuristic
_WORK = 60_000  # placements of the exact search, about half a second


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Offsets from the start of the arena, in bytes."""

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]  # one per buffer
    tensor_offset: Mapping[int, int]  # of every tensor that has a place
    scratch_offset: Mapping[int, int]  # layer -> its scratch memory
    arena_bytes: int
    activation_bytes: int  # up to the end of the highest tensor: the arena without what only scratch needs
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
        activation_bytes=max((end for buffer, _, end in placed if not buffer.scratch), default=0),
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


class _Search:
    """Buffers are placed one by one, each as low as those before it allow: only the order is searched."""

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.sizes = [_aligned(buffer.size_bytes) for buffer in needs.buffers]
        # For every pair (a, b) that lives together: the least offset a - offset b where a is the upper one,
        # and the least offset b - offset a where b is. Aligned, so that all sums are.
        self.apart: list[dict[int, tuple[int, int]]] = [{} for _ in needs.buffers]
        for a in range(len(self.sizes)):
            for b in range(a):
                if needs.together(a, b):
                    self._separate(a, b)
        self.bound = max((self._layer_bound(i) for i in range(-1, needs.layer_count + 1)), default=0)
        self.best: tuple[int, ...] = ()
        self.best_bytes = sum(self.sizes) + 1
        self.work = 0
        self.seen: set[tuple[tuple[int, int], ...]] = set()
        self.proven = False

    def _separate(self, a: int, b: int) -> None:
        above, below = self.sizes[b], self.sizes[a]  # a above b: offset a >= offset b + above; b above a
        if (b, a) in self.needs.leads:  # b is the output, a the input: a may start `lead` behind b
            above = min(above, _aligned(self.needs.leads[b, a]))
        if (a, b) in self.needs.leads:
            below = min(below, _aligned(self.needs.leads[a, b]))
        self.apart[a][b] = above, below
        self.apart[b][a] = below, above

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
        by_size = sorted(range(count), key=lambda i: (-self.sizes[i], i))
        outputs_first = sorted(
            range(count), key=lambda i: (-self._weight(i), -self.needs.buffers[i].first, i)
        )
        by_time = sorted(range(count), key=lambda i: (self.needs.buffers[i].first, i))
        order = min((by_size, outputs_first, by_time, by_time[::-1]), key=self._try)
        shuffler = random.Random(0)  # only to look elsewhere: the result is the same every time
        for _ in range(_SHUFFLES if count else 0):
            if self.best_bytes <= self.bound:
                break
            changed = list(order)
            changed.insert(shuffler.randrange(count), changed.pop(shuffler.randrange(count)))
            before = self.best_bytes
            if self._try(changed) <= before:
                order = changed
        if self.best_bytes > self.bound:
            # Every plan can be pushed down to one that placing in the order of the offsets finds, where no
            # buffer may start above one that is pushed against it.
            ordered = all(max(pair) >= 0 for others in self.apart for pair in others.values())
            self.proven = self._descend({}, frozenset(range(count)), 0) and ordered
        self.proven = self.proven or self.best_bytes <= self.bound
        return self.best

    def _weight(self, index: int) -> int:
        """Bytes that live together with a buffer: those in the thick of it come first."""
        buffer = self.needs.buffers[index]
        return max(
            sum(self.sizes[i] for i, b in enumerate(self.needs.buffers) if b.first <= layer <= b.last)
            for layer in range(buffer.first, buffer.last + 1)
        )

    def _lowest(self, index: int, placed: Mapping[int, int]) -> int:
        """The lowest offset that the buffers in `placed` leave for `index`."""
        taken = []
        for other, (above, below) in self.apart[index].items():
            if other in placed:
                low, high = placed[other] - below, placed[other] + above
                if low < high:
                    taken.append((low, high))
        offset = 0
        for low, high in sorted(taken):
            if low >= offset:
                break  # and so do all that follow
            offset = max(offset, high)
        return offset

    def _try(self, order: Sequence[int]) -> int:
        placed: dict[int, int] = {}
        peak = 0
        for index in order:
            placed[index] = self._lowest(index, placed)
            peak = max(peak, placed[index] + self.sizes[index])
        self._keep(placed)
        return peak

    def _keep(self, placed: Mapping[int, int]) -> None:
        """Remember the plan if it is the best so far."""
        peak = max((offset + self.sizes[i] for i, offset in placed.items()), default=0)
        if peak < self.best_bytes:
            self.best_bytes = peak
            self.best = tuple(placed[i] for i in range(len(self.sizes)))

    def _descend(self, placed: dict[int, int], left: frozenset[int], floor: int) -> bool:
        """Place what is left in the order of offsets. False when the work ran out before all was seen."""
        if not left:
            self._keep(placed)
            return True
        lowest = {i: self._lowest(i, placed) for i in left}
        self.work += len(left)
        # What is placed later only pushes up what is left.
        if any(offset + self.sizes[i] >= self.best_bytes for i, offset in lowest.items()):
            return True
        complete = True
        for index in sorted(left, key=lambda i: (lowest[i], -self.sizes[i], i)):
            if lowest[index] < floor:
                continue  # an order in which it came earlier is another branch
            if self.work > _WORK:
                return False
            if self.best_bytes <= self.bound:
                return True
            state = tuple(sorted((*placed.items(), (index, lowest[index]))))
            if state in self.seen:
                continue
            self.seen.add(state)
            complete &= self._descend(placed | {index: lowest[index]}, left - {index}, lowest[index])
        return complete


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGN_BYTES) * ALIGN_BYTES
