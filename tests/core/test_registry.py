"""The registry, with real distributions on the path."""

from __future__ import annotations

import shutil
import sys

import pytest
from PIL import Image

import zoo as library
from zoo.cli import main
from zoo.core import entry_points, registry
from zoo.core.errors import UserError


def test_an_installed_distribution_adds_a_name(install, grey_spec):
    source = "from torch import nn\ndef tiny(spec, width: int = 4):\n    return nn.Flatten()\n"
    install("plugin-a", "[zoo.architectures]\ntiny = plugin_a:tiny\n", source, "plugin_a")
    assert "tiny" in library.list_architectures()
    assert type(library.create_architecture("tiny", grey_spec, width=8)).__name__ == "Flatten"


def test_listing_imports_nothing_of_a_plugin(install):
    install("plugin-b", "[zoo.architectures]\nboom = plugin_b:boom\n", "raise SystemExit(7)\n", "plugin_b")
    assert "boom" in library.list_architectures()
    assert "plugin_b" not in sys.modules


def test_a_plugin_that_exits_at_import_is_a_named_error(install, grey_spec):
    install("plugin-c", "[zoo.architectures]\nboom = plugin_c:boom\n", "raise SystemExit(7)\n", "plugin_c")
    with pytest.raises(UserError, match=r"'boom' of plugin-c 1\.0 cannot be imported: SystemExit: 7"):
        library.create_architecture("boom", grey_spec)
    assert library.create_architecture("lenet5", grey_spec) is not None


def test_a_name_of_two_distributions_is_an_error_that_names_both(install, grey_spec):
    source = "def same(spec):\n    return __name__\n"
    install("plugin-d", "[zoo.architectures]\nsame = plugin_d:same\n", source, "plugin_d")
    install("plugin-e", "[zoo.architectures]\nsame = plugin_e:same\n", source, "plugin_e")
    with pytest.raises(UserError, match="plugin-d:same, plugin-e:same"):
        registry.find("architecture", "same")
    assert registry.call("architecture", "plugin-e:same", (grey_spec,), {}) == "plugin_e"


def test_a_built_in_name_cannot_be_taken_over(install):
    install("plugin-f", "[zoo.architectures]\nlenet5 = plugin_f:lenet5\n", "lenet5 = None\n", "plugin_f")
    assert registry.find("architecture", "lenet5").distribution == registry.OWN_DISTRIBUTION


def test_what_a_plugin_prints_at_import_is_dropped(install, capsys):
    install("plugin-g", "[zoo.datasets]\nloud = plugin_g:loud\n", "print('hello')\nloud = print\n", "plugin_g")
    registry.load("dataset", "loud")
    assert capsys.readouterr().out == ""


def test_a_value_that_cannot_be_called_is_an_error(install):
    install("plugin-h", "[zoo.datasets]\nsix = plugin_h:six\n", "six = 6\n", "plugin_h")
    with pytest.raises(UserError, match="a builder is callable"):
        registry.load("dataset", "six")


def test_the_path_of_a_folder_as_a_data_set_is_understood(tmp_path):
    with pytest.raises(UserError, match=f"did you mean --data folder --data.root {tmp_path}"):
        registry.load("dataset", str(tmp_path))


def test_a_name_of_a_plugin_that_is_not_installed_names_the_plugin(monkeypatch):
    monkeypatch.setattr(registry, "list_names", lambda kind: [])
    with pytest.raises(UserError, match=r"unknown command 'serve'; the plugin zoo-serve brings it: pip install"):
        raise registry._unknown("command", "serve", "")


FAMILY = """
def names(): return ["small", "large"]
def builder(name): return lambda spec, width: (name, width)
"""


def test_a_family_adds_its_names(install, grey_spec):
    install("plugin-i", "[zoo.architecture_families]\nfam = plugin_i\n", FAMILY, "plugin_i")
    assert {"fam/small", "fam/large"} <= set(library.list_architectures())
    assert registry.call("architecture", "fam/small", (grey_spec,), {"width": 3}) == ("small", 3)
    with pytest.raises(UserError, match="unknown architecture 'fam/smal'; did you mean 'fam/small'"):
        registry.load("architecture", "fam/smal")


