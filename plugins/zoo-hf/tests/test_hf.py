"""Local folders and tables train; columns are found or chosen; what cannot be read is one line."""

from __future__ import annotations

import gc
import warnings

import datasets
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import DownloadError, ImageError, NoSplitError, UserError
from zoo.testing import check_dataset


def picture(number, size=12):
    rng = np.random.default_rng(number)
    low = 120 * (number % 2)
    return Image.fromarray(rng.integers(low, low + 120, (size, size, 3), np.uint8))


def table(count, start=0, **columns):
    """Dark and light pictures with their class label."""
    rows = {"image": [picture(start + number) for number in range(count)], "label": [n % 2 for n in range(count)]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dark", "light"])})
    for name, (values, feature) in columns.items():
        rows[name], features[name] = values, feature
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture
def parquet(tmp_path):
    table(40).to_parquet(tmp_path / "train.parquet")
    table(10, 100).to_parquet(tmp_path / "test.parquet")
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 30), ("validation", 10), ("test", 10)):
        for number in range(count):
            place = tmp_path / split / ("dark", "light")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            picture(number + len(split) * 1000, 20).save(place / f"{number}.png")
    return tmp_path


def test_local_formats_are_listed_and_keep_the_contract(parquet):
    assert zoo.list_datasets("hf/*") == ["hf/arrow", "hf/imagefolder", "hf/parquet"]
    check_dataset("hf/parquet", root=parquet)


def test_what_save_to_disk_writes_is_read_as_arrow(tmp_path):
    table(40).save_to_disk(tmp_path / "train")
    table(10, 100).save_to_disk(tmp_path / "validation")
    table(10, 200).save_to_disk(tmp_path / "test")
    check_dataset("hf/arrow", root=tmp_path)
    assert [len(zoo.create_dataset("hf/arrow", tmp_path, split)) for split in ("train", "val", "test")] == [40, 10, 10]


def test_a_damaged_table_is_one_line(tmp_path, capfd):
    (tmp_path / "train.arrow").write_bytes(b"not a table")
    with pytest.raises(UserError, match="data set 'hf/arrow' cannot be read"):
        zoo.create_dataset("hf/arrow", tmp_path, "train")
    assert capfd.readouterr().err == ""


def test_a_folder_keeps_the_contract_and_its_class_names(folder):
    check_dataset("hf/imagefolder", root=folder)
    val = zoo.create_dataset("hf/imagefolder", folder, "val")
    assert (val.classes, len(val)) == (["dark", "light"], 10)


def test_a_table_without_val_says_so(parquet):
    with pytest.raises(NoSplitError, match="no val split: hf/parquet has test, train"):
        zoo.create_dataset("hf/parquet", parquet, "val")


def test_a_table_trains_and_tests(parquet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"dataset": "hf/parquet", "root": parquet, "num_workers": 0, "batch_size": 8}
    assert 0 <= zoo.fit(data=data, max_epochs=5).test()["test/accuracy"] <= 1


def test_labels_that_are_texts_are_numbered(tmp_path):
    kinds = (["moth", "bee"] * 10, datasets.Value("string"))
    table(20, kind=kinds).to_parquet(tmp_path / "train.parquet")
    data = zoo.create_dataset("hf/parquet", tmp_path, "train", label_column="kind")
    assert data.classes == ["bee", "moth"]
    assert data.labels[:2].tolist() == [1, 0]


@pytest.fixture
def described(tmp_path):
    """Make a folder of images with a metadata.csv of the given header and rows, and open it."""

    def make(header, *rows, **options):
        for number in range(len(rows)):
            picture(number).save(tmp_path / f"{number}.png")
        lines = [f"{number}.png,{row}" for number, row in enumerate(rows)]
        (tmp_path / "metadata.csv").write_text("\n".join([f"file_name,{header}", *lines]))
        return zoo.create_dataset("hf/imagefolder", tmp_path, "train", **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # datasets leaves metadata.csv to the garbage collector
        yield make
        gc.collect()


def test_texts_beside_a_folder_are_labels_although_pandas_3_reads_them_as_large_string(described, tmp_path):
    data = described("label", "moth", "bee", "moth")
    assert data.classes == ["bee", "moth"]
    assert data.labels.tolist() == [1, 0, 1]
    check_dataset("hf/imagefolder", root=tmp_path)


def test_whole_numbers_beside_a_folder_are_labels_in_their_own_order(described):
    data = described("label", 10, 9, 10)
    assert data.classes == ["9", "10"]
    assert data.labels.tolist() == [1, 0, 1]


def test_a_column_of_a_usual_name_is_the_label_among_others(described):
    assert described("place,Class_Name", "a,moth", "b,bee").classes == ["bee", "moth"]
    assert described("species", "moth", "wasp").classes == ["moth", "wasp"]
    with pytest.raises(UserError, match=r"2 columns can be the label_column; choose with .*: image .*species.*place"):
        described("species,place", "moth,a", "bee,b")
    assert described("species,place", "moth,a", "bee,b", label_column="place").classes == ["a", "b"]


def test_rows_without_a_label_are_named(described):
    with pytest.raises(UserError, match="rows 1, 3 have no label"):
        described("label", "moth", "", "bee", "")


def test_labels_with_fractions_are_refused(described):
    with pytest.raises(UserError, match="column 'label' is float64; labels are class labels, texts or whole numbers"):
        described("label", 1.5, 2.5, label_column="label")


def test_columns_that_several_could_be_are_listed(tmp_path):
    second = ([picture(number) for number in range(4)], datasets.Image())
    table(4, mask=second).to_parquet(tmp_path / "train.parquet")
    listed = r"image \(PIL.Image.Image\), label \(int64\), mask \(PIL.Image.Image\)"
    with pytest.raises(UserError, match=f"2 columns can be the image_column; choose with .*: {listed}"):
        zoo.create_dataset("hf/parquet", tmp_path, "train")
    assert len(zoo.create_dataset("hf/parquet", tmp_path, "train", image_column="mask")) == 4
    with pytest.raises(UserError, match=f"image_column is 'masc'; the columns are {listed}"):
        zoo.create_dataset("hf/parquet", tmp_path, "train", image_column="masc")


def test_a_damaged_image_is_named(tmp_path):
    good = table(2)
    rows = {"image": [{"bytes": b"not an image", "path": None}] * 2, "label": [0, 1]}
    datasets.Dataset.from_dict(rows, features=good.features).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(ImageError, match="row 0: not a readable image"):
        zoo.create_dataset("hf/parquet", tmp_path, "train")[0]


@pytest.mark.parametrize("name", ["hf/no-such-owner/no-such-data", "hf/no-such-data"])
def test_without_a_network_a_data_set_of_the_hub_is_one_line(tmp_path, name):
    with pytest.raises(DownloadError) as caught:
        zoo.create_dataset(name, tmp_path, "train")
    assert str(caught.value).startswith(f"data set '{name[3:]}' cannot be had of the hub: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "message"), [("empty", "holds no data that hf/parquet can read"), ("nowhere", "is not a folder")]
)
def test_a_root_without_data_is_one_line(tmp_path, place, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        zoo.create_dataset("hf/parquet", tmp_path / place, "train")
