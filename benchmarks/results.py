"""Makes docs/results.md and its figures of the stored evaluations.

    make results

reads `benchmarks/results/evaluation/*.json` (made by `make evaluate`) and writes `docs/results.md` and
`docs/figures/*.png`. Every number in the text is taken from there; nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.frontier import columns_won, write_frontier
from monai_fusion.atomic import write_beside
from monai_fusion.errors import InputError
from monai_fusion.evaluation.figures import write_bars, write_lesions
from monai_fusion.evaluation.tables import interval_table, markdown_table
from monai_fusion.metrics import RIVALS
from monai_fusion.metrics.published import PUBLISHED_TABLES, find_published

ROOT = Path(__file__).resolve().parents[1]
ORDER = ("mri_pet_product", "mri_pet_paper", "mri_spect_product", "mri_spect_paper", "roadscene", "msrs", "llvip")
SIX = ("SD", "SCD", "VIF", "Qabf", "SSIM_range2", "CC")
PROTOCOLS = {
    "product": "clipped to [0, 1], as the user sees it",
    "paper": "every fused image stretched to its own minimum and maximum",
}

Stored = dict[str, Any]


def read_stored(folder: Path) -> dict[str, Stored]:
    """The evaluations by name, medical ones first."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise InputError(f"{folder}: no stored evaluation; run `make evaluate` first")

    def rank(name: str) -> tuple[int, str]:
        return next((i for i, start in enumerate(ORDER) if name.startswith(start)), len(ORDER)), name

    return {name: found[name] for name in sorted(found, key=rank)}


def head(stored: dict[str, Stored]) -> str:
    runs = [entry["run"] for entry in stored.values()]
    dates = sorted({run["machine"]["date"] for run in runs})
    machines = sorted({f"{run['machine']['cpu']}, {run['machine']['cores']} cores" for run in runs})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"""# Results

Made by `make results` of what `make evaluate` stored in `benchmarks/results/evaluation`: {when}, {"; ".join(machines)},
PyTorch {runs[0]["versions"]["torch"]}, monai-fusion {runs[0]["versions"]["monai_fusion"]}. Do not edit: change
`benchmarks/results.py`. The same for any data: `monai-fusion evaluate DATASET -o OUT`.

For research use only. Not for diagnostic use.
"""


def cells(entry: Stored, method: str, names: tuple[str, ...]) -> str:
    """Means as text, in the manner of the published tables."""
    means = [entry["summary"][method][name]["mean"] for name in names]
    return " ".join(f"{mean:.1f}" if name == "SD" else f"{mean:.2f}" for name, mean in zip(names, means))


def rewards(stored: dict[str, Stored]) -> str:
    """What the metrics reward: a formula against the published network."""
    lines = []
    for dataset, title in (("mri_pet", "MRI-PET"), ("mri_spect", "MRI-SPECT")):
        entry = stored.get(f"{dataset}_paper")
        if entry is None:
            continue
        published = PUBLISHED_TABLES[dataset].rows["MMDRFuse"]
        row = " ".join(f"{published[name]:.1f}" if name == "SD" else f"{published[name]:.2f}" for name in SIX)
        won = sum(round(entry["summary"]["screen"][name]["mean"], 2) > published[name] for name in SIX)
        lines.append(
            f"- {title}: `screen`, a + b - ab, has {cells(entry, 'screen', SIX)}, the published network {row}: the "
            f"formula is ahead in {won} of six."
        )
    return f"""## What the metrics reward

Six numbers (SD SCD VIF Q^AB/F SSIM CC) are what the field compares fusion by. By the published protocol, on the
published test pairs:

{chr(10).join(lines)}

So a formula of two operations a pixel, which knows nothing of images, wins most of what a trained network is published
for. That is no praise of the formula. SD counts contrast wherever it comes from. SCD asks that the sum contains its
parts, which every sum does. CC is won by averaging. VIF and Q^AB/F ask what is kept of the stronger edges; where one
source is bright and smooth, they hardly notice that the other vanished under it. SSIM is published with a data range
of 2 on images of 0 to 255 (a default of the day), at which rounding noise in the black background counts as much as
tissue; and stretching an image to its minimum and maximum lifts that background. Both ranges are in the tables.

Therefore rivals that cost nothing stand in every table here, and the six are not enough.
"""


def lesions(stored: dict[str, Stored]) -> str:
    """Why lesions are needed: what the winners of the metrics lose."""
    lines = []
    for dataset, title in (("mri_pet", "MRI-PET"), ("mri_spect", "MRI-SPECT")):
        entry = stored.get(f"{dataset}_product")
        if entry is None:
            continue
        rivals = {name: entry["summary"][name] for name in RIVALS if name in entry["summary"]}
        best = {m: max(rivals, key=lambda name: rivals[name][m]["mean"]) for m in ("VIF", "Qabf")}
        told = [
            f"`{name}` keeps {rivals[name]['kept_mri']['mean']:.2f} of the MRI lesions' contrast and "
            f"{rivals[name]['kept_functional']['mean']:.2f} of the functional ones', and loses "
            f"{100 * rivals[name]['lost_mri']['mean']:.0f} % and {100 * rivals[name]['lost_functional']['mean']:.0f} %"
            for name in dict.fromkeys([*best.values(), "screen", "mean"])
        ]
        lines.append(
            f"- {title}: of the rivals, `{best['VIF']}` has the highest VIF, `{best['Qabf']}` the highest Q^AB/F. "
            f"{'; '.join(told)}."
        )
    return f"""## Why lesions are needed

A physician looks for what should not be there. So spots of known truth are put into one source at a time, fused, and
looked for: `kept` is the contrast-to-noise in the fused image over that in the source, `lost` the share of spots of
which less than a quarter is left, `saturated` the share of the head that is white where neither source is,
`false_structure` what the fused image has of gradients that no source has (`monai_fusion/metrics/conspicuity.py` and
`false_structure.py`). They are measured in the method's own output, clipped to [0, 1], whatever the protocol.

{chr(10).join(lines)}

The six cannot see this: a lesion is 500 pixels of 65,536 at most. In the figures below every method is a point; a
metric that stood for what a physician needs would have its points rise from left to right in both rows.
"""


