"""Settings drawn at random over everything that differs between experiments, for a base that has to expect anything.

The ranges are wider than any one experiment: a model trained on such runs should meet a real one as just another draw
(domain randomisation, Tobin et al., IROS 2017).
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from sfx_label.simulate.settings import (
    BackgroundSetting,
    BeamSetting,
    Cell,
    CrystalSetting,
    DetectorSetting,
    DisturbanceSetting,
    Laue,
    MixSetting,
    Ring,
    Shadow,
    SimulationSetting,
)

__all__ = ["random_setting"]

SMALLEST_SHAPE, LARGEST_SHAPE = 640, 900
RESOLVED_STEP_PX = 5.0
"""Neighbouring spots along the longest axis are at least so far apart, pixels: nobody measures unresolved lattices."""


def random_setting(seed: int) -> SimulationSetting:
    """Draw an experiment: cell, wavelength, distance, detector, gain, background, shadows, disturbances and class mix.

    Parameters
    ----------
    seed
        The same seed gives the same setting. The frames are about 724 pixels wide whatever the detector; pass
        ``frame_size`` to :func:`~sfx_label.simulate.run.simulate_run` for others.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(7,)))
    beam = _beam(rng)
    detector, counting = _detector(rng)
    longest = beam.wavelength * beam.distance_mm / detector.pixel_mm / RESOLVED_STEP_PX
    return SimulationSetting(
        name=f"random-{seed}",
        crystal=_crystal(longest, rng),
        beam=beam,
        background=_background(detector.gain, counting, rng),
        detector=detector,
        disturbance=_disturbance(detector.gain, rng),
        mix=_mix(rng),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly in the logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _beam(rng: np.random.Generator) -> BeamSetting:
    wavelength = float(rng.uniform(0.9, 1.9))
    return BeamSetting(
        wavelength=wavelength,
        jitter=_between(rng, 1e-4, 3e-3),
        bandwidth=_between(rng, 2e-4, 4e-3),
        polarisation=float(rng.choice([0.98, 0.95, 0.5, 0.02])),
        distance_mm=_between(rng, 80.0, 220.0),
    )


def _detector(rng: np.random.Generator) -> tuple[DetectorSetting, bool]:
    """Draw one of three kinds: taper-coupled CCD, integrating pixels (few photons, large gain), counting pixels."""
    kind = str(rng.choice(["ccd", "integrating", "counting"], p=[0.5, 0.3, 0.2]))
    rows, columns = (int(n) for n in rng.integers(SMALLEST_SHAPE, LARGEST_SHAPE, 2))
    hole = float(rng.choice([0.0, rng.uniform(8.0, 80.0)], p=[0.1, 0.9]))
    common: dict[str, Any] = {
        "shape": (rows, columns) if rng.random() < 0.5 else (724, 724),
        "pixel_mm": {"ccd": _between(rng, 0.08, 0.18), "integrating": _between(rng, 0.075, 0.11), "counting": 0.172}[
            kind
        ],
        "centre_offset_px": (float(rng.normal(0, 8)), float(rng.normal(0, 8))),
        "hole_radius_px": hole,
        "hole_softness_px": _between(rng, 0.3, 6.0),
        "hole_value": "offset" if rng.random() < 0.6 else 0.0,
        "flat_field": float(rng.uniform(0.0, 0.03)),
        "hot_pixels": _between(rng, 2e-6, 2e-4),
        "dead_pixels": _between(rng, 2e-6, 2e-4),
    }
    if kind == "ccd":
        own = {
            "gain": _between(rng, 0.4, 4.0),
            "point_spread_px": float(rng.uniform(0.35, 0.9)),
            "halo": float(rng.uniform(0.0, 0.06)),
            "offset": float(rng.choice([0.0, 10.0, 40.0])),
            "read_noise": float(rng.uniform(0.2, 2.0)),
        }
    elif kind == "integrating":
        gain = _between(rng, 3.0, 30.0)
        own = {
            "gain": gain,
            "point_spread_px": 0.25,
            "halo": 0.0,
            "offset": 0.0,
            "read_noise": gain * float(rng.uniform(0.1, 0.4)),
        }
    else:
        own = {"gain": 1.0, "point_spread_px": 0.0, "halo": 0.0, "offset": 0.0, "read_noise": 0.0, "flat_field": 0.0}
    return DetectorSetting(**{**common, **own, **_panels(kind, rng)}), kind == "counting"


def _panels(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    if kind == "ccd" or rng.random() < 0.25:
        return {}
    panels = {"integrating": [(185, 194), (256, 256), (512, 1024)], "counting": [(195, 487), (514, 1030)]}[kind]
    rows, columns = panels[int(rng.integers(len(panels)))]
    gap = (int(rng.integers(3, 38)), int(rng.integers(3, 13)))
    return {"panels": (rows, columns), "gap_px": gap, "gap_value": -1.0 if kind == "counting" else 0.0}


def _crystal(longest: float, rng: np.random.Generator) -> CrystalSetting:
    cell, laue = _cell(longest, rng)
    low = _between(rng, 10.0, 80.0)
    return CrystalSetting(
        cell=cell,
        laue=laue,
        centring=str(rng.choice(["P", "C", "I", "F"], p=[0.7, 0.12, 0.12, 0.06])),  # type: ignore[arg-type]
        size_um=(_between(rng, 0.08, 1.5), 0.4),
        mosaicity_deg=(_between(rng, 0.01, 0.3), 0.5),
        b_factor=(low, low * float(rng.uniform(1.5, 4.0))),
        extent_um=(_between(rng, 5.0, 80.0), 0.5),
        several=float(rng.uniform(0.0, 0.4)),
        structure_seed=int(rng.integers(1, 2**31)),
    )


def _cell(longest: float, rng: np.random.Generator) -> tuple[Cell, Laue]:
    a, b, c = (min(_between(rng, 35.0, 260.0), longest) for _ in range(3))
    system = str(rng.choice(["triclinic", "monoclinic", "orthorhombic", "tetragonal", "hexagonal"]))
    if system == "triclinic":
        angles = rng.uniform(75.0, 105.0, 3)
        return (a, b, c, float(angles[0]), float(angles[1]), float(angles[2])), "-1"
    if system == "monoclinic":
        return (a, b, c, 90.0, float(rng.uniform(91.0, 115.0)), 90.0), "2/m"
    if system == "orthorhombic":
        return (a, b, c, 90.0, 90.0, 90.0), "mmm"
    if system == "tetragonal":
        return (a, a, c, 90.0, 90.0, 90.0), "4/mmm"
    return (a, a, c, 90.0, 90.0, 120.0), "6/mmm"


def _background(gain: float, counting: bool, rng: np.random.Generator) -> BackgroundSetting:
    photons = min(_between(rng, 0.8 if counting else 1.5, 1500.0), 12_000.0 / gain)
    return BackgroundSetting(
        level=(photons * gain, float(rng.uniform(0.1, 0.6))),
        solvent=float(rng.uniform(0.1, 1.5)),
        small_angle=float(rng.uniform(0.0, 1.2)),
        air=float(rng.uniform(0.1, 1.0)),
        solvent_spacing=float(rng.choice([3.2, 3.2, 4.5])) * float(rng.uniform(0.97, 1.03)),
        rings=tuple(_ring(rng) for _ in range(int(rng.integers(0, 3)))),
        variation=float(rng.uniform(0.05, 0.35)),
        shadows=tuple(_shadow(rng) for _ in range(int(rng.integers(0, 4)))),
    )


def _ring(rng: np.random.Generator) -> Ring:
    return Ring(_between(rng, 3.0, 60.0), _between(rng, 0.02, 0.25), _between(rng, 0.05, 1.0))


def _shadow(rng: np.random.Generator) -> Shadow:
    kind = int(rng.integers(3))
    transmission = float(rng.uniform(0.3, 0.97) if rng.random() < 0.7 else rng.uniform(1.03, 1.4))
    angle, softness = float(rng.uniform(0.0, 360.0)), _between(rng, 0.1, 4.0)
    edge = float(rng.normal(0.0, 12.0))
    if kind == 0:
        return Shadow(angle, across=(edge, inf), transmission=transmission, softness_mm=softness)
    half = _between(rng, 0.4, 8.0)
    if kind == 1:
        return Shadow(angle, across=(edge - half, edge + half), transmission=transmission, softness_mm=softness)
    start = float(rng.uniform(0.0, 30.0))
    return Shadow(angle, (start, inf), (-half / 2, half / 2), transmission, softness)


def _disturbance(gain: float, rng: np.random.Generator) -> DisturbanceSetting:
    return DisturbanceSetting(
        zingers=_between(rng, 0.1, 8.0),
        zinger_counts=(_between(rng, 60.0, 500.0) * max(gain, 0.5), float(rng.uniform(0.4, 1.0))),
        streak=float(rng.uniform(0.0, 0.5)),
        ice_spots=float(rng.uniform(0.0, 0.15)),
        ice_ring=float(rng.uniform(0.0, 0.15)),
        salt_ring=float(rng.uniform(0.0, 0.06)),
        carrier_ring=float(rng.uniform(0.0, 0.1)),
        arc=float(rng.uniform(0.0, 0.15)),
        no_sample=float(rng.uniform(0.0, 0.2)),
    )


def _mix(rng: np.random.Generator) -> MixSetting:
    hits, maybes = int(rng.integers(60, 900)), int(rng.integers(60, 400))
    peak = _between(rng, 5.5, 12.0)
    return MixSetting(
        per_2000=(hits, maybes, 2000 - hits - maybes),
        spots_of_a_hit=(_between(rng, 15.0, 120.0), float(rng.uniform(0.4, 1.0))),
        crystal_in_a_miss=float(rng.uniform(0.2, 0.7)),
        visible_peak=peak,
        visible_sum=peak * 2.0 / 3.0,
    )
