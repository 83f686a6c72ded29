"""Runs every rival, the shipped model and any weights file through the lesion-conspicuity benchmark.

    make bench-conspicuity
    python benchmarks/conspicuity.py --method student.pt --method teacher.pt

on the test pairs of ``../shared`` (left out where they are missing) and on axial slices of a head made from nilearn's
MNI152 data, and writes `benchmarks/results/conspicuity.json`: what each method keeps, loses, saturates and invents, in
grey and in colour, with 95 % bootstrap intervals over the pairs; the same by the lesions' size, drawn in
`conspicuity.png`; and how the ranking of the methods fares under other choices than the benchmark's.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.evaluation.methods import Method, open_methods
from monai_fusion.evaluation.pairs import PairFolder
from monai_fusion.evaluation.statistics import draw_pairs, percentile_interval
from monai_fusion.inferers import FusionInferer
from monai_fusion.metrics import (
    Conspicuity,
    LesionProtocol,
    aggregate,
    compute_false_structure,
    curve_by_radius,
    measure_conspicuity,
)
from monai_fusion.transforms.color import COLOR_MAPS, color_table, rgb_to_ycc, ycc_to_rgb

ROOT = Path(__file__).resolve().parents[1]
SEED = 2
RESAMPLES = 1000
FWHM = math.sqrt(8 * math.log(2))  # of a Gaussian, in standard deviations
MNI_SIZES_MM = (4.0, 12.0)
MNI_STEP_MM = 5
DEFAULT = LesionProtocol()
#: On the MNI head the lesions' size is known in mm.
MNI_PROTOCOL = replace(DEFAULT, radii=(MNI_SIZES_MM[0] / FWHM, MNI_SIZES_MM[1] / FWHM))
COLUMNS = ("kept_mri", "kept_functional", "lost_mri", "lost_functional")

#: Other choices: the name of each, the protocol, the seed, and below what a lesion is lost.
CHOICES: dict[str, tuple[LesionProtocol, int, float]] = {
    "as defined": (DEFAULT, SEED, 0.25),
    **{f"noise floor {floor}": (replace(DEFAULT, noise_floor=floor), SEED, 0.25) for floor in (0.01, 0.04)},
    **{f"ring {a}-{b} r": (replace(DEFAULT, ring=(a, b)), SEED, 0.25) for a, b in ((1.5, 3.0), (2.5, 5.0))},
    **{f"contrast {c}": (replace(DEFAULT, contrast=c), SEED, 0.25) for c in (0.2, 0.5)},
    **{f"radii {a}-{b}": (replace(DEFAULT, radii=(a, b)), SEED, 0.25) for a, b in ((1.5, 3.0), (4.0, 8.0))},
    **{f"lost below {below}": (DEFAULT, SEED, below) for below in (0.15, 0.4)},
    **{f"seed {seed}": (DEFAULT, seed, 0.25) for seed in (0, 1, 3, 4)},
}

Pair = tuple[torch.Tensor, torch.Tensor]
Task = tuple[str, Pair, tuple[int, int], LesionProtocol, str | None]

METHODS: dict[str, Method] = {}  # the processes that measure inherit it


def mni_slices() -> list[Pair]:
    """Axial slices of 1 mm a pixel, `MNI_STEP_MM` apart: the T1 template, and FDG-like uptake of grey to white 4:1 with
    a scanner's blur (5 mm FWHM) and noise, windowed as the bundle does it."""
    from nilearn import datasets

    t1 = np.asarray(datasets.load_mni152_template(resolution=1).dataobj).clip(0)
    grey = np.asarray(datasets.load_mni152_gm_template(resolution=1).dataobj)
    white = np.asarray(datasets.load_mni152_wm_template(resolution=1).dataobj)
    uptake = ndimage.gaussian_filter(4 * grey + white, 5 / FWHM)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=uptake.shape), 4 / FWHM)
    uptake = uptake + 0.12 * np.sqrt(uptake.clip(0)) * noise / noise.std()
    brain = grey + white > 0.1
    tops = (np.percentile(t1[brain], 99.5), np.percentile(uptake[brain], 99.9))
    volumes = [(volume / top).clip(0, 1) for volume, top in zip((t1, uptake), tops)]
    slices = []
    for k in range(0, t1.shape[2], MNI_STEP_MM):
        if (grey[..., k] + white[..., k] > 0.5).sum() > 3000:  # mm²
            turned = (np.ascontiguousarray(volume[::-1, ::-1, k].T) for volume in volumes)
            mri, functional = (torch.from_numpy(image).float()[None, None] for image in turned)
            slices.append((mri, functional))
    return slices


