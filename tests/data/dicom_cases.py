"""Every kind of DICOM that the reader must read right or refuse: one entry for each row of docs/dicom.md.

All hold `VOLUME` on `GRID`, an oblique one with three different spacings, unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from dicom_objects import (
    DIFFUSION,
    DYNAMIC,
    ECHOES,
    GRID,
    SHAPE,
    SLOPES,
    VOLUME,
    backwards,
    classic,
    compress,
    compressed,
    compressed_by_dcmtk,
    echoes_enhanced,
    edit,
    enhanced,
    gated,
    heart,
    item,
    later,
    legacy,
    narrow_map,
    nm,
    real_world_map,
    report,
    round_again,
    secondary_capture,
    several,
    temporal,
    touched,
    without_preamble,
    zipped,
)
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)


@dataclass(frozen=True)
class Right:
    """Input that must be read.

    Args:
        path: what is given to the reader.
        volume: its true values, (column, row, slice).
        grid: 4x4, indices of `volume` to LPS.
        role, options: of the reader.
        facts: what the report must say among other things.
        judges: other libraries that read it right too, to compare with: ``"itk"``, ``"highdicom"``.
        warns: words of its only warning, if it has one.
    """

    path: Path | list[Path]
    volume: np.ndarray = field(default_factory=lambda: VOLUME.astype(float))
    grid: np.ndarray = field(default_factory=lambda: GRID)
    role: str = "mri"
    options: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    judges: tuple[str, ...] = ()
    warns: str = ""


@dataclass(frozen=True)
class Refused:
    """Input that must be refused, with these words."""

    path: Path | list[Path]
    says: tuple[str, ...]
    role: str = "mri"
    options: dict[str, Any] = field(default_factory=dict)


THIRD = VOLUME + 6000.0
SCALED = VOLUME * np.array(SLOPES)
UNEVEN = [0.0, 1.0, 2.0, 3.0, 5.0, 6.0]
"""Places of the slices, in slice distances: one is missing."""
TILTED = GRID.copy()
TILTED[:3, 2] += GRID[:3, 1] * 0.2


def filled() -> np.ndarray:
    """`VOLUME` at `UNEVEN`, with the missing slice halfway between its neighbours."""
    volume = VOLUME.astype(float)
    return np.concatenate([volume[..., :4], (volume[..., 3:4] + volume[..., 4:5]) / 2, volume[..., 4:]], axis=2)


READ: dict[str, Callable[[Path], Right]] = {
    "MR, one file a slice, oblique, names and instance numbers out of order": lambda d: Right(
        classic(d / "s"), judges=("itk", "highdicom"), facts={"modality": "MR", "units": ""}
    ),
    "MR, slices stored against their normal": lambda d: Right(
        classic(d / "s", grid=backwards()), grid=backwards(), judges=("itk", "highdicom")
    ),
    "CT, rescale intercept -1024": lambda d: Right(
        classic(d / "s", modality="CT", RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"),
        VOLUME - 1024.0,
        judges=("itk", "highdicom"),
        facts={"modality": "CT"},
    ),
    "PET, slope 1 in the first slice, fractions in the others": lambda d: Right(
        classic(
            d / "s",
            modality="PT",
            slice_tags=lambda k: {"RescaleSlope": SLOPES[k], "RescaleIntercept": 0, "Units": "BQML"},
        ),
        SCALED,
        role="functional",
        judges=("highdicom",),
        facts={"units": "BQML"},
    ),
    "PET, slope without intercept": lambda d: Right(
        classic(d / "s", modality="PT", RescaleSlope=0.5), VOLUME * 0.5, role="functional"
    ),
    "real-world value map": lambda d: Right(
        classic(d / "s", RealWorldValueMappingSequence=[real_world_map("T1", "ms", 0.25, 3)], RescaleSlope=7),
        VOLUME * 0.25 + 3,
        judges=("highdicom",),
        facts={"units": "ms", "real_world_value_map": "T1"},
    ),
    "several real-world value maps: the first, with a warning": lambda d: Right(
        classic(
            d / "s",
            RealWorldValueMappingSequence=[real_world_map("T1", "ms", 0.25), real_world_map("R1", "/s", 4)],
        ),
        VOLUME * 0.25,
        judges=("highdicom",),
        facts={"units": "ms", "real_world_value_map": "T1"},
        warns="2 real-world value maps; the first was used, in ms",
    ),
    "Enhanced MR, frames stored out of order": lambda d: Right(
        enhanced(d / "e.dcm", order=[3, 0, 5, 1, 4, 2]), judges=("highdicom",)
    ),
    "Enhanced MR, frames in order": lambda d: Right(enhanced(d / "e.dcm"), judges=("highdicom", "itk")),
    "Enhanced PET, a slope for each frame": lambda d: Right(
        enhanced(
            d / "e.dcm",
            modality="PT",
            frame_tags=lambda k: {
                "PixelValueTransformationSequence": item(RescaleSlope=SLOPES[k], RescaleIntercept=2, RescaleType="US")
            },
        ),
        SCALED + 2,
        role="functional",
        judges=("highdicom",),
    ),
    "Enhanced PET, a real-world value map for each frame": lambda d: Right(
        enhanced(
            d / "e.dcm",
            modality="PT",
            frame_tags=lambda k: {"RealWorldValueMappingSequence": real_world_map("activity", "Bq/ml", SLOPES[k])},
        ),
        SCALED,
        role="functional",
        judges=("highdicom",),
        facts={"units": "Bq/ml"},
    ),
    "Enhanced CT": lambda d: Right(
        enhanced(
            d / "e.dcm",
            modality="CT",
            frame_tags=lambda k: {
                "PixelValueTransformationSequence": item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
            },
        ),
        VOLUME - 1024.0,
        judges=("highdicom", "itk"),
    ),
    "legacy converted enhanced MR": lambda d: Right(legacy(d, "MR"), judges=("highdicom", "itk")),
    "legacy converted enhanced PET": lambda d: Right(
        legacy(d, "PT"), SCALED - 8, role="functional", judges=("highdicom",)
    ),
    "legacy converted enhanced CT": lambda d: Right(legacy(d, "CT"), SCALED - 8, judges=("highdicom",)),
    "SPECT (NM RECON TOMO)": lambda d: Right(nm(d / "n.dcm"), role="functional", judges=("itk",)),
    "SPECT, negative SpacingBetweenSlices": lambda d: Right(
        nm(d / "n.dcm", between=-4.0), grid=backwards(), role="functional", judges=("itk",)
    ),
    "SPECT, real-world value map": lambda d: Right(
        nm(d / "n.dcm", RealWorldValueMappingSequence=[real_world_map("activity", "Bq/ml", 0.5)]),
        VOLUME * 0.5,
        role="functional",
        facts={"units": "Bq/ml"},
    ),
    "gated SPECT, a time slot chosen": lambda d: Right(
        gated(d / "n.dcm"),
        VOLUME + 3000.0,
        role="functional",
        options={"frame": 1},
        facts={"frame_label": "time slot 2"},
    ),
    "several echoes, one chosen": lambda d: Right(
        several(d / "s", ECHOES), THIRD, options={"frame": 2}, facts={"frame_label": "echo time 6.9 ms"}
    ),
    "b-values and directions, one chosen": lambda d: Right(
        several(d / "s", DIFFUSION),
        THIRD - 3000,
        options={"frame": 2},
        facts={"frame_label": "b-value 1000 s/mm2, gradient direction 1 0 0"},
    ),
    "dynamic PET, a time chosen": lambda d: Right(
        several(d / "s", DYNAMIC, "PT"),
        THIRD,
        role="functional",
        options={"frame": 2},
        facts={"frame_label": "frame reference time 150000 ms"},
    ),
    "trigger times that differ from slice to slice, a phase chosen": lambda d: Right(
        heart(d / "s"), THIRD, options={"frame": 2}
    ),
    "magnitude and phase, one chosen": lambda d: Right(
        several(d / "s", [{"ImageType": ["ORIGINAL", "PRIMARY", part]} for part in "MP"]),
        THIRD - 3000,
        options={"frame": 1},
        facts={"frame_label": "image type P"},
    ),
    "Enhanced MR of several time points, one chosen": lambda d: Right(
        temporal(d / "e.dcm"), THIRD, options={"frame": 2}, facts={"frame_label": "temporal position 3"}
    ),
    "Enhanced MR of several echoes, one chosen": lambda d: Right(
        echoes_enhanced(d / "e.dcm"), THIRD - 3000, options={"frame": 1}, facts={"frame_label": "echo time 5 ms"}
    ),
    "Enhanced MR with a dimension of its own, one chosen": lambda d: Right(
        enhanced(d / "e.dcm", round_again(2), dimensions=["EffectiveEchoTime"]),
        THIRD - 3000,
        options={"frame": 1},
        facts={"frame_label": "dimension index 2"},
    ),
    "an Enhanced MR for each time point, one chosen": lambda d: Right(
        later(d / "s"), THIRD - 3000, options={"frame": 1}, facts={"frame_label": "acquisition 2"}
    ),
    "a missing slice, interpolated": lambda d: Right(
        classic(d / "s", places=UNEVEN),
        filled(),
        options={"uneven": "resample"},
        warns="interpolated along their normal",
    ),
    "RLE": lambda d: Right(compressed(d / "s", RLELossless), judges=("highdicom",)),
    "JPEG-LS": lambda d: Right(compressed(d / "s", JPEGLSLossless), judges=("highdicom",)),
    "JPEG 2000": lambda d: Right(compressed(d / "s", JPEG2000Lossless), judges=("highdicom",)),
    "Enhanced MR, JPEG 2000": lambda d: Right(
        compress(enhanced(d / "e.dcm", order=[3, 0, 5, 1, 4, 2]), JPEG2000Lossless), judges=("highdicom",)
    ),
    "JPEG lossless": lambda d: Right(compressed_by_dcmtk(d / "s"), judges=("highdicom",)),
    "deflated": lambda d: Right(classic(d / "s", syntax=DeflatedExplicitVRLittleEndian), judges=("highdicom",)),
    "big endian": lambda d: Right(classic(d / "s", syntax=ExplicitVRBigEndian)),
    "implicit VR": lambda d: Right(classic(d / "s", syntax=ImplicitVRLittleEndian), judges=("itk", "highdicom")),
    "`.dcm` files without preamble": lambda d: Right(without_preamble(d / "s")),
    "a zip": lambda d: Right(zipped(classic(d / "s"))),
    "a SPECT in a zip": lambda d: Right(zipped(nm(d / "s" / "n.dcm").parent), role="functional"),
    "a list of files": lambda d: Right(sorted(classic(d / "s").iterdir())),
}

LIE = ("ImagePositionPatient", "so its place in the patient is unknown")

REFUSED: dict[str, Callable[[Path], Refused]] = {
    "a missing slice": lambda d: Refused(
        classic(d / "s", places=UNEVEN), ("8.000 mm between", "a slice is missing", "--mri-uneven resample")
    ),
    "unevenly spaced slices": lambda d: Refused(
        classic(d / "s", places=[0, 1, 2, 3, 4, 5.2]), ("4.800 mm between", "unevenly spaced", "--mri-uneven resample")
    ),
    "a hole of four slices, also to interpolate": lambda d: Refused(
        classic(d / "s", places=[0, 1, 2, 3, 8, 9]), ("20.000 mm", "too many"), options={"uneven": "resample"}
    ),
    "a slice twice": lambda d: Refused(
        classic(d / "s", places=[0, 1, 2, 3, 3, 4]), ("lie at the same place", "take one of them out")
    ),
    "two echoes whose slices interleave": lambda d: Refused(
        classic(d / "s", slice_tags=lambda k: {"EchoTime": [2.3, 4.6][k % 2]}),
        ("differ in echo time (2.3 ms to 4.6 ms)", "split the series"),
    ),
    "gantry tilt": lambda d: Refused(classic(d / "s", grid=TILTED), ("gantry tilt",)),
    "a localiser": lambda d: Refused(
        classic(d / "s", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), ("localiser is no volume", "choose another")
    ),
    "mixed orientations": lambda d: Refused(
        edit(classic(d / "s"), "3.dcm", ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), ("3.dcm", "another orientation")
    ),
    "mixed matrix sizes": lambda d: Refused(
        edit(classic(d / "s"), "3.dcm", Rows=37, Columns=34), ("3.dcm", "another matrix size")
    ),
    "mixed pixel spacings": lambda d: Refused(
        edit(classic(d / "s"), "3.dcm", PixelSpacing=[1, 1]), ("3.dcm", "another PixelSpacing")
    ),
    "mixed frames of reference": lambda d: Refused(
        edit(classic(d / "s"), "3.dcm", FrameOfReferenceUID="1.2.3"), ("3.dcm", "another frame of reference")
    ),
    "no position": lambda d: Refused(edit(classic(d / "s"), ImagePositionPatient=None), LIE),
    "inverted grey scale (MONOCHROME1)": lambda d: Refused(
        edit(classic(d / "s"), PhotometricInterpretation="MONOCHROME1"), ("MONOCHROME1", "convert the series")
    ),
    "a single slice": lambda d: Refused(classic(d / "s", VOLUME[:, :, :1]), ("a single slice", "name the folder")),
    "a maximum intensity projection": lambda d: Refused(
        classic(d / "s", ImageType=["DERIVED", "SECONDARY", "MIP"]), ("projection is no volume",)
    ),
    "a PET reprojection": lambda d: Refused(
        classic(d / "s", modality="PT", SeriesType=["STATIC", "REPROJECTION"]),
        ("projection is no volume",),
        role="functional",
    ),
    "a mosaic": lambda d: Refused(
        classic(d / "s", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), ("mosaic of slices is no volume",)
    ),
    "a screenshot (secondary capture)": lambda d: Refused(secondary_capture(d / "sc.dcm"), LIE),
    "a report (no images)": lambda d: Refused(report(d / "sr.dcm"), ("holds no images", "choose another series")),
    "several echoes": lambda d: Refused(
        several(d / "s", ECHOES),
        ("3 volumes", "--mri-frame N", "0: echo time 2.3 ms (6 slices)", "1: echo time 4.6 ms", "2: echo time 6.9 ms"),
    ),
    "an echo that is not there": lambda d: Refused(
        several(d / "s", ECHOES), ("there is no frame 3", "2: echo time 6.9 ms"), options={"frame": 3}
    ),
    "b-values and directions": lambda d: Refused(
        several(d / "s", DIFFUSION),
        ("3 volumes", "0: b-value 0 s/mm2", "2: b-value 1000 s/mm2, gradient direction 1 0 0"),
    ),
    "dynamic PET": lambda d: Refused(
        several(d / "s", DYNAMIC, "PT"),
        ("3 volumes", "--functional-frame N", "0: frame reference time 30000 ms"),
        role="functional",
    ),
    "Enhanced MR of several time points": lambda d: Refused(
        temporal(d / "e.dcm"), ("3 volumes", "0: temporal position 1 (6 slices)")
    ),
    "gated SPECT": lambda d: Refused(
        gated(d / "n.dcm"), ("2 volumes", "--functional-frame N", "0: time slot 1"), role="functional"
    ),
    "units that differ from slice to slice": lambda d: Refused(
        classic(d / "s", modality="PT", slice_tags=lambda k: {"RescaleSlope": 1, "Units": ["BQML", "CNTS"][k % 2]}),
        ("different units (BQML, CNTS)",),
        role="functional",
    ),
    "values beyond their real-world value map": lambda d: Refused(
        classic(d / "s", RealWorldValueMappingSequence=[narrow_map()]), ("covers 0 to 99 only", "repair the header")
    ),
    "a slope of zero": lambda d: Refused(
        classic(d / "s", modality="PT", RescaleSlope=0), ("RescaleSlope is zero",), role="functional"
    ),
    "SPECT without SpacingBetweenSlices": lambda d: Refused(
        nm(d / "n.dcm", SpacingBetweenSlices=None), ("has no SpacingBetweenSlices",), role="functional"
    ),
    "SPECT, slices out of order in SliceVector": lambda d: Refused(
        nm(d / "n.dcm", SliceVector=list(range(SHAPE[2], 0, -1))), ("does not count from 1 upwards",), role="functional"
    ),
    "SPECT without a place": lambda d: Refused(nm(d / "n.dcm", DetectorInformationSequence=[]), LIE, role="functional"),
    **{
        f"NM {kind}": lambda d, kind=kind: Refused(  # type: ignore[misc]
            nm(d / "n.dcm", kind=kind), (f"NM {kind} is no volume", "RECON TOMO"), role="functional"
        )
        for kind in ("TOMO", "GATED TOMO", "DYNAMIC", "WHOLE BODY", "STATIC", "GATED")
    },
    "a list of a series and a picture": lambda d: Refused(
        [*classic(d / "s").iterdir(), touched(d / "a.png")], ("a.png", "only the files of a DICOM series")
    ),
}
