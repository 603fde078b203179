"""The recipe that travels with a model: saved, compared, applied to many frames on several threads."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.preprocess.contrast import Preprocessing

RECIPES = [
    Preprocessing.paper(), Preprocessing.default(), Preprocessing.lcn(crop=40), Preprocessing.spots(),
    Preprocessing.features(), Preprocessing("rwd", None, 15, "mean-std", True),
]  # fmt: skip


class BrokenInTheMiddle:
    """Frames of which one cannot be read."""

    def __init__(self, stack):
        self.stack = stack

    def __len__(self):
        return len(self.stack)

    def __getitem__(self, index):
        if index == 1:
            raise FrameReadError("frame 1 is truncated")
        return self.stack[index]


@pytest.fixture(scope="module")
def stack():
    return np.random.default_rng(5).poisson(40, (4, 64, 70)).astype(np.int16)


def test_paper_is_the_paper():
    recipe = Preprocessing.paper()
    assert (recipe.output, recipe.crop, recipe.window, recipe.floor, recipe.masked) == ("rwd", 724, 5, "global", False)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_saved_and_loaded(recipe):
    assert Preprocessing.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert len({recipe, Preprocessing.from_dict(recipe.to_dict())}) == 1


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_shape_and_names_are_told_beforehand(recipe, stack):
    result = recipe.apply(stack[0])
    assert result.dtype == np.float32
    assert result.shape == recipe.output_shape(stack[0].shape)
    assert len(set(recipe.feature_names(stack[0].shape))) == result.size


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_threads_give_the_same_numbers(recipe, stack):
    told = []
    many = recipe.apply_many(stack, threads=3, progress=lambda done, total: told.append((done, total)))
    assert np.array_equal(many, np.stack([recipe.apply(frame) for frame in stack]))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_unreadable_frames_give_nan_and_leave_the_others(stack):
    result = Preprocessing.rwd().apply_many(BrokenInTheMiddle(stack), threads=2)
    assert np.isnan(result[1]).all()
    assert np.isfinite(result[[0, 2, 3]]).all()


def test_fills_the_array_that_is_given(stack):
    out = np.zeros((4, 60), np.float32)
    assert Preprocessing.rwd().apply_many(iter(stack), out=out) is out
    assert out.all()


def test_runs_are_read_by_their_crop_and_mask(shared_data):
    from sfx_label.frames.open import open_frames

    with open_frames(shared_data / "twins" / "TWIN83.h5") as frames:
        for recipe in (Preprocessing.paper(), Preprocessing.rwd(crop=300, masked=True)):
            many = recipe.apply_many(frames[:3])
            assert np.array_equal(many[2], recipe.apply(frames[2], frames.mask))


def test_mask_hides_the_beam_hole():
    """The rim of the hole raises the rows that cross it, unless it is masked (seen on a real Rayonix frame)."""
    y, x = np.indices((200, 200)) - 100
    halo = 100 + 5000 * np.exp(-(x**2 + y**2) / 5000)
    frame = np.random.default_rng(6).poisson(halo).astype(np.int16)
    good = np.ones(frame.shape, bool)
    good[80:120, 80:120] = False
    frame[~good] = 0
    crossing, beside = slice(85, 110), slice(0, 60)
    plain, masked = (Preprocessing("rwd", None, 5, "global", use).apply(frame, good) for use in (False, True))
    assert np.median(plain[crossing]) > 2 * np.median(plain[beside])
    assert np.median(masked[crossing]) < 0.3 * np.median(plain[crossing])


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"window": 4}, "odd"), ({"window": 43}, "43"), ({"output": "rdw"}, "rdw"), ({"floor": "local"}, "local"),
     ({"crop": 3}, "crop")],
)  # fmt: skip
def test_impossible_settings_are_refused(settings, told):
    with pytest.raises(SfxLabelError, match=told):
        Preprocessing(**settings)


def test_settings_of_a_newer_version_are_refused():
    with pytest.raises(SfxLabelError, match="whitening"):
        Preprocessing.from_dict({"output": "rwd", "whitening": True})
