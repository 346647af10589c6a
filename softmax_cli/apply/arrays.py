"""npy, npz and safetensors: the chosen array with the activation applied, the others as they were."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, cast

import numpy as np

from softmax_cli.apply.work import Work
from softmax_cli.batch import FloatArray, as_logits
from softmax_cli.concurrency import overlap
from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import Geometry
from softmax_cli.sinks.target import Target, writing
from softmax_cli.sources.base import Part, ReadOptions
from softmax_cli.sources.npy import NpyStream
from softmax_cli.sources.npy_file import file_parts
from softmax_cli.sources.npy_header import NpyHeader, check_size, read_header
from softmax_cli.sources.npz import Archive
from softmax_cli.sources.safetensors_file import read_tensors, tensor_array
from softmax_cli.sources.stream import Input
from softmax_cli.text import visible

# The library's names for reading, and for writing.
_TENSOR_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
}  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same results, whenever they were written


def _result_dtype(header: NpyHeader) -> np.dtype[Any]:
    return as_logits(np.empty(0, header.dtype.newbyteorder("="))).dtype


def _write_header(header: NpyHeader, write: Callable[[bytes], object]) -> int:
    """Write the header of the result: same shape and order, the result's type; returns its length."""
    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(_result_dtype(header))
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": header.fortran, "shape": header.shape}
    )
    write(buffer.getvalue())
    return len(buffer.getvalue())


def _results(
    source: Input, stream: BinaryIO, header: NpyHeader, options: ReadOptions, work: Work, strips: bool
) -> Iterator[tuple[Geometry, int, int, FloatArray]]:
    """Yield the pieces of the result, in the order in which the array is stored.

    strips: pieces of a large slab may be cut behind the class axis too; else they follow each other in the file.
    """
    axis = Geometry.of(header.shape, options.axis, source.at).axis
    stored_axis = len(header.shape) - 1 - axis if header.fortran else axis
    geometry = Geometry.of(header.stored_shape, stored_axis, source.at)
    stored = replace(header, shape=header.stored_shape, fortran=False)
    path = source.plain_path if strips else None
    if path is not None:
        parts = file_parts(path, stored, geometry, source.at)
    else:
        parts = NpyStream(stream, stored, geometry, source.at, source.plain_path is not None, cut=False).parts()

    def apply(part: Part) -> tuple[Geometry, int, int, FloatArray]:
        outer, inner, read = part
        return geometry, outer, inner, work.on_cube(source.name, geometry, read(), outer, inner)

    return overlap(parts, apply, work.jobs)


def apply_npy(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write an .npy of the same shape and memory order."""
    with contextlib.closing(source.open()) as stream:
        header = read_header(stream, source.at)
        size = source.plain_size
        check_size(header, None if size is None else size - header.offset, source.at)
        offset = _write_header(header, target.write)
        target.flush()
        strips = source.plain_path is not None and target.seekable()
        for geometry, outer, inner, cube in _results(source, stream, header, options, work, strips):
            _write_piece(target, offset, geometry, outer, inner, cube)
    return ()


def _write_piece(target: Target, offset: int, geometry: Geometry, outer: int, inner: int, cube: FloatArray) -> None:
    if cube.shape[2] == geometry.inner:  # whole slabs follow each other
        target.write(_bytes(cube))
        return
    for index in range(geometry.classes):
        place = ((outer * geometry.classes + index) * geometry.inner + inner) * cube.itemsize
        target.seek(offset + place)
        target.write(_bytes(cube[0, index]))


def _bytes(values: FloatArray) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def apply_npz(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write an .npz with the chosen array replaced and the other members copied."""
    archive = Archive(source)
    name, notes = archive.choose(options.array)
    buffer = cast(BinaryIO, target.forward())
    with writing(target.name), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as result:
        for member in archive.members:
            info = zipfile.ZipInfo(f"{member}.npy", _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member) as stream, result.open(info, "w", force_zip64=True) as output:
                if member != name:
                    while part := stream.read(1 << 20):
                        output.write(part)
                    continue
                header = read_header(stream, source.at)
                _write_header(header, output.write)
                for _, _, _, cube in _results(source, stream, header, options, work, strips=False):
                    output.write(_bytes(cube))
    return notes


def apply_safetensors(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write a safetensors file with the chosen tensor replaced and the others copied."""
    import safetensors

    tensors, name, notes, metadata = read_tensors(source, options)
    array = tensor_array(tensors[name], name, source.at)
    geometry = Geometry.of(array.shape, options.axis, Location(source.name))
    result = work.on_array(source.name, array, geometry)
    arrays = {key: np.frombuffer(bytes(tensor["data"]), np.uint8) for key, tensor in tensors.items()}
    arrays[name] = np.frombuffer(result.tobytes(), np.uint8)
    parts = {}
    for key, tensor in tensors.items():
        if tensor["dtype"] not in _TENSOR_TYPES:
            message = f"tensor {visible(key, 40)!r} of type {tensor['dtype']} can't be copied"
            raise InputError("unsupported-dtype", message, at=source.at)
        dtype = result.dtype.name if key == name else _TENSOR_TYPES[tensor["dtype"]]
        place, length = arrays[key].ctypes.data, arrays[key].nbytes
        parts[key] = safetensors.TensorSpec(dtype=dtype, shape=tensor["shape"], data_ptr=place, data_len=length)
    target.write(bytes(safetensors.serialize(parts, metadata or None)))  # `arrays` keeps the data alive until here
    return notes
