"""Which connections are cut where there are too many."""

from __future__ import annotations

from service.web.connections import GRACE_S, ConnectionTable


class Plug:
    """A connection that remembers whether it was cut."""

    def __init__(self) -> None:
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


def opened(table: ConnectionTable, address: str, time: float, count: int) -> list[Plug]:
    plugs = [Plug() for _ in range(count)]
    for plug in plugs:
        table.opened(plug, address, time)
    return plugs


def test_the_oldest_of_an_address_is_cut_once_it_is_old_enough() -> None:
    table = ConnectionTable(per_address=3, most=100)
    first = opened(table, "a", 0.0, 3)
    together = opened(table, "a", 0.5, 2)
    assert not any(plug.is_cut for plug in first + together), "they came together"
    opened(table, "b", 10.0, 3)
    assert not any(plug.is_cut for plug in first + together), "those of others do not count"
    opened(table, "a", GRACE_S + 0.1, 1)
    assert [plug.is_cut for plug in first] == [True, False, False]


def test_who_has_asked_is_not_cut() -> None:
    table = ConnectionTable(per_address=1, most=2)
    asked, waiting = opened(table, "a", 0.0, 2)
    table.finish(asked)
    opened(table, "a", 5.0, 1)
    assert (asked.is_cut, waiting.is_cut) == (False, True)
    assert table.unfinished == 1
    table.begin(asked, "a", 9.0)
    assert table.unfinished in (1, 2)


def test_where_nobody_can_be_cut_some_more_are_accepted() -> None:
    table = ConnectionTable(per_address=10, most=3, reserve=2)
    plugs = opened(table, "a", 0.0, 3)
    for plug in plugs:
        table.finish(plug)
    more = opened(table, "b", 0.0, 1)
    table.finish(more[0])
    (last,) = opened(table, "c", 0.0, 1)
    table.finish(last)
    (refused,) = opened(table, "d", 0.0, 1)
    assert refused.is_cut
    assert not any(plug.is_cut for plug in [*plugs, *more, last])
    for plug in plugs:
        table.closed(plug)
    assert table.open == 3
