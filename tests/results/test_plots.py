from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import Label
from sfx_label.results.embedding import Embedding, Features
from sfx_label.results.evaluation import Evaluation, evaluate_scores
from sfx_label.results.overlap import overlap
from sfx_label.results.plots import (
    embedding_panels,
    new_axes,
    plot_precision,
    plot_profiles,
    plot_recall,
    plot_reliability,
    plot_training,
    style,
)


def scored(seed: int, noise: float = 0.3) -> Evaluation:
    rng = np.random.default_rng(seed)
    y = rng.choice([0, 1, 2], 400, p=[0.8, 0.05, 0.15])
    return evaluate_scores(y, np.clip(y / 2.5 + rng.normal(0.1, noise, 400), 0, 1), 0.5)


def drawn(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_series_differ_without_colour() -> None:
    looks = [style(number) for number in range(8)]
    for part in ("color", "linestyle", "marker"):
        assert len({str(look[part]) for look in looks}) == 8


def test_recall_curve_shows_the_measured_points() -> None:
    result = scored(0)
    ax = plot_recall({"rwd": result}, limit=1.0)
    line = next(line for line in ax.lines if line.get_label() == "rwd")
    x, y = line.get_data()
    assert x[-1] == y[-1] == 1
    point = ax.lines[0].get_xydata()[0]
    assert point.tolist() == pytest.approx([1 - result.recall["miss"].value, result.recall["hit_or_maybe"].value])
    assert drawn(ax.figure).std() > 0


def test_seeds_become_a_mean_and_a_band() -> None:
    ax = plot_recall({"rwd": [scored(seed) for seed in range(3)], "count": scored(7, 0.1)})
    assert len(ax.collections) == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["rwd", "count"]
    with pytest.raises(AnnotationFormatError, match="frames_kept"):
        plot_recall({"rwd": scored(0)}, against="time")


def test_names_are_literal_text() -> None:
    ax = plot_recall({r"$\frac{1}{0$": scored(0)})
    drawn(ax.figure)  # an unescaped $ would be read as mathematics and raise


def test_precision_falls_with_the_hit_rate() -> None:
    curves = [plot_precision({"rwd": scored(0)}, hit_rate=rate).lines[0].get_ydata() for rate in (None, 0.02)]
    assert np.nanmean(curves[1]) < np.nanmean(curves[0])


def test_reliability_draws_intervals() -> None:
    ax = plot_reliability({"rwd": scored(0)})
    assert len(ax.containers) == 1 and "points" in ax.get_legend().get_texts()[1].get_text()


def test_profiles_by_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    vectors = rng.random((60, 720)) + labels[:, None]
    vectors[3] = np.nan  # an unreadable frame
    panels = plot_profiles(vectors, labels)
    assert [ax.get_title() for ax in panels] == ["Miss (n = 20)", "Maybe (n = 20)", "Hit (n = 20)"]
    median = panels[2].lines[-1].get_ydata()
    assert np.allclose(median, np.median(vectors[40:], axis=0))
    drawn(panels[0].figure)


def test_training_curves_with_the_coin_toss() -> None:
    history = [
        {"val_loss": 1 / (epoch + 1), "domain_loss": 0.7, "domain_accuracy": None, "val_balanced_accuracy": 0.9}
        for epoch in range(5)
    ]
    loss, accuracy = plot_training(history)
    assert loss.lines[-1].get_ydata()[0] == pytest.approx(math.log(2))
    assert {line.get_label() for line in loss.lines} >= {"val loss", "domain loss"}
    assert np.isnan(accuracy.lines[0].get_ydata()).all()
    drawn(loss.figure)


def test_panels_of_figure_9() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice([0, 1, 2], 120).astype(np.int8)
    domain = np.repeat([0, 1], 60).astype(np.int8)
    values = (rng.normal(size=(120, 3)) + y[:, None]).astype(np.float32)
    features = Features(values, y, domain, (), ("LN83", "LO19"))
    views = {name: Embedding(values[:, :2], features, "tsne", 0) for name in ("DANN", "CNN")}
    measured = overlap(values[:60], values[60:], y[:60], y[60:], draws=20)
    figure = embedding_panels(views, dict.fromkeys(views, measured))
    titles = [ax.get_title() for ax in figure.axes]
    assert [title[:3] for title in titles] == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    assert "DANN, Miss" in titles[0] and "domain AUC" in titles[0]
    n_hits = int(((y == Label.HIT) & (domain == 1)).sum())
    assert f"target: LO19 (n = {n_hits})" in [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    drawn(figure)


def test_no_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom sfx_label.results.plots import new_axes\n"
        f"new_axes()[0].savefig(r'{tmp_path / 'figure.png'}')\nsys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_panels_share_nothing() -> None:
    first, second = new_axes()[0], new_axes()[0]
    assert first is not second and first.axes[0] is not second.axes[0]
