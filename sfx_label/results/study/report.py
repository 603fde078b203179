"""The written report of a study, in Markdown and HTML, made from the numbers alone."""

from __future__ import annotations

import base64
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sfx_label.results.grid import Grid, one_line
from sfx_label.results.study.expense import cost_grid
from sfx_label.results.study.findings import findings
from sfx_label.results.study.outcome import Study
from sfx_label.results.study.schedule import duration
from sfx_label.results.study.store import write_json

__all__ = ["machine", "write_report"]

PACKAGES = ("sfx-label", "numpy", "keras", "tensorflow", "scikit-learn")
STYLE = (
    "body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse;font-size:.85em}td,th{border:1px solid #999;padding:.3em .6em;text-align:left;"
    "vertical-align:top}caption{font-weight:bold;text-align:left;padding:.5em 0}img{max-width:100%}"
)


@dataclass(frozen=True)
class Section:
    """One part of the report: sentences, tables and figures under a title."""

    title: str
    paragraphs: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    figures: tuple[str, ...] = ()


def write_report(study: Study) -> dict[str, Path]:
    """Write ``report.md``, ``report.html`` and ``study.json`` into the study's folder; return where they lie.

    Parameters
    ----------
    study
        Finished, or as far as it came.
    """
    sections = _sections(study)
    files = {kind: study.folder / name for kind, name in (("markdown", "report.md"), ("html", "report.html"))}
    files["markdown"].write_text(_markdown(study, sections), encoding="utf-8")
    files["html"].write_text(_html(study, sections), encoding="utf-8")
    files["json"] = study.folder / "study.json"
    write_json(files["json"], study.to_dict())
    return files


def machine() -> dict[str, Any]:
    """Return where figures were measured: system, processor, cores and versions."""
    found = {
        "system": platform.platform(terse=True),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 0,
        "Python": platform.python_version(),
    }
    return {**found, **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _sections(study: Study) -> tuple[Section, ...]:
    where = machine()
    sections = [Section("Runs and splits", _setting(study), (_run_grid(study),))]
    sections.append(Section("Findings", findings(study.tables, study.curves, study.costs)))
    for table in study.tables:
        sections.append(
            Section(f"Table {table.planned.number}", (), (table.grid(),), (f"curves table {table.planned.number}",))
        )
    costs = cost_grid(study.costs, {name: where[name] for name in ("processor", "cores", "tensorflow")})
    sections.append(Section("Table 6", (), (costs,)))
    if study.curves:
        grids = tuple(study.curves.grid(run) for run in study.curves.planned.runs)
        sections.append(Section("Learning curves", (), grids, tuple(f"learning {run}" for run in study.design.runs)))
    overlaps = tuple(
        Grid(f"Overlap of source and target, {name}", *_without_title(one.grid()))
        for name, one in study.drawings.overlaps.items()
    )
    figures = tuple(name for name in study.drawings.paths if name.startswith("figure"))
    sections.append(Section("Figures", (), overlaps, figures))
    versions = ", ".join(f"{name} {value}" for name, value in where.items())
    sections.append(Section("Machine and versions", (versions,)))
    return tuple(sections)


def _without_title(grid: Grid) -> tuple[Any, Any, Any]:
    return grid.columns, grid.rows, grid.notes


def _setting(study: Study) -> tuple[str, ...]:
    design = study.design
    order = "in file order, as in the paper" if design.order == "file" else "at random by seed"
    full, few = design.sizes.full, design.sizes.few
    lines = [
        f"Frames are split {order}: {full[0]} training and {full[1]} validation labels for fully supervised models, "
        f"{few[0]} and {few[1]} for weakly supervised ones; the others test. "
        f"Seeds: {', '.join(map(str, design.seeds))}. Preprocessing: {design.preset}."
    ]
    if design.options:
        lines.append(
            f"Settings other than the methods' defaults: {json.dumps(design.options, sort_keys=True, default=str)}."
        )
    runs = [data.run for data in study.workshop.runs.values()]
    if any(run.published and not run.is_original for run in runs):
        lines.append(
            "Some runs bear the name of a published one without being its file: the paper's figures beside them are of "
            "other frames, and stand for orientation only."
        )
    if not study.finished:
        lines.append("This study is not finished: the same call goes on from here.")
    return tuple(lines)


def _run_grid(study: Study) -> Grid:
    rows = tuple(
        ((name,), (one_line(data.run.path.name),), *((str(data.mix[label]),) for label in ("hit", "maybe", "miss")))
        for name, data in study.workshop.runs.items()
    )
    return Grid("", (("run",), ("file",), ("Hit",), ("Maybe",), ("Miss",)), rows)


def _heading(study: Study) -> tuple[str, str]:
    spent = sum(float(one.train_seconds or 0.0) * one.n for one in study.costs)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return "Study of weakly supervised frame classification", f"{when}; about {duration(spent)} of training."


def _markdown(study: Study, sections: tuple[Section, ...]) -> str:
    title, subtitle = _heading(study)
    parts = [f"# {title}", subtitle]
    for section in sections:
        parts += [f"## {section.title}", *section.paragraphs, *(grid.to_markdown() for grid in section.grids)]
        parts += [_markdown_figure(study, name) for name in section.figures if name in study.drawings.paths]
    return "\n\n".join(parts) + "\n"


def _markdown_figure(study: Study, name: str) -> str:
    path = study.drawings.paths[name].relative_to(study.folder).as_posix()
    caption = study.drawings.captions[name]
    return f"![{caption}]({path})\n\n*{caption}*"


def _html(study: Study, sections: tuple[Section, ...]) -> str:
    title, subtitle = _heading(study)
    body = [f"<h1>{escape(title)}</h1><p>{escape(subtitle)}</p>"]
    for section in sections:
        body.append(f"<h2>{escape(section.title)}</h2>")
        body += [f"<p>{escape(paragraph)}</p>" for paragraph in section.paragraphs]
        body += [grid.to_html() for grid in section.grids]
        body += [_html_figure(study.drawings.paths, study.drawings.captions, name) for name in section.figures]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _html_figure(paths: Mapping[str, Path], captions: Mapping[str, str], name: str) -> str:
    """Put the picture into the page itself, so that one file can be sent around."""
    if name not in paths:
        return ""
    data = base64.b64encode(paths[name].read_bytes()).decode("ascii")
    caption = escape(captions[name])
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )
