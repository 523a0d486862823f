"""Pretrained weights: where they come from, what comes with them, and what does not fit."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torchvision import models

import zoo as library
from zoo.architectures import torchvision as family
from zoo.core.errors import DownloadError, UserError
from zoo.core.spec import Resize
from zoo.data.datamodule import ImageDataModule
from zoo.images.preprocess import Preprocess
from zoo.models.pretrained import FreshHead, find_weights
from zoo.models.weight_files import likeliest

NAME = "torchvision/squeezenet1_1"
PUBLISHED = models.SqueezeNet1_1_Weights.IMAGENET1K_V1.value


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Where downloads go: an empty folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def state():
    """The weights of torchvision's own SqueezeNet for ImageNet's classes."""
    torch.manual_seed(0)
    return models.squeezenet1_1(weights=None).state_dict()


@pytest.fixture(scope="module")
def content(state) -> bytes:
    """A file of them, as torchvision publishes its own."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


@pytest.fixture
def file(content, tmp_path) -> Path:
    path = tmp_path / "squeezenet.pth"
    path.write_bytes(content)
    return path


@pytest.fixture
def offered(server, content, monkeypatch) -> Path:
    """Serve the file under the name that torchvision gives it."""
    folder, address = server
    path = folder / f"squeezenet1_1-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    monkeypatch.setattr(PUBLISHED, "url", f"{address}{path.name}")
    return path


@pytest.fixture
def spec(colour_spec):
    return dataclasses.replace(colour_spec, height=64, width=64)


def photograph(height, width):
    """An image without the sharp contrasts after which Pillow, which resizes in two steps, clips twice."""
    coarse = np.random.default_rng(0).integers(50, 200, (height // 10, width // 10, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("name", ["vgg16", "swin_t", "efficientnet_b1", "googlenet", "inception_v3"])
@pytest.mark.parametrize("size", [(400, 300), (250, 700)])
def test_the_preprocessing_of_published_weights_is_torchvisions(name, size):
    entry = models.get_model_weights(name).DEFAULT
    spec = family.builder(name).weights()["DEFAULT"].spec
    pixels = photograph(*size)
    theirs = entry.transforms()(Image.fromarray(pixels))
    if name in family.FROM_TENSORFLOW:  # their networks do this first
        theirs = (theirs * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)) / 0.5
        theirs += (torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) - 0.5) / 0.5
    ours = Preprocess(spec)(torch.from_numpy(pixels)[None])[0]
    assert ours.shape == theirs.shape
    level = 1 / 255 / min(spec.std)
    assert (ours - theirs).abs().max() <= 1.01 * level  # Pillow rounds after each of its steps
    assert (ours - theirs).abs().mean() <= 0.25 * level


@pytest.mark.parametrize("name", family.NAMES)
def test_every_network_offers_weights_with_class_names_and_a_checksum(name):
    for published in family.builder(name).weights().values():
        assert len(published.spec.classes) == 1000
        assert published.file_name.endswith(f"{published.checksum.removeprefix('sha256:')}.pth")
        assert len(published.checksum) >= len("sha256:") + 8


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "densenet121"])
def test_files_with_other_keys_than_the_network_fit(name, tmp_path):
    options = {} if name == "densenet121" else {"init_weights": False}
    theirs = models.get_model(name, weights=None, **options).state_dict()
    if name == "densenet121":  # as its file was saved, years ago
        theirs = {family.re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): theirs[key] for key in theirs}
        assert any(".norm.1." in key for key in theirs)
    torch.save(theirs, tmp_path / "weights.pth")
    weights = find_weights(f"torchvision/{name}", str(tmp_path / "weights.pth"))
    network = library.create_architecture(f"torchvision/{name}", weights.spec)
    assert weights.load_into(network, weights.spec, replace_head=False) == FreshHead()


def test_published_weights_are_downloaded_verified_and_kept(offered, cache, state, capsys):
    weights = find_weights(NAME, "DEFAULT")
    assert f"downloading {PUBLISHED.url} (5 MB) to {cache / offered.name}" in capsys.readouterr().err
    assert [path.name for path in cache.iterdir()] == [offered.name]
    assert all(torch.equal(state[key], value) for key, value in weights.state.items())
    assert (weights.spec.height, weights.spec.resize, weights.assumed) == (224, Resize(0.875), "")
    offered.unlink()
    assert find_weights(NAME, "IMAGENET1K_V1").state.keys() == state.keys()


