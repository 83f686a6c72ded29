"""Studies one after the other with the bundle opened once."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from conftest import AFFINE, save_dicom, save_nifti
from small_cohort import MRI, PET, SHAPE, cut_short, missing, sound, with_nan

import monai_fusion
from monai_fusion.cohort.fingerprint import hash_configuration
from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.fusing import StudyFuser
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.memory import estimate_memory
from monai_fusion.cohort.study import Outcome, Study, UnusableRun

GIB = 2**30


def opened(memory: int = 8 * GIB, **settings: Any) -> StudyFuser:
    configuration = hash_configuration(None, settings)
    return StudyFuser(FusionOpening(None, settings, configuration, monai_fusion.__version__, memory))


@pytest.fixture(scope="module")
def fuser() -> StudyFuser:
    return opened()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out" / "studies").mkdir(parents=True)
    return tmp_path / "out"


def run(fuser: StudyFuser, out: Path, study: Study) -> Outcome:
    outcome = fuser.run(StudyJob(study, out))
    assert isinstance(outcome, Outcome)
    return outcome


def results(out: Path, study: Study, outcome: Outcome) -> Path:
    return CohortFolder(out).results(study.id, outcome.key or "")


def report(out: Path, study: Study, outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results(out, study, outcome) / "report.json").read_text())
    return found


def test_each_is_fused_as_alone(fuser: StudyFuser, tmp_path: Path, out: Path) -> None:
    """Between broken ones; voxels to the bit, steps and hashes."""
    studies = [sound(tmp_path, "one"), cut_short(tmp_path, "cut"), missing(tmp_path, "gone"), sound(tmp_path, "two")]
    outcomes = [run(fuser, out, study) for study in studies]
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "failed", "done"]
    assert outcomes[1].reason.startswith("functional image: not a readable NIfTI file, or cut short")
    assert outcomes[2].reason == "MRI: there is no such file or folder; check the path of the MRI"
    assert {path.name for path in (out / "studies").iterdir()} == {"one", "two"}
    for study, outcome in (pair for pair in zip(studies, outcomes) if pair[1].state == "done"):
        alone = monai_fusion.fuse(study.mri[0], study.functional[0], tmp_path / f"alone_{study.id}")
        fused = nib.load(results(out, study, outcome) / "fused.nii.gz")
        assert np.array_equal(np.asarray(fused.dataobj), alone.fused)
        for part in ("mri", "functional", "model", "steps", "warnings"):
            assert report(out, study, outcome)[part] == json.loads(json.dumps(alone.report[part])), part
        assert {path.name for path in results(out, study, outcome).iterdir()} == {
            path.name for path in (tmp_path / f"alone_{study.id}").iterdir()
        }


def test_what_is_there_is_not_made_again(fuser: StudyFuser, tmp_path: Path, out: Path) -> None:
    study = sound(tmp_path, "study")
    first = run(fuser, out, study)
    made = (results(out, study, first) / "report.json").stat().st_mtime_ns
    again = run(fuser, out, study)
    assert (first.computed, again.computed) == (True, False)
    assert (again.state, again.key, again.warnings) == (first.state, first.key, first.warnings)
    assert (results(out, study, first) / "report.json").stat().st_mtime_ns == made
    (results(out, study, first) / "report.json").unlink()  # no more whole
    assert run(fuser, out, study).computed
    assert (results(out, study, first) / "report.json").exists()


def test_the_key_follows_contents_and_configuration(fuser: StudyFuser, tmp_path: Path, out: Path) -> None:
    study = sound(tmp_path, "study")
    keys = [run(fuser, out, study).key]
    moved = Study("study", (study.mri[0].rename(tmp_path / "elsewhere.nii.gz"),), study.functional)
    assert run(fuser, out, moved).key == keys[0]
    save_nifti(moved.mri[0], MRI + 1)
    keys.append(run(fuser, out, moved).key)
    keys.append(run(fuser, out, Study("study", moved.mri, moved.functional, {"functional_window": [0.0, 9000.0]})).key)
    keys.append(run(opened(color_map="hot_iron"), out, moved).key)
    keys.append(run(opened(checkpoint=_other_weights()), out, moved).key)
    assert len(set(keys)) == 5
    assert len(list((out / "studies" / "study").iterdir())) == 5
    assert hash_configuration(None, {"device": "cpu", "progress": True}) == hash_configuration(None, {})


def _other_weights() -> Path:
    return monai_fusion.workflow.bundle_root() / "models" / "model_paper.pt"


def test_settings_of_one_study_are_of_that_study_alone(fuser: StudyFuser, tmp_path: Path, out: Path) -> None:
    windows = []
    for name, settings in (("plain", {}), ("own", {"functional_window": [0.0, 9000.0]}), ("after", {})):
        study = sound(tmp_path, name, **settings)
        steps = report(out, study, run(fuser, out, study))["steps"]["preprocessing"]["transforms"]
        [step] = [s for s in steps if s["class"].endswith("WindowIntensityd") and s["keys"] == ["functional"]]
        windows.append(step["window"])
    assert windows == [None, [0.0, 9000.0], None]


def test_the_files_of_a_series_and_a_reason_without_their_paths(fuser: StudyFuser, tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "DOE^JANE"
    mri, pet = (
        tuple(sorted(save_dicom(folder / kind, array, AFFINE, kind, kind).iterdir()))
        for kind, array in (("MR", np.round(MRI)), ("PT", np.round(PET)))
    )
    assert run(fuser, out, Study("whole", mri, pet)).state == "done"
    gap = run(fuser, out, Study("gap", (*mri[:2], *mri[3:]), pet))
    assert gap.state == "failed"
    assert "slice is missing" in gap.reason
    assert "DOE" not in gap.reason
    assert run(fuser, out, with_nan(folder, "nan")).reason.startswith("MRI: ")


def test_what_does_not_fit_is_refused_with_its_size(fuser: StudyFuser, tmp_path: Path, out: Path) -> None:
    """A header of 348 bytes may claim 35 TB."""
    study = sound(tmp_path, "huge")
    content = bytearray(gzip.decompress(study.mri[0].read_bytes()))
    content[40:48] = np.array([3, 32767, 32767, 32767], "<i2").tobytes()
    (tmp_path / "huge.nii").write_bytes(content)
    study = Study("huge", (tmp_path / "huge.nii",), study.functional)
    outcome = run(fuser, out, study)
    assert outcome.state == "skipped"
    gib = estimate_memory(study) / GIB
    assert gib > 32767**3 * 4 / GIB
    assert outcome.reason == f"it would need about {gib:.1f} GiB, a worker may use 8.0 GiB (--memory)"


def test_the_estimate_counts_voxels(tmp_path: Path) -> None:
    study, double = sound(tmp_path, "study"), sound(tmp_path, "double")
    save_nifti(double.mri[0], np.zeros((SHAPE[0] * 2, *SHAPE[1:]), np.float32))
    mri = save_dicom(tmp_path / "mri", np.round(MRI), AFFINE, "MR", "mri")
    assert estimate_memory(Study("dicom", (mri,), study.functional)) == estimate_memory(study)
    assert estimate_memory(double) - estimate_memory(study) == estimate_memory(study) - estimate_memory(
        Study("no MRI", (tmp_path / "none.nii",), study.functional)
    )


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory")],
)
def test_out_of_memory_is_the_study_s_failure(
    error: Exception, fuser: StudyFuser, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(fuser._fuser, "fuse", fail)
    outcome = run(fuser, out, sound(tmp_path, "greedy"))
    assert (outcome.state, outcome.reason) == (
        "failed",
        "it needs more memory than the 8.0 GiB of a worker (--memory)",
    )


def test_a_full_disk_and_a_folder_that_is_gone_are_the_run_s(
    fuser: StudyFuser, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sound(tmp_path, "study")
    (out / "studies").rmdir()
    assert fuser.run(StudyJob(study, out)) == UnusableRun("No such file or directory", output=True)
    (out / "studies").mkdir()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert fuser.run(StudyJob(study, out)) == UnusableRun("No space left on device", output=True)
    assert not list((out / "studies").iterdir())


def test_a_configuration_that_cannot_be_built_is_told_at_once() -> None:
    with pytest.raises(monai_fusion.errors.InputError, match="color_map no_such_map: give one of hot_iron"):
        opened(color_map="no_such_map")
