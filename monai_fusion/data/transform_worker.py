"""The program that reads an ITK transform, started by `monai_fusion.data.transform_file` and by nobody else.

HDF5's library can break down on a damaged file and take its process with it, or loop without an end. Out on stdout: one
line of JSON, where the origin and the three unit points go, or null where the transform is not linear, or not of 3-D
space. Imports nothing of this package.
"""

from __future__ import annotations

import json
import sys

_SECONDS, _BYTES = 5, 4 << 30


def _limit() -> None:
    """Ends this process, whatever the library does and whoever is left to wait for it."""
    try:
        import resource
    except ImportError:  # Windows; there the caller's time limit is all
        return
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (_BYTES, _BYTES))


def main() -> int:
    sys.path.pop(0)  # this script's folder
    import SimpleITK as sitk

    _limit()
    try:
        transform = sitk.ReadTransform(sys.argv[1])
    except RuntimeError:  # not readable
        return 1
    answer = None
    if transform.GetDimension() == 3 and transform.IsLinear():
        points = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
        answer = [list(transform.TransformPoint(point)) for point in points]
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
