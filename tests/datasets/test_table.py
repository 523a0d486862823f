"""Tables of images and labels: their forms, their columns, where the files are, and what is wrong with them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from support import error_of

from zoo import NoSplitError, UserError, create_dataset
from zoo.core import registry
from zoo.data.image_data import ImageData
from zoo.testing import check_dataset

CLASSES = ("ant", "bee")


@pytest.fixture
def images(tmp_path):
    """Make image files under a folder, each of one colour."""

    def make(*names, under="."):
        for number, name in enumerate(names):
            path = tmp_path / under / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number * 7 % 256, number * 30 % 256, 0)).save(path)
        return tmp_path / under

    return make


@pytest.fixture
def table(tmp_path, images):
    """Write a table of images a.png, b.png, c.png beside it, and open a split of it."""
    images("a.png", "b.png", "c.png")

    def open_table(text, split="train", name="labels.csv", root=tmp_path / "elsewhere", encoding="utf-8", **options):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return create_dataset("table", root, split, path=str(tmp_path / name), **options)

    return open_table


def rows(dataset):
    """Return the file's name and the class of each item."""
    return [
        (os.path.basename(dataset.path(index)), dataset.classes[label]) for index, label in enumerate(dataset.labels)
    ]


EXPECTED = [("a.png", "bee"), ("b.png", "ant"), ("c.png", "bee")]
ROWS = (("a.png", "bee"), ("b.png", "ant"), ("c.png", "bee"))


