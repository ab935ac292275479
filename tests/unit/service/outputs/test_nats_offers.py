"""Who is offered, and when."""

from __future__ import annotations

from service.outputs.nats_offers import BEGIN_S, UNSERVED_S, Offers


class Answers:
    """A broker on which somebody is free, or nobody."""

    def __init__(self, free: bool) -> None:
        self.free = free
        self.asked: list[bytes] = []

    async def request(self, subject: str, payload: bytes, **how: float) -> None:
        assert (subject, list(how)) == ("myocast.work", ["timeout"])
        self.asked.append(payload)
        if not self.free:
            from nats.errors import NoRespondersError

            raise NoRespondersError


async def test_an_armband_is_offered_until_somebody_serves_it() -> None:
    time = [0.0]
    offers = Offers(lambda: ["anna"], lambda: time[0])
    nobody = Answers(free=False)
    for device in offers.unserved():
        await offers.offer(nobody, device)  # type: ignore[arg-type]
    assert offers.unserved() == ["anna"]
    somebody = Answers(free=True)
    await offers.offer(somebody, "anna")  # type: ignore[arg-type]
    assert somebody.asked == [b'{"device":"anna"}']
    assert offers.unserved() == []
    time[0] += BEGIN_S
    assert offers.unserved() == ["anna"], "who answers and never begins is replaced"


async def test_who_is_served_is_not_offered_and_is_again_when_poses_end() -> None:
    time = [0.0]
    offers = Offers(lambda: ["anna", "ben"], lambda: time[0])
    for _ in range(5):
        offers.on_pose("anna")
        time[0] += 0.02
    assert offers.unserved() == ["ben"]
    time[0] += UNSERVED_S
    assert offers.unserved() == ["anna", "ben"]
