"""Completion, as the shells ask for it: names, runs, files, options; torch stays out where it can."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.cli.parser import COMMANDS
from zoo.config.resume import RESUME_OPTIONS

#: Sources the registration and calls it as bash does when TAB is pressed; prints a candidate a line.
BASH = """
eval "$(register-python-argcomplete zoo)"
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:' COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
_python_argcomplete zoo
printf '%s\\n' "${COMPREPLY[@]}"
"""

#: The seconds that a shell, and LightningCLI's parser in it, may take on a busy machine.
PATIENCE = 120


@pytest.fixture(scope="module")
def options_cache(tmp_path_factory):
    """A user's cache that outlives a test, because filling it takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(tmp_path, monkeypatch, options_cache):
    """An empty folder to be in, the cache, and the commands of this installation on the path."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(options_cache))
    return place


@pytest.fixture
def complete(environment):
    """Return bash's candidates for a line that TAB is pressed at the end of."""

    def ask(line):
        command = ["bash", "--norc", "-c", BASH, "bash", line]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        return [candidate for candidate in done.stdout.splitlines() if candidate]

    return ask


@pytest.fixture
def no_torch(install):
    """Make every import of torch or lightning end the process."""
    for module in ("torch", "lightning"):
        install(f"no-{module}", "", f"raise SystemExit('{module} was imported')\n", module)


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("zoo pre", ["predict "]),
        ("zoo check mn", ["mnist "]),
        ("zoo fit --model le", ["lenet5 "]),
        ("zoo --debug fit --data digits --model le", ["lenet5 "]),
        ("zoo fit --model=le", ["lenet5 "]),
        ("zoo fit --model.architecture le", ["lenet5 "]),
        ("zoo fit --data.dataset=fash", ["fashion_mnist "]),
        ("zoo fit --model vgg16_bn --data cifar100", ["cifar100 "]),
        ("zoo fit --model torchv", ["torchvision/"]),
        ("zoo fit --model torchvision/resnet15", ["torchvision/resnet152 "]),
        ("zoo fit --model=torchvision/resnet15", ["torchvision/resnet152 "]),
        ("zoo fit --model zoo-classifiers:le", ["lenet5 "]),  # bash has what stands before the colon
        ("zoo fit --model zoo-classifiers:torchvision/resnet15", ["torchvision/resnet152 "]),
        ("zoo predict --model le", ["lenet5 "]),
        ("zoo info fash", ["fashion_mnist "]),
        ("zoo info lenet5 --data di", ["digits "]),
        ("zoo list arc", ["architectures "]),
        ("zoo list datasets fo", ["folder "]),
        ("zoo list architectures fo", []),
        ("zoo new my-plugin --kind da", ["dataset "]),
        ("zoo fit --model nothing_like_it", []),
    ],
)
def test_names_are_completed_without_torch(complete, no_torch, line, candidates):
    assert complete(line) == candidates


def test_commands_are_completed_those_of_plugins_included(complete, install):
    install("plugin-greet", "[zoo.commands]\ngreet = plugin_greet:greet\n", "raise SystemExit(7)\n", "plugin_greet")
    assert {word.strip() for word in complete("zoo ")} >= {*COMMANDS, "greet"}
    assert complete("zoo gre") == ["greet "]
    assert complete("zoo info gre") == ["greet "]


def test_a_command_of_a_plugin_is_completed_by_its_own_parser(complete, install):
    source = """
import argparse
print("loud")
def parser():
    parser = argparse.ArgumentParser(prog="zoo greet")
    parser.add_argument("--loudly", action="store_true")
    parser.add_argument("--language", choices=["english", "french"])
    return parser
def greet(argv): ...
"""
    install("plugin-greet", "[zoo.commands]\ngreet = plugin_greet:greet\n", source, "plugin_greet")
    assert complete("zoo greet --loud") == ["--loudly "]
    assert complete("zoo greet --language f") == ["french "]


def test_a_run_is_completed_folder_by_folder(complete, no_torch, environment):
    for name in ("version_0", "version_10"):
        (environment / "runs" / "digits-lenet5" / name).mkdir(parents=True)
        (environment / "runs" / "digits-lenet5" / name / "config.yaml").touch()
    assert complete("zoo runs --sort da") == ["data", "date"]
    for command in ("fit", "validate", "test", "runs", "report"):
        assert complete(f"zoo {command} r") == (["rm", "runs/"] if command == "runs" else ["runs/"])
        assert complete(f"zoo {command} runs/d") == ["runs/digits-lenet5/"]
        assert complete(f"zoo {command} runs/digits-lenet5/version_1") == ["runs/digits-lenet5/version_10 "]
    assert complete("zoo runs rm runs/digits-lenet5/version_1") == ["runs/digits-lenet5/version_10 "]
    assert complete("zoo test runs/digits-lenet5/") == [f"runs/digits-lenet5/version_{n}" for n in (0, 10)]
    assert complete("zoo predict runs/digits-lenet5/version_1") == ["runs/digits-lenet5/version_10/"]


