from __future__ import annotations

import pytest

from monai_fusion.archive.address import Address, parse_address, parse_host_port
from monai_fusion.errors import InputError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://pacs:8443/dicom-web/", Address("https", "pacs", 8443, url="https://pacs:8443/dicom-web")),
        ("http://127.0.0.1/rs", Address("http", "127.0.0.1", None, url="http://127.0.0.1/rs")),
        ("dimse://PACS@10.0.0.1:104", Address("dimse", "10.0.0.1", 104, called_aet="PACS")),
        ("dimse-tls://MAIN%20PACS@pacs:2762/", Address("dimse-tls", "pacs", 2762, called_aet="MAIN PACS")),
    ],
)
def test_an_address_is_taken_apart(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "ftp://pacs/x",
        "https:///dicom-web",
        "https://pacs:99999/x",
        "https://pacs/x?patient=1",
        "dimse://pacs:104",
        "dimse://PACS@pacs",
        "dimse://PACS@pacs:104/study",
        "dimse://SEVENTEENLETTERS_@pacs:104",
        "dimse://A%5CB@pacs:104",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"write |AE title"):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["https://u:s3cret@pacs/x", "https://s3cret@pacs/x", "dimse://PACS:s3cret@pacs:104", "http://u:s3cret/x"]
)
def test_a_password_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InputError) as told:
        parse_address(text)
    assert "s3cret" not in str(told.value)


def test_where_to_listen() -> None:
    assert parse_host_port("10.0.0.5:11112") == ("10.0.0.5", 11112)
    assert parse_host_port("[::1]:104") == ("::1", 104)
    for text in ("11112", "host", "host:x", ":104"):
        with pytest.raises(InputError, match="HOST:PORT"):
            parse_host_port(text)
