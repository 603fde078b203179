"""`demo`, `bench`, `doctor` and `completion`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from sfx_label.cli.command import Command, Result
from sfx_label.cli.terminal import Terminal, columns

MARKS = {"ok": "ok  ", "note": "note", "wrong": "MEND"}


def _demo_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", default="demo", metavar="DIR", help="folder for runs, labels and models (default: demo)"
    )
    parser.add_argument(
        "--frames", type=int, default=800, help="frames a run (default 800: 200 + 200 labels, 400 to test)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of simulation and training (default 0)")


def _demo(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.demo import run_demo

    demo = run_demo(options.out, n_frames=options.frames, seed=options.seed, step=terminal.progress)
    terminal.say(f"{demo.table}\n")
    terminal.say(columns([(name, f"{seconds:.1f} s") for name, seconds in demo.seconds.items()]))
    terminal.say(f"\nOpen the same project in JupyterLab:\n  {jupyter_command(demo.notebook)}")
    return demo.to_dict()


def jupyter_command(notebook: Path) -> str:
    """Return the one command that opens a notebook in the JupyterLab of this Python."""
    here = Path(sys.executable).parent / "jupyter"
    program = here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here
    return f"{program} lab {notebook}"


def _bench_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer repeats: a minute")


def _bench(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.preprocess.bench import measure_kernels

    result: dict[str, Any] = measure_kernels(quick=options.quick)
    terminal.say(
        columns([(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in result.items()])
    )
    return result


def _doctor(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.cli.doctor import diagnose

    checks = diagnose()
    terminal.say(columns([(MARKS[check.state], check.name, check.found) for check in checks]))
    for check in checks:
        if check.advice:
            terminal.say(f"  {check.name}: {check.advice}")
    return {
        "healthy": all(check.state != "wrong" for check in checks),
        "checks": [vars(check) for check in checks],
    }


def _completion_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="your shell")


def _completion(options: Namespace, terminal: Terminal) -> Result:
    import shtab

    from sfx_label.cli.main import build_parser

    script = shtab.complete(build_parser(), options.shell)
    terminal.say(script)
    return {"shell": options.shell, "script": script}


DEMO = (
    Command(
        "demo",
        "the whole way on simulated runs, with a recall table at its end",
        _demo_arguments,
        _demo,
        "sfx-label demo --out demo",
    ),
)
COMMANDS = (
    Command(
        "bench", "measure the speed of this machine as ratios", _bench_arguments, _bench, "sfx-label bench --quick"
    ),
    Command(
        "doctor", "look for what is wrong here and say how to mend it", lambda parser: None, _doctor, "sfx-label doctor"
    ),
    Command(
        "completion",
        "print completion for your shell",
        _completion_arguments,
        _completion,
        'eval "$(sfx-label completion bash)"',
    ),
)
