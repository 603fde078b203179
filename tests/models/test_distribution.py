"""Two devices at one global batch give the weights of one device; a fresh process, since devices are cut only once."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from sfx_label.frames.sequence import FrameKey
from sfx_label.models.dataset import Dataset
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing

def data(seed, fingerprint, n=32):
    rng = np.random.default_rng(seed)
    y = np.resize([0, 1, 2], n)
    X = rng.gamma(20.0, 0.1, (n, 64)) + y[:, None] * (rng.random((n, 64)) < 0.2)
    keys = tuple(FrameKey(fingerprint, "/d", i) for i in range(n))
    return Dataset(X.astype(np.float32), y, keys, Preprocessing.rwd(crop=68), "toy", (68, 68))

method = sys.argv[1]
options = {"epochs": 3, "batch_size": 16, "optimizer": "sgd", "learning_rate": 0.05, "seed": 1, "device": "cpu"}
if method == "dann":
    options |= {"target": data(5, "b" * 16), "reversal": 1.0}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
assert strategy.num_replicas_in_sync == 2
source = data(0, "a" * 16)
# dropout draws differently on two devices, so it is switched off for the comparison
from dataclasses import replace
import sfx_label.models.catalogue as catalogue
plain = catalogue.named_plan
def without_dropout(name, shape, **changes):
    plan = plain(name, shape, **changes)
    return replace(plan, blocks=tuple(replace(block, dropout=0.0) for block in plan.blocks), dense_dropout=0.0)
catalogue.named_plan = without_dropout
one = train(method, source, **options)
two = train(method, source, strategy=strategy, **options)
worst = max(float(np.abs(one.weights[name] - two.weights[name]).max()) for name in one.weights)
moved = max(float(np.abs(one.weights[name]).max()) for name in one.weights)
print("difference", worst, "of", moved)
assert worst < 2e-5, worst
"""


@pytest.mark.parametrize("method", [pytest.param("rwd", marks=pytest.mark.slow), "dann"])
def test_two_devices_give_the_weights_of_one(method) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, method], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
