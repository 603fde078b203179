"""What an experiment is made of: crystal, beam, background, detector, disturbances and class mix, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Literal

__all__ = [
    "BackgroundSetting",
    "BeamSetting",
    "CrystalSetting",
    "DetectorSetting",
    "DisturbanceSetting",
    "MixSetting",
    "Ring",
    "Shadow",
    "SimulationSetting",
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
    hot_pixels: float = 5e-5
    dead_pixels: float = 6e-5
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
