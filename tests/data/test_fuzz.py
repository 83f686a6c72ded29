"""A few dozen of the 10,000 damaged files of `make fuzz`, every format among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fuzz_check import GOOD, Fuzzer

_CASES = Fuzzer(Path()).cases()[::8]


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    return Fuzzer(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "kind"), _CASES)
def test_damaged(name: str, kind: str, fuzzer: Fuzzer) -> None:
    """Refused in one line, or read as something that the damage allows."""
    outcome, detail = fuzzer.read(name, kind, fuzzer.damage(name, kind, np.random.default_rng(7)))
    assert outcome in GOOD, detail


def test_every_format_is_damaged() -> None:
    assert {name for name, _ in _CASES} == {name for name, _ in Fuzzer(Path()).cases()}


def test_sound_files_stay_what_they_are(fuzzer: Fuzzer) -> None:
    """The check itself: a refusal of what is sound, and other voxels where none may be, are found."""
    sound, expected = fuzzer.sound_files("nifti")
    assert fuzzer.read("nifti", "dims", dict(sound.files)) == ("same", "nothing was changed")
    touched = dict(sound.files)
    [name] = touched
    touched[name] = touched[name][:-2] + b"\x11\x22"
    assert fuzzer.read("nifti", "bits flipped", touched)[0] == "other voxels"
    assert fuzzer.read("nifti", "unused fields", touched)[0] == "silently wrong"
    touched[name] = b"no NIfTI"
    assert fuzzer.read("nifti", "bits flipped", touched)[0] == "refused"
    assert fuzzer.read("nifti", "unused fields", touched)[0] == "refused although sound"
    assert expected["array"].shape == (33, 34, 4)