def frontier(stored: dict[str, Stored], figures: Path) -> str:
    """What is kept against what the metrics say, in one figure."""
    titles = {"mri_pet_product": "MRI-PET", "mri_spect_product": "MRI-SPECT"}
    summaries = {title: stored[name]["summary"] for name, title in titles.items() if name in stored}
    if not summaries:
        return ""
    write_frontier(figures / "frontier.png", summaries)
    lines = [
        f"- {title}: " + "; ".join(f"`{method}` is best in {', '.join(names)}" for method, names in won.items()) + "."
        for title, won in ((title, columns_won(summary)) for title, summary in summaries.items())
    ]
    return f"""## The frontier

On the left what is kept of the one source's lesions against what is kept of the other's. The noise that a lesion must
stand out from is the texture of both sources, so a sum of two unrelated ones keeps parts whose squares add up to 1: the
dotted circle. On the right what is kept of both (root mean square) against the geometric mean of the six metrics, as
multiples of those of tanh(a + b). To the right the metrics gain, upwards the patient.

{chr(10).join(lines)}

![what is kept of both sources' lesions, and the six metrics](figures/frontier.png)
"""


def model_standing(name: str, entry: Stored) -> str:
    """How the evaluated models stand against the published network and the best rival, counted, not judged."""
    summary = entry["summary"]
    models = [method for method in summary if method not in RIVALS]
    published = find_published(entry["run"]["dataset"])
    lines = []
    for model in models:
        told = []
        if published is not None and entry["run"]["protocol"] == "paper":
            row = published.rows["MMDRFuse"]
            won = [m for m in SIX if round(summary[model][m]["mean"], 2) > row[m]]  # published to two digits
            where = "" if entry["run"]["pairs"] == published.pairs else " (over other pairs)"
            told.append(f"above the published MMDRFuse in {len(won)} of six{where}: {', '.join(won) or 'none'}")
        beaten = [
            m for m in SIX if all(summary[model][m]["mean"] > summary[r][m]["mean"] for r in RIVALS if r in summary)
        ]
        told.append(f"above every rival in {', '.join(beaten) or 'none of the six'}")
        lines.append(f"- `{model}` is {'; '.join(told)}.")
    return "\n".join(lines)


def section(name: str, entry: Stored, figures: Path) -> str:
    """Tables and figures of one evaluation."""
    run, summary = entry["run"], entry["summary"]
    published = find_published(run["dataset"])
    title = published.title if published is not None else run["dataset"]
    write_bars(figures / f"{name}_bars.png", summary)
    pictures = [f"![means and 95 % intervals, {title}](figures/{name}_bars.png)"]
    if run["lesions"]:
        write_lesions(figures / f"{name}_lesions.png", summary)
        pictures.insert(0, f"![lesions kept against the metrics, {title}](figures/{name}_lesions.png)")
    skipped = f", {len(run['skipped'])} skipped ({', '.join(run['skipped'])})" if run["skipped"] else ""
    note = ""
    if published is not None:
        note = (
            f" Published rows: Deng et al. 2024, by the protocol `paper`, {published.pairs} pairs"
            f"{' of which these are a part or others' if published.pairs != run['pairs'] else ''}."
        )
    return f"""## {title}, protocol {run["protocol"]}

{run["pairs"]} pairs{skipped}; {PROTOCOLS[run["protocol"]]}. {run["machine"]["date"]}, {run["seconds"]:.0f} s. The best
measured number of a column is bold.{note}

{markdown_table(summary, published)}
{model_standing(name, entry)}

{chr(10).join(pictures)}

<details><summary>95 % intervals (percentile bootstrap over pairs) and paired tests</summary>

{interval_table(summary)}
{test_table(entry)}
</details>
"""


def test_table(entry: Stored) -> str:
    """Wilcoxon's test of the first method against every other, Holm-corrected, for the six."""
    tests = {(test["metric"], test["other"]): test for test in entry["tests"]}
    others = list(dict.fromkeys(test["other"] for test in entry["tests"]))
    if not others:
        return ""
    names = list(dict.fromkeys(test["metric"] for test in entry["tests"]))
    shown = [name for name in names if name in SIX or name.startswith(("kept", "saturated", "false"))]
    lines = [f"| p, {entry['tests'][0]['first']} against | {' | '.join(shown)} |", f"|---|{'---:|' * len(shown)}"]
    for other in others:
        values = [tests[name, other]["p_holm"] for name in shown]
        texts = ["-" if not v else "<0.001" if float(v) < 0.001 else f"{float(v):.3f}" for v in values]
        lines.append(f"| {other} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", type=Path, default=Path(__file__).parent / "results" / "evaluation")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results.md")
    args = parser.parse_args()

    stored = read_stored(args.stored)
    figures = args.output.parent / "figures"
    parts = [head(stored), rewards(stored), lesions(stored)]
    parts.append(frontier(stored, figures))
    parts += [section(name, entry, figures) for name, entry in stored.items()]
    with write_beside(args.output) as path:
        path.write_text("\n".join(parts), encoding="utf-8")
    print(f"{args.output} and {figures}")


if __name__ == "__main__":
    main()
