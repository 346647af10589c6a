"""preprocessor_config.json with values that can't be: one error that names the key, what is there and what may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.errors import SoftmaxError
from softmax_cli.model.images.huggingface_families import FAMILIES
from tests.images.pictures import picture
from tests.images.support import port, spec_of

EDGE = "expected a whole number of pixels from 1 to 16,384"
BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": 0}, f"size is the number 0, {EDGE}"),
    ({"size": -224}, f"size is the number -224, {EDGE}"),
    ({"size": 10**9}, f"size is the number 1000000000, {EDGE}"),
    ({"size": 224.5}, f"size is the number 224.5, {EDGE}"),
    ({"size": float("nan")}, f"size is the number nan, {EDGE}"),
    ({"size": True}, f"size is true, {EDGE}"),
    ({"size": "224"}, f"size is the text '224', {EDGE}"),
    ({"size": None}, f"size is null, {EDGE}"),
    ({"size": [224]}, "size is a list, expected a list of 2 lengths"),
    ({"size": [224, 0]}, f"size[1] is the number 0, {EDGE}"),
    ({"size": {}}, "size has the keys (none); expected height and width, or shortest_edge"),
    ({"size": {"height": 224}}, "size has the keys height; expected"),
    ({"size": {"longest_edge": 224}}, "size has the keys longest_edge; expected"),
    ({"size": {"height": 224, "width": "224"}}, f"size.width is the text '224', {EDGE}"),
    ({"size": {"shortest_edge": 1e400}}, f"size.shortest_edge is the number inf, {EDGE}"),
    ({"crop_size": {"height": 0, "width": 5}}, f"crop_size.height is the number 0, {EDGE}"),
    ({"crop_size": {"shortest_edge": 5}}, "crop_size is an object, expected height and width, as do_center_crop is"),
    ({"resample": 9}, "resample is the number 9, expected one of Pillow's interpolations, 0 to 5"),
    ({"resample": True}, "resample is true, expected one of Pillow's"),
    ({"resample": "bicubic"}, "resample is the text 'bicubic', expected one of Pillow's"),
    ({"resample": [3]}, "resample is a list, expected one of Pillow's"),
    ({"do_resize": "yes"}, "do_resize is the text 'yes', expected true or false"),
    ({"do_normalize": 1}, "do_normalize is the number 1, expected true or false"),
    ({"do_pad": True}, "do_pad is true, expected false"),
    ({"rescale_factor": 0}, "rescale_factor is the number 0, expected a number above 0"),
    ({"rescale_factor": "1/255"}, "rescale_factor is the text '1/255', expected a number above 0"),
    ({"image_mean": [0.5, 0.5]}, "image_mean is a list of 2, expected a number, or a list of 1 or 3"),
    ({"image_mean": ["a", 0, 0]}, "image_mean[0] is the text 'a', expected a number"),
    ({"image_mean": {"r": 1}}, "image_mean is an object, expected a number"),
    ({"image_std": [0.5, 0.0, 0.5]}, "image_std[1] is the number 0.0, expected a number above 0"),
    ({"image_std": 0}, "image_std is the number 0, expected a number above 0"),
    ({"image_std": float("inf")}, "image_std is the number inf, expected a number above 0"),
    ({"image_processor_type": ["CLIP"]}, "image_processor_type is a list, expected the name of an image processor"),
    ({"pretrained_cfg": "resnet"}, "pretrained_cfg is the text 'resnet', expected an object"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=lambda value: str(value)[:40])
def test_what_cant_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SoftmaxError) as caught:
        spec_of("huggingface", {"image_processor_type": "CLIPImageProcessor", **values})
    assert caught.value.slug == "bad-config"
    assert str(caught.value.at) == "preprocessor_config.json"
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("family", "key", "value"),
    [("ConvNext", "crop_pct", 0), ("PoolFormer", "crop_pct", "0.9"), ("TextNet", "size_divisor", 0)],
)
def test_keys_of_some_families(family: str, key: str, value: Any) -> None:
    with pytest.raises(SoftmaxError, match=f"^{key} is .*, expected"):
        spec_of("huggingface", {"image_processor_type": f"{family}ImageProcessor", "size": 224, key: value})


def test_processors_that_arent_known() -> None:
    values = {"image_processor_type": "Own\x1bImageProcessor", "size": {"shortest_edge": 48}, "crop_size": 32}
    spec = spec_of("huggingface", values, port(None, 3, 32, 32))
    assert [str(step) for step in spec.steps] == ["resize the shorter edge to 48 (bicubic)", "crop the centre to 32×32"]
    assert spec.notes == (
        r"the image processor Own\x1bImageProcessor isn't known (preprocessor_config.json): "
        "its keys are taken as ViT's and CLIP's",
    )
    nameless = spec_of("huggingface", {"do_normalize": False}, port(None, 3, 224, 224))
    assert nameless.mean is None
    assert nameless.notes[0].startswith("the image processor isn't named")
    assert nameless.notes[0].endswith("and the size as 224×224")


KEYS = (
    "size crop_size resample do_resize do_center_crop do_rescale do_normalize rescale_factor rescale_offset image_mean "
    "image_std include_top crop_pct size_divisor do_pad default_to_square do_flip_channel_order pretrained_cfg"
).split()
SCALARS = st.none() | st.booleans() | st.integers(-3, 400) | st.floats() | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["height", "width", "shortest_edge", "longest_edge"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(
    family=st.sampled_from([*sorted(FAMILIES), "Unknown"]),
    values=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
)
def test_any_configuration_gives_a_tensor_or_one_error(family: str, values: dict[str, Any]) -> None:
    try:
        spec = spec_of("huggingface", {"image_processor_type": f"{family}ImageProcessor", **values})
    except SoftmaxError as error:
        assert error.slug == "bad-config"
        assert error.at is not None
    else:
        found = spec.tensor(picture(5, 7))
        assert found.shape[0] == 3
        assert spec.size in (None, found.shape[1:])
        assert all(isinstance(line, str) for line in spec.describe())