def test_a_table_of_files_and_labels_keeps_the_contract(tmp_path, images):
    images(*(f"{number}.png" for number in range(24)))
    lines = [f"{number}.png,{CLASSES[number % 2]},{('train', 'val', 'test')[number % 3]}" for number in range(24)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,split", *lines]))
    check_dataset("table", root=tmp_path, path=str(tmp_path / "labels.csv"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_csv_of_any_spreadsheet_is_read(table, delimiter, ending):
    text = ending.join(delimiter.join(row) for row in (("File Name", "Label"), *ROWS, ("",))) + ending
    assert rows(table("\ufeff" + text.replace(f"{ending}{ending}", ending))) == EXPECTED


def test_a_tsv_may_have_commas_in_its_values(table):
    dataset = table('image\tclass\na.png\tbee, wild\nb.png\t"ant\tred"\n', name="labels.tsv")
    assert rows(dataset) == [("a.png", "bee, wild"), ("b.png", "ant\tred")]


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_is_read_with_any_type_of_text(table, tmp_path, text):
    files, labels = zip(*ROWS, strict=True)
    columns = {"path": pa.array(files).cast(text), "label": pa.array(labels).cast(text)}
    parquet.write_table(pa.table(columns), tmp_path / "labels.parquet")
    assert rows(create_dataset("table", tmp_path, "train", path=str(tmp_path / "labels.parquet"))) == EXPECTED


def test_whole_numbers_of_parquet_with_a_gap_elsewhere_are_whole_labels(tmp_path, table):
    content = pa.table({"path": ["a.png", "b.png"], "label": pa.array([2.0, 10.0]), "note": [None, "x"]})
    parquet.write_table(content, tmp_path / "labels.parquet")
    dataset = create_dataset("table", tmp_path, "train", path=str(tmp_path / "labels.parquet"))
    assert dataset.classes == ["2", "10"]


def test_numbers_are_classes_in_their_own_order(table):
    dataset = table("id,target\na,10\nb,9\nc,10.0\n")
    assert dataset.classes == ["9", "10"]
    assert rows(dataset) == [("a.png", "10"), ("b.png", "9"), ("c.png", "10")]


@pytest.mark.parametrize("path", ["path", "FILE", "Filename", "file_name", "image", "Image Path", "image_id", "id"])
@pytest.mark.parametrize("label", ["label", "Class", "TARGET", "category", "class_name"])
def test_usual_names_of_columns_are_recognised(table, path, label):
    assert rows(table(f"{label},{path}\nbee,a.png\nant,b.png\n")) == EXPECTED[:2]


@pytest.mark.parametrize("label", [None, "bee,ant"])
@pytest.mark.parametrize(("one", "zero"), [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_a_column_for_each_class_is_a_label(table, label, one, zero):
    text = f"image,ant,bee,age\na,{zero},{one},3\nb,{one},{zero},0\nc,{zero},{one},1\n"
    dataset = table(text, label_column=label)
    assert rows(dataset) == EXPECTED
    assert "label from '" in dataset.notes[0]


def test_a_column_of_labels_wins_over_columns_of_0_and_1(table):
    assert rows(table("image,label,sick,old\na,bee,0,1\nb,ant,1,0\nc,bee,0,1\n")) == EXPECTED


def test_an_image_of_two_classes_is_named(table):
    with pytest.raises(UserError, match="other numbers of 1 in the columns ant, bee are in lines 2, 4; correct"):
        table("image,ant,bee\na,1,1\nb,1,0\nc,0,0\n")


def test_a_number_beside_the_file_is_not_taken_for_its_path(table):
    assert rows(table("id,file_name,label\n1,a.png,bee\n2,b.png,ant\n")) == EXPECTED[:2]


def test_columns_of_other_names_are_chosen_by_options(table):
    text = "photo,species,who,part\na.png,bee,x,train\nb.png,ant,y,Training\nc.png,bee,y,Test\n"
    options = {"path_column": "photo", "label_column": "species", "split_column": "part", "group_column": "who"}
    dataset = table(text, **options)
    assert rows(dataset) == EXPECTED[:2]
    assert (dataset.group_column, dataset.column("who"), dataset.unsplit) == ("who", ["x", "y"], False)
    assert rows(table(text, "test", **options)) == [("c.png", "bee")]


def test_a_table_without_a_column_of_splits_is_unsplit_and_gives_its_columns(table):
    dataset = table("path,label,patient\na.png,bee,p1\nb.png,ant,p2\n")
    assert (dataset.unsplit, dataset.group_column) == (True, "patient")
    assert (dataset.column("patient"), dataset.column("camera")) == (["p1", "p2"], None)
    with pytest.raises(NoSplitError, match="has no column that says which is which"):
        table("path,label\na.png,bee\n", "test")


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("TRAIN", "train"),
        ("Training", "train"),
        ("valid", "val"),
        ("Dev", "val"),
        ("Testing", "test"),
        ("eval", "test"),
    ],
)
def test_splits_are_recognised_as_people_write_them(table, text, split):
    dataset = table(f"path,label,set\na.png,bee,{text}\nb.png,ant,train\nc.png,bee,train\n", split)
    assert "a.png" in [name for name, _ in rows(dataset)]


def test_classes_are_those_of_train(table):
    text = "path,label,split\na.png,bee,train\nb.png,ant,train\nc.png,bee,val\n"
    assert table(text, "val").classes == ["ant", "bee"]
    with pytest.raises(UserError, match=r"val has labels that train lacks: wasp \(line 3\)"):
        table("path,label,split\na.png,bee,train\nb.png,wasp,val\n", "val")


def test_relative_paths_start_at_the_tables_folder_or_at_the_root(tmp_path, images):
    root = images("x/1.png", "x/2.png", under="photos")
    (tmp_path / "labels.csv").write_text("path,label\nx/1.png,a\nx/2.png,b\n")
    path = str(tmp_path / "labels.csv")
    assert create_dataset("table", root, "train", path=path).files == [f"{root}/x/1.png", f"{root}/x/2.png"]
    beside = images("x/1.png", "x/2.png")
    assert create_dataset("table", root, "train", path=path).files == [f"{beside}/x/1.png", f"{beside}/x/2.png"]


def test_a_table_is_found_in_the_root(tmp_path, images):
    root = images("1.png", under="photos")
    (root / "labels.csv").write_text(f"path,label\n{root}/1.png,a\n")
    assert len(create_dataset("table", root, "train", path="labels.csv")) == 1
    with pytest.raises(UserError, match=r"there is no table labels\.csv or .*elsewhere/labels\.csv"):
        create_dataset("table", tmp_path / "elsewhere", "train", path="labels.csv")


def test_paths_of_other_systems_find_their_files(table, images):
    images(unicodedata.normalize("NFD", "bée/1.png"), unicodedata.normalize("NFC", "wäsp.png"), "Scan.1.JPG")
    text = f"path,label\n{unicodedata.normalize('NFC', 'bée')}\\1.png,a\n{unicodedata.normalize('NFD', 'wäsp')},b\n"
    names = [os.path.basename(file) for file in table(text + "Scan.1,a\n").files]
    assert names == ["1.png", unicodedata.normalize("NFC", "wäsp.png"), "Scan.1.JPG"]


def test_all_missing_files_are_named_at_once(table):
    with pytest.raises(UserError, match=r"2 of 3 files are neither in .*: x\.png \(line 3\), y/z\.png \(line 4\)"):
        table("path,label\na.png,bee\nx.png,ant\ny/z.png,ant\n")


def test_check_names_missing_files_and_reads_the_others(zoo, tmp_path, images):
    images("a.png", "b.png")
    (tmp_path / "labels.csv").write_text("path,label\na.png,bee\nb.png,ant\nx.png,ant\ny.png,bee\n")
    status, out, err = zoo("check", "table", "--data.dataset.path", "labels.csv", "--data.num_workers", 0)
    assert status == 1
    assert "table has 2 unreadable" in err
    assert "x.png" in out
    assert "y.png" in out


def test_check_shows_labels_that_train_lacks(tmp_path, images):
    images("a.png", "b.png")
    (tmp_path / "labels.csv").write_text("path,label,split\na.png,bee,train\nb.png,wasp,val\n")
    options = {"path": str(tmp_path / "labels.csv"), "split_column": "split"}
    dataset = registry.call("dataset", "table", (tmp_path, "val"), options, variant="as_found")
    assert rows(dataset) == [("b.png", "wasp")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,\n,ant\nc.png,bee\n", "no path in line 3; no label in line 2; correct"),
        ("path,label,split\na.png,bee,train\nb.png,ant,\n", "no split in line 3"),
        ("path,label\na.png,bee\nb.png,ant\na.png,ant\n", "different labels or splits in lines 2 and 4 of a.png"),
        ("path,label\na.png,bee\nb.png\nc.png,bee,x\n", r"has 2 columns, but .* in lines 3 \(1\), 4 \(3\)"),
        ("path,label,split\na.png,bee,trian\nb.png,ant,tset\n", r"has 'trian' \(line 2\), 'tset' \(line 3\); allowed"),
        (
            "photo,label\na.png,bee\n",
            "which column of .* holds the path.*--data.dataset.path_column: it has photo, label",
        ),
        (
            "path,breed\na.png,bee\n",
            "which column of .* holds the label.*--data.dataset.label_column: it has path, breed",
        ),
        ("path,label,class\na.png,1,bee\n", "label and class can both be the label; choose with --data.dataset.label"),
        ("path,label,label\na.png,bee,bee\n", "names columns twice: label"),
        ("path,label\n", "has no row"),
        ("", "has no row"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_error_that_names_all_of_it(table, text, message):
    with pytest.raises(UserError, match=message):
        table(text)


def test_a_column_that_is_not_there_is_answered_with_those_that_are(table):
    with pytest.raises(UserError, match=r"label_column is 'lable'; the columns of .* are path, label; did you mean"):
        table("path,label\na.png,bee\n", label_column="lable")


def test_a_table_in_another_encoding_says_how_to_save_it(table):
    with pytest.raises(UserError, match="is not UTF-8 text; save it as 'CSV UTF-8'"):
        table("path,label\na.png,bée\n", encoding="cp1252")


def test_a_file_whose_name_is_no_utf_8_is_read_under_its_name(table, tmp_path):
    name = os.fsdecode(b"b\xe9e.png")
    (tmp_path / "a.png").rename(tmp_path / name)
    (tmp_path / "labels.csv").write_bytes(b"path,label\nb\xe9e.png,bee\nb.png,ant\n")
    dataset = create_dataset("table", tmp_path, "train", path=str(tmp_path / "labels.csv"))
    assert rows(dataset) == [(name, "bee"), ("b.png", "ant")]


def test_spaces_around_values_do_not_count_but_in_names_of_files_they_may(table, images):
    images(" d.png", "e .png")
    text = "path , label, split\na.png , bee ,train\n d.png,bee, train\ne .png,ant,train \n"
    assert rows(table(text)) == [("a.png", "bee"), (" d.png", "bee"), ("e .png", "ant")]


def test_leading_zeros_of_numbers_stay(table):
    assert table("path,label\na.png,010\nb.png,9\n").classes == ["9", "010"]


def test_images_of_a_group_stay_in_one_split(tmp_path, images):
    images(*(f"{number}.png" for number in range(60)))
    lines = [f"{number}.png,{CLASSES[number % 2]},p{number // 4}" for number in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,patient", *lines]))
    data = ImageData({"name": "table", "path": str(tmp_path / "labels.csv")}, tmp_path)
    patients = [{int(Path(path).stem) // 4 for path in data.paths(split)} for split in ("train", "val", "test")]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 15


def test_images_without_a_group_do_not_stay_together(tmp_path, images):
    images(*(f"{number}.png" for number in range(60)))
    lines = [f"{number}.png,{CLASSES[number % 2]}," for number in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,group", *lines]))
    data = ImageData({"name": "table", "path": str(tmp_path / "labels.csv")}, tmp_path)
    assert all(len(data.paths(split)) > 0 for split in ("train", "val", "test"))


def test_too_few_groups_for_a_split_are_counted_by_the_name_of_their_column(table):
    dataset = table("path,label,patient\na.png,bee,p1\nb.png,ant,p2\nc.png,bee,p1\n")
    data = ImageData({"name": "table", "path": str(dataset.files_root / "labels.csv")}, dataset.files_root)
    with pytest.raises(UserError, match="has 3 images in 2 groups by 'patient', too few"):
        data.paths("val")


def test_groups_in_two_splits_are_named(table):
    text = "path,label,split,patient\na.png,bee,train,p1\nb.png,ant,train,p2\nc.png,bee,test,p1\n"
    [columns, warning] = table(text).notes
    assert columns == "columns       path from 'path', label from 'label', split from 'split', group from 'patient'"
    assert warning.startswith("warning: 1 of 2 groups of column 'patient' are in two splits")
    assert warning.endswith(": p1")
    assert len(table(text.replace("test,p1", "test,p3")).notes) == 1


def test_many_lines_of_one_fault_are_counted(table):
    lines = [f"{number}.png," for number in range(50)]
    with pytest.raises(UserError, match=r"no label in lines 2, 3, .*, 21 and 30 more; correct"):
        table("\n".join(["path,label", *lines]))


def test_pictures_inside_parquet_are_said_to_be_the_plugins(tmp_path):
    content = {"image": [{"bytes": b"", "path": "x"}], "label": [1]}
    parquet.write_table(pa.table(content), tmp_path / "labels.parquet")
    with pytest.raises(UserError, match=r"holds the path\?.*it has label; pictures inside .* read by hf/parquet"):
        create_dataset("table", tmp_path, "train", path="labels.parquet")


def test_the_split_of_an_image_is_that_of_its_path_in_the_table_wherever_the_table_lies(tmp_path, images):
    splits = []
    for place in ("here", "there/deeper"):
        images(*(f"x/{number}.png" for number in range(30)), under=place)
        lines = [f"x/{number}.png,{CLASSES[number % 2]}" for number in range(30)]
        (tmp_path / place / "labels.csv").write_text("\n".join(["path,label", *lines]))
        data = ImageData({"name": "table", "path": str(tmp_path / place / "labels.csv")}, tmp_path / "elsewhere")
        splits.append([[Path(path).stem for path in data.paths(split)] for split in ("train", "val", "test")])
    assert splits[0] == splits[1]


def test_a_file_that_is_no_table_lists_those_that_are(table):
    with pytest.raises(
        UserError, match=r"is not a table; allowed are names that end in \.csv, \.tsv, \.txt, \.parquet"
    ):
        table("path,label\na.png,bee\n", name="labels.xlsx")


def test_a_damaged_parquet_file_is_one_line(table):
    with pytest.raises(UserError, match=r"table .*labels\.parquet cannot be read"):
        table("not a table", name="labels.parquet")


def test_a_table_trains_and_tests_from_any_folder(zoo, tmp_path, images, monkeypatch):
    images(*(f"{number}.png" for number in range(40)), under="photos")
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    lines = [f"{number}.png,{CLASSES[number % 2]},{splits[number % 10]}" for number in range(40)]
    (tmp_path / "photos" / "labels.csv").write_text("\n".join(["file,class,split", *lines]))
    table = ("--data", "table", "--data.dataset.path", "photos/labels.csv")
    assert zoo("fit", *table, "--data.num_workers", 0, "--trainer.max_epochs", 1, "--data.batch_size", 8)[0] == 0
    monkeypatch.chdir(tmp_path / "photos")  # the run knows where the table is
    status, out, _ = zoo("test", "../runs/table-lenet5/version_0")
    assert (status, "test split, 8 images" in out) == (0, True)


def test_without_its_path_the_error_names_the_option(zoo):
    assert "data.dataset.path" in error_of(zoo("fit", "--data", "table"))
