"""What `monai-fusion inspect` tells: the series of a study, and the pair that would be fused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.uid import UID

from monai_fusion.data.dicom_series import MODALITIES, DicomSeries, prefer_series
from monai_fusion.escaping import printable

__all__ = ["format_inspection", "inspect_series"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WIDEST = 32


def inspect_series(series: Sequence[DicomSeries]) -> dict[str, Any]:
    """The facts about all series and the choice among them, as JSON values; docs/dicom.md describes them.

    Nothing that identifies the patient is among them, but for what an institution writes into a description.
    """
    frames: dict[str, str] = {}
    for each in series:
        if each.frame_of_reference_uid and each.frame_of_reference_uid not in frames:
            frames[each.frame_of_reference_uid] = _letter(len(frames))
    choice = {role: _choose(series, role) for role in MODALITIES}
    by_uid = {each.uid: each.frame_of_reference_uid for each in series}
    references = [by_uid[each["series_uid"]] for each in choice.values() if each["series_uid"] is not None]
    both = len(references) == len(choice)
    return {
        "series": [_describe(each, frames.get(each.frame_of_reference_uid)) for each in series],
        "choice": choice,
        "same_frame_of_reference": len(set(references)) == 1 and references[0] != "" if both else None,
        "ready": both and all(each["option"] is None for each in choice.values()),
    }


def _letter(number: int) -> str:
    return _LETTERS[number] if number < len(_LETTERS) else f"#{number + 1}"


def _describe(series: DicomSeries, frame: str | None) -> dict[str, Any]:
    return {
        "number": series.number,
        "modality": series.modality,
        "description": series.description,
        "series_uid": series.uid,
        "study_uid": series.study_uid,
        "sop_class": UID(series.sop_class_uid).name,
        "image_type": series.image_type,
        "date": series.date,
        "matrix": None if series.matrix is None else list(series.matrix),
        "spacing_mm": None if series.spacing is None else list(series.spacing),
        "orientation": series.orientation,
        "slices": series.slices,
        "files": len(series.files),
        "volumes": [{"frame": k, "what": what, "slices": n} for k, (what, n) in enumerate(series.volumes)],
        "frame_of_reference": frame,
        "frame_of_reference_uid": series.frame_of_reference_uid,
        "attenuation_corrected": series.attenuation_corrected,
        "derived": series.derived,
        "not_a_volume": series.not_a_volume,
        "defect": series.defect,
        "notes": series.notes,
    }


def _choose(series: Sequence[DicomSeries], role: str) -> dict[str, Any]:
    """What `fuse` would choose without options, why, and the option that is needed if it would not."""
    modalities = MODALITIES[role]
    what = " or ".join(modalities)
    there = [each for each in series if each.modality in modalities]
    fitting, _ = prefer_series(series, modalities)
    if len(fitting) != 1:
        why = f"{len(fitting)} series fit" if fitting else f"there is no {what} volume"
        option = f"--{role}-series" if fitting else None
        fit = [each.uid for each in fitting]
        return {"series_uid": None, "why": why, "option": option, "fitting": fit, "passed_over": []}
    [chosen] = fitting
    others = [each for each in there if each is not chosen]
    passed = [{"series_uid": each.uid, "why": _why_not(each)} for each in others]
    why = f"the only {what} volume"
    if any(each.not_a_volume is None for each in others):
        why = f"the only {what} volume that is original and, if a PET, attenuation corrected"
    option = None
    if chosen.defect is not None:
        why, option = f"{why}, but: {chosen.defect}", f"--{role}-series"
    elif len(chosen.volumes) > 1:
        why, option = f"{why}; it holds {len(chosen.volumes)} volumes", f"--{role}-frame"
    return {"series_uid": chosen.uid, "why": why, "option": option, "fitting": [chosen.uid], "passed_over": passed}


def _why_not(series: DicomSeries) -> str:
    if series.not_a_volume is not None:
        return series.not_a_volume
    return "derived" if series.derived else "not attenuation corrected"


def format_inspection(facts: dict[str, Any]) -> list[str]:
    """A table of the series, and what would be fused, a line each."""
    rows = [("no.", "mod.", "description", "matrix", "spacing mm", "slices", "frame", "date", "notes")]
    for each in facts["series"]:
        rows.append(
            (
                "-" if each["number"] is None else str(each["number"]),
                printable(each["modality"]),
                printable(each["description"][:_WIDEST]),
                "-" if each["matrix"] is None else "x".join(map(str, each["matrix"])),
                "-" if each["spacing_mm"] is None else "x".join(f"{v:.4g}" for v in each["spacing_mm"]),
                str(each["slices"]),
                each["frame_of_reference"] or "-",
                printable(each["date"]),
                printable("; ".join(each["notes"])),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.append("")
    by_uid = {each["series_uid"]: each for each in facts["series"]}
    for role, choice in facts["choice"].items():
        chosen = by_uid.get(choice["series_uid"])
        name = f"{role + ':':12}"
        lines.append(f"{name} {'none' if chosen is None else _name(chosen)} ({choice['why']})")
        for passed in choice["passed_over"]:
            lines.append(f"{'':12} not {_name(by_uid[passed['series_uid']])} ({passed['why']})")
        if chosen is None and choice["option"]:
            lines += [f"{'':12} {choice['option']} {uid} for {_name(by_uid[uid])}" for uid in choice["fitting"]]
        elif chosen is not None and choice["option"] == f"--{role}-frame":
            for volume in chosen["volumes"]:
                lines.append(
                    f"{'':12} {choice['option']} {volume['frame']} for {volume['what']} ({volume['slices']} slices)"
                )
    if facts["same_frame_of_reference"] is not None:
        same = facts["same_frame_of_reference"]
        lines.append(
            f"{'both:':12} in one frame of reference: their coordinates agree"
            if same
            else f"{'both:':12} in different frames of reference: they must be registered"
        )
    return lines


def _name(series: dict[str, Any]) -> str:
    number = "without number" if series["number"] is None else str(series["number"])
    return f"series {number} {series['description'][:_WIDEST]!r}"
