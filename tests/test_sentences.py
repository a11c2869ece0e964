"""Sentences: words of the training examples alone, looked up by the net, explained word by word."""

import html
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import glassnet as gn
from glassnet.config import Training
from glassnet.data import kinds, sentences
from glassnet.data.contact_sheet import contact_sheet
from glassnet.data.dataset import TRAIN, Preparation
from glassnet.data.kind import Unreadable
from glassnet.data.split import split
from glassnet.doors import plan as plans
from glassnet.doors import starting
from glassnet.doors.plan import read_plan
from glassnet.doors.run import Stop, run
from glassnet.errors import Interrupted
from glassnet.explaining.arithmetic import arithmetic
from glassnet.explaining.explanation import Explanation
from glassnet.explaining.explanation import explain as explain_net
from glassnet.explaining.scene import Scene
from glassnet.explaining.trace import trace
from glassnet.nets import vectors
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import measure, parse
from glassnet.training import evidence
from glassnet.training.progress import Progress

GOOD, BAD = ("a fine warm film", "truly moving", "i loved it"), ("a dull cold film", "truly boring", "i hated it")
FILLER = ("the plot", "some actors", "last night", "in the end", "it runs two hours", "with music")


def reviews(path, rows=240, extra=()):
    """A CSV of texts whose class three phrases tell."""
    random = np.random.default_rng(0)
    lines = ["text,label"]
    for i in range(rows):
        parts = [*random.choice(FILLER, 2), random.choice((GOOD, BAD)[i % 2])]
        random.shuffle(parts)
        lines.append(f'"{", ".join(parts)} . number{i}",{("good", "bad")[i % 2]}')
    path.write_text("\n".join([*lines, *extra]) + "\n", "utf-8")
    return path


SAID = ("not", "a", "very", "good", "film", "at", "all")


def explained(net="embed 6, phrases 4 2-3, relu, max, fc") -> Explanation:
    """Why an untrained net answers a sentence of seven words and two empty places as it does."""
    torch.manual_seed(1)
    preparation = Preparation((9, 9), {"words": "\n".join(["", "\ufffd", *SAID]), "floats": 1})
    x = np.array([[2, 3, 4, 5, 6, 7, 8, 0, 0]], np.float32)
    scene = Scene(sentences.picture(x, preparation), sentences.axes(preparation, x), noun="sentence", spelt=True)
    asked = torch.tensor(x[None])
    return explain_net(ConvNet(parse(net), (9, 9), 2).eval(), ("good", "bad"), x, asked, "typed", scene=scene)


def test_a_vote_names_the_phrase_that_its_value_was_made_of():
    why = explained()
    phrases, embed = why.net.get_submodule("phrases1"), why.net.get_submodule("embed1").weight
    named = 0
    for f, value in enumerate(why.votes.values):
        found = why.made_of(f)
        if value == 0:
            assert found == ()
            continue
        words = found[0].strip("\u201c\u201d").split()
        said = [SAID.index(word) for word in words]
        assert said == list(range(said[0], said[0] + len(said)))
        size = 2 + f // 4
        assert len(words) == size or said[-1] == 6 or said[0] == 0  # fewer only where it reaches past an end
        kernel = phrases.weight[f][:, phrases.mask[f, 0] > 0]  # (6, size)
        looked_up = embed[[i + 2 for i in said]].T  # (6, words)
        late = size - len(words) if said[0] == 0 else 0
        total = (looked_up * kernel[:, late : late + len(words)]).sum() + phrases.bias[f]
        assert total.item() == pytest.approx(value, abs=1e-5)
        named += 1
        assert why.where(f) == f"feature {f + 1}, {found[0]}"
    assert named >= 4
    votes = why.as_json()["votes"]["good"]["values"]
    assert {one["at"][0]: tuple(one["made_of"]) for one in votes} == {f: why.made_of(f) for f in range(8)}


