"""Ask in a real browser: files dropped and chosen, a sentence typed, what can't be read; by what is on the page."""

import json
import re
from pathlib import Path

import lab_models as models
import numpy as np
import pytest
from browsing import IN_BROWSER, keep, says, serious
from lab import running

pytestmark = IN_BROWSER
DIGIT = models.digit(3)
HOSTILE = "<img src=x onerror=document.title='caught'>.png"


@pytest.fixture(scope="module")
def lab(every_kind):
    with running(every_kind, every_kind / "models" / "digits") as one:
        yield one


@pytest.fixture(autouse=True)
def _some_files_are_refused(visit):
    visit.may_be_refused = True


def file(name, data):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def choose(tab, *files):
    tab.set_input_files("input[type=file]", [file(*one) for one in files])


def drop(tab, name, data):
    """Drops a file anywhere on the page, as a person does with the mouse."""
    drag = tab.evaluate_handle(
        """([name, bytes]) => {
          const given = new DataTransfer();
          given.items.add(new File([new Uint8Array(bytes)], name));
          return given;
        }""",
        [name, list(data)],
    )
    tab.dispatch_event(".drop", "dragover", {"dataTransfer": drag})
    tab.dispatch_event(".drop", "drop", {"dataTransfer": drag})


def figures(tab, which=".spoke"):
    """The votes that a table lists, the rest, and their sum."""
    cells = tab.locator(which).last.locator("tbody tr td:last-child").all_text_contents()
    return [float(one.replace("−", "-")) for one in cells]


def test_a_dropped_digit_is_answered_with_reasons_that_add_up(visit):
    tab = visit("/ask")
    says(tab, "Ask it about something")
    drop(tab, "three.png", DIGIT)
    says(tab, "That is a 3")
    tab.wait_for_selector(".lead:has-text('It hangs most on rows')")
    assert "three.png" in tab.locator("[role=tab]").text_content()
    *votes, total = figures(tab)
    assert sum(votes) == pytest.approx(total, abs=0.005)
    shares = tab.locator(".share").all_text_contents()
    assert len(shares) == 10 and shares[0].startswith("3")
    assert tab.locator("canvas.asked-input").is_visible() and tab.locator("canvas.patch").count() == 7
    for view in ("as it is", "covered piece by piece", "votes by place"):
        tab.get_by_role("button", name=view).click()
        tab.wait_for_selector(f"button:has-text('{view}')[aria-pressed='true']")
    assert "Votes for 3 by the place" in tab.locator(".seen figcaption").text_content()
    keep(tab, "ask")
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Save this page").click()
    assert saved.value.suggested_filename == "explain-three.html"
    assert "The votes say <b>3</b>" in Path(saved.value.path()).read_text()
    tab.get_by_role("link", name="Look inside").click()
    tab.wait_for_url("**/look?*x=*")
    says(tab, "here.")


def test_of_several_files_the_damaged_and_the_wrong_are_told_and_the_others_answered(visit):
    tab = visit("/ask")
    choose(
        tab,
        ("torn.png", DIGIT[:50]),
        (HOSTILE, models.digit(4)),
        ("tone.wav", models.tone(300)),
        ("huge.png", b"0" * 10_000_001),
        ("nine.png", models.digit(9)),
    )
    says(tab, "torn.png can’t be read")
    assert "is cut short" in tab.locator(".lead").text_content()
    tab.wait_for_selector("[role=tab]:nth-child(5):has-text('9, ')")
    cards = tab.locator("[role=tab]")
    assert cards.nth(1).locator("b").text_content() == HOSTILE
    told = [cards.nth(i).locator("small").text_content() for i in range(5)]
    assert told[0] == told[2] == told[3] == "can’t be read" and told[1].startswith("4, ")
    cards.nth(3).click()
    assert "expected at most 10,000,000 bytes, found 10,000,001" in tab.locator(".lead").text_content()
    cards.nth(1).click()
    says(tab, "That is a 4")
    assert "caught" not in tab.title()
    cards.nth(1).focus()
    tab.keyboard.press("ArrowLeft")
    says(tab, "torn.png can’t be read")
    tab.keyboard.press("ArrowLeft")
    says(tab, "That is a 9")
    tab.reload()
    says(tab, "That is a 9")
    assert tab.locator("[role=tab]").count() == 4, "files are kept in this browser; what is too large is not"


