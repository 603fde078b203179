"""The experiments that are known by name.

``LN83``, ``LN84`` and ``LO19`` differ from one another as the three Rayonix sets of CXIDB entry 76 do (sample delivery,
cell, wavelength, distance, noise per count, class mix); ``HARD`` puts the spots near the noise. Cells and geometry are
plausible ones, not the metadata of those experiments.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from sfx_label.errors import SfxLabelError
from sfx_label.simulate.settings import (
    BackgroundSetting,
    BeamSetting,
    CrystalSetting,
    DetectorSetting,
    DisturbanceSetting,
    MixSetting,
    Ring,
    Shadow,
    SimulationSetting,
)

__all__ = ["SETTINGS", "resolve_setting"]

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
    mix=MixSetting((346, 63, 1591), spots_of_a_hit=(65.0, 0.8)),
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
    mix=MixSetting((806, 132, 1062), spots_of_a_hit=(62.0, 0.95), crystal_in_a_miss=0.3),
)

_LO19 = SimulationSetting(
    name="LO19",
    crystal=CrystalSetting(
        cell=(42.6, 52.2, 88.5, 90.0, 90.0, 90.0),
        mosaicity_deg=(0.05, 0.7),
        b_factor=(10.0, 42.0),
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
    detector=DetectorSetting(centre_offset_px=(-1.8, -0.5), gain=0.66, point_spread_px=0.56, hole_softness_px=3.0),
    disturbance=DisturbanceSetting(zingers=3.0, zinger_counts=(130.0, 0.55), ice_spots=0.06, carrier_ring=0.05),
    mix=MixSetting((730, 151, 1119), spots_of_a_hit=(50.0, 0.9), crystal_in_a_miss=0.45),
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
    detector=DetectorSetting(
        centre_offset_px=(2.2, -3.1),
        gain=0.9,
        point_spread_px=0.6,
        hole_softness_px=0.4,
        hole_value=0.0,
        hot_pixels=2e-5,
    ),
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
