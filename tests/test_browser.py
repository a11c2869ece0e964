"""The pages in a real browser: they draw without a complaint, ask no network, and a click opens a sum that is right."""

import json
import math
import re

import numpy as np
import pytest
import torch
from browsing import IN_BROWSER, until
from test_pages import EVIL, LARGE, evaluated, explained, number
from test_sentences import SAID
from test_sentences import explained as explained_sentence

from glassnet.explaining.explanation import explain
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

pytestmark = IN_BROWSER
EVERY = "conv 6 3/2, batchnorm, relu, pool 3/2 same, residual 6, gelu, mean, dropout 0.5, fc 5, relu, fc"


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page from disk as a person would. It may not complain, and ask for nothing but itself."""
    complaints, asked, pages = [], [], []

    def open_page(text, mark="", width=1280, dark=False):
        (tmp_path / "page.html").write_text(text, "utf-8")
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light")
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "page.html").as_uri() + mark)
        until(page, "document.readyState === 'complete'")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert {url.split("#")[0] for url in asked if url.startswith("file")} == {(tmp_path / "page.html").as_uri()}


def canvas(page, step, channel):
    return page.locator(f'canvas[aria-label="{step}, feature {channel + 1}"]')


def click_cell(page, step, at):
    """Clicks the middle of a cell of a map."""
    k, *place = at
    found = canvas(page, step.name, k)
    more = found.locator("xpath=..").locator("button")
    if not found.count():
        more = page.locator(f'canvas[aria-label^="{step.name}, "]').first.locator("xpath=..").locator("button")
        more.click()
    box = found.bounding_box()
    d, h, w = [1, 1, 1, *step.output.shape[2:]][-3:]
    i, r, c = [0, 0, 0, *place][-3:]
    across = math.ceil(math.sqrt(d))  # slices lie side by side
    r, c, h, w = i // across * h + r, i % across * w + c, math.ceil(d / across) * h, across * w
    found.click(position={"x": (c + 0.5) * box["width"] / w, "y": (r + 0.5) * box["height"] / h})


def lens(page):
    return page.locator("#lens").inner_text()


def total(page):
    return number(page.locator("#lens .result .total").inner_text())


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 23, 17), ("Row", "column")), ((2, 40), ("Moment",)), ((1, 6, 11, 9), ("Slice", "row", "column"))],
)
def test_clicking_a_pixel_of_any_layer_shows_a_sum_that_equals_its_value(show, shape, axes):
    why = explained(EVERY, shape)
    page, random = show(why.html()), np.random.default_rng(0)
    opened = [step for step in why.steps if step.name not in ("flatten", "dropout1", "fc2")]
    assert len(opened) == len(why.steps) - 2
    for step in opened:
        shape = tuple(step.output.shape[1:])
        ends = [(0,) * len(shape), tuple(n - 1 for n in shape)]
        for at in [*ends, tuple(int(random.integers(n)) for n in shape)]:
            click_cell(page, step, at)
            value = step.output[0][at].item()
            assert total(page) == pytest.approx(value, abs=0.00501), f"{step.name} {at}"
            words = lens(page)
            if "agrees" in words:
                net, apart = re.search(r"computed ([\u2212\d.]+) here; this sum agrees to (\d+\.\d+)", words).groups()
                assert number(net) == pytest.approx(value, abs=0.000051)
                assert float(apart) < 1e-4
            else:
                assert step.name == "mean1"
            place = [f"{axis} {i + 1}" for axis, i in zip(axes, at[1:], strict=False)]
            assert all(one in words for one in place)
            assert page.evaluate("location.hash") == "#" + "/".join([step.name, *(str(i + 1) for i in at)])


def test_the_largest_value_of_a_map_leads_to_its_place(show):
    why = explained("conv 3 3, relu, max, fc", (1, 9, 8))
    page, step = show(why.html()), why.steps[why.step("max1")]
    for k in range(3):
        click_cell(page, step, (k,))
        assert total(page) == pytest.approx(step.output[0, k].item(), abs=0.00501)
        page.locator("#lens a").first.click()
        r, c = np.argwhere(step.inputs[0][0, k].numpy() == step.output[0, k].item())[0]
        assert page.evaluate("location.hash") == f"#relu1/{k + 1}/{r + 1}/{c + 1}"


def test_a_sentence_is_shown_as_its_words(show):
    why = explained_sentence()
    page = show(why.html())
    said = " ".join(SAID)
    assert [one.inner_text() for one in page.locator("#seen, .maps .words").all()] == [said, said]
    assert not page.locator(".heat canvas").count()
    for f in range(8):
        if found := why.made_of(f):
            page.locator(f'a[href="#max1/{f + 1}"]').first.click()
            for _ in range(2):  # through the relu to the sum
                page.locator("#lens a").first.click()
            seen = page.locator("#lens .words .seen").all_inner_texts()
            assert f"\u201c{' '.join(seen)}\u201d" == found[0]
    spans = page.locator("#voted span")
    assert spans.count() == len(SAID)
    assert number(spans.nth(3).get_attribute("title")) == pytest.approx(why.voted[3], abs=0.00501)
    page.emulate_media(color_scheme="dark")
    assert page.locator("#voted span").count() == len(SAID)


def test_the_products_of_a_patch_add_up_on_the_page(show):
    why = explained("conv 2 3, relu, fc", (1, 7, 7))
    page = show(why.html(), "#conv1/2/4/3")
    grids = page.locator("#lens .grid")
    values, weights, products = (list(map(number, grids.nth(i).locator("span").all_inner_texts())) for i in range(3))
    patch = why.x[0, 0, 2:5, 1:4].flatten()
    assert values == pytest.approx(patch.tolist(), abs=0.00501)
    assert weights == pytest.approx(why.net.get_submodule("conv1").weight[1, 0].flatten().tolist(), abs=0.00501)
    assert products == pytest.approx(
        (patch * why.net.get_submodule("conv1").weight[1, 0].flatten()).tolist(), abs=0.0051
    )
    assert total(page) == pytest.approx(why.steps[0].output[0, 1, 3, 2].item(), abs=0.00501)
    grids.nth(0).locator("span").nth(4).hover()
    assert lens(page).count(f"{page.locator('#lens .lit').first.inner_text()} ×") == 1


def test_the_sums_at_the_border_leave_out_what_lies_beyond(show):
    why = explained("conv 2 3, relu, fc", (1, 7, 7))
    page = show(why.html(), "#conv1/1/1/1")
    cells = page.locator("#lens .grid").first.locator("span")
    assert [cells.nth(i).get_attribute("title") == "beyond the edge" for i in range(9)] == [
        True, True, True, True, False, False, True, False, False,
    ]  # fmt: skip
    assert total(page) == pytest.approx(why.steps[0].output[0, 0, 0, 0].item(), abs=0.00501)


def test_the_deck_model_explains_its_x_by_mouse_and_keyboard(show, xo_model):
    import glassnet as gn
    from glassnet.data import xo

    why = gn.explain(gn.load(xo_model), xo.draw("X"))
    page = show(why.html())
    assert page.locator("h1 b").inner_text() == "X"
    step, at = why.thread()[-1]
    assert total(page) == pytest.approx(why.steps[step].output[0][at].item(), abs=0.00501), "it opens on the reason"

    click_cell(page, why.steps[0], (3, 2, 2))
    canvas(page, "conv1", 3).focus()
    at = [2, 2]
    for key, move in (("ArrowRight", (0, 1)), ("ArrowDown", (1, 0)), ("ArrowLeft", (0, -1)), ("ArrowUp", (-1, 0))):
        page.keyboard.press(key)
        at = [at[0] + move[0], at[1] + move[1]]
        assert page.evaluate("location.hash") == f"#conv1/4/{at[0] + 1}/{at[1] + 1}"
        assert total(page) == pytest.approx(why.steps[0].output[0, 3, at[0], at[1]].item(), abs=0.00501)
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate("location.hash") == "#conv1/4/3/1", "the edge holds"
    order = json.loads(page.locator("#data").text_content())["steps"][0]["order"]
    page.keyboard.press("]")
    beside = order[(order.index(3) + 1) % len(order)] + 1
    assert page.evaluate("location.hash") == f"#conv1/{beside}/3/1"
    assert page.evaluate("document.activeElement.ariaLabel") == f"conv1, feature {beside}"
    page.locator(".tables a").first.click()
    assert page.evaluate("location.hash").startswith("#pool1/")
    page.locator("#lens a").click()
    assert page.evaluate("location.hash").startswith("#relu1/")


def test_a_net_that_is_too_large_for_its_page_opens_every_map_without_a_complaint(show):
    why = explained(LARGE, (3, 64, 64))
    page = show(why.html())
    step, at = why.thread()[-1]
    assert total(page) == pytest.approx(why.steps[step].output[0][at].item(), abs=0.00501), "it opens on a sum"
    assert (
        page.evaluate("""() => {
        const all = [...document.querySelectorAll(".maps canvas[tabindex]")];
        for (const one of all) {
            const box = one.getBoundingClientRect();
            for (const share of [0.01, 0.5, 0.99])
                one.dispatchEvent(new MouseEvent("click", {
                    clientX: box.x + share * box.width,
                    clientY: box.y + share * box.height,
                }));
        }
        return all.length;
    }""")
        > 150
    )
    data = json.loads(page.locator("#data").text_content())
    for told, step in zip(data["steps"], why.steps, strict=True):
        for one in told.get("sums", [])[:2]:
            k, r, c = one["at"]
            page.evaluate(f"location.hash = '#{told['name']}/{k + 1}/{r + 1}/{c + 1}'")
            words = f"Row {r + 1}, column {c + 1} of feature {k + 1} in {told['name']}"
            until(page, "words => document.querySelector('#lens h3').textContent === words", words)
            assert total(page) == pytest.approx(step.output[0, k, r, c].item(), abs=0.00501)
    missing = next(k for k in range(32) if k not in data["steps"][1]["order"])
    page.evaluate(f"location.hash = '#batchnorm1/{missing + 1}/1/1'")
    until(page, "document.querySelector('#lens').textContent.includes('a weaker one')")


TEXTS = ["fc", "mean, fc", "conv 3 3, relu, dropout 0.5, fc", "conv 3 3, relu, fc 40, relu, dropout 0.5, fc"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_net_draws_and_its_vote_links_open(show, text):
    page = show(explained(text, (1, 9, 9)).html())
    links = page.locator(".tables a")
    for i in range(links.count()):
        links.nth(i).click()
        assert page.locator("#lens h3").inner_text()
        assert page.locator("#lens .result, #lens .sum").count()
    assert page.locator(".classes .n").count() == 2


def covered(page):
    """The figure under the picture that is covered piece by piece."""
    return (
        page.locator("figure", has=page.locator("#occlusion"))
        .inner_text()
        .split("up to ")[1]
        .split(". ")[0]
        .split(".\n")[0]
        .rstrip(".")
    )


def test_the_loss_when_covered_is_what_is_printed_under_its_picture(show):
    net = ConvNet(parse("fc"), (1, 8, 8), 2).eval()
    with torch.no_grad():
        net.votes.weight.copy_(torch.full((2, 64), -0.01))
        net.votes.bias.copy_(torch.tensor([1.0, 0.0]))
        net.votes.weight[0, 0] = 0.3
    raw = np.full((1, 8, 8), 255, np.uint8)
    why = explain(net, ("a", "b"), raw, torch.ones(1, 1, 8, 8), "one")
    page = show(why.html())
    assert -why.occluded.min() < why.occluded.max()
    assert number(covered(page)) == pytest.approx(why.occluded.max(), abs=0.0051)
    with torch.no_grad():
        net.votes.weight[0, 0] = -0.3
    page = show(explain(net, ("a", "b"), raw, torch.ones(1, 1, 8, 8), "one").html())
    assert covered(page) == "+0.00", "nothing speaks for it"


PAGES = {
    "report": lambda xo_model: (xo_model / "report.html").read_text("utf-8"),
    "two classes": lambda _: evaluated(("cat", "dog"))[1],
    "a hundred classes": lambda _: evaluated([f"class {k}" for k in range(100)], 8)[1],
    "evil names": lambda _: evaluated(EVIL, 20, (3, 50, 60))[1],
    "why": lambda _: explained(EVERY, (3, 60, 50)).html(),
    "why, a series": lambda _: explained(EVERY, (2, 200)).html(),
    "why, a volume": lambda _: explained(EVERY, (1, 12, 20, 16)).html(),
    "why, evil": lambda _: explained(EVERY, (1, 23, 23), EVIL, EVIL[0]).html(),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_and_a_desk_by_day_and_by_night(show, xo_model, name):
    text = PAGES[name](xo_model)
    papers = set()
    for width, dark in ((390, False), (390, True), (1280, False), (1280, True)):
        page = show(text, width=width, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        papers.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert papers == {"rgb(252, 251, 248)", "rgb(19, 20, 23)"}, "design-note.md: paper"


def test_pressing_a_mistake_shows_its_examples_also_by_keyboard(show):
    found, text = evaluated(("cat", "dog"), 30, strength=0.3)
    page, (i, j, count) = show(text), found.confused()[0]
    cell = page.locator(f"#is-{i}-said-{j}")
    assert not cell.is_visible()
    page.locator(f'a[href="#is-{i}-said-{j}"]').focus()
    page.keyboard.press("Enter")
    cell.wait_for(state="visible")
    assert cell.locator("img").count() == min(count, 24)
    cell.get_by_text("close").click()
    cell.wait_for(state="hidden")
