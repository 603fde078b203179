"""`train`, `evaluate` and `overlap`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from sfx_label.cli.command import Command, Result
from sfx_label.cli.frames import add_opening, add_run
from sfx_label.cli.terminal import Progress, Terminal

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.dataset import Dataset
    from sfx_label.models.recipe import LabelledRun, Recipe

ZERO_LABEL = "zero-label"


def load_bundle(name: str) -> ModelBundle:
    """Load a model from its folder, or the one that ships with the package under the name ``zero-label``."""
    if name == ZERO_LABEL:
        from sfx_label.models.zero_label import load_zero_label

        return load_zero_label()
    from sfx_label.models.bundle import ModelBundle

    return ModelBundle.load(name)


def labelled_run(options: Namespace, path: str, labels: str) -> LabelledRun:
    """Name a run and its labels, with the options that help to open it."""
    from sfx_label.models.recipe import LabelledRun

    return LabelledRun(path, labels, options.annotator, options.mask, tuple(options.root))


def _add_labels(parser: ArgumentParser) -> None:
    parser.add_argument("--labels", required=True, metavar="FILE", help="label store, or an annotation file")
    parser.add_argument("--annotator", help="whose labels of the store (default: merged)")
    parser.add_argument("--cache", metavar="DIR", help="keep preprocessed frames here between calls")


def _train_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="spot-count, rwd, hybrid, cnn, transfer, dann or mcc")
    add_run(parser)
    _add_labels(parser)
    parser.add_argument("--train", type=int, metavar="N", help="training frames (default 200, or half of fewer)")
    parser.add_argument(
        "--validation", type=int, metavar="N", help="validation frames (default: as many, or a quarter)"
    )
    parser.add_argument(
        "--order", choices=("file", "random"), default="file", help="how frames are split (default: file)"
    )
    parser.add_argument("--base", metavar="BUNDLE", help="model to start from (transfer)")
    parser.add_argument(
        "--source", metavar="RUN", help="labelled run to learn from (dann, mcc); RUN is then the target"
    )
    parser.add_argument("--source-labels", metavar="FILE", help="its labels")
    parser.add_argument(
        "--preset", choices=("default", "paper"), default="default", help="preprocessing (default: what measured best)"
    )
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


def _recipe(options: Namespace) -> Recipe:
    from sfx_label.models.recipe import Recipe

    source = labelled_run(options, options.source, options.source_labels or options.labels) if options.source else None
    return Recipe(
        options.method,
        labelled_run(options, options.run, options.labels),
        source=source,
        base=options.base,
        n_train=options.train,
        n_validation=options.validation,
        order=options.order,
        preset=options.preset,
        seed=options.seed,
        device=options.device,
        options=method_options(options.set),
        cache=options.cache,
    )


def summary(bundle: ModelBundle) -> dict[str, Any]:
    """Say in a few numbers how a model was made."""
    known = {name: bundle.provenance.get(name) for name in ("label_budget", "seconds", "seed", "ended", "device")}
    return {"method": bundle.method, "threshold": bundle.threshold, "digest": bundle.digest, **known}


def _train(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.evaluate import evaluate

    with terminal.progress("preprocess") as reading, terminal.progress(f"train {options.method}") as training:
        trained = _recipe(options).follow(reading=reading, training=training)
    trained.bundle.save(options.out)
    result: dict[str, Any] = {"bundle": options.out, **summary(trained.bundle), "n_test": len(trained.test)}
    if len(trained.test):
        evaluation = evaluate(trained.bundle, trained.test)
        terminal.say(str(evaluation))
        result["test"] = evaluation.to_dict()
    terminal.say(f"model saved in {options.out}")
    return result


def _evaluate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a model, or zero-label")
    add_run(parser)
    _add_labels(parser)
    parser.add_argument("--threshold", type=float, help="another operating point than the model's own")


def _evaluate(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.evaluate import evaluate

    bundle = load_bundle(options.bundle)
    with terminal.progress("preprocess") as progress:
        run = labelled_run(options, options.run, options.labels)
        data = run.load(bundle.preprocessing, cache=options.cache, progress=progress)
    if options.bundle == ZERO_LABEL:
        from sfx_label.models.zero_label import adapt_to_run

        bundle = adapt_to_run(bundle, data)
    if options.threshold is not None:
        bundle = bundle.with_threshold(options.threshold)
    evaluation = evaluate(bundle, data, exclude_seen=True)
    terminal.say(str(evaluation))
    return evaluation.to_dict()


def _overlap_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="model whose features are compared")
    add("source", metavar="SOURCE", help="run that the model was trained on")
    add("target", metavar="TARGET", help="run that it meets")
    add("--source-labels", metavar="FILE", help="labels of the source, for the overlap of each class")
    add("--target-labels", metavar="FILE", help="labels of the target")
    add("--frames", type=int, default=400, help="frames of each run to use, drawn at random (default 400)")
    add("--seed", type=int, default=0)
    add("--view", choices=("tsne", "umap"), default="tsne", help="kind of picture (default: tsne)")
    add("--picture", metavar="FILE", help="draw the picture here (.png, .svg, .pdf)")
    add_opening(parser)


def _overlap(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.embedding import embed, extract_features
    from sfx_label.results.plots import plot_embedding

    bundle = load_bundle(options.bundle)
    with terminal.progress("preprocess") as progress:
        pairs = ((options.source, options.source_labels), (options.target, options.target_labels))
        data = [_sample(options, bundle, path, labels, progress) for path, labels in pairs]
    found = extract_features(bundle, data).overlap(seed=options.seed)
    if options.picture:
        embedding = embed(bundle, data, options.view, options.seed)
        figure = plot_embedding(embedding).get_figure(root=True)
        if figure is not None:
            figure.savefig(options.picture)
    terminal.say(str(found))
    return {**found.to_dict(), "picture": options.picture}


def _sample(options: Namespace, bundle: ModelBundle, path: str, labels: str | None, progress: Progress) -> Dataset:
    from sfx_label.models.recipe import load_sample

    opening = {"mask": options.mask, "roots": options.root}
    return load_sample(
        path, labels, bundle.preprocessing, n=options.frames, seed=options.seed, progress=progress, **opening
    )


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
