"""The voxel values of a DICOM object: decoded by pydicom's plugins, in the unit that the header gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_modality_lut, get_decoder, iter_pixels
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID

from monai_fusion.data.dicom_codestream import check_codestream
from monai_fusion.data.dicom_plane import frame_groups
from monai_fusion.errors import InputError

__all__ = ["Scaling", "decode_frames"]

_CODECS = "pip install 'monai-fusion[codecs]'"


@dataclass(frozen=True)
class Scaling:
    """What stored values mean.

    The first real-world value map goes before the rescale, and that before nothing (as highdicom has it).

    Args:
        unit: of the values: the code of the map's unit (UCUM), else Units; empty where neither is given.
        maps: the labels of all real-world value maps, the one used first.
    """

    unit: str
    maps: tuple[str, ...]
    _map: Dataset | None
    _rescale: Dataset | None

    @classmethod
    def of_frame(cls, dataset: Dataset, frame: int | None) -> Scaling:
        """The scaling of a frame: a classic slice's own, or that of its functional groups."""
        groups = frame_groups(dataset, frame)
        maps = _first(groups, "RealWorldValueMappingSequence") or []
        if maps:
            units = maps[0].get("MeasurementUnitsCodeSequence")
            unit = str(units[0].get("CodeValue", "")) if units else ""
            return cls(unit, tuple(_label(item) for item in maps), maps[0], None)
        rescale = Dataset()
        for keyword in ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"):
            value = _first(groups, keyword)
            if value is not None:
                setattr(rescale, keyword, value)
        if "RescaleSlope" in rescale or "RescaleIntercept" in rescale:  # pydicom takes both or neither
            rescale.setdefault("RescaleSlope", 1)
            rescale.setdefault("RescaleIntercept", 0)
        return cls(str(_first(groups, "Units") or ""), (), None, rescale)

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Stored integers as real values.

        Raises:
            ValueError: the header cannot mean this.
        """
        if self._map is not None:
            return _apply_map(stored, self._map)
        rescale: Dataset = self._rescale or Dataset()
        if rescale.get("RescaleSlope") == 0 and stored.any():
            raise ValueError("its RescaleSlope is zero; repair the header")
        return apply_modality_lut(stored, rescale)


def _first(groups: Sequence[Dataset], keyword: str) -> Any:
    return next((value for group in groups if (value := group.get(keyword)) not in (None, "")), None)


def _label(item: Dataset) -> str:
    return str(item.get("LUTLabel") or item.get("LUTExplanation") or "without label")


def _apply_map(stored: np.ndarray, item: Dataset) -> np.ndarray:
    """A real-world value map (PS3.3 C.7.6.16.2.11): linear, or a table; without a meaning outside its range."""
    first, last = (
        float(item.get(f"DoubleFloatRealWorldValue{end}ValueMapped", item.get(f"RealWorldValue{end}ValueMapped")))
        for end in ("First", "Last")
    )
    if stored.min() < first or stored.max() > last:
        raise ValueError(f"its real-world value map covers {first:g} to {last:g} only; repair the header")
    table = item.get("RealWorldValueLUTData")
    if table is not None:
        return np.atleast_1d(np.asarray(table, dtype=np.float64))[stored.astype(np.int64) - int(first)]
    return stored * float(item.RealWorldValueSlope) + float(item.RealWorldValueIntercept)


def decode_frames(dataset: Dataset, file: object, frames: Sequence[int | None]) -> Iterator[tuple[np.ndarray, Scaling]]:
    """The values of some frames, in the order asked for.

    Args:
        dataset: with its pixels.
        file: for messages.
        frames: from 0; ``[None]`` for an object of one image.

    Returns:
        ``(rows, columns)`` float64 and what they mean, one frame at a time.

    Raises:
        InputError: no pixels, more than one value a voxel, MONOCHROME1, pixels that cannot be decoded, or a rescale
            that cannot be meant.
    """
    _check_pixels(dataset, file)
    images = iter_pixels(dataset, indices=None if frames[0] is None else [frame or 0 for frame in frames])
    for frame in frames:
        try:
            stored = next(images)
        except Exception as error:  # the decoders raise many kinds
            raise InputError(
                f"{file}: its pixels cannot be decoded, or the file is cut short ({error}); send it again"
            ) from error
        try:
            scaling = Scaling.of_frame(dataset, frame)
            yield scaling.apply(stored), scaling
        except ValueError as error:
            raise InputError(f"{file}: {error}") from error
        except Exception as error:  # pydicom raises many kinds on damaged values
            raise InputError(f"{file}: its values cannot be scaled ({error}); repair the header") from error


def _check_pixels(dataset: Dataset, file: object) -> None:
    if "PixelData" not in dataset:
        raise InputError(f"{file}: a DICOM object without pixels; choose another series")
    if dataset.get("SamplesPerPixel", 1) != 1:
        raise InputError(f"{file}: a colour image; a volume must have one value a voxel")
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        raise InputError(f"{file}: an inverted grey scale (MONOCHROME1); convert the series to MONOCHROME2")
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if not isinstance(syntax, UID):
        raise InputError(f"{file}: does not say how its pixels are stored (TransferSyntaxUID); send it again")
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError as error:
        raise InputError(f"{file}: its pixels are stored as {syntax.name}, which cannot be read; convert it") from error
    if not available:
        raise InputError(f"{file}: its pixels are compressed ({syntax.name}); to read them: {_CODECS}")
    if syntax.is_encapsulated:
        _check_codestreams(dataset, file)
    elif _surplus(dataset).strip(b"\0"):
        raise InputError(f"{file}: holds more pixels than its Rows, Columns and frames say; send it again")


def _check_codestreams(dataset: Dataset, file: object) -> None:
    offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    try:
        for codestream in generate_frames(
            dataset.PixelData,
            number_of_frames=int(dataset.get("NumberOfFrames") or 1),
            extended_offsets=None if None in offsets else offsets,
        ):
            check_codestream(codestream, dataset.file_meta.TransferSyntaxUID, dataset.Rows, dataset.Columns)
    except Exception as error:  # pydicom raises many kinds on damaged fragments
        raise InputError(f"{file}: its compressed pixels are damaged ({error}); send it again") from error


def _surplus(dataset: Dataset) -> bytes:
    """What follows the pixels that the header speaks of; a decoder would leave it out and bend the picture."""
    try:
        return bytes(dataset.PixelData[get_expected_length(dataset) :])
    except (AttributeError, TypeError, ValueError):
        return b""  # the decoder says what is missing
