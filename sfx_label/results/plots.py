"""Figures: the paper's Figs. 8-10, recall curves, reliability and learning curves.

Everything draws into given axes or makes a free-standing ``Figure``; nothing touches pyplot, so a figure can be made in
any thread and never leaks into a notebook's state. Series differ by colour (Okabe and Ito's, safe for colour-blind
readers), marker and line style at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import Label
from sfx_label.results.curves import mean_curve, recall_curve, reliability
from sfx_label.results.evaluation import Evaluation
from sfx_label.results.grid import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sfx_label.results.embedding import Embedding
    from sfx_label.results.overlap import Overlap

__all__ = [
    "embedding_panels",
    "plot_embedding",
    "plot_precision",
    "plot_profiles",
    "plot_recall",
    "plot_reliability",
    "plot_training",
    "style",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C510A")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LN2 = math.log(2)  # loss of a domain classifier that tosses a coin
Results = Evaluation | Sequence[Evaluation]


def style(number: int) -> dict[str, Any]:
    """Return colour, line style and marker of the ``number``-th series.

    Parameters
    ----------
    number
        From 0; repeats after eight.
    """
    at = number % len(COLOURS)
    return {"color": COLOURS[at], "linestyle": LINES[at], "marker": MARKERS[at]}


def new_axes(
    rows: int = 1, columns: int = 1, *, width: float = 5.2, height: float = 4.0
) -> tuple[Figure, NDArray[Any]]:
    """Return a free-standing figure and its (rows, columns) axes.

    Parameters
    ----------
    rows, columns
        Panels.
    width, height
        Of one panel in inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _axes(ax: Axes | None) -> Axes:
    return new_axes()[1][0, 0] if ax is None else ax


def _as_list(results: Results) -> list[Evaluation]:
    return [results] if isinstance(results, Evaluation) else list(results)


def plain(text: str) -> str:
    """Return a name as matplotlib shows it literally: no mathematics between dollar signs.

    Parameters
    ----------
    text
        A name from a file or a person.
    """
    return one_line(text).replace("$", r"\$")


def plot_profiles(
    vectors: NDArray[Any], labels: NDArray[Any], axes: Sequence[Axes] | None = None, *, examples: int = 3, seed: int = 0
) -> Sequence[Axes]:
    """Draw row-wise decomposition profiles by class: single frames and the median of the class (paper, Fig. 8).

    Parameters
    ----------
    vectors
        (n, rows) RWD vectors.
    labels
        (n,) labels.
    axes
        Three axes, for Miss, Maybe and Hit; made if not given.
    examples
        Frames drawn in each.
    seed
        Which frames.
    """
    panels = list(new_axes(1, 3, width=4.2, height=3.0)[1][0]) if axes is None else list(axes)
    rng = np.random.default_rng(seed)
    known = vectors[np.isfinite(vectors).all(axis=1)]
    top = float(known.max()) if len(known) else 1.0
    for ax, label in zip(panels, Label, strict=True):
        of_class = vectors[np.asarray(labels) == label]
        for number, frame in enumerate(rng.permutation(len(of_class))[:examples]):
            ax.plot(of_class[frame], linewidth=0.6, alpha=0.8, **{**style(number), "marker": "", "linestyle": "-"})
        if len(of_class):
            ax.plot(np.nanmedian(of_class, axis=0), color="black", linewidth=1.6, label="median of the class")
            ax.legend(loc="upper right", fontsize="small")
        ax.set(title=f"{label.title} (n = {len(of_class)})", xlabel="row", ylim=(0, 1.05 * top))
    panels[0].set_ylabel("max - min of the row")
    return panels