def test_a_picture_is_pasted(visit):
    tab = visit("/ask")
    tab.evaluate(
        """bytes => {
          const given = new DataTransfer();
          given.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
          dispatchEvent(new ClipboardEvent("paste", { clipboardData: given }));
        }""",
        list(DIGIT),
    )
    says(tab, "That is a 3")


def test_a_typed_sentence_is_answered_word_by_word_and_the_address_opens_it_again(visit):
    tab = visit("/ask?net=reviews")
    tab.get_by_label("A sentence to ask about").fill("a dull and boring zebra")
    says(tab, "That is neg")
    tab.wait_for_selector(".said-large span")
    words = tab.locator(".said-large span")
    assert words.all_text_contents() == ["a", "dull", "and", "boring", "zebra"]
    assert "zebra" in tab.locator(".said-large .unknown").all_text_contents()
    assert "never stood in a training example" in tab.locator(".seen figcaption").text_content()
    colours = [words.nth(i).evaluate("node => node.style.background") for i in range(5)]
    assert len(set(colours)) > 1
    *votes, total = figures(tab)
    assert sum(votes) == pytest.approx(total, abs=0.005)
    tab.get_by_role("button", name=re.compile("^pos")).click()
    tab.wait_for_selector(".asked-head h3:has-text('Pos')")
    again = visit(tab.url.split("/", 3)[3].join(["/", ""]))
    says(again, "That is neg")
    again.wait_for_selector(".asked-head h3:has-text('Pos')")
    assert again.get_by_label("A sentence to ask about").input_value() == "a dull and boring zebra"
    again.get_by_label("A sentence to ask about").fill("")
    says(again, "Ask it about a sentence")
    assert "text=" not in again.url


def test_a_sound_is_drawn_along_time_and_played_by_key(visit):
    tab = visit("/ask?net=tones")
    choose(tab, ("low.wav", models.tone(330)))
    says(tab, "That is low")
    tab.wait_for_selector("canvas.spectrogram")
    assert tab.locator(".by-moment svg rect").count() > 1 and tab.locator(".by-band svg rect").count() > 1
    assert tab.locator(".heard .times span").count() > 2
    tab.wait_for_selector("button.play[aria-label='Play']")
    tab.get_by_role("button", name="only A").click()
    tab.wait_for_selector(".listen [role=status]:has-text('it says')")


def test_numbers_are_pasted_for_series_and_tables(visit):
    tab = visit("/ask?net=waves")
    tab.get_by_label("Numbers of a series").fill(models.wiggle(1, 2.5))
    says(tab, "That is slow")
    tab.wait_for_selector(".curves svg")
    tab = visit("/ask?net=flowers")
    tab.get_by_label("A row of numbers").fill("5.1, 2.0")
    says(tab, "That is a b")
    tab.wait_for_selector(".row-values td:has-text('5.1')")
    choose(tab, ("rows.csv", b"length,width\n2,1\n\n5,2\n"))
    tab.wait_for_selector("[role=tab]:has-text('rows.csv, line 4'):has-text('b, ')")
    assert "a, " in tab.locator("[role=tab]:has-text('line 2')").text_content()


def test_a_volume_is_shown_slice_by_slice(visit):
    tab = visit("/ask?net=balls")
    choose(tab, ("ball.npy", models.ball(5, 3)))
    says(tab, "That is large")
    tab.wait_for_selector("canvas.asked-input")
    assert "feature" in tab.locator(".spoke").text_content()


