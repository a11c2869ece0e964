"""Shards: tars as WebDataset has them give what a folder gives, bit for bit; what is damaged or hostile is named."""

import io
import json
import os
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

import glassnet as gn
from glassnet.config import Reading
from glassnet.data import kinds
from glassnet.data.dataset import TRAIN
from glassnet.data.decoding import Reader
from glassnet.data.kind import Unreadable
from glassnet.data.kinds import list_files
from glassnet.data.loader import Loader, learn_normalisation
from glassnet.data.packing import pack
from glassnet.data.places import in_tar
from glassnet.data.split import split
from glassnet.data.stored import PackedNames
from glassnet.data.tar import walk
from glassnet.doors.plan import fingerprint
from glassnet.steps import finish

MB = 1_000_000


def png(k, i, size=(7, 6)):
    """A picture that no other is like: noise, with a bright stripe that tells its class."""
    pixels = np.random.default_rng([k, i]).integers(0, 120, (size[1], size[0]), np.uint8)
    pixels[2 * k + 1] = 250
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def folder(root, each=12, sides=("",)):
    """Class folders, below folders of the splits if there are any."""
    for s, side in enumerate(sides):
        for k, label in enumerate(("cat", "dog")):
            (root / side / label).mkdir(parents=True)
            for i in range(each):
                (root / side / label / f"{i}.png").write_bytes(png(k, i + 100 * s))
    return root


