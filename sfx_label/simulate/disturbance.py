"""What is in a frame besides liquid and crystal: zingers, streaks, ice, salt, parasitic arcs, pulses without sample.

Simplified: each is a shape seen on real frames, drawn with random place and strength, not derived from its cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfx_label.simulate.crystal import Reflections
from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.settings import DisturbanceSetting, Ring

__all__ = ["Disturbances", "Halo", "draw_disturbances", "draw_zingers", "sharp_spots"]

ICE_SPACINGS = (3.90, 3.67, 3.44, 2.67, 2.25)
"""The strong rings of hexagonal ice, Angstrom."""
SALT_SPACINGS = (3.26, 2.82, 1.99)
"""Rock salt, Angstrom."""
CARRIER_SPACINGS = (4.1, 15.0, 31.0)
"""Ordered lipid chains and bilayers, Angstrom."""


@dataclass(frozen=True)
class Disturbances:
    """What was drawn for one frame.

    Parameters
    ----------
    names
        Words for the truth table.
    strengths
        Factors of liquid, rise towards the beam, air and carrier rings.
    rings
        Powder rings of this frame alone.
    level
        Factor of the whole background.
    """

    names: tuple[str, ...]
    strengths: NDArray[np.float64]
    rings: tuple[Ring, ...]
    level: float


def draw_disturbances(
    setting: DisturbanceSetting, variation: float, crystal: bool, rng: np.random.Generator
) -> Disturbances:
    """Draw what disturbs a frame; a pulse without sample or beam is drawn only where there is no ``crystal``."""
    strengths = np.exp(variation * rng.standard_normal(4))
    chances = rng.random(8)
    names: list[str] = []
    level = 1.0
    if not crystal and chances[0] < setting.no_beam:
        return Disturbances(("no_beam",), strengths, (), 0.01)
    if not crystal and chances[1] < setting.no_sample:
        names.append("no_sample")
        strengths[0] *= 0.05
        strengths[3] *= 0.05
        level = float(rng.uniform(0.25, 0.7))
    present = zip(
        ("streak", "arc", "ice_spots"), (setting.streak, setting.arc, setting.ice_spots), chances[2:5], strict=True
    )
    names += [name for name, chance, drawn in present if drawn < chance]
    rings: list[Ring] = []
    powders = (
        ("ice_ring", setting.ice_ring, ICE_SPACINGS[:3]),
        ("salt_ring", setting.salt_ring, SALT_SPACINGS[:2]),
        ("carrier_ring", setting.carrier_ring, CARRIER_SPACINGS),
    )
    for (name, chance, spacings), drawn in zip(powders, chances[5:], strict=True):
        if drawn < chance:
            names.append(name)
            rings += _powder(name, spacings, rng)
    return Disturbances(tuple(names), strengths, tuple(rings), level)


def _powder(name: str, spacings: tuple[float, ...], rng: np.random.Generator) -> list[Ring]:
    strength = float(np.exp(rng.normal(-0.8, 0.5)))
    if name == "carrier_ring":
        spacings = (float(rng.choice(spacings)),)
    width = float(rng.uniform(0.004, 0.02))
    return [Ring(spacing, width, strength * float(rng.uniform(0.5, 1.0))) for spacing in spacings]


def draw_zingers(
    setting: DisturbanceSetting, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Give flat positions and counts of pixels struck by stray particles, and the number of strikes.

    ``setting.zingers`` is the mean number in a frame of 724x724 and grows with the area. A strike leaves one pixel or a
    short track.
    """
    strikes = int(rng.poisson(setting.zingers * shape[0] * shape[1] / 724**2))
    at: list[int] = []
    counts: list[float] = []
    for _ in range(strikes):
        y, x = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        height = float(setting.zinger_counts[0] * np.exp(setting.zinger_counts[1] * rng.standard_normal()))
        step = rng.integers(-1, 2, 2)
        for part in range(int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15]))):
            row, column = y + part * int(step[0]), x + part * int(step[1])
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                at.append(row * shape[1] + column)
                counts.append(height * float(rng.uniform(0.3, 1.0)) if part else height)
    return np.array(at, np.int64), np.array(counts, np.float64), strikes


