"""Where logits are read from: one table of formats, how each is recognised, and `open_source`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from softmax_cli.batch import Source
from softmax_cli.errors import InputError, UsageError
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.stream import COMPRESSION_SUFFIXES, HEAD_BYTES, Input


@dataclass(frozen=True, slots=True)
class InputFormat:
    """One row of the table.

    opener: `module:function` below this package, imported when it is needed. magic: whether an input's first
    bytes are this format's; None where only the suffix, or the lack of anything else, tells.
    """

    opener: str
    suffixes: tuple[str, ...]
    magic: Callable[[bytes], bool] | None = None

    def open(self, source: Input, options: ReadOptions) -> Source:
        """Open an input as this format."""
        module, function = self.opener.split(":")
        result: Source = getattr(importlib.import_module(f"softmax_cli.sources.{module}"), function)(source, options)
        return result


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _is_torch_zip(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04") and b"data.pkl" in head[:256]


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def _is_json_document(head: bytes) -> bool:
    """A document, not JSON lines: nested lists, a response, or a first line that isn't whole."""
    line, end, _ = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    line = line.rstrip()
    if not line.startswith((b"[", b"{")):
        return False
    compact = b"".join(line[:HEAD_BYTES].split())
    if compact.startswith((b"[[", b"[{")) or (b'"outputs":[' in compact and line.startswith(b"{")):
        return True
    if end and not line.endswith((b"]", b"}")):
        return True  # spread over several lines
    return line.startswith(b"{") and (b'"logits":[[' in compact or b'"scores":[[' in compact)


def _is_json_lines(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"[", b"{")) and not _is_json_document(head)


# In the order in which first bytes are tried.
FORMATS: Mapping[str, InputFormat] = MappingProxyType(
    {
        "npy": InputFormat("npy:open_source", (".npy",), _starts(b"\x93NUMPY")),
        "pickle": InputFormat(
            "refused:open_source",
            (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"),
            lambda head: _is_pickle(head) or _is_torch_zip(head),
        ),
        "npz": InputFormat("npz:open_source", (".npz",), _starts(b"PK\x03\x04", b"PK\x05\x06")),
        "parquet": InputFormat("saved_frames:open_parquet", (".parquet", ".pq"), _starts(b"PAR1")),
        "arrow": InputFormat(
            "frames:open_arrow", (".arrow", ".feather", ".ipc", ".arrows"), _starts(b"ARROW1", b"\xff\xff\xff\xff")
        ),
        "safetensors": InputFormat("safetensors_file:open_source", (".safetensors",), _is_safetensors),
        "json": InputFormat("json_document:open_source", (".json",), _is_json_document),
        "jsonl": InputFormat("jsonl:open_source", (".jsonl", ".ndjson"), _is_json_lines),
        "csv": InputFormat("delimited:open_source", (".csv",)),
        "tsv": InputFormat("delimited:open_source", (".tsv", ".tab")),
        "text": InputFormat("delimited:open_source", (".txt", ".dat", ".ssv")),
    }
)
READABLE = tuple(name for name in FORMATS if name != "pickle")
_TEXTUAL = ("csv", "tsv", "text", "json", "jsonl")


def suffixes_of(formats: tuple[str, ...] = READABLE) -> tuple[str, ...]:
    """The suffixes of some formats, each alone and with those of the compressions."""
    plain = [suffix for name in formats for suffix in FORMATS[name].suffixes]
    return tuple(plain + [suffix + packed for suffix in plain for packed in COMPRESSION_SUFFIXES])


def sniff_format(source: Input, options: ReadOptions) -> str:
    """Tell an input's format: as the options say, else by its first bytes, else by its suffix.

    First bytes come before the suffix only where they can't be mistaken (they aren't text).
    Raises InputError for an empty input, or where nothing tells.
    """
    if options.input_format is not None:
        if options.input_format not in READABLE:
            raise UsageError(f"--input-format {options.input_format}: expected one of {', '.join(READABLE)}")
        return options.input_format
    if source.suffix in (".onnx", ".ort"):
        raise UsageError(f"{source.name} is a model, not logits", hint="softmax run MODEL [INPUT]... runs it")
    head = source.head(16, lambda data: b"\n" in data)
    if not head:
        raise InputError("empty-input", "the input is empty", at=source.at)
    if head[:2] == b"PK":
        head = source.head(512)
    by_suffix = next((name for name, row in FORMATS.items() if source.suffix in row.suffixes), None)
    by_magic = next(
        (n for n, row in FORMATS.items() if n not in _TEXTUAL and row.magic is not None and row.magic(head)), None
    )
    if by_magic is not None:
        return by_magic
    if by_suffix is not None and by_suffix not in ("text",):
        return by_suffix
    return _sniff_text(source)


def _sniff_text(source: Input) -> str:
    start = source.head(HEAD_BYTES, lambda data: bool(data.strip()))
    if not start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"[", b"{")):
        return "text" if source.suffix else "csv"
    head = source.head(HEAD_BYTES, lambda data: b"\n" in data.lstrip())
    return next(name for name in ("json", "jsonl") if (magic := FORMATS[name].magic) is not None and magic(head))


def open_source(name: str | Input, options: ReadOptions | None = None) -> Source:
    """Open a file, a pipe, or stdin (`-`) as a source of logits.

    Iterate the result for `LogitBatch` records, class axis last. Raises InputError for anything that can't be
    read as logits; errors further in come while iterating.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "logits.csv")
    >>> _ = path.write_text("dog,cat\\n3.2,1.3\\n")
    >>> source = open_source(str(path))
    >>> source.class_names
    ('dog', 'cat')
    >>> [batch.logits.tolist() for batch in source]
    [[[3.2, 1.3]]]
    """
    options = options or ReadOptions()
    source = Input.of(name)
    return FORMATS[sniff_format(source, options)].open(source, options)
