"""`train`, `evaluate` and `overlap`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from sfx_label.cli.command import Command, Result
from sfx_label.cli.frames import add_run
from sfx_label.cli.terminal import Terminal, columns

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.dataset import Dataset
    from sfx_label.preprocess.contrast import Preprocessing

ZERO_LABEL = "zero-label"
N_LABELS = 200


def load_bundle(name: str) -> ModelBundle:
    """Load a model from its folder, or the one that ships with the package under the name ``zero-label``."""
    if name == ZERO_LABEL:
        from sfx_label.models.zero_label import load_zero_label

        return load_zero_label()
    from sfx_label.models.bundle import ModelBundle

    return ModelBundle.load(name)


def labelled_data(
    path: str, labels: str, preprocessing: Preprocessing, options: Namespace, terminal: Terminal
) -> Dataset:
    """Open a run, find its labels in a store or an annotation file, and preprocess the labelled frames."""
    from sfx_label.frames.open import open_frames
    from sfx_label.labels.source import read_labels
    from sfx_label.models.dataset import build_dataset

    with open_frames(path, mask=options.mask, roots=options.root) as frames, terminal.progress("preprocess") as progress:
        found = read_labels(frames, labels, annotator=options.annotator)
        return build_dataset(frames, found, preprocessing, cache=options.cache, progress=progress)


def _add_labels(parser: ArgumentParser) -> None:
    parser.add_argument("--labels", required=True, metavar="FILE", help="label store, or an annotation file")
    parser.add_argument("--annotator", help="whose labels of the store (default: merged)")
    parser.add_argument("--cache", metavar="DIR", help="keep preprocessed frames here between calls")


def _train_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="spot-count, rwd, hybrid, cnn, transfer, dann or mcc")
    add_run(parser)
    _add_labels(parser)
    parser.add_argument("--train", type=int, metavar="N", help=f"training frames (default {N_LABELS}, or half of fewer)")
    parser.add_argument("--validation", type=int, metavar="N", help="validation frames (default: as many, or a quarter)")
    parser.add_argument("--order", choices=("file", "random"), default="file", help="how frames are split (default: file)")
    parser.add_argument("--base", metavar="BUNDLE", help="model to start from (transfer)")
    parser.add_argument("--source", metavar="RUN", help="labelled run to learn from (dann, mcc); RUN is then the target")
    parser.add_argument("--source-labels", metavar="FILE", help="its labels")
    parser.add_argument("--preset", choices=("default", "paper"), default="default", help="preprocessing (default: what measured best)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="an option of the method")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu:0")
    parser.add_argument("--out", required=True, metavar="BUNDLE", help="folder for the model")


def method_options(pairs: list[str]) -> dict[str, Any]:
    """Read ``["epochs=20", "sorted=true"]`` as keyword arguments; values are JSON where they can be, else text."""
    import json

    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"--set wants NAME=VALUE, received {pair!r}")
        try:
            options[name.replace("-", "_")] = json.loads(text)
        except json.JSONDecodeError:
            options[name.replace("-", "_")] = text
    return options


def _train(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.models.recipe import preprocessing_for
    from sfx_label.models.training import train
    from sfx_label.results.evaluate import evaluate

    base = load_bundle(options.base) if options.base else None
    preprocessing = preprocessing_for(options.method, options.preset, base=base)
    data = labelled_data(options.run, options.labels, preprocessing, options, terminal)
    n_train, n_validation = _sizes(options, len(data))
    parts = data.split(train=n_train, validation=n_validation, order=options.order, seed=options.seed)
    first, second, extra = parts.train, parts.validation, method_options(options.set)
    if base is not None:
        extra["base"] = base
    if options.source:
        source = labelled_data(options.source, options.source_labels or options.labels, preprocessing, options, terminal)
        sizes = (len(source) - len(source) // 4, len(source) // 4)
        first, second, _ = source.split(train=sizes[0], validation=sizes[1], order=options.order, seed=options.seed)
        extra["target"] = data.without_labels()
    with terminal.progress(f"train {options.method}") as progress:
        bundle = train(options.method, first, second, seed=options.seed, device=options.device, progress=progress, **extra)
    bundle.save(options.out)
    test = data if options.source else parts.test
    result: dict[str, Any] = {"bundle": options.out, "method": options.method, "threshold": bundle.threshold}
    result |= {"digest": bundle.digest, "seconds": bundle.provenance.get("seconds"), "n_train": len(first)}
    result |= {"n_validation": len(second), "n_test": len(test)}
    if len(test):
        evaluation = evaluate(bundle, test)
        terminal.say(str(evaluation))
        result["test"] = evaluation.to_dict()
    terminal.say(f"model saved in {options.out}")
    return result


def _sizes(options: Namespace, n: int) -> tuple[int, int]:
    train = options.train if options.train is not None else min(N_LABELS, n // 2)
    validation = options.validation if options.validation is not None else min(train, N_LABELS, (n - train) // 2)
    return train, validation


def _evaluate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a model, or zero-label")
    add_run(parser)
    _add_labels(parser)
    parser.add_argument("--threshold", type=float, help="another operating point than the model's own")


def _evaluate(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.evaluate import evaluate

    bundle = load_bundle(options.bundle)
    if options.threshold is not None:
        bundle = bundle.with_threshold(options.threshold)
    data = labelled_data(options.run, options.labels, bundle.preprocessing, options, terminal)
    evaluation = evaluate(bundle, data, exclude_seen=True)
    terminal.say(str(evaluation))
    return evaluation.to_dict()


def _overlap_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="model whose features are compared")
    parser.add_argument("source", metavar="SOURCE", help="run that the model was trained on")
    parser.add_argument("target", metavar="TARGET", help="run that it meets")
    parser.add_argument("--labels", metavar="FILE", help="labels of both, for the overlap of each class")
    parser.add_argument("--frames", type=int, default=400, help="frames of each run to use (default 400)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="write the t-SNE picture here (.png, .svg, .pdf)")


def _overlap(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.overlap import overlap_of_runs

    bundle = load_bundle(options.bundle)
    with terminal.progress("features") as progress:
        found = overlap_of_runs(
            bundle,
            options.source,
            options.target,
            labels=options.labels,
            n_frames=options.frames,
            seed=options.seed,
            picture=options.picture,
            progress=progress,
        )
    result = found.to_dict()
    terminal.say(columns([(str(name), str(value)) for name, value in result.items()]))
    return result


COMMANDS = (
    Command(
        "train",
        "train a model on a labelled run and test it on the rest",
        _train_arguments,
        _train,
        "sfx-label train rwd r0095.h5 --labels ln84.labels --out ln84-rwd",
    ),
    Command(
        "evaluate",
        "recalls with intervals on labelled frames that the model has not seen",
        _evaluate_arguments,
        _evaluate,
        "sfx-label evaluate ln84-rwd r0018.h5 --labels ln83.labels",
    ),
    Command(
        "overlap",
        "how far the features of two runs overlap, as a number and a picture",
        _overlap_arguments,
        _overlap,
        "sfx-label overlap ln84-rwd r0095.h5 r0018.h5 --picture overlap.png",
    ),
)
