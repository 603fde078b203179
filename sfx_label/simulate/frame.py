"""One still: draw crystals, scale them until the wanted number of spots is visible, add the rest, expose the camera.

A spot is *visible* when, without noise, its highest pixel stands at least ``visible_peak`` and its 3x3 sum at least
``visible_sum`` standard deviations above the local background, and no brighter visible spot lies within three pixels.
The label follows from the number of visible spots in the central crop by the rule of Ke et al. (2018): 10 or more a
hit, 4 to 9 a maybe, 3 or fewer a miss. So the class mix is imposed by the brightness of the crystals; an annotator's
noise is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.labels.scheme import HIT_SPOTS, MAYBE_SPOTS, Label, label_from_spot_count
from sfx_label.simulate.background import Backdrop, radial_profile
from sfx_label.simulate.brightness import Visibility, measure_visibility, scale_for
from sfx_label.simulate.crystal import Crystal, Reflections, draw_crystal, reflections_on_detector
from sfx_label.simulate.detector import Camera
from sfx_label.simulate.disturbance import (
    Disturbances,
    Halo,
    draw_disturbances,
    draw_zingers,
    sharp_spots,
)
from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.kernels import add_gaussians
from sfx_label.simulate.settings import MixSetting, SimulationSetting

__all__ = ["FrameTruth", "SimulatedFrame", "Simulator", "classes_in_order"]

BLOCK = 20
"""Frames whose classes are drawn together, so that a longer run starts with the shorter one."""
ATTEMPTS = 12


@dataclass(frozen=True)
class FrameTruth:
    """What is known of a simulated frame; one row of the truth table.

    Parameters
    ----------
    frame
        Number in the run, from 1.
    label, n_visible, n_visible_frame
        The class; visible spots in the central crop, and in the whole frame.
    lattices, size_um, mosaicity_deg, b_factor
        Number of crystals, and the first one's domain size, mosaicity and fall-off (nan without a crystal).
    wavelength
        Of this pulse, Angstrom.
    background
        Mean expected background of the central crop outside the hole, counts above the offset.
    peak
        Highest noise-free spot pixel, counts.
    zingers, artefacts
        Strikes by stray particles; names of the other disturbances, joined by ``;``.
    """

    frame: int
    label: str
    n_visible: int
    n_visible_frame: int
    lattices: int
    size_um: float
    mosaicity_deg: float
    b_factor: float
    wavelength: float
    background: float
    peak: float
    zingers: int
    artefacts: str


@dataclass(frozen=True)
class SimulatedFrame:
    """A frame (H, W) in the file's type, and its truth."""

    data: NDArray[Any]
    truth: FrameTruth


def classes_in_order(per_2000: tuple[int, int, int], n_frames: int, seed: int) -> NDArray[np.int8]:
    """Give the class of each frame: the mix exact to rounding at every twentieth frame and at the end, order random.

    The classes of a full block of twenty frames do not depend on ``n_frames``.
    """
    out = np.empty(n_frames, np.int8)
    for start in range(0, n_frames, BLOCK):
        stop = min(start + BLOCK, n_frames)
        counts = _quota(per_2000, stop) - _quota(per_2000, start)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, start)))
        out[start:stop] = rng.permutation(np.repeat([Label.HIT, Label.MAYBE, Label.MISS], counts))
    return out


def _quota(per_2000: tuple[int, int, int], n_frames: int) -> NDArray[np.int64]:
    total = sum(per_2000)
    hits = (2 * per_2000[0] * n_frames + total) // (2 * total)
    positives = (2 * (per_2000[0] + per_2000[1]) * n_frames + total) // (2 * total)
    return np.array([hits, positives - hits, n_frames - positives])


