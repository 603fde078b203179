from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

from sfx_label.errors import AnnotationFormatError
from sfx_label.results.comparison import Cell, compare
from sfx_label.results.evaluation import Evaluation, LabelBudget, evaluate_scores
from sfx_label.results.grid import Grid
from sfx_label.results.tables import recall_table

Make = Callable[..., Evaluation]
HOSTILE = '<img src=x onerror="alert(1)">'


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_papers_cell_in_text(counted: Make) -> None:
    text = str(recall_table({"rwd": counted(method="rwd")}))
    assert "80.0 / 90.0" in text  # Hit-or-Maybe / Miss
    assert "60.0" in text  # Maybe alone
    assert "n = 15 / 20" in text and "n = 5" in text
    assert "400" in text  # 200 for training and 200 for validation


def test_the_fitted_spot_count_stands_first(counted: Make) -> None:
    table = recall_table({"rwd": counted(method="rwd"), "count": counted(8, method="spot-count")})
    assert [row.name for row in table.rows] == ["count", "rwd"]
    assert table.reference == "count"
    assert str(table).index("count") < str(table).index("rwd")


def test_without_a_baseline_nothing_is_compared(counted: Make) -> None:
    table = recall_table({"rwd": counted(method="rwd"), "cnn": counted(method="cnn")})
    assert table.reference is None and "Δ" not in str(table)


def test_any_row_can_be_the_reference(counted: Make) -> None:
    table = recall_table({"cnn": counted(method="cnn"), "rwd": counted(method="rwd")}, reference="cnn")
    assert "against cnn" in str(table)
    with pytest.raises(AnnotationFormatError, match="'gone'"):
        recall_table({"cnn": counted()}, reference="gone")


def test_small_differences_are_marked_as_such(counted: Make) -> None:
    table = recall_table(
        {
            "spot-count": counted(9, 3, 18, method="spot-count"),
            "close": counted(10, 3, 18, method="rwd"),
            "worse": counted(1, 0, 2, method="cnn"),
        }
    )
    marks = {row.name: table.difference(row.name, "") for row in table.rows}
    assert marks["spot-count"] is None
    assert marks["close"] is not None and marks["close"].mark == "≈" and not marks["close"].resolved
    assert marks["worse"] is not None and marks["worse"].mark == "↓"


def test_paired_difference_by_hand() -> None:
    # 100 positives and 100 misses; the second method gains 6 positives, loses 2, and keeps 4 misses more by mistake
    y = [2] * 100 + [0] * 100
    keys = [str(i) for i in range(200)]
    first = np.array([0.0] * 10 + [1.0] * 90 + [0.0] * 100)
    second = first.copy()
    second[:6] = 1
    second[10:12] = 0
    second[100:104] = 1
    a, b = (Cell((evaluate_scores(y, s, 0.5, keys=keys),)) for s in (second, first))
    difference = compare(a, b)
    assert difference.paired and difference.value == pytest.approx((0.04 - 0.04) / 2)
    # variance of the mean, half a frame added to each cell: (6 + 2 + 1)/102^2 - (4/102)^2/102, (4 + 1)/102^2 - ...
    variance = (9 / 102**2 - (4 / 102) ** 2 / 102) + (5 / 102**2 - (4 / 102) ** 2 / 102)
    assert difference.high == pytest.approx(1.959964 * math.sqrt(variance / 4), rel=1e-5)


def test_pairing_resolves_what_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(0)
    y = np.where(np.arange(1600) < 400, 2, 0)
    first = np.where(rng.random(1600) < 0.9, y / 2, 1 - y / 2)
    second = first.copy()
    second[:400][first[:400] == 0] = 1  # never worse, and better on about 40 of 400
    keys = [str(i) for i in range(1600)]
    with_keys = [Cell((evaluate_scores(y, s, 0.5, keys=keys),)) for s in (second, first)]
    without = [Cell((evaluate_scores(y, s, 0.5),)) for s in (second, first)]
    paired, separate = compare(*with_keys), compare(*without)
    assert paired.value == pytest.approx(separate.value)
    assert paired.paired and not separate.paired
    assert paired.high - paired.low < separate.high - separate.low
    assert paired.resolved


def test_methods_that_never_disagree_do_not_differ(counted: Make) -> None:
    difference = compare(Cell((counted(),)), Cell((counted(),)))
    assert difference.value == 0 and difference.low < 0 < difference.high


def test_difference_of_one_class(counted: Make) -> None:
    better, worse = Cell((counted(9, 5, 18),)), Cell((counted(9, 3, 18),))
    assert compare(better, worse, "maybe").value == pytest.approx(0.4)
    assert compare(better, worse, "hit").value == 0
    with pytest.raises(AnnotationFormatError, match="No measure"):
        compare(better, worse, "accuracy")


