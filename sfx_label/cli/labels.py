"""`labels import`, `labels export`, `labels stats` and `labels agreement`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from sfx_label.cli.command import Command, Result
from sfx_label.cli.frames import add_run
from sfx_label.cli.terminal import Terminal, columns


def _add_store(parser: ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--store", required=required, metavar="FILE", help="label store, by habit named *.labels")


def _import_arguments(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "file", metavar="FILE", help="annotations: expert or DIALS text, CSV, JSON, CrystFEL stream or list"
    )
    _add_store(parser)
    parser.add_argument("--annotator", required=True, help="under whose name the labels are kept")
    parser.add_argument("--format", help="format of FILE, where it cannot be told from its content")


def _import(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.frames.open import open_frames
    from sfx_label.labels.store import LabelStore

    name = options.annotator
    with (
        open_frames(options.run, roots=options.root) as frames,
        LabelStore.open(options.store, create=True, annotator=name) as store,
    ):
        report = store.import_labels(frames, options.file, annotator=name, format=options.format)
    terminal.say(str(report))
    return report.to_dict()


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="only this run; needed for the numbered text formats")
    _add_store(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write: .csv, .json or .txt")
    parser.add_argument("--annotator", help="only the labels of this annotator (default: the merged labels)")
    parser.add_argument("--format", help="expert, csv or json (default: by the ending of FILE)")


def _export(options: Namespace, terminal: Terminal) -> Result:
    from contextlib import nullcontext

    from sfx_label.frames.open import open_frames
    from sfx_label.labels.store import LabelStore

    run = open_frames(options.run) if options.run else nullcontext()
    with run as frames, LabelStore.open(options.store, read_only=True) as store:
        n = store.export_labels(options.out, frames=frames, annotator=options.annotator, format=options.format)
    terminal.say(f"{n} labels written to {options.out}")
    return {"exported": n, "out": options.out}


def _stats_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="only this run")
    _add_store(parser)


def _stats(options: Namespace, terminal: Terminal) -> Result:
    from contextlib import nullcontext

    from sfx_label.frames.open import open_frames
    from sfx_label.labels.store import LabelStore

    run = open_frames(options.run) if options.run else nullcontext()
    with run as frames, LabelStore.open(options.store, read_only=True) as store:
        result = store.stats(frames)
    terminal.say(columns([(str(name), str(value)) for name, value in result.items()]))
    return result


def _agreement_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file_a", metavar="FILE_A", help="annotation file of one annotator")
    parser.add_argument("file_b", metavar="FILE_B", help="annotation file of the other, or DIALS spot counts")
    parser.add_argument("--classes", choices=("2", "3"), default="2", help="2: Maybe counts as Hit (default); 3: apart")


def _agreement(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.labels.agreement import agreement_of_files

    found = agreement_of_files(options.file_a, options.file_b, merge_maybe=options.classes == "2")
    terminal.say(str(found))
    return found.to_dict()


COMMANDS = (
    Command(
        "labels import",
        "bring labels of other programs into a store",
        _import_arguments,
        _import,
        "sfx-label labels import r0095.h5 expert_annotation.txt --store ln84.labels --annotator expert",
    ),
    Command(
        "labels export",
        "write labels for other programs",
        _export_arguments,
        _export,
        "sfx-label labels export r0095.h5 --store ln84.labels --out labels.csv",
    ),
    Command(
        "labels stats",
        "count labels by class and annotator",
        _stats_arguments,
        _stats,
        "sfx-label labels stats --store ln84.labels",
    ),
    Command(
        "labels agreement",
        "say how well two annotators agree, with intervals",
        _agreement_arguments,
        _agreement,
        "sfx-label labels agreement expert_annotation.txt dials_annotation.txt",
    ),
)
