"""Another process that answers questions about plugins."""

from __future__ import annotations

import pytest

from zoo.core import registry
from zoo.core.child import Child, NoAnswerError
from zoo.core.errors import UserError

FAMILY = "def names(): return ['one']\ndef builder(name): ...\n"

#: How imports of families end, and what is said of them.
ENDS = {
    "exits": ("import os; os._exit(9)", "ends the process (exit status 9)"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "ends the process (signal 11, SIGSEGV)"),
    "interrupts": ("raise KeyboardInterrupt", "cannot be imported: KeyboardInterrupt"),
    "closes": ("import os, sys; sys.stdout.close(); os.closerange(0, 3)", ""),
}


def test_a_family_that_ends_its_process_is_named_and_the_others_are_listed(zoo, install):
    for name, (source, _) in ENDS.items():
        code = f"{source}\n{FAMILY}"
        install(f"fam-{name}", f"[zoo.architecture_families]\nfam_{name} = fam_{name}\n", code, f"fam_{name}")
    status, out, err = zoo("list", "architectures", "fam_*")
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["fam_closes/one"]
    for name, (_, end) in ENDS.items():
        assert (f"architecture family 'fam_{name}' of fam-{name} 1.0 {end}" in err) is bool(end)


def test_a_familys_names_are_asked_for_once(install, monkeypatch):
    install("fam-once", "[zoo.architecture_families]\nonce = fam_once\n", FAMILY, "fam_once")
    [entry] = [entry for entry in registry.entries("architecture", family=True) if entry.name == "once"]
    assert entry.members() == ["once/one"]
    monkeypatch.setattr(Child, "ask", lambda *_: pytest.fail("asked again"))
    assert entry.members() == ["once/one"]


def test_a_child_that_hangs_is_ended_and_another_one_answers():
    child = Child("time:sleep")
    with pytest.raises(NoAnswerError, match=r"hangs: no answer in 0\.5 s"):
        child.ask(60, 0.5)
    assert child.ask(0, 60) is None
    child.stop()


def test_names_that_are_no_texts_break_the_contract(install):
    source = "def names(): return [1]\ndef builder(name): ...\n"
    install("fam-odd", "[zoo.architecture_families]\nfam = fam_odd\n", source, "fam_odd")
    [entry] = [entry for entry in registry.entries("architecture", family=True) if entry.name == "fam"]
    with pytest.raises(UserError, match=r"breaks the contract: names\(\) gives texts, received 1"):
        entry.names_here()
