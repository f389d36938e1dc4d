"""The heap of expiries against a sorted list, and that it leaves nothing behind."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel import expiry
from contracts.kernel.layout import Row
from state.overlay import Overlay


@given(st.lists(st.one_of(st.integers(1, 30), st.tuples(st.just("remove"), st.integers(0, 99)), st.none())))
def test_it_is_a_sorted_list(steps: list[int | tuple[str, int] | None]) -> None:
    overlay: Overlay[Row] = Overlay(lambda key: None)
    model: list[tuple[int, str]] = []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            expiry.add(overlay, "a", "X.y", step, f"{number:03}")
            model = sorted([*model, (step, f"{number:03}")])
        elif step is not None and model:
            _, hold = model.pop(step[1] % len(model))
            expiry.remove(overlay, "a", "X.y", hold)
        elif model and (first := expiry.first_due(overlay, "a", "X.y", 15)) is not None:
            assert first == model[0][1]
            expiry.remove(overlay, "a", "X.y", first)
            del model[0]
        due = [hold for at, hold in model if at <= 15]
        assert expiry.first_due(overlay, "a", "X.y", 15) == (due[0] if due else None)
    while model:
        _, hold = model.pop(0)
        assert expiry.first_due(overlay, "a", "X.y", 99) == hold
        expiry.remove(overlay, "a", "X.y", hold)
    assert [key for key, row in overlay.changes().items() if row is not None] == []
