"""Features computed once, to train only what stands on them: as Excitation Backprop fine-tunes only its output layer.

    batches = ({"data": images, "label": labels} for images, labels in map(source.batch, itertools.count()))
    write_features(net, "pool5", batches, "train.txt", rows=5011)

The head's prototxt then reads them: ``type: "HDF5Data" top: "pool5" top: "label" hdf5_data_param { source: "train.txt" ... }``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from ..caffe_models import files
from ..errors import BadInput, names
from ..executor.device import to_numpy
from ..executor.net import Net

FILE_SIZE = 2**28  # bytes of features in a file, about: HDF5Data holds one file in memory, and shuffles its rows

Rows = dict[str, np.ndarray]


def write_features(
    net: Net,
    blob: str,
    batches: Iterable[Mapping[str, np.ndarray]],
    path: str | os.PathLike[str],
    *,
    labels: Sequence[str] = ("label",),
    rows: int | None = None,
) -> list[Path]:
    """Run ``net`` over batches and write ``blob`` and the batches' ``labels`` as data sets of these names, float32.

    ``path``: the list that HDF5Data reads, for instance train.txt; the files train_0.h5, train_1.h5 ... lie beside it and
    are returned. A batch holds arrays by name: the net's inputs, and the labels, (N, ...) each. ``rows``: how many images
    there are in all; what a last batch has beyond them is cut off, since a source's batches wrap around. Tells its progress on
    stderr. Raises ``BadInput``.
    """
    labels = names("labels", labels)
    if blob in labels:
        raise BadInput(f"labels: found {blob!r}, expected other names than the blob's")
    if rows is not None and rows < 1:
        raise BadInput(f"rows: found {rows}, expected a positive number, or None for all that the batches hold")
    target = Path(path)
    written: list[Path] = []
    done = 0
    for part in _parts(_computed(net, blob, labels, batches, rows), blob):
        file = target.with_name(f"{target.stem}_{len(written)}.h5")
        write_rows(file, part)
        written.append(file)
        done += len(part[blob])
        print(f"\r{file}: {done} rows of {blob}", file=sys.stderr, flush=True)
    if rows is not None and done < rows:
        raise BadInput(f"batches: found {done} rows, expected {rows}")
    if not written:
        raise BadInput("batches: found none, expected at least one")
    with files.replacing(target) as temporary:
        temporary.write_text("".join(f"{file.name}\n" for file in written), encoding="utf-8")
    return written


def write_rows(path: Path, arrays: Rows) -> None:
    """Write an HDF5 file of data sets (N, ...) by name, as HDF5Data reads them."""
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def _computed(
    net: Net, blob: str, labels: Sequence[str], batches: Iterable[Mapping[str, np.ndarray]], rows: int | None
) -> Iterator[Rows]:
    """Features and labels of each batch, up to ``rows`` in all."""
    done = 0
    for number, batch in enumerate(batches):
        found = _features(net, blob, batch, number) | _labels(batch, labels, number)
        for name, array in found.items():
            if len(array) != len(found[blob]):
                raise BadInput(
                    f"batch {number}: {name!r}: found {len(array)} rows, expected {len(found[blob])} as of {blob!r}"
                )
        left = len(found[blob]) if rows is None else rows - done
        yield {name: array[:left] for name, array in found.items()}
        done += min(left, len(found[blob]))
        if sys.stderr.isatty():
            print(f"\r{done}{f'/{rows}' if rows else ''} rows", end="", file=sys.stderr, flush=True)
        if done == rows:
            return


def _features(net: Net, blob: str, batch: Mapping[str, np.ndarray], number: int) -> Rows:
    given = {name: batch[name] for name in net.inputs if name in batch}
    if not given:
        raise BadInput(f"batch {number}: found {sorted(batch)}, expected an input of the net: {', '.join(net.inputs)}")
    features = to_numpy(net.forward(given, blobs=[blob])[blob])
    if not features.ndim:
        raise BadInput(f"blob {blob!r}: found one number, expected one row for each image")
    return {blob: features.astype(np.float32, copy=False)}


def _labels(batch: Mapping[str, np.ndarray], labels: Sequence[str], number: int) -> Rows:
    missing = [label for label in labels if label not in batch]
    if missing:
        raise BadInput(f"batch {number}: found {sorted(batch)}, expected {missing[0]!r} as well, one of the labels")
    arrays = {label: np.asarray(batch[label], np.float32) for label in labels}
    for label, array in arrays.items():
        if not array.ndim:
            raise BadInput(f"batch {number}: {label!r}: found one number, expected one row for each image")
    return arrays


def _parts(batches: Iterable[Rows], blob: str) -> Iterator[Rows]:
    """What goes into each file."""
    kept: list[Rows] = []
    for batch in batches:
        kept.append(batch)
        if sum(part[blob].nbytes for part in kept) >= FILE_SIZE:
            yield _joined(kept)
            kept = []
    if kept:
        yield _joined(kept)


def _joined(parts: list[Rows]) -> Rows:
    for name, first in parts[0].items():
        for part in parts:
            if part[name].shape[1:] != first.shape[1:]:
                found, expected = part[name].shape[1:], first.shape[1:]
                raise BadInput(f"{name!r}: found rows of shape {found}, expected {expected} as in the first batch")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