def test_a_download_with_another_checksum_is_never_opened(offered, cache):
    offered.write_bytes(b"something else")
    with pytest.raises(DownloadError, match="does not match its checksum sha256:"):
        find_weights(NAME, "DEFAULT")
    assert list(cache.iterdir()) == []


def test_a_file_in_the_cache_with_another_checksum_is_named_and_left(offered, cache):
    cache.mkdir(parents=True)
    (cache / offered.name).write_bytes(b"half a file")
    with pytest.raises(DownloadError, match=r"\(11 bytes\) does not match its checksum sha256:.*; remove it"):
        find_weights(NAME, "DEFAULT")
    assert (cache / offered.name).read_bytes() == b"half a file"


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(cache, monkeypatch):
    monkeypatch.setattr(PUBLISHED, "url", "http://127.0.0.1:9/squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(DownloadError) as caught:
        find_weights(NAME, "DEFAULT")
    place = cache / "squeezenet1_1-b8a52dc0.pth"
    assert str(caught.value).endswith(
        f"fetch http://127.0.0.1:9/squeezenet1_1-b8a52dc0.pth (5 MB) on a machine with a network and put it at {place}"
    )


#: A network whose weights' checksum only the server knows, and whose file wraps its tensors in a dictionary.
STATED = """
from urllib.error import HTTPError
from urllib.request import urlopen
from zoo.architectures import torchvision
from zoo.core.errors import DownloadError, UserError
from zoo.models.weights import PublishedWeights
built = torchvision.builder("squeezenet1_1")
def net(spec):
    return built(spec)
def ask():
    try:
        with urlopen(ADDRESS + "checksum") as answer:
            return answer.read().decode()
    except HTTPError as error:
        with error:  # closes its socket
            raise DownloadError(f"{{ADDRESS}}checksum: {{error}}") from error
def convert(content):
    try:
        return content["model"]
    except KeyError as error:
        raise UserError("the file holds no model") from error
def weights():
    spec = built.weights()["DEFAULT"].spec
    return {{"DEFAULT": PublishedWeights(ADDRESS + "model.pth", ask, spec, name="net.v1.pth", convert=convert)}}
net.weights = weights
ADDRESS = "{address}"
"""


@pytest.fixture
def stated(server, state, install) -> tuple[Path, str]:
    """Serve a file and, apart from it, its checksum; return the folder and the name that the file gets."""
    folder, address = server
    torch.save({"model": state, "epoch": 3}, folder / "model.pth")
    digits = hashlib.sha256((folder / "model.pth").read_bytes()).hexdigest()
    (folder / "checksum").write_text(f"sha256:{digits}")
    install("plugin-s", "[zoo.architectures]\nstated = plugin_s:net\n", STATED.format(address=address), "plugin_s")
    yield folder, f"net.v1-{digits[:8]}.pth"
    sys.modules.pop("plugin_s", None)


def test_a_checksum_that_the_server_states_is_asked_once_and_kept_in_the_files_name(stated, cache, state):
    folder, name = stated
    weights = find_weights("stated", "DEFAULT")
    assert [path.name for path in cache.iterdir()] == [name]
    assert all(torch.equal(state[key], value) for key, value in weights.state.items())
    shutil.rmtree(folder)
    assert find_weights("stated", "DEFAULT").state.keys() == state.keys()
    assert find_weights("stated", str(cache / name)).assumed == ""


def test_a_file_whose_name_bears_another_checksum_is_never_opened(stated, cache):
    folder, name = stated
    find_weights("stated", "DEFAULT")
    shutil.rmtree(folder)
    with (cache / name).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DownloadError, match=r"\(1,000 bytes\) does not match its checksum sha256:.{8}; remove it"):
        find_weights("stated", "DEFAULT")


@pytest.mark.parametrize("answer", ["sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:None", ""])
def test_a_server_that_states_no_sha256_is_not_believed(stated, cache, answer):
    folder, _ = stated
    (folder / "checksum").write_text(answer)
    with pytest.raises(DownloadError, match=f"its server states no SHA-256, but '{answer}'"):
        find_weights("stated", "DEFAULT")
    assert not cache.exists()


