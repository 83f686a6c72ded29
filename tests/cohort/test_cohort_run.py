"""Runs of a cohort on a cluster that is there already, in this process but for the one that fuses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_cohort import cut_short, missing, sound, with_nan

from monai_fusion.cohort import run as run_module
from monai_fusion.cohort.run import CohortResult, CohortRun
from monai_fusion.cohort.study import Study
from monai_fusion.errors import InputError, OutputError

distributed = pytest.importorskip("distributed", reason="the extra cohort is not installed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1", protocol="tcp://", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def cohort(tmp_path: Path, scheduler: str) -> Any:
    def run(*studies: Study, **options: Any) -> CohortResult:
        options = {"scheduler": scheduler, "memory": 8 * 2**30, "timeout": 300.0, **options}
        return CohortRun(tmp_path / "out", **options).run(studies)

    return run


def states(result: CohortResult) -> dict[str, str]:
    return {study.id: study.state for study in result.studies.values()}


def test_what_is_done_is_not_done_twice(cohort: Any, tmp_path: Path) -> None:
    studies = [sound(tmp_path, f"sound{i}") for i in range(3)] + [cut_short(tmp_path, "cut"), with_nan(tmp_path, "nan")]
    first = cohort(*studies)
    assert (first.exit_code, first.computed) == (5, 3)
    assert states(first) == {"sound0": "done", "sound1": "done", "sound2": "done", "cut": "failed", "nan": "failed"}
    assert "voxels are NaN or infinite" in first.studies["nan"].reason
    assert (tmp_path / "out" / "report.html").read_text().count("<figure>") == 3

    def unchanged(result: CohortResult) -> bool:
        return all(
            (a.state, a.key, a.reason, a.warnings) == (b.state, b.key, b.reason, b.warnings)
            for a, b in zip(first.studies.values(), result.studies.values())
        )

    nobody = cohort(*studies, scheduler="tcp://127.0.0.1:9")  # where nobody listens: no worker is asked
    assert nobody.computed == 0
    assert unchanged(nobody)
    retried = cohort(*studies, retry_failed=True)
    assert retried.computed == 0
    assert unchanged(retried)

    sound(tmp_path, "cut")  # mended
    shutil.rmtree(tmp_path / "out" / "studies" / "sound1")
    third = cohort(*studies, sound(tmp_path, "late"))
    assert third.computed == 3
    assert states(third) == {**states(first), "cut": "done", "late": "done"}
    assert third.studies["sound1"].key == first.studies["sound1"].key
    assert len(list((tmp_path / "out" / "studies").glob("*/*"))) == 5


def test_no_more_are_begun_after_max_failures(cohort: Any, tmp_path: Path) -> None:
    studies = [missing(tmp_path, f"gone{i}") for i in range(3)] + [sound(tmp_path, "sound")]
    stopped = cohort(*studies, max_failures=2)
    assert states(stopped) == {"gone0": "failed", "gone1": "failed", "gone2": "skipped", "sound": "skipped"}
    assert stopped.studies["sound"].reason == "not begun, for 2 studies had failed (--max-failures)"
    assert stopped.exit_code == 5
    assert states(cohort(*studies)) == {"gone0": "failed", "gone1": "failed", "gone2": "failed", "sound": "done"}


def test_an_output_folder_that_is_gone_ends_the_run(
    cohort: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = run_module._read

    def remove_and_read(future: Any) -> Any:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return read(future)

    monkeypatch.setattr(run_module, "_read", remove_and_read)
    with pytest.raises(OutputError, match="was removed while the run was at work"):
        cohort(*[sound(tmp_path, f"sound{i}") for i in range(3)])


def test_what_no_study_is_to_blame_for(cohort: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.cohort.cluster._SECONDS_TO_CONNECT", 1)
    study = sound(tmp_path, "study")
    with pytest.raises(InputError, match="does not answer"):
        cohort(study, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="no such file"):
        cohort(study, settings={"checkpoint": tmp_path / "none.pt"})
    (tmp_path / "out" / "studies").rmdir()
    (tmp_path / "out" / "studies").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        cohort(study)


def test_a_study_that_killed_dask_workers_is_given_up() -> None:
    """Dask tells so in place of a result."""

    class Lost:
        def result(self) -> None:
            raise distributed.KilledWorker("study-1", None, allowed_failures=2)

    outcome = run_module._read(Lost())
    assert (outcome.state, outcome.reason) == ("failed", "the worker died 3 times while it was at it")
