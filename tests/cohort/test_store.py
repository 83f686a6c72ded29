"""The store and the folder around it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from monai_fusion.cohort.causes import cause_of, without_paths
from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.store import ResultStore
from monai_fusion.cohort.study import Outcome, Study
from monai_fusion.cohort.summary import group_causes, write_summary
from monai_fusion.errors import OutputError


def test_one_state_a_study(tmp_path: Path) -> None:
    path = tmp_path / "cohort.sqlite"
    with ResultStore(path) as store:
        store.record("a", Outcome("failed", None, "MRI/3.dcm: 12 voxels"), "stamp", "configuration")
        store.record("a", Outcome("done", "key", warnings=("window 3", "window 4")), "stamp", "configuration")
        store.record("b", Outcome("skipped", None, "no time"), "stamp", "configuration")
    with ResultStore(path) as store:
        rows = store.studies()
    assert [(row.id, row.state, row.key, row.reason, row.warnings) for row in rows.values()] == [
        ("a", "done", "key", "", ("window #",)),
        ("b", "skipped", None, "no time", ()),
    ]
    with ResultStore(path) as store, pytest.raises(OutputError, match="CHECK constraint"):
        store.record("c", Outcome("done", "key", reason="but why"), "", "")
    with ResultStore(path) as store:
        assert "c" not in store.studies()


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be asked about " * 40)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE study (id)")
    other.commit()
    other.close()
    for name in ("text", "other", "no/folder"):
        with pytest.raises(OutputError, match=name):
            ResultStore(tmp_path / name)


def test_a_store_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with ResultStore(tmp_path / "out" / "cohort.sqlite") as store:
        shutil.rmtree(tmp_path / "out")
        for _ in range(2):
            with pytest.raises(OutputError, match="was removed while the run was at work"):
                store.record("a", Outcome("done", "key"), "", "")
            (tmp_path / "out").mkdir(exist_ok=True)
            (tmp_path / "out" / "cohort.sqlite").touch()


def test_a_process_that_is_killed_leaves_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "cohort.sqlite"
    program = f"""if True:
        from pathlib import Path
        from monai_fusion.cohort.store import ResultStore
        from monai_fusion.cohort.study import Outcome
        with ResultStore(Path({str(path)!r})) as store:
            for i in range(100000):
                store.record(f"{{i}}", Outcome("done", f"key {{i}}"), "", "")
                print(i, flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().splitlines()]
    with ResultStore(path) as store:
        rows = store.studies()
    assert {int(key) for key in rows} >= set(said)
    assert len(rows) <= len(said) + 1


def test_the_lock_of_a_run_that_was_killed_is_open(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = f"""if True:
        from pathlib import Path
        from monai_fusion.cohort.folder import CohortFolder
        with CohortFolder(Path({str(out)!r})).locked():
            print("locked", flush=True)
            input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(OutputError, match="another run is at work"), CohortFolder(out).locked():
            pass
        os.kill(other.pid, signal.SIGKILL)
    with CohortFolder(out).locked():
        pass


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError, match="holds something else"), CohortFolder(tmp_path).locked():
        pass
    with pytest.raises(OutputError, match="cannot be written"), CohortFolder(tmp_path / "thesis.tex" / "out").locked():
        pass


def test_reasons_lose_what_is_of_one_study() -> None:
    study = Study("a", (Path("/data/DOE^JANE/mri"),), (Path("/data/DOE^JANE"),))
    reason = without_paths("/data/DOE^JANE/mri/0005.dcm: slice 1.2.840.10008.5.1 'Jane' lies 10.25 mm away", study)
    assert reason == "MRI/0005.dcm: slice 1.2.840.10008.5.1 'Jane' lies 10.25 mm away"
    assert cause_of(reason) == "a file of the MRI: slice (UID) (name) lies # mm away"
    assert without_paths("/data/DOE^JANE/pet.nii: no", study) == "functional image/pet.nii: no"


def test_the_summary_groups_causes(tmp_path: Path) -> None:
    folder = CohortFolder(tmp_path)
    with ResultStore(folder.store) as store:
        for i in range(3):
            store.record(f"bad{i}", Outcome("failed", None, f"MRI: <{i} voxels>"), "", "")
        store.record("slow", Outcome("failed", None, "too slow"), "", "")
        store.record("good", Outcome("done", "key", warnings=("doubtful",), seconds=1.5, peak_mib=700), "", "")
        rows = store.studies()
    assert group_causes(rows) == [
        ("failed", "MRI: <# voxels>", ["bad0", "bad1", "bad2"]),
        ("failed", "too slow", ["slow"]),
    ]
    write_summary(folder, rows)
    page = folder.report.read_text()
    assert "MRI: &lt;# voxels&gt;</td><td>bad0, bad1, bad2" in page
    assert '<td class="n">3</td>' in page
    assert "doubtful" in page
    assert page.count("<rect") == 1
