"""InputSpec and its JSON form."""

from __future__ import annotations

import dataclasses
import json

import pytest

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec, Resize


def test_the_json_form_round_trips(colour_spec):
    spec = dataclasses.replace(colour_spec, resize=Resize(0.875, "bicubic", "letterbox"), white_level=4095)
    assert InputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("one",)}, "at least 2 are needed"),
        ({"classes": ("a", "b", "a")}, "given more than once: a"),
        ({"channels": 0}, "allowed are 1"),
        ({"height": 0}, "at least 1 pixel"),
        ({"mean": (0.1,)}, "one finite number for each of 3"),
        ({"mean": (0.1, 0.2, float("nan"))}, "one finite number"),
        ({"std": (0.1, 0.2, 0.0)}, "more than 0"),
        ({"white_level": 1000}, "allowed are 255, 1023, 4095, 16383, 65535"),
    ],
)
def test_a_value_outside_what_is_allowed_is_an_error(colour_spec, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(colour_spec, **change)


def test_a_crop_share_outside_0_to_1_is_an_error():
    with pytest.raises(UserError, match=r"resize\.crop is 1\.5"):
        Resize(1.5)


def test_an_unknown_fit_is_an_error():
    with pytest.raises(UserError, match=r"resize\.fit is 'squash'; allowed are cover, letterbox and stretch"):
        Resize(fit="squash")


def test_the_json_form_of_version_0_1_covers_and_divides_by_257(colour_spec):
    data = colour_spec.to_dict()
    del data["white_level"], data["resize"]["fit"]
    assert InputSpec.from_dict(data) == colour_spec
    assert (colour_spec.resize.fit, colour_spec.white_level) == ("cover", 65535)


def test_a_fit_that_shows_the_whole_image_crops_nothing():
    assert Resize(0.875, "bicubic").refit("letterbox") == Resize(1.0, "bicubic", "letterbox")
    assert Resize(0.875, "bicubic").refit("cover") == Resize(0.875, "bicubic")


def test_a_missing_key_is_an_error(colour_spec):
    data = colour_spec.to_dict()
    del data["mean"]
    with pytest.raises(UserError, match="an InputSpec has the keys"):
        InputSpec.from_dict(data)
