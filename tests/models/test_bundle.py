"""Bundles: exact round trips, and files from strangers."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sfx_label.errors import BundleError
from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ArchitectureChoice, ModelBundle
from sfx_label.models.catalogue import named_plan
from sfx_label.models.plan import first_weights
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing


@pytest.fixture
def fitted(counts) -> ModelBundle:
    return train("spot-count", counts([0, 1, 2, 8, 9, 30], [0, 0, 0, 1, 2, 2]))


@pytest.fixture
def network() -> ModelBundle:
    plan = named_plan("rwd", (720,))
    choice = ArchitectureChoice("conv", plan.to_config())
    return ModelBundle("rwd", choice, first_weights(plan, 0), Preprocessing.rwd(), (724, 724), 0.4)


def edit(folder, **changes) -> None:
    """Change fields of bundle.json; None deletes one."""
    path = folder / "bundle.json"
    description = json.loads(path.read_text())
    for name, value in changes.items():
        if value is None:
            del description[name]
        else:
            description[name] = value
    path.write_text(json.dumps(description))


def test_round_trip_is_exact(fitted, counts, tmp_path) -> None:
    loaded = ModelBundle.load(fitted.save(tmp_path / "bundle"))
    X = counts(list(range(40)), [0] * 40).X
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    assert loaded.threshold == fitted.threshold
    assert loaded.digest == fitted.digest
    assert loaded.provenance == fitted.provenance
    assert loaded.seen_keys == fitted.seen_keys
    assert loaded.preprocessing == fitted.preprocessing
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == ["bundle.json", "weights.safetensors"]


def test_network_round_trip_is_exact(network, tmp_path) -> None:
    loaded = ModelBundle.load(network.save(tmp_path / "bundle"))
    X = np.random.default_rng(0).gamma(4.0, 1.0, (300, 720)).astype(np.float32)
    np.testing.assert_array_equal(loaded.predict(X), network.predict(X))
    np.testing.assert_array_equal(loaded.embed(X[:5]), network.embed(X[:5]))
    assert loaded.digest == network.digest


def test_digest_follows_every_part(fitted) -> None:
    assert fitted.with_threshold(0.9).digest != fitted.digest
    assert fitted.with_threshold(0.9).provenance["operating_point"]["rule"] == "chosen by hand"


def test_saving_again_replaces_the_bundle_and_nothing_else(fitted, tmp_path) -> None:
    folder = fitted.save(tmp_path / "bundle")
    fitted.with_threshold(0.25).save(folder)
    assert ModelBundle.load(folder).threshold == 0.25
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data.h5").write_text("frames")
    with pytest.raises(BundleError, match="something else than a bundle"):
        fitted.save(precious)
    assert (precious / "data.h5").read_text() == "frames"
    with pytest.raises(BundleError, match="is a file"):
        fitted.save(precious / "data.h5")


def test_a_bundle_travels_to_another_process_without_its_compiled_model(network) -> None:
    X = np.random.default_rng(0).gamma(4.0, 1.0, (3, 720)).astype(np.float32)
    expected = network.predict(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(network)).predict(X), expected)


def test_frames_are_streamed_and_give_what_the_data_set_gives(network, shared_data) -> None:
    with open_frames(shared_data / "twins" / "TWIN84.h5") as frames:
        X = Preprocessing.rwd().apply_many(frames[:5])
        seen: list[tuple[int, int]] = []
        streamed = network.predict(frames[:5], progress=lambda *done: seen.append(done))
        np.testing.assert_array_equal(streamed, network.predict(X))
        assert seen == [(5, 5)]


def test_inputs_that_do_not_fit_are_named(network, vectors) -> None:
    with pytest.raises(BundleError, match=r"\(720,\).*Received inputs of shape \(64,\)"):
        network.predict(np.zeros((2, 64), dtype=np.float32))
    with pytest.raises(BundleError, match="crop: model 724, data 68"):
        network.predict(vectors(6))


@pytest.mark.security
class TestHostileFiles:
    """Each file must be refused with BundleError, before anything is built from it."""

    def refused(self, folder, match: str) -> None:
        with pytest.raises(BundleError, match=match):
            ModelBundle.load(folder)

    @pytest.fixture
    def folder(self, network, tmp_path):
        return network.save(tmp_path / "bundle")

    def test_missing(self, tmp_path) -> None:
        self.refused(tmp_path / "nothing", "No such file")

    @pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors"])
    def test_symbolic_link(self, folder, tmp_path, name) -> None:
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        self.refused(folder, "Cannot open")

    @pytest.mark.timeout(20)
    def test_pipe_does_not_hang(self, folder) -> None:
        (folder / "bundle.json").unlink()
        os.mkfifo(folder / "bundle.json")
        self.refused(folder, "not a regular file")

    def test_too_large(self, folder) -> None:
        os.truncate(folder / "bundle.json", 2**30)
        self.refused(folder, "1073741824 bytes")

    def test_weights_too_large(self, folder) -> None:
        os.truncate(folder / "weights.safetensors", 2**34)
        self.refused(folder, "so it was not read")

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", "[" * 200_000, '{"format": "sfx-label bundle", "version": NaN}', '{"format": "other"}']
    )
    def test_not_a_description(self, folder, text) -> None:
        (folder / "bundle.json").write_text(text)
        self.refused(folder, "bundle")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"architecture": {"id": "os.system", "config": {}}}, "knows the architectures"),
            ({"architecture": {"id": "../../evil", "config": {}}}, "knows the architectures"),
            ({"architecture": {"id": "conv", "config": {}, "code": "x"}}, "id and a config"),
            ({"architecture": {"id": "conv", "config": {"blocks": 3}}}, "described by"),
            ({"extra": "x" * 10}, "unknown, fields"),
            ({"threshold": None}, "lacks"),
            ({"threshold": "0.5"}, "wrong type"),
            ({"threshold": True}, "wrong type"),
            ({"version": 99}, "update sfx-label"),
            ({"preprocessing": {"output": "rwd", "hook": "x"}}, "preprocessing"),
            ({"preprocessing": {"output": "rwd", "window": "5"}}, "preprocessing"),
            ({"frame_shape": [724]}, "frame shape"),
            ({"history": [{"loss": "low"}]}, "history"),
            ({"label_scheme": {"classes": ["a"]}}, "label scheme"),
            ({"method": "x" * 5000}, "5000 characters"),
            (
                {"provenance": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": {"k": {"l": {}}}}}}}}}}}}}},
                "nested",
            ),
            ({"weights_sha256": "0" * 64}, "not those"),
        ],
    )
    def test_changed_field(self, folder, changes, match) -> None:
        edit(folder, **changes)
        self.refused(folder, match)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("input_shape", [10**9]),
            ("input_shape", [8192, 8192, 3]),
            ("outputs", 10**9),
            ("dense", [10**9]),
            ("dense", [4096] * 9),
            ("blocks", []),
            ("collapse", "eval"),
            ("prepare", ["__import__"]),
            ("prepare", ["crop:9999999999"]),
            ("dense_dropout", 1.5),
        ],
    )
    def test_network_out_of_bounds(self, folder, field, value) -> None:
        config = json.loads((folder / "bundle.json").read_text())["architecture"]["config"]
        edit(folder, architecture={"id": "conv", "config": {**config, field: value}})
        self.refused(folder, "Received")

    def test_network_of_too_many_weights(self, folder) -> None:
        config = json.loads((folder / "bundle.json").read_text())["architecture"]["config"]
        block = {"filters": 512, "kernel": 31, "stride": 1, "pool": 1, "pool_stride": 1, "dropout": 0.0}
        edit(folder, architecture={"id": "conv", "config": {**config, "input_shape": [8192], "blocks": [block] * 8}})
        self.refused(folder, "are not loaded")

    def test_weights_of_another_shape(self, folder) -> None:
        weights = load_file(folder / "weights.safetensors")
        weights["output/bias"] = np.zeros(7, dtype=np.float32)
        save_file(weights, folder / "weights.safetensors")
        self.refused(folder, "output/bias")

    def test_weights_of_another_type(self, folder) -> None:
        weights = {name: value.astype(np.float16) for name, value in load_file(folder / "weights.safetensors").items()}
        save_file(weights, folder / "weights.safetensors")
        self.refused(folder, "F16")

    def test_weights_that_are_not_numbers(self, folder) -> None:
        weights = load_file(folder / "weights.safetensors")
        weights["output/bias"][0] = np.nan
        save_file(weights, folder / "weights.safetensors")
        self.refused(folder, "NaN")

    @pytest.mark.parametrize("length", [0, 7, 8, 100, 5000])
    def test_weights_cut_off(self, folder, length) -> None:
        os.truncate(folder / "weights.safetensors", length)
        self.refused(folder, "weights.safetensors")

    def test_pickle_in_place_of_weights_is_not_run(self, folder, tmp_path) -> None:
        class Payload:
            def __reduce__(self):
                return (os.system, (f"touch {tmp_path / 'executed'}",))

        (folder / "weights.safetensors").write_bytes(pickle.dumps(Payload()))
        self.refused(folder, "weights.safetensors")
        assert not (tmp_path / "executed").exists()
