import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from plan_check import check_plan
from plan_graphs import lowered_graphs, tensor

from benchrunner.errors import ModelError
from benchrunner.firmware.buffers import Needs, memory_needs
from benchrunner.firmware.lowered import Call, Lowered, Overlap, TensorArgument
from benchrunner.firmware.plan import MemoryPlan, plan_memory
from benchrunner.model import Graph, Operator

Drawn = tuple[Graph, list[Lowered]]


def chain(*sizes: int, leads: tuple[int | None, ...] = ()) -> Drawn:
    """Tensors of `sizes`, each computed from the one before; `leads` where they may overlap."""
    tensors = tuple(tensor(i, size) for i, size in enumerate(sizes))
    operators = tuple(Operator(i, "ANY", 1, (i,), (i + 1,), {}) for i in range(len(sizes) - 1))
    layers = []
    for i, lead in enumerate(leads or (None,) * len(operators)):
        arguments = (TensorArgument(i, "const int8_t *"), TensorArgument(i + 1, "int8_t *"))
        overlaps = () if lead is None else (Overlap(i, i + 1, lead),)
        layers.append(Lowered(i, (Call("any", arguments),), (), overlaps=overlaps))
    return Graph("main", tensors, operators, (0,), (len(sizes) - 1,)), layers


@settings(max_examples=100, deadline=None)
@given(lowered_graphs())
def test_no_layer_of_any_graph_finds_its_inputs_damaged(drawn: Drawn) -> None:
    graph, layers = drawn
    plan = plan_memory(graph, layers)
    check_plan(graph, layers, plan)
    assert plan.bound_bytes <= plan.arena_bytes
    assert plan_memory(graph, layers) == plan


@settings(max_examples=40, deadline=None)
@given(lowered_graphs(most_layers=3))
def test_a_plan_said_to_be_optimal_is_beaten_by_no_order_of_placing(drawn: Drawn) -> None:
    graph, layers = drawn
    plan = plan_memory(graph, layers)
    needs = memory_needs(graph, layers)
    assert plan.optimal
    for order in itertools.islice(itertools.permutations(range(len(needs.buffers))), 200):
        assert _greedy(needs, order) >= plan.arena_bytes


def _greedy(needs: Needs, order: tuple[int, ...]) -> int:
    """Another placing: the lowest multiple of 8 that is allowed, by trying."""
    at: dict[int, int] = {}

    def allowed(one: int, offset: int, other: int) -> bool:
        a, b = -(-needs.buffers[one].size_bytes // 8) * 8, -(-needs.buffers[other].size_bytes // 8) * 8
        if not needs.together(one, other) or offset + a <= at[other] or at[other] + b <= offset:
            return True
        if (one, other) in needs.leads:
            return bool(offset + needs.leads[one, other] <= at[other])
        return (other, one) in needs.leads and bool(at[other] + needs.leads[other, one] <= offset)

    for index in order:
        at[index] = next(o for o in itertools.count(0, 8) if all(allowed(index, o, i) for i in at))
    return max((at[i] + -(-needs.buffers[i].size_bytes // 8) * 8 for i in at), default=0)


def test_in_place_chains_need_the_largest_tensor_only() -> None:
    graph, layers = chain(100, 80, 120, 40, leads=(0, 40, 0))
    plan = plan_memory(graph, layers)
    check_plan(graph, layers, plan)
    assert (plan.arena_bytes, plan.optimal, plan.inputs_overwritten) == (144, True, True)


def test_without_overlap_inputs_and_outputs_lie_apart() -> None:
    graph, layers = chain(96, 80, 64)
    plan = plan_memory(graph, layers)
    check_plan(graph, layers, plan)
    assert plan.arena_bytes == plan.bound_bytes == 176


def test_inputs_are_said_to_be_kept_when_nothing_lies_over_them() -> None:
    graph, layers = chain(8, 16)
    assert not plan_memory(graph, layers).inputs_overwritten


def test_an_input_that_a_later_layer_reads_again_is_not_overwritten() -> None:
    tensors = tuple(tensor(i, 64) for i in range(3))
    operators = (Operator(0, "ANY", 1, (0,), (1,), {}), Operator(1, "ANY", 1, (0, 1), (2,), {}))
    layers = [
        Lowered(
            0,
            (Call("any", (TensorArgument(0, ""), TensorArgument(1, ""))),),
            (),
            overlaps=(Overlap(0, 1, 0),),
        ),
        Lowered(
            1,
            (Call("any", tuple(TensorArgument(i, "") for i in range(3))),),
            (),
            overlaps=(Overlap(0, 2, 0), Overlap(1, 2, 0)),
        ),
    ]
    graph = Graph("main", tensors, operators, (0,), (2,))
    plan = plan_memory(graph, layers)
    check_plan(graph, layers, plan)
    assert plan.arena_bytes == 128


def test_the_checker_sees_an_output_that_starts_a_word_too_late() -> None:
    graph, layers = chain(96, 96, leads=(16,))
    plan = plan_memory(graph, layers)
    check_plan(graph, layers, plan)
    assert plan.tensor_offset == {0: 16, 1: 0}
    with pytest.raises(AssertionError, match="output 1 destroys input 0"):
        check_plan(graph, layers, moved(plan, 1, 8))


def test_the_checker_sees_scratch_memory_over_an_output() -> None:
    graph, (layer,) = chain(8, 8)
    layers = [dataclasses.replace(layer, scratch_bytes=8)]
    plan = plan_memory(graph, layers)
    check_plan(graph, layers, plan)
    with pytest.raises(AssertionError, match="tensor 1 is damaged"):
        check_plan(graph, layers, dataclasses.replace(plan, scratch_offset={0: plan.tensor_offset[1]}))


def moved(plan: MemoryPlan, index: int, offset: int) -> MemoryPlan:
    return dataclasses.replace(plan, tensor_offset={**plan.tensor_offset, index: offset}, arena_bytes=200)


def test_an_output_that_nothing_computes_is_refused() -> None:
    graph, layers = chain(8, 8)
    graph = dataclasses.replace(graph, tensors=(*graph.tensors, tensor(2, 8)), outputs=(2,))
    with pytest.raises(ModelError, match="tensor 2 't2' is used, and no layer computes it"):
        plan_memory(graph, layers)
