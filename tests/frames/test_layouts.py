"""Every facility's layout, written by its own rules, opens with the right frames, names, masks and numbers."""

from __future__ import annotations

import bz2
import json

import fabio.cbfimage
import fabio.tifimage
import h5py
import numpy as np
import pytest

from sfx_label.errors import FileLayoutError, FrameReadError
from sfx_label.frames.open import describe, open_frames
from sfx_label.frames.records import FrameStatus


def test_each_layout_opens_with_its_name_and_frames_in_order(facility_run):
    path, form, count, event = facility_run
    with open_frames(path) as frames:
        assert (frames.format, len(frames)) == (form, count)
        # each frame carries its number at its first pixel
        assert [float(frame.flat[0]) for frame in frames] == list(range(1, count + 1))
        assert frames.keys[min(1, count - 1)].event == event
        assert str(frames.keys[0]).startswith(f"{path} ")
        assert [frames.index_of(key) for key in frames.keys] == list(range(count))
        json.dumps(describe(frames))


def test_idh5_chunks_run_in_alphabetical_order_and_keep_their_own_numbers(tmp_path, files):
    frames = files.make_frames(9)
    path = files.write_idh5(tmp_path / "r.h5", {"chunk_2": frames[6:], "chunk_1": frames[:2], "chunk_10": frames[2:6]})
    run = open_frames(path)
    assert [int(frame.flat[0]) for frame in run] == list(range(1, 10))  # 1, 10, 2: never natural order
    assert [key.dataset for key in run.keys[1:7]] == (
        ["/data/chunk_1/images"] + ["/data/chunk_10/images"] * 4 + ["/data/chunk_2/images"]
    )
    assert [key.index for key in run.keys] == [0, 1, 0, 1, 2, 3, 0, 1, 2]
    assert run.frame_metadata(0).distance_mm == 101.0  # the second chunk that was written
    assert run.frame_metadata(6).distance_mm == 100.0
    assert run.frame_metadata(8).wavelength_angstrom == pytest.approx(1.02)
    assert run.metadata.beam_center_px == pytest.approx((24.0, 20.0))


def test_idh5_order_is_alphabetical_even_where_the_file_tracks_creation(tmp_path, files):
    path = tmp_path / "tracked.h5"
    frames = files.make_frames(2)
    with h5py.File(path, "w", track_order=True) as file:
        file["metadata/idh5_version"] = "idh5_v1.0"
        data = file.create_group("data", track_order=True)
        data["b/images"], data["a/images"] = frames[1:], frames[:1]
    assert [int(frame.flat[0]) for frame in open_frames(path)] == [1, 2]


def test_idh5_mask_shrinks_each_tile_by_a_pixel(tmp_path, files):
    path = files.write_idh5(tmp_path / "tiles.h5", areas=(0, 0, 40, 20, 0, 24, 40, 48))
    mask = open_frames(path).mask
    expected = np.zeros(files.SHAPE, bool)
    expected[1:39, 1:19] = expected[1:39, 25:47] = True
    assert np.array_equal(mask, expected)
    one_tile = files.write_idh5(tmp_path / "one.h5", areas=(0, 0, 40, 48))
    assert open_frames(one_tile).mask is None


def test_frame_mask_is_tiles_and_trusted_range(tmp_path, files):
    frames = files.make_frames(1)
    frames[0, 10, 10], frames[0, 11, 11], frames[0, 12, 12], frames[0, 13, 13] = -1, 1000, 999, 0
    path = files.write_idh5(tmp_path / "r.h5", {"c": frames}, areas=(0, 0, 40, 20, 0, 24, 40, 48), trusted=(0, 1000))
    good = open_frames(path).frame_mask(0)
    assert not good[10, 10] and not good[11, 11] and good[12, 12] and good[13, 13]
    assert not good[20, 22]  # between the tiles
    assert good.sum() == 38 * 18 + 38 * 22 - 2


def test_cxi_mask_bits_two_and_three_dimensional(tmp_path, files):
    mask = np.zeros(files.SHAPE, "u2")
    mask[1, 1], mask[2, 2], mask[3, 3] = 8, 2, 32  # dead, saturated, in a peak mask (good)
    flat = open_frames(files.write_cxi(tmp_path / "flat.cxi", mask=mask))
    assert not flat.mask[1, 1] and not flat.mask[2, 2] and flat.mask[3, 3] and flat.mask[4, 4]
    stack = np.repeat(mask[None], 4, 0)
    stack[2, 5, 5] = 8
    deep = open_frames(files.write_cxi(tmp_path / "deep.cxi", mask=stack))
    assert not deep.mask[1, 1] and deep.mask[2, 2], "a saturated pixel belongs to one exposure, not to the run"
    assert not deep.frame_mask(2)[5, 5] and deep.frame_mask(1)[5, 5] and not deep.frame_mask(1)[2, 2]