def test_texts_become_words_and_marks():
    assert sentences.tokens("It's GOOD, isn't it?") == ["it's", "good", ",", "isn't", "it", "?"]
    assert sentences.tokens("na\u00efve \u2014 caf\u00e9s 42") == ["na\u00efve", "\u2014", "caf\u00e9s", "42"]


def test_a_table_of_texts_is_read_as_sentences(tmp_path):
    dataset = gn.read(reviews(tmp_path / "r.csv"))
    assert dataset.kind == "sentences" and dataset.classes == ("bad", "good") and len(dataset) == 240
    assert dataset.samples.x.shape == (240, 1, dataset.shape[1])
    first = [word for word in sentences.spelt(dataset.samples.x[0], dataset.preparation) if word]
    assert first == sentences.tokens(dataset.samples.names[0])


def test_the_words_are_those_of_the_training_examples_alone(tmp_path):
    dataset = gn.read(reviews(tmp_path / "r.csv"))
    rows = split(dataset, 0).rows(TRAIN)
    fitted = starting.fitted(dataset, 0)
    known = set(str(fitted.preparation.settings["words"]).split("\n")) - {"", "\ufffd"}
    assert known == {word for row in rows for word in sentences.tokens(dataset.samples.names[int(row)])}
    other = next(i for i in range(240) if i not in rows)
    words = sentences.spelt(fitted.samples.x[other], fitted.preparation)
    assert "\u2026" in words and f"number{other}" not in words
    assert plans.fingerprint(fitted, split(fitted, 0)) == plans.fingerprint(dataset, split(dataset, 0))


def test_class_folders_of_text_files_are_sentences_too(tmp_path):
    for k, label in enumerate(("good", "bad")):
        (tmp_path / "d" / label).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "d" / label / f"{i}.txt").write_text(f"{(GOOD, BAD)[k][i % 3]} {i}")
    (tmp_path / "d" / "good" / "12.txt").write_bytes(b"caf\xe9")
    dataset = gn.read(tmp_path / "d")
    assert dataset.kind == "sentences" and len(dataset) == 24
    assert [(one.name, one.reason) for one in dataset.skipped] == [("good/12.txt", "is no UTF-8 text: the byte 0xe9")]


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (['"",good'], "line 242: expected a text, found no words"),
        (["--- !,good", '"   ",bad'], "line 243: expected a text, found no words"),
        (["hello,"], "line 242: expected a label, found no words"),
    ],
)
def test_a_row_without_words_or_class_is_named(tmp_path, extra, why):
    with pytest.raises(gn.GlassnetError, match=why):
        gn.read(reviews(tmp_path / "r.csv", extra=extra))


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "is empty"), (b"\xff\xfe1", "is no UTF-8"), (b"\0a", "holds no words")]
)
def test_what_is_no_text_says_why(data, why):
    with pytest.raises(Unreadable, match=why):
        sentences.decode(data, Preparation((4, 8), {"words": "\n\ufffd\na\nb"}))


def test_looking_up_equals_one_hot_words_times_a_dense_layer():
    net = ConvNet(parse("embed 5, max, fc"), (9, 7), 2).eval()
    x = torch.tensor([[[3.0, 8, 1, 0, 2, 0, 0]]])
    weight = net.get_submodule("embed1").weight
    one_hot = torch.nn.functional.one_hot(x[0, 0].long(), 9).float()
    one_hot[:, 0] = 0  # nothing is no word
    assert torch.allclose(net.get_submodule("embed1")(x)[0], (one_hot @ weight).T)


def test_phrases_equal_convolutions_of_their_own_lengths():
    net = ConvNet(parse("embed 6, phrases 4 2-5, relu, max, fc"), (9, 12), 2, seed=1).eval()
    x = torch.randint(1, 9, (3, 1, 12), generator=torch.Generator().manual_seed(0)).float()
    steps = trace(net, x[:1])
    found, given = steps[1].output, steps[0].output
    layer = net.get_submodule("phrases1")
    for i, size in enumerate((2, 3, 4, 5)):
        start = (5 - size) // 2
        kernel = layer.weight[i * 4 : (i + 1) * 4, :, start : start + size]
        padded = torch.nn.functional.pad(given, (2 - start, 2 - (5 - size - start)))
        own = torch.nn.functional.conv1d(padded, kernel, layer.bias[i * 4 : (i + 1) * 4])
        assert torch.allclose(found[:, i * 4 : (i + 1) * 4], own, atol=1e-5)


