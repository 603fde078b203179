"""Draw the spots that sfx-label finds on real frames, with its defaults.

    python docs/figures/spots_on_real_frames.py FOLDER_WITH_REAL_FRAMES [OUT.png]

Left to right: the whole Rayonix MX340 still (drop on tape; beam hole, shadow of the tape), its middle, and two Pilatus3
6M stills of a grid scan off a crystal (the eighth frame, its weakest, and the tenth, beside the crystal).
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from sfx_label.frames.open import open_frames
from sfx_label.preprocess.spots import find_spots

HERE = Path(__file__).resolve().parent
MARK = "#d62728"


def pooled(frame: np.ndarray, side: int) -> np.ndarray:
    """Largest value of each side x side block, so that a spot survives the downscaling."""
    rows, columns = (length // side * side for length in frame.shape)
    blocks = frame[:rows, :columns].reshape(rows // side, side, columns // side, side)
    return blocks.max((1, 3)) if side > 1 else frame


def draw(axes, frame, spots, title, box=None, side=1, ring=11.0):
    top, bottom, left, right = box or (0, frame.shape[0], 0, frame.shape[1])
    part = pooled(frame[top:bottom, left:right].astype(float), side)
    seen = part[part > 0]
    axes.imshow(
        part, cmap="gray_r", vmin=0, vmax=np.percentile(seen, 99.7), extent=(left, right, bottom, top),
        interpolation="nearest",
    )  # fmt: skip
    inside = (spots.x > left) & (spots.x < right) & (spots.y > top) & (spots.y < bottom)
    for x, y in zip(spots.x[inside], spots.y[inside], strict=True):
        axes.add_patch(plt.Circle((x + 0.5, y + 0.5), ring, fill=False, color=MARK, linewidth=0.7))
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])


def main() -> None:
    folder = Path(sys.argv[1])
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE.parent / "images" / "spots_on_real_frames.png"
    figure, axes = plt.subplots(2, 2, figsize=(13, 13.2), layout="constrained")
    with open_frames(folder / "rayonix_mx340_mfx_hit.h5") as frames:
        still = frames[0]
        spots = find_spots(still, frames.mask, metadata=frames.metadata)
    draw(axes[0, 0], still, spots, f"Rayonix MX340, whole frame: {len(spots)} spots", side=2, ring=18)
    best = f", the finest at {spots.resolution_angstrom.min():.1f} Å" if spots.resolution_angstrom is not None else ""
    draw(axes[0, 1], still, spots, f"its middle{best}", box=(600, 1320, 600, 1320), ring=9)
    with open_frames(folder / "thaumatin_pilatus_10stills.h5") as frames:
        for axis, number in ((axes[1, 0], 8), (axes[1, 1], 10)):
            still = frames[number - 1]
            spots = find_spots(still, frames.mask)
            draw(
                axis,
                np.clip(still, 0, 60),
                spots,
                f"Pilatus3 6M, frame {number} of 10: {len(spots)} spots",
                side=3,
                ring=30,
            )
    figure.savefig(out, dpi=85)
    print(out)


if __name__ == "__main__":
    main()
