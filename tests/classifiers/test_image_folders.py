"""Folders of image models as Hugging Face, timm and Ultralytics lay them out, against the reference by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.classifiers.support import PLAIN, Array, by_hand, put_json, same_ranking, softmax, write_model
from tests.run.support import Here, node, ran, refused, rows_of, tensor

SIZE = 32
LABELS = ["tench", "great white shark", "hén", "ünï code"]
VIT = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True, "size": {"height": SIZE, "width": SIZE}, "resample": 3,
    "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2],
}  # fmt: skip
CLIP = {
    **VIT, "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": SIZE + 8}, "resample": 2,
    "do_center_crop": True, "crop_size": {"height": SIZE, "width": SIZE}, "do_convert_rgb": True,
}  # fmt: skip
PROCESSORS = {
    "vit": (VIT, "ViTImageProcessorPil"),
    "clip": (CLIP, "CLIPImageProcessorPil"),
}


def conv_model(path: Path, count: int = len(LABELS), **more: Any) -> Path:
    """A convolution, its maxima over patches, and a matrix: it sees places and colours."""
    rng = np.random.default_rng(4)
    weights = {
        "kernel": rng.normal(size=(6, 3, 4, 4)).astype(np.float32),
        "w": (rng.normal(size=(6 * 16, count)) / 8).astype(np.float32),
        "bias": rng.normal(size=count).astype(np.float32),
    }
    nodes = [
        node("Conv", "pixel_values kernel", "c", strides=[4, 4]), node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", "p", "f"),
        node("Gemm", "f w bias", "logits"),
    ]  # fmt: skip
    inputs = [tensor("pixel_values", "float", ["batch", 3, SIZE, SIZE])]
    return write_model(path, nodes, inputs, [tensor("logits", "float", ["batch", count])], weights, **more)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of photographs, of several sizes and kinds of file."""
    folder = tmp_path_factory.mktemp("pictures")
    china, flower = (Image.fromarray(array) for array in load_sample_images().images)
    china.crop((0, 0, 200, 133)).save(folder / "a.png")
    flower.crop((200, 100, 320, 300)).save(folder / "b.jpg", quality=90)
    china.crop((300, 200, 332, 232)).save(folder / "c.bmp")
    flower.crop((100, 50, 301, 250)).convert("L").save(folder / "d.png")
    china.crop((100, 50, 131, 60)).save(folder / "e.webp", lossless=True)
    flower.resize((90, 60)).quantize(64).save(folder / "f.gif")
    return folder


def opened(pictures: Path) -> list[Image.Image]:
    images = []
    for path in sorted(pictures.iterdir()):
        with Image.open(path) as image:
            images.append(image.convert("RGB"))
    return images


def by_transformers(processor: str, config: dict[str, Any], images: list[Image.Image]) -> Array:
    values = {key: value for key, value in config.items() if key != "image_processor_type"}
    made: Array = getattr(transformers, processor)(**values)(images=images, return_tensors="np")["pixel_values"]
    return made


def hugging_face(folder: Path, processor: dict[str, Any], model: str = "model.onnx") -> Path:
    conv_model(folder / model)
    names = {str(place): LABELS[place] for place in (2, 0, 3, 1)}
    config = {"architectures": ["ViTForImageClassification"], "model_type": "vit", "id2label": names}
    put_json(folder / "config.json", config)
    put_json(folder / "preprocessor_config.json", processor)
    return folder


def check(rows: list[dict[str, Any]], pictures: Path, tensors: Array, names: list[str]) -> None:
    """The results of a folder: in order, and what the model makes of these tensors."""
    assert tensors.shape == (6, 3, SIZE, SIZE)
    assert [row["source"] for row in rows] == [str(path) for path in sorted(pictures.iterdir())]
    logits = by_hand(conv_model(pictures.parent / f"{pictures.name}.onnx"), tensors.astype(np.float32))
    assert logits.std(axis=0).max() > 0.5
    for row, wanted in zip(rows, softmax(logits), strict=True):
        same_ranking(row, wanted, names, rtol=2e-4)


@pytest.mark.parametrize("model", ["model.onnx", "onnx/model.onnx"])
@pytest.mark.parametrize("name", PROCESSORS)
def test_hugging_face(softmax_here: Here, tmp_path: Path, pictures: Path, name: str, model: str) -> None:
    config, processor = PROCESSORS[name]
    folder = hugging_face(tmp_path / "hf", config, model)
    tensors = by_transformers(processor, config, opened(pictures))
    rows = rows_of(ran(softmax_here, folder, pictures))
    check(rows, pictures, tensors, LABELS)


def test_a_file_is_taken_without_the_configuration_beside_it(
    softmax_here: Here, tmp_path: Path, pictures: Path
) -> None:
    """With a note that says so: labels and preprocessing would be other ones."""
    folder = hugging_face(tmp_path / "hf", VIT)
    code, out, err = softmax_here("run", folder / "model.onnx", pictures / "c.bmp", "-f", "jsonl")
    assert code == 0
    assert {item["label"] for item in rows_of(out)[0]["predictions"]} == {"0", "1", "2", "3"}
    assert "config.json" in err


def test_a_folder_of_several_models(softmax_here: Here, tmp_path: Path, pictures: Path) -> None:
    """One is chosen, and a note says which."""
    folder = hugging_face(tmp_path / "hf", VIT)
    conv_model(folder / "zzz.onnx")
    err = softmax_here("run", folder, pictures / "c.bmp", "-f", "jsonl")[2]
    assert "zzz.onnx" in err