def test_seeds_give_mean_and_spread_and_the_interval_of_the_frames(counted: Make) -> None:
    seeds = [counted(hits, 5, 20, method="rwd", seed=i) for i, hits in enumerate((8, 9, 10))]
    cell = Cell(tuple(seeds))
    assert cell.recall["hit"].value == pytest.approx(0.9)
    assert cell.recall["hit"].n == 10  # three trainings on the same ten frames are not thirty frames
    assert cell.spreads["hit"].deviation == pytest.approx(0.1)
    assert (cell.recall["hit"].low, cell.recall["hit"].high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    text = str(recall_table({"rwd": seeds}))
    assert "± 6.7 / 0.0" in text


def test_seed_noise_widens_a_difference(counted: Make) -> None:
    calm = Cell(tuple(counted(8, 3, 18) for _ in range(3)))
    noisy = Cell(tuple(counted(hits, 3, 18) for hits in (4, 10, 10)))
    reference = Cell((counted(7, 3, 18),))
    still, wide = compare(calm, reference), compare(noisy, reference)
    assert wide.value == pytest.approx(still.value)
    assert wide.high - wide.low > still.high - still.low


def test_runs_become_columns(counted: Make) -> None:
    table = recall_table(
        {
            "spot-count": {"LN83": counted(), "LN84": counted(8)},
            "rwd": [counted(run="LN83", seed=0), counted(run="LN83", seed=1)],
        }
    )
    assert table.runs == ("LN83", "LN84")
    assert len(table.rows[1].cells["LN83"].evaluations) == 2
    assert str(table).count("LN84") == 1


def test_frame_and_csv_hold_every_number(counted: Make) -> None:
    table = recall_table({"spot-count": counted(), "rwd": counted(10)})
    frame = table.to_frame()
    assert list(frame["method"]) == ["spot-count", "rwd"]
    assert frame.loc[1, "hit"] == pytest.approx(1.0) and frame.loc[1, "miss_n"] == 20
    assert frame.loc[1, "mark"] == "≈" and frame.loc[0, "mark"] == ""
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert float(read[0]["balanced"]) == pytest.approx(0.85)


def test_json_of_a_table(counted: Make) -> None:
    figures = json.loads(
        json.dumps(recall_table({"spot-count": counted(), "rwd": counted(10)}).to_dict(), allow_nan=False)
    )
    assert figures["reference"] == "spot-count"
    assert figures["rows"]["rwd"][""]["difference"]["resolved"] is False


def test_names_are_shown_and_never_executed(counted: Make) -> None:
    table = recall_table({HOSTILE: {"=HYPERLINK(1)": counted()}, "a|b\nc\x1b[31m": {"=HYPERLINK(1)": counted()}})
    page = Tags(table._repr_html_())
    assert "img" not in page.tags and HOSTILE in page.words
    assert "<img" not in table.to_markdown() and r"a\|b" in table.to_markdown()
    assert "\x1b" not in str(table) and "\n" not in str(table).split("a|b")[1][:2]
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert {row["run"] for row in rows} == {"'=HYPERLINK(1)"}
    assert r"\textbackslash{}" in Grid("", ((r"\input{x}",),), ()).to_latex()


def test_latex_escapes_every_special_character() -> None:
    body = Grid("", (("head",),), ((("50 % & _x #1 $y {z} a^b ~c", "second"),),)).to_latex()
    assert r"50 \% \& \_x \#1 \$y \{z\} a\textasciicircum{}b \textasciitilde{}c" in body
    assert r"\makecell[l]{" in body and body.count(r"\\") == 3


def test_markdown_has_one_line_a_row(counted: Make) -> None:
    lines = [line for line in recall_table({"rwd": counted()}).to_markdown().splitlines() if line.startswith("|")]
    assert len(lines) == 3 and len({line.replace(r"\|", "").count("|") for line in lines}) == 1


def test_an_empty_table_is_refused() -> None:
    for nothing in ({}, {"rwd": []}, {"rwd": {}}, {"rwd": {"LN83": []}}):
        with pytest.raises(AnnotationFormatError):
            recall_table(nothing)


def test_an_evaluation_prints_itself(counted: Make) -> None:
    result = counted(method=HOSTILE, budget=LabelBudget(30, 10))
    assert "recall of Hit-or-Maybe" in str(result) and "label budget 40" in str(result)
    assert "img" not in Tags(result._repr_html_()).tags