def test_files_are_completed_whatever_their_names(complete, no_torch, environment, monkeypatch):
    monkeypatch.setenv("HOME", str(environment))
    (environment / "my photos").mkdir()
    for name in ("ein Bild: ü.png", ".hidden.png", os.fsdecode(b"\xff.png"), "new\nline.png"):
        (environment / "my photos" / name).touch()
    assert complete("zoo predict runs/x m") == ["my\\ photos/"]
    assert complete("zoo predict runs/x my\\ photos/") == ["my\\ photos/ein\\ Bild:\\ ü.png "]
    assert complete("zoo fit --config ~/my\\ photos/ein") == ["~/my\\ photos/ein\\ Bild:\\ ü.png "]
    assert complete("zoo fit --config my\\ photos/.h") == ["my\\ photos/.hidden.png "]


def test_a_name_of_two_distributions_is_offered_with_each(complete, install):
    for plugin in ("plugin-d", "plugin-e"):
        install(plugin, f"[zoo.architectures]\nsame = {plugin.replace('-', '_')}:same\n")
    assert complete("zoo fit --model sa") == ["same "]
    assert complete("zoo fit --model plugin-") == ["plugin-d:same", "plugin-e:same"]
    assert complete("zoo fit --model plugin-d:") == ["same "]


def test_a_plugin_that_hangs_raises_or_prints_breaks_no_completion(complete, install):
    sources = {
        "hangs": "import time\ndef names(): time.sleep(1000)\nbuilder = print\n",
        "raises": "raise SystemExit(7)\n",
        "prints": "print('loud')\ndef names(): print('louder'); return ['small']\nbuilder = print\n",
    }
    for name, source in sources.items():
        install(f"plugin-{name}", f"[zoo.architecture_families]\n{name} = plugin_{name}\n", source, f"plugin_{name}")
    start = time.monotonic()
    assert complete("zoo fit --model le") == ["lenet5 "]
    assert {"hangs/", "raises/", "prints/", "lenet5"} <= set(complete("zoo fit --model "))
    assert time.monotonic() - start < 10  # as long as a family is waited for
    assert complete("zoo fit --model raises/") == []
    assert complete("zoo fit --model prints/") == ["prints/small "]


def test_options_of_fit_are_asked_once_and_read_without_torch(complete, options_cache, install):
    assert complete("zoo fit --trainer.max_ep") == ["--trainer.max_epochs "]
    [path] = (options_cache / "zoo").iterdir()
    for module in ("torch", "lightning"):
        install(f"no-{module}", "", f"raise SystemExit('{module} was imported')\n", module)
    assert complete("zoo fit --data digits --trainer.max_ep") == ["--trainer.max_epochs "]
    assert complete("zoo fit --trainer.max_epochs 3 --data.skip_bad ") == ["true", "false"]
    assert complete("zoo fit --print_config --model le") == ["lenet5 "]
    assert list((options_cache / "zoo").iterdir()) == [path]


def test_options_are_those_of_the_names_on_the_line(complete, environment):
    own = ["--model.architecture.dropout", "--model.architecture.variant"]
    assert sorted(complete("zoo fit --model.architecture.")) == own
    assert sorted(complete("zoo fit --model=lenet5 --model.architecture.")) == own
    assert complete("zoo fit --model vgg16 --data folder --model.architecture.") == [own[0] + " "]
    assert complete("zoo fit --data folder --data.dataset.ch") == ["--data.dataset.channels "]
    (environment / "a.yaml").write_text("model: {architecture: vgg16}\n")
    assert complete("zoo fit --config a.yaml --model.architecture.") == [own[0] + " "]
    assert complete("zoo fit --model lenet5 --model.architecture.variant ") == ["keras", "1998"]


def test_a_line_that_cannot_run_yet_is_completed_all_the_same(complete):
    for line in ("--model lenet6", "--config gone.yaml", "--model lenet5 --model.architecture.typo 3"):
        assert complete(f"zoo fit {line} --trainer.max_ep") == ["--trainer.max_epochs "]


