"""Listing: the layouts that people use give the right classes and splits; what is unclear is said, never guessed."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet import GlassnetError
from glassnet.data import kinds
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL
from glassnet.data.listing import files_below, list_folder, list_named
from glassnet.data.walking import natural

PICTURES = frozenset({".png", ".jpg"})


def folder(root, *names):
    """Makes files (and, for names that end in a slash, folders)."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (root / name).mkdir(exist_ok=True)
        else:
            (root / name).write_bytes(b"x")
    return root


def listed(root):
    """(name, class, split) of each file."""
    found = list_folder(root, PICTURES)
    classes = [found.classes[k] for k in found.labels]
    return list(zip(found.names, classes, found.split.tolist(), strict=True))


def test_a_folder_a_class_is_enough(tmp_path):
    folder(tmp_path, "dog/1.png", "cat/2.JPG", "cat/sub/3.png")
    assert listed(tmp_path) == [
        ("cat/2.JPG", "cat", NOT_GIVEN),
        ("cat/sub/3.png", "cat", NOT_GIVEN),
        ("dog/1.png", "dog", NOT_GIVEN),
    ]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation", "dev"])
def test_split_folders_are_known_by_all_their_names(tmp_path, val):
    folder(tmp_path, "train/cat/1.png", "train/dog/1.png", f"{val}/cat/2.png", "test/dog/3.png")
    assert {(label, split) for _, label, split in listed(tmp_path)} == {
        ("cat", TRAIN),
        ("dog", TRAIN),
        ("cat", VAL),
        ("dog", TEST),
    }


def test_a_split_that_lacks_a_class_does_not_shift_the_others(tmp_path):
    folder(tmp_path, "train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/1.png")
    found = list_folder(tmp_path, PICTURES)
    assert found.classes == ("a", "b", "c")
    assert found.labels[list(found.names).index("test/c/1.png")] == 2


def test_classes_named_by_numbers_stand_in_the_order_of_numbers(tmp_path):
    folder(tmp_path, "10/a.png", "9/a.png", "1/a.png", "2/a.png")
    assert list_folder(tmp_path, PICTURES).classes == ("1", "2", "9", "10")


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**6), unique=True), st.text(alphabet="ab-_", max_size=3))
def test_names_are_sorted_as_people_count(numbers, word):
    names = [f"{word}{number}.png" for number in numbers]
    assert sorted(names, key=natural) == [f"{word}{number}.png" for number in sorted(numbers)]


@settings(max_examples=100)
@given(st.sets(st.text(max_size=6), max_size=6))
def test_any_names_have_one_order(names):
    assert sorted(names, key=natural) == sorted(sorted(names, reverse=True), key=natural)


def test_a_folder_around_the_class_folders_is_looked_through_and_said(tmp_path):
    folder(tmp_path, "archive/pets/cat/1.png", "archive/pets/dog/1.png")
    found = list_folder(tmp_path, PICTURES)
    assert found.classes == ("cat", "dog")
    assert found.root == tmp_path / "archive" / "pets"
    assert found.notes == ("read from the folder archive inside it", "read from the folder pets inside it")


def test_a_folder_around_a_lone_split_is_looked_through(tmp_path):
    folder(tmp_path, "archive/train/cat/1.png", "archive/train/dog/1.png")
    assert [row[1:] for row in listed(tmp_path)] == [("cat", TRAIN), ("dog", TRAIN)]


def test_a_class_may_be_called_train(tmp_path):
    folder(tmp_path, "train/1.png", "plane/1.png")
    assert [row[1:] for row in listed(tmp_path)] == [("plane", NOT_GIVEN), ("train", NOT_GIVEN)]


def test_what_is_no_example_is_counted_and_what_systems_leave_behind_is_not(tmp_path):
    junk = ("cat/Thumbs.db", "cat/.hidden.png", ".DS_Store", "__MACOSX/cat/._1.png", "dog/desktop.ini", ".git/x.png")
    folder(tmp_path, "cat/1.png", "dog/1.png", "README.md", "cat/notes.txt", "dog/LICENSE", *junk)
    found = list_folder(tmp_path, PICTURES)
    assert list(found.names) == ["cat/1.png", "dog/1.png"]
    assert found.ignored == {".md": 1, ".txt": 1, "no suffix": 1}


def test_pictures_outside_the_class_folders_are_left_out_and_said(tmp_path):
    folder(tmp_path, "cat/1.png", "dog/1.png", "loose.png", "more.png")
    found = list_folder(tmp_path, PICTURES)
    assert list(found.names) == ["cat/1.png", "dog/1.png"]
    assert found.notes == ("left out 2 files outside the class folders: loose.png, more.png",)


