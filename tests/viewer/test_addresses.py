from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from monai_fusion.viewer.addresses import Addresses, Content


def token(url: str) -> str:
    return url.rpartition("/")[2]


def test_each_address_is_unguessable_and_has_its_own_content() -> None:
    addresses = Addresses()
    # alike in length, head, tail and a sample of the middle
    first, second = bytes(3_000_000), bytearray(3_000_000)
    second[1_234_567] = 1
    urls = [addresses.publish(f"tab {i}", Content(lambda c=c: bytes(c)), "vol") for i, c in enumerate((first, second))]
    assert len(set(urls)) == 2
    assert min(len(token(url)) for url in urls) >= 43  # 256 bits in base64
    for url, content in zip(urls, (first, second)):
        found = addresses.find("vol", token(url))
        assert found is not None
        assert found.get() == (bytes(content), hashlib.sha256(content).hexdigest())


def test_revoked_and_guessed_addresses_are_not_found() -> None:
    addresses = Addresses()
    mine, other = (addresses.publish(name, Content(lambda: b"x"), "vol") for name in ("me", "other"))
    assert addresses.find("export", token(mine)) is None
    assert addresses.find("vol", "guessed") is None
    addresses.revoke_all("me")
    assert addresses.find("vol", token(mine)) is None
    assert addresses.find("vol", token(other)) is not None
    addresses.revoke([other])
    assert addresses.find("vol", token(other)) is None


def test_made_once_unless_it_must_be_fresh(tmp_path: Path) -> None:
    made = []

    def make() -> bytes:
        made.append(0)
        return str(len(made)).encode()

    kept, fresh = Content(make), Content(make, fresh=True)
    assert [kept.get()[0], kept.get()[0]] == [b"1", b"1"]
    assert [fresh.get()[0], fresh.get()[0]] == [b"2", b"3"]
    file = tmp_path / "file"
    file.write_bytes(b"content")
    assert Content(lambda: file).get() == (file, hashlib.sha256(b"content").hexdigest())


def test_what_fails_is_tried_again() -> None:
    answers = iter([OSError("disk"), b"whole"])

    def make() -> bytes:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    content = Content(make)
    with pytest.raises(OSError, match="disk"):
        content.get()
    assert content.get()[0] == b"whole"
