"""Simulated runs with known truth: small physical stills for demonstrations, tests and a base that needs no labels.

The picture is made as an experiment makes it: lattice, orientation, Ewald sphere, scatter of solvent and carrier,
photons, point spread, electronics. What is simplified is said where it is done. None of it is measured data.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfx_label.simulate.experiments import SETTINGS as SETTINGS
    from sfx_label.simulate.frame import SimulatedFrame as SimulatedFrame
    from sfx_label.simulate.frame import Simulator as Simulator
    from sfx_label.simulate.randomise import random_setting as random_setting
    from sfx_label.simulate.run import SimulatedRun as SimulatedRun
    from sfx_label.simulate.run import simulate_run as simulate_run
    from sfx_label.simulate.settings import SimulationSetting as SimulationSetting

_ROOMS = {
    "SETTINGS": "experiments",
    "SimulatedFrame": "frame",
    "SimulatedRun": "run",
    "SimulationSetting": "settings",
    "Simulator": "frame",
    "random_setting": "randomise",
    "simulate_run": "run",
}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(
            f"module 'sfx_label.simulate' has no attribute {name!r}; public names: {', '.join(_ROOMS)}"
        )
    return getattr(import_module(f"sfx_label.simulate.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
