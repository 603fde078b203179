"""The one place that decides whether an HDF5 object may be read.

HDF5 is an active format: a file can name other files, and the library follows. Here every link is walked component by
component, external links are opened by us and not by the library, the sources of virtual data sets are looked up by the
same rules, external storage is refused, filters come from a fixed list, and sizes are capped before a byte is read.
Files are only ever opened for reading.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np

from sfx_label.errors import UnsafeFileError
from sfx_label.frames.dataset import GatedDataset, gate_dataset
from sfx_label.frames.opening import Absent, open_hdf5, told_plainly

__all__ = ["GatedFile", "HDF5Shelf"]

MAX_LINKS = 16  # soft and external links followed for one name; real files need two or three
MAX_OPEN_FILES = 64  # an AGIPD frame needs 17 at once
MAX_MEMBERS = 10**6  # of a group; SACLA runs hold some 10^4 tags
MAX_VALUE_BYTES = 64 * 2**20  # of one metadata value


class HDF5Shelf:
    """The HDF5 files that are open in this process; the least recently used is closed when there are too many.

    Parameters
    ----------
    roots
        Folders that links and virtual data sets may point into, beside the real folder of each file named by the user.
    """

    def __init__(self, roots: Sequence[str] = ()) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self._open: OrderedDict[tuple[str, tuple[str, ...]], GatedFile] = OrderedDict()

    def file(self, path: str) -> GatedFile:
        """Return the file that the user named, opened; its real folder becomes a data root."""
        real = os.path.realpath(path)
        return self._get(path, real, (*self.roots, os.path.dirname(real)))

    def linked(self, owner: GatedFile, name: str) -> GatedFile | Absent:
        """Return the file that `owner` points to by `name`.

        Raises
        ------
        UnsafeFileError
            The file exists outside the data roots, or is not a regular file.
        """
        if name in ("", "."):
            return owner
        for candidate in _places(owner.path, name):
            if os.path.lexists(candidate):
                real = os.path.realpath(candidate)
                _check_root(owner, name, real)
                if os.path.exists(real):
                    return self._get(candidate, real, owner.roots)
        return Absent(f"the file {name!r} that {owner.path} points to does not exist", name)

    def _get(self, path: str, real: str, roots: tuple[str, ...]) -> GatedFile:
        known = self._open.get((real, roots))
        if known is not None:
            self._open.move_to_end((real, roots))
            return known
        opened = GatedFile(path, open_hdf5(path), roots, self)
        self._open[real, roots] = opened
        while len(self._open) > MAX_OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        return opened

    def close(self) -> None:
        """Close every file."""
        for opened in self._open.values():
            opened.close()
        self._open.clear()


def _places(owner: str, name: str) -> Iterator[str]:
    folders = dict.fromkeys((os.path.dirname(os.path.abspath(owner)), os.path.dirname(os.path.realpath(owner))))
    yield from (os.path.join(folder, name) for folder in folders)
    if os.path.isabs(name):  # a run that was moved as a whole: as the HDF5 library does, look beside the file
        yield from (os.path.join(folder, os.path.basename(name)) for folder in folders)


def _check_root(owner: GatedFile, name: str, real: str) -> None:
    if not any(os.path.commonpath([root, real]) == root for root in owner.roots):
        raise UnsafeFileError(
            f"{owner.path} points to {name!r} ({real}), which lies outside the data folders "
            f"({', '.join(owner.roots)}). If you trust it, open the run with roots=[{os.path.dirname(real)!r}]."
        )


class GatedFile:
    """An open HDF5 file whose objects can be reached only by the rules of this room.

    Parameters
    ----------
    path
        The file's path as it was reached.
    handle
        The file, opened for reading.
    roots
        Real paths of the folders that it may point into.
    shelf
        Opens the files that it points to.
    """

    def __init__(self, path: str, handle: h5py.File, roots: tuple[str, ...], shelf: HDF5Shelf) -> None:
        self.path, self.roots = path, roots
        self._handle, self._shelf = handle, shelf
        self._datasets: dict[str, GatedDataset | Absent] = {}

    def close(self) -> None:
        """Close the file and forget what was opened of it."""
        self._datasets.clear()
        self._handle.close()

    def linked(self, name: str) -> GatedFile | Absent:
        """Return the file that this one points to by `name`."""
        return self._shelf.linked(self, name)

    def dataset(self, name: str) -> GatedDataset | Absent:
        """Return the data set at `name`, checked, through any links.

        Raises
        ------
        UnsafeFileError
            A link or the data set asks for what it must not.
        FileLayoutError, FrameReadError
            It cannot be opened by this library, or is damaged.
        """
        if name not in self._datasets:
            found = self._find(name)
            is_group = not isinstance(found, Absent) and not isinstance(found[1], h5py.Dataset)
            self._datasets[name] = (
                Absent(f"{self.path}:{name} is no data set") if is_group
                else found if isinstance(found, Absent)
                else gate_dataset(found[1], found[0], name)
            )  # fmt: skip
        return self._datasets[name]

    def names(self, group: str) -> list[str]:
        """Return the members of `group` in alphabetical (byte) order; empty where there is no such group.

        Raises
        ------
        UnsafeFileError
            It has more than 10^6 members.
        """
        found = self._find(group)
        if isinstance(found, Absent) or not isinstance(found[1], h5py.Group):
            return []
        with told_plainly(self.path, group):
            if len(found[1]) > MAX_MEMBERS:
                raise UnsafeFileError(
                    f"{self.path}:{group} has {len(found[1])} members; at most {MAX_MEMBERS} are read."
                )
            return sorted(found[1], key=os.fsencode)

    def has(self, name: str) -> bool:
        """Return whether there is a group or data set at `name`; a dangling link counts as absent."""
        return not isinstance(self._find(name), Absent)

    def is_group(self, name: str) -> bool:
        """Return whether `name` is a group."""
        found = self._find(name)
        return not isinstance(found, Absent) and isinstance(found[1], h5py.Group)

    def is_hard(self, name: str) -> bool:
        """Return whether the last component of `name` is an object of its own and no link to one."""
        parent, _, last = name.rstrip("/").rpartition("/")
        found = self._find(parent)
        return not isinstance(found, Absent) and isinstance(self._link(found[1], last), h5py.HardLink)

    @property
    def folder(self) -> str:
        """The folder of the file."""
        return os.path.dirname(os.path.abspath(self.path))

    def value(self, name: str, index: int | None = None) -> Any:
        """Return a small data set's content as Python or numpy, or ``None`` where there is none.

        Parameters
        ----------
        name
            HDF5 path.
        index
            Reads only this place of a data set with a first axis; a scalar or single value counts for all places.

        Raises
        ------
        UnsafeFileError
            It is larger than 64 MiB.
        """
        dataset = self.dataset(name)
        if isinstance(dataset, Absent):
            return None
        chosen = index is not None and dataset.shape != () and dataset.shape[0] > 1
        content = dataset.small(index if chosen else None, MAX_VALUE_BYTES)
        return content.reshape(-1)[0] if index is not None and not chosen and np.size(content) else content

    def number(self, *names: str) -> float | None:
        """Return the first of `names` that holds a finite number, as float, else ``None``."""
        for name in names:
            flat = np.asarray(self.value(name)).reshape(-1)
            if flat.size and flat.dtype.kind in "iufb" and np.isfinite(flat[0]):
                return float(flat[0])
        return None

    def text(self, *names: str) -> str | None:
        """Return the first of `names` that holds text, else ``None``."""
        for name in names:
            flat = np.asarray(self.value(name)).reshape(-1)
            if flat.size and isinstance(flat[0], bytes | str):
                return flat[0].decode("utf-8", "replace") if isinstance(flat[0], bytes) else str(flat[0])
        return None

    def unit(self, name: str) -> str:
        """Return the ``units`` attribute of `name`, lower case, empty where there is none."""
        found = self._find(name)
        if isinstance(found, Absent):
            return ""
        with told_plainly(self.path, name):
            attributes = found[1].attrs
            if "units" not in attributes or math.prod(attributes.get_id("units").shape) > 1:
                return ""
            content = np.asarray(attributes["units"]).reshape(-1)[0]
        return (content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)).strip().lower()

    def _find(self, name: str, hops: int = 0) -> tuple[GatedFile, h5py.Group | h5py.Dataset] | Absent:
        """Walk `name` link by link."""
        with told_plainly(self.path, "/"):
            item: h5py.Group | h5py.Dataset = self._handle["/"]
        todo, walked = _parts(name), list[str]()
        while todo:
            part = todo.pop(0)
            link = self._link(item, part)
            if isinstance(link, Absent):
                return link
            if isinstance(link, h5py.HardLink):
                item = self._member(item, part)
                walked.append(part)
                continue
            hops += 1
            if hops > MAX_LINKS:
                raise UnsafeFileError(
                    f"{self.path}:{name} follows more than {MAX_LINKS} links; they may run in a circle."
                )
            if isinstance(link, h5py.ExternalLink):
                other = self.linked(link.filename)
                return other if isinstance(other, Absent) else other._find("/".join([link.path, *todo]), hops)
            todo = _parts(link.path) + todo if link.path.startswith("/") else [*walked, *_parts(link.path), *todo]
            item, walked = self._handle["/"], []
        return self, item

    def _link(self, item: h5py.Group | h5py.Dataset, part: str) -> Any:
        if not isinstance(item, h5py.Group):
            return Absent(f"{self.path}:{item.name} is no group, so it holds no {part!r}")
        with told_plainly(self.path, f"{item.name}/{part}"):
            try:
                link = item.get(part, getlink=True)
            except TypeError as error:
                raise UnsafeFileError(f"{self.path}:{item.name}/{part} is a link of an unknown kind.") from error
        return Absent(f"{self.path} has no {part!r} in {item.name}") if link is None else link

    def _member(self, group: h5py.Group, part: str) -> h5py.Group | h5py.Dataset:
        with told_plainly(self.path, f"{group.name}/{part}"):
            member = group[part]
            if isinstance(member, h5py.Dataset) and self._handle.swmr_mode:
                member.id.refresh()  # another handle of this process may hold the shape of a while ago
            return member


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]
