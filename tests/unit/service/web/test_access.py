"""Which hosts, origins and tokens are allowed, in any spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.loopback import is_loopback
from service.web.access import SCOPES, AccessDenied, AccessPolicy, allows, host_name

LOOPBACK = AccessPolicy()
ABROAD = AccessPolicy("0.0.0.0", token="secret")


def check(policy: AccessPolicy, headers: dict[str, str], query: str = "") -> AccessDenied | None:
    denied = policy.check_host_and_origin(headers)
    if denied is not None:
        return denied
    held = policy.check_token([headers["authorization"]] if "authorization" in headers else [], query)
    return held if isinstance(held, AccessDenied) else None


def status(policy: AccessPolicy, headers: dict[str, str], query: str = "") -> int:
    denied = check(policy, headers, query)
    return 200 if denied is None else denied.status


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8765", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8765", "LOCALHOST:8765"]
)
def test_loopback_names_are_always_served(host: str) -> None:
    assert status(LOOPBACK, {"host": host}) == 200
    assert status(AccessPolicy("192.168.1.5"), {"host": host}) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.5",
        "0.0.0.0",
        "[fe80::1]",
        "[",
        "]",
        "[::1",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/",
        "localhost#",
        "localhost?x",
        "a b",
        "localhost:x",
        "local\thost",
    ],
)
def test_any_other_host_is_refused_on_loopback(host: str) -> None:
    assert status(LOOPBACK, {"host": host}) == 403


def test_no_host_is_refused() -> None:
    assert status(LOOPBACK, {}) == 403


@pytest.mark.parametrize("host", ["192.168.1.5", "192.168.1.5:8765", "[fe80::1]:8765", "10.0.0.1"])
def test_bound_elsewhere_addresses_are_served(host: str) -> None:
    assert status(AccessPolicy("0.0.0.0"), {"host": host}) == 200
    assert status(AccessPolicy("::"), {"host": host}) == 200


def test_the_address_that_is_printed_is_served() -> None:
    assert status(AccessPolicy("127.0.0.2"), {"host": "127.0.0.2:8765"}) == 200
    assert status(AccessPolicy("127.0.0.2"), {"host": "127.0.0.3:8765"}) == 403


def test_bound_elsewhere_this_machines_name_is_served_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Lab-PC.example.org")
    for host in ("lab-pc.example.org", "lab-pc:8765", "LAB-PC"):
        assert status(AccessPolicy("0.0.0.0"), {"host": host}) == 200
    assert status(AccessPolicy("0.0.0.0"), {"host": "evil.example"}) == 403
    assert status(LOOPBACK, {"host": "lab-pc"}) == 403


def test_the_host_of_a_listed_origin_is_served() -> None:
    policy = AccessPolicy(origins=("https://myocast.example:8443", "null", "*"))
    assert status(policy, {"host": "myocast.example"}) == 200
    assert status(policy, {"host": "other.example"}) == 403


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "localhost:8765", 200),
        ("http://localhost:8765", "localhost:8765", 200),
        ("http://127.0.0.1:8765", "127.0.0.1:8765", 200),
        ("https://LOCALHOST:8765", "localhost:8765", 200),
        ("http://localhost:9000", "localhost:8765", 403),
        ("http://127.0.0.1:8765", "localhost:8765", 403),
        ("http://evil.example", "localhost:8765", 403),
        ("null", "localhost:8765", 403),
        ("", "localhost:8765", 403),
        ("http://[", "localhost:8765", 403),
        ("http://[::1", "localhost:8765", 403),
        ("file://", "localhost:8765", 403),
        ("http://evil.example@localhost:8765", "localhost:8765", 403),
        ("chrome-extension://abc", "localhost:8765", 403),
        ("localhost:8765", "localhost:8765", 403),
    ],
)
def test_an_origin_is_absent_or_the_servers_own(origin: str | None, host: str, expected: int) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert status(LOOPBACK, headers) == expected


@pytest.mark.parametrize(
    ("listed", "origin", "expected"),
    [
        ("https://app.example", "https://app.example", 200),
        ("https://app.example/", "https://APP.example", 200),
        ("https://app.example", "http://app.example", 403),
        ("https://app.example", "https://app.example:444", 403),
        ("https://app.example", "https://app.example.evil", 403),
        ("null", "null", 200),
        ("null", "https://app.example", 403),
        ("*", "https://app.example", 200),
        ("*", "null", 200),
        ("*", "http://[", 200),
        ("localhost", "http://localhost:3000", 200),
        ("localhost", "https://LOCALHOST:5173", 200),
        ("localhost", "http://localhost", 200),
        ("localhost", "http://127.0.0.1:8080", 200),
        ("localhost", "https://[::1]:1", 200),
        ("localhost", "http://localhost.evil.example", 403),
        ("localhost", "http://evil.example/localhost", 403),
        ("localhost", "http://localhost:1@evil.example", 403),
        ("localhost", "http://localhost:port", 403),
        ("localhost", "http://[::2]:1", 403),
        ("localhost", "ftp://localhost", 403),
        ("localhost", "null", 403),
        ("https://localhost", "https://localhost:3000", 403),
    ],
)
def test_listed_origins(listed: str, origin: str, expected: int) -> None:
    assert status(AccessPolicy(origins=(listed,)), {"host": "localhost:1", "origin": origin}) == expected


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, "", 401),
        ({"authorization": "Bearer secret"}, "", 200),
        ({"authorization": "bearer  secret "}, "", 200),
        ({"authorization": "Bearer wrong"}, "", 401),
        ({"authorization": "Bearer "}, "", 401),
        ({"authorization": "Basic secret"}, "", 401),
        ({"authorization": "secret"}, "", 401),
        ({}, "token=secret", 200),
        ({}, "streams=pose&token=secret", 200),
        ({}, "token=wrong", 401),
        ({}, "token=", 401),
        ({}, "Token=secret", 401),
        ({}, "token=secre", 401),
        ({}, "token=%E2%82%AC", 401),
        ({"authorization": "Bearer \xe9"}, "", 401),
    ],
)
def test_the_token(headers: dict[str, str], query: str, expected: int) -> None:
    assert status(ABROAD, {"host": "localhost", **headers}, query) == expected


def test_a_token_may_hold_any_character() -> None:
    assert status(AccessPolicy(token="€ & ü"), {"host": "localhost"}, "token=%E2%82%AC+%26+%C3%BC") == 200


def test_a_token_in_a_header_is_utf8() -> None:
    sent = "Bearer tök".encode().decode("latin-1")
    assert status(AccessPolicy(token="tök"), {"host": "localhost", "authorization": sent}) == 200
    assert status(AccessPolicy(token="tok"), {"host": "localhost", "authorization": sent}) == 401


@given(host=st.text(max_size=30), origin=st.none() | st.text(max_size=30), query=st.text(max_size=30))
def test_a_check_never_raises(host: str, origin: str | None, query: str) -> None:
    headers = {"host": host, "authorization": host} | ({} if origin is None else {"origin": origin})
    for policy in (LOOPBACK, ABROAD, AccessPolicy("0.0.0.0", ("http://a.example",), "t")):
        result = check(policy, headers, query)
        assert result is None or result.status in (401, 403)


@pytest.mark.parametrize(
    ("bind", "expected"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("lab-pc", False), ("", False)],
)  # fmt: skip
def test_what_loopback_is(bind: str, expected: bool) -> None:
    assert is_loopback(bind) is expected


def test_the_name_in_a_host() -> None:
    assert [host_name(h) for h in ("A.b:1", "[::1]:8", "x")] == ["a.b", "::1", "x"]


THREE = AccessPolicy(token="control", label_token="labels", watch_token="watch")


@pytest.mark.parametrize(("token", "scope"), [("control", "control"), ("labels", "label"), ("watch", "watch")])
def test_a_token_has_a_scope(token: str, scope: str) -> None:
    assert THREE.check_token([f"Bearer {token}"], "") == scope
    assert THREE.check_token([], f"token={token}") == scope


def test_scopes_include_those_below() -> None:
    assert [[allows(held, needed) for needed in SCOPES] for held in SCOPES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("authorization", "query"),
    [
        ([], "token=wrong&token=secret"),
        ([], "token=secret&token=secret"),
        (["Bearer wrong", "Bearer secret"], ""),
    ],
)
def test_a_request_has_one_token(authorization: list[str], query: str) -> None:
    denied = ABROAD.check_token(authorization, query)
    assert isinstance(denied, AccessDenied)
    assert (denied.status, denied.guessed) == (401, True)


def test_a_header_counts_before_the_address() -> None:
    assert ABROAD.check_token(["Bearer secret"], "token=wrong") == "control"
    assert isinstance(ABROAD.check_token(["Bearer wrong"], "token=secret"), AccessDenied)


def test_no_token_is_no_guess() -> None:
    denied = ABROAD.check_token([], "")
    assert isinstance(denied, AccessDenied)
    assert not denied.guessed
