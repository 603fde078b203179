"""Layers are what the models see, in the right place."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sfx_label.errors import FrameReadError
from sfx_label.frames.open import open_frames
from sfx_label.frames.sequence import Frames
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.widgets.layers import LAYERS, FrameLayers

RECIPE = Preprocessing.lcn(crop=40, window=5, masked=True)


def test_the_lcn_layer_is_the_model_s_input_and_lies_in_its_place(frames: Frames) -> None:
    layers = FrameLayers(frames, RECIPE)
    placed = layers.layer("lcn", 4)
    assert (placed.x0, placed.y0) == (22, 12)
    wanted = RECIPE.apply(frames[4], frames.mask)
    np.testing.assert_allclose(placed.plane.values(), wanted, atol=2e-4)


def test_the_profile_is_the_model_s_vector_beginning_at_its_row(frames: Frames) -> None:
    y0, values = FrameLayers(frames, RECIPE).profile(4)
    assert y0 == 12
    np.testing.assert_array_equal(values, Preprocessing.rwd(crop=40, masked=True).apply(frames[4], frames.mask))


def test_raw_is_raw(frames: Frames) -> None:
    np.testing.assert_array_equal(FrameLayers(frames, RECIPE).layer("raw", 7).plane.values(), frames[7])


def test_gcn_has_mean_zero_and_deviation_one_over_the_good_pixels(frames: Frames) -> None:
    values = FrameLayers(frames, RECIPE).layer("gcn", 3).plane.values()
    assert values.shape == (40, 40)
    assert abs(values.mean()) < 1e-2
    assert 0.9 < values.std() < 1.1


def test_difference_is_to_the_frames_before_and_after(frames: Frames) -> None:
    layers = FrameLayers(frames, RECIPE)
    inner = frames[4].astype(float) - (frames[3].astype(float) + frames[5]) / 2
    np.testing.assert_allclose(layers.layer("difference", 4).plane.values(), inner, atol=0.5)
    first = frames[0].astype(float) - frames[1]
    np.testing.assert_array_equal(layers.layer("difference", 0).plane.values(), first)


def test_a_run_of_one_frame_has_no_difference(frames: Frames) -> None:
    with pytest.raises(FrameReadError, match="no readable neighbour"):
        FrameLayers(frames[:1], RECIPE).layer("difference", 0)


def test_previews_keep_spots(frames: Frames) -> None:
    placed = FrameLayers(frames, RECIPE).layer("raw", 11, step=4)
    assert placed.plane.codes.shape == (15, 20)
    assert placed.plane.codes.max() == frames[11].max()


def test_values_under_the_mouse_are_those_of_the_file(frames: Frames) -> None:
    layers = FrameLayers(frames, RECIPE)
    raw, lcn = layers.value(5, 30, 20)
    assert raw == str(frames[5][20, 30])
    assert float(lcn) == pytest.approx(RECIPE.apply(frames[5], frames.mask)[20 - 12, 30 - 22], abs=0.01)
    assert layers.value(5, 0, 0)[1] == "outside"


def test_every_layer_of_a_damaged_frame_says_so_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (3, 32, 32), np.uint16, chunks=(1, 32, 32), compression="gzip")
        data[...] = np.random.default_rng(0).poisson(9, (3, 32, 32))
        chunk = data.id.get_chunk_info(1)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    with open_frames(f"{path}:/data") as frames:
        layers = FrameLayers(frames, Preprocessing.lcn(crop=None))
        for name in LAYERS:
            with pytest.raises(FrameReadError):
                layers.layer(name, 1)
        np.testing.assert_array_equal(layers.layer("raw", 0).plane.values(), frames[0])
