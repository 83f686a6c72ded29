"""The evaluation from the folder of pairs to the folder of results."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import monai.bundle
import numpy as np
import pytest
from PIL import Image
from tiny_dataset import NAMES, write_dataset

from monai_fusion import cli
from monai_fusion.errors import InputError
from monai_fusion.evaluation.evaluation import Evaluation
from monai_fusion.evaluation.measure import Measured
from monai_fusion.evaluation.methods import Method
from monai_fusion.evaluation.pairs import PairFolder
from monai_fusion.evaluation.sheet import rank_pairs
from monai_fusion.evaluation.workflow import evaluate
from monai_fusion.metrics import METRICS, PUBLISHED, RIVALS, aggregate, measure_all, measure_conspicuity
from monai_fusion.metrics.protocol import clip_to_8bit, read_grey, stretch_to_8bit

pytest.importorskip("matplotlib")
pytest.importorskip("pywt")

LESIONS = ["kept_mri", "kept_functional", "lost_mri", "lost_functional", "saturated"]
RESULTS = {"pairs.csv", "tests.csv", "table.md", "figures", "summary.json", "run.json"}


@pytest.fixture(autouse=True)
def _signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "MRI-PET tiny")


@pytest.fixture(scope="module")
def done(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the shipped model by the paper's protocol."""
    out = tmp_path_factory.mktemp("results") / "out"
    assert cli.main(["evaluate", str(dataset), "-o", str(out), "--protocol", "paper", "--quiet"]) == 0
    return out


