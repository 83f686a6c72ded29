"""The program that runs elastix, started by `monai_fusion.registration.elastix` and by nobody else.

It imports nothing of this package, so that it starts fast. In on stdin: a line of JSON ``{"seconds", "fixed",
"arrays"}``, the fixed and the moving voxels and the fixed mask in the shapes, (K, J, I), and types of ``arrays``, then
one line of JSON a job. Out on
stdout: one line of JSON a job: where the origin and the three unit points go, or null where elastix gave up. Nothing is
written to disk.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from typing import Any


def _image(itk: Any, array: Any, geometry: dict[str, Any]) -> Any:
    image = itk.image_from_array(array)  # (K, J, I)
    image.SetSpacing(geometry["spacing"])
    image.SetOrigin(geometry["origin"])
    image.SetDirection(itk.matrix_from_array(geometry["direction"]))
    return image


def _elastix() -> tuple[Any, Any, Any]:
    """ITK, elastix for 3-D float images and its parameters.

    By way of ``itk.ElastixRegistrationMethod`` it takes ten seconds, for that loads all of ITK; the modules that it
    consists of take two.
    """
    import itk

    try:
        from itk.elxParameterObjectPython import elastixParameterObject as parameters
        from itk.itkElastixRegistrationMethodPython import itkElastixRegistrationMethodIF3IF3 as method
    except ImportError:
        kind = itk.Image[itk.F, 3]
        method, parameters = itk.ElastixRegistrationMethod[kind, kind], itk.ParameterObject
    return itk, method, parameters


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints does not mix with the answers
    sys.path.pop(0)  # this script's folder
    import numpy as np

    stdin = sys.stdin.buffer
    task = json.loads(stdin.readline())
    if hasattr(signal, "alarm"):
        signal.alarm(int(task["seconds"]) + 1)  # also when nobody is left to end this process
    arrays = []
    for shape, kind in task["arrays"]:
        size = math.prod(shape) * np.dtype(kind).itemsize
        arrays.append(np.frombuffer(stdin.read(size), kind).reshape(shape))
    itk, method, parameters = _elastix()
    for line in stdin:
        job = json.loads(line)
        settings = parameters.New()
        maps = settings.GetDefaultParameterMap(job["transform"])
        for name, values in job["parameters"].items():
            maps[name] = values
        settings.AddParameterMap(maps)
        run = method.New()
        images = [
            _image(itk, array, {**geometry, "direction": np.array(geometry["direction"])})
            for array, geometry in zip(arrays, (task["fixed"], job["moving"], task["fixed"]))
        ]
        run.SetFixedImage(images[0])
        run.SetMovingImage(images[1])
        if job["transform"] == "affine":
            run.SetFixedMask(images[2])
        run.SetParameterObject(settings)
        run.SetLogToConsole(False)
        run.SetLogToFile(False)
        run.SetNumberOfThreads(1)
        try:
            run.UpdateLargestPossibleRegion()
            transform = run.GetCombinationTransform()
            points = [[0.0, 0.0, 0.0], *np.eye(3).tolist()]
            answer = [list(transform.TransformPoint(point)) for point in points]
        except RuntimeError:  # too few samples have a partner
            answer = None
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