class Simulator:
    """Makes the frames of one run, in any order: frame ``i`` depends on setting, seed, its class and ``i`` alone.

    Parameters
    ----------
    setting
        The experiment.
    seed
        Of the whole run; also fixes hot pixels and flat field.
    shape
        Rows and columns; by default the setting's own. The beam stays near the middle.
    dtype
        Type of the frames.
    """

    def __init__(
        self,
        setting: SimulationSetting,
        seed: int,
        shape: tuple[int, int] | None = None,
        dtype: str | np.dtype[Any] = "int16",
    ) -> None:
        self.setting = setting
        self.seed = seed
        self.shape = shape or setting.detector.shape
        self.dtype = np.dtype(dtype)
        self.geometry = Geometry.of(setting, self.shape)
        self.backdrop = Backdrop.build(setting, self.geometry)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
        self.camera = Camera.build(setting.detector, self.geometry, self.dtype, rng)
        self._expected = np.empty(self.shape, np.float32)

    def frame(self, index: int, label: Label | int) -> SimulatedFrame:
        """Make frame ``index`` (from 0) of class ``label``."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(1, index)))
        wanted = _wanted_spots(self.setting.mix, Label(label), rng)
        disturbance = self.setting.disturbance
        disturbed = draw_disturbances(disturbance, self.setting.background.variation, wanted is not None, rng)
        wavelength = self.setting.beam.wavelength * (1.0 + self.setting.beam.jitter * float(rng.standard_normal()))
        level = self._paint(disturbed, rng)
        crystals, seen = self._crystals(wanted, wavelength, rng)
        self._add(seen.spots)
        if "ice_spots" in disturbed.names:
            photons = 60.0 * np.sqrt(level / self.setting.detector.gain + 1.0)
            self._add(sharp_spots(self.geometry.at(wavelength), float(photons), rng))
        at, counts, zingers = draw_zingers(disturbance, self.shape, rng)
        self.camera.expose(self._expected, (at, counts), rng.integers(1, 2**64 - 1, 4, dtype=np.uint64))
        truth = _truth(
            index, seen, crystals, wavelength=wavelength, background=level, zingers=zingers, names=disturbed.names
        )
        return SimulatedFrame(self._expected.astype(self.dtype), truth)

    def _paint(self, disturbed: Disturbances, rng: np.random.Generator) -> float:
        """Fill the expected photons with the background; give its mean level in counts."""
        background, gain = self.setting.background, self.setting.detector.gain
        spread = np.exp(background.level[1] * rng.standard_normal())
        level = float(background.level[0] * spread * disturbed.level)
        profile = radial_profile(background, self.backdrop.reciprocal, disturbed.strengths, disturbed.rings)
        self.backdrop.paint(profile, level / gain, self._expected)
        halo = Halo(self.geometry.centre, self.setting.detector.hole_radius_px, level / gain)
        halo.add(disturbed.names, self._expected, rng)
        return level

    def _crystals(
        self, wanted: int | None, wavelength: float, rng: np.random.Generator
    ) -> tuple[list[Crystal], Visibility]:
        """Draw crystals until one can show ``wanted`` spots; the last attempt shows as many as the class allows."""
        for attempt in range(ATTEMPTS if wanted is not None else 0):
            crystals, spots = self._draw(wavelength, rng)
            seen = self._measure(spots)
            for fewer in _fallbacks(wanted or 0, attempt):
                scale = scale_for(seen, fewer, rng)
                if scale is not None:
                    return crystals, self._measure(_scaled(spots, scale))
        return [], self._measure(_NO_SPOTS)

    def _draw(self, wavelength: float, rng: np.random.Generator) -> tuple[list[Crystal], Reflections]:
        several = rng.random() < self.setting.crystal.several
        crystals = [draw_crystal(self.setting.crystal, rng) for _ in range(int(rng.integers(2, 5)) if several else 1)]
        setting = self.setting
        geometry = self.geometry.at(wavelength)
        parts = [reflections_on_detector(one, setting.crystal, setting.beam, geometry) for one in crystals]
        brightness = np.exp(0.8 * rng.standard_normal(len(parts)))
        return crystals, Reflections.join([_scaled(p, float(b)) for p, b in zip(parts, brightness, strict=True)])

    def _measure(self, spots: Reflections) -> Visibility:
        return measure_visibility(spots, self._expected, self.backdrop.weight, self.camera, self.setting.mix)

    def _add(self, spots: Reflections) -> None:
        lit = self.backdrop.weight[np.rint(spots.y).astype(int), np.rint(spots.x).astype(int)] > 0.5
        add = spots.keep(lit)
        add_gaussians(self._expected, add.x, add.y, add.photons, add.covariance)


_NO_SPOTS = Reflections(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 3)))


def _scaled(spots: Reflections, factor: float) -> Reflections:
    return Reflections(spots.x, spots.y, spots.photons * factor, spots.covariance)


def _wanted_spots(mix: MixSetting, label: Label, rng: np.random.Generator) -> int | None:
    """Draw how many spots shall be visible; ``None`` = no crystal at all."""
    if label == Label.HIT:
        spots = mix.spots_of_a_hit[0] * np.exp(mix.spots_of_a_hit[1] * rng.standard_normal())
        return max(HIT_SPOTS, int(spots))
    if label == Label.MAYBE:
        return int(rng.integers(MAYBE_SPOTS, HIT_SPOTS))
    if rng.random() < mix.crystal_in_a_miss:
        return int(rng.choice(MAYBE_SPOTS, p=[0.4, 0.25, 0.2, 0.15]))
    return None


def _fallbacks(wanted: int, attempt: int) -> list[int]:
    """Fewer spots of the same class, tried once several crystals could not show the wanted number."""
    if wanted < HIT_SPOTS or attempt < ATTEMPTS // 3:
        return [wanted]
    return [wanted, *(n for n in (wanted * 3 // 4, wanted // 2, wanted // 3, wanted // 6, HIT_SPOTS) if n >= HIT_SPOTS)]


def _truth(
    index: int,
    seen: Visibility,
    crystals: list[Crystal],
    *,
    wavelength: float,
    background: float,
    zingers: int,
    names: tuple[str, ...],
) -> FrameTruth:
    central = seen.seen(central=True).size
    first = crystals[0] if crystals else None
    return FrameTruth(
        frame=index + 1,
        label=label_from_spot_count(central).name,
        n_visible=central,
        n_visible_frame=seen.seen(central=False).size,
        lattices=len(crystals),
        size_um=first.size_angstrom / 1e4 if first else np.nan,
        mosaicity_deg=float(np.degrees(first.mosaicity)) if first else np.nan,
        b_factor=first.b_factor if first else np.nan,
        wavelength=wavelength,
        background=background,
        peak=float(seen.peak.max(initial=0.0)),
        zingers=zingers,
        artefacts=";".join(names),
    )
