from __future__ import annotations

from pathlib import Path

import pytest

from monai_fusion.archive.settings import ArchiveSettings, read_settings
from monai_fusion.errors import InputError


def write(folder: Path, text: str) -> Path:
    file = folder / "archives.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_a_named_archive(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    file = write(
        tmp_path,
        '[pacs]\naddress = "dimse-tls://PACS@pacs:2762"\ncalling_aet = "FUSION"\nlisten = "10.0.0.5:11112"\n'
        'ca_file = "ca.pem"\ntimeout = 5\nretrieve = "move"\n[other]\naddress = "https://other/rs"\n',
    )
    settings = read_settings("pacs", file)
    assert (settings.name, settings.address.called_aet, settings.calling_aet) == ("pacs", "PACS", "FUSION")
    assert (settings.listen, settings.retrieve, settings.timeout) == (("10.0.0.5", 11112), "move", 5)
    assert settings.ca_file == tmp_path / "ca.pem"
    assert settings.verify
    given = read_settings("pacs", file, calling_aet="OTHER", timeout=None)
    assert (given.calling_aet, given.timeout) == ("OTHER", 5)
    assert read_settings("other", file).address.url == "https://other/rs"


def test_where_the_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "monai-fusion").mkdir()
    write(tmp_path / "monai-fusion", '[pacs]\naddress = "https://pacs/rs"\n')
    assert read_settings("pacs").address.host == "pacs"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    with pytest.raises(InputError, match=r"nobody/.config/monai-fusion/archives.toml: .*No such file"):
        read_settings("pacs")


def test_credentials_of_the_file_go_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_FUSION_ARCHIVE_TOKEN", "from the environment")
    file = write(
        tmp_path,
        '[a]\naddress = "https://a/rs"\ntoken = "from the file"\n[b]\naddress = "https://b/rs"\nverify = false\n',
    )
    assert read_settings("a", file).token == "from the file"
    assert read_settings("b", file).token == "from the environment"
    assert "from the" not in repr(read_settings("a", file))
    assert not read_settings("b", file).verify


def test_a_file_with_a_password_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = write(tmp_path, '[pacs]\naddress = "https://pacs/rs"\nuser = "u"\npassword = "s3cret"\n')
    file.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        read_settings("pacs", file)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("", "has no address"),
        ('adress = "https://pacs/rs"', "no setting 'adress'; there is: address, calling_aet"),
        ("address = 7", "address is not a text"),
        ('address = "https://pacs/rs"\ntimeout = "soon"', "timeout is not a number"),
        ('address = "https://pacs/rs"\ntimeout = 0', "timeout is not a number of seconds above 0"),
        ('address = "https://pacs/rs"\nverify = "no"', "verify is not true or false"),
        ('address = "https://pacs/rs"\nretrieve = "push"', "write 'get' or 'move'"),
        ('address = "https://pacs/rs"\nlisten = "here"', "HOST:PORT"),
        ('address = "https://pacs/rs"\ncalling_aet = ""', "no AE title"),
        ('address = "https://pacs/rs"\nca_file = "none.pem"', "ca_file: there is no file"),
        ('address = "https://pacs/rs"\nclient_key = "archives.toml"', "client_key has no client_certificate"),
        ('address = "https://pacs/rs"\nuser = "s3cret"', "user and password go together"),
        ("address = s3cret", "is no TOML file"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused(tmp_path: Path, entry: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised:
        read_settings("pacs", write(tmp_path, f"[pacs]\n{entry}\n"))
    assert "s3cret" not in str(raised.value)


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no archive 'pac'; there is: pacs"):
        read_settings("pac", write(tmp_path, '[pacs]\naddress = "https://pacs/rs"\n'))


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    settings: ArchiveSettings = read_settings("https://pacs/rs", ca_file=tmp_path / "ca.pem")
    with pytest.raises(InputError, match="PEM"):
        settings.tls_context()
