"""What the programs around us found, read as labels: CrystFEL streams and lists, the frame table of OM and Cheetah."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sfx_label.labels.records import Annotation, AnnotationFile, digest_of, numbered_lines, refuse
from sfx_label.labels.scheme import Label, label_from_spot_count

__all__ = ["read_cheetah", "read_list", "read_stream", "split_list_line"]

_BEGIN, _END = "----- Begin chunk -----", "----- End chunk -----"
_FIELD = re.compile(r"(Image filename|Event|hit|indexed_by|num_peaks)\s*[:=]\s*(.*)")


def read_stream(path: str | Path) -> AnnotationFile:
    """Read a CrystFEL stream: a frame that was indexed is a hit; any other follows the spot rule by ``num_peaks``.

    A frame without a peak count follows CrystFEL's own ``hit`` flag. Frames that the stream does not mention
    say nothing: `indexamajig` can leave out those that are no hits.

    Raises
    ------
    AnnotationFormatError
        With file and line, if a chunk cannot be understood.
    """
    file = Path(path)
    found, cut = [], False
    for chunk in _chunks(file):
        if "end" in chunk:
            found.append(_from_chunk(file, chunk))
        else:
            cut = True
    remarks = ("the last chunk of the stream is incomplete and was left out",) if cut else ()
    return AnnotationFile(file, "stream", tuple(found), digest=digest_of(file), remarks=remarks)


def read_list(path: str | Path) -> AnnotationFile:
    """Read a CrystFEL list of hits (``file //event`` or ``file``): every frame in it is a hit, the others say nothing.

    Raises
    ------
    AnnotationFormatError
        With file and line.
    """
    file = Path(path)
    found = []
    for line, text in numbered_lines(file):
        if text.strip():
            name, event = split_list_line(text)
            found.append(Annotation(line, Label.HIT, file=name, event=event))
    return AnnotationFile(file, "list", tuple(found), digest=digest_of(file))


def read_cheetah(path: str | Path) -> AnnotationFile:
    """Read ``frames.txt`` or ``cleaned.txt`` of OM or Cheetah: labels by the spot rule from ``num_peaks``.

    Raises
    ------
    AnnotationFormatError
        With file and line.
    """
    file = Path(path)
    found = [
        _from_frames_row(file, line, [cell.strip() for cell in text.split(",")])
        for line, text in numbered_lines(file)
        if text.strip() and not text.startswith("#")
    ]
    return AnnotationFile(file, "cheetah", tuple(found), digest=digest_of(file))


def split_list_line(text: str) -> tuple[str, str]:
    """Split a list line as CrystFEL does: at the last space, if what follows is an event, that is holds ``//``."""
    head, space, tail = text.strip().rpartition(" ")
    return (head.strip(), tail) if space and "//" in tail else (text.strip(), "")


def _chunks(path: Path) -> Iterator[dict[str, tuple[int, str]]]:
    chunk: dict[str, tuple[int, str]] | None = None
    for line, text in numbered_lines(path):
        if text.startswith(_BEGIN):
            if chunk is not None:
                yield chunk
            chunk = {"begin": (line, text)}
        elif chunk is not None and text.startswith(_END):
            yield {**chunk, "end": (line, text)}
            chunk = None
        elif chunk is not None and (match := _FIELD.fullmatch(text)):
            chunk.setdefault(match[1], (line, match[2].strip()))
    if chunk is not None:
        yield chunk


def _from_chunk(path: Path, chunk: dict[str, tuple[int, str]]) -> Annotation:
    line, name = chunk.get("Image filename", (chunk["begin"][0], ""))
    if not name:
        raise refuse(path, line, "the chunk names no image file", "", "Is this a CrystFEL stream?")
    peaks, hit = _number(path, chunk, "num_peaks"), _number(path, chunk, "hit")
    indexed = chunk.get("indexed_by", (0, "none"))[1] != "none"
    event = chunk.get("Event", (0, ""))[1]
    return Annotation(line, _verdict(indexed, peaks, hit), spots=peaks, file=name, event="" if event == "//" else event)


def _verdict(indexed: bool, peaks: int | None, hit: int | None) -> Label | None:
    if indexed:
        return Label.HIT
    if peaks is not None:
        return label_from_spot_count(peaks)
    return None if hit is None else Label.HIT if hit else Label.MISS


def _number(path: Path, chunk: dict[str, tuple[int, str]], name: str) -> int | None:
    line, text = chunk.get(name, (0, ""))
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise refuse(path, line, f"{name} must be a whole number", text, "Is this a CrystFEL stream?")
    return int(text)


def _from_frames_row(path: Path, line: int, cells: list[str]) -> Annotation:
    # "timestamp, event_id, hit, filename, index, num_peaks, ave_intensity": the file name and index are those of the
    # output, the event id is that of the frame: "/data/run.h5 // 00012", "sec-nsec-fiducial", or the path of a CBF
    if len(cells) != 7 or not re.fullmatch(r"[0-9]{1,12}", cells[5]):
        raise refuse(
            path, line, "this is no row of frames.txt", ", ".join(cells), "Expected 7 columns, the 6th num_peaks"
        )
    source, slashes, index = (part.strip() for part in cells[1].rpartition("//"))
    number = int(index) if slashes and re.fullmatch(r"[0-9]{1,12}", index) else None
    spots = int(cells[5])
    event = cells[1] if number is None else f"//{number}"
    return Annotation(
        line,
        label_from_spot_count(spots),
        spots=spots,
        file=source if number is not None else cells[1],
        event=event if number is not None else "",
    )
