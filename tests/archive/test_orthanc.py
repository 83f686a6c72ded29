"""Against a real archive, Orthanc: a study comes out, is fused, and goes back in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from certificates import Certificates, make_certificates
from fixtures import at_once, study  # noqa: F401
from orthanc import Orthanc, own_network
from patient import ACCESSION, PATIENT_ID, Study, command, process
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless, RLELossless
from relay import Relay

USER, PASSWORD = "fusion", "p4ss-w\u00f6rd"
LISTEN = "127.0.0.1:11113"
NO_GET = {"AET": "NOGET", "Host": "127.0.0.1", "Port": 11113, "AllowGet": False}
NOWHERE = {"AET": "NOWHERE", "Host": "127.0.0.1", "Port": 11199}


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fusion of the study."""
    out = tmp_path_factory.mktemp("results") / "out"
    assert command(study, "fuse", study.folder, study.folder, "-o", out, "-q").code == 0
    return out


@pytest.fixture(scope="module")
def running(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    modalities = {"fusion": ["FUSION", "127.0.0.1", 11113], "noget": NO_GET, "nowhere": NOWHERE}
    orthanc = Orthanc(tmp_path_factory.mktemp("orthanc"), 8042, 4242, DicomModalities=modalities)
    try:
        orthanc.start()
        yield orthanc
    finally:
        orthanc.kill()


@pytest.fixture
def archive(running: Orthanc, study: Study) -> Orthanc:
    """Holds the study and nothing else."""
    running.empty()
    running.upload(study.folder)
    return running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "right")


@pytest.fixture(scope="module")
def running_secure(
    network: None, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orthanc]:
    """A password and TLS for DICOMweb, a client certificate and TLS for DIMSE.

    Debian's Orthanc 1.10.1 does DICOM TLS itself; at its first HTTPS connection it crashes (libcivetweb 1.15 calls what
    OpenSSL 3 no longer has), so a relay ends TLS before it, as the Orthanc Book has nginx do.
    """
    orthanc = Orthanc(
        tmp_path_factory.mktemp("secure"),
        8043,
        4243,
        AuthenticationEnabled=True,
        RegisteredUsers={USER: PASSWORD},
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(certificates.certificate),
        DicomTlsPrivateKey=str(certificates.key),
        DicomTlsTrustedCertificates=str(certificates.authority),
        DicomModalities={"fusion": {"AET": "FUSION", "Host": "127.0.0.1", "Port": 11113, "UseDicomTls": True}},
    )
    orthanc.session.auth = (USER.encode(), PASSWORD.encode())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificates.certificate, certificates.key)
    relay = Relay(orthanc.http, tls)
    orthanc.web = f"https://127.0.0.1:{relay.port}/dicom-web"
    orthanc.dimse = f"dimse-tls://ARCHIVE@127.0.0.1:{orthanc.dicom}"
    try:
        orthanc.start()
        yield orthanc
    finally:
        relay.close()
        orthanc.kill()


@pytest.fixture
def secure(running_secure: Orthanc, study: Study) -> Orthanc:
    """Holds the study and nothing else."""
    running_secure.empty()
    running_secure.upload(study.folder)
    return running_secure


def how(archive: Orthanc, way: str) -> list[str]:
    """Address and options of a way to reach the archive."""
    if way == "web":
        return [archive.web]
    options = ["--aet", "FUSION"]
    return [archive.dimse, *options, *(["--retrieve", way, "--listen", LISTEN] if way in ("get", "move") else [])]


def same(one: bytes | Path, other: bytes | Path) -> bool:
    """Whether all attributes and every byte of the pixels agree, and the pixels' encoding."""
    first, second = (pydicom.dcmread(BytesIO(x) if isinstance(x, bytes) else x) for x in (one, other))
    syntaxes = {first.file_meta.TransferSyntaxUID, second.file_meta.TransferSyntaxUID}
    return bool(first == second and len(syntaxes) == 1)


def pulled(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in folder.rglob("*") if file.is_file()}


