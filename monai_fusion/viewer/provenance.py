"""Where the picture comes from, in the words of the report, for a panel."""

from __future__ import annotations

from typing import Any

from monai_fusion.viewer.case import Case

__all__ = ["provenance"]

_READ = {
    "kind": "Kind",
    "modality": "Modality",
    "units": "Unit",
    "shape": "Voxels",
    "spacing_mm": "Spacing, mm",
    "file_count": "Files",
    "sha256": "SHA-256",
}
_MATCHED = {"rule": "Moved by", "verdict": "Verdict", "coverage": "Coverage", "similarity": "Similarity"}


def provenance(case: Case) -> dict[str, dict[str, str]]:
    """Tables by their titles: what was read, how it was scaled and matched, and by what it was fused."""
    report = case.result.report
    tables: dict[str, dict[str, Any]] = {}
    for role, title in (("mri", "MRI"), ("functional", "Functional image")):
        tables[title] = {label: report[role][name] for name, label in _READ.items() if report[role].get(name)}
        scaled = report["intensity"][role]
        tables[title]["Black and white"] = f"{scaled['low']:.6g} to {scaled['high']:.6g}: {scaled['rule']}"
    suv = report["functional"].get("suv", {})
    if suv:
        tables["SUV"] = {"Unit": suv["unit"], **({"Reason": suv["reason"]} if "reason" in suv else {})}
        for name, entry in suv.get("inputs", {}).items():
            tables["SUV"][name.replace("_", " ").capitalize()] = _with_origin(entry)
    found = report.get("registration", {})
    tables["Matching"] = {
        "Overlap": f"{report['overlap']:.0%}" if "overlap" in report else "pictures of one size",
        **{label: found[name] for name, label in _MATCHED.items() if found.get(name)},
    }
    if case.edited:
        tables["Edited by hand"] = dict.fromkeys(case.edited, "")
    versions = report["versions"]
    tables["Model and program"] = {
        "Model": f"{report['model']['name']} {report['model']['version']}",
        "Weights, SHA-256": report["model"]["sha256"],
        "Computed by": f"{report['backend']} on {report['device']}",
        "monai-fusion": versions["monai_fusion"],
        "MONAI, PyTorch": f"{versions.get('monai', '')}, {versions.get('torch', '')}",
    }
    return {title: {name: _text(value) for name, value in rows.items()} for title, rows in tables.items()}


def _with_origin(entry: dict[str, Any]) -> str:
    """``70 kg, from (0010,1030) PatientWeight``: a value or a range, and where it stands."""
    values = [_text(entry[key]) for key in ("value", "min", "max") if key in entry]
    number = " to ".join(dict.fromkeys(values))
    said = f"{number} {entry.get('unit', '')}".strip()
    return f"{said}{', ' if said else ''}{entry['from']}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " x ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(v)}" for name, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
