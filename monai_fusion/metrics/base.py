"""What all fusion metrics share: the checks of their images, and the way into MONAI's evaluators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from monai.metrics.regression import RegressionMetric
from monai.utils import MetricReduction

from monai_fusion.errors import InputError
from monai_fusion.metrics.protocol import PROTOCOLS, clip_to_8bit

__all__ = ["CONSTANT", "FusionMetric", "fusion_metric", "is_constant"]

Formula = TypeVar("Formula", bound=Callable[..., torch.Tensor])

#: An image whose values differ by no more than this many grey levels counts as constant. The rounding error of float32
#: is smaller, the step of an 8-bit image 10,000 times larger.
CONSTANT = 1e-4


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fusion_metric(min_size: int = 1) -> Callable[[Formula], Formula]:
    """Makes a formula on float64 images a metric.

    Whatever the precision of the images, the formula is given them in float64: a variance taken as the mean of the
    squares less the square of the mean loses seven digits, and float32 has no more. The result comes back in the
    precision of the fused image (float32 for integers and half precision).

    On the CPU the images of a batch go one by one and in one thread: an image's intermediate results stay in the cache
    (three times faster, and no batch is too large), and hundreds of short operations do not wait for a second thread
    each (up to 20 times slower where something else needs the cores).

    An image that is not finite, or has a source that is not, gives NaN, and leaves the others of its batch alone.

    Args:
        min_size: rows and columns the formula needs.

    Raises:
        InputError: images not of one shape ``(N, 1, H, W)``, or too small.
    """

    def decorate(formula: Formula) -> Formula:
        @wraps(formula)
        def measure(
            fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor, **options: Any
        ) -> torch.Tensor:
            shapes = [tuple(image.shape) for image in (fused, source_a, source_b)]
            if len(set(shapes)) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 1:
                raise InputError(f"{formula.__name__}: fused image and sources of {shapes}, not all of (N, 1, H, W)")
            if min(shapes[0][2:]) < min_size:
                height, width = shapes[0][2:]
                raise InputError(f"{formula.__name__}: {height}x{width} pixels, needs at least {min_size}x{min_size}")

            images = [image.as_subclass(torch.Tensor) for image in (fused, source_a, source_b)]
            on_cpu = fused.device.type == "cpu"
            values = []
            with _one_thread() if on_cpu else nullcontext():
                for chunk in zip(*(image.split(1 if on_cpu else max(1, len(image))) for image in images)):
                    f, a, b = (image.double() for image in chunk)
                    finite = torch.stack([image.isfinite().flatten(1).all(dim=1) for image in (f, a, b)]).all(dim=0)
                    values.append(torch.where(finite, formula(f, a, b, **options), torch.nan))
            dtype = fused.dtype if fused.dtype in (torch.float32, torch.float64) else torch.float32
            return torch.cat(values).to(dtype)

        return cast(Formula, measure)

    return decorate


def is_constant(image: torch.Tensor) -> torch.Tensor:
    """Which images of a batch ``(N, 1, H, W)`` have a single grey level, within `CONSTANT`: ``(N,)``."""
    return image.amax(dim=(1, 2, 3)) - image.amin(dim=(1, 2, 3)) <= CONSTANT


class FusionMetric(RegressionMetric):
    """Base class of the metrics of fused images, for `monai.handlers.IgniteMetricHandler` and loops of one's own.

    As MONAI's `RegressionMetric` (a `CumulativeIterationMetric`), but ``y`` holds the two sources. In a bundle:

    .. code-block:: json

        "key_metric": {
            "SSIM": {
                "_target_": "IgniteMetricHandler",
                "metric_fn": {"_target_": "monai_fusion.metrics.FusionSSIM", "protocol": "product"},
                "output_transform": "$monai.handlers.from_engine(['pred', 'image'])"
            }
        }

    Every metric treats its two sources alike: the order of the channels of ``y`` does not matter.

    Args:
        protocol: how the values become grey levels of 0 to 255: ``"none"`` (they are that), or a name of
            `monai_fusion.metrics.protocol.PROTOCOLS` for values in [0, 1], as a bundle has them: ``"product"`` (what
            the user sees: clipped) or ``"paper"`` (the fused image stretched to its minimum and maximum).
        reduction: see `RegressionMetric`.
        get_not_nans: see `RegressionMetric`.

    Shape:
        ``y_pred`` ``(N, 1, H, W)``, ``y`` ``(N, 2, H, W)`` (or lists of ``(1, H, W)`` and ``(2, H, W)``), a call
        returns ``(N, 1)``.

    Raises:
        InputError: unknown protocol, or images of other shapes.
    """

    def __init__(
        self,
        protocol: str = "none",
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        super().__init__(reduction=reduction, get_not_nans=get_not_nans)
        if protocol != "none" and protocol not in PROTOCOLS:
            raise InputError(f"protocol {protocol!r}: choose one of none, {', '.join(PROTOCOLS)}")
        self.protocol = protocol

    @abstractmethod
    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        """The metric of each image: three times ``(N, 1, H, W)`` with values 0 to 255 gives ``(N,)``."""

    def _check_shape(self, y_pred: torch.Tensor, y: torch.Tensor) -> None:
        expected = (y_pred.shape[0], 2, *y_pred.shape[2:])
        if y_pred.ndim != 4 or y_pred.shape[1] != 1 or y.shape != expected:
            raise InputError(
                f"{type(self).__name__}: y_pred {tuple(y_pred.shape)} and y {tuple(y.shape)}, "
                "not a fused image (N, 1, H, W) and its sources (N, 2, H, W)"
            )

    def _compute_metric(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.protocol != "none":
            y_pred, y = PROTOCOLS[self.protocol](y_pred), clip_to_8bit(y)
        return self.measure(y_pred, y[:, :1], y[:, 1:])[:, None]