def plot_training(
    history: Sequence[Mapping[str, float | None]], axes: Sequence[Axes] | None = None, *, title: str = ""
) -> Sequence[Axes]:
    """Draw loss and accuracy of label and domain prediction by epoch (paper, Fig. 10).

    A healthy domain adversarial training has a label loss that settles and a domain loss that wavers about ln 2, where
    the domain classifier does no better than a coin.

    Parameters
    ----------
    history
        One entry an epoch, as :class:`~sfx_label.models.bundle.ModelBundle` keeps it.
    axes
        Two axes, for loss and accuracy; made if not given.
    title
        Above the panels.
    """
    panels = list(new_axes(1, 2, width=5.0, height=3.4)[1][0]) if axes is None else list(axes)
    names = list(dict.fromkeys(name for entry in history for name in entry))
    kinds = (
        ("loss", [name for name in names if "loss" in name], LN2, "ln 2: coin toss"),
        ("accuracy", [name for name in names if "accuracy" in name or "recall" in name], 0.5, "50 %: coin toss"),
    )
    for ax, (kind, curves, level, meaning) in zip(panels, kinds, strict=True):
        for number, name in enumerate(curves):
            values = [math.nan if entry.get(name) is None else float(entry[name] or 0.0) for entry in history]
            ax.plot(
                range(1, len(values) + 1), values, label=plain(name.replace("_", " ")), markersize=3, **style(number)
            )
        ax.axhline(level, color="grey", linewidth=0.8, linestyle=(0, (1, 3)), label=meaning)
        ax.set(xlabel="epoch", ylabel=kind, title=plain(title))
        ax.legend(fontsize="x-small")
    return panels


def plot_recall(
    results: Mapping[str, Results], ax: Axes | None = None, *, against: str = "misses_kept", limit: float = 0.3
) -> Axes:
    """Draw recall of Hit-or-Maybe over all operating points, the chosen one marked.

    Parameters
    ----------
    results
        For each method an evaluation, or one a seed: then mean and range.
    ax
        Where to draw; made if not given.
    against
        ``"misses_kept"`` or ``"frames_kept"``; several seeds are averaged over the share of Misses kept only.
    limit
        Right end of the axis for ``"misses_kept"``.

    Raises
    ------
    AnnotationFormatError
        If ``against`` is neither.
    """
    labels = {"misses_kept": "share of Misses kept", "frames_kept": "share of frames kept"}
    if against not in labels:
        raise AnnotationFormatError(f"Recall is drawn against {' or '.join(labels)}; received {against!r}.")
    panel = _axes(ax)
    for number, (name, result) in enumerate(results.items()):
        look, evaluations = style(number), _as_list(result)
        for evaluation in evaluations:
            x = 1 - evaluation.recall["miss"].value if against == "misses_kept" else evaluation.kept_share.value
            point = {"color": look["color"], "marker": look["marker"], "markeredgecolor": "black", "linestyle": ""}
            panel.plot(x, evaluation.recall["hit_or_maybe"].value, zorder=3, **point)
        _draw_recall(panel, evaluations, name, look, against)
    panel.set(xlabel=labels[against], ylabel="recall of Hit-or-Maybe", ylim=(0, 1.02))
    panel.set_xlim(-0.005, limit if against == "misses_kept" else 1)
    panel.legend(fontsize="small", loc="lower right")
    return panel


def _draw_recall(panel: Axes, evaluations: list[Evaluation], name: str, look: dict[str, Any], against: str) -> None:
    line = {"color": look["color"], "linestyle": look["linestyle"], "label": plain(name)}
    if len(evaluations) > 1 and against == "misses_kept":
        mean = mean_curve(evaluations)
        panel.plot(mean.misses_kept, mean.mean, **line)
        panel.fill_between(mean.misses_kept, mean.low, mean.high, color=look["color"], alpha=0.15, linewidth=0)
        return
    for number, evaluation in enumerate(evaluations):
        curve = recall_curve(evaluation)
        panel.plot(getattr(curve, against), curve.recall, **{**line, "label": line["label"] if number == 0 else None})