def test_a_download_that_is_not_what_the_server_stated_leaves_nothing(stated, cache):
    folder, _ = stated
    (folder / "model.pth").write_bytes(b"something else")
    with pytest.raises(DownloadError, match="does not match its checksum sha256:"):
        find_weights("stated", "DEFAULT")
    assert list(cache.iterdir()) == []


def test_without_an_answer_the_error_says_what_to_fetch_and_how_to_name_it(stated, cache, state):
    folder, name = stated
    content = (folder / "model.pth").read_bytes()
    (folder / "checksum").unlink()
    with pytest.raises(DownloadError) as caught:
        find_weights("stated", "DEFAULT")
    told = str(caught.value)
    assert "\n" not in told
    assert re.search(r"\(http://127.*/checksum: HTTP Error 404: .*\); fetch http://127.*/model\.pth on", told)
    assert f"put it at {cache / 'net.v1-XXXXXXXX.pth'}, where XXXXXXXX are the first 8 digits of its SHA-256" in told
    cache.mkdir(parents=True)
    (cache / name).write_bytes(content)
    assert find_weights("stated", "DEFAULT").state.keys() == state.keys()


def test_only_a_file_of_the_publishers_name_is_converted(stated, state, tmp_path):
    torch.save(state, tmp_path / "mine.pth")
    assert find_weights("stated", str(tmp_path / "mine.pth")).assumed == "DEFAULT"
    torch.save(state, tmp_path / "net.v1.pth")
    with pytest.raises(UserError, match="the file holds no model"):
        find_weights("stated", str(tmp_path / "net.v1.pth"))