def renderer(color_map: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The product's colour output: luma the fused image, chroma that of the colour map at the uptake."""
    chroma = rgb_to_ycc(color_table(color_map).T)[1]

    def color(fused: torch.Tensor, functional: torch.Tensor) -> torch.Tensor:
        return ycc_to_rgb(fused.movedim(1, 0), chroma[:, (functional[:, 0] * 255).round().long()]).movedim(0, 1)

    return color


def measure(task: Task) -> Conspicuity:
    name, pair, seed, protocol, color_map = task
    color = None if color_map is None else renderer(color_map)
    return measure_conspicuity(METHODS[name].fuse, *pair, seed, color, protocol)


def probe_false_structure(pairs: Sequence[Pair]) -> dict[str, float]:
    """The false structure of images of known making: the mean of the sources with more gain, sharpening, or noise."""
    generator = torch.Generator().manual_seed(SEED)
    values: dict[str, list[float]] = {}
    for mri, functional in pairs:
        mean = (mri + functional) / 2
        blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(mean, (1, 1, 1, 1), mode="reflect"), 3, 1)
        noise = torch.randn(mean.shape, generator=generator)
        made = {
            **{f"gain {gain}": gain * mean for gain in (1, 2, 3)},
            **{f"unsharp mask {amount}": mean + amount * (mean - blurred) for amount in (0.5, 1, 2)},
            "8 grey levels": (mean * 8).round() / 8,
            **{f"noise {sd}": mean + sd * noise for sd in (0.002, 0.005, 0.01, 0.02, 0.05)},
        }
        for name, fused in made.items():
            values.setdefault(name, []).append(float(compute_false_structure(fused.clamp(0, 1), mri, functional)))
    return {name: float(np.mean(found)) for name, found in values.items()}


def describe(results: Sequence[Conspicuity]) -> dict[str, dict[str, float | None]]:
    """Every column of `aggregate`, with its interval."""
    draws = draw_pairs(len(results), RESAMPLES)
    resampled = [aggregate([results[i] for i in draw]) for draw in draws]
    row = {}
    for column, mean in aggregate(results).items():
        values = (mean, *percentile_interval(np.array([sample[column] for sample in resampled])))
        row[column] = dict(zip(("mean", "low", "high"), map(rounded, values)))
    return row


def rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def sizes(results: Sequence[Conspicuity], protocol: LesionProtocol) -> dict[str, list[dict[str, float | None]]]:
    """What is kept of the lesions of either source, in grey, by radius."""
    edges = np.linspace(*protocol.radii, 7).tolist()
    sides = {"mri": [r.mri for r in results], "functional": [r.functional for r in results]}
    return {
        side: [{k: rounded(v) for k, v in asdict(part).items()} for part in curve_by_radius(pairs, edges)]
        for side, pairs in sides.items()
    }


def robustness(rows: dict[str, dict[str, dict[str, float]]], clear: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Kendall's tau-b of the ranking against the one as defined, for each choice and column, and the clear comparisons
    that a choice turns round.

    Args:
        rows: choice, method, column.
        clear: for each column the pairs of methods whose intervals do not overlap, the lower first.
    """
    taus: dict[str, dict[str, float | None]] = {}
    turned: list[str] = []
    for choice, methods in rows.items():
        taus[choice] = {}
        for column in COLUMNS:
            ours, theirs = ([rows[c][m][column] for m in methods] for c in ("as defined", choice))
            taus[choice][column] = rounded(float(stats.kendalltau(ours, theirs).statistic))
            turned += [
                f"{choice}: {column} of {low} {methods[low][column]:.3f}, of {high} {methods[high][column]:.3f}"
                for low, high in clear[column]
                if methods[low][column] > methods[high][column]
            ]
    return {"kendall_tau_b": taus, "clear_comparisons": {c: len(p) for c, p in clear.items()}, "turned_round": turned}


def clear_comparisons(table: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for column in COLUMNS:
        ordered = [sorted(pair, key=lambda m: table[m][column]["mean"]) for pair in combinations(table, 2)]
        found[column] = [(a, b) for a, b in ordered if table[a][column]["high"] < table[b][column]["low"]]
    return found


def draw_sizes(path: Path, datasets: dict[str, Any]) -> None:
    """Kept against size: a row a data set, MRI lesions on the left, functional ones on the right, a line a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4 * len(datasets)), layout="constrained")
    for i, (name, dataset) in enumerate(datasets.items()):
        for j, side in enumerate(("mri", "functional")):
            panel = figure.add_subplot(len(datasets), 2, 2 * i + j + 1)
            for method, curves in dataset["sizes"].items():
                bins = [part for part in curves[side] if part["kept"] is not None]
                widths = [FWHM * (part["low"] + part["high"]) / 2 for part in bins]
                panel.plot(widths, [part["kept"] for part in bins], marker=".", label=method)
            unit = "mm" if name == "mni152" else "pixels"
            panel.set(title=f"{name}: lesions of the {side} source", xlabel=f"FWHM ({unit})", ylabel="kept")
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
            if i == j == 0:
                panel.legend(fontsize=7, ncols=2)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def open_all(names: Sequence[str]) -> dict[str, Method]:
    bundle = ROOT / "bundles" / "mmdrfuse"
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    inferer = FusionInferer(backend="module")
    methods = open_methods(["model", *names], bundle, metadata, inferer, torch.device("cpu"))
    return {method.name: method for method in methods}


