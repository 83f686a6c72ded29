"""What others published: tables 4 and 5 of the MMDRFuse paper, as they stand there."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED_TABLES", "PublishedTable", "find_published"]

#: SSIM of the published tables has data_range 2: see `monai_fusion.metrics.compute_ssim`.
_COLUMNS = ("SD", "SCD", "VIF", "Qabf", "SSIM_range2", "CC")


@dataclass(frozen=True)
class PublishedTable:
    """The published means on one data set.

    Attributes:
        title: the data set's name in the paper.
        pairs: how many the means are over.
        rows: method, and metric by its name in `monai_fusion.metrics.METRICS`.
    """

    title: str
    pairs: int
    rows: dict[str, dict[str, float]]


def _table(title: str, pairs: int, **rows: tuple[float, ...]) -> PublishedTable:
    return PublishedTable(title, pairs, {name: dict(zip(_COLUMNS, row)) for name, row in rows.items()})


#: Deng et al., "MMDRFuse: Distilled Mini-Model with Dynamic Refresh for Multi-Modality Image Fusion", ACM MM 2024,
#: https://doi.org/10.1145/3664647.3681085: tables 4 (visible and infrared) and 5 (medical), by the paper's protocol.
PUBLISHED_TABLES: dict[str, PublishedTable] = {
    "msrs": _table(
        "MSRS",
        361,
        TextFusion=(38.02, 1.43, 0.72, 0.52, 0.76, 0.59),
        MUFusion=(28.48, 1.26, 0.60, 0.42, 0.71, 0.61),
        LRRNet=(31.76, 0.79, 0.54, 0.45, 0.43, 0.51),
        MetaFusion=(39.64, 1.50, 0.71, 0.48, 0.78, 0.60),
        DeFusion=(34.86, 1.29, 0.75, 0.51, 0.93, 0.60),
        TarDAL=(37.58, 1.53, 0.70, 0.42, 0.70, 0.63),
        MMDRFuse=(43.08, 1.66, 0.90, 0.60, 0.97, 0.61),
    ),
    "llvip": _table(
        "LLVIP",
        250,
        TextFusion=(47.82, 1.41, 0.71, 0.53, 0.77, 0.68),
        MUFusion=(40.44, 1.03, 0.68, 0.47, 0.70, 0.65),
        LRRNet=(35.42, 1.09, 0.56, 0.47, 0.65, 0.69),
        MetaFusion=(48.90, 1.36, 0.61, 0.29, 0.60, 0.67),
        DeFusion=(43.93, 1.23, 0.74, 0.43, 0.83, 0.67),
        TarDAL=(61.77, 1.44, 0.65, 0.42, 0.71, 0.66),
        MMDRFuse=(47.74, 1.55, 0.83, 0.60, 0.84, 0.71),
    ),
    "roadscene": _table(
        "RoadScene",
        50,
        TextFusion=(38.43, 1.63, 0.68, 0.44, 0.94, 0.49),
        MUFusion=(54.92, 1.62, 0.51, 0.34, 0.78, 0.48),
        LRRNet=(43.90, 1.69, 0.51, 0.38, 0.71, 0.51),
        MetaFusion=(48.66, 1.60, 0.51, 0.36, 0.75, 0.51),
        DeFusion=(32.86, 1.48, 0.50, 0.38, 0.86, 0.48),
        TarDAL=(44.88, 1.50, 0.53, 0.39, 0.83, 0.52),
        MMDRFuse=(45.02, 1.70, 0.62, 0.44, 0.95, 0.52),
    ),
    "mri_spect": _table(
        "MRI-SPECT",
        73,
        TextFusion=(41.32, 0.31, 0.52, 0.21, 0.32, 0.87),
        MUFusion=(54.19, 0.91, 0.46, 0.44, 0.36, 0.85),
        LRRNet=(42.16, 0.42, 0.34, 0.20, 0.21, 0.84),
        MetaFusion=(45.43, 0.73, 0.47, 0.39, 1.40, 0.86),
        DeFusion=(51.33, 0.70, 0.59, 0.55, 1.47, 0.86),
        TarDAL=(58.41, 1.19, 0.56, 0.48, 0.37, 0.78),
        MMDRFuse=(65.67, 1.78, 0.59, 0.57, 0.39, 0.88),
    ),
    "mri_pet": _table(
        "MRI-PET",
        42,
        TextFusion=(60.1, 1.29, 0.63, 0.36, 0.38, 0.79),
        MUFusion=(60.81, 1.22, 0.43, 0.42, 0.38, 0.77),
        LRRNet=(48.30, 0.55, 0.37, 0.21, 0.22, 0.73),
        MetaFusion=(63.47, 1.26, 0.50, 0.51, 1.43, 0.77),
        DeFusion=(49.26, 1.11, 0.45, 0.45, 1.18, 0.64),
        TarDAL=(52.99, 1.1, 0.46, 0.45, 0.30, 0.84),
        MMDRFuse=(71.50, 1.72, 0.60, 0.56, 0.43, 0.81),
    ),
}


def find_published(dataset: str) -> PublishedTable | None:
    """The table of a data set by the beginning of its name: ``"MRI-PET"`` and ``"mri_pet_5"`` are both MRI-PET."""
    plain = "".join(c for c in dataset.casefold() if c.isalnum())
    for name, table in PUBLISHED_TABLES.items():
        if plain.startswith(name.replace("_", "")):
            return table
    return None