def test_training_leaves_the_shorter_phrases_short():
    net = ConvNet(parse("embed 6, phrases 4 3-5, relu, max, fc"), (9, 12), 2, seed=1)
    optimizer = torch.optim.AdamW(net.parameters(), 0.1)
    for _ in range(3):
        x = torch.randint(0, 9, (8, 1, 12)).float()
        loss = torch.nn.functional.cross_entropy(net(x), torch.arange(8) % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    layer = net.get_submodule("phrases1")
    assert (layer.weight[layer.mask.expand_as(layer.weight) == 0] == 0).all()
    assert (layer.weight[layer.mask.expand_as(layer.weight) == 1] != 0).all()


def test_the_cost_counts_what_the_phrases_use():
    rows = measure(parse("embed 10, phrases 4 3-5, relu, max, fc"), (100, 20), 2)
    assert [row.cost.parameters for row in rows[1:]] == [1000, 4 * 10 * (3 + 4 + 5) + 12, 0, 0, 12 * 2 + 2]


def test_every_value_of_a_sentence_is_a_sum_that_is_right():
    net = ConvNet(parse("embed 6, phrases 4 3-5, relu, max, fc"), (9, 12), 2, seed=1).double().eval()
    steps = trace(net, torch.tensor([[[3.0, 8, 1, 4, 2, 5, 5, 2, 0, 0, 0, 0]]], dtype=torch.float64))
    for step in steps:
        for at in [(0,) * (step.output.dim() - 1), tuple(n - 1 for n in step.output.shape[1:])]:
            assert arithmetic(step, at).total == pytest.approx(step.output[0][at].item(), abs=1e-9)


def test_sentences_go_the_whole_way(tmp_path, glassnet):
    path = reviews(tmp_path / "r.csv")
    done = glassnet("train", path, "--out", "model", "--epochs", 12, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["kind"] == "sentences" and found["test"]["accuracy"] > 0.95
    said = glassnet("predict", "model", "-", "--json", stdin=b"last night i loved it\nit was truly boring\n")
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [one["class"] for one in answers] == ["good", "bad"]
    assert answers[0]["input"] == "last night i loved it"
    said = glassnet("predict", "model", "last night i loved it", "--json")
    assert json.loads(said.out)["class"] == "good"
    assert glassnet("explain", "model", "it was truly boring", "--out", "typed.html").code == 0
    missing = glassnet("explain", "model", "nowhere.txt")
    assert missing.code == 2 and "nowhere.txt: expected one file, found nothing there" in missing.err
    (tmp_path / "one.txt").write_text("the plot , a dull cold film")
    why = glassnet("explain", "model", "one.txt", "--out", "why.html", "--json")
    votes = json.loads(why.out)
    assert why.code == 0 and votes["class"] == "bad"
    assert any(word in votes["hangs_on"][0] for word in ("dull", "cold", "film"))
    judged = glassnet("evaluate", "model", path, "--json")
    assert judged.code == 0, judged.err
    assert glassnet("show", path).code == 0
    refused = glassnet("train", path, "--net", "conv 8 3, relu, mean, fc", "--out", "other")
    assert refused.code == 2 and "Begin with `embed 100`" in refused.err


def test_a_person_may_name_the_column_of_texts(tmp_path):
    (tmp_path / "t.csv").write_text(
        "path,note,label\n" + "".join(f"x{i},word{i % 3} there,{'ab'[i % 2]}\n" for i in range(20))
    )
    dataset = kinds.read(tmp_path / "t.csv", kinds.Reading(text="note"))
    assert dataset.kind == "sentences" and len(dataset) == 20


VECTORS = "good 1 0 0.5\nfilm 0 1 -0.5\n. . 9 9 9\nunheard 7 7 7\n"


def vectors_for(path, text, words=("", "\ufffd", "film", "good", "other", ". ."), net=sentences.NET):
    path.write_text(text, "utf-8")
    return vectors.find(str(path), words, net)


@pytest.mark.parametrize("head", ["", "4 3\n"])
def test_word_vectors_are_laid_in_and_other_words_stay_random(tmp_path, head):
    found = vectors_for(tmp_path / "v.txt", head + VECTORS)
    assert found.net.startswith("embed 3, dropout")
    net = ConvNet(parse("embed 3, max, fc"), (6, 8), 2)
    before = net.get_submodule("embed1").weight.clone()
    said = found.lay_in(net, ("a", "b"))
    after = net.get_submodule("embed1").weight
    assert after[3].tolist() == [1, 0, 0.5] and after[2].tolist() == [0, 1, -0.5] and after[5].tolist() == [9, 9, 9]
    assert torch.equal(after[[0, 1, 4]], before[[0, 1, 4]])
    assert said == f"3 words of 4 begin with the vectors of {tmp_path / 'v.txt'}; the others are random"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("good 1 2 3\nfilm 1 2\n", "line 2: expected 3 numbers behind a word, found 2"),
        ("good 1 2 x\n", "line 1: expected numbers behind a word, found 1 2 x"),
        ("good 1 2 nan\n", "line 1: expected finite numbers"),
        ("good\n", "line 1: expected a word and its numbers, found 'good'"),
        ("", "expected vectors of words that the data has, found no vectors"),
        ("elsewhere 1 2\n", "expected vectors of words that the data has, found none of them"),
        ("good " + "1 " * 5000 + "\n", "line 1: expected at most 4,096 numbers a word, found 5,000"),
    ],
)
def test_what_are_no_word_vectors_says_why(tmp_path, text, why):
    with pytest.raises(gn.GlassnetError, match=why):
        vectors_for(tmp_path / "v.txt", text)


