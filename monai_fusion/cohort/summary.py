"""The summary of a cohort: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import io
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from monai_fusion.atomic import write_beside
from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.store import StoredStudy
from monai_fusion.cohort.study import DONE, STATES

__all__ = ["group_causes", "write_summary"]

_SHEETS, _SHEET_WIDTH = 24, 640
_BINS, _BAR_WIDTH, _BAR_HEIGHT = 20, 24, 120
_IDS_SHOWN = 50
#: Names of studies may come from outside: should one ever get into the page unescaped, no browser runs it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { border: 1px solid #bbb; padding: .3em .6em; text-align: left; }
td.n { text-align: right; } figure { margin: 1em 0; } img { max-width: 100%; background: #000; } rect { fill: #47a; }"""


def group_causes(studies: Mapping[str, StoredStudy]) -> list[tuple[str, str, list[str]]]:
    """What is not done: state, cause and ids, the most frequent cause first."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for study in studies.values():
        if study.state != DONE:
            groups[study.state, study.cause].append(study.id)
    return [(*group, ids) for group, ids in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))]


def write_summary(folder: CohortFolder, studies: Mapping[str, StoredStudy]) -> None:
    """Writes ``report.html``: counts, failures by cause, warnings, times, and contact sheets of some studies.

    Args:
        folder: of the cohort.
        studies: those of the cohort by id.

    Raises:
        OutputError: it cannot be written.
    """
    counts = Counter(study.state for study in studies.values())
    parts = [
        "<h1>Cohort</h1><p>For research use only. Not for diagnostic use.</p>",
        _html_table(["state", "studies"], [(state, counts[state]) for state in STATES] + [("all", len(studies))]),
    ]
    causes = group_causes(studies)
    if causes:
        rows = [(state, len(ids), cause, _shorten(ids)) for state, cause, ids in causes]
        parts += ["<h2>Not done, by cause</h2>", _html_table(["state", "studies", "cause", "which"], rows)]
    warnings = Counter(warning for study in studies.values() for warning in study.warnings)
    if warnings:
        rows_of_warnings = [(n, warning) for warning, n in warnings.most_common()]
        parts += ["<h2>Warnings</h2>", _html_table(["studies", "warning"], rows_of_warnings)]
    done = [study for study in studies.values() if study.state == DONE]
    seconds = [study.seconds for study in done]
    if seconds:
        parts += [
            "<h2>Times</h2>",
            f"<p>Seconds a study in its worker: median {statistics.median(seconds):.2f}, longest {max(seconds):.2f}. "
            f"Most memory of a worker: {max(study.peak_mib for study in done):.0f} MiB.</p>",
            _histogram(seconds),
        ]
    parts += _contact_sheets(folder, done)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><title>Cohort</title><style>{_STYLE}</style>'
    )
    with write_beside(folder.report) as path:
        path.write_text(page + "\n".join(parts) + "</html>\n", encoding="utf-8")


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cell(value: object) -> str:
        return f'<td class="n">{value}</td>' if isinstance(value, int) else f"<td>{html.escape(str(value))}</td>"

    lines = ["<tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    lines += ["<tr>" + "".join(map(cell, row)) + "</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _shorten(ids: Sequence[str]) -> str:
    more = len(ids) - _IDS_SHOWN
    return ", ".join(ids[:_IDS_SHOWN]) + (f" and {more} more (cohort.sqlite has all)" if more > 0 else "")


def _histogram(seconds: Sequence[float]) -> str:
    """As SVG: bars of equal width from 0 to the longest time."""
    step = max(seconds) / _BINS or 1.0
    counts = Counter(min(int(value / step), _BINS - 1) for value in seconds)
    scale = _BAR_HEIGHT / max(counts.values())
    bars = "".join(
        f'<rect x="{i * _BAR_WIDTH}" y="{_BAR_HEIGHT - n * scale:.1f}" width="{_BAR_WIDTH - 2}" '
        f'height="{n * scale:.1f}">'
        f"<title>{i * step:.2f} to {(i + 1) * step:.2f} s: {n}</title></rect>"
        for i, n in sorted(counts.items())
    )
    ends = f'<text x="0" y="{_BAR_HEIGHT + 18}">0 s</text>'
    ends += f'<text x="{_BINS * _BAR_WIDTH}" y="{_BAR_HEIGHT + 18}" text-anchor="end">{max(seconds):.2f} s</text>'
    return f'<svg width="{_BINS * _BAR_WIDTH}" height="{_BAR_HEIGHT + 24}" role="img">{bars}{ends}</svg>'


def _contact_sheets(folder: CohortFolder, done: Sequence[StoredStudy]) -> list[str]:
    """Some studies, spread evenly, made small; the whole sheets lie beside the results."""
    from PIL import Image

    parts = []
    for study in done[:: -(-len(done) // _SHEETS) or 1]:
        results = folder.results(study.id, study.key or "")
        sheet = next((results / name for name in ("contact_sheet.png", "fused.png") if (results / name).exists()), None)
        if sheet is None:
            continue
        try:
            with Image.open(sheet, formats=("PNG",)) as image:
                small = image.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # it was changed since it was written
            continue
        small.thumbnail((_SHEET_WIDTH, _SHEET_WIDTH))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=80)
        data = base64.b64encode(file.getvalue()).decode()
        name, link = html.escape(study.id), html.escape(quote(sheet.relative_to(folder.path).as_posix()))
        parts.append(
            f'<figure><img alt="contact sheet of {name}" src="data:image/jpeg;base64,{data}">'
            f'<figcaption><a href="{link}">{name}</a></figcaption></figure>'
        )
    heading = f"<h2>Contact sheets</h2><p>{len(parts)} of {len(done)} studies that are done.</p>"
    return [heading, *parts] if parts else []