def test_an_address_needs_the_files_checksum(server, content, cache):
    folder, address = server
    (folder / "mine.pth").write_bytes(content)
    digits = hashlib.sha256(content).hexdigest()
    weights = find_weights(NAME, f"{address}mine.pth#sha256={digits}")
    assert [path.name for path in cache.iterdir()] == [f"mine-{digits[:8]}.pth"]
    assert weights.assumed == "IMAGENET1K_V1"
    with pytest.raises(DownloadError, match="does not match its checksum"):
        find_weights(NAME, f"{address}mine.pth#sha256={'0' * 64}")
    for end in ("", "#sha256=abc", f"#md5={digits}"):
        with pytest.raises(UserError, match=r"allowed is an http or https address that ends in #sha256="):
            find_weights(NAME, f"{address}mine.pth{end}")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_brings_everything_but_a_head_of_another_size(state, spec, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    (safetensors.torch.save_file if suffix == ".safetensors" else torch.save)(state, path)
    network = library.create_architecture(NAME, spec)
    fresh = {key: value.clone() for key, value in network.state_dict().items()}
    replaced = find_weights(NAME, str(path)).load_into(network, spec)
    assert replaced.text == "classifier.1 of 1000 classes replaced by a fresh one of 3"
    for key, value in network.state_dict().items():
        assert torch.equal(value, fresh[key] if key.startswith("classifier.1.") else state[key])


@pytest.mark.parametrize(
    ("wrap", "taken_off"),
    [
        (lambda state: {f"module.{key}": value for key, value in state.items()}, ("module.",)),
        (lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, ("state_dict",)),
        (
            lambda state: {"model": {f"_orig_mod.module.{key}": value for key, value in state.items()}, "step": 1},
            ("model", "_orig_mod.module."),
        ),
        (
            lambda state: {
                "state_dict": {key: value + 1 for key, value in state.items()},
                "state_dict_ema": state,
                "hyper_parameters": {"lr": 0.1},
            },
            ("state_dict_ema",),
        ),
        (
            lambda state: {"state_dict": {f"model.backbone.{key}": value for key, value in state.items()}},
            ("state_dict", "model.backbone."),
        ),
    ],
)
def test_weights_as_training_programs_save_them_are_unpacked(state, spec, tmp_path, wrap, taken_off):
    torch.save(wrap(state), tmp_path / "saved.pth")
    network = library.create_architecture(NAME, spec)
    weights = find_weights(NAME, str(tmp_path / "saved.pth")).unwrapped(network)
    assert weights.taken_off == taken_off
    assert f"; taken off their keys: {', '.join(taken_off)}" in weights.summary(weights.load_into(network, spec), spec)
    assert torch.equal(network.state_dict()["features.0.weight"], state["features.0.weight"])


def test_a_prefix_that_leaves_other_keys_is_left_on(state, spec, tmp_path):
    other = {f"module.{key}": value for key, value in state.items() if "features.0" not in key}
    torch.save(other | {"module.extra": torch.zeros(1)}, tmp_path / "p.pth")
    with pytest.raises(UserError, match=r"missing: features\.0\.weight.*; not in the network: module\.features"):
        find_weights(NAME, str(tmp_path / "p.pth")).load_into(library.create_architecture(NAME, spec), spec)


def test_each_of_several_heads_is_replaced(install, spec, tmp_path):
    source = """
import torch
from torch import nn
class Two(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body, self.first, self.second = (nn.LazyConv2d(size, 3) for size in (5, classes, classes))
        self(torch.zeros(1, 3, 8, 8))
    def forward(self, images):
        body = self.body(images)
        return (self.first(body) + self.second(body)).mean((2, 3)) / 2
def net(spec):
    return Two(len(spec.classes))
"""
    install("plugin-heads", "[zoo.architectures]\ntwo = plugin_heads:net\n", source, "plugin_heads")
    like = dataclasses.replace(spec, classes=tuple("abcdefg"))
    theirs = library.create_architecture("two", like).state_dict()
    torch.save(theirs, tmp_path / "two.pth")
    network = library.create_architecture("two", spec)
    replaced = find_weights("two", str(tmp_path / "two.pth")).load_into(network, spec)
    assert replaced.text == "first and second of 7 classes replaced by a fresh one of 3"
    assert torch.equal(network.body.weight, theirs["body.weight"])


def test_what_does_not_fit_is_listed_and_nothing_is_loaded(state, spec, tmp_path):
    other = {key: value for key, value in state.items() if key != "features.0.bias"}
    other["extra.weight"] = torch.zeros(1)
    other["features.3.squeeze.weight"] = torch.zeros(2, 3)
    torch.save(other, tmp_path / "other.pth")
    network = library.create_architecture(NAME, spec)
    fresh = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(UserError) as caught:
        find_weights(NAME, str(tmp_path / "other.pth")).load_into(network, spec)
    assert "missing: features.0.bias; not in the network: extra.weight; of another shape: " in str(caught.value)
    assert "features.3.squeeze.weight (2, 3) for (16, 64, 1, 1)" in str(caught.value)
    assert all(torch.equal(value, fresh[key]) for key, value in network.state_dict().items())


def test_a_checkpoint_of_zoo_brings_its_spec(digits_run):
    path = digits_run / "checkpoints" / "best.ckpt"
    weights = find_weights("lenet5", str(path))
    assert weights.spec == library.load(digits_run).spec
    spec = dataclasses.replace(weights.spec, classes=("a", "b"))
    fresh = weights.load_into(library.create_architecture("lenet5", spec), spec)
    assert fresh == FreshHead(("output.1",), (0, 1), "output.1 of 10 classes replaced by a fresh one of 2")
    with pytest.raises(UserError, match=r"is of architecture 'lenet5' .*, the configuration asks for 'cnn'"):
        find_weights("cnn", str(path))
    with pytest.raises(UserError, match=r"'lenet5' \(variant=keras, .* asks for 'lenet5' \(variant=1998"):
        find_weights({"name": "lenet5", "variant": "1998", "dropout": 0.0}, str(path))


def head_rows(network):
    return torch.cat([network.output[1].weight, network.output[1].bias[:, None]], dim=1)


def test_classes_that_a_run_has_keep_their_rows_of_the_last_layer(digits_run):
    weights = find_weights("lenet5", str(digits_run))
    whole = library.create_architecture("lenet5", weights.spec)
    assert weights.load_into(whole, weights.spec) == FreshHead()
    spec = dataclasses.replace(weights.spec, classes=("7", "plus", "0", "minus"))
    network = library.create_architecture("lenet5", spec)
    before = head_rows(network).clone()
    fresh = weights.load_into(network, spec)
    assert fresh == FreshHead(("output.1",), (1, 3), "output.1 keeps the rows of 2 classes; fresh: plus, minus")
    assert torch.equal(head_rows(network)[[0, 2]], head_rows(whole)[[7, 0]])
    assert torch.equal(head_rows(network)[[1, 3]], before[[1, 3]])


def test_the_classes_of_a_run_in_another_order_need_no_fresh_row(digits_run):
    weights = find_weights("lenet5", str(digits_run))
    images = torch.rand(3, 1, weights.spec.height, weights.spec.width)
    networks = []
    for classes in (weights.spec.classes, weights.spec.classes[::-1]):
        spec = dataclasses.replace(weights.spec, classes=classes)
        networks.append(library.create_architecture("lenet5", spec).eval())
        assert weights.load_into(networks[-1], spec) == FreshHead()
    torch.testing.assert_close(networks[0](images), networks[1](images).flip(1))


def test_weights_without_a_last_layer_leave_that_of_the_network(state, spec, tmp_path):
    torch.save({f"module.{key}": state[key] for key in state if "classifier" not in key}, tmp_path / "body.pth")
    network = library.create_architecture(NAME, spec)
    fresh = find_weights(NAME, str(tmp_path / "body.pth")).load_into(network, spec)
    assert fresh.text == "classifier.1, which they lack, is a fresh one of 3 classes"
    assert torch.equal(network.state_dict()["features.0.weight"], state["features.0.weight"])


def test_published_weights_in_a_renamed_file_are_recognised_by_their_checksum(offered, tmp_path):
    offered.rename(tmp_path / "mine.pth")
    weights = find_weights(NAME, str(tmp_path / "mine.pth"))
    assert (weights.prepared_as, weights.assumed) == ("IMAGENET1K_V1", "")


@pytest.mark.parametrize(
    ("beside", "classes", "expected"),
    [
        ({}, 1000, "IMAGENET1K_V2"),
        ({}, 7, "IMAGENET1K_V2"),
        ({"pretrained_cfg": {"tag": "IMAGENET1K_V1"}}, 1000, "IMAGENET1K_V1"),
        ({"pretrained_cfg": {"tag": "mine"}}, 1000, "IMAGENET1K_V2"),
        ({"pretrained_cfg": None}, 1000, "IMAGENET1K_V2"),
    ],
)
def test_a_file_that_nothing_names_is_prepared_as_its_likeliest_weights(tmp_path, beside, classes, expected):
    (tmp_path / "config.json").write_text(json.dumps(beside))
    published = family.builder("resnet50").weights()
    assert likeliest(tmp_path / "model.safetensors", {"fc.bias": torch.zeros(classes)}, published) == expected


class Payload:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), r"not a readable file of weights \(0 bytes\): it is damaged"),
        (lambda path: path.write_bytes(b"\x80\x02random"), "not a readable file of weights"),
        (lambda path: torch.save(Payload(path.with_name("pwned")), path), "holds more than tensors and plain values"),
        (lambda path: torch.save([torch.zeros(1)], path), "holds a list, no state_dict"),
        (lambda path: torch.save({"model": {}, "epoch": 3}, path), r"hold no state_dict \(keys: model, epoch\)"),
        (lambda path: torch.save({0: torch.zeros(1)}, path), r"hold no state_dict \(keys: 0\)"),
        (
            lambda path: torch.save({"state_dict": None, "hyper_parameters": {}}, path),
            r"hold no state_dict \(keys: state_dict, hyper_parameters\)",
        ),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(tmp_path, make, message):
    path = tmp_path / "weights.pth"
    make(path)
    with pytest.raises(UserError, match=message):
        find_weights(NAME, str(path))
    assert not (tmp_path / "pwned").exists()


