"""Answers are those of the runtime, one at a time and many at once."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from zoo_serve.service import likeliest

TOLERANCE = 1e-6


def same(answer, expected):
    """Whether an answer is what ``Classifier.predict`` returned, but for the rounding of another batch."""
    got = [(one["class"], one["probability"]) for one in answer["predictions"]]
    return [name for name, _ in got] == [name for name, _ in expected] and all(
        abs(one - other) <= TOLERANCE for (_, one), (_, other) in zip(got, expected, strict=True)
    )


def test_a_file_as_the_body_and_in_a_form_gets_the_runtimes_answer(server, classifier, images):
    for path in images[:3]:
        content = path.read_bytes()
        for status, answer in (server.predict(content), server.upload("image", content)):
            assert status == 200
            assert same(answer, classifier.predict(path))
            assert 0 < answer["milliseconds"] < 20_000


def test_concurrent_requests_of_several_sizes_run_in_batches_and_get_their_own_answers(server, classifier, images):
    expected = {path: classifier.predict(path) for path in images}
    batches, before = server.metric("zoo_serve_batch_size_count"), server.metric("zoo_serve_batch_size_sum")
    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(lambda path: (path, server.predict(path.read_bytes())), images * 10))
    assert all(status == 200 and same(answer, expected[path]) for path, (status, answer) in answers)
    assert server.metric("zoo_serve_batch_size_sum") - before == 300
    assert server.metric("zoo_serve_batch_size_count") - batches < 300


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (99, 5), (10**30, 5)])
def test_top_k_classes_are_returned_at_most_all(server, images, top_k, count):
    status, answer = server.predict(images[0].read_bytes(), top_k)
    assert status == 200
    assert len(answer["predictions"]) == count


def test_the_model_says_what_it_is(server):
    status, _, body = server.ask("/model")
    found = json.loads(body)
    assert status == 200
    assert (found["file"], found["architecture"], found["dataset"]) == ("colours.onnx", "mean_colour", "colours")
    assert found["classes"] == ["red", "green", "blue", "white", "black"]
    assert (found["test_accuracy"], found["precision"], found["max_bytes"]) == (0.875, "float32", 2_000_000)
    assert found["input"] == {"channels": 3, "height": 8, "width": 8}


def test_metrics_count_requests_by_status_and_times(server, images):
    name, seconds = 'zoo_serve_requests_total{status="%s"}', "zoo_serve_request_seconds_count"
    before = [server.metric(name % 200), server.metric(name % 422), server.metric(seconds)]
    server.predict(images[0].read_bytes())
    server.predict(b"no image")
    assert [server.metric(name % 200), server.metric(name % 422), server.metric(seconds)] == [
        before[0] + 1,
        before[1] + 1,
        before[2] + 2,
    ]
    assert server.metric("zoo_serve_queue_length") == 0


def test_the_description_and_its_page_need_no_other_server(server):
    description = json.loads(server.ask("/openapi.json")[2])
    predict = description["paths"]["/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {"multipart/form-data", "image/*", "application/octet-stream"}
    assert {"200", "400", "408", "413", "415", "422", "503", "504"} == set(predict["responses"])
    status, _, body = server.ask("/docs")
    assert status == 200
    assert b"https://" not in body
    script = body.partition(b'<script src="')[2].partition(b'"')[0].decode()
    assert server.ask(script)[0] == 200


def test_the_load_tool_finds_nothing_lost_and_nothing_different(server, images, capfd):
    tool = Path(__file__).parents[1] / "load.py"
    words = [sys.executable, str(tool), server.url, str(images[0].parent), "--requests", "300", "--clients", "8"]
    assert subprocess.run(words).returncode == 0
    assert "outcomes      right: 300\n" in capfd.readouterr().out


def test_health_is_ok(server):
    assert server.ask("/health")[::2] == (200, b'{"status":"ok"}')


def test_classes_below_their_threshold_are_left_out():
    row, thresholds = np.array([0.1, 0.6, 0.3], np.float32), np.array([0, 0.7, 0.3], np.float32)
    assert [answer["class"] for answer in likeliest(row, ("a", "b", "c"), 5, thresholds)] == ["c", "a"]
    assert [answer["class"] for answer in likeliest(row, ("a", "b", "c"), 2)] == ["b", "c"]
