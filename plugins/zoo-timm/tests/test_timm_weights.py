"""timm's weights: listed without a network, verified, and with them zoo computes what timm computes.

Weights of timm's own networks, drawn at random, are served on loopback as their publishers serve the trained ones.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import zoo_timm
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.models import get_pretrained_cfg

import zoo
from zoo import DownloadError, UserError
from zoo.models.pretrained import find_weights, pretrained_classifier
from zoo.testing import load_pretrained

HUBBED, HUBBED_TAG = "test_resnet", "r160_in1k"
HUBBED_PATH = f"timm/{HUBBED}.{HUBBED_TAG}/resolve/main/model.safetensors"
PINNED, PINNED_TAG = "mobilenetv3_small_050", "lamb_in1k"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where downloads go: an empty folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server(tmp_path):
    """A web server on loopback that states the SHA-256 of the files it was given, as the hub does."""
    folder = tmp_path / "served"
    folder.mkdir()
    stated: dict[str, str] = {}

    class Hub(SimpleHTTPRequestHandler):
        def end_headers(self):
            if self.path in stated:
                self.send_header("X-Linked-Etag", f'"{stated[self.path]}"')
                self.send_header("X-Repo-Commit", "0" * 40)
            super().end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(folder))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{web.server_port}", stated
        web.shutdown()


def network(name):
    """Return timm's own network for ImageNet, its statistics of batches drawn as well, evaluating."""
    torch.manual_seed(0)
    built = timm.create_model(name, pretrained=False)
    for key, buffer in built.named_buffers():
        if key.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return built.eval()


