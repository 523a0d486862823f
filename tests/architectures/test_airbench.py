"""airbench: its first layer, and what it is initialised to."""

from __future__ import annotations

import pytest
import torch

from zoo import create_architecture
from zoo.architectures.airbench import Whitening
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec


def photographs(count=200):
    """Images whose neighbouring pixels are alike, as those of photographs are."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 3, 8, 8, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, 32, mode="bilinear")
    return fine + 0.05 * torch.randn(count, 3, 32, 32, generator=generator)


@pytest.mark.parametrize(("patch", "weakest"), [(2, 0.6), (4, 0.3)])
def test_whitened_patches_have_no_correlation_and_variance_one(patch, weakest):
    layer, images = Whitening(3, patch), photographs()
    layer.init_from_data(images)
    maps = layer(images).transpose(0, 1).flatten(1)
    half = len(maps) // 2
    torch.testing.assert_close(maps[half:], -maps[:half])
    second_moments = maps[:half] @ maps[:half].T / maps.shape[1]
    off_diagonal = second_moments - torch.diag(second_moments.diag())
    assert off_diagonal.abs().max() < 1e-3
    assert second_moments.diag().max() == pytest.approx(1, abs=1e-3)
    assert second_moments.diag().min() > weakest  # weak components are damped


def test_whitening_is_no_parameter_and_travels_in_the_state():
    layer = Whitening(1)
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["weight"]


def test_convolutions_begin_as_the_identity(colour_spec):
    network = create_architecture("airbench", colour_spec, width=8)
    x = torch.rand(2, 16, 7, 7)
    first = network.groups[1].second[0]
    torch.testing.assert_close(first(x), x)


def test_a_training_begins_with_filters_of_its_own_images(zoo):
    words = ["--model", "airbench", "--data.image_size", "16", "--model.architecture.width", "4"]
    status, out, _ = zoo("fit", *words, "--trainer.max_steps", 1, "--trainer.limit_val_batches", 1)
    assert status == 0
    saved = torch.load(f"{out.split()[-1]}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    filters = saved["network.whiten.weight"].flatten(1)
    norms = filters.norm(dim=1)
    assert norms.max() > 2 * norms.min()  # fresh filters all have norm 1


@pytest.mark.parametrize("patch", [2, 4])
@pytest.mark.parametrize("side", [10, 32, 45])
def test_both_patches_work_at_any_size_from_the_smallest(patch, side):
    spec = InputSpec(("a", "b"), 3, side, side, (0.5,) * 3, (0.2,) * 3)
    network = create_architecture("airbench", spec, width=4, patch=patch)
    assert network(torch.rand(2, 3, side, side)).shape == (2, 2)


def test_mirrored_it_answers_alike_both_ways_round_where_it_is_not_trained(colour_spec):
    network = create_architecture("airbench", colour_spec, width=4, mirror=True)
    once = create_architecture("airbench", colour_spec, width=4)
    once.load_state_dict(network.state_dict())
    x = torch.rand(8, 3, colour_spec.height, colour_spec.width)
    with torch.no_grad():
        torch.testing.assert_close(network.train()(x), once.train()(x))
        network.eval(), once.eval()
        torch.testing.assert_close(network(x), network(x.flip(3)))
        torch.testing.assert_close(network(x), (once(x) + once(x.flip(3))) / 2)
        assert not torch.allclose(once(x), once(x.flip(3)))


@pytest.mark.parametrize(
    ("side", "options", "message"),
    [
        (9, {"width": 8}, "smallest side it can is 10"),
        (32, {"width": 0}, "width is 0"),
        (32, {"patch": 3}, "patch is 3; allowed are 2 and 4"),
    ],
)
def test_what_cannot_be_is_an_error(side, options, message):
    spec = InputSpec(("a", "b"), 3, side, side, (0.5,) * 3, (0.2,) * 3)
    with pytest.raises(UserError, match=message):
        create_architecture("airbench", spec, **options)
