"""Archives and their settings, the environment, weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import torch
from archive.fake_dicomweb import FakeDicomweb
from conftest import AFFINE, head, save_dicom
from payloads import SHAPES, TEXTS, call, folder, no_validation, pair, refusal  # noqa: F401 - fixtures

from monai_fusion.archive.settings import ArchiveSettings, read_settings
from monai_fusion.errors import InputError
from monai_fusion.networks import FusionStudent, load_checkpoint
from monai_fusion.options import OPTIONS
from monai_fusion.transforms.calibration import find_calibration
from monai_fusion.workflow import bundle_root


@pytest.fixture
def archive() -> Iterator[FakeDicomweb]:
    import threading

    server = FakeDicomweb()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", TEXTS[:2])
def test_answers_of_an_archive(
    text: str, folder: Path, archive: FakeDicomweb, no_validation: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it lists is shown as text, what is no UID is refused; what it sends is fused as any other study."""
    for role, name, volume in zip(("mri", "pet"), ("MR", "PT"), head((20, 24, 6))):
        for file in save_dicom(folder / "study" / role, volume, AFFINE, name, role).iterdir():
            dataset = pydicom.dcmread(file)
            dataset.StudyInstanceUID = "1.2.3"
            for keyword in ("SeriesDescription", "PatientName", "ProtocolName", "AccessionNumber", "StudyDescription"):
                setattr(dataset, keyword, text)
            dataset.save_as(file)
            archive.held[str(dataset.SOPInstanceUID)] = file.read_bytes()
    archive.extra = {"SeriesDescription": f"{text}\x1b[2J", "SeriesNumber": 7}  # type: ignore[dict-item]
    assert call("pull", archive.url, "--study", "1.2.3", "--list") == 0
    told = capsys.readouterr().out
    assert f"{text}\\x1b[2J" in told
    assert "\x1b" not in told
    assert call("pull", archive.url, "--study", "1.2.3", "-q", "-o", folder / "pulled") == 0
    assert call("fuse", folder / "pulled", folder / "pulled", "-q", "-o", folder / "out") == 0
    archive.extra = {"SeriesInstanceUID": text}  # type: ignore[dict-item]
    assert call("pull", archive.url, "--study", "1.2.3", "-q", "-o", folder / "other") == 3
    assert "answered with something that is no UID" in capsys.readouterr().err
    assert not (folder / "other").exists()


def test_settings_of_archives(folder: Path) -> None:
    """Each setting is each payload, and a key is: refused by name, or text that is only ever sent to the archive."""
    file = folder / "archives.toml"
    known = [name for name in ArchiveSettings.__dataclass_fields__ if name not in ("name", "address")]
    text_alone = {"calling_aet", "user", "password", "token"}
    for name in ("address", *known, TEXTS[0], "_target_"):
        for value in [*TEXTS, [TEXTS[0]], {"_target_": "os.system", "command": "touch PROOF"}]:
            entry: dict[str, Any] = {"address": "https://pacs/rs", name: value}
            if name in ("user", "password"):
                entry = {"user": "u", "password": "p", **entry}
            file.write_text("[pacs]\n" + "".join(f"{json.dumps(k)} = {_toml(v)}\n" for k, v in entry.items()))
            file.chmod(0o600)
            if refused := refusal(lambda: read_settings("pacs", file)):
                assert name in refused or name in ("address", "calling_aet")  # which may be given without a file
                continue
            assert name in text_alone
            assert getattr(read_settings("pacs", file), name) == value
    file.write_text('verify = false\n[pacs]\naddress = "https://pacs/rs"\n')
    with pytest.raises(InputError, match="verify stands outside of an archive"):
        read_settings("pacs", file)
    file.write_text('[pacs]\naddress = "https://pacs/rs\\u001b[2J"\n')
    with pytest.raises(InputError, match="address is not a text on one line"):
        read_settings("pacs", file)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def test_the_environment(folder: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that the package reads, and every option as a variable of its name."""
    for text in TEXTS:
        for name in ("USER", "PASSWORD", "TOKEN", *(option.upper() for option in OPTIONS)):
            monkeypatch.setenv(f"MONAI_FUSION_ARCHIVE_{name}", text)
            monkeypatch.setenv(f"MONAI_FUSION_{name}", text)
        monkeypatch.setenv("XDG_CONFIG_HOME", text)
        assert read_settings("https://pacs/rs").token == text
        with pytest.raises(InputError, match="file of archives cannot be read"):
            read_settings("pacs")
        assert call("fuse", *pair, "-q", "-o", folder / "out") == 0


def test_weights(folder: Path, pair: tuple[Path, Path]) -> None:
    """Names within a file of weights, and what stands beside them."""
    state = FusionStudent().state_dict()
    for text in TEXTS:
        for content in ({**state, text: torch.zeros(1)}, {"model": state, text: text}, {"model": {text: text}}):
            torch.save(content, folder / "weights.pt")
            if refused := refusal(lambda: load_checkpoint(FusionStudent(), folder / "weights.pt")):
                assert str(folder / "weights.pt") in refused
    torch.save({**state, "\x1b[2J": torch.zeros(1)}, folder / "weights.pt")
    assert call("fuse", *pair, "-o", folder / "out", "--checkpoint", folder / "weights.pt") == 3


@pytest.mark.parametrize("payload", [*TEXTS, *SHAPES, 1, None])
def test_metadata_of_weights(payload: Any) -> None:
    """What a bundle's metadata says of its weights: a name of a calibration, under one key."""
    output = {"outputs": {"pred": {"calibration": "soft_clip"}}}
    sound = {"network_data_format": output, "models": {"teacher": {"calibration": "none"}}}
    root = bundle_root()
    assert find_calibration(root / "models" / "teacher.pt", root, sound) == "none"
    assert find_calibration(root / "models" / "model.pt", root, sound) == "soft_clip"
    for models in (payload, {"teacher": payload}, {"teacher": {"calibration": payload}}, {"teacher": {"other": 1}}):
        with pytest.raises(InputError, match=r"the bundle's metadata: .*(models|teacher)"):
            find_calibration(root / "models" / "teacher.pt", root, {**sound, "models": models})
    for broken in ({}, {"outputs": payload}, {"outputs": {"pred": payload}}, {"outputs": {"pred": {}}}):
        with pytest.raises(InputError, match="the bundle's metadata: "):
            find_calibration(root / "models" / "model.pt", root, {"network_data_format": broken})
