"""The model of a screening: kept in its folder once, loaded once per process, known by its digest."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sfx_label.errors import BundleError

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle

__all__ = ["MODEL_FOLDER", "load_model", "save_model"]

MODEL_FOLDER = "model"


@lru_cache(maxsize=2)
def load_model(folder: str, digest: str) -> ModelBundle:
    """Load a model once per process, and check that it is the one meant.

    Parameters
    ----------
    folder
        Folder of the bundle.
    digest
        What :attr:`ModelBundle.digest` has to be.

    Raises
    ------
    BundleError
        If the folder holds another model.
    """
    from sfx_label.models.bundle import ModelBundle

    bundle = ModelBundle.load(folder)
    if bundle.digest != digest:
        raise BundleError(
            f"The model in {folder} has digest {bundle.digest}, but this screening was begun with {digest}. Put the "
            "model back, or screen into another folder."
        )
    return bundle


def save_model(bundle: ModelBundle | str | Path, folder: Path) -> ModelBundle:
    """Keep the model in the screening folder, once, so that every worker loads the same and the folder is complete.

    Parameters
    ----------
    bundle
        The model, or the folder it was saved in.
    folder
        Screening folder.
    """
    from sfx_label.models.bundle import ModelBundle

    model = bundle if isinstance(bundle, ModelBundle) else ModelBundle.load(bundle)
    target = folder / MODEL_FOLDER
    if not target.exists():
        temporary = folder / f".{MODEL_FOLDER}.{os.getpid()}.tmp"
        model.save(temporary)
        try:
            # a folder is renamed onto another only if that one is empty, so the first of several processes wins
            os.rename(temporary, target)
        except OSError:
            _remove_folder(temporary)
    return model


def _remove_folder(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