def test_an_address_cannot_lead_out_of_the_folder(server, content, cache):
    folder, address = server
    digits = hashlib.sha256(content).hexdigest()
    (folder / f"evil-{digits[:8]}.pth").write_bytes(content)
    find_weights(NAME, f"{address}..%2F..%2F..%2Fevil-{digits[:8]}.pth#sha256={digits}")
    assert list(cache.parents[1].rglob("evil*")) == [cache / f"evil-{digits[:8]}.pth"]


def test_weights_that_break_the_contract_are_a_named_error(install):
    source = "def net(spec): ...\nnet.weights = lambda: ['DEFAULT']\nclass Net:\n    weights = property()\n"
    points = "[zoo.architectures]\noffers = plugin_w:net\nclassy = plugin_w:Net\n"
    install("plugin-w", points, source, "plugin_w")
    with pytest.raises(UserError, match=r"breaks the contract: its builder's weights\(\) takes no argument"):
        find_weights("offers", "DEFAULT")
    with pytest.raises(UserError, match="architecture 'classy' has none"):
        find_weights("classy", "x" * 300)


def test_two_things_to_start_from_are_one_too_many(zoo, digits_run):
    words = ("fit", "--ckpt_path", digits_run / "checkpoints" / "best.ckpt", "--model.weights", "x.pth")
    status, _, err = zoo(*words)
    assert (status, err.splitlines()[-1]) == (
        2,
        "error: --ckpt_path and --model.weights both say what to start from; leave one out",
    )


