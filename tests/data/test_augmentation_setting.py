"""The setting data.augmentation: names, class paths and arguments."""

from __future__ import annotations

import pytest
import torch

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec
from zoo.data.augmentation import Augmentation
from zoo.data.augmentation_setting import build_augmentation, parse_setting, title

SPEC = InputSpec(("a", "b"), 3, 32, 24, (0.5,) * 3, (0.2,) * 3)
GREY = InputSpec(("a", "b"), 1, 32, 24, (0.5,), (0.2,))


@pytest.mark.parametrize("spec", [SPEC, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("name", registry.list_names("augmentation"))
def test_every_augmentation_keeps_the_size_and_follows_its_seed(name, spec):
    augmentation = build_augmentation([name, {"name": "vflip", "p": 0.0}] if name != "vflip" else name, spec)
    image = torch.randint(0, 256, (32, 24, spec.channels), dtype=torch.uint8)
    before = torch.get_rng_state()
    choices = [[row, row, row % 2, seed] for row, seed in enumerate([3, 4, 5, 6])]
    first, again = ([augmentation.change(image, choice) for choice in choices] for _ in range(2))
    assert all(changed.shape == image.shape and changed.dtype == torch.uint8 for changed in first)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    pale = spec is GREY and name == "grayscale"
    assert pale or any(not torch.equal(changed, image) for changed in first)


def test_the_old_names_stand_for_the_same_crop_and_flip():
    built = {name: build_augmentation(name, SPEC) for name in ("none", "flip", "crop", "crop_flip")}
    assert built == {
        "none": Augmentation(),
        "flip": Augmentation(flip=True),
        "crop": Augmentation(pad=1 / 8),
        "crop_flip": Augmentation(pad=1 / 8, flip=True),
    }


def test_arguments_and_class_paths_reach_the_transform():
    path = {"class_path": "torchvision.transforms.v2.RandomPosterize", "init_args": {"bits": 1, "p": 1.0}}
    augmentation = build_augmentation([{"name": "vflip", "p": 1.0}, path], SPEC)
    image = torch.randint(0, 256, (32, 24, 3), dtype=torch.uint8)
    assert torch.equal(augmentation.change(image, [0, 0, 0, 1]), image.flip(0) & 128)


def test_a_flip_before_another_change_is_made_in_its_place():
    invert = {"class_path": "torchvision.transforms.v2.RandomInvert", "init_args": {"p": 1.0}}
    augmentation = build_augmentation(["crop", "flip", invert], SPEC)
    image = torch.randint(1, 255, (32, 24, 3), dtype=torch.uint8)
    padded = torch.nn.functional.pad(image, (0, 0, 3, 3, 4, 4))
    expected = 255 - padded[2:34, 1:25].flip(1)
    assert torch.equal(augmentation.change(image, [2, 1, 1, 0]), expected)
    assert augmentation.apply(image[None], torch.tensor([[2, 1, 1, 0]])) is not None
    assert torch.equal(augmentation.apply(image[None], torch.tensor([[2, 1, 1, 0]]))[0], image)


def test_random_resized_crop_cuts_from_the_whole_image_and_scales():
    exact = {"name": "random_resized_crop", "scale": [1.0, 1.0], "ratio": [0.75, 0.75]}
    augmentation = build_augmentation(exact, SPEC)
    ramp = (torch.arange(96)[:, None, None] * 2).expand(96, 72, 3).to(torch.uint8)
    changed = augmentation.change(ramp, [0, 0, 0, 1])
    assert augmentation.cuts_whole
    assert changed.shape == (32, 24, 3)
    assert (changed[:, :, 0].float() - ramp[1::3, ::3, 0]).abs().max() <= 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("flop", r"unknown augmentation 'flop'; allowed are none, crop_flip, .*did you mean 'flip'"),
        ("crop-flip", r"unknown augmentation 'crop-flip'; .*did you mean 'crop_flip'"),
        ("flip,rotate", r"unknown augmentation 'flip,rotate'.*a list is written \[flip,rotate\]"),
        (["flip", "crop_flip"], "lists 'flip' twice"),
        ([3], "data.augmentation has 3; allowed is a name"),
        ({"name": "rotate", "degree": 3}, "'rotate' has no option 'degree'; its options are degrees; did you mean"),
        ({"class_path": "torchvision.nothing.Here"}, "'torchvision.nothing.Here' cannot be imported"),
        ({"class_path": "torch.nn.Linear"}, "'torch.nn.Linear' is no transform of torchvision.transforms.v2"),
    ],
)
def test_a_wrong_setting_is_one_line(setting, message):
    with pytest.raises(UserError, match=message) as caught:
        build_augmentation(setting, SPEC)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"name": "rotate", "degrees": -5}, "augmentation 'rotate': "),
        ({"name": "rotate", "degrees": "ten"}, "augmentation 'rotate'"),
        ({"name": "random_resized_crop", "scale": [0.5, 2]}, r"scale is \[0.5, 2\]; allowed are two shares"),
        ({"name": "crop", "padding": 0}, "padding is 0; allowed is more than 0"),
        (["flip", "random_resized_crop"], "cuts from the image as it is stored; put it first"),
        ({"class_path": "torchvision.transforms.v2.Resize", "init_args": {"size": 8}}, "must keep the size"),
    ],
)
def test_a_transform_that_cannot_be_built_or_used_is_one_line(setting, message):
    with pytest.raises(UserError, match=message) as caught:
        build_augmentation(setting, SPEC)
    assert "\n" not in str(caught.value)


def test_a_transform_that_cannot_change_such_images_says_so():
    four = InputSpec(("a", "b"), 4, 32, 32, (0.5,) * 4, (0.2,) * 4)
    with pytest.raises(UserError, match="'colour_jitter' cannot change images of 32x32 pixels and 4 channels"):
        build_augmentation("colour_jitter", four)


def test_a_setting_has_a_title():
    assert (
        title(["random_resized_crop", "flip", {"name": "rotate", "degrees": 5}])
        == "random_resized_crop + flip + rotate"
    )
    assert title("crop_flip") == "crop_flip"
    assert title([]) == "none"
    assert parse_setting("none") == []