@pytest.fixture
def hub(server, monkeypatch):
    """The Hugging Face hub with one network's weights; its file, and timm's network with them."""
    folder, address, stated = server
    built = network(HUBBED)
    path = folder / HUBBED_PATH
    path.parent.mkdir(parents=True)
    safetensors.torch.save_file(built.state_dict(), path)
    stated[f"/{HUBBED_PATH}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    # What HF_ENDPOINT sets where huggingface_hub is imported; here it is imported already.
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return path, built


@pytest.fixture
def pinned(server, monkeypatch):
    """A release with one network's weights under a name that pins them; its file, and timm's network with them."""
    folder, address, _ = server
    built = network(PINNED)
    torch.save(built.state_dict(), folder / "weights.pth")
    digits = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()[:8]
    path = (folder / "weights.pth").rename(folder / f"{PINNED}-{digits}.pth")
    known = timm.models._registry._model_pretrained_cfgs
    for name in (PINNED, f"{PINNED}.{PINNED_TAG}"):
        monkeypatch.setattr(known[name], "url", f"{address}/{path.name}")
    return path, built


def photograph(height, width):
    """An image without the sharp contrasts after which Pillow, which resizes in two steps, clips twice."""
    coarse = np.random.default_rng(0).integers(50, 200, (height // 10, width // 10, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)


def tensor(image):
    return torch.from_numpy(np.array(image))[None]


def offers(name):
    return zoo_timm.builder(name).weights()


@pytest.mark.parametrize(
    ("name", "tags", "default", "kind"),
    [
        ("resnet18", ["a1_in1k", "tv_in1k", "gluon_in1k"], "a1_in1k", str),
        ("test_resnet", ["r160_in1k"], "r160_in1k", partial),
        ("vit_tiny_patch16_224", ["augreg_in21k", "augreg_in21k_ft_in1k"], "augreg_in21k_ft_in1k", partial),
        ("gcvit_tiny", ["in1k"], "in1k", str),
    ],
)
def test_weights_are_offered_by_timms_tags_without_a_network(name, tags, default, kind):
    found = offers(name)
    assert set(tags) <= set(found)
    assert list(found)[-1] == "DEFAULT"
    assert found["DEFAULT"] is found[default]
    assert get_pretrained_cfg(name).tag == default
    assert isinstance(found["DEFAULT"].checksum, kind)


def test_every_offer_of_timm_says_what_an_application_needs():
    names = timm.list_models()
    found = {f"{name}.{tag}": offer for name in names for tag, offer in offers(name).items() if tag != "DEFAULT"}
    assert sum(offer.predicts for offer in found.values()) > 1400
    files = {}
    for tagged, offer in found.items():
        known, spec = get_pretrained_cfg(tagged), offer.spec
        assert len(spec.classes) == max(2, known.num_classes)
        assert (spec.channels, spec.height, spec.width) == tuple(known.input_size)
        assert (spec.mean, spec.std) == (known.mean, known.std)
        assert spec.resize.interpolation == known.interpolation
        scaled = round(spec.height / spec.resize.crop)
        assert scaled == (int(known.input_size[1] / known.crop_pct) if known.crop_pct <= 1 else spec.height)
        assert files.setdefault(offer.file_name, offer.url) == offer.url


@pytest.mark.parametrize(
    "tagged",
    [
        "resmlp_12_224.fb_dino",  # says 1,000 classes, but was trained without
        "vit_small_patch14_dinov2.lvd142m",  # without classes
        "vit_base_patch32_clip_224.openai",  # an embedding
        "volo_d5_512.sail_in1k",  # a crop beyond the image
    ],
)
def test_weights_that_zoo_cannot_describe_exactly_are_offered_to_train_from(tagged):
    name, _, tag = tagged.partition(".")
    assert not offers(name)[tag].predicts
    assert offers(name)[tag].spec.mean == get_pretrained_cfg(tagged).mean


def test_weights_trained_on_squashed_images_squash_them():
    offer = offers("convnext_base")["fb_in22k_ft_in1k_384"]
    assert (offer.predicts, offer.spec.resize.fit) == (True, "stretch")


def test_a_network_without_a_head_starts_with_a_fresh_one(tmp_path):
    torch.save(timm.create_model("test_vit", num_classes=0).state_dict(), tmp_path / "body.pth")
    weights = find_weights("timm/test_vit", str(tmp_path / "body.pth"))
    spec = dataclasses.replace(weights.spec, classes=("ant", "bee", "fly"))
    fresh = weights.load_into(zoo.create_architecture("timm/test_vit", spec), spec)
    assert fresh.text == "head, which they lack, is a fresh one of 3 classes"


def test_weights_without_names_of_classes_do_not_predict(tmp_path):
    weights = find_weights("timm/test_vit", str(saved(timm.create_model("test_vit"), tmp_path)))
    nameless = dataclasses.replace(weights, predicts=False)
    with pytest.raises(UserError, match="do not say which classes they tell apart"):
        pretrained_classifier(nameless, "timm/test_vit")


def saved(network, folder):
    torch.save(network.state_dict(), folder / "network.pth")
    return folder / "network.pth"


def test_classes_of_one_description_are_told_apart():
    small, large = (
        offers("resnet18")["DEFAULT"].spec.classes,
        offers("vit_tiny_patch16_224")["augreg_in21k"].spec.classes,
    )
    assert small[:2] == ("tench, Tinca tinca", "goldfish, Carassius auratus")
    assert (small[134], small[517]) == ("crane (n02012849)", "crane (n03126707)")
    assert len(set(large)) == len(large) == 21843


def test_info_lists_weights():
    zoo_timm.names()  # written to the cache: a process that imports timm first may take longer than zoo waits
    command = [sys.executable, "-m", "zoo", "info", f"timm/{HUBBED}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("--model.weights")]
    assert [line.split(":")[0] for line in lines] == [f"--model.weights {HUBBED_TAG} or DEFAULT"]
    assert lines[0].endswith(f"https://huggingface.co/{HUBBED_PATH}")


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "efficientnet_b0", "mobilenetv3_small_050"])
@pytest.mark.parametrize("size", [(400, 300), (250, 700)])
def test_the_preprocessing_is_timms(name, size):
    spec = offers(name)["DEFAULT"].spec
    image = photograph(*size)
    theirs = create_transform(**resolve_model_data_config(timm.create_model(name)), is_training=False)(image)
    ours = zoo.ImageClassifier(spec, "lenet5").preprocess(tensor(image))[0]
    assert ours.shape == theirs.shape
    level = 1 / 255 / min(spec.std)
    assert (ours - theirs).abs().max() <= 1.01 * level  # Pillow rounds after each of its steps
    assert (ours - theirs).abs().mean() <= 0.25 * level


@pytest.mark.parametrize("way", ["hub", "pinned"])
def test_with_published_weights_zoo_computes_what_timm_computes(request, cache, way):
    path, theirs = request.getfixturevalue(way)
    name = {"hub": HUBBED, "pinned": PINNED}[way]
    ours = load_pretrained(f"timm/{name}")
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    file_name = {"hub": f"{HUBBED}.{HUBBED_TAG}-{digits}.safetensors", "pinned": path.name}[way]
    assert [file.name for file in cache.iterdir()] == [file_name]
    image = photograph(ours.spec.height, ours.spec.width)
    transform = create_transform(**{**resolve_model_data_config(theirs), "crop_pct": 1.0}, is_training=False)
    with torch.inference_mode():
        expected = theirs(transform(image)[None])
        torch.testing.assert_close(ours(tensor(image)), expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 1e-3
    path.unlink()  # from now on without a network
    assert_same_state(load_pretrained(f"timm/{name}").network, ours.network)


def assert_same_state(network, other):
    states = network.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_predict_in_a_process_with_a_hub_of_ones_own(hub, server, tmp_path):
    _, theirs = hub
    image = photograph(160, 160)
    image.save(tmp_path / "cat.png")
    words = ["predict", "--model", f"timm/{HUBBED}", "--model.weights", "DEFAULT", "cat.png", "--output", "guesses.csv"]
    environment = {**os.environ, "HF_ENDPOINT": server[1]}
    options = {"capture_output": True, "text": True, "cwd": tmp_path, "env": environment}
    done = subprocess.run([sys.executable, "-m", "zoo", *words], check=False, **options)
    assert done.returncode == 0, done.stderr
    assert f"downloading {server[1]}/{HUBBED_PATH} to " in done.stderr
    _, (_, label, probability, *_) = csv.reader((tmp_path / "guesses.csv").read_text().splitlines())
    transform = create_transform(**{**resolve_model_data_config(theirs), "crop_pct": 1.0}, is_training=False)
    with torch.inference_mode():
        best = theirs(transform(image)[None]).softmax(1).max(1)
    assert label == offers(HUBBED)["DEFAULT"].spec.classes[int(best.indices)]
    assert float(probability) == pytest.approx(float(best.values), rel=1e-3)


def test_fit_starts_from_published_weights(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = {"architecture": f"timm/{HUBBED}", "weights": "DEFAULT"}
    data = {"dataset": "digits", "image_size": 32}
    run = zoo.fit(model=model, data=data, trainer={"max_epochs": 1, "limit_train_batches": 2})
    assert "weights DEFAULT: layer fc of 1000 classes replaced by a fresh one of 10" in capsys.readouterr().err
    spec = run.load().spec
    assert (spec.resize, spec.mean) == (offers(HUBBED)["DEFAULT"].spec.resize, offers(HUBBED)["DEFAULT"].spec.mean)


def test_files_in_their_authors_own_form_are_read_as_timm_reads_them(tmp_path):
    built = network("deit_tiny_patch16_224")
    path = tmp_path / offers("deit_tiny_patch16_224")["DEFAULT"].file_name
    torch.save({"model": built.state_dict()}, path)
    assert_same_state(load_pretrained("timm/deit_tiny_patch16_224", str(path)).network, built)
    torch.save({"model": {}}, path)
    with pytest.raises(UserError, match=r"does not hold the weights timm/deit_tiny_patch16_224\.fb_in1k: Error"):
        load_pretrained("timm/deit_tiny_patch16_224", str(path))


@pytest.mark.parametrize("way", ["hub", "pinned"])
def test_a_file_with_another_checksum_is_refused_and_nothing_is_left(request, cache, way):
    path, _ = request.getfixturevalue(way)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DownloadError, match="the file does not match its checksum sha256:"):
        load_pretrained(f"timm/{HUBBED if way == 'hub' else PINNED}")
    assert list(cache.iterdir()) == []


def test_a_file_the_hub_does_not_have_is_one_line(hub, cache):
    path, _ = hub
    path.unlink()
    with pytest.raises(DownloadError, match=r"^[^\n]*model\.safetensors: .*404[^\n]*$"):
        load_pretrained(f"timm/{HUBBED}")
    assert not cache.exists()


@pytest.mark.parametrize("way", ["hub", "pinned"])
def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(request, cache, monkeypatch, way):
    name = {"hub": HUBBED, "pinned": PINNED}[way]
    closed = "http://127.0.0.1:9"
    if way == "hub":
        template = f"{closed}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        address, place = f"{closed}/{HUBBED_PATH}", cache / f"{HUBBED}.{HUBBED_TAG}-XXXXXXXX.safetensors"
    else:
        path, _ = request.getfixturevalue("pinned")
        known = timm.models._registry._model_pretrained_cfgs[f"{PINNED}.{PINNED_TAG}"]
        monkeypatch.setattr(known, "url", f"{closed}/{path.name}")
        address, place = f"{closed}/{path.name}", cache / path.name
    with pytest.raises(DownloadError) as caught:
        load_pretrained(f"timm/{name}")
    assert "\n" not in str(caught.value)
    assert f"fetch {address} on a machine with a network and put it at {place}" in str(caught.value)