def test_cxi_energy_per_frame(tmp_path, files):
    run = open_frames(files.write_cxi(tmp_path / "a.cxi"))
    assert [run.frame_metadata(i).wavelength_angstrom for i in range(3)] == pytest.approx([1.0, 2.0, 3.0])
    assert run.metadata.extra["encoder_value_mm"] == -420.0


def test_eiger_codes_mask_and_numbers(tmp_path, files):
    run = open_frames(files.write_eiger(tmp_path))
    assert run.dtype == np.uint16
    assert run.metadata.distance_mm == pytest.approx(134.0) and run.metadata.pixel_size_mm == pytest.approx(0.075)
    assert run.metadata.beam_center_px == (24.5, 20.25)
    assert not run.mask[0].any() and run.mask[1:].all()
    good = run.frame_mask(5)
    assert not good[7, 7] and not good[8, 8] and good[9, 9]


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4"])
def test_counter_codes_by_width(tmp_path, files, dtype):
    frames = files.make_frames(2, dtype=dtype)
    top = np.iinfo(dtype).max
    frames[:, 5, 5], frames[:, 6, 6] = top, top - 1
    frames[:, 8, 8] = top - 2
    if dtype == "i4":
        frames[:, 9, 9], frames[:, 10, 10] = -1, -2
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file["entry/data/data"] = frames
    good = open_frames(tmp_path / "n.h5").frame_mask(1)
    bad = {(int(y), int(x)) for y, x in np.argwhere(~good)}
    assert bad == {(5, 5), (6, 6)} | ({(9, 9), (10, 10)} if dtype == "i4" else set())


def test_jungfrau_keeps_negative_measurements(tmp_path, files):
    frames = files.make_frames(1, dtype="i4")
    frames[0, 5, 5], frames[0, 6, 6] = -1, np.iinfo("i4").min
    with h5py.File(tmp_path / "j.h5", "w") as file:
        file["entry/data/data"] = frames
        files.write_nxmx_metadata(file, "Jungfrau 4M")
    good = open_frames(tmp_path / "j.h5").frame_mask(0)
    assert good[5, 5] and not good[6, 6]


def test_hole_in_a_row_of_data_files_keeps_its_place(tmp_path, files):
    master = files.write_eiger(tmp_path, files=3, per_file=4)
    (tmp_path / "run_data_000002.h5").unlink()
    run = open_frames(master)
    assert len(run) == 12 and int(run[8].flat[0]) == 9
    read = run.read(5)
    assert read.status is FrameStatus.MISSING and read.data is None and "run_data_000002.h5" in read.message
    with pytest.raises(FrameReadError, match="run_data_000002"):
        run[5]
    assert any("run_data_000002" in note for note in run.notes)


def test_data_files_absent_at_the_end_are_left_out_and_found_by_refresh(tmp_path, files):
    master = files.write_eiger(tmp_path)
    last = tmp_path / "run_data_000003.h5"
    hidden = last.rename(tmp_path / "later")
    run = open_frames(master)
    assert len(run) == 8
    key = run.keys[3]
    hidden.rename(last)
    grown = run.refresh()
    assert len(grown) == 12 and grown.index_of(key) == 3


def test_master_without_any_data_file_names_it(tmp_path, files):
    master = files.write_eiger(tmp_path, files=1)
    (tmp_path / "run_data_000001.h5").unlink()
    with pytest.raises(FrameReadError, match=r"run_data_000001\.h5.*Copy the data files into"):
        open_frames(master)


def test_missing_source_of_a_virtual_set_is_flagged_and_not_black(tmp_path, files):
    path = files.write_lute(tmp_path)
    (tmp_path / "rank1.cxi").unlink()
    run = open_frames(path)
    assert len(run) == 6
    assert [run.read(i).status.value for i in range(6)] == ["ok"] * 3 + ["missing"] * 3
    with pytest.raises(FrameReadError, match="absent"):
        run[4]


def test_source_shorter_than_promised_is_flagged(tmp_path, files):
    path = files.write_lute(tmp_path)
    files.write_cxi(tmp_path / "rank1.cxi", files.make_frames(2), soft=False)
    run = open_frames(path)
    assert [run.read(i).status.value for i in range(6)] == ["ok"] * 5 + ["missing"]


def test_module_that_is_gone_is_flagged_in_every_frame(tmp_path, files):
    path = files.write_euxfel_virtual(tmp_path)
    whole = open_frames(path)
    assert whole.shape == (5, 16 * 32, 40) and whole.read(0).ok
    assert not whole.mask.reshape(files.PANELS)[:, 2, 3].any() and whole.mask.sum() == 16 * (32 * 40 - 1)
    (tmp_path / "CORR-R0012-AGIPD05-S00000.h5").unlink()
    read = open_frames(path).read(2)
    assert read.status is FrameStatus.MISSING and "6.2 %" in read.message
    panels = read.data.reshape(files.PANELS)
    assert np.isnan(panels[5]).all() and np.isfinite(panels[4]).all()