def test_training_begins_with_word_vectors_still_or_tuned(tmp_path, glassnet):
    path = reviews(tmp_path / "r.csv", 80)
    lines = [
        f"{word} {i % 5 - 2} {i % 3 - 1} {i % 7 - 3}"
        for i, word in enumerate(["a", "the", "film", "fine", "dull", "cold", "warm"])
    ]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n")
    rest = "phrases 8 2-3, relu, max, fc"
    for begun, name in ((f"embed 3 still, {rest}", "still"), (f"embed 3, {rest}", "tuned")):
        done = glassnet("train", path, "--weights", "v.txt", "--net", begun, "--epochs", 1, "--out", name)
        assert done.code == 0, done.err
        assert "7 words of" in done.out and "begin with the vectors of v.txt" in done.out
    still, tuned = gn.load(tmp_path / "still"), gn.load(tmp_path / "tuned")
    row = str(still.card.preparation.settings["words"]).split("\n").index("film")
    assert still.net.get_submodule("embed1").weight[row].tolist() == [0, 1, -1]
    assert tuned.net.get_submodule("embed1").weight[row].tolist() != [0, 1, -1]
    wrong = glassnet("train", path, "--weights", "v.txt", "--net", f"embed 4, {rest}", "--out", "other")
    assert wrong.code == 2 and "expected 4 numbers a word, found 3. Begin the net with `embed 3`" in wrong.err


def test_sentences_that_are_cut_are_counted(tmp_path):
    long = " ".join(f"w{i}" for i in range(400))
    dataset = gn.read(reviews(tmp_path / "r.csv", 60, [f'"{long}",good']))
    assert any("longer than" in note and "1 sentence, of which the beginning counts" in note for note in dataset.notes)


