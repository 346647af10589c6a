"""What `run_images` runs on: photographs as JPEG files, and an ImageNet classifier with the weights of a fixed seed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# How many of 20 photographs have a longer edge of so many pixels: ImageNet's mostly, pictures from the web, cameras'.
_EDGES = {500: 5, 560: 3, 600: 2, 640: 4, 1024: 2, 1280: 2, 1600: 1, 2048: 1}
_PORTRAITS = 4  # every fourth photograph is upright
CLASSES = 1000
EDGE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_photographs(folder: Path, count: int) -> None:
    """Cut, flip and scale the two photographs that scikit-learn brings; quality 85 to 92, a fixed seed."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    random = np.random.default_rng(0)
    edges = np.repeat(list(_EDGES), list(_EDGES.values()))
    folder.mkdir()
    for number in range(count):
        if number % len(edges) == 0:
            random.shuffle(edges)
        image = photographs[number % len(photographs)]
        share = random.uniform(0.6, 1)
        width, height = (int(share * length) for length in image.size)
        if number % _PORTRAITS == 0:
            width, height = height * 3 // 4, height
        left, top = (int(random.integers(0, room + 1)) for room in (image.width - width, image.height - height))
        edge = int(edges[number % len(edges)])
        scale = edge / max(width, height)
        size = round(scale * width), round(scale * height)
        image = image.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image.save(folder / f"{number:05}.jpg", quality=int(random.integers(85, 93)))


def make_larger(folder: Path, photographs: Path, count: int) -> None:
    """Make a directory of `count` photographs of those that are there, each several times."""
    files = sorted(photographs.iterdir())
    folder.mkdir()
    for number in range(count):
        os.link(files[number % len(files)], folder / f"{number:05}.jpg")


def make_model(folder: Path) -> None:
    """Make the folder of a MobileNetV2 as Optimum exports it: 0.3 billion multiplications an image."""
    import onnx

    folder.mkdir()
    onnx.save(_MobileNet().model(), str(folder / "model.onnx"))
    labels = {str(index): f"class {index}" for index in range(CLASSES)}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "mobilenet_v2", "id2label": labels, "problem_type": "single_label_classification"})
    )
    preprocessing = {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 256},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": {"height": EDGE, "width": EDGE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))


class _MobileNet:
    """MobileNetV2 (Sandler et al. 2018), its normalisation folded into the convolutions."""

    # Expansion, channels, repetitions, first stride.
    blocks = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self) -> None:
        from onnx import numpy_helper

        self._random = np.random.default_rng(0)
        self._tensor = numpy_helper.from_array
        self._nodes: list = []
        self._weights = [self._tensor(np.array(value, np.float32), name) for name, value in (("zero", 0), ("six", 6))]
        self._names = (f"n{number}" for number in range(10_000))

    def model(self):
        from onnx import TensorProto, helper

        value, channels = self._activated(self._conv("pixel_values", 3, 32, 3, stride=2)), 32
        for expansion, wider, repetitions, first in self.blocks:
            for stride in self._strides(repetitions, first):
                value = self._block(value, channels, wider, expansion, stride)
                channels = wider
        value = self._activated(self._conv(value, channels, 1280, 1))
        value = self._node("Flatten", [self._node("GlobalAveragePool", [value])])
        weights = [self._weight((1280, CLASSES), 1280), self._weight((CLASSES,), 100)]
        self._node("Gemm", [value, *weights], output="logits")
        floats = TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "mobilenet_v2",
            [helper.make_tensor_value_info("pixel_values", floats, ["batch_size", 3, EDGE, EDGE])],
            [helper.make_tensor_value_info("logits", floats, ["batch_size", CLASSES])],
            self._weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    @staticmethod
    def _strides(repetitions: int, first: int) -> Iterator[int]:
        yield first
        yield from [1] * (repetitions - 1)

    def _block(self, value: str, channels: int, wider: int, expansion: int, stride: int) -> str:
        inner = channels * expansion
        result = value if expansion == 1 else self._activated(self._conv(value, channels, inner, 1))
        result = self._activated(self._conv(result, inner, inner, 3, stride, groups=inner))
        result = self._conv(result, inner, wider, 1)
        return self._node("Add", [value, result]) if stride == 1 and channels == wider else result

    def _activated(self, value: str) -> str:
        return self._node("Clip", [value, "zero", "six"])

    def _conv(self, value: str, channels: int, wider: int, edge: int, stride: int = 1, groups: int = 1) -> str:
        fan = channels // groups * edge * edge
        weights = [self._weight((wider, channels // groups, edge, edge), fan), self._weight((wider,), 100)]
        padding = [edge // 2] * 4
        return self._node("Conv", [value, *weights], strides=[stride] * 2, pads=padding, group=groups)

    def _weight(self, shape: tuple[int, ...], fan: int) -> str:
        name = next(self._names)
        values = self._random.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
        self._weights.append(self._tensor(values, name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        from onnx import helper

        output = output or next(self._names)
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


if __name__ == "__main__":  # a process of its own: Linux counts the parent's memory in a child's peak
    make_photographs(Path(sys.argv[1]), int(sys.argv[2]))
    make_model(Path(sys.argv[3]))
