"""What files may name: allowed packages, and what the user grants."""

from __future__ import annotations

import pytest

import zoo
from zoo.core.errors import UserError
from zoo.core.trust import grant, may_write, require_file, require_import, restricted, used


@pytest.mark.parametrize("path", ["torch.optim.SGD", "lightning.pytorch.callbacks.Timer", "zoo.losses.distance.mse"])
def test_any_file_may_name_torch_lightning_and_zoo(path):
    with restricted():
        require_import(path)
        assert used() == set()


@pytest.mark.parametrize("path", ["os.system", "mine.Lion", "torchx.Lion", "zoo.__main__.main", "zoo_file_no.Lion"])
def test_other_packages_are_refused_with_the_option_that_allows_them(path):
    with restricted(), pytest.raises(UserError, match=rf"{path} is not imported: .* add --trust {path.split('.')[0]}"):
        require_import(path)


def test_the_packages_of_installed_plugins_are_allowed(install):
    install("plug-in", "[zoo.losses]\nown = plugged_in:loss\n")
    with restricted():
        require_import("plugged_in.other.Thing")


def test_what_is_granted_is_used_and_ends_with_its_block():
    with restricted(["mine"]):
        grant("theirs.Lion")
        require_import("mine.parts.Lion")
        require_import("theirs.Lion")
        assert used() == {"mine", "theirs.Lion"}
        with pytest.raises(UserError):
            require_import("theirs.Other")
        with restricted():
            require_import("theirs.Lion")
    with restricted(), pytest.raises(UserError):
        require_import("mine.parts.Lion")


def test_python_code_trusts_for_all_that_it_calls():
    with zoo.trust("mine"), restricted():
        require_import("mine.Lion")


def test_python_code_itself_may_import_anything():
    require_import("mine.Lion")
    assert may_write("/")


def test_a_file_is_executed_by_its_name_or_its_content(tmp_path):
    path, record = tmp_path / "net.py", "net.py sha256=" + "0" * 64
    for name in ("elsewhere/net.py", record):
        with restricted([name]):
            require_file(path, record)
            assert used() == {record}
    with restricted(["other.py", "net.py sha256=" + "1" * 64]), pytest.raises(UserError, match=r"--trust net\.py"):
        require_file(path, record)


def test_a_granted_folder_holds_what_lies_in_it_without_links(tmp_path):
    (tmp_path / "link").symlink_to("/")
    with restricted([f"{tmp_path}/", "http://127.0.0.1:5000"]):
        assert may_write(str(tmp_path / "new" / "deep"))
        assert may_write("http://127.0.0.1:5000")
        assert not may_write(str(tmp_path / "link" / "etc"))
        assert not may_write(str(tmp_path / ".." / "etc"))
        assert not may_write("http://127.0.0.1:5001")
