"""The queue of one client's messages, against a plain list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tenets_session_server.rpc.request_queue import MANY, Inbox
from tenets_session_server.wire.envelope import Message, Notification, Request

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
def test_what_is_put_is_taken_in_order_but_for_what_is_withdrawn(
    steps: list[tuple[str, int]],
) -> None:
    inbox, model = Inbox(), list[Message]()
    for number, (step, argument) in enumerate(steps):
        match step:
            case "put":
                model.append(Request("2.0", argument, str(number), Raw(b"{}")))
                inbox.put(model[-1])
            case "notify":
                model.append(Notification(str(number), Raw(b"[]")))
                inbox.put(model[-1])
            case "withdraw":
                found = [m for m in model if isinstance(m, Request) and m.id == argument]
                assert inbox.withdraw(argument) is bool(found)
                if found:
                    model.remove(found[0])
            case _:
                taken = [inbox.take() for _ in range(min(argument, len(model)))]
                assert taken == model[: len(taken)]
                if step == "take":
                    del model[: len(taken)]
                else:
                    inbox.put_back(taken)
        assert bool(inbox) is bool(model)
        assert inbox.next == (model[0] if model else None)
        first, second = inbox.peek()
        assert first == inbox.next
        assert second in (None, *model[1:2])
    assert [inbox.take() for _ in model] == model
    assert not inbox


def test_a_client_that_cancels_for_ever_costs_nothing() -> None:
    inbox = Inbox()
    waiting = 0
    for number in range(20 * MANY):
        inbox.put(Request("2.0", number, "m"))
        waiting += 1
        if number % 2:
            assert inbox.withdraw(number)
            waiting -= 1
        elif waiting > 10:
            inbox.take()
            waiting -= 1
    assert not inbox.overloaded
    kept = sum(map(len, inbox._numbers.values()))
    assert kept <= 20 * MANY / 2


def test_so_much_is_an_overload() -> None:
    inbox = Inbox()
    for number in range(MANY + 1):
        assert not inbox.overloaded
        inbox.put(Request("2.0", number, "m"))
    assert inbox.overloaded
    for _ in range(10):
        inbox.take()
    assert not inbox.overloaded
    inbox.put(Request("2.0", "large", "m", Raw(b"x" * 33 * 1024 * 1024)))
    assert inbox.overloaded
    assert inbox.withdraw("large")
    assert not inbox.overloaded
    inbox.clear()
    assert not inbox