def test_a_name_nobody_offers_is_an_error_that_says_what_is():
    with pytest.raises(UserError, match=r"\(IMAGENET1K_V1, DEFAULT\); did you mean 'DEFAULT'\?"):
        find_weights(NAME, "DEFAUT")
    with pytest.raises(UserError, match="architecture 'lenet5' has none"):
        find_weights("lenet5", "DEFAULT")


def test_grey_images_are_given_to_weights_for_colour_as_three_equal_channels():
    like = family.builder("vgg16").weights()["DEFAULT"].spec
    data = ImageDataModule("digits", image_size=64, like=like)
    assert (data.spec.channels, data.spec.height, data.spec.mean, data.spec.resize) == (3, 64, like.mean, like.resize)
    images, _ = next(iter(data.val_dataloader()))
    assert images.shape[1:] == (8, 8, 3)
    assert torch.equal(images[..., 0], images[..., 2])


def test_colour_images_do_not_fit_weights_for_grey(tmp_path, digits_run):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    data = ImageDataModule("folder", root=tmp_path / "photos", like=library.load(digits_run).spec)
    with pytest.raises(UserError, match="the weights are for grey images, 'folder' is in colour"):
        _ = data.spec


def test_a_run_starts_from_weights_and_resumes_without_them(zoo, tmp_path, file):
    options = ("--model", NAME, "--model.weights", "squeezenet.pth", "--data.image_size", 32, "--lr_scheduler", "null")
    status, out, err = zoo("fit", *options, "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2)
    assert status == 0, err
    assert "layer classifier.1 of 1000 classes replaced by a fresh one of 10; images are prepared as for IMAGE" in err
    assert "32x32 pixels, crop 0.875, bilinear, mean 0.485 0.456 0.406, std 0.229 0.224 0.225" in err
    run = out.splitlines()[-1]
    assert library.load(tmp_path / run).spec.resize == Resize(0.875)
    file.unlink()
    assert zoo("fit", run, "--trainer.max_epochs", 2)[0] == 0
    assert zoo("validate", run)[0] == 0


def test_a_pretrained_network_predicts_as_it_was_published(zoo, tmp_path, file, state):
    pixels = photograph(300, 400)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    words = ("--model", NAME, "--model.weights", file, "noise.png")
    status, _, err = zoo("predict", *words, "--plot", "guesses.png", "--output", "guesses.csv")
    assert status == 0, err
    network = models.squeezenet1_1(weights=None).eval()
    network.load_state_dict(state)
    with torch.inference_mode():
        preset = PUBLISHED.transforms()
        best = network(preset(Image.fromarray(pixels))[None]).softmax(1).topk(10)
    header, row = (tmp_path / "guesses.csv").read_text().splitlines()
    assert header.count("probability") == 10
    assert row.split(",")[1] == PUBLISHED.meta["categories"][int(best.indices[0, 0])]
    assert float(row.split(",")[2]) == pytest.approx(float(best.values[0, 0]), rel=0.02)
    with Image.open(tmp_path / "guesses.png") as picture:
        assert picture.width == 1200
    shutil.rmtree(tmp_path / "torch", ignore_errors=True)
    assert zoo("predict", "--model", NAME, "noise.png")[2].startswith(f"error: '{NAME}' without weights knows nothing")


def test_a_head_without_class_names_does_not_predict(zoo, tmp_path, spec):
    torch.save(library.create_architecture(NAME, spec).state_dict(), tmp_path / "three.pth")
    Image.new("RGB", (20, 20)).save(tmp_path / "black.png")
    status, _, err = zoo("predict", "--model", NAME, "--model.weights", "three.pth", "black.png")
    assert status == 2
    assert "classifier.1.weight (3, 512, 1, 1) for (1000, 512, 1, 1)" in err


def test_info_names_published_weights(zoo):
    _, out, _ = zoo("info", "torchvision/resnet50")
    lines = [line for line in out.splitlines() if line.startswith("--model.weights")]
    assert [line.split(":")[0] for line in lines] == [
        "--model.weights IMAGENET1K_V1",
        "--model.weights IMAGENET1K_V2 or DEFAULT",
    ]