def test_folders_beside_the_splits_are_left_out_and_said(tmp_path):
    folder(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "extra/1.png")
    found = list_folder(tmp_path, PICTURES)
    assert found.classes == ("cat", "dog")
    assert found.notes == ("left out extra: beside the folders of the splits",)


def test_an_empty_class_folder_is_a_class_so_that_it_is_missed(tmp_path):
    folder(tmp_path, "cat/1.png", "dog/1.png", "bird/", "fox/.hidden.png")
    assert list_folder(tmp_path, PICTURES).classes == ("bird", "cat", "dog", "fox")


def test_classes_that_differ_only_in_capitals_stay_apart_and_are_said(tmp_path):
    folder(tmp_path, "train/Cat/1.png", "test/cat/1.png", "train/dog/1.png")
    found = list_folder(tmp_path, PICTURES)
    assert found.classes == ("Cat", "cat", "dog")
    assert found.notes == ("the classes Cat, cat differ only in capitals",)
    assert list_named(tmp_path, ["a", "b"], ["X", "x"], [NOT_GIVEN] * 2).notes == (
        "the classes X, x differ only in capitals",
    )


UNCLEAR = {
    "expected folders with files like .jpg, .png, found none": (),
    "expected a folder a class, or a table with path,label, found 2 files in one folder": ("1.png", "2.png"),
    "expected a folder a class .train/cat/1.png., found files without one": ("train/1.png", "test/1.png"),
    "train/ reads like a split, cat/ beside it like a class": ("train/a/1.png", "train/b/1.png", "cat/1.png"),
}


@pytest.mark.parametrize("words", UNCLEAR)
def test_what_names_no_classes_is_refused(tmp_path, words):
    with pytest.raises(GlassnetError, match=words):
        list_folder(folder(tmp_path, *UNCLEAR[words]), PICTURES)


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(GlassnetError, match=r"gone: can't be read: No such file or directory"):
        list_folder(tmp_path / "gone", PICTURES)


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    folder(tmp_path / "data", "cat/1.png")
    folder(tmp_path / "elsewhere", "1.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "dog")
    os.symlink("..", tmp_path / "data" / "cat" / "up")
    os.symlink("self.png", tmp_path / "data" / "cat" / "self.png")
    assert [name for name, *_ in listed(tmp_path / "data")] == ["cat/1.png", "cat/self.png", "dog/1.png"]


def test_names_that_are_no_unicode_are_listed(tmp_path):
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system takes Unicode only")
    folder(tmp_path, os.fsdecode(b"caf\xe9/1.png"), "cat/1.png")
    assert list_folder(tmp_path, PICTURES).classes == (os.fsdecode(b"caf\xe9"), "cat")


def test_the_stamp_changes_when_a_file_does_and_only_then(tmp_path):
    folder(tmp_path, "cat/1.png", "dog/1.png")

    def stamp():
        return list_folder(tmp_path, PICTURES).stamp

    stamps = [stamp()]
    assert stamp() == stamps[0]
    (tmp_path / "cat/1.png").write_bytes(b"longer")
    stamps.append(stamp())
    os.utime(tmp_path / "cat/1.png", ns=(1, 1))
    stamps.append(stamp())
    folder(tmp_path, "cat/2.png")
    stamps.append(stamp())
    (tmp_path / "cat/1.png").rename(tmp_path / "dog/2.png")
    stamps.append(stamp())
    (tmp_path / "cat/2.png").unlink()
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)


def test_every_file_below_a_folder_is_found_in_natural_order(tmp_path):
    folder(tmp_path, "b/10.png", "b/9.png", "1.png", "a/x.txt", ".x/1.png")
    assert files_below(tmp_path, PICTURES) == ["1.png", "b/9.png", "b/10.png"]


@pytest.mark.parametrize("name", ["", "no such", "a\0b"])
def test_a_name_that_is_nothing_is_one_line(name):
    with pytest.raises(GlassnetError, match=r"expected a folder, a table, an .npz file or built-in data .*nothing"):
        kinds.find(name)


def test_a_name_longer_than_any_is_one_line():
    with pytest.raises(GlassnetError, match="found nothing there") as caught:
        kinds.find("a" * 5000)
    assert len(str(caught.value)) < 400


def test_a_file_of_no_known_kind_is_refused(tmp_path):
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(GlassnetError, match=r"an \.npz or a \.tar file, found a \.doc file"):
        kinds.find(tmp_path / "a.doc")
    with pytest.raises(
        GlassnetError, match=r"--kind: expected pictures or sounds or .* or sentences or tables, found 'smells'"
    ):
        kinds.find("digits", kinds.Reading(kind="smells"))


def test_a_manifest_of_other_files_says_which(tmp_path):
    (tmp_path / "m.csv").write_text("path,label\na.doc,x\nb.doc,y\n")
    with pytest.raises(GlassnetError, match=r"found files with the suffix \.doc"):
        kinds.find(tmp_path / "m.csv")
