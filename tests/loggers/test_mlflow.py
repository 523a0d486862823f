"""MLflow's own server, on loopback, and its database in the run folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from .conftest import SHORT

tracking = pytest.importorskip("mlflow.tracking")

pytestmark = pytest.mark.slow

#: Seconds in which the server must start: it makes its database first.
START_SECONDS = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of MLflow's server, whose data lies in a folder of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", 1]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", folder / "files"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=log, stderr=log)
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urlopen(f"{address}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            process.kill()
            pytest.fail(f"the server did not start: {(folder / 'log').read_text()[-2000:]}")
        yield address
        process.terminate()
        process.wait(timeout=30)


def only_run(uri, experiment):
    client = tracking.MlflowClient(uri)
    [run] = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, run


def test_a_server_gets_rows_configuration_figures_and_files_in_one_run(logged_run, server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    folder = logged_run("mlflow")
    client, run = only_run(server, "runs")
    assert (run.info.run_name, run.info.status) == ("logged", "FINISHED")
    assert json.loads((folder / "trackers.json").read_text()) == {"mlflow": run.info.run_id}
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/accuracy")] == [3, 6]
    accuracies = [metric.value for metric in client.get_metric_history(run.info.run_id, "val/accuracy")]
    assert run.data.metrics["best/accuracy"] == pytest.approx(max(accuracies))
    assert run.data.params["model.architecture.name"] == "lenet5"
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"config.yaml", "confusion_matrix.csv", "confusion_matrix.png", "report.html"}
    report = client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))
    assert Path(report).read_bytes() == (folder / "report.html").read_bytes()
    assert not (folder / "mlflow.db").exists()


def test_without_a_server_each_run_of_a_process_has_its_own_database(zoo, logged_run, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    first = logged_run("mlflow")
    assert zoo("fit", "--run", "other", "--logger", "mlflow", *SHORT)[0] == 0
    assert "MLFLOW_TRACKING_URI" not in os.environ
    for folder, name, steps in ((first, "logged", [3, 6]), (tmp_path / "runs" / "other", "other", [3])):
        client, run = only_run(f"sqlite:///{folder / 'mlflow.db'}", "runs")
        assert run.info.run_name == name
        assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val/accuracy")] == steps
        assert (folder / "mlflow" / run.info.run_id / "artifacts" / "report.html").is_file()


def test_a_server_that_does_not_answer_is_named_and_leaves_no_run(zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    status, _, err = zoo("fit", "--logger", "mlflow", "--run", "new", *SHORT)
    assert status == 2
    assert "error: logger mlflow: MLflow's server http://127.0.0.1:9 does not answer" in err
    assert not (tmp_path / "runs" / "new").exists()
