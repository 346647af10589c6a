"""Makes the small convolutional nets in recorded/, and records what torch says of some tensors and images.

    python -m tests.classifiers.make_convnet

It needs torch 2.13 or later and onnxscript; neither is in the tests' dependencies, so its results are kept.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RECORDED = Path(__file__).parent / "recorded"
SIZE = 16
CLASSES = 6
FIXED = 4


def picture(number: int, channels: int) -> Image.Image:
    """One of the fixed images: noise over a gradient, 16×16."""
    noise = np.random.default_rng(number).integers(0, 128, (SIZE, SIZE, channels))
    slope = np.linspace(0, 127, SIZE)[:, None, None] * ((number % 3) + 1) / 3
    pixels = (noise + slope).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def tensors(count: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Fixed tensors of the net's input."""
    return np.random.default_rng(99).normal(size=(count, channels, SIZE, SIZE)).astype(np.float32)


def pixels(count: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The fixed images from 0 to 1, channels first."""
    held = [np.asarray(picture(number, channels)).reshape(SIZE, SIZE, channels) for number in range(count)]
    return (np.stack(held).transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)


def _net(channels: int) -> Any:
    import torch
    from torch import nn

    torch.manual_seed(channels)
    net: Any = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, CLASSES),
    )
    net.train()
    with torch.no_grad():
        for _ in range(20):  # gives the normalisation means and variances of its own
            net(torch.rand(16, channels, SIZE, SIZE) * 2 - 0.5)
        net[-1].weight *= 20  # logits that differ
    return net.eval()


def _strip(path: Path) -> None:
    """Leave out the paths and stack traces of the machine where the export ran."""
    import onnx

    model = onnx.load(path)
    for holder in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        del holder.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, path)


def main() -> None:
    import torch

    RECORDED.mkdir(exist_ok=True)
    held = {}
    for channels in (1, 3):
        net = _net(channels)
        for name, batch in (("dynamic", None), ("fixed", FIXED)):
            torch.onnx.export(
                net,
                (torch.zeros(batch or 2, channels, SIZE, SIZE),),
                str(RECORDED / f"convnet_{channels}_{name}.onnx"),
                input_names=["pixels"],
                output_names=["scores"],
                dynamic_shapes=None if batch else ({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            _strip(RECORDED / f"convnet_{channels}_{name}.onnx")
        with torch.no_grad():
            held[f"tensors_{channels}"] = net(torch.from_numpy(tensors(11, channels))).numpy()
            held[f"images_{channels}"] = net(torch.from_numpy(pixels(11, channels))).numpy()
    np.savez_compressed(RECORDED / "torch_logits.npz", **held)
    print({name: version(name) for name in ("torch", "onnxscript", "onnx", "numpy")})


if __name__ == "__main__":
    main()
