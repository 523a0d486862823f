"""Large pictures: reduced where they may be, one behind the other, and their memory is given back."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from clients import Server, until
from PIL import Image
from zoo_runtime import ImageError
from zoo_serve.images import Budget, LeftError, Plan, Reader, Seen


def jpeg(width, height, colour=(255, 0, 0), **options):
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "JPEG", **options)
    return file.getvalue()


def read(reader, content):
    """Return what a reader makes of a file, and its plan where it is large."""
    left, deadline = threading.Event(), time.monotonic() + 60
    first = reader.read(content, deadline, left)
    if isinstance(first, Plan):
        return reader.read(content, deadline, left, first), first
    return first, None


def test_a_picture_up_to_the_limit_is_read_as_the_runtime_reads_it(classifier):
    content = jpeg(3000, 2000)
    seen, plan = read(Reader(classifier, 6_000_000), content)
    assert (seen.reduced, plan) == (1, Plan(6_000_000, 1))
    assert (seen.pixels == classifier.see(io.BytesIO(content))).all()


@pytest.mark.parametrize(("limit", "reduced"), [(2_000_000, 2), (500_000, 4), (100_000, 8), (1, 8)])
def test_a_large_jpeg_file_is_decoded_at_a_part_of_its_size(classifier, limit, reduced):
    gradient = np.linspace(0, 255, 3000).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.broadcast_to(gradient[None, :, None], (2000, 3000, 3)).copy()).save(file, "JPEG")
    seen, _ = read(Reader(classifier, limit), file.getvalue())
    exact = classifier.see(io.BytesIO(file.getvalue()))
    assert seen.reduced == reduced
    assert np.abs(seen.pixels.astype(int) - exact).max() <= 4


def test_a_picture_is_not_reduced_below_twice_what_the_network_sees(classifier):
    assert read(Reader(classifier, 1), jpeg(40, 40))[0].reduced == 2  # the network sees 8x8
    assert read(Reader(classifier, 1), jpeg(16, 4000))[0].reduced == 1


def test_a_reduced_picture_is_turned_as_its_exif_says(classifier):
    image = Image.new("RGB", (400, 200), "red")
    image.paste("blue", (200, 0, 400, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    seen, _ = read(Reader(classifier, 1), file.getvalue())
    exact = classifier.see(io.BytesIO(file.getvalue()))
    assert seen.reduced > 1
    assert np.abs(seen.pixels.astype(int) - exact).max() <= 8


def test_a_progressive_file_costs_all_its_pixels(classifier):
    reader, deadline = Reader(classifier, 1_000_000), time.monotonic() + 60
    plan = reader.read(jpeg(3000, 2000, progressive=True), deadline, threading.Event())
    assert (plan.cost, plan.reduced) == (6_000_000, 4)


def test_a_png_file_is_never_reduced(classifier):
    file = io.BytesIO()
    Image.new("RGB", (3000, 2000)).save(file, "PNG")
    assert read(Reader(classifier, 1), file.getvalue())[0].reduced == 1


def test_a_cut_off_large_file_is_refused(classifier):
    content = jpeg(3000, 2000)
    with pytest.raises(ImageError):
        read(Reader(classifier, 1_000_000), content[: len(content) // 2])


def test_nothing_is_read_for_a_client_that_left(classifier):
    left = threading.Event()
    left.set()
    with pytest.raises(LeftError):
        Reader(classifier, 1).read(jpeg(8, 8), time.monotonic() + 60, left)


def test_large_pictures_wait_for_room_in_their_order():
    async def wait():
        budget, order = Budget(100), []

        async def take(name, pixels, seconds):
            await budget.acquire(pixels, time.monotonic() + seconds)
            order.append(name)

        await take("a", 60, 1)
        waiting = [asyncio.create_task(take("b", 90, 5)), asyncio.create_task(take("c", 10, 5))]
        await asyncio.sleep(0.05)
        assert order == ["a"]
        with pytest.raises(TimeoutError):
            await take("d", 10, 0.05)
        budget.release(60)
        await asyncio.gather(*waiting)
        assert order == ["a", "b", "c"]
        budget.release(90)
        budget.release(10)
        await take("e", 1000, 1)  # larger than the budget: alone
        assert budget.free == 0
        budget.release(1000)
        assert budget.free == 100

    asyncio.run(wait())


def test_large_pictures_take_no_places_of_small_ones(model):
    content = jpeg(6000, 6000)
    with Server(model, "--max_queue", "8", "--full_mp", "100") as server, ThreadPoolExecutor(7) as clients:
        large = [clients.submit(server.predict, content) for _ in range(7)]
        until(lambda: server.metric('zoo_serve_requests_total{status="503"}') > 0)
        assert server.predict(jpeg(100, 100))[0] == 200
        answers = [one.result() for one in large]
    assert {status for status, _ in answers} == {200, 503}
    assert any("2 large pictures are being read or wait" in answer.get("error", "") for _, answer in answers)


def test_an_answer_says_that_its_picture_was_reduced(model):
    with Server(model, "--full_mp", "1") as server:
        status, answer = server.predict(jpeg(2000, 1500))
        assert (status, answer["reduced"], answer["predictions"][0]["class"]) == (200, 2, "red")
        assert "reduced" not in server.predict(jpeg(900, 900))[1]


def test_memory_of_large_pictures_is_bounded_and_given_back(model):
    content, small = jpeg(6000, 6000), jpeg(100, 100)
    with Server(model, "--full_mp", "10", "--flight_mp", "10") as server, ThreadPoolExecutor(6) as clients:
        server.predict(small)
        before = memory(server, "VmRSS")
        large = [clients.submit(server.predict, content) for _ in range(6)]
        assert [one.result()[0] for one in large] == [200] * 6
        assert all(one.result()[1]["reduced"] == 2 for one in large)
        assert memory(server, "VmHWM") - before < 200e6  # one after another: 9 megapixels, and the file's own lines
        assert memory(server, "VmRSS") - before < 60e6
        assert server.metric("zoo_serve_large_pixels") == 0
        assert server.predict(small)[0] == 200


def memory(server, name):
    """Return a figure of the server's process, in bytes."""
    with open(f"/proc/{server.process.pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def test_seen_is_what_the_network_gets(classifier):
    seen, _ = read(Reader(classifier, 10**9), jpeg(30, 20))
    assert isinstance(seen, Seen)
    assert seen.pixels.shape == (8, 8, 3)