def dicom_of(results: Path) -> dict[str, Path]:
    return {str(pydicom.dcmread(file).SOPInstanceUID): file for file in (results / "dicom").rglob("*.dcm")}


@pytest.mark.parametrize("way", ["web", "get", "move"])
def test_a_study_comes_out_and_the_fusion_goes_in(archive: Orthanc, study: Study, way: str, tmp_path: Path) -> None:
    said = command(study, "pull", *how(archive, way), "--study", study.uid, "-o", tmp_path / "study")
    assert (said.code, said.text) == (0, f"pulled 16 instances in 2 series; they are in {tmp_path / 'study'}\n")
    files = pulled(tmp_path / "study")
    assert files.keys() == study.instances.keys()
    for uid, file in files.items():
        assert file.parent.name == study.instances[uid].SeriesInstanceUID
        assert same(file, archive.file(uid))
        assert same(file, Path(str(study.instances[uid].filename)))
        if way == "web":
            assert file.read_bytes() == archive.file(uid)
    assert (tmp_path / "study").stat().st_mode & 0o077 == 0

    out = tmp_path / "out"
    command(study, "fuse", tmp_path / "study", tmp_path / "study", "-o", out, "-q")
    store = how(archive, "web" if way == "web" else "store")
    results = dicom_of(out)
    said = command(study, "send", out, *store)
    count = len(results)
    assert (said.code, said.text) == (
        0,
        f"sent {count} instances, 0 were there before; {store[0]} now lists all {count}\n",
    )
    assert archive.instances().keys() == study.instances.keys() | results.keys()
    assert all(same(file, archive.file(uid)) for uid, file in results.items())

    again = command(study, "send", out, *store)
    assert again.text == f"sent 0 instances, {count} were there before; {store[0]} now lists all {count}\n"
    assert len(archive.instances()) == 16 + count


def test_fusing_sends_to_a_named_archive(archive: Orthanc, study: Study, tmp_path: Path) -> None:
    names = tmp_path / "archives.toml"
    names.write_text(f'[pacs]\naddress = "{archive.dimse}"\ncalling_aet = "FUSION"\n')
    named = ["--archives", names]
    pull = command(study, "pull", "pacs", "--study", study.uid, "-o", tmp_path / "study", *named)
    assert pull.code == 0
    fuse = command(study, "fuse", *[tmp_path / "study"] * 2, "-o", tmp_path / "out", "--send", "pacs", *named)
    assert fuse.code == 0
    count = len(dicom_of(tmp_path / "out"))
    assert f"sent {count} instances, 0 were there before; pacs now lists all {count}" in fuse.text
    assert archive.instances().keys() == study.instances.keys() | dicom_of(tmp_path / "out").keys()


@pytest.mark.parametrize("way", ["web", "get"])
@pytest.mark.parametrize(
    "keys",
    [["--accession", ACCESSION], ["--patient", PATIENT_ID, "--date", "20251201-20260131"]],
    ids=["accession", "patient"],
)
def test_a_study_is_found_and_a_series_chosen(
    archive: Orthanc, study: Study, way: str, keys: list[str], tmp_path: Path
) -> None:
    said = command(study, "pull", *how(archive, way), *keys, "--series", "mr", "-o", tmp_path / "study", "-q")
    assert (said.code, said.text) == (0, "")
    assert {pydicom.dcmread(file).Modality for file in pulled(tmp_path / "study").values()} == {"MR"}
    assert len(pulled(tmp_path / "study")) == 8
    said = command(study, "pull", *how(archive, way), *keys[:-1], "20200101" if len(keys) > 2 else "no", "--list")
    assert said.code == 3
    assert "there is no such study" in said.line