def plot_precision(results: Mapping[str, Results], ax: Axes | None = None, *, hit_rate: float | None = None) -> Axes:
    """Draw precision against recall of Hit-or-Maybe.

    Parameters
    ----------
    results
        For each method an evaluation, or one a seed.
    ax
        Where to draw; made if not given.
    hit_rate
        Share of Hit-or-Maybe in the run to think of; that of the tested frames by default.
    """
    panel = _axes(ax)
    for number, (name, result) in enumerate(results.items()):
        look = {**style(number), "marker": ""}
        for at, evaluation in enumerate(_as_list(result)):
            curve = recall_curve(evaluation)
            precision = curve.precision if hit_rate is None else curve.at_hit_rate(hit_rate)[1]
            panel.plot(curve.recall, precision, label=plain(name) if at == 0 else None, **look)
    rate = "" if hit_rate is None else f" at a hit rate of {100 * hit_rate:g} %"
    panel.set(xlabel="recall of Hit-or-Maybe", ylabel=f"precision{rate}", xlim=(0, 1.02), ylim=(0, 1.02))
    panel.legend(fontsize="small", loc="lower left")
    return panel


def plot_reliability(results: Mapping[str, Evaluation], ax: Axes | None = None, *, bins: int = 10) -> Axes:
    """Draw observed share against predicted probability, with 95 % intervals.

    Parameters
    ----------
    results
        One evaluation a method.
    ax
        Where to draw; made if not given.
    bins
        Bins of equal numbers of frames.
    """
    panel = _axes(ax)
    panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=(0, (1, 3)), label="as it should be")
    for number, (name, evaluation) in enumerate(results.items()):
        found = reliability(evaluation, bins)
        values = np.array([rate.value for rate in found.observed])
        ends = np.array([[rate.value - rate.low, rate.high - rate.value] for rate in found.observed]).T
        title = f"{plain(name)} (off by {100 * found.error:.1f} points)"
        panel.errorbar(found.predicted, values, yerr=ends, label=title, capsize=2, **style(number))
    panel.set(xlabel="predicted probability", ylabel="share of Hit-or-Maybe", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    panel.legend(fontsize="small", loc="upper left")
    return panel


def plot_embedding(embedding: Embedding, ax: Axes | None = None, *, label: Label | None = None) -> Axes:
    """Draw the frames of each run in the plane, those of one class or all.

    Parameters
    ----------
    embedding
        From :func:`~sfx_label.results.embedding.embed`.
    ax
        Where to draw; made if not given.
    label
        Only frames of this class.
    """
    panel = _axes(ax)
    for number, name in enumerate(embedding.names):
        shown = embedding.domain == number
        if label is not None:
            shown &= embedding.y == label
        look = style(1 - number if number < 2 else number)  # the source in the warm colour, as in the paper
        points = embedding.points[shown]
        title = f"{'source' if number == 0 else 'target'}: {plain(name)} (n = {len(points)})"
        marker = "o" if number == 0 else "^"
        panel.scatter(
            points[:, 0], points[:, 1], s=9, alpha=0.55, linewidths=0, color=look["color"], marker=marker, label=title
        )
    low, high = embedding.points.min(axis=0), embedding.points.max(axis=0)
    margin = 0.04 * (high - low)
    panel.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
    panel.set(xticks=[], yticks=[])
    panel.legend(fontsize="x-small", loc="best")
    return panel


def embedding_panels(models: Mapping[str, Embedding], overlaps: Mapping[str, Overlap] | None = None) -> Figure:
    """Draw one row of panels a model and one column a class (paper, Fig. 9), with the overlap as a number in each.

    Parameters
    ----------
    models
        Name of the model (DANN, source-only CNN) to its picture.
    overlaps
        Name of the model to its measured overlap.
    """
    figure, axes = new_axes(len(models), len(Label), width=3.8, height=3.4)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for row, (name, embedding) in zip(axes, models.items(), strict=True):
        for ax, label in zip(row, Label, strict=True):
            plot_embedding(embedding, ax, label=label)
            title = f"({next(letters)}) {plain(name)}, {label.title}"
            measured = None if overlaps is None else overlaps[name].classes.get(label.name.lower())
            if measured is not None and not math.isnan(measured.domain_auc.value):
                auc = measured.domain_auc
                title += f"\ndomain AUC {auc.value:.2f} ({auc.low:.2f}-{auc.high:.2f})"
            ax.set_title(title, fontsize="small")
    return figure