def test_a_report_and_a_contact_sheet_show_sentences_as_text(tmp_path, glassnet):
    path = reviews(tmp_path / "r.csv", 120, [f'"the film was fine & <b>not</b> dull number{i}",bad' for i in range(8)])
    assert glassnet("train", path, "--epochs", 2, "--out", "model").code == 0
    page = (tmp_path / "model" / "report.html").read_text("utf-8")
    shown = re.findall(r'<p class="text" title="([^"]*)">([^<]*)</p>', page)
    assert shown and "<img" not in page
    known = str(gn.load(tmp_path / "model").card.preparation.settings["words"]).split("\n")
    for raw, words in shown:
        spelt = [word if word in known else "\u2026" for word in sentences.tokens(html.unescape(raw))]
        assert html.unescape(words) == " ".join(spelt)
    dataset = gn.read(path)
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(dataset, kinds.KINDS["sentences"]))).convert("L"), int)
    drawn = sentences.picture(dataset.samples.x[0], dataset.preparation)[0]
    k = int(dataset.samples.y[0])
    top, left = 24 + k * 72 + (64 - min(64, len(drawn))) // 2, 24 + 140
    assert (np.abs(sheet[top : top + min(64, len(drawn)), left : left + 320] - drawn[:64]) <= 2).all()


def test_words_are_weighed_by_their_log_count_ratio():
    embed = ConvNet(parse("embed 2, max, fc"), (5, 3), 2).get_submodule("embed1")
    x = np.array([[[2, 2, 3]], [[2, 3, 0]], [[3, 4, 0]], [[4, 4, 4]]], np.float32)
    evidence.weigh_words(embed, x, np.array([0, 0, 1, 0]), np.arange(3))  # the last is no training example
    own, other = np.array([2, 1, 3, 3, 1.0]), np.array([2, 1, 1, 2, 2.0])  # examples with the word, and one
    ratio = np.abs(np.log(own / own.sum()) - np.log(other / other.sum()))
    assert embed.ratio[:, 0].tolist() == pytest.approx(ratio.tolist(), rel=1e-6)
    found = embed(torch.tensor(x))
    assert torch.allclose(found[0, :, 2], embed.weight[3] * embed.ratio[3])
    assert not found[1, :, 2].any(), "no word has no features"


def test_a_word_that_only_one_class_of_three_knows_counts_for_it():
    embed = ConvNet(parse("embed 2, max, fc"), (4, 2), 3).get_submodule("embed1")
    x = np.array([[[2, 3]], [[2, 0]], [[2, 0]]] * 10, np.float32)
    evidence.weigh_words(embed, x, np.array([0, 1, 2] * 10), np.arange(30))
    assert embed.ratio[3] > 2 * embed.ratio[2]


def test_a_training_of_sentences_taken_up_again_ends_the_same(tmp_path):
    dataset, settings = gn.read(reviews(tmp_path / "r.csv", 200)), Training(epochs=3, threads=1)
    whole = list(run(dataset, settings))[-1].outcome.net.state_dict()
    out = tmp_path / "m"
    steps = run(dataset, settings, out)
    next(event for event in steps if isinstance(event, Progress) and event.epoch == 2)
    with pytest.raises(Interrupted):
        steps.throw(Stop(2))
    again = list(run(dataset, settings, out, stored=read_plan(out)))[-1].outcome.net.state_dict()
    assert again["embed1.ratio"].std() > 0
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_vote_that_is_a_mean_names_the_phrase_that_it_comes_from_most():
    why = explained("embed 6, phrases 4 2-3, relu, mean, fc")
    maps = why.step("relu1")
    for f, row in enumerate(why.steps[maps].output[0].numpy()):
        if not row.any():
            assert why.made_of(f) == ()
            continue
        low, high = ((-1, 0), (-1, 1))[f // 4]  # phrases of two words reach one to the left, of three to either side
        at, span = int(row.argmax()), range(int(row.argmax()) + low, int(row.argmax()) + high + 1)
        words = " ".join(SAID[i] for i in span if 0 <= i < len(SAID))
        assert why.made_of(f) == (f"\u201c{words}\u201d",), (f, at)
