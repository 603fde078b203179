"""One file a method, one signature.

A method is added by adding a file: each module here that defines ``METHOD`` is found and listed under its name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from sfx_label.models.method import Method

__all__ = ["find_methods"]


def find_methods() -> dict[str, Method]:
    """Return every method of this folder by name. None of the modules imports TensorFlow before it trains."""
    found = {}
    for room in iter_modules(__path__):
        method = getattr(import_module(f"{__name__}.{room.name}"), "METHOD", None)
        if method is not None:
            found[method.name] = method
    return dict(sorted(found.items()))
