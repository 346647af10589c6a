"""Every format, compressed in every way."""

import gc
import gzip
from pathlib import Path

import pytest

from softmax_cli import open_source
from softmax_cli.errors import InputError
from tests.packing import PACKERS
from tests.readers.reading import Piped, Read
from tests.readers.samples import FORMATS, LOGITS, npy


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("name", FORMATS)
def test_compressed(given_input: Piped, name: str, packed: str) -> None:
    data = PACKERS[packed](FORMATS[name])
    for file in (f"x.{name}.{packed}", f"x.{name}", f"X.{name}.{packed}".upper(), "x"):
        assert given_input.file(file, data).logits.tolist() == LOGITS.tolist()
    assert given_input.pipe(data).logits.tolist() == LOGITS.tolist()


def test_compressed_in_parts(given_input: Piped) -> None:
    data = FORMATS["npy"]
    for name, pack in PACKERS.items():
        read = given_input.file(f"x.npy.{name}", pack(data[:50]) + pack(data[50:]))
        assert read.logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_a_plain_file_with_the_suffix_of_a_compression(given_input: Piped, name: str) -> None:
    assert given_input.file(f"x.{name}.gz", FORMATS[name]).logits.tolist() == LOGITS.tolist()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts the open files as Linux shows them")
def test_a_damaged_compressed_file_is_closed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(gc.collect)
    path = tmp_path / "x.npy.gz"
    path.write_bytes(gzip.compress(npy(LOGITS), mtime=0)[:-12])
    with pytest.raises(InputError) as caught:
        Read(open_source(str(path)))
    targets = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert caught.value.slug == "bad-compression"
    assert str(path) not in targets
