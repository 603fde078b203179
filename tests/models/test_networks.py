"""Plans and the Keras networks built from them."""

from __future__ import annotations

import numpy as np
import pytest

from sfx_label.errors import BundleError, TrainingError
from sfx_label.models.architectures import find_architecture
from sfx_label.models.catalogue import NAMED_PLANS, named_plan, picture_plan
from sfx_label.models.networks import Network, logits_to_probability
from sfx_label.models.plan import NetworkPlan, first_weights
from sfx_label.models.prepare import prepare, prepared_shape

SHAPES = {1: (720,), 2: (120, 96)}


def test_network_of_ke_has_its_published_number_of_parameters() -> None:
    plan = named_plan("ke", (720, 720), outputs=3)
    assert plan.n_parameters == 7291
    assert plan.map_shapes[-1] == (3, 3)


@pytest.mark.parametrize("name", NAMED_PLANS)
@pytest.mark.parametrize("collapse", ["flatten", "mean+max"])
def test_plan_and_keras_agree_on_every_weight(name, collapse) -> None:
    plan = named_plan(name, SHAPES[NAMED_PLANS[name][0]], collapse=collapse)
    weights = first_weights(plan, 3)
    network = Network(plan, weights)
    got = network.get_weights()
    assert {key: value.shape for key, value in got.items()} == plan.weight_shapes()
    for key, value in weights.items():
        np.testing.assert_array_equal(got[key], value, err_msg=key)
    trainable = [*network.base.trainable_variables, *network.classifier.trainable_variables]
    assert sum(int(np.prod(variable.shape)) for variable in trainable) == plan.n_parameters
    assert NetworkPlan.from_config(plan.to_config()) == plan
    features = network.base(np.zeros((2, *plan.network_shape), np.float32))
    assert features.shape == (2, plan.n_features)


@pytest.mark.parametrize("name", ["rwd", "ke"])
def test_a_frame_gets_the_same_probability_in_any_company(name) -> None:
    plan = named_plan(name, SHAPES[NAMED_PLANS[name][0]])
    predictor = find_architecture("conv").predictor(plan.to_config(), first_weights(plan, 0), "cpu")
    X = np.random.default_rng(0).normal(size=(21, *plan.input_shape)).astype(np.float32)
    together = predictor.probability(X)
    alone = np.concatenate([predictor.probability(X[i : i + 1]) for i in range(21)])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-7)
    assert ((together >= 0) & (together <= 1)).all()


def test_convolution_block_by_hand() -> None:
    """One block with one filter against numpy: convolution, normalisation, ReLU, pooling, mean and maximum."""
    plan = NetworkPlan.from_config(
        {
            **named_plan("rwd", (8,), collapse="mean+max").to_config(),
            "blocks": [{"filters": 1, "kernel": 3, "stride": 1, "pool": 2, "pool_stride": 2, "dropout": 0.0}],
            "dense": [],
        }
    )
    weights = first_weights(plan, 0)
    weights["block1/kernel"] = np.array([1.0, 2.0, -1.0], np.float32).reshape(3, 1, 1)
    weights["block1/bias"] = np.array([0.5], np.float32)
    weights["block1/moving_mean"] = np.array([1.0], np.float32)
    weights["block1/moving_variance"] = np.array([4.0 - 1e-3], np.float32)
    x = np.array([1, 0, 2, 5, -1, 0, 3, 1], np.float32)
    padded = np.pad(x, 1)
    convolved = padded[:-2] + 2 * padded[1:-1] - padded[2:] + 0.5
    pooled = np.maximum((convolved - 1.0) / 2.0, 0).reshape(4, 2).max(axis=1)
    features = np.asarray(Network(plan, weights).base(x[None]))[0]
    np.testing.assert_allclose(features, [pooled.mean(), pooled.max()], rtol=1e-5)


def test_probability_is_the_share_of_maybe_and_hit() -> None:
    logits = np.array([[0.0, 0.0, 0.0], [np.log(2.0), np.log(3.0), np.log(5.0)], [50.0, 0.0, 0.0]])
    expected = [2 / 3, 0.8, 2 * np.exp(-50.0)]
    np.testing.assert_allclose(logits_to_probability(logits), expected, rtol=1e-6, atol=1e-12)


def test_dropout_of_an_epoch_can_be_repeated() -> None:
    plan = named_plan("rwd", (64,))
    network = Network(plan, first_weights(plan, 0))
    x = np.ones((4, 64), np.float32)
    network.seed_dropout(7, 1)
    first = np.asarray(network(x, training=True))
    second = np.asarray(network(x, training=True))
    network.seed_dropout(7, 1)
    again = np.asarray(network(x, training=True))
    network.seed_dropout(7, 2)
    other = np.asarray(network(x, training=True))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_base_cut_in_two_is_the_base() -> None:
    plan = named_plan("ke", (64, 64))
    network = Network(plan, first_weights(plan, 0))
    x = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    whole = np.asarray(network.base(x))
    for number in range(len(plan.blocks) + 1):
        lower, upper = network.cut(number)
        np.testing.assert_array_equal(np.asarray(upper(lower(x))), whole)


def test_output_layer_is_float32_under_mixed_precision() -> None:
    plan = named_plan("ke", (64, 64))
    network = Network(plan, first_weights(plan, 0), precision="mixed_bfloat16")
    x = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    exact = np.asarray(Network(plan, first_weights(plan, 0))(x))
    mixed = np.asarray(network(x))
    assert mixed.dtype == np.float32
    assert network.classifier.layers[-1].kernel.dtype == "float32"
    np.testing.assert_allclose(mixed, exact, atol=0.1)


def test_steps_before_the_network_by_hand() -> None:
    X = np.array([[3.0, 1.0, 2.0, 8.0]])
    np.testing.assert_allclose(prepare(X, ("sort",)), [[1, 2, 3, 8]])
    np.testing.assert_allclose(prepare(X, ("asinh",)), np.arcsinh(X), rtol=1e-6)
    np.testing.assert_allclose(prepare(X, ("frame-scale",)), (X - 2.5) / (4.25 - 1.75), rtol=1e-6)
    picture = np.arange(25.0).reshape(1, 5, 5)
    np.testing.assert_allclose(prepare(picture, ("max2",)), [[[6, 8], [16, 18]]])
    np.testing.assert_allclose(prepare(picture, ("crop:3",)), [[[6, 7, 8], [11, 12, 13], [16, 17, 18]]])
    assert prepared_shape((5, 5), ("max2",)) == (2, 2)
    assert prepared_shape((724, 724), ("crop:704", "max4")) == (176, 176)


def test_pictures_are_rounded_as_the_cache_keeps_them() -> None:
    X = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(prepare(X, ()), prepare(X.astype(np.float16), ()))


def test_steps_and_names_that_do_not_fit() -> None:
    with pytest.raises(BundleError, match="sort"):
        named_plan("rwd", (64,), prepare=("max2",))
    with pytest.raises(TrainingError, match="fig2, fig2-full, ke"):
        named_plan("rwd", (64, 64))
    with pytest.raises(TrainingError, match="downsample"):
        picture_plan((64, 64), "ke", "mean2", None)
    with pytest.raises(TrainingError, match="crop"):
        picture_plan((64, 64), "ke", "none", 100)


def test_first_convolution_is_strided_only_for_large_pictures() -> None:
    assert named_plan("fig2", (720, 720)).blocks[0].stride == 2
    assert named_plan("fig2", (720, 720), prepare=("max4",)).blocks[0].stride == 1
    assert named_plan("fig2-full", (720, 720)).blocks[0].stride == 1
