from __future__ import annotations

import io
from copy import deepcopy

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

from monai_fusion.data import dicom_frames
from monai_fusion.data.dicom_frames import FrameStream

FRAMES = np.random.default_rng(0).integers(0, 256, (7, 5, 3, 3), np.uint8)  # 45 bytes a frame, 315 in all


def stream() -> FrameStream:
    return FrameStream(lambda start, stop: FRAMES[start:stop].tobytes(), len(FRAMES), FRAMES[0].size)


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
@pytest.mark.parametrize("size", [1, 44, 45, 46, 100, 1000, -1, None])
def test_reads_as_the_bytes_do(at_once: int, size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_frames, "_BYTES_AT_ONCE", at_once)
    plain, frames = io.BytesIO(FRAMES.tobytes() + b"\0"), stream()
    assert (frames.readable(), frames.seekable(), frames.seek(0, io.SEEK_END)) == (True, True, 316)
    for place in (0, 300, 90, 44, 316, 400):
        assert frames.seek(place) == plain.seek(place) == frames.tell()
        for _ in range(3):
            assert frames.read(size) == plain.read(size)
            assert frames.tell() == plain.tell()
    assert frames.seek(-16, io.SEEK_END) == 300
    assert frames.seek(-200, io.SEEK_CUR) == 100
    assert frames.read() == plain.getvalue()[100:]


def test_pydicom_writes_it_and_copies_it() -> None:
    value = stream()
    element = DataElement(0x7FE00010, "OB", value)
    value.read(50)  # a copy begins anew
    copy = deepcopy(element)
    for each in (DataElement(0x7FE00010, "OB", stream()), copy):
        file = DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, False
        write_data_element(file, each)
        assert file.getvalue()[12:] == FRAMES.tobytes() + b"\0"
        assert int.from_bytes(file.getvalue()[8:12], "little") == 316