@pytest.mark.parametrize("way", ["web", "get"])
def test_the_table_of_series(
    archive: Orthanc, study: Study, way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from monai_fusion import cli

    assert cli.main(["pull", *how(archive, way), "--study", study.uid, "--list"]) == 0
    first, header, *rows = capsys.readouterr().out.splitlines()
    assert first == f"study {study.uid} 20260101"
    assert header.split() == ["modality", "number", "instances", "SeriesInstanceUID", "description"]
    assert sorted(row.split() for row in rows) == [
        ["MR", "2", "8", study.series("MR"), "archive", "MR"],
        ["PT", "3", "8", study.series("PT"), "archive", "PT"],
    ]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_compressed_images_come_as_they_are_stored(archive: Orthanc, study: Study, syntax: UID, tmp_path: Path) -> None:
    archive.empty()
    (tmp_path / "stored").mkdir()
    expected = {}
    for uid, instance in study.instances.items():
        if instance.Modality == "MR":
            compressed = pydicom.dcmread(str(instance.filename))
            compressed.compress(syntax, generate_instance_uid=False)
            compressed.save_as(tmp_path / "stored" / f"{uid}.dcm", enforce_file_format=True)
            expected[uid] = instance.pixel_array
    archive.upload(tmp_path / "stored")
    for way in ("web", "get", "move"):
        assert command(study, "pull", *how(archive, way), "--study", study.uid, "-o", tmp_path / way).code == 0
        assert pulled(tmp_path / way).keys() == expected.keys()
        for uid, file in pulled(tmp_path / way).items():
            assert same(file, tmp_path / "stored" / f"{uid}.dcm")
            instance = pydicom.dcmread(file)
            assert instance.file_meta.TransferSyntaxUID == syntax
            assert (instance.pixel_array == expected[uid]).all()


def test_c_move_where_c_get_is_refused(archive: Orthanc, study: Study, tmp_path: Path) -> None:
    pull = ["pull", archive.dimse, "--aet", "NOGET", "--study", study.uid, "-o", tmp_path / "study"]
    alone = command(study, *pull)
    assert alone.code == 3
    assert "--listen" in alone.line
    assert command(study, *pull, "--listen", LISTEN).code == 0
    assert pulled(tmp_path / "study").keys() == study.instances.keys()
    assert command(study, *pull[:-1], tmp_path / "other", "--listen", LISTEN, "--retrieve", "get").code == 3


REFUSED = {
    "unknown study": ("{web}", "1.2.3", [], "there is no such study"),
    "unknown study, DIMSE": ("{dimse}", "1.2.3", ["--aet", "FUSION"], "there is no such study"),
    "unknown called AE": ("dimse://OTHER@127.0.0.1:4242", "", ["--aet", "FUSION"], "called AE title OTHER"),
    "unknown calling AE": ("{dimse}", "", ["--aet", "NOBODY"], "AE title NOBODY"),
    "wrong root": ("{web}s", "", [], "check the address"),
    "DICOMweb at the DIMSE port": ("http://127.0.0.1:4242/dicom-web", "", [], "check the address"),
    "DIMSE at the DICOMweb port": ("dimse://ARCHIVE@127.0.0.1:8042", "", [], "check the port"),
    "nobody there": ("http://127.0.0.1:9/dicom-web", "", [], "Connection refused"),
    "nobody there, DIMSE": ("dimse://ARCHIVE@127.0.0.1:9", "", [], "Connection refused"),
    "no such host": ("http://archive.invalid/dicom-web", "", [], "cannot be reached"),
    "no such host, DIMSE": ("dimse://ARCHIVE@archive.invalid:104", "", [], "cannot be reached"),
    "no such series": ("{web}", "", ["--series", "CT"], "no series CT; there is: MR, PT"),
    "C-MOVE to nowhere": (
        "{dimse}",
        "",
        ["--aet", "NOWHERE", "--retrieve", "move", "--listen", LISTEN],
        f"host and port that reach {LISTEN}",
    ),
    "C-MOVE without a place": ("{dimse}", "", ["--aet", "FUSION", "--retrieve", "move"], "--listen HOST:PORT"),
    "C-MOVE to a port in use": (
        "{dimse}",
        "",
        ["--aet", "FUSION", "--retrieve", "move", "--listen", "127.0.0.1:8042"],
        "cannot listen on 127.0.0.1:8042",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_line_says_what_is_wrong(archive: Orthanc, study: Study, case: str, tmp_path: Path) -> None:
    address, uid, options, told = REFUSED[case]
    address = address.format(web=archive.web, dimse=archive.dimse)
    said = command(study, "pull", address, "--study", uid or study.uid, "-o", tmp_path / "study", *options)
    assert said.code == 3
    assert said.line.startswith("monai-fusion: ")
    assert told in said.line
    assert list(tmp_path.iterdir()) == []


def test_sending_to_an_unknown_archive_leaves_the_results(
    archive: Orthanc, study: Study, results: Path, tmp_path: Path
) -> None:
    said = command(study, "send", results, "dimse://OTHER@127.0.0.1:4242")
    assert (said.code, "called AE title OTHER" in said.line) == (4, True)
    out = tmp_path / "out"
    said = command(study, "fuse", *[study.folder] * 2, "-o", out, "-q", "--send", "http://127.0.0.1:9/dicom-web")
    assert (said.code, "Connection refused" in said.line) == (4, True)
    assert (out / "report.json").is_file()


class TestSecure:
    """TLS and passwords."""

    def tls(self, certificates: Certificates, *, client: bool = True) -> list[object]:
        options: list[object] = ["--ca-file", certificates.authority]
        if client:
            options += ["--client-certificate", certificates.certificate, "--client-key", certificates.key]
        return options

    @pytest.mark.parametrize("where", ["environment", "netrc", "file"])
    def test_password(
        self,
        secure: Orthanc,
        study: Study,
        certificates: Certificates,
        results: Path,
        where: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        archive: list[object] = [secure.web, "--ca-file", certificates.authority]
        if where == "environment":
            monkeypatch.setenv("MONAI_FUSION_ARCHIVE_USER", USER)
            monkeypatch.setenv("MONAI_FUSION_ARCHIVE_PASSWORD", PASSWORD)
        elif where == "netrc":
            netrc = tmp_path / "netrc"
            netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", encoding="utf-8")
            monkeypatch.setenv("NETRC", str(netrc))
        else:
            file = tmp_path / "archives.toml"
            file.write_text(
                f'[pacs]\naddress = "{secure.web}"\nca_file = "{certificates.authority}"\n'
                f'user = "{USER}"\npassword = "{PASSWORD}"\n',
                encoding="utf-8",
            )
            file.chmod(0o600)
            archive = ["pacs", "--archives", file]
        said = command(study, "pull", *archive, "--study", study.uid, "-o", tmp_path / "study")
        assert (said.code, said.text.count("\n")) == (0, 1)
        assert pulled(tmp_path / "study").keys() == study.instances.keys()
        assert command(study, "send", results, *archive).code == 0
        assert dicom_of(results).keys() <= secure.instances().keys()

    @pytest.mark.parametrize("password", [None, "wrong"])
    def test_wrong_password(
        self,
        secure: Orthanc,
        study: Study,
        certificates: Certificates,
        results: Path,
        password: str | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("NETRC", str(tmp_path / "none"))
        if password is not None:
            monkeypatch.setenv("MONAI_FUSION_ARCHIVE_USER", USER)
            monkeypatch.setenv("MONAI_FUSION_ARCHIVE_PASSWORD", password)
        archive = [secure.web, "--ca-file", certificates.authority]
        for code, said in (
            (3, command(study, "pull", *archive, "--study", study.uid, "-o", tmp_path / "study")),
            (4, command(study, "send", results, *archive)),
        ):
            assert said.code == code
            assert "does not accept the user, password or token" in said.line
            assert "wrong" not in said.line
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("way", ["get", "move"])
    def test_dimse(self, secure: Orthanc, study: Study, certificates: Certificates, way: str, tmp_path: Path) -> None:
        address, *options = how(secure, way)
        options += map(str, self.tls(certificates))
        said = command(study, "pull", address, *options, "--study", study.uid, "-o", tmp_path / "study")
        assert (said.code, said.text[:25]) == (0, "pulled 16 instances in 2 ")
        assert all(same(file, secure.file(uid)) for uid, file in pulled(tmp_path / "study").items())

    def test_dimse_store(self, secure: Orthanc, study: Study, certificates: Certificates, results: Path) -> None:
        assert command(study, "send", results, secure.dimse, "--aet", "FUSION", *self.tls(certificates)).code == 0
        assert all(same(file, secure.file(uid)) for uid, file in dicom_of(results).items())

    @pytest.mark.parametrize("way", ["web", "get"])
    def test_wrong_authority(
        self,
        secure: Orthanc,
        study: Study,
        certificates: Certificates,
        results: Path,
        way: str,
        tmp_path_factory: pytest.TempPathFactory,
        tmp_path: Path,
    ) -> None:
        other = make_certificates(tmp_path_factory.mktemp("tls") / "wrong")
        address, *options = how(secure, way)
        options += ["--ca-file", str(other.authority)]
        if way != "web":
            options += ["--client-certificate", str(certificates.certificate), "--client-key", str(certificates.key)]
        said = command(study, "pull", address, *options, "--study", study.uid, "-o", tmp_path / "study")
        assert said.code == 3
        assert "no trusted connection" in said.line
        assert "set ca_file" in said.line
        if way == "web":
            assert command(study, "send", results, address, *options).code == 4
        assert list(tmp_path.iterdir()) == []

    def test_no_client_certificate(
        self, secure: Orthanc, study: Study, certificates: Certificates, tmp_path: Path
    ) -> None:
        address, *options = how(secure, "get")
        options += map(str, self.tls(certificates, client=False))
        said = command(study, "pull", address, *options, "--study", study.uid, "-o", tmp_path / "study")
        assert said.code == 3
        assert "client certificate" in said.line

    def test_no_tls(self, secure: Orthanc, study: Study, tmp_path: Path) -> None:
        address, *options = how(secure, "get")
        address = address.replace("dimse-tls:", "dimse:")
        said = command(study, "pull", address, *options, "--study", study.uid, "-o", tmp_path / "study")
        assert said.code == 3
        assert "check the port" in said.line


@pytest.mark.parametrize("way", ["web", "store"])
def test_killed_in_the_middle_of_storing(
    archive: Orthanc, study: Study, results: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL. The command says what to do; after a restart the same command completes, without duplicates."""
    files = dicom_of(results)
    monkeypatch.setattr("monai_fusion.archive.dicomweb.BATCH_BYTES", 1)  # a request an instance
    half = 4096 + sum(file.stat().st_size for file in files.values()) // 2

    def kill(passed: int) -> bool:
        if passed > half:
            archive.kill()
        return passed > half

    port = archive.http if way == "web" else archive.dicom
    address, *options = how(archive, way)
    said = command(study, "send", results, address.replace(str(port), str(Relay(port, passed=kill).port)), *options)
    assert said.code == 4
    assert "the same command again sends what is missing" in said.line
    assert archive.process is None

    archive.start()
    stored = len(archive.instances()) - 16
    assert 0 < stored < len(files)
    again = command(study, "send", results, address, *options)
    assert again.code == 0
    assert again.text.startswith(f"sent {len(files) - stored} instances, {stored} were there before")
    assert archive.instances().keys() == study.instances.keys() | files.keys()
    assert all(same(file, archive.file(uid)) for uid, file in files.items())


def test_a_process_of_its_own_shows_no_identifier(
    archive: Orthanc, study: Study, results: Path, tmp_path: Path
) -> None:
    dimse = [archive.dimse, "--aet", "FUSION"]
    assert process(study, "pull", archive.web, "--study", study.uid, "-o", tmp_path / "web").code == 0
    assert process(study, "pull", *dimse, "--accession", ACCESSION, "-o", tmp_path / "dimse").code == 0
    assert process(study, "send", results, archive.web).code == 0
    archive.empty()
    assert process(study, "send", results, *dimse).code == 0
    missing = ["--study", study.uid, "--series", study.series("PT"), "-o", tmp_path / "none"]
    assert process(study, "pull", archive.web, "--patient", PATIENT_ID, *missing).code == 3