def open_datasets(folder: Path) -> dict[str, tuple[list[Pair], LesionProtocol]]:
    """The pairs of each data set, and the protocol."""
    found = {}
    for name in ("mri_pet", "mri_spect"):
        if (folder / name).is_dir():
            pairs = PairFolder(folder / name)
            found[name] = ([pairs.read(pair) for pair in pairs.names], DEFAULT)
        else:
            print(f"{folder / name}: not there, left out", file=sys.stderr)
    found["mni152"] = (mni_slices(), MNI_PROTOCOL)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", action="append", default=[], help="a weights file, beside the shipped model")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "test")
    parser.add_argument(
        "--robustness-pairs", type=int, default=12, help="at least so many of each data set, evenly spaced"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "conspicuity.json")
    args = parser.parse_args()

    start = time.perf_counter()
    torch.set_num_threads(1)
    METHODS.update(open_all(args.method))
    datasets: dict[str, Any] = {}
    stability: dict[str, Any] = {"pairs_each": args.robustness_pairs}
    maps: dict[str, Any] = {}
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        for name, (pairs, own) in open_datasets(args.data).items():

            def run(
                method: str,
                protocol: LesionProtocol,
                seed: int = SEED,
                color_map: str | None = None,
                every: int = 1,
                pairs: list[Pair] = pairs,
            ) -> list[Conspicuity]:
                tasks = [(method, pair, (seed, i), protocol, color_map) for i, pair in enumerate(pairs)]
                return list(pool.map(measure, tasks[::every]))

            results = {method: run(method, own, color_map="rainbow") for method in METHODS}
            table = {method: describe(results[method]) for method in METHODS}
            datasets[name] = {
                "pairs": len(pairs),
                "radii": own.radii,
                "methods": table,
                "sizes": {method: sizes(results[method], own) for method in METHODS},
                "false_structure_of": probe_false_structure(pairs),
            }
            every = max(1, len(pairs) // args.robustness_pairs)
            colored = {color_map: run("mean", own, color_map=color_map, every=every) for color_map in COLOR_MAPS}
            maps[name] = {color_map: aggregate(shown) for color_map, shown in colored.items()}
            rows = {}
            done: dict[tuple[LesionProtocol, int], dict[str, list[Conspicuity]]] = {}
            for choice, (protocol, seed, below) in CHOICES.items():
                protocol = replace(protocol, radii=own.radii) if protocol.radii == DEFAULT.radii else protocol
                if (protocol, seed) not in done:
                    done[protocol, seed] = {m: run(m, protocol, seed, every=every) for m in METHODS}
                rows[choice] = {m: aggregate(found, below) for m, found in done[protocol, seed].items()}
            stability[name] = {"rows": rows, **robustness(rows, clear_comparisons(table))}
            print(f"{name}: {len(pairs)} pairs, {time.perf_counter() - start:.0f} s", file=sys.stderr)

    args.output.parent.mkdir(parents=True, exist_ok=True)
    draw_sizes(args.output.with_suffix(".png"), datasets)
    result = {
        "protocol": asdict(DEFAULT),
        "seed": SEED,
        "datasets": datasets,
        "color_maps_of_mean": maps,
        "robustness": stability,
        "seconds": round(time.perf_counter() - start),
        "machine": describe_machine(),
    }
    short = json.loads(json.dumps(result), parse_float=lambda number: round(float(number), 4))
    with write_beside(args.output) as path:
        path.write_text(json.dumps(short, indent=1) + "\n")


if __name__ == "__main__":
    main()