def test_module_that_the_run_never_had_belongs_to_the_mask(tmp_path, files):
    path = files.write_euxfel_virtual(tmp_path, modules=tuple(range(15)))
    run = open_frames(path)
    assert run.read(1).ok and not run.mask.reshape(files.PANELS)[15].any() and run.mask.reshape(files.PANELS)[14].any()


def test_interleaved_virtual_sources(tmp_path, files):
    frames = files.make_frames(6)
    layout = h5py.VirtualLayout(frames.shape, "i4")
    for rank in range(2):
        with h5py.File(tmp_path / f"s{rank}.h5", "w") as file:
            file["d"] = frames[rank::2]
        layout[rank::2] = h5py.VirtualSource(str(tmp_path / f"s{rank}.h5"), "d", (3, *files.SHAPE))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("images", layout)
    run = open_frames(tmp_path / "v.h5")
    assert np.array_equal(np.stack(list(run)), frames)
    assert np.array_equal(run.crop(3, 10), frames[3, 15:25, 19:29])


def test_raw_agipd_is_refused_with_advice(tmp_path, files):
    with pytest.raises(FileLayoutError, match="corrected"):
        open_frames(files.write_agipd_raw(tmp_path / "raw.cxi"))


def test_sacla_mask_energy_and_distance(tmp_path, files):
    run = open_frames(files.write_sacla(tmp_path / "s.h5"))
    assert run.metadata.distance_mm == 51.5 and run.metadata.detector == "MPCCD"
    assert [run.frame_metadata(i).wavelength_angstrom for i in range(3)] == pytest.approx([1, 2, 3])
    assert not run.mask[1, 2] and run.mask.sum() == run.mask.size - 1
    assert run.keys[2].event == "tag-202//" and run.keys[2].index == 0


def test_pal_bad_value_and_pixel(tmp_path, files):
    run = open_frames(files.write_pal(tmp_path / "p.h5"))
    assert run.metadata.pixel_size_mm == pytest.approx(225 / 48) and run.frame_metadata(2).wavelength_angstrom == 1.3
    assert not run.frame_mask(0)[4, 5] and run.frame_metadata(1).distance_mm == 102.0


def test_swissfel_mask_is_good_where_one(tmp_path, files):
    run = open_frames(files.write_swissfel(tmp_path))
    assert not run.mask[2, 3] and run.mask.sum() == run.mask.size - 1 and run.metadata.detector == "JF06T08V02"


def test_early_cheetah_mask(tmp_path, files):
    run = open_frames(files.write_cheetah_single(tmp_path / "c.h5"))
    assert run.metadata.wavelength_angstrom == pytest.approx(1.5)
    assert not run.mask[3, 4] and run.mask[5, 6]


def test_any_data_set_by_name_and_the_list_where_it_is_not_clear(tmp_path, files):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["x/first"] = files.make_frames(3)
        file["x/second"] = files.make_frames(4, (50, 60))
        file["x/short"] = np.zeros((4, 5))
    with pytest.raises(FileLayoutError) as caught:
        open_frames(path)
    assert caught.value.candidates == ("/x/first (3, 40, 48) int32", "/x/second (4, 50, 60) int32")
    assert open_frames(f"{path}:/x/second").shape == (4, 50, 60)
    assert open_frames(path, dataset="/x/first").shape == (3, 40, 48)
    with pytest.raises(FileLayoutError, match="no 'third'"):
        open_frames(path, dataset="/x/third")


def test_empty_runs_and_wrong_shapes_say_so(tmp_path):
    for name, shape in (("zero.h5", (0, 40, 48)), ("thin.h5", (3, 40, 0)), ("line.h5", (3,))):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("entry/data/data", shape, "i4")
    assert len(open_frames(tmp_path / "zero.h5")) == 0
    describe(open_frames(tmp_path / "zero.h5"))
    for name in ("thin.h5", "line.h5"):
        with pytest.raises(FileLayoutError):
            open_frames(tmp_path / name)


def test_several_files_make_one_run(tmp_path, files):
    frames = files.make_frames(6)
    for number in range(3):
        files.write_idh5(tmp_path / f"r{number}.h5", {"c": frames[2 * number : 2 * number + 2]})
    for path in (tmp_path, str(tmp_path / "r?.h5"), sorted(tmp_path.glob("r*.h5"))):
        run = open_frames(path)
        assert [int(frame.flat[0]) for frame in run] == [1, 2, 3, 4, 5, 6]
        assert len({key.fingerprint for key in run.keys}) == 3 and run.index_of(run.keys[4]) == 4
    files.write_idh5(tmp_path / "r3.h5", {"c": files.make_frames(1, (50, 50))})
    with pytest.raises(FileLayoutError, match="one by one"):
        open_frames(tmp_path)


