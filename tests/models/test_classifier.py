"""Classifier: pixels to logits, in the memory format that its network can work with, without Lightning."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from zoo.models.classifier import Classifier


def test_raw_pixels_become_logits(grey_spec):
    assert Classifier(grey_spec)(torch.zeros(3, 8, 8, 1, dtype=torch.uint8)).shape == (3, 10)


#: The usual idiom of tutorials, which needs features that lie in memory one map after the other.
VIEWING = """
from torch import nn

class Viewing(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.maps = nn.Conv2d(spec.channels, 4, 3, padding=1)
        self.classify = nn.Linear(4 * spec.height * spec.width, len(spec.classes))

    def forward(self, x):
        x = self.maps(x)
        return self.classify(x.view(x.size(0), -1))
"""


def test_a_network_that_cannot_work_channels_last_is_given_what_it_can(colour_spec, install):
    install("viewing", "[zoo.architectures]\nviewing = plugin_viewing:Viewing\n", VIEWING, "plugin_viewing")
    classifier = Classifier(colour_spec, "viewing")
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    assert classifier.channels_last is False
    assert classifier(images).shape == (3, 3)
    assert classifier(torch.randint(0, 256, (3, 40, 40, 3), dtype=torch.uint8)).shape == (3, 3)


@pytest.mark.parametrize("channels_last", [False, True])
def test_features_lie_as_asked_and_logits_do_not_depend_on_it(colour_spec, channels_last):
    classifier = Classifier(colour_spec, "lenet5", channels_last=channels_last)
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    inputs = classifier.preprocess(images)
    assert inputs.is_contiguous(memory_format=torch.channels_last) is channels_last
    assert classifier.network.c3[0].weight.is_contiguous() is not channels_last
    other = Classifier(colour_spec, "lenet5", channels_last=not channels_last)
    other.load_state_dict(classifier.state_dict())
    torch.testing.assert_close(other(images), classifier(images))


def test_features_lie_channels_last_where_nothing_is_asked(colour_spec):
    assert Classifier(colour_spec, "lenet5").channels_last is True


def test_loading_and_using_a_trained_classifier_imports_no_lightning(digits_run):
    code = f"""
import sys, numpy, zoo
classifier = zoo.load({str(digits_run)!r})
classifier.predict(numpy.zeros((8, 8), numpy.uint8))
classifier._repr_html_()
print(sorted({{"lightning", "torchmetrics", "jsonargparse", "torchvision"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
