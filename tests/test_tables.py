"""Tables: however a manifest was saved it says the same, and a row that can't be right is named by its line."""

import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet import GlassnetError
from glassnet.config import Reading
from glassnet.data import kinds
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL
from glassnet.data.tables import manifest, read_table

ROWS = [(f"{label}/{i}.png", label) for label in ("cat", "dog") for i in range(12)]
PLAIN = "path,label\n" + "".join(f"{name},{label}\n" for name, label in ROWS)


def saved(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(table, **reading):
    found = manifest(read_table(table), Reading(**reading))
    return list(zip(found.names, found.labels, strict=True))


def parquet(folder, name, **columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pa.table(columns), folder / name)
    return folder / name


WAYS = {
    "plain.csv": PLAIN,
    "bom.csv": codecs.BOM_UTF8 + PLAIN.encode(),
    "utf16.csv": PLAIN.encode("utf-16"),
    "semicolons.csv": PLAIN.replace(",", ";"),
    "tabs.csv": PLAIN.replace(",", "\t"),
    "tabs.tsv": PLAIN.replace(",", "\t"),
    "windows.csv": PLAIN.replace("\n", "\r\n"),
    "old-mac.csv": PLAIN.replace("\n", "\r"),
    "quoted.csv": "".join(f'"{line}"\n'.replace(",", '","') for line in PLAIN.split()),
    "blank-lines.csv": PLAIN.replace("\n", "\n\n"),
    "backslashes.csv": PLAIN.replace("/", "\\"),
    "spaces.csv": PLAIN.replace("\n", " \n").replace("path,label", "path, label"),
    "capitals.csv": PLAIN.replace("path,label", "Path,LABEL"),
    "usual.csv": PLAIN.replace("path,label", "file_name,category"),
    "index.csv": "".join(f"{i},{line}\n" if i else f",{line}\n" for i, line in enumerate(PLAIN.split())),
    "lines.jsonl": "\n".join(json.dumps({"path": name, "label": label}) for name, label in ROWS),
    "notes.jsonl": "\n".join(
        json.dumps({"note": "one\u2028two\x85three", "path": name, "label": label}, ensure_ascii=False)
        for name, label in ROWS
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_manifest_says_the_same_however_it_was_saved(tmp_path, name):
    assert rows(saved(tmp_path, name, WAYS[name])) == ROWS


def test_a_parquet_manifest_says_the_same(tmp_path):
    names, labels = zip(*ROWS, strict=True)
    embedded = [[1.0, 2.0]] * len(ROWS)
    assert rows(parquet(tmp_path, "m.parquet", path=names, label=labels, embedding=embedded)) == ROWS


def test_the_columns_can_be_named(tmp_path):
    content = "where,what,label\n" + "".join(f"{name},{label},no\n" for name, label in ROWS)
    path = saved(tmp_path, "m.csv", content)
    assert rows(path, path="where", label="what") == ROWS
    assert rows(path, path="WHERE", label="What") == ROWS


def test_a_column_is_known_by_its_exact_name_first(tmp_path):
    path = saved(tmp_path, "m.csv", "path,Label,label\n1.png,wrong,right\n")
    assert rows(path, label="label") == [("1.png", "right")]


def test_split_words_are_known_in_any_case(tmp_path):
    words = ["train", "Training", " VAL ", "valid", "validation", "dev", "test", "Testing"]
    content = "path,label,split\n" + "".join(f"{i}.png,a,{word}\n" for i, word in enumerate(words))
    found = manifest(read_table(saved(tmp_path, "m.csv", content)), Reading())
    assert found.splits == [TRAIN, TRAIN, VAL, VAL, VAL, VAL, TEST, TEST]
    assert manifest(read_table(saved(tmp_path, "n.csv", PLAIN)), Reading()).splits == [NOT_GIVEN] * 24


def swallowing(kind):
    """A manifest of 24 rows that a stray quote would cut short without a word."""
    with_notes = PLAIN.replace("\n", ",fine\n").replace("label,fine", "label,note")
    return {
        "opened in a path": PLAIN.replace("cat/3.png", '"cat/3.png'),
        "opened in a path, closed in another": PLAIN.replace("cat/3.png", '"cat/3.png').replace(
            "7.png,cat", '7.png",cat'
        ),
        "opened in a label, closed in another": PLAIN.replace("3.png,cat", '3.png,"cat').replace(
            "7.png,cat", '7.png,cat"'
        ),
        "opened in a note, closed in another": with_notes.replace("cat/3.png,cat,", 'cat/3.png,cat,"').replace(
            "dog/3.png,dog,fine", 'dog/3.png,dog,fine"'
        ),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("opened in a path", "line 5: no row of a table: a quote is opened and not closed"),
        ("opened in a path, closed in another", r"line 5: expected a path, found a line break inside it \(is a quote"),
        ("opened in a label, closed in another", r"line 5: expected a label, found a line break inside it"),
        ("opened in a note, closed in another", "line 5: expected a note, found a whole row inside it, 'cat/4.png,cat"),
    ],
)
def test_a_stray_quote_never_swallows_rows(tmp_path, kind, words):
    with pytest.raises(GlassnetError, match=words):
        rows(saved(tmp_path, "m.csv", swallowing(kind)))


def test_a_note_may_have_several_lines(tmp_path):
    path = saved(tmp_path, "m.csv", 'path,label,note\n1.png,cat,"a cat,\nasleep, or dead"\n2.png,dog,\n')
    assert rows(path) == [("1.png", "cat"), ("2.png", "dog")]
    assert list(read_table(path).lines) == [2, 4]


REFUSED = {
    "an empty file": ("", "expected a header and rows, found an empty file"),
    "blank lines": ("\n\n", "expected a header and rows, found an empty file"),
    "a header alone": ("path,label\n", "expected rows below a header, found none"),
    "no path": ("a,b\n1.png,cat\n", "expected a column path, found the columns a, b. Name the right one with --path"),
    "no label": ("path,b\n1.png,cat\n", "expected a column label, found the columns path, b"),
    "an empty label": ("path,label\n1.png,cat\n2.png, \n", "line 3: expected a label, found nothing"),
    "an empty path": ("path,label\n,cat\n", "line 2: expected a path, found nothing"),
    "a short row": ("path,label\n1.png,cat\n2.png\n", "line 3: expected 2 columns, found 1"),
    "a long row": ("path,label\n1.png,cat,\n", "line 2: expected 2 columns, found 3"),
    "a double name": ("\npath,label,label\n", "line 2: two columns have one name"),
    "another split": ("path,label,split\n1.png,cat,holdout\n", "line 2: expected train, val or test, found 'holdout'"),
    "an empty split": ("path,label,split\n1.png,cat,\n", "line 2: expected train, val or test, found ''"),
    "another encoding": (
        "path,label\n1.png,café\n".encode("latin-1"),
        "line 2: expected UTF-8 text, found the byte 0xe9",
    ),
    "a null byte": (b"path,label\n1\0.png,cat\n", "line 2: expected UTF-8 text, found the byte 0x00"),
    "half a character": (b"\xff\xfep", "line 1: expected UTF-8 text"),
    "an endless value": ("path,label\n" + "x" * 200_000 + ",cat\n", r"line 2: .*over 131,072 letters long"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_table_is_named_with_its_line(tmp_path, name):
    content, words = REFUSED[name]
    path = saved(tmp_path, "m.csv", content)
    with pytest.raises(GlassnetError, match=words) as caught:
        rows(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < len(str(path)) + 200


@pytest.mark.parametrize("line", ['{"path": ', "[1, 2]", "3", "[" * 100_000, '"' + "x" * 500 + '"'])
def test_a_line_that_is_no_json_object_is_named(tmp_path, line):
    path = saved(tmp_path, "m.jsonl", '{"path": "1.png", "label": "cat"}\n' + line + "\n")
    with pytest.raises(GlassnetError, match="line 2: expected one JSON object, found ") as caught:
        read_table(path)
    assert len(str(caught.value)) < len(str(path)) + 200


def test_values_that_a_json_line_leaves_out_are_missed(tmp_path):
    path = saved(tmp_path, "m.jsonl", '{"path": "1.png", "label": 0}\n\n{"path": "2.png"}\n')
    with pytest.raises(GlassnetError, match="line 3: expected a label, found nothing"):
        rows(path)


def test_a_parquet_file_that_is_none_says_so_in_one_line(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(GlassnetError, match=r"expected a Parquet file, found .*\. Check the file\.$"):
        read_table(saved(tmp_path, "m.parquet", "no"))


def test_pictures_inside_a_parquet_file_are_not_taken_for_paths(tmp_path):
    path = parquet(tmp_path, "m.parquet", image=[{"bytes": b"x" * 9999, "path": "1.png"}], label=["cat"])
    with pytest.raises(GlassnetError, match="expected a column path, found the columns label"):
        rows(path)


def test_a_table_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(GlassnetError, match="can't be read: No such file or directory"):
        read_table(tmp_path / "gone.csv")


WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_any_names_and_labels_come_back_from_a_quoted_table(tmp_path_factory, pairs, separator):
    quoted = [
        separator.join('"' + word.replace('"', '""') + '"' for word in pair) for pair in [("path", "label"), *pairs]
    ]
    path = saved(tmp_path_factory.getbasetemp(), "any.csv", "\n".join(quoted))
    expected = [(name.strip().replace("\\", "/"), label.strip()) for name, label in pairs]
    assert rows(path) == expected


def test_a_folder_is_read_by_its_manifest_and_by_no_other_table(tmp_path):
    saved(tmp_path, "a.csv", "x\n")
    saved(tmp_path, "b.csv", "x\n")
    with pytest.raises(GlassnetError, match=r"several tables: a\.csv, b\.csv"):
        kinds.find(tmp_path)
    saved(tmp_path, "labels.csv", "path,label\nnone.png,cat\n")
    with pytest.raises(GlassnetError, match=r"found none among 1 file \(none.png can't be read: No such file"):
        kinds.find(tmp_path)


def test_files_that_none_can_be_read_of_are_blamed_on_their_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "m.csv", "path,label\na.png,a\nb.png,b\n")
    with pytest.raises(GlassnetError, match=r"^m\.csv: expected readable pictures, found none among 2 files"):
        kinds.find("m.csv")