def test_a_family_may_have_more_names_than_it_lists(install, grey_spec):
    source = FAMILY + "def accepts(name): return name.startswith('any')\n"
    install("plugin-m", "[zoo.architecture_families]\nhub = plugin_m\n", source, "plugin_m")
    assert "hub/anything" not in library.list_architectures()
    assert registry.call("architecture", "hub/any/thing", (grey_spec,), {"width": 3}) == ("any/thing", 3)
    with pytest.raises(UserError, match="unknown architecture 'hub/other'"):
        registry.load("architecture", "hub/other")


@pytest.mark.parametrize("source", ["raise SystemExit(3)", "x = 1", "def names(): return 1 / 0\nbuilder = None"])
def test_a_family_that_fails_leaves_the_other_names(install, source):
    install("plugin-j", "[zoo.architecture_families]\nfam = plugin_j\n", source, "plugin_j")
    sys.modules.pop("plugin_j", None)
    assert "lenet5" in library.list_architectures()
    with pytest.raises(UserError, match="architecture family 'fam' of plugin-j"):
        registry.load("architecture", "fam/x")


def test_a_family_that_hangs_leaves_the_other_names(install, monkeypatch, capsys):
    monkeypatch.setattr(entry_points, "ANSWER_SECONDS", 2)
    source = "print('hello')\nimport time\ntime.sleep(30)\n"
    install("plugin-k", "[zoo.architecture_families]\nfam = plugin_k\n", source, "plugin_k")
    assert main(["list", "architectures"]) == 0
    out, err = capsys.readouterr()
    assert " lenet5 " in out
    assert "hello" not in out
    line = "warning: architecture family 'fam' of plugin-k 1.0 hangs: no answer in 2 s; reinstall or remove plugin-k\n"
    assert line in err


@pytest.mark.parametrize(("name", "near"), [("lenet", "lenet5"), ("Lenet5", "lenet5")])
def test_an_unknown_name_suggests_the_nearest(name, near):
    with pytest.raises(UserError, match=f"unknown architecture '{name}'; did you mean '{near}'"):
        registry.find("architecture", name)


def test_an_unknown_option_of_a_builder_names_those_it_has(grey_spec):
    with pytest.raises(UserError, match=r"its options are variant, dropout; did you mean 'dropout'"):
        library.create_architecture("lenet5", grey_spec, dropuot=0.5)


def test_the_options_of_a_builder_are_its_own_parameters():
    options = registry.options("architecture", registry.load("architecture", "lenet5"))
    assert [(option.name, option.default) for option in options] == [("variant", "keras"), ("dropout", 0.0)]


def test_patterns_select_names():
    assert library.list_datasets("*mnist*") == ["fashion_mnist", "mnist"]


TINY = """
from torch import nn

def tiny(spec, width: int = 4):
    pixels = spec.channels * spec.height * spec.width
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.Linear(width, len(spec.classes)))
"""


def test_a_run_says_what_to_install_where_its_plugin_is_gone(zoo, install, tmp_path):
    install("plugin-l", "[zoo.architectures]\ntiny = plugin_l:tiny\n", TINY, "plugin_l")
    status, out, err = zoo("fit", "--model", "tiny", "--trainer.max_epochs", 1)
    assert status == 0, err
    run = out.splitlines()[-1]
    assert zoo("test", run)[0] == 0
    shutil.rmtree(tmp_path / "site" / "plugin_l-1.0.dist-info")
    registry.refresh()
    for words in (["test", run], ["fit", run], ["predict", run, "x.png"], ["fit", "--config", f"{run}/config.yaml"]):
        Image.new("L", (8, 8)).save(tmp_path / "x.png")
        status, _, err = zoo(*words)
        assert (status, err.count("\n")) == (2, 1)
        assert "architecture 'tiny' is of plugin-l==1.0, which is not installed: pip install 'plugin-l==1.0'" in err
