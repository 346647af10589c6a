"""Write the sample data beside this file: ``python sample_data/make.py``.

Needs numpy, onnx, onnxruntime, pillow, polars and scikit-learn.
"""

# mypy: disable-error-code="import-untyped"

import csv
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by onnxruntime when it is imported

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import polars as pl
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.helper import make_node, make_tensor_value_info
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]

HERE = Path(__file__).resolve().parent
SEED = 0

ANIMALS = {"dog": 3.2, "cat": 1.3, "horse": 0.2, "cheetah": 0.8}

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HELD_OUT = 120
HIDDEN_UNITS = 96
OPSET = 17
IR_VERSION = 8
DIGITS_CREDIT = (
    "Trained on Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, "
    "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0."
)

SEGMENT_NAMES = ("background", "cat", "dog")
SEGMENT_SIZE = (12, 16)
# For each image: the (row, column, radius) of the cat, then of the dog.
SEGMENT_BLOBS = (
    ((4.0, 4.0, 2.5), (7.0, 11.0, 3.0)),
    ((8.0, 10.0, 3.5), (3.0, 6.0, 2.0)),
)


@dataclass(frozen=True)
class Digits:
    """Images of digits, 8x8 bytes each, and the digit each one shows."""

    pixels: Pixels
    targets: Classes

    @property
    def inputs(self) -> Floats:
        """The images as the network takes them: [image, 1, 8, 8] in 0 to 1."""
        return self.pixels[:, np.newaxis].astype(np.float32) / np.float32(255)


def main() -> None:
    """Rewrite every file and print what the digits network achieves."""
    write_animals(HERE)
    write_digits(HERE / "digits")
    write_segmentation(HERE)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write text lines, the same bytes on every system."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_animals(folder: Path) -> None:
    """Write the same four logits once in each small format."""
    logits = list(ANIMALS.values())
    words = [str(logit) for logit in logits]
    write_lines(folder / "animals.csv", [",".join(words)])
    write_lines(folder / "animals.tsv", ["\t".join(words)])
    write_lines(folder / "animals.txt", [" ".join(words)])
    write_lines(folder / "animals.jsonl", [json.dumps(logits)])
    write_lines(folder / "animals_labels.txt", ANIMALS)
    np.save(folder / "animals.npy", np.array([logits], dtype=np.float64))
    columns = {name: [logit] for name, logit in ANIMALS.items()}
    pl.DataFrame(columns).write_parquet(folder / "animals.parquet")


def write_digits(folder: Path) -> None:
    """Train the digits network; write it, its held-out images and their logits."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    training, held_out = split_digits()
    save_networks(folder, train(training))

    ids = write_images(folder, held_out.pixels)
    write_model_folder(folder.parent / "digits_model", folder / "digits.onnx")
    logits = run(folder / "digits.onnx", held_out.inputs)
    np.save(folder / "inputs.npy", held_out.inputs)
    write_logits(folder, ids, logits)
    write_table(folder / "truth.csv", ("id", "target"), zip(ids, held_out.targets, strict=True))
    write_lines(folder / "labels.txt", DIGIT_NAMES)

    correct = np.count_nonzero(logits.argmax(axis=1) == held_out.targets)
    print(f"digits: {correct} of {HELD_OUT} held-out images right")


def write_model_folder(folder: Path, network: Path) -> None:
    """Write the network once more, as a folder that says how images become its input and what its classes are."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(network, folder / "model.onnx")
    config = {
        "id2label": {str(index): name for index, name in enumerate(DIGIT_NAMES)},
        "label2id": {name: index for index, name in enumerate(DIGIT_NAMES)},
        "problem_type": "single_label_classification",
    }
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": 8, "width": 8},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    }
    for name, values in (("config.json", config), ("preprocessor_config.json", preprocessor)):
        write_lines(folder / name, [json.dumps(values, indent=2)])


def split_digits() -> tuple[Digits, Digits]:
    """Return the training digits and the held-out ones, each class in proportion."""
    bunch = load_digits()
    pixels = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    targets = bunch.target.astype(np.int64)
    train_pixels, test_pixels, train_targets, test_targets = train_test_split(
        pixels, targets, test_size=HELD_OUT, random_state=SEED, stratify=targets
    )
    return Digits(train_pixels, train_targets), Digits(test_pixels, test_targets)


