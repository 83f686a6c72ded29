"""The metrics of fused images as one writes them down from the papers: NumPy, SciPy and scikit-image, two-dimensional
convolutions, nothing shared between sources. What `monai_fusion.metrics` is timed against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage, signal, stats
from skimage.metrics import structural_similarity

__all__ = ["PLAIN_METRICS"]

#: Fused image and source, ``(H, W)`` float64, grey levels of 0 to 255.
OfOneSource = Callable[[np.ndarray, np.ndarray], float]


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def scd(fused: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    return correlation(fused - b, a) + correlation(fused - a, b)


def vif(fused: np.ndarray, source: np.ndarray) -> float:
    kept = present = 0.0
    for scale in (1, 2, 3, 4):
        size = 2 ** (5 - scale) + 1
        t = np.arange(size) - size // 2
        window = np.exp(-(t[:, None] ** 2 + t**2) / (2 * (size / 5) ** 2))
        window /= window.sum()
        if scale > 1:
            fused, source = (signal.convolve2d(x, window, mode="valid")[::2, ::2] for x in (fused, source))
        mean_f, mean_s = (signal.convolve2d(x, window, mode="valid") for x in (fused, source))
        variance_f = np.maximum(signal.convolve2d(fused * fused, window, mode="valid") - mean_f**2, 0)
        variance_s = np.maximum(signal.convolve2d(source * source, window, mode="valid") - mean_s**2, 0)
        covariance = signal.convolve2d(fused * source, window, mode="valid") - mean_f * mean_s
        gain = covariance / (variance_s + 1e-10)
        noise = variance_f - gain * covariance
        gain[variance_s < 1e-10] = 0
        noise[variance_s < 1e-10] = variance_f[variance_s < 1e-10]
        variance_s[variance_s < 1e-10] = 0
        gain[variance_f < 1e-10] = 0
        noise[variance_f < 1e-10] = 0
        noise[gain < 0] = variance_f[gain < 0]
        gain[gain < 0] = 0
        noise[noise <= 1e-10] = 1e-10
        kept += np.log10(1 + gain**2 * variance_s / (noise + 2)).sum()
        present += np.log10(1 + variance_s / 2).sum()
    return float(kept / present)


def sobel(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = (ndimage.sobel(image, axis, mode="constant") for axis in (1, 0))
    return np.hypot(x, y), np.where(x == 0, np.pi / 2, np.arctan(-y / np.where(x == 0, 1, x)))


def qabf(fused: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    kept = present = 0.0
    strength_f, angle_f = sobel(fused)
    for source in (a, b):
        strength, angle = sobel(source)
        larger = np.maximum(strength, strength_f)
        ratio = np.minimum(strength, strength_f) / np.where(larger == 0, 1, larger)
        strength_kept = np.where(strength == strength_f, 1, 1 / (1 + np.exp(-15 * (ratio - 0.5))))
        angle_kept = 1 / (1 + np.exp(-22 * (1 - abs(angle - angle_f) * 2 / np.pi - 0.8)))
        kept += (0.9994 * 0.9879 * strength_kept * angle_kept * strength).sum()
        present += strength.sum()
    return kept / present


def ssim(fused: np.ndarray, source: np.ndarray, data_range: float = 255) -> float:
    return float(structural_similarity(fused, source, data_range=data_range))


def gmsd(fused: np.ndarray, source: np.ndarray) -> float:
    prewitt = np.array([[1, 0, -1]] * 3) / 3
    strengths = []
    for image in (fused, source):
        halved = signal.convolve2d(image, np.full((2, 2), 0.25), mode="full")[1:, 1:][::2, ::2]
        x, y = (signal.convolve2d(halved, kernel, mode="same") for kernel in (prewitt, prewitt.T))
        strengths.append(np.sqrt(x**2 + y**2))
    m, n = strengths
    return float(np.std((2 * m * n + 170) / (m**2 + n**2 + 170)))


def entropy(fused: np.ndarray) -> float:
    return float(stats.entropy(np.histogram(fused, bins=np.arange(257) - 0.5)[0], base=2))


def mutual_information(fused: np.ndarray, source: np.ndarray) -> float:
    joint = np.histogram2d(fused.ravel(), source.ravel(), bins=np.arange(257) - 0.5)[0]
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float(stats.entropy(joint.ravel(), independent.ravel(), base=2))


def spatial_frequency(fused: np.ndarray) -> float:
    return float(np.sqrt((np.diff(fused, axis=0) ** 2).mean() + (np.diff(fused, axis=1) ** 2).mean()))


def average_gradient(fused: np.ndarray) -> float:
    down, across = np.gradient(fused)
    return float(np.sqrt((down**2 + across**2) / 2).mean())


def of_both(measure: OfOneSource) -> Callable[[np.ndarray, np.ndarray, np.ndarray], float]:
    return lambda fused, a, b: measure(fused, a) + measure(fused, b)


#: By the names of `monai_fusion.metrics.METRICS`: of a fused image and its two sources, each ``(H, W)`` float64.
PLAIN_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "SD": lambda f, a, b: float(np.std(f)),
    "SCD": scd,
    "VIF": of_both(vif),
    "Qabf": qabf,
    "SSIM": of_both(ssim),
    "SSIM_range2": of_both(lambda f, s: ssim(f, s, data_range=2)),
    "CC": lambda f, a, b: (correlation(f, a) + correlation(f, b)) / 2,
    "GMSD": of_both(gmsd),
    "EN": lambda f, a, b: entropy(f),
    "MI": of_both(mutual_information),
    "SF": lambda f, a, b: spatial_frequency(f),
    "AG": lambda f, a, b: average_gradient(f),
}
