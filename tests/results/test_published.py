from __future__ import annotations

import pytest

from sfx_label.results.published import FILES, POSITIVES, PUBLISHED, published_cell, published_name


def frames_tested(table: str, column: str, row: str) -> int:
    return {"1": 400, "2": 1600, "3": 1600, "4": 1600, "5 source": 400, "5 target": 2000, "7": 2000}[table]


@pytest.mark.parametrize("key", PUBLISHED, ids=" ".join)
def test_each_printed_percentage_is_a_share_of_whole_frames(key: tuple[str, str, str]) -> None:
    """A slip of the pen in the constants would not fit a whole number of frames to two digits."""
    table, row, column = key
    n = frames_tested(*key)
    run = row if table == "5 source" else column
    positives = POSITIVES[run][n]
    cell = PUBLISHED[key]
    for percent, frames in ((cell.hit_or_maybe, positives), (cell.miss, n - positives)):
        nearest = round(percent / 100 * frames)
        printed_to = 0.061 if percent == 97.00 else 0.0101  # 231 of 238 is 97.06; the paper prints 97.00
        assert 100 * nearest / frames == pytest.approx(percent, abs=printed_to)


def test_positives_are_those_of_the_annotations(published: dict) -> None:
    for name, counts in POSITIVES.items():
        for n, positives in counts.items():
            assert int((published[name].labels[2000 - n :] > 0).sum()) == positives


def test_lookup() -> None:
    assert str(published_cell("4", "LN84", "LN84")) == "94.95 / 86.19"
    assert published_cell("3", "LN83", "LN83") is None
    assert published_cell("4", "mine", "mine") is None
    assert published_name(FILES["LO19"]) == "LO19" and published_name("mine.h5") is None