def train(digits: Digits) -> MLPClassifier:
    """Fit the network, on one thread so that a machine's core count does not matter."""
    network = MLPClassifier((HIDDEN_UNITS,), max_iter=500, random_state=SEED)
    with threadpool_limits(1):
        network.fit(digits.inputs.reshape(len(digits.inputs), -1), digits.targets)
    return network


def save_networks(folder: Path, network: MLPClassifier) -> None:
    """Write the network twice: ending in logits, and with a Softmax node after them."""
    weights = named_weights(network)
    nodes = [
        make_node("Flatten", ["image"], ["pixels"], axis=1),
        make_node("Gemm", ["pixels", "hidden.weight", "hidden.bias"], ["hidden"]),
        make_node("Relu", ["hidden"], ["features"]),
        make_node("Gemm", ["features", "output.weight", "output.bias"], ["logits"]),
    ]
    softmax = make_node("Softmax", ["logits"], ["probabilities"], axis=1)
    save_model(folder / "digits.onnx", nodes, weights)
    save_model(folder / "digits_probabilities.onnx", [*nodes, softmax], weights)


def named_weights(network: MLPClassifier) -> list[TensorProto]:
    """Return the weights under the names the nodes use."""
    arrays = {
        "hidden.weight": network.coefs_[0],
        "hidden.bias": network.intercepts_[0],
        "output.weight": network.coefs_[1],
        "output.bias": network.intercepts_[1],
    }
    return [
        numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), name) for name, array in arrays.items()
    ]


def save_model(path: Path, nodes: list[NodeProto], weights: list[TensorProto]) -> None:
    """Check and write one ONNX model, from image to the last node's output."""
    name = nodes[-1].output[0]
    image = make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])
    output = make_tensor_value_info(name, TensorProto.FLOAT, ["batch", len(DIGIT_NAMES)])
    graph = helper.make_graph(nodes, "digits", [image], [output], weights)
    model = helper.make_model(
        graph,
        producer_name="softmax sample data",
        doc_string=DIGITS_CREDIT,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def run(path: Path, inputs: Floats) -> Floats:
    """Return the model's only output for ``inputs``."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": inputs})[0], dtype=np.float32)


def write_images(folder: Path, pixels: Pixels) -> list[str]:
    """Write each image as a greyscale PNG; return their paths inside ``folder``."""
    ids = [f"images/digit_{index:03}.png" for index in range(len(pixels))]
    for name, image in zip(ids, pixels, strict=True):
        Image.fromarray(image).save(folder / name)
    return ids


def write_logits(folder: Path, ids: list[str], logits: Floats) -> None:
    """Write the logits as NPY, CSV and Parquet, equal to the last bit."""
    np.save(folder / "logits.npy", logits)
    # str() of a float32 gives the fewest digits that read back to it.
    rows = ([name, *map(str, row)] for name, row in zip(ids, logits, strict=True))
    write_table(folder / "logits.csv", ("id", *DIGIT_NAMES), rows)
    columns = {name: logits[:, index] for index, name in enumerate(DIGIT_NAMES)}
    pl.DataFrame({"id": ids, **columns}).write_parquet(folder / "logits.parquet")


def write_segmentation(folder: Path) -> None:
    """Write a score per class and pixel: [image, class, row, column]."""
    background = np.full(SEGMENT_SIZE, 2.0)
    scores = np.stack([[background, blob(*cat), blob(*dog)] for cat, dog in SEGMENT_BLOBS])
    noise = np.random.default_rng(SEED).normal(scale=0.4, size=scores.shape)
    np.save(folder / "segmentation.npy", (scores + noise).astype(np.float32))
    write_lines(folder / "segmentation_labels.txt", SEGMENT_NAMES)


def blob(row: float, column: float, radius: float) -> Scores:
    """Return a Gaussian bump, 6 at its middle and falling to -1."""
    rows, columns = np.indices(SEGMENT_SIZE)
    distance = ((rows - row) ** 2 + (columns - column) ** 2) / (2 * radius**2)
    return np.asarray(7 * np.exp(-distance) - 1, dtype=np.float64)


if __name__ == "__main__":
    main()
