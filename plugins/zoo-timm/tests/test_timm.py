"""timm's networks keep zoo's contract; their names are listed without importing timm."""

from __future__ import annotations

import subprocess
import sys

import pytest
import zoo_timm

import zoo
from zoo import UserError
from zoo.testing import check_architecture


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "zoo"


def test_every_network_of_timm_is_listed():
    import timm

    found = zoo.list_architectures("timm/*")
    assert len(found) > 1000
    assert found == sorted(f"timm/{name}" for name in timm.list_models())
    assert "timm/efficientnet_b0" in zoo.list_architectures("timm/*efficientnet*")


def test_the_second_listing_imports_no_timm(cache):
    zoo_timm.names()
    code = "import sys, zoo; print(zoo.list_architectures('timm/resnet18'), 'timm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['timm/resnet18'] False\n"


def test_a_damaged_cache_is_made_again(cache):
    expected = zoo_timm.names()
    [path] = cache.iterdir()
    path.write_text("{")
    assert zoo_timm.names() == expected
    assert [found.name for found in cache.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "mobilenetv3_small_050",
        "vit_tiny_patch16_224",
        pytest.param("efficientnet_b0", marks=pytest.mark.slow),
    ],
)
def test_networks_keep_the_contract(name):
    check_architecture(f"timm/{name}", channels=(1, 3), classes=(3,), size=(64, 64))


def test_a_network_trains_freezes_and_tests(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, data = {"architecture": "timm/resnet18", "freeze": 5}, {"dataset": "digits", "image_size": 32}
    run = zoo.fit(model=model, data=data, trainer={"max_epochs": 2, "limit_train_batches": 15})
    assert "151,232 frozen" in capsys.readouterr().err
    assert 0 <= run.test()["test/accuracy"] <= 1


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("timm/resnet81", "unknown architecture 'timm/resnet81'; did you mean"),
        ({"name": "timm/resnet18", "drop_rate": 1}, r"drop_rate is 1\.0; allowed is"),
        ("timm/vit_tiny_patch16_224", "timm/vit_tiny_patch16_224 cannot work on 8x8 images"),
    ],
)
def test_what_cannot_be_built_is_an_error(tmp_path, monkeypatch, architecture, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        zoo.fit(model={"architecture": architecture})