def tar(path, members, **what):
    """A tar of {name: bytes}, in that order. what: attributes of every header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in what.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def labelled(count=8, suffix=".cls", label=lambda k: str(k).encode()):
    members = {}
    for i in range(count):
        members |= {f"{i:03}{suffix}": label(i % 2), f"{i:03}.png": png(i % 2, i)}
    return members


def reasons(dataset):
    return {one.name: one.reason for one in dataset.skipped}


def first_epoch(dataset, seed=3):
    """Every batch of the first epoch of a training."""
    sides = split(dataset, seed)
    rows = sides.rows(TRAIN)
    loader = Loader(dataset, rows, learn_normalisation(dataset, rows), 8, torch.device("cpu"), None, seed)
    return [(batch.x, batch.y, batch.rows) for batch in loader.shuffled(0)], fingerprint(dataset, sides)


def same_epoch(one, other):
    (batches, mark), (others, other_mark) = first_epoch(one), first_epoch(other)
    assert len(batches) == len(others) > 1 and mark == other_mark
    for (x, y, rows), (x2, y2, rows2) in zip(batches, others, strict=True):
        assert torch.equal(x, x2) and torch.equal(y, y2) and (rows == rows2).all()


def repacked(source, out, random):
    """The samples of some tars in other tars, in any order, with labels behind pictures; classes.txt as it was."""
    samples = {}
    for path in sorted(source.glob("*.tar")):
        with tarfile.open(path) as archive:
            for info in archive:
                word, key = path.name.split("-")[0], os.path.splitext(info.name)[0]
                samples.setdefault((word, key), {})[info.name] = archive.extractfile(info).read()
    order = [list(samples)[i] for i in random.permutation(len(samples))]
    shards = {}
    for n, (word, key) in enumerate(order):
        members = shards.setdefault(f"{word}-{n % 3}.tar", {})
        members.update(sorted(samples[word, key].items(), reverse=True))
    for name, members in shards.items():
        tar(out / name, members)
    (out / "classes.txt").write_bytes((source / "classes.txt").read_bytes())
    return out


@pytest.mark.parametrize("sides", [("",), ("train", "valid", "test")])
def test_shards_give_the_first_epoch_of_the_folder_that_they_were_made_from(tmp_path, sides):
    made = folder(tmp_path / "data", sides=sides)
    packed = finish(pack(list_files(made, Reading()), tmp_path / "shards", 20_000))
    assert len(packed.shards) > len(sides), "several a split"
    assert sum(packed.examples.values()) == 24 * len(sides) and set(packed.examples) == {
        side or "data" for side in sides
    }
    whole, shards = gn.read(made), gn.read(tmp_path / "shards")
    same_epoch(whole, shards)
    shuffled = gn.read(repacked(tmp_path / "shards", tmp_path / "shuffled", np.random.default_rng(0)))
    same_epoch(whole, shuffled)
    assert shards.classes == whole.classes == shuffled.classes
    assert (shards.samples.split == whole.samples.split).all() and set(shards.samples.split) == set(whole.samples.split)
    assert [name.split(".tar/")[1] for name in shards.samples.names] == [
        "/".join(name.split("/")[-2:]) for name in whole.samples.names
    ]


def test_a_training_on_shards_ends_in_the_weights_of_the_folders(tmp_path):
    made = folder(tmp_path / "data")
    finish(pack(list_files(made, Reading()), tmp_path / "shards", 20_000))
    one, other = (gn.train(data, epochs=2, threads=1) for data in (made, tmp_path / "shards"))
    for name, tensor in one.net.state_dict().items():
        assert torch.equal(tensor, other.net.state_dict()[name]), name
    assert one.card.data["fingerprint"] == other.card.data["fingerprint"]


def test_class_folders_in_a_tar_are_read_as_the_folder_is(tmp_path):
    made = folder(tmp_path / "pets", sides=("train", "test"))
    with tarfile.open(tmp_path / "pets.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(made, "pets")  # in whatever order the disk has it
    same_epoch(gn.read(made), gn.read(tmp_path / "pets.tar"))


def test_processes_that_decode_shards_change_nothing(tmp_path, monkeypatch):
    from glassnet.data import decoding

    made = folder(tmp_path / "data")
    finish(pack(list_files(made, Reading()), tmp_path / "shards", 20_000))
    alone = gn.read(tmp_path / "shards")
    monkeypatch.setattr(decoding, "WORTH_WORKERS_S", 0.0)
    monkeypatch.setattr(decoding, "CHUNK", 3)
    monkeypatch.setattr(decoding, "_cores", lambda: 2)
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "other"))
    helped = gn.read(tmp_path / "shards")
    assert (helped.samples.digest == alone.samples.digest).all() and (helped.samples.x == alone.samples.x).all()


def test_the_same_files_give_the_same_bytes_and_a_limit_holds(tmp_path):
    made = folder(tmp_path / "data")
    for name in ("one", "two"):
        finish(pack(list_files(made, Reading()), tmp_path / name, 20_000))
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first][:2] == ["classes.txt", "data-000000.tar"]
    with tarfile.open(first[1]) as archive:
        assert {(info.mtime, info.uid, info.mode) for info in archive} == {(0, 0, 0o644)}
        assert archive.getnames()[:4] == ["cat/0.cls", "cat/0.png", "cat/1.cls", "cat/1.png"]
        assert archive.extractfile("cat/0.cls").read() == b"0"
    for path in first[1:]:
        assert path.stat().st_size <= 20_000 + tarfile.RECORDSIZE, "tars are padded to records of 10,240 bytes"


def test_dots_in_names_and_files_that_share_a_stem_stay_apart(tmp_path):
    made = folder(tmp_path / "data", each=4)
    for name in ("a.1.png", "a.2.png", "a-1.png", "b.jpg", "b.png"):
        (made / "cat" / name).write_bytes(png(0, len(name) + ord(name[2])))
    Image.new("L", (7, 6), 9).save(made / "cat" / "b.jpg")
    finish(pack(list_files(made, Reading()), tmp_path / "shards", MB))
    names = [name.split(".tar/")[1] for name in gn.read(tmp_path / "shards").samples.names]
    assert sorted(names)[4:9] == ["cat/a-1-2.png", "cat/a-1.png", "cat/a-2.png", "cat/b-2.png", "cat/b.jpg"]
    assert len(names) == 13


@pytest.mark.parametrize(
    ("suffix", "label", "classes"),
    [
        (".cls", lambda k: str(k).encode(), ("0", "1")),
        (".cls", lambda k: b"cat\n" if k else b"dog", ("cat", "dog")),
        (".json", lambda k: json.dumps({"label": k, "width": 7}).encode(), ("0", "1")),
        (".json", lambda k: json.dumps({"class": ["dog", "cat"][k]}).encode(), ("cat", "dog")),
    ],
)
def test_labels_are_read_in_each_form(tmp_path, suffix, label, classes):
    dataset = gn.read(tar(tmp_path / "some.tar", labelled(8, suffix, label)))
    assert dataset.classes == classes and len(dataset) == 8 and not dataset.skipped
    found = [dataset.classes[k] for k in dataset.samples.y]
    wanted = {"0": "dog", "1": "cat"}
    assert found == [classes[i % 2] if classes == ("0", "1") else wanted[str(i % 2)] for i in range(8)]
    assert dataset.samples.names[0] == "some.tar/000.png" and dataset.file(0) is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "dog\ncat\n\n"),
        ("classes.json", '["dog", "cat"]'),
        ("classes.json", '{"0": "dog", "1": "cat"}'),
        ("classes.json", '{"cat": 1, "dog": 0}'),
    ],
)
def test_numbered_classes_are_named_by_a_file_beside_the_shards(tmp_path, file, text):
    tar(tmp_path / "some.tar", labelled(8) | {"900.png": png(0, 900), "900.cls": b"2"})
    (tmp_path / file).write_text(text)
    dataset = gn.read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert [dataset.classes[k] for k in dataset.samples.y] == ["dog", "cat"] * 4
    assert reasons(dataset) == {"some.tar/900.png": "has the label 2, but 2 classes are named"}


@pytest.mark.parametrize("text", ["dog\n\ncat", "dog\ndog", "\n"])
def test_a_file_of_classes_that_names_one_twice_or_none_is_refused(tmp_path, text):
    tar(tmp_path / "some.tar", labelled())
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(gn.GlassnetError, match="expected a different name for each class"):
        gn.read(tmp_path)


def test_a_shard_changed_is_noticed_and_one_unchanged_is_not_read_again(tmp_path, monkeypatch):
    path = tar(tmp_path / "some.tar", labelled(8))
    assert len(gn.read(path)) == 8
    from glassnet.data import headers

    with monkeypatch.context() as still:
        still.setattr(headers, "walk", None)
        assert len(gn.read(path)) == 8
    tar(path, labelled(10))
    assert len(gn.read(path)) == 10


def test_splits_are_told_by_the_shards_names_or_their_folders(tmp_path):
    tar(tmp_path / "train-000.tar", labelled(4))
    tar(tmp_path / "imagenet-val-000.tar", {f"v{name}": data for name, data in labelled(4).items()})
    tar(tmp_path / "test" / "000.tar", {f"t{name}": data for name, data in labelled(4).items()})
    dataset = gn.read(tmp_path)
    sides = {
        name.split(".tar/")[0]: int(side)
        for name, side in zip(dataset.samples.names, dataset.samples.split, strict=True)
    }
    assert sides == {"train-000": 0, "imagenet-val-000": 1, "test/000": 2}


def test_samples_without_a_label_and_with_two_pictures_are_named(tmp_path):
    members = labelled(8) | {"lone.png": png(0, 50), "two.png": png(0, 51), "two.bmp": png(0, 52), "two.cls": b"1"}
    dataset = gn.read(tar(tmp_path / "some.tar", members | {"notes.md": b"about"}))
    assert len(dataset) == 8 and dataset.ignored == {".md": 1}
    assert reasons(dataset) == {
        "some.tar/lone.png": "has no label beside it: a .cls, or a .json with label",
        "some.tar/two.png": "is one of several with the same name beside one label",
        "some.tar/two.bmp": "is one of several with the same name beside one label",
    }


def test_labels_that_lie_far_from_their_pictures_are_found(tmp_path):
    members = labelled(8)
    apart = {name: data for name, data in members.items() if name.endswith("png")} | members
    dataset = gn.read(tar(tmp_path / "some.tar", apart))
    assert dataset.samples.y.tolist() == [0, 1] * 4 and not dataset.skipped


def test_captions_beside_pictures_are_not_what_is_learnt_from(tmp_path):
    members = {}
    for name, data in labelled(8).items():
        members |= {name: data} | ({name.replace("png", "txt"): b"some words"} if name.endswith("png") else {})
    dataset = gn.read(tar(tmp_path / "some.tar", members))
    assert dataset.kind == "pictures" and len(dataset) == 8 and dataset.ignored == {".txt": 8}


def test_series_and_sentences_are_read_from_shards_too(tmp_path):
    random, series, texts = np.random.default_rng(0), {}, {}
    for i in range(8):
        data = io.BytesIO()
        np.save(data, random.normal(size=(2, 40)).astype(np.float32))
        series |= {f"{i}.npy": data.getvalue(), f"{i}.cls": str(i % 2).encode()}
        texts |= {f"{i}.txt": f"word number {i}".encode(), f"{i}.cls": str(i % 2).encode()}
    assert gn.read(tar(tmp_path / "series.tar", series)).kind == "series"
    found = gn.read(tar(tmp_path / "texts.tar", texts))
    assert found.kind == "sentences" and len(found) == 8 and found.samples.names[7] == "word number 7"


def test_a_shard_cut_inside_a_member_is_read_as_far_as_it_is_whole_and_counted(tmp_path):
    path = tar(tmp_path / "some.tar", labelled(8))
    with tarfile.open(path) as archive:
        last = archive.getmember("006.png")
    os.truncate(path, last.offset_data + 20)
    dataset = gn.read(path)
    assert len(dataset) == 6
    assert reasons(dataset) == {
        "some.tar/006.png": f"is cut short: its tar ends after 20 of its {last.size} bytes",
        "some.tar": "is cut short: it has no end mark, and what may have followed is lost",
    }


def test_a_shard_cut_between_two_members_is_counted_too(tmp_path):
    path = tar(tmp_path / "some.tar", labelled(8))
    with tarfile.open(path) as archive:
        os.truncate(path, archive.getmember("006.cls").offset)
    dataset = gn.read(path)
    assert len(dataset) == 6 and list(reasons(dataset)) == ["some.tar"]


def test_a_damaged_header_costs_its_member_and_no_other(tmp_path):
    path = tar(tmp_path / "some.tar", labelled(8))
    with tarfile.open(path) as archive:
        at, after = archive.getmember("004.png").offset, archive.getmember("005.cls").offset
    content = bytearray(path.read_bytes())
    content[at + 3] ^= 1
    path.write_bytes(content)
    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) == 9, "the first damaged header is the end for others"
    dataset = gn.read(path)
    assert len(dataset) == 7
    assert reasons(dataset) == {"some.tar": f"is damaged at byte {at:,}: read on from byte {after:,}"}


def test_a_damaged_picture_is_named_with_its_shard(tmp_path):
    members = labelled(40) | {"005.png": png(1, 5)[:60]}
    assert reasons(gn.read(tar(tmp_path / "some.tar", members))) == {
        "some.tar/005.png": "is cut short: the picture ends before its last row"
    }


def test_what_is_behind_zeros_in_joined_tars_is_read(tmp_path):
    one, two = (tar(tmp_path / name, labelled(8)).read_bytes() for name in ("one.tar", "two.tar"))
    (tmp_path / "one.tar").unlink()
    (tmp_path / "two.tar").write_bytes(one + two.replace(b"00", b"00"))
    assert [member.reason for member in walk(tmp_path / "two.tar")] == [""] * 32


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_is_walked_as_tarfile_walks_it(tmp_path, form):
    names = ["a.png", "deep/" * 18 + "b.png", "d\u00e9j\u00e0/\u732b.png", "x/" + "y" * 90 + ".png"]
    names += [] if form == tarfile.USTAR_FORMAT else ["long/" + "z" * 240 + ".png"]
    with tarfile.open(tmp_path / "a.tar", "w", format=form, encoding="utf-8") as archive:
        for i, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = 100 * i
            archive.addfile(info, io.BytesIO(bytes(100 * i)))
    with tarfile.open(tmp_path / "a.tar", encoding="utf-8") as archive:
        wanted = [(info.name, info.offset_data, info.size) for info in archive]
    assert [(member.name, member.start, member.size) for member in walk(tmp_path / "a.tar")] == wanted
    assert [name for name, _, _ in wanted] == names


@pytest.mark.parametrize("name", ["/etc/1.png", "../1.png", "cat/../../1.png", "."])
def test_names_that_lead_out_of_the_tar_are_skipped_and_counted(tmp_path, name):
    dataset = gn.read(tar(tmp_path / "some.tar", labelled(8) | {name: b"x"}))
    assert len(dataset) == 8
    assert list(reasons(dataset).values()) == ["has a path that leads out of its tar"]


@pytest.mark.parametrize(
    ("sort", "words"),
    [
        (tarfile.SYMTYPE, "is a link"), (tarfile.LNKTYPE, "is a link"), (tarfile.CHRTYPE, "is a device"),
        (tarfile.FIFOTYPE, "is a pipe"), (tarfile.GNUTYPE_SPARSE, "is a file with holes"), (b"Z", "is of a sort"),
    ],
)  # fmt: skip
def test_what_is_no_ordinary_file_is_skipped_counted_and_never_followed(tmp_path, sort, words):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(0, 77))
    with tarfile.open(tmp_path / "some.tar", "w") as archive:
        for name, data in (*labelled(4).items(), ("link.png", None), ("900.png", png(0, 9)), ("900.cls", b"0")):
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            if data is None:
                info.type, info.linkname = sort, str(secret)
            archive.addfile(info, io.BytesIO(data or b""))
    dataset = gn.read(tmp_path / "some.tar")
    assert len(dataset) == 5
    assert next(iter(reasons(dataset).values())).startswith(words) and len(dataset.skipped) == 1


def test_members_over_the_limit_and_headers_that_lie_about_their_size_take_no_memory(tmp_path):
    path = tar(tmp_path / "some.tar", labelled(8))
    info = tarfile.TarInfo("huge.png")
    info.size = 300 * MB
    with open(path, "r+b") as file:
        file.seek(-tarfile.RECORDSIZE // 2, os.SEEK_END)
        file.write(info.tobuf())
        file.truncate(file.tell() + 300 * MB + 256)  # a whole number of blocks
        file.seek(0, os.SEEK_END)
        info.name, info.size = "huger.png", 8**11 - 1
        file.write(info.tobuf())
    members = {member.name: member for member in walk(path)}
    assert members["huge.png"].size == 300 * MB and members["huger.png"].reason.startswith("is cut short: its tar ends")
    with pytest.raises(Unreadable, match="is 300 MB long, over the limit of 256 MB"):
        Reader(tmp_path).read(("some.tar", members["huge.png"].start, 300 * MB))


def test_no_bytes_bring_the_reader_of_tars_down(tmp_path):
    random = np.random.default_rng(0)
    whole = tar(tmp_path / "some.tar", {"deep/" * 30 + name: data for name, data in labelled(4).items()}).read_bytes()
    for i in range(120):
        data = bytearray(whole[: random.integers(1, len(whole))] if i % 3 == 0 else whole)
        for at in random.integers(0, len(data), 30):
            data[at] = random.integers(0, 256)
        (tmp_path / "some.tar").write_bytes(data)
        found = list(walk(tmp_path / "some.tar"))
        assert all(one.reason or one.start + one.size <= len(data) for one in found)


MISTAKES = {
    "empty": (lambda root: tar(root / "a.tar", {}), "found none. Check the tar"),
    "text": (lambda root: (root / "a.tar").write_text("words"), r"found none \(a.tar is no tar file\)"),
    "long text": (lambda root: (root / "a.tar").write_text("words" * 500), r"found none \(a.tar is no tar file\)"),
    "nothing": (lambda root: (root / "a.tar").write_text(""), r"found none \(a.tar is empty\)"),
    "packed": (lambda root: (root / "a.tar.gz").write_text("words"), "found a.tar.gz, packed"),
    "packed inside": (lambda root: (root / "a.tar").write_bytes(b"\x1f\x8b" * 600), "is compressed: unpack it"),
    "no labels": (lambda root: tar(root / "a.tar", {"1.png": png(0, 1)}), "found 1 example without one"),
    "only labels": (lambda root: tar(root / "a.tar", {"1.cls": b"1"}), "found none. Check the tar"),
    "of no kind": (lambda root: tar(root / "a.tar", {"1.md": b"1"}), "found none, but members with the suffix .md"),
    "labels of others": (
        lambda root: tar(root / "a.tar", {"1.png": png(0, 1), "2.cls": b"1"}),
        "1.png has no label beside it",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_tars_that_hold_nothing_to_learn_from_are_refused_in_a_line(tmp_path, what):
    make, words = MISTAKES[what]
    make(tmp_path)
    with pytest.raises(gn.GlassnetError, match=words):
        kinds.find(tmp_path)


def test_a_folder_of_class_folders_beside_its_tar_is_read_as_before(tmp_path):
    made = folder(tmp_path / "data", each=4)
    tar(made / "data.tar", labelled(8))
    dataset = gn.read(made)
    assert dataset.samples.names[0] == "cat/0.png" and dataset.ignored == {".tar": 1}


def test_names_of_members_take_their_place_in_a_path(tmp_path):
    path = tar(tmp_path / "a.tar", labelled(2))
    assert in_tar(f"{path}/cat/1.png") == (str(path), "cat/1.png")
    assert in_tar(str(path)) is None and in_tar("nowhere.tar/1.png") is None


def test_packed_names_are_what_was_packed():
    text, spans = "a.pngcat/\u00fc.png".encode(), np.array([[0, 0, 0], [1, 0, 0]])
    names = PackedNames(np.frombuffer(text, np.uint8), np.array([5, len(text)]), spans, ("x.tar", "y.tar"))
    assert list(names) == ["x.tar/a.png", "y.tar/cat/\u00fc.png"] and names[-1] == "y.tar/cat/\u00fc.png"


def test_the_commands_take_shards_and_name_their_members(tmp_path, glassnet):
    folder(tmp_path / "data", each=20)
    made = glassnet("make", "shards", "data", "shards", "--json")
    assert made.code == 0 and json.loads(made.out) == {
        "path": "shards", "shards": ["data-000000.tar"], "examples": {"data": 40}, "skipped": [],
    }  # fmt: skip
    assert glassnet("make", "shards", "data", "shards").code == 2, "never written over"
    trained = glassnet("train", "shards", "--out", "model", "--epochs", "3", "--threads", "1", "--json")
    assert trained.code == 0 and json.loads(trained.out)["examples"] == {"train": 32, "val": 4, "test": 4, "skipped": 0}
    answers = glassnet("predict", "model", "shards/data-000000.tar", "shards/data-000000.tar/dog/7.png", "--json")
    said = [json.loads(line) for line in answers.out.splitlines()]
    assert answers.code == 0 and len(said) == 41 and said[0]["input"] == "shards/data-000000.tar/cat/0.png"
    assert said[40] == next(one for one in said if one["input"].endswith("dog/7.png"))
    missing = glassnet("explain", "model", "shards/data-000000.tar/dog/99.png")
    assert missing.code == 2 and "dog/99.png: is not there" in missing.err and "Traceback" not in missing.err
    judged = glassnet("evaluate", "model", "shards", "--json")
    assert judged.code == 0 and json.loads(judged.out)["examples"] == 4, "those that it did not learn from"
