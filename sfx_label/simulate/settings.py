"""What an experiment is made of: crystal, beam, background, detector, disturbances and class mix, as frozen data.

``LN83``, ``LN84`` and ``LO19`` differ from one another as the three Rayonix sets of CXIDB entry 76 do (sample delivery,
cell, wavelength, distance, noise per count, class mix); ``HARD`` puts the spots near the noise. Cells and geometry are
plausible ones, not the metadata of those experiments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Literal

from sfx_label.errors import SfxLabelError

__all__ = [
    "SETTINGS",
    "BackgroundSetting",
    "BeamSetting",
    "CrystalSetting",
    "DetectorSetting",
    "DisturbanceSetting",
    "MixSetting",
    "Ring",
    "Shadow",
    "SimulationSetting",
    "resolve_setting",
]

Cell = tuple[float, float, float, float, float, float]
Laue = Literal["-1", "2/m", "mmm", "4/mmm", "6/mmm"]
Spread = tuple[float, float]


@dataclass(frozen=True)
class CrystalSetting:
    """The crystals of one sample.

    Parameters
    ----------
    cell
        a, b, c in Angstrom; alpha, beta, gamma in degrees.
    laue
        Symmetry of the intensities.
    centring
        Lattice centring, which removes whole classes of reflections.
    size_um
        Median and log-normal spread of the coherently scattering domain, micrometres.
    mosaicity_deg
        Median and log-normal spread of the angular spread (one standard deviation), degrees.
    b_factor
        Lowest and highest isotropic fall-off of the intensities, Angstrom squared.
    extent_um
        Median and log-normal spread of the diffracting volume as the detector sees it (one standard deviation),
        micrometres.
    several
        Chance that a frame with a crystal holds more than one.
    structure_seed
        Number of the "protein": fixes which reflections are strong.
    """

    cell: Cell
    laue: Laue = "mmm"
    centring: Literal["P", "C", "I", "F"] = "P"
    size_um: Spread = (0.4, 0.3)
    mosaicity_deg: Spread = (0.05, 0.5)
    b_factor: Spread = (25.0, 90.0)
    extent_um: Spread = (40.0, 0.5)
    several: float = 0.1
    structure_seed: int = 1


@dataclass(frozen=True)
class BeamSetting:
    """The X-ray pulses.

    Parameters
    ----------
    wavelength
        Mean wavelength, Angstrom.
    jitter
        Relative shot-to-shot spread of the wavelength.
    bandwidth
        Relative spread within a pulse (one standard deviation).
    polarisation
        Share of the electric field along the rows (1 = fully horizontal).
    distance_mm
        Crystal to detector.
    """

    wavelength: float = 1.3
    jitter: float = 0.001
    bandwidth: float = 0.0012
    polarisation: float = 0.98
    distance_mm: float = 150.0


@dataclass(frozen=True)
class Ring:
    """A diffuse or sharp ring of scatter.

    Parameters
    ----------
    spacing
        Lattice-like spacing d of its middle, Angstrom.
    width
        Relative width (one standard deviation of q over q).
    weight
        Height relative to the solvent ring.
    """

    spacing: float
    width: float
    weight: float


@dataclass(frozen=True)
class Shadow:
    """A band or bar that absorbs: tape edge, nozzle, holder. Lengths are mm on the detector, from the beam centre.

    Parameters
    ----------
    angle_deg
        Direction of its long axis, from the rows.
    along, across
        Its extent along and across the long axis.
    transmission
        What it lets through (above 1: the rest of the frame is shadowed instead).
    softness_mm
        Width over which its edge fades.
    """

    angle_deg: float
    along: tuple[float, float] = (-inf, inf)
    across: tuple[float, float] = (-inf, inf)
    transmission: float = 0.8
    softness_mm: float = 0.5


@dataclass(frozen=True)
class BackgroundSetting:
    """Scatter without a lattice.

    Parameters
    ----------
    level
        Median and log-normal spread of its mean over the central crop, detector counts.
    solvent, small_angle, air
        Weights of the water ring, of the rise towards the beam, and of the featureless part.
    solvent_spacing
        Spacing of the liquid's ring, Angstrom (3.1-3.3 for water, 4.5 for lipid and oil).
    rings
        Rings of the carrier, present in every frame.
    variation
        Log-normal shot-to-shot spread of each part.
    shadows
        What stands in the way.
    """

    level: Spread = (25.0, 0.4)
    solvent: float = 1.0
    small_angle: float = 0.5
    air: float = 0.4
    solvent_spacing: float = 3.2
    rings: tuple[Ring, ...] = ()
    variation: float = 0.15
    shadows: tuple[Shadow, ...] = ()


@dataclass(frozen=True)
class DetectorSetting:
    """The camera.

    Parameters
    ----------
    shape
        Rows and columns of a frame unless the caller asks for others.
    pixel_mm
        Side of a pixel.
    centre_offset_px
        Beam centre minus middle of the frame (fast, slow).
    gain
        Counts for one photon, summed over its blur.
    point_spread_px
        Standard deviation of the blur that signal and noise share (0 = a photon stays in its pixel).
    halo
        Share of the signal in a wide halo (three times the blur, at least 1.5 px).
    offset, read_noise
        Electronic offset and noise, counts.
    flat_field
        Relative pixel-to-pixel spread of the gain that the calibration left.
    hole_radius_px, hole_softness_px
        Radius of the beam hole or stop, and width of its penumbra.
    hole_value
        What the hole reads: the electronic offset, or a constant.
    panels, gap_px, gap_value
        Rows and columns of one panel (``None`` = one piece), the gap between panels and what it reads.
    hot_pixels, dead_pixels
        Share of pixels that are too bright, or always zero.
    saturation
        Highest value that the electronics gives.
    """

    shape: tuple[int, int] = (724, 724)
    pixel_mm: float = 0.177
    centre_offset_px: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    point_spread_px: float = 0.5
    halo: float = 0.02
    offset: float = 10.0
    read_noise: float = 0.5
    flat_field: float = 0.01
    hole_radius_px: float = 55.0
    hole_softness_px: float = 3.0
    hole_value: Literal["offset"] | float = "offset"
    panels: tuple[int, int] | None = None
    gap_px: tuple[int, int] = (0, 0)
    gap_value: float = -1.0
    hot_pixels: float = 8e-6
    dead_pixels: float = 4e-6
    saturation: float = 65535.0


@dataclass(frozen=True)
class DisturbanceSetting:
    """What a careless spot count mistakes for a crystal, as chances per frame.

    Parameters
    ----------
    zingers
        Mean number of pixels struck by a stray particle.
    zinger_counts
        Median and log-normal spread of their height, in noise-free counts.
    streak
        Scatter of the jet or tape edge near the beam.
    ice_spots, ice_ring, salt_ring, carrier_ring
        A few sharp spots at ice spacings, powder rings of ice and salt, an ordered carrier.
    arc
        A parasitic arc from a holder or window.
    no_sample, no_beam
        A pulse without drop or jet, and no pulse at all.
    """

    zingers: float = 2.0
    zinger_counts: Spread = (160.0, 0.7)
    streak: float = 0.25
    ice_spots: float = 0.04
    ice_ring: float = 0.03
    salt_ring: float = 0.01
    carrier_ring: float = 0.02
    arc: float = 0.03
    no_sample: float = 0.05
    no_beam: float = 0.004


@dataclass(frozen=True)
class MixSetting:
    """How many frames of each class, and how many spots.

    Parameters
    ----------
    per_2000
        Hits, maybes and misses among 2000 frames.
    spots_of_a_hit
        Median and log-normal spread of the visible spots of a hit in the central crop.
    crystal_in_a_miss
        Share of misses that hold a crystal too weak to count.
    visible_peak, visible_sum
        A spot is visible when its noise-free peak and its 3x3 sum exceed the local noise by these factors.
    """

    per_2000: tuple[int, int, int] = (500, 150, 1350)
    spots_of_a_hit: Spread = (60.0, 0.8)
    crystal_in_a_miss: float = 0.35
    visible_peak: float = 12.0
    visible_sum: float = 8.0


@dataclass(frozen=True)
class SimulationSetting:
    """One whole experiment. Vary a part with :func:`dataclasses.replace`."""

    name: str
    crystal: CrystalSetting
    beam: BeamSetting = field(default_factory=BeamSetting)
    background: BackgroundSetting = field(default_factory=BackgroundSetting)
    detector: DetectorSetting = field(default_factory=DetectorSetting)
    disturbance: DisturbanceSetting = field(default_factory=DisturbanceSetting)
    mix: MixSetting = field(default_factory=MixSetting)


_TAPE_EDGE = Shadow(0.0, across=(-6.0, 6.0), transmission=1.12, softness_mm=1.5)
_HOLDER = Shadow(90.0, along=(-15.0, 15.0), across=(-2.2, 2.2), transmission=0.7, softness_mm=0.4)

_LN83 = SimulationSetting(
    name="LN83",
    crystal=CrystalSetting(
        cell=(72.8, 95.7, 119.1, 90.0, 90.0, 90.0),
        mosaicity_deg=(0.07, 0.6),
        b_factor=(28.0, 110.0),
        extent_um=(18.0, 0.7),
        structure_seed=83,
    ),
    beam=BeamSetting(wavelength=1.305, distance_mm=148.0),
    background=BackgroundSetting(
        level=(22.0, 0.45), solvent=0.6, small_angle=0.75, air=1.5, shadows=(_TAPE_EDGE, _HOLDER)
    ),
    detector=DetectorSetting(centre_offset_px=(-1.8, 2.4), gain=0.86, point_spread_px=0.55, hole_softness_px=3.0),
    disturbance=DisturbanceSetting(zingers=1.5, zinger_counts=(170.0, 0.6)),
    mix=MixSetting((346, 63, 1591), spots_of_a_hit=(85.0, 0.75)),
)

_LN84 = SimulationSetting(
    name="LN84",
    crystal=CrystalSetting(
        cell=(117.0, 224.5, 330.0, 90.0, 90.0, 90.0),
        mosaicity_deg=(0.04, 0.4),
        b_factor=(60.0, 240.0),
        extent_um=(32.0, 0.6),
        several=0.12,
        structure_seed=84,
    ),
    beam=BeamSetting(wavelength=1.302, distance_mm=185.0),
    background=BackgroundSetting(
        level=(27.0, 0.35),
        solvent=1.0,
        small_angle=0.6,
        air=1.0,
        solvent_spacing=5.2,
        rings=(Ring(17.5, 0.26, 1.25),),
        shadows=(Shadow(90.0, across=(-inf, 0.9), transmission=0.92, softness_mm=0.7),),
    ),
    detector=DetectorSetting(centre_offset_px=(0.6, 3.4), gain=1.03, point_spread_px=0.56, hole_softness_px=3.0),
    disturbance=DisturbanceSetting(zingers=2.2, zinger_counts=(130.0, 0.6), ice_spots=0.02),
    mix=MixSetting((806, 132, 1062), spots_of_a_hit=(80.0, 0.95), crystal_in_a_miss=0.3),
)

_LO19 = SimulationSetting(
    name="LO19",
    crystal=CrystalSetting(
        cell=(42.6, 52.2, 88.5, 90.0, 90.0, 90.0),
        mosaicity_deg=(0.08, 0.7),
        b_factor=(12.0, 50.0),
        extent_um=(8.0, 0.8),
        several=0.3,
        structure_seed=19,
    ),
    beam=BeamSetting(wavelength=1.181, distance_mm=112.0),
    background=BackgroundSetting(
        level=(19.0, 0.35),
        solvent=0.6,
        small_angle=0.7,
        air=0.8,
        shadows=(Shadow(2.5, along=(8.0, inf), across=(-0.5, 0.5), transmission=0.8, softness_mm=0.3),),
    ),
    detector=DetectorSetting(
        centre_offset_px=(-1.8, -0.5), gain=0.66, point_spread_px=0.56, hole_softness_px=3.0
    ),
    disturbance=DisturbanceSetting(zingers=3.0, zinger_counts=(130.0, 0.55), ice_spots=0.06, carrier_ring=0.05),
    mix=MixSetting((730, 151, 1119), spots_of_a_hit=(55.0, 0.9), crystal_in_a_miss=0.45),
)

_HARD = SimulationSetting(
    name="HARD",
    crystal=CrystalSetting(
        cell=(78.9, 78.9, 160.0, 90.0, 90.0, 90.0),
        laue="4/mmm",
        mosaicity_deg=(0.12, 0.5),
        b_factor=(50.0, 120.0),
        extent_um=(50.0, 0.4),
        structure_seed=55,
    ),
    beam=BeamSetting(wavelength=1.33, distance_mm=135.0),
    background=BackgroundSetting(
        level=(45.0, 0.5), variation=0.25, rings=(Ring(4.5, 0.06, 0.3),), shadows=(_TAPE_EDGE, _HOLDER)
    ),
    detector=DetectorSetting(centre_offset_px=(2.2, -3.1), gain=0.9, point_spread_px=0.6, hole_softness_px=0.4, hole_value=0.0, hot_pixels=2e-5),
    disturbance=DisturbanceSetting(zingers=4.0, ice_spots=0.06, ice_ring=0.05, arc=0.05),
    mix=MixSetting(
        (450, 130, 1420), spots_of_a_hit=(40.0, 0.7), crystal_in_a_miss=0.4, visible_peak=5.5, visible_sum=3.7
    ),
)

SETTINGS: Mapping[str, SimulationSetting] = MappingProxyType({s.name: s for s in (_LN83, _LN84, _LO19, _HARD)})
"""The settings that are known by name."""


def resolve_setting(setting: str | SimulationSetting) -> SimulationSetting:
    """Give the setting of that name, or the setting itself.

    Raises
    ------
    SfxLabelError
        No setting has that name.
    """
    if isinstance(setting, SimulationSetting):
        return setting
    if setting not in SETTINGS:
        raise SfxLabelError(f"no simulation setting is called {setting!r}; choose one of {', '.join(SETTINGS)}")
    return SETTINGS[setting]
