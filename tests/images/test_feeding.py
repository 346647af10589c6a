"""Images on their way to a model: each in its own place, whatever the threads and batches are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softmax_cli.errors import Location
from softmax_cli.model.images.decode import decode
from softmax_cli.model.images.feeder import ImageFeeder
from softmax_cli.model.images.spec import ImageOptions, image_spec
from softmax_cli.model.session import Port

COUNT = 150
PORT = Port("x", "tensor(float)", (None, 3, 6, 6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that differ, some of them damaged."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for number in range(COUNT):
        image = Image.fromarray(generator.integers(0, 256, (6, 6, 3), np.uint8))
        image.save(folder / f"{number:03}.png")
        if number % 37 == 5:
            (folder / f"{number:03}.png").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize("jobs", [1, 2, 40])
@pytest.mark.parametrize(("port", "batch"), [(PORT, None), (PORT, 1), (PORT, 7), (PORT, 200)])
def test_each_in_its_place(folder: Path, port: Port, batch: int | None, jobs: int) -> None:
    names = sorted(map(str, folder.iterdir()))
    spec = image_spec(port, None, ImageOptions())
    feeder = ImageFeeder(names, str, "images", spec, port, jobs, batch)
    seen: list[str] = []
    failed: list[str] = []
    for window, fed in feeder.through(lambda window: [feed.places.tolist() for feed in window.feeds]):
        assert fed == [feed.places.tolist() for feed in window.feeds]
        tensors = [tensor for feed in window.feeds for tensor in feed.tensors["x"][: len(feed.places)]]
        assert window.sources is not None
        for name, tensor in zip(window.sources, tensors, strict=True):
            expected = spec.tensor(decode(name, Location(name), False))
            assert np.array_equal(tensor, expected)
        seen += window.sources
        failed += [fault.error.at.source for fault in window.faults if fault.error.at is not None]
    assert sorted(seen + failed) == names
    assert seen == sorted(seen)
    assert len(failed) == len(range(5, COUNT, 37))


def test_a_fixed_batch_is_filled(folder: Path) -> None:
    port = Port("x", "tensor(float)", (8, 3, 6, 6))
    names = sorted(map(str, folder.iterdir()))[:21]
    feeder = ImageFeeder(names, str, "images", image_spec(port, None, ImageOptions()), port, 2, None)
    feeds = [feed for window, _ in feeder.through(lambda window: None) for feed in window.feeds]
    assert all(len(feed.tensors["x"]) == 8 for feed in feeds)
    assert sum(len(feed.places) for feed in feeds) == 20
