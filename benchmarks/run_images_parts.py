"""What `softmax run` is compared with, each a process of its own: `python -m benchmarks.run_images_parts PART …`.

`model` and `decode` print the processor and wall seconds of their work, without start-up; `loop` writes a CSV file.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.run_images_made import EDGE, MEAN, STD


def model(folder: str, photographs: str) -> None:
    """The model alone: the product's own session and batches, on the photographs' tensors, ready in memory."""
    from softmax_cli.errors import Location
    from softmax_cli.model.classifier import Classifier, ModelOptions
    from softmax_cli.model.images.decode import decode as decoded
    from softmax_cli.model.images.feeder import DEFAULT_BATCH
    from softmax_cli.model.images.options import ImageOptions
    from softmax_cli.model.session import Engine
    from softmax_cli.pipeline import usable_cores

    loaded = Classifier.load(folder, ModelOptions(engine=Engine(threads=usable_cores())))
    spec = loaded.image_spec(ImageOptions())
    files = sorted(map(str, Path(photographs).iterdir()))
    ready = np.empty((len(files), 3, EDGE, EDGE), np.float32)

    def prepare(place: int) -> None:
        at = Location(files[place])
        spec.tensor(decoded(files[place], at, spec.gray), at, ready[place])

    with ThreadPoolExecutor() as pool:
        list(pool.map(prepare, range(len(files))))
    begin, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(files), DEFAULT_BATCH):
        loaded.model.run(loaded.output.name, {"pixel_values": ready[start : start + DEFAULT_BATCH]})
    print(json.dumps({"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}))


def decode(folder: str, photographs: str) -> None:
    """Decoding and preprocessing alone, on one thread, with the product's own functions."""
    from softmax_cli.errors import Location
    from softmax_cli.model.classifier import Classifier, ModelOptions
    from softmax_cli.model.images.decode import decode as decoded
    from softmax_cli.model.images.options import ImageOptions

    spec = Classifier.load(folder, ModelOptions()).image_spec(ImageOptions())
    files = sorted(map(str, Path(photographs).iterdir()))
    begin, cpu = time.perf_counter(), time.process_time()
    for file in files:
        at = Location(file)
        spec.tensor(decoded(file, at, spec.gray), at)
    print(json.dumps({"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}))


def loop(folder: str, photographs: str, output: str) -> None:
    """The loop that one writes with Pillow and ONNX Runtime, an image at a time; the five best classes each."""
    import onnxruntime
    from PIL import Image

    names = json.loads(Path(folder, "config.json").read_text())["id2label"]
    session = onnxruntime.InferenceSession(Path(folder, "model.onnx"), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    with open(output, "w", newline="") as file:  # noqa: PTH123 - as one writes it
        writer = csv.writer(file)
        writer.writerow(["source", "rank", "index", "label", "probability"])
        for path in sorted(Path(photographs).glob("*.jpg")):
            image = Image.open(path).convert("RGB")
            scale = 256 / min(image.size)
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
            left, top = (image.width - EDGE) // 2, (image.height - EDGE) // 2
            image = image.crop((left, top, left + EDGE, top + EDGE))
            pixels = (np.asarray(image, dtype=np.float32) / 255 - mean) / std
            logits = session.run(None, {name: pixels.transpose(2, 0, 1)[np.newaxis]})[0][0]
            powers = np.exp(logits - logits.max())
            probabilities = powers / powers.sum()
            for rank, index in enumerate(np.argsort(-probabilities)[:5], 1):
                writer.writerow([path, rank, index, names[str(index)], probabilities[index]])


if __name__ == "__main__":
    {"model": model, "decode": decode, "loop": loop}[sys.argv[1]](*sys.argv[2:])
