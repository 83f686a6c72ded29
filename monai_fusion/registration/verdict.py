"""May a registration be trusted? The thresholds come from experiments on known displacements: docs/registration.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from monai_fusion.registration.starts import MIRRORED

__all__ = ["Evidence", "Verdict", "judge", "similarity_report"]

Verdict = Literal["good", "doubtful", "failed"]

_DISTANCE_MM = (1.0, 4.0)  # between restarts; the further fails
_COVERAGE = (0.95, 0.8)  # of the functional mask by the head; less fails
_BETTER = 0.005  # so much more similarity, relatively, is more than chance
_TURNED = -0.15  # the relative similarity of the likeliest half turn, which is far off in a true match
_CUT_OFF = 0.6
_SCALE = (0.9, 1.1)


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against a registration.

    Args:
        restarts_mm: how far from the result registrations from other starts end, mean over the head; None: nowhere.
        coverage: share of the functional mask that lies in the head.
        cut_off: share of the functional image's cross section that ends in a plane within the head.
        before, after: similarity by the headers (0 where they do not overlap), and of the result.
        mirrored: similarity of the mirrored image, at its best; None if it found no place.
        turned: the same for each half turn.
        scales: the singular values of the transform: 1 if it is rigid.
    """

    restarts_mm: list[float | None]
    coverage: float
    cut_off: float
    before: float
    after: float
    mirrored: float | None
    turned: dict[str, float | None]
    scales: list[float]

    def beside(self, similarity: float | None) -> float:
        """A similarity relative to that of the result, both above that of unrelated images, which is 1."""
        if similarity is None:
            return -1.0
        return (similarity - 1) / max(self.after - 1, 1e-9) - 1

    def report(self) -> dict[str, Any]:
        """JSON values, rounded to what is significant."""
        return {
            "similarity": similarity_report(self.before, self.after),
            "coverage": round(self.coverage, 4),
            "cut_off": round(self.cut_off, 4),
            "restarts_mm": [None if mm is None else round(mm, 3) for mm in self.restarts_mm],
            "alternatives": {
                name: None if value is None else round(value, 4)
                for name, value in {MIRRORED: self.mirrored, **self.turned}.items()
            },
            "scales": [round(scale, 4) for scale in self.scales],
        }


def similarity_report(before: float, after: float) -> dict[str, float | None]:
    """Similarities by the headers and by a transform; None where the images do not overlap."""
    return {"before": round(before, 4) if before else None, "after": round(after, 4) if after else None}


def judge(evidence: Evidence) -> tuple[Verdict, list[str]]:
    """The verdict, and what in the evidence speaks against "good", in words.

    Returns:
        ``"failed"`` if anything rules it out, ``"doubtful"`` if anything speaks against it, else ``"good"``.
    """
    doubts: list[str] = []
    failures: list[str] = []

    def weigh(text: str, doubtful: bool, failed: bool = False) -> None:
        if doubtful or failed:
            (failures if failed else doubts).append(text)

    distances = [mm for mm in evidence.restarts_mm if mm is not None]
    if len(distances) < len(evidence.restarts_mm):
        weigh("from another start no match was found", True)
    if distances:
        worst = max(distances)
        weigh(f"other starts end {worst:.1f} mm away", worst > _DISTANCE_MM[0], worst > _DISTANCE_MM[1])
    share = evidence.coverage
    weigh(f"only {share:.0%} of the uptake lies in the head", share < _COVERAGE[0], share < _COVERAGE[1])
    weigh(
        f"the functional image ends in a plane within the head ({evidence.cut_off:.0%} of its cross section)",
        evidence.cut_off > _CUT_OFF,
    )
    weigh("the images match better by their headers", evidence.beside(evidence.before) > _BETTER)
    wrong = {MIRRORED: evidence.mirrored, **evidence.turned}
    likeliest = max(wrong, key=lambda name: evidence.beside(wrong[name]))
    beside = evidence.beside(wrong[likeliest])
    if beside > _BETTER:
        weigh(f"the functional image matches better {likeliest}", True, True)
    else:
        weigh("the images do not tell left from right", evidence.beside(evidence.mirrored) > -_BETTER)
        turned = max(evidence.beside(similarity) for similarity in evidence.turned.values())
        weigh("the functional image matches nearly as well upside down or back to front", turned > _TURNED)
    smallest, largest = min(evidence.scales), max(evidence.scales)
    weigh(f"the head is scaled by {smallest:.2f} to {largest:.2f}", smallest < _SCALE[0] or largest > _SCALE[1])
    return ("failed" if failures else "doubtful" if doubts else "good"), failures + doubts
