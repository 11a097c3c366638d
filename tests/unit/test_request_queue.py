"""The queue of one client's messages, against a plain list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tenets_session_server.rpc.request_queue import MAXIMUM_MESSAGES, RequestQueue
from tenets_session_server.wire.messages import Message, Notification, Request

IDS = st.integers(0, 5)
STEPS = st.lists(
    st.tuples(st.just("put"), IDS)
    | st.tuples(st.just("notify"), st.just(0))
    | st.tuples(st.just("take"), st.integers(1, 4))
    | st.tuples(st.just("take and put back"), st.integers(1, 4))
    | st.tuples(st.just("withdraw"), IDS),
    max_size=60,
)


@settings(max_examples=600)
@given(STEPS)
def test_messages_are_taken_in_order_except_withdrawn_ones(
    steps: list[tuple[str, int]],
) -> None:
    queue, model = RequestQueue(), list[Message]()
    for number, (step, argument) in enumerate(steps):
        match step:
            case "put":
                model.append(Request("2.0", argument, str(number), Raw(b"{}")))
                queue.append(model[-1])
            case "notify":
                model.append(Notification(str(number), Raw(b"[]")))
                queue.append(model[-1])
            case "withdraw":
                found = [m for m in model if isinstance(m, Request) and m.id == argument]
                assert queue.withdraw(argument) is bool(found)
                if found:
                    model.remove(found[0])
            case _:
                taken = [queue.take() for _ in range(min(argument, len(model)))]
                assert taken == model[: len(taken)]
                if step == "take":
                    del model[: len(taken)]
                else:
                    queue.put_back(taken)
        assert bool(queue.waiting) is bool(model)
        assert queue.next == (model[0] if model else None)
        assert queue.second is None or queue.next is not None
    assert [queue.take() for _ in model] == model
    assert not queue.waiting


def test_withdrawn_messages_do_not_fill_the_queue() -> None:
    queue = RequestQueue()
    waiting = 0
    for number in range(20 * MAXIMUM_MESSAGES):
        queue.append(Request("2.0", number, "m"))
        waiting += 1
        if number % 2:
            assert queue.withdraw(number)
            waiting -= 1
        elif waiting > 10:
            queue.take()
            waiting -= 1
    assert not queue.overloaded


def test_a_queue_is_overloaded_above_its_limits() -> None:
    queue = RequestQueue()
    for number in range(MAXIMUM_MESSAGES + 1):
        assert not queue.overloaded
        queue.append(Request("2.0", number, "m"))
    assert queue.overloaded
    for _ in range(10):
        queue.take()
    assert not queue.overloaded
    queue.append(Request("2.0", "large", "m", Raw(b"x" * 33 * 1024 * 1024)))
    assert queue.overloaded
    queue.clear()
    assert not queue.overloaded
    assert not queue.waiting