def test_options_override_the_folder(softmax_here: Here, tmp_path: Path, pictures: Path) -> None:
    folder = hugging_face(tmp_path / "hf", VIT)
    changed = {**VIT, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3], "resample": 2}
    tensors = by_transformers("ViTImageProcessorPil", changed, opened(pictures))
    options = ("--mean", "0.1,0.2,0.3", "--std", "1,2,3", "--interpolation", "bilinear")
    check(rows_of(ran(softmax_here, folder, pictures, *options)), pictures, tensors, LABELS)


def timm_tensor(image: Image.Image, crop: float = 0.8) -> Array:
    """timm's centre crop in its own steps: the short edge to size / crop, the middle, then the normalisation."""
    short = int(SIZE / crop)
    width, height = image.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    resized = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - SIZE) / 2), round((size[1] - SIZE) / 2)
    pixels = np.asarray(resized.crop((left, top, left + SIZE, top + SIZE)), np.float32) / 255
    scaled = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    moved: Array = scaled.transpose(2, 0, 1)
    return moved


@pytest.mark.parametrize("nested", [True, False])
def test_timm(softmax_here: Here, tmp_path: Path, pictures: Path, nested: bool) -> None:
    folder = tmp_path / "timm"
    conv_model(folder / "model.onnx")
    settings = {
        "input_size": [3, SIZE, SIZE], "interpolation": "bicubic", "crop_pct": 0.8, "crop_mode": "center",
        "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
    }  # fmt: skip
    config: dict[str, Any] = {"architecture": "convnet", "num_classes": len(LABELS), "label_names": LABELS}
    put_json(folder / "config.json", {**config, "pretrained_cfg": settings} if nested else {**config, **settings})
    tensors = np.stack([timm_tensor(image) for image in opened(pictures)])
    check(rows_of(ran(softmax_here, folder, pictures)), pictures, tensors, LABELS)


def ultralytics_tensor(image: Image.Image) -> Array:
    """The short edge to the size, the middle, and values from 0 to 1, as its classifiers take images."""
    width, height = image.size
    size = (SIZE, SIZE * height // width) if width <= height else (SIZE * width // height, SIZE)
    resized = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - SIZE) / 2), round((size[1] - SIZE) / 2)
    pixels = np.asarray(resized.crop((left, top, left + SIZE, top + SIZE)), np.float32) / 255
    moved: Array = pixels.transpose(2, 0, 1)
    return moved


def test_ultralytics(softmax_here: Here, tmp_path: Path, pictures: Path) -> None:
    names = dict(enumerate(LABELS))
    meta = {"names": str(names), "imgsz": f"[{SIZE}, {SIZE}]", "task": "classify", "stride": "1", "batch": "1"}
    path = conv_model(tmp_path / "yolo.onnx", **meta)
    tensors = np.stack([ultralytics_tensor(image) for image in opened(pictures)])
    check(rows_of(ran(softmax_here, path, pictures)), pictures, tensors, LABELS)


@pytest.mark.parametrize("key", ["labels", "classes", "names", "character"])
def test_labels_in_the_metadata(softmax_here: Here, tmp_path: Path, pictures: Path, key: str) -> None:
    text = "\n".join(LABELS) if key == "character" else ",".join(LABELS)
    path = conv_model(tmp_path / "m.onnx", **{key: text})
    rows = rows_of(ran(softmax_here, path, pictures / "a.png", *PLAIN))
    assert {item["label"]: item["index"] for item in rows[0]["predictions"]} == {
        name: place for place, name in enumerate(LABELS)
    }


def test_names_that_are_code_are_not_run(softmax_here: Here, tmp_path: Path, pictures: Path) -> None:
    target = tmp_path / "made"
    code = f"__import__('pathlib').Path({str(target)!r}).touch() or {{0: 'a'}}"
    path = conv_model(tmp_path / "m.onnx", names=code, imgsz=code)
    softmax_here("run", path, pictures / "a.png", *PLAIN)
    assert not target.exists()


def test_the_size_of_the_labels_and_of_the_output(softmax_here: Here, tmp_path: Path, pictures: Path) -> None:
    folder = hugging_face(tmp_path / "hf", VIT)
    conv_model(folder / "model.onnx", count=len(LABELS) + 1)
    err = refused(softmax_here, "label-count", folder, pictures / "a.png")
    assert "4" in err
    assert "5" in err


def test_the_default_normalisation_is_said(softmax_here: Here, tmp_path: Path, pictures: Path) -> None:
    """Nothing tells the normalisation: ImageNet's, with a note."""
    path = conv_model(tmp_path / "m.onnx")
    square = tmp_path / "square.png"
    opened(pictures)[0].resize((SIZE, SIZE)).save(square)
    code, out, err = softmax_here("run", path, square, "-f", "jsonl", "-k", "0")
    assert code == 0
    assert "ImageNet" in err
    with Image.open(square) as image:
        pixels = np.asarray(image, np.float32) / 255
    scaled = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    logits = by_hand(path, scaled.transpose(2, 0, 1)[None])
    (row,) = rows_of(out)
    same_ranking(row, softmax(logits)[0], ["0", "1", "2", "3"], rtol=2e-4)
