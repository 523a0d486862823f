"""The runtime: any image in, named classes out, and one typed error for whatever is wrong."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from support import REPOSITORY

from zoo.runtime import (
    Classifier,
    ImageError,
    ModelError,
    Prediction,
    UnlikeTrainingImages,
    main,
    measure,
    verify,
)

#: Most images here are noise, which no network was trained on.
pytestmark = pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages")


@pytest.fixture(scope="module")
def classifier(digits_model):
    return Classifier(digits_model)


def pixels(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


@pytest.fixture
def changed(digits_model, tmp_path):
    """Return a copy of the model file, after a function changed its ONNX."""

    def change(function, name="changed.onnx"):
        model = onnx.load(digits_model)
        function(model)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return change


def set_metadata(**texts):
    def change(model):
        kept = {prop.key: prop.value for prop in model.metadata_props} | texts
        onnx.helper.set_model_props(model, {key: text for key, text in kept.items() if text is not None})

    return change


def test_an_image_gets_named_classes_the_likeliest_first(classifier):
    found = classifier.predict(pixels(8, 8, 1), top_k=3)
    assert [type(each) for each in found] == [Prediction] * 3
    assert found[0].probability >= found[1].probability >= found[2].probability
    assert {each.name for each in classifier.predict(pixels(8, 8, 1), top_k=99)} == set("0123456789")
    assert sum(each.probability for each in classifier.predict(pixels(8, 8, 1), top_k=10)) == pytest.approx(1, abs=1e-5)


def test_the_kinds_of_a_picture_are_one(classifier, tmp_path):
    array = pixels(11, 9)
    picture = Image.fromarray(array)
    picture.save(tmp_path / "ein Bild.png")
    expected = classifier.predict(array)
    with (tmp_path / "ein Bild.png").open("rb") as file:
        for same in (array[..., None], picture, str(tmp_path / "ein Bild.png"), tmp_path / "ein Bild.png", file):
            assert classifier.predict(same) == expected


def test_colour_alpha_palette_and_orientation_are_brought_to_what_was_trained(classifier):
    grey = Image.fromarray(pixels(11, 9))
    turned, exif = grey.rotate(90, expand=True), Image.Exif()
    exif[274] = 6  # the camera was turned: shown rotated by 270 degrees
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    for same in (grey.convert("RGB"), grey.convert("RGBA"), grey.convert("P"), io.BytesIO(file.getvalue())):
        assert classifier.predict(same) == classifier.predict(grey)


def test_a_batch_is_its_images_whatever_their_sizes(classifier):
    images = [pixels(8, 8, 1), pixels(8, 8, 1) // 2, pixels(20, 31, 1), pixels(8, 8, 1) // 3]
    for one, found in zip(images, classifier.predict_batch(images), strict=True):
        alone = classifier.predict(one)
        assert [each.name for each in found] == [each.name for each in alone]
        assert [each.probability for each in found] == pytest.approx([each.probability for each in alone], abs=1e-6)
    assert classifier.predict_batch([]) == []
    assert len(classifier.predict_batch(pixels(70, 8, 8, 1))) == 70
    assert len(classifier.predict_batch(list(pixels(70, 8, 8, 1)))) == 70


def test_threads_share_a_classifier(classifier):
    images = [pixels(8 + index % 3, 9, 1) for index in range(64)]
    expected = [classifier.predict(image) for image in images]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(classifier.predict, images)) == expected


def test_what_the_file_says_of_itself(classifier):
    assert classifier.classes == tuple("0123456789")
    assert (classifier.input_spec["height"], classifier.input_spec["channels"]) == (8, 1)
    assert classifier.metadata["architecture"]["name"] == "lenet5"
    assert classifier.metadata["dataset"] == "digits"
    assert 0 < classifier.metadata["test_accuracy"] < 1
    assert classifier.metadata["difference"]["probabilities"] < 1e-4
    assert len(classifier.metadata["config_sha256"]) == 64


@pytest.mark.parametrize(
    ("array", "received"),
    [
        (pixels(8, 8, 3), r"received uint8 \(8, 8, 3\)"),
        (pixels(1, 8, 8, 1), r"received uint8 \(1, 8, 8, 1\)"),
        (pixels(8), r"received uint8 \(8,\)"),
        (pixels(8, 8, 1).astype(np.float32), r"received float32 \(8, 8, 1\)"),
    ],
)
def test_another_array_is_an_error_that_says_what_came(classifier, array, received):
    with pytest.raises(ValueError, match=r"expected a uint8 or uint16 image \(height, width, 1\), " + received):
        classifier.predict(array)


@pytest.mark.parametrize("batch", [pixels(8, 8, 1), pixels(2, 8, 8, 3), np.zeros((0, 8, 8, 1), np.uint8)])
def test_another_batch_is_an_error_that_says_what_came(classifier, batch):
    with pytest.raises(ValueError, match=r"expected uint8 images \(batch, height, width, 1\), at least one, received"):
        classifier.predict_batch(batch)


def test_wrong_arguments_are_errors(classifier, digits_model):
    with pytest.raises(ValueError, match="top_k is 0; allowed is 1 or more"):
        classifier.predict(pixels(8, 8, 1), top_k=0)
    with pytest.raises(ValueError, match="threads is 0; allowed is 1 or more"):
        Classifier(digits_model, threads=0)
    with pytest.raises(ValueError, match=r"provider 'TPU' is not available; allowed here: .*CPUExecutionProvider"):
        Classifier(digits_model, providers=["TPU"])
    assert Classifier(digits_model, providers=["cpu"], threads=1).predict(pixels(8, 8, 1))


def test_an_image_that_cannot_be_read_is_named(classifier, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    for file in ("text.png", "gone.png"):
        with pytest.raises(ImageError, match=file):
            classifier.predict(tmp_path / file)
    with pytest.raises(ImageError, match=r"image: not a readable image"):
        classifier.predict(io.BytesIO(b""))
    with pytest.raises(ImageError, match="too long and thin"):
        classifier.predict(np.broadcast_to(np.uint8(0), (1, 50_000_000, 1)))


def test_files_that_are_no_models_are_told_apart(digits_model, tmp_path, changed):
    content = digits_model.read_bytes()
    files = {"empty": b"", "text": b"hello " * 50, "cut": content[:-2000], "noise": bytes(range(256)) * 40}
    for name, wrong in files.items():
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(ModelError, match=rf"{name} \([\d,]+ bytes\) is not an ONNX file that onnxruntime"):
            Classifier(tmp_path / name)
    with pytest.raises(ModelError, match="gone: No such file"):
        Classifier(tmp_path / "gone")
    with pytest.raises(ModelError, match=r"has no metadata of zoo: it was not written by 'zoo export'"):
        Classifier(changed(lambda model: model.ClearField("metadata_props")))
    with pytest.raises(ModelError, match="is of format 4, this runtime reads 1, 2 and 3"):
        Classifier(changed(set_metadata(zoo_format="4")))
    with pytest.raises(ModelError, match="input_spec in its metadata is no JSON"):
        Classifier(changed(set_metadata(input_spec="{")))
    with pytest.raises(ModelError, match="classes is missing in its metadata; allowed is a list"):
        Classifier(changed(set_metadata(classes=None)))
    with pytest.raises(ModelError, match=r"input_spec\.classes is .* in its metadata; allowed is the list of classes"):
        Classifier(changed(set_metadata(classes=json.dumps(["a", "b"]))))


def test_predict_leaves_out_classes_below_their_threshold(digits_model, changed):
    image = pixels(8, 8, 1)
    likeliest = Classifier(digits_model).predict(image, top_k=10)
    below = {name: 1.0 if rank == 0 else 0.0 for rank, (name, _) in enumerate(likeliest)}
    thresholds = [below[name] for name in map(str, range(10))]
    classifier = Classifier(changed(set_metadata(thresholds=json.dumps(thresholds), labels='"several"')))
    assert classifier.labels == "several"
    assert classifier.predict(image, top_k=10) == likeliest[1:]
    assert classifier.predict(image, top_k=1) == []


@pytest.mark.parametrize(
    "key",
    [
        {"thresholds": "[0.5]"},
        {"thresholds": "[1.5, 0, 0, 0, 0, 0, 0, 0, 0, 0]"},
        {"labels": '"many"'},
        {"temperature": "0"},
    ],
)
def test_a_key_that_no_file_can_have_is_refused(changed, key):
    with pytest.raises(ModelError, match=rf"{next(iter(key))} is .* in its metadata; allowed is "):
        Classifier(changed(set_metadata(**key)))


def test_a_second_output_gives_embeddings(digits_model, changed):
    with pytest.raises(ModelError, match="exported without embeddings"):
        Classifier(digits_model).embeddings(pixels(2, 8, 8, 1))

    def add_output(model):
        model.graph.node.append(onnx.helper.make_node("Identity", ["logits"], ["embeddings"]))
        model.graph.output.append(
            onnx.helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, ["batch", 10])
        )

    classifier = Classifier(changed(add_output))
    assert classifier.embeddings(pixels(2, 8, 8, 1)).shape == (2, 10)
    assert classifier.probabilities(pixels(2, 8, 8, 1)).sum() == pytest.approx(2)


def test_weights_in_another_file_are_refused(digits_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where onnxruntime looks for files that a model from bytes names
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 100}
    onnx.save(onnx.load(digits_model), tmp_path / "model.onnx", **options)
    with pytest.raises(ModelError, match="keeps its weights in another file"):
        Classifier(tmp_path / "model.onnx")


def test_a_file_proves_itself(digits_model):
    found = verify(digits_model)
    assert found["difference"] <= found["tolerance"]
    assert (found["dataset"], found["classes"], found["quantization"]) == ("digits", 10, None)
    assert found["ms_batch_1"] > 0


def test_a_changed_file_is_found_out(digits_model, tmp_path, changed):
    content = bytearray(digits_model.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bit.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="was changed after it was exported"):
        verify(tmp_path / "bit.onnx")
    with pytest.raises(ModelError, match="was changed after it was exported"):
        verify(changed(set_metadata(test_accuracy="0.99")))


@pytest.fixture(scope="module")
def digit():
    """An image of the digits that the model was trained on."""
    return np.rint(load_digits().images[0] * 255 / 16).astype(np.uint8)


def test_an_image_like_those_of_the_training_gives_no_warning(classifier, digit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier.predict(digit)
        classifier.predict(Image.fromarray(digit).resize((80, 80)))
    assert classifier.differences(digit) == []


def test_an_image_unlike_those_of_the_training_warns(classifier, digit):
    with pytest.warns(
        UnlikeTrainingImages, match=r"image: much brighter than .*; for dark strokes on a light ground"
    ) as w:
        classifier.predict(255 - digit)
    assert w[0].filename == __file__
    with pytest.warns(UnlikeTrainingImages):
        classifier.predict_batch([digit, 255 - digit])
    [plain, blurred] = classifier.differences(np.full((8, 8), 80, np.uint8))
    assert plain.startswith("of much less contrast than the images trained on (contrast 0.00, theirs is 0.3")
    assert blurred.startswith("much more blurred than the images trained on (sharpness 0.00, theirs is 0.3")
    assert classifier.differences(digit[:3, :4])[-1] == (
        "much smaller than the images trained on (4x3 pixels, theirs are 8x8 to 8x8)"
    )


def test_invert_gives_the_network_the_negative(digits_model, classifier, digit):
    inverting = Classifier(digits_model, invert=True)
    assert inverting.predict(255 - digit) == classifier.predict(digit)
    assert inverting.differences(Image.fromarray(255 - digit)) == []


def test_a_file_that_does_not_know_its_training_images_warns_of_nothing(changed, digit):
    classifier = Classifier(changed(set_metadata(training_images=None)))
    assert classifier.training_images == {}
    assert classifier.differences(255 - digit) == []


def test_ranges_that_are_none_are_found_out(changed):
    for ranges in ('{"contrast": [1, 0]}', '{"contrast": 1}'):
        with pytest.raises(ModelError, match=r"training_images is .* allowed is a mapping of names to two"):
            Classifier(changed(set_metadata(training_images=ranges)))


def test_brightness_contrast_and_sharpness_of_simple_images():
    board = np.indices((8, 8)).sum(0) % 2 * 255
    ramp = np.tile(np.arange(0, 256, 32), (8, 1))
    measured = measure(np.stack([np.full((8, 8), 51), board, ramp]).astype(np.uint8)[..., None])
    assert measured["brightness"] == pytest.approx([0.2, 0.5, 112 / 255], abs=1e-3)
    assert measured["contrast"] == pytest.approx([0, 0.5, np.std(ramp) / 255], abs=1e-3)
    assert measured["sharpness"] == pytest.approx([0, 1, 32 / 2**0.5 / (2 * np.std(ramp))], abs=1e-3)
    colour = np.repeat(board.astype(np.uint8)[None, ..., None], 3, axis=3)
    assert measure(colour)["sharpness"] == pytest.approx([1], abs=1e-3)


def test_the_module_alone_is_a_command(digits_model, tmp_path):
    """Copied away from zoo, with nothing of it importable, as in an application that ships the one file."""
    shutil.copy(REPOSITORY / "zoo" / "runtime.py", tmp_path / "alone.py")
    Image.new("L", (8, 8), 255).save(tmp_path / "x.png")

    def run(*words):
        code = "import sys; sys.modules['zoo'] = sys.modules['torch'] = None; import alone; sys.exit(alone.main())"
        command = [sys.executable, "-c", code, *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = run("predict", digits_model, "x.png", "--top_k", 2)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr
    assert done.stderr.startswith("warning: x.png: ")
    done = run("verify", digits_model)
    assert "verified" in done.stdout, done.stderr
    done = run("predict", digits_model, "gone.png")
    assert (done.returncode, done.stderr) == (2, "error: gone.png: no such file\n")


def test_the_command_in_this_process(digits_model, capsys):
    assert main(["verify", str(digits_model)]) == 0
    assert "test_accuracy" in capsys.readouterr().out
    assert main(["verify", "gone.onnx"]) == 2
    assert capsys.readouterr().err.startswith("error: gone.onnx: No such file")


def test_pictures_of_other_sizes_give_what_the_graph_gives(classifier):
    for shape in [(2, 20, 31, 1), (1, 3, 5, 1), (1, 300, 200, 1)]:
        images = pixels(*shape)
        [expected] = classifier.session.run(["probabilities"], {"images": images})
        scaled = np.stack([classifier.geometry.scale(image) for image in images])
        [by_pillow] = classifier.session.run(["probabilities"], {"images": scaled})
        assert (expected == by_pillow).all()
        assert (classifier.probabilities(images) == by_pillow).all()


def test_a_provider_that_cannot_start_is_an_error(digits_model, monkeypatch):
    import onnxruntime

    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    original = onnxruntime.InferenceSession
    # onnxruntime-gpu without a driver: it warns, and goes on with the CPU.
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda model, options, providers: original(model, options, providers=available[1:]),
    )
    for opened in (Classifier, verify):
        with pytest.raises(ValueError, match="provider CUDAExecutionProvider cannot start here"):
            opened(digits_model, providers=["CUDA", "CPU"])


def test_a_class_named_location_changes_nothing(changed, classifier):
    def rename(model):
        spec = json.loads({entry.key: entry.value for entry in model.metadata_props}["input_spec"])
        names = ["location", *spec["classes"][1:]]
        set_metadata(classes=json.dumps(names), input_spec=json.dumps(spec | {"classes": names}))(model)

    renamed = Classifier(changed(rename))
    assert renamed.classes[0] == "location"
    assert (renamed.probabilities(pixels(2, 8, 8, 1)) == classifier.probabilities(pixels(2, 8, 8, 1))).all()
