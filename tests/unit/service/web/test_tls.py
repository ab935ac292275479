"""Certificates: one's own, and those that the server makes."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from service.web import tls
from service.web.tls import FILE, TlsError, load, self_signed


def test_a_certificate_of_our_own_is_made_once(tmp_path: Path) -> None:
    first, again = self_signed("127.0.0.1", tmp_path), self_signed("127.0.0.1", tmp_path)
    assert first.fingerprint == again.fingerprint
    assert len(first.fingerprint.split(":")) == 32
    assert load(tmp_path / FILE).fingerprint == first.fingerprint
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_it_is_made_anew_for_another_name_and_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = self_signed("127.0.0.1", tmp_path)
    other = self_signed("hand.example", tmp_path)
    assert other.fingerprint != first.fingerprint
    monkeypatch.setattr(tls, "RENEW_DAYS", tls.VALID_DAYS + 1)
    assert self_signed("hand.example", tmp_path).fingerprint != other.fingerprint


def test_certificates_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b"):
        self_signed("127.0.0.1", tmp_path / folder)
    (tmp_path / "no.pem").write_text("nothing")
    for cert, key, said in (
        (tmp_path / "none.pem", None, "no such file"),
        (tmp_path / "no.pem", None, "no PEM"),
        (tmp_path / "a" / FILE, tmp_path / "b" / FILE, "mismatch"),
        (tmp_path / "a" / FILE, tmp_path / "none.pem", "--tls-key"),
    ):
        with pytest.raises(TlsError, match=said) as refused:
            load(cert, key)
        assert "\n" not in str(refused.value)
    monkeypatch.setattr(tls, "find_spec", lambda name: None)
    with pytest.raises(TlsError, match="needs the package"):
        self_signed("127.0.0.1", tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.undo()
    with pytest.raises(TlsError, match="cannot be written"):
        self_signed("127.0.0.1", tmp_path / "file")