def test_an_example_is_opened_by_keys_alone_and_by_its_address(visit):
    tab = visit("/ask")
    tab.wait_for_selector(".offers .card:has(img)")
    tab.locator(".offers .card").first.focus()
    name = tab.locator(".offers .card").first.text_content()
    tab.keyboard.press("Enter")
    says(tab, "That is")
    assert f"example={name}" in tab.url
    tab.get_by_role("link", name="Look inside").wait_for()
    share = tab.locator(".share").nth(1)
    share.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".share:nth-of-type(2)[aria-pressed='true']")
    again = visit(tab.url.split("/", 3)[3].join(["/", ""]))
    again.wait_for_selector(".share:nth-of-type(2)[aria-pressed='true']")
    again.get_by_role("button", name="Clear").click()
    says(again, "Ask it about something")
    assert "example" not in again.url


def test_none_of_these_is_said_where_the_answer_says_so_and_never_else(visit):
    tab = visit("/ask")

    def strange(route):
        answer = {"class": "3", "score": 0.9, "votes": {"3": 0.9, "1": 0.1}, "input": "cat.png"}
        more = {"none_of_these": True, "strangeness": 2.5, "false_alarms": 0.01}
        route.fulfill(status=200, content_type="application/json", body=json.dumps({**answer, **more}))

    tab.route("**/api/predict?*", strange)
    choose(tab, ("cat.png", DIGIT))
    says(tab, "None of these")
    lead = tab.locator(".lead").text_content()
    assert "Nothing in the training set is like it" in lead and "2.50" in lead and "1.0 %" in lead
    assert "None of these" in tab.locator("[role=tab]").text_content()


def test_noise_is_none_of_the_digits_with_the_measured_rate_of_false_alarms(visit, lab):
    tab = visit("/ask")
    noise = np.random.default_rng(0).integers(0, 256, (8, 8))
    choose(tab, ("noise.png", models.png(noise)))
    says(tab, "None of these")
    share = json.loads((lab.folder / "models" / "digits" / "metrics.json").read_text())["none_of_these"]["share"]
    assert f"Of real examples {100 * share:.1f} % are refused so." in tab.locator(".lead").text_content()
    keep(tab, "none-of-these")
    tab.get_by_role("button", name="Clear").click()
    choose(tab, ("3.png", DIGIT))
    tab.wait_for_selector("h1:not(:has-text('None of these')):not(:has-text('Ask it'))")


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_the_api_is_described_for_people_with_a_line_to_copy_for_each(visit, lab, width, dark):
    tab = visit("/api", width, dark)
    says(tab, "Ask it from a program")
    paths = lab.get("/api/openapi.json")[1]["paths"]
    tab.wait_for_selector("section.end")
    assert tab.locator("section.end").count() == sum(len(methods) for methods in paths.values())
    for section in tab.locator("section.end").all():
        assert "curl " in section.text_content()
    predict = tab.locator("#post-api-predict")
    assert "up to 200 letters" in predict.text_content() and "-F file=@one.png" in predict.text_content()
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("kind", "width", "dark"),
    [
        ("digits", 1280, False),
        ("digits", 390, True),
        ("tones", 1280, True),
        ("reviews", 390, False),
        ("flowers", 390, True),
    ],
)
def test_answers_are_accessible_and_fit_the_screen(visit, kind, width, dark):
    tab = visit(f"/ask?net={kind}", width, dark)
    files = {
        "digits": [("3.png", DIGIT), ("torn.png", DIGIT[:50])],
        "tones": [("low.wav", models.tone(330))],
        "reviews": [("note.txt", b"a dull and boring zebra")],
        "flowers": [("rows.csv", b"length,width\n2,1\n5,2\n")],
    }
    choose(tab, *files[kind])
    says(tab, "That is")
    tab.wait_for_selector(".shares")
    tab.wait_for_timeout(200)
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_of_a_long_sound_the_answer_is_of_all_and_the_reasons_of_its_loudest_part(visit):
    tab = visit("/ask?net=tones")
    choose(tab, ("long.wav", models.tone(330, 1.5)))
    says(tab, "That is low")
    tab.wait_for_selector("canvas.spectrogram")
    lead = tab.locator(".lead").text_content()
    assert re.search(r"The mean of \d+ parts; the loudest, from \d\.\d\d s on, says low\.", lead)
    shares = [float(one.strip("<>")) for one in tab.locator(".share .n").all_text_contents()]
    assert sum(shares) == pytest.approx(1, abs=0.02)