def _write_cbf(path, frame, header=""):
    image = fabio.cbfimage.CbfImage(data=frame.astype("i4"))
    image.write(str(path))


def test_image_files_one_packed_glob_and_folder(tmp_path, files):
    frames = files.make_frames(3)
    for number, frame in enumerate(frames):
        _write_cbf(tmp_path / f"i_{number:03d}.cbf", frame)
    assert np.array_equal(open_frames(tmp_path / "i_001.cbf")[0], frames[1])
    for path in (tmp_path, str(tmp_path / "i_*.cbf")):
        run = open_frames(path)
        assert np.array_equal(np.stack(list(run)), frames)
        assert str(run.keys[2]) == str(tmp_path / "i_002.cbf") and run.index_of(run.keys[2]) == 2
    packed = tmp_path / "packed.cbf.bz2"
    packed.write_bytes(bz2.compress((tmp_path / "i_000.cbf").read_bytes()))
    assert np.array_equal(open_frames(packed)[0], frames[0])


def test_tiff_and_a_damaged_one_among_good_ones(tmp_path, files):
    frames = files.make_frames(3, dtype="u2")
    for number, frame in enumerate(frames):
        fabio.tifimage.TifImage(data=frame).write(str(tmp_path / f"t{number}.tif"))
    (tmp_path / "t1.tif").write_bytes((tmp_path / "t1.tif").read_bytes()[:300])
    run = open_frames(tmp_path)
    assert [run.read(i).status.value for i in range(3)] == ["ok", "unreadable", "ok"]
    assert "t1.tif" in run.read(1).message


def test_user_masks(tmp_path, files):
    path = files.write_idh5(tmp_path / "r.h5")
    mask = np.ones(files.SHAPE, bool)
    mask[3:6, 3:6] = False
    np.savez(tmp_path / "m.npz", mask=mask)
    np.save(tmp_path / "m.npy", mask)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["mask"] = mask.astype("u1")
    for given in (mask, tmp_path / "m.npz", tmp_path / "m.npy", f"{tmp_path}/m.h5:/mask"):
        assert np.array_equal(open_frames(path, mask=given).mask, mask)
    with pytest.raises(FileLayoutError, match="shape"):
        open_frames(path, mask=np.ones((3, 3)))


def test_real_eiger_master_names_the_absent_file(shared_data):
    with pytest.raises(FrameReadError, match=r"dectris_eiger_data_000001\.h5"):
        open_frames(shared_data / "real" / "dectris_eiger_master.h5")


def test_real_rayonix_still(shared_data):
    run = open_frames(shared_data / "real" / "rayonix_mx340_mfx_hit.h5")
    assert run.shape == (1, 1920, 1920) and run.dtype == np.int32 and run.read(0).ok
    assert run.metadata.beam_center_px == pytest.approx((960, 960))
    assert run.metadata.distance_mm == 124.0 and run.frame_metadata(0).wavelength_angstrom == pytest.approx(
        1.30376, abs=1e-5
    )


def test_real_pilatus_gaps_and_hot_pixel(shared_data):
    run = open_frames(shared_data / "real" / "thaumatin_pilatus_10stills.h5")
    assert run.shape == (10, 2527, 2463)
    frame, good = run[9], run.frame_mask(9)
    assert not good[frame < 0].any() and frame[1319, 1262] == 1046527 and not good[1319, 1262]
    assert good.sum() == (frame >= 0).sum() - 1


def test_real_pilatus_cbf_agrees_with_the_stack(shared_data):
    image = open_frames(shared_data / "real" / "thau_3_2_0015.cbf.bz2")
    assert image.metadata.distance_mm == pytest.approx(351.0) and image.metadata.wavelength_angstrom == 0.96859
    assert image.metadata.beam_center_px == (1261.61, 1306.96) and image.metadata.saturated_value == 115897
    stack = open_frames(shared_data / "real" / "thaumatin_pilatus_10stills.h5")
    assert any(np.array_equal(image[0], frame) for frame in stack)


def test_twins_and_their_numbers(shared_data):
    for name, n, side in (("TWIN83", 100, 724), ("TWIN84", 100, 724), ("TWIN19", 100, 724), ("TWIN84_full6", 6, 1920)):
        run = open_frames(shared_data / "twins" / f"{name}.h5")
        assert run.shape == (n, side, side) and run.format == "idh5_v1.0" and run.read(n - 1).ok
        assert run.crop(0, 724).shape == (724, 724)
