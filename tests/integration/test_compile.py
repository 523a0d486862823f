"""--model.compile: the same training, by compiled kernels."""

from __future__ import annotations

import os
import shutil

import pytest
import torch

#: Each kernel takes the C++ compiler seconds.
SMALL = ("--model", "cnn", "--model.architecture.layout", "2C3-8N", "--trainer.limit_val_batches", 1)


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_trains_to_nearly_the_same_weights(zoo_process, tmp_path):
    weights = {}
    for compiled in ("true", "false"):
        words = [*SMALL, "--model.compile", compiled, "--trainer.max_steps", 3]
        out, err = (process := zoo_process("fit", *words)).communicate()
        assert process.returncode == 0, err
        assert ("not compiled" in err) is (compiled == "false")
        saved = torch.load(tmp_path / out.split()[-1] / "checkpoints" / "last.ckpt", weights_only=True)
        weights[compiled] = saved["state_dict"]
    assert weights["true"].keys() == weights["false"].keys()
    for name, tensor in weights["true"].items():
        torch.testing.assert_close(tensor, weights["false"][name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_whole_fit_compiles_once_for_training_and_once_for_evaluation(zoo_process):
    """The last batches have 15 of 32 images; the report predicts, and draws heat maps of single images."""
    words = [*SMALL[:-2], "--model.compile", "true", "--trainer.max_epochs", 2]
    process = zoo_process("fit", *words, env=os.environ | {"TORCH_LOGS": "recompiles"})
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert "report: " in err
    assert err.count("Recompiling function") == 1


@pytest.mark.slow
def test_a_machine_without_a_compiler_says_so(zoo_process, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    process = zoo_process("fit", *SMALL, "--model.compile", "true", "--trainer.max_steps", 1)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith("error: the network cannot be compiled: ")
    assert "leave --model.compile out" in err