def test_options_of_a_run_are_those_that_it_can_follow(complete):
    for command in ("fit", "test"):
        found = [word.strip() for word in complete(f"zoo {command} runs/digits-lenet5/version_0 --")]
        assert {"--trainer.max_epochs", "--data.root"} <= set(found)
        assert ("--quiet" in found) == (command == "fit")
        own = ("--on", "--tta") if command == "test" else ()
        assert all(option.startswith((*RESUME_OPTIONS, *own)) for option in found)


def test_an_option_that_a_plugins_author_adds_is_seen(complete, install, tmp_path):
    source = "def tiny(spec, width: int = 4): ...\n"
    install("plugin-tiny", "[zoo.architectures]\ntiny = plugin_tiny:tiny\n", source, "plugin_tiny")
    assert complete("zoo fit --model tiny --model.architecture.") == ["--model.architecture.width "]
    path = tmp_path / "site" / "plugin_tiny.py"
    path.write_text(source.replace("width", "bredth"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    assert complete("zoo fit --model tiny --model.architecture.") == ["--model.architecture.bredth "]


def test_a_plugin_that_cannot_be_imported_leaves_the_other_options(complete, install, tmp_path, monkeypatch):
    install("plugin-c", "[zoo.architectures]\nboom = plugin_c:boom\n", "raise SystemExit(7)\n", "plugin_c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert complete("zoo fit --model boom --trainer.max_ep") == ["--trainer.max_epochs "]
    assert complete("zoo fit --model boom --model.architecture.") == []


@pytest.mark.parametrize("damage", ["{", "folder"])
def test_a_cache_that_is_damaged_or_cannot_be_written_costs_time_only(complete, tmp_path, monkeypatch, damage):
    complete("zoo fit --trainer.max_ep")
    [path] = Path(os.environ["XDG_CACHE_HOME"], "zoo").glob("options-*")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache = tmp_path / "cache" / "zoo" / path.name
    if damage == "folder":
        cache.mkdir(parents=True)
    else:
        cache.parent.mkdir(parents=True)
        cache.write_text(damage)
    assert complete("zoo fit --trainer.max_ep") == ["--trainer.max_epochs "]
    assert [found.name for found in cache.parent.iterdir()] == [path.name]
    assert cache.is_dir() or json.loads(cache.read_text())["fit"] == json.loads(path.read_text())["fit"]


def test_nothing_of_completion_is_imported_where_no_shell_asks():
    code = "import sys; from zoo.cli import main; main(['list']); print('argcomplete' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_fish_completes(environment, no_torch):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "register-python-argcomplete --shell fish zoo | source; complete -C $argv[1]"
    for line, candidate in (
        ("zoo fit --model le", "lenet5"),
        ("zoo fit --model torchvision/resnet15", "torchvision/resnet152"),
        ("zoo fit --model zoo-classifiers:le", "zoo-classifiers:lenet5"),
    ):
        command = ["fish", "--no-config", "-c", script, line]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        assert done.stdout.split() == [candidate]


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("zoo fit --model le", "net5 "),
        ("zoo fit --model torchv", "ision/"),
        ("zoo fit --model torchvision/resnet15", "2 "),
        ("zoo fit --model zoo-classifiers:le", "net5 "),
    ],
)
def test_zsh_completes(environment, no_torch, monkeypatch, line, rest):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("HOME", str(environment))
    terminal, end = pty.openpty()
    with subprocess.Popen(["zsh", "-f", "-i"], stdin=end, stdout=end, stderr=end, start_new_session=True) as shell:
        os.close(end)

        def read_until(text):
            shown, stop = "", time.monotonic() + PATIENCE
            while text not in shown:
                assert select.select([terminal], [], [], max(0, stop - time.monotonic()))[0], shown
                shown += os.read(terminal, 4096).decode()

        setup = 'autoload -U compinit; compinit -u; eval "$(register-python-argcomplete zoo)"; PS1="rea""dy> "\r'
        os.write(terminal, setup.encode())
        read_until("ready> ")
        os.write(terminal, line.encode() + b"\t")
        read_until(line + rest)
        shell.kill()
    os.close(terminal)


def test_an_optimizer_is_completed_by_name_and_by_its_own_options(complete):
    assert {"RMSprop", "RAdam", "Rprop"} <= set(complete("zoo fit --optimizer R"))
    assert complete("zoo fit --optimizer RMSprop --optimizer.al") == ["--optimizer.alpha "]
    assert complete("zoo fit --model.loss focal --model.loss.ga") == ["--model.loss.gamma "]
    assert complete("zoo fit --model.metrics kap") == ["kappa "]
