"""What waits for a broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.outputs.nats_backlog import Backlog, Message


def emg(number: int, size: int = 10) -> Message:
    return Message("myocast.0.emg", bytes(size), str(number))


def pose(size: int = 10) -> Message:
    return Message("myocast.0.pose", bytes(size))


def drain(backlog: Backlog) -> list[Message]:
    found = []
    while (message := backlog.take()) is not None:
        found.append(message)
    return found


async def test_messages_come_in_order_and_kept_ones_wait_for_their_answer() -> None:
    backlog = Backlog()
    given = [emg(1), pose(), emg(2)]
    for message in given:
        backlog.put(message)
    assert drain(backlog) == given
    assert not backlog.empty.is_set()
    backlog.confirmed()
    backlog.confirmed()
    assert backlog.empty.is_set()


async def test_what_was_not_confirmed_is_sent_again_first() -> None:
    backlog = Backlog()
    for number in range(3):
        backlog.put(emg(number))
    drain(backlog)
    backlog.confirmed()
    backlog.put(emg(3))
    backlog.again()
    assert [message.kept for message in drain(backlog)] == ["1", "2", "3"]


async def test_when_too_much_waits_poses_go_before_emg_and_the_oldest_emg_is_counted() -> None:
    backlog = Backlog(limit=50)
    for number in range(3):
        backlog.put(emg(number))
        backlog.put(pose())
    assert backlog.lost == 0
    assert [message.kept for message in drain(backlog) if message.kept] == ["0", "1", "2"]
    backlog.forget_sent()
    for number in range(7):
        backlog.put(emg(number))
    assert backlog.lost == 2
    assert [message.kept for message in drain(backlog)] == ["2", "3", "4", "5", "6"]


@given(st.lists(st.sampled_from(["emg", "pose", "take", "confirmed", "again"]), max_size=80))
async def test_no_emg_is_lost_or_doubled_however_it_goes(steps: list[str]) -> None:
    backlog, put, confirmed = Backlog(), 0, []
    unconfirmed: list[str] = []
    for step in steps:
        if step == "emg":
            backlog.put(emg(put))
            put += 1
        elif step == "pose":
            backlog.put(pose())
        elif step == "take":
            message = backlog.take()
            if message is not None and message.kept:
                unconfirmed.append(message.kept)
        elif step == "again":
            backlog.again()
            unconfirmed.clear()
        elif unconfirmed:
            backlog.confirmed()
            confirmed.append(unconfirmed.pop(0))
    rest = unconfirmed + [message.kept for message in drain(backlog) if message.kept]
    assert confirmed + rest == [str(number) for number in range(put)]