@pytest.fixture(scope="module")
def summary(done: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((done / "summary.json").read_text())
    return content


# --- What is written ---------------------------------------------------------------------------------------------


def test_the_folder_is_whole(done: Path) -> None:
    assert names(done) == RESULTS
    assert names(done / "figures") == {"bars.png", "boxes.png", "extremes.png", "lesions.png"}
    for path in (done / "figures").iterdir():
        with Image.open(path) as image:
            assert min(image.size) > 200


def test_summary_has_every_method_and_metric(summary: dict[str, Any]) -> None:
    assert list(summary) == ["model", *RIVALS]
    for cells in summary.values():
        assert list(cells)[: len(METRICS)] == list(METRICS)
        assert list(cells)[len(METRICS) :][: len(LESIONS)] == LESIONS
        for cell in cells.values():
            assert set(cell) == {"mean", "low", "high"}
            assert cell["low"] - 1e-6 <= cell["mean"] <= cell["high"] + 1e-6


@pytest.mark.parametrize("name", RIVALS)
def test_numbers_are_those_of_the_metrics(dataset: Path, done: Path, summary: dict[str, Any], name: str) -> None:
    pairs = [[read_grey(dataset / source / f"{n}.png")[None] for source in ("MRI", "PET")] for n in NAMES]
    values = [measure_all(stretch_to_8bit(RIVALS[name](a / 255, b / 255)), a, b) for a, b in pairs]
    lesions = [measure_conspicuity(RIVALS[name], a / 255, b / 255, [2, i]) for i, (a, b) in enumerate(pairs)]
    assert sum(r.mri.count for r in lesions) > 5
    table = [row for row in rows(done / "pairs.csv") if row["method"] == name]
    assert [row["pair"] for row in table] == NAMES
    for metric in METRICS:
        expected = [value[metric].item() for value in values]
        assert [float(row[metric]) for row in table] == pytest.approx(expected, rel=1e-6)
        assert summary[name][metric]["mean"] == pytest.approx(np.mean(expected), rel=1e-6)
    for column, expected_mean in aggregate(lesions).items():
        assert summary[name][column]["mean"] == pytest.approx(expected_mean, rel=1e-6)
    assert float(table[1]["kept_mri"]) == pytest.approx(lesions[1].mri.kept, rel=1e-6)


def test_intervals_of_three_pairs(done: Path, summary: dict[str, Any]) -> None:
    """A sample holds three times the smallest value with probability 1 / 27 > 2.5 %: the interval is their range."""
    values = [float(row["SD"]) for row in rows(done / "pairs.csv") if row["method"] == "mean"]
    cell = summary["mean"]["SD"]
    assert (cell["low"], cell["high"]) == pytest.approx((min(values), max(values)), rel=1e-6)
    assert min(values) < max(values)


def test_tests(done: Path) -> None:
    """Three pairs: Wilcoxon's smallest p is 2 / 8, times six rivals is above 1."""
    table = rows(done / "tests.csv")
    assert {row["first"] for row in table} == {"model"}
    assert {row["other"] for row in table} == set(RIVALS)
    assert {row["metric"] for row in table} >= {*METRICS, *LESIONS}
    sd = [row for row in table if row["metric"] == "SD"]
    assert min(float(row["p"]) for row in sd) == pytest.approx(0.25)
    assert {float(row["p_holm"]) for row in sd} == {1}


def test_table_marks_published_rows_and_the_best(done: Path, summary: dict[str, Any]) -> None:
    lines = (done / "table.md").read_text().splitlines()
    assert lines[0].startswith("MRI-PET tiny: means over 3 pairs, protocol paper; published rows: ")
    assert lines[0].endswith("MRI-PET, 42 pairs.")
    published = [line for line in lines if "(published)" in line]
    assert len(published) == 7
    cells = next(line for line in published if "MMDRFuse" in line).split(" | ")
    assert [c.strip("| ") for c in cells[:9]] == [
        "MMDRFuse (published)", "71.50", "1.720", "0.600", "0.560", "-", "0.430", "0.810", "-",
    ]  # fmt: skip
    best = max(summary, key=lambda name: summary[name]["SD"]["mean"])
    [line] = [line for line in lines if f"**{summary[best]['SD']['mean']:.2f}**" in line]
    assert line.startswith(f"| {best} |")


def test_run_says_how(done: Path) -> None:
    run = json.loads((done / "run.json").read_text())
    assert (run["pairs"], run["skipped"], run["protocol"], run["sources"]) == (3, {}, "paper", ["MRI", "PET"])
    assert list(run["methods"]) == ["model", *RIVALS]
    assert run["methods"]["model"]["parameters"] == 113
    assert run["machine"]["cpu"]
    assert run["versions"]["monai_fusion"]
    assert str(done.parent) not in json.dumps(run)


def test_again_into_the_same_folder(
    bundle: Path, dataset: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By MONAI's own command, with the other protocol; the earlier results are replaced, nothing is left of them."""
    config = bundle / "configs" / "evaluate.json"
    out = tmp_path / "out"
    shutil.copytree(done, out)
    with pytest.raises(SystemExit) as stop:
        monai.bundle.run(
            bundle_root=str(bundle),
            config_file=str(config),
            dataset=str(dataset),
            output_dir=str(out),
            method=["mean"],
            rivals=False,
        )
    assert stop.value.code == 0
    assert names(out) == RESULTS
    run = json.loads((out / "run.json").read_text())
    assert (run["protocol"], list(run["methods"])) == ("product", ["mean"])
    a, b = (read_grey(dataset / source / "a.png").numpy() / 255 for source in ("MRI", "PET"))
    by_hand = np.std(np.rint((a + b) / 2 * 255))
    assert float(rows(out / "pairs.csv")[0]["SD"]) == pytest.approx(by_hand, rel=1e-4)
    assert capsys.readouterr().err.count("pair/s") == 0  # no bar where there is no terminal


# --- Broken pairs ------------------------------------------------------------------------------------------------


def test_a_broken_pair_is_named_and_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others keep their numbers: the seed of a pair depends on its place among all names."""
    whole = evaluate(write_dataset(tmp_path / "whole"), None, ["mean"], rivals=False)
    broken = write_dataset(tmp_path / "broken")
    (broken / "PET" / "b.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    capsys.readouterr()
    code = cli.main(["evaluate", str(broken), "-o", str(out), "--method", "mean", "--no-rivals"])
    told = capsys.readouterr()
    assert code == 5
    [line] = told.err.splitlines()
    assert line.startswith("warning: pair b skipped: ")
    assert "b.png: not a readable picture" in line
    assert "means over 2 pairs" in told.out
    run = json.loads((out / "run.json").read_text())
    assert run["pairs"] == 2
    assert list(run["skipped"]) == ["b"]
    assert [row["pair"] for row in rows(out / "pairs.csv")] == ["a", "c"]
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary) == ["mean"]
    three = whole.summary["mean"]["SD"]["mean"]
    pairs = PairFolder(tmp_path / "whole")
    skipped = measure_all(clip_to_8bit(sum(pairs.read("b")) / 2), *(x * 255 for x in pairs.read("b")), names=["SD"])
    assert three is not None
    assert summary["mean"]["SD"]["mean"] == pytest.approx((3 * three - skipped["SD"].item()) / 2, rel=1e-6)
    kept = [measure_conspicuity(RIVALS["mean"], *pairs.read(name), [2, i]) for i, name in ((0, "a"), (2, "c"))]
    assert summary["mean"]["kept_mri"]["mean"] == pytest.approx(aggregate(kept)["kept_mri"], rel=1e-6)


def test_without_a_sound_pair_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = write_dataset(tmp_path / "data", ["a"])
    (broken / "MRI" / "a.png").unlink()
    assert cli.main(["evaluate", str(broken), "-o", str(tmp_path / "out")]) == 3
    assert "none of the 1 pairs can be used" in capsys.readouterr().err.splitlines()[-1]
    assert names(tmp_path) == {"data"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--method", "nothing"], "nothing: no such method"),
        (["--sources", "MRI", "CT"], "CT: no such folder"),
        (["--method", "model", "--method", "model"], "named twice"),
    ],
    ids=lambda value: str(value[-1]),
)
def test_refuses(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert cli.main(["evaluate", str(dataset), "-o", str(tmp_path / "out"), *options]) == 3
    [line] = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (tmp_path / "out").exists()


def test_other_files_by_the_name_of_a_result_are_left_alone(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("mine")
    assert cli.main(["evaluate", str(dataset), "-o", str(tmp_path), "--method", "mean"]) == 4
    assert names(tmp_path) == {"summary.json"}


def test_a_method_that_gives_no_numbers(dataset: Path) -> None:
    bad = Method("bad", lambda a, b: a / 0)
    with pytest.raises(InputError, match="method bad: its fused image is not finite"):
        Evaluation(PairFolder(dataset), [bad], None).run()
    with pytest.raises(InputError, match="protocol 'other': choose one of paper, product"):
        Evaluation(PairFolder(dataset), [bad], None, protocol="other")


# --- Parts -------------------------------------------------------------------------------------------------------


def test_infrared_and_visible_pictures_have_no_lesions(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, ["a"], ("vi", "ir"))
    evaluation = evaluate(folder, None, ["mean"], rivals=False)
    assert list(evaluation.summary["mean"]) == list(METRICS)
    forced = evaluate(folder, None, ["mean"], rivals=False, lesions=True)
    assert set(forced.summary["mean"]) > {*METRICS, *LESIONS}


def test_pairs_without_lesions_have_empty_cells(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, ["a"])
    for name in ("a", "b"):
        Image.new("L", (64, 64), 0).save(folder / "PET" / f"{name}.png")
        Image.fromarray(np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)).save(
            folder / "MRI" / f"{name}.png"
        )
    evaluation = evaluate(folder, tmp_path / "out", ["mean"], rivals=False)
    assert evaluation.summary["mean"]["kept_mri"] == {"mean": None, "low": None, "high": None}
    assert rows(tmp_path / "out" / "pairs.csv")[0]["kept_mri"] == ""
    assert "| mean | " in evaluation.table


def test_lesions_are_clipped_the_same_under_both_protocols(dataset: Path) -> None:
    """Four times the mean: white under the product's protocol, and the paper's stretch does not bring them back."""
    bright = Method("bright", lambda a, b: 2 * (a + b))
    cells = {}
    for protocol in ("paper", "product"):
        evaluation = Evaluation(PairFolder(dataset), [bright], None, protocol=protocol)
        evaluation.run()
        cells[protocol] = evaluation.summary["bright"]
    assert cells["paper"]["SCD"]["mean"] != cells["product"]["SCD"]["mean"]
    assert cells["paper"]["kept_mri"] == cells["product"]["kept_mri"]
    assert cells["paper"]["saturated"]["mean"] > 0.1


def test_worst_and_best_pairs() -> None:
    def pair(value: float) -> Measured:
        return Measured(dict.fromkeys(PUBLISHED, value))

    assert rank_pairs([pair(0.3), pair(0.1), pair(0.2)]) == [1, 2, 0]


# --- Against the published program -------------------------------------------------------------------------------


def test_published_program_s_values(shared: Path, tmp_path: Path) -> None:
    """Through the command line: means and pairs of metric_values.json, five pairs of it."""
    reference = json.loads((shared / "reference" / "metric_values.json").read_text())
    columns = [name.replace("SSIM_range255", "SSIM") for name in reference["columns"]]
    pairs = reference["pairs"]["mri_pet"]
    for source in ("MRI", "PET"):
        (tmp_path / "five" / source).mkdir(parents=True)
        for name in pairs["screen"]:
            os.symlink(shared / "data" / "test" / "mri_pet" / source / name, tmp_path / "five" / source / name)
    methods = [part for name in pairs for part in ("--method", name)]
    out = tmp_path / "out"
    options = ["--protocol", "paper", "--no-rivals", "--quiet"]
    assert cli.main(["evaluate", str(tmp_path / "five"), "-o", str(out), *methods, *options]) == 0
    table = {(row["method"], row["pair"]): row for row in rows(out / "pairs.csv")}
    summary = json.loads((out / "summary.json").read_text())
    for method, expected in pairs.items():
        for name, values in expected.items():
            row = table[method, Path(name).stem]
            assert [float(row[c]) for c in columns] == pytest.approx(values, rel=2e-4), (method, name)
        means = np.mean(list(expected.values()), axis=0)
        assert [summary[method][c]["mean"] for c in columns] == pytest.approx(means.tolist(), rel=2e-4)