def sharp_spots(geometry: Geometry, photons: float, rng: np.random.Generator) -> Reflections:
    """Give one to three strong spots of ice on one of its rings; ``photons`` is their usual strength."""
    radii = geometry.radius(np.array(ICE_SPACINGS))
    within = radii[radii < 0.48 * min(geometry.shape)]
    n = int(rng.integers(1, 4))
    radius = rng.choice(within if within.size else radii[:1]) * (1.0 + 0.003 * rng.standard_normal(n))
    angle = rng.uniform(0, 2 * np.pi, n)
    width = rng.uniform(0.6, 1.6, n) ** 2
    strength = photons * np.exp(0.7 * rng.standard_normal(n)) * width
    x, y = geometry.centre[0] + radius * np.cos(angle), geometry.centre[1] + radius * np.sin(angle)
    inside = (x > 0) & (y > 0) & (x < geometry.shape[1] - 1) & (y < geometry.shape[0] - 1)
    return Reflections(x, y, strength, np.stack([width, np.zeros(n), width], axis=1)).keep(inside)


@dataclass(frozen=True)
class Halo:
    """Where streaks and arcs lie: beam centre (fast, slow) and hole in pixels, mean background in photons."""

    centre: tuple[float, float]
    hole: float
    level: float

    def add(self, names: tuple[str, ...], out: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Add the streaks and arcs that are among ``names`` to the expected photons (H, W)."""
        if "streak" in names:
            self._streak(out, rng)
        if "arc" in names:
            self._arc(out, rng)

    def _streak(self, out: NDArray[np.float32], rng: np.random.Generator) -> None:
        length, angle = float(rng.uniform(12.0, 60.0)), float(rng.normal(0.0, 0.05))
        height = self.level * float(rng.uniform(0.4, 2.5))
        reach = int(self.hole + 5.0 * length)
        rows, columns = _box(self.centre, reach, max(20, int(0.1 * reach) + 12), out.shape)
        y, x = np.ogrid[rows, columns]
        x, y = x - self.centre[0], y - self.centre[1]
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        fall = np.exp(-np.maximum(np.abs(along) - self.hole, 0.0) / length) * (np.abs(along) > self.hole)
        width = 2.0 + 0.02 * np.abs(along)
        out[rows, columns] += (height * fall * np.exp(-0.5 * (across / width) ** 2)).astype(np.float32)

    def _arc(self, out: NDArray[np.float32], rng: np.random.Generator) -> None:
        low, high = 1.1 * self.hole + 20.0, 0.45 * min(out.shape)
        radius, angle = float(rng.uniform(min(low, high), high)), float(rng.uniform(0, 2 * np.pi))
        opening, width = float(rng.uniform(0.15, 0.6)), float(rng.uniform(1.0, 3.0))
        n = max(16, int(radius * opening * 8))
        turn = angle + opening * rng.standard_normal(n)
        distance = radius + width * rng.standard_normal(n)
        x = np.rint(self.centre[0] + distance * np.cos(turn)).astype(np.int64)
        y = np.rint(self.centre[1] + distance * np.sin(turn)).astype(np.int64)
        inside = (x >= 0) & (x < out.shape[1]) & (y >= 0) & (y < out.shape[0])
        height = self.level * float(rng.uniform(0.3, 1.2))
        np.add.at(out, (y[inside], x[inside]), np.float32(height * 6.25 * radius * opening * width / n))


def _box(centre: tuple[float, float], half_x: int, half_y: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x, y = int(centre[0]), int(centre[1])
    return slice(max(0, y - half_y), min(shape[0], y + half_y)), slice(max(0, x - half_x), min(shape[1], x + half_x))
