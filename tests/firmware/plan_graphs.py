"""Random graphs of lowered operators, for the planner's tests."""

from __future__ import annotations

from hypothesis import strategies as st

from benchrunner.firmware.lowered import Call, Lowered, Overlap, TensorArgument
from benchrunner.model import Graph, Operator, Tensor


def tensor(index: int, size: int) -> Tensor:
    return Tensor(index, f"t{index}", (size,), "int8", None, None)


@st.composite
def lowered_graphs(
    draw: st.DrawFn, most_layers: int = 12, least_lead: int = -40
) -> tuple[Graph, list[Lowered]]:
    """Chains, branches, several outputs, aliases, scratch and overlaps of any lead."""
    size = st.integers(1, 90)
    tensors = [tensor(i, draw(size)) for i in range(draw(st.integers(1, 3)))]
    inputs = tuple(range(len(tensors)))
    operators: list[Operator] = []
    layers: list[Lowered] = []
    for position in range(draw(st.integers(1, most_layers))):
        sources = draw(
            st.lists(st.integers(max(0, len(tensors) - 4), len(tensors) - 1), min_size=1, max_size=3)
        )
        alias = draw(st.integers(0, 5)) == 0
        made: list[int] = []
        for _ in range(1 if alias else draw(st.sampled_from([1, 1, 1, 2]))):
            made.append(len(tensors))
            bytes_ = tensors[sources[0]].size_bytes if alias else draw(size)
            tensors.append(tensor(len(tensors), bytes_))
        operators.append(Operator(position, "ANY", 1, tuple(sources), tuple(made), {}))
        if alias:
            layers.append(Lowered(position, (), (), aliases=((made[0], sources[0]),)))
            continue
        pairs = [(source, output) for source in sorted(set(sources)) for output in made]
        chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if draw(st.booleans()) else []
        overlaps = tuple(Overlap(*pair, draw(st.integers(least_lead, 60))) for pair in chosen)
        arguments = tuple(TensorArgument(index, "int8_t *") for index in (*sources, *made))
        scratch = draw(st.sampled_from([0, 0, 0, 5, 40]))
        layers.append(
            Lowered(position, (Call("any", arguments),), (), scratch_bytes=scratch, overlaps=overlaps)
        )
    made_all = [index for operator in operators for index in operator.outputs]
    outputs = draw(st.lists(st.sampled_from(made_all), min_size=1, max_size=2, unique=True))
    return Graph("main", tuple(tensors), tuple(operators), inputs, tuple(outputs)), layers
