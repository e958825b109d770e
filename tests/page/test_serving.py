import io
import json
import shutil
import socket
import sys
from urllib.parse import urlsplit

import pytest
from PIL import Image

from ovdet.page import Shelf, build, parts, start
from ovdet.structures import InputError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.filterwarnings("ignore:::gradio")  # pandas warns it
NAMES = ["umbrella", "A <b>Cat</b>", "日本"]
LOCAL = {"127.0.0.1", "localhost", "::1", "0.0.0.0", "", None}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def hosts(monkeypatch):
    """The hosts that this process looks up."""
    asked, look_up = set(), socket.getaddrinfo

    def note(host, *arguments, **options):
        asked.add(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    return asked


@pytest.fixture
def address(shelf, tmp_path, monkeypatch, hosts):  # noqa: ARG001 - look-ups count from here
    pytest.importorskip("gradio")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "sent"))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")  # nobody calls it
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    page = build(shelf)
    yield start(page, "127.0.0.1", free_port())
    page.close(verbose=False)


@pytest.fixture
def tab(address):
    """A tab of a browser with the page open, and the requests it made."""
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        tab.set_default_timeout(30_000)
        tab.seen, tab.broken = [], []
        tab.on("request", lambda request: tab.seen.append(request.url))
        tab.on("pageerror", lambda error: tab.broken.append(str(error)))
        tab.goto(address)
        yield tab
        browser.close()


def shown(tab):
    return tab.locator(".ov-list li:visible .ov-name").all_text_contents()


def save(tab, button):
    with tab.expect_download() as download:
        tab.click(button)
    return download.value.suggested_filename, download.value.path().read_bytes()


def wait_for(tab, count):
    tab.locator(".ov-count", has_text=count).wait_for()


def slide(tab, threshold):
    number = tab.locator("#least input[type=number]")
    number.fill(threshold)
    number.press("Enter")


def mistakes_are_named(tab, photo):
    tab.click("#find")
    tab.get_by_text("drop a picture first").wait_for()
    tab.set_input_files(".ov-chooser", photo)
    tab.locator(".ov-picture").wait_for()
    tab.click("#find")
    tab.get_by_text("type a name first").wait_for()


def names_are_typed(tab):
    """Take a suggestion, then type what nobody suggests."""
    tab.type("#ov-type", "umbr")
    tab.locator("#ov-options li", has_text="beach umbrella").wait_for()
    tab.press("#ov-type", "ArrowDown")
    tab.press("#ov-type", "Enter")
    wait_for(tab, "1 found")
    tab.fill("#ov-type", f"  {NAMES[1]} ")
    tab.press("#ov-type", "Enter")
    wait_for(tab, "2 found")
    tab.type("#ov-type", f"{NAMES[2]},")
    wait_for(tab, "2 found, 1 below the threshold")


def the_threshold_moves(tab):
    slide(tab, "0.5")
    wait_for(tab, "1 found, 2 below the threshold")
    slide(tab, "0.2")
    wait_for(tab, "3 found")
    tab.hover(".ov-list li >> nth=1")
    assert tab.locator(".ov-lit .ov-tag.ov-on").inner_text().endswith("0.45")


def files_are_saved(tab):
    name, data = save(tab, "#json")
    assert name == "my photo_found.json"
    assert len(json.loads(data)["annotations"]) == 3
    slide(tab, "0.5")
    wait_for(tab, "1 found, 2 below the threshold")
    assert len(json.loads(save(tab, "#json")[1])["annotations"]) == 1
    name, data = save(tab, "#png")
    assert name == "my photo_found.png"
    assert Image.open(io.BytesIO(data)).size == (600, 360)  # as Result.plot enlarges it


def a_box_is_drawn(tab):
    """From a fifth to three fifths of the picture, in both directions."""
    tab.click(".ov-draw")
    area = tab.locator(".ov-frame").bounding_box()
    x, y = (area["x"], area["width"]), (area["y"], area["height"])
    tab.mouse.move(x[0] + 0.2 * x[1], y[0] + 0.2 * y[1])
    tab.mouse.down()
    tab.mouse.move(x[0] + 0.6 * x[1], y[0] + 0.6 * y[1], steps=3)
    tab.mouse.up()
    tab.fill(".ov-sketch input", " this one")
    tab.press(".ov-sketch input", "Enter")
    tab.locator(".ov-examples", has_text="this one").wait_for()
    wait_for(tab, "1 found, 3 below the threshold")


def test_a_visit(tab, model, photo, tmp_path, hosts):
    mistakes_are_named(tab, photo)
    names_are_typed(tab)
    assert shown(tab) == NAMES[:2]
    assert model.asked[-1] == (tuple(NAMES), 0.05, 300)
    asked = len(model.asked)
    the_threshold_moves(tab)
    files_are_saved(tab)
    assert len(model.asked) == asked
    a_box_is_drawn(tab)
    assert model.asked[-1][0][-1].label == "this one"
    assert model.asked[-1][0][-1].shown[0].boxes[0] == pytest.approx((40, 24, 120, 72), abs=1)
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:60])
    tab.set_input_files(".ov-chooser", tmp_path / "broken.png")
    tab.get_by_text("broken.png: is").wait_for()
    wait_for(tab, "1 found")  # the last picture stays
    assert {urlsplit(url).hostname for url in tab.seen if "data:" not in url} == {"127.0.0.1"}
    assert tab.broken == []
    assert hosts <= LOCAL


@pytest.fixture
def opened(tab, photo):
    """The tab with a picture on the stage."""
    tab.set_input_files(".ov-chooser", photo)
    tab.locator(".ov-picture").wait_for()
    return tab


def box(tab, part):
    return tab.locator(part).bounding_box()


def test_proposals_cover_nothing_and_move_nothing(tab):
    below = ("#model", "#least", "#find", "#json", "#png")
    before = [box(tab, part) for part in below]
    tab.type("#ov-type", "do")
    tab.locator("#ov-options li", has_text="dove").wait_for()
    assert [box(tab, part) for part in below] == before
    proposals = box(tab, "#ov-options")
    assert proposals["y"] + proposals["height"] <= before[0]["y"]


def test_every_proposal_can_be_reached(opened):
    opened.type("#ov-type", "do")
    last = opened.locator("#ov-options li").last
    last.wait_for()
    name = last.text_content()
    opened.press("#ov-type", "ArrowUp")
    opened.wait_for_function("document.querySelector('#ov-options').scrollLeft > 0")
    opened.hover("#ov-options")
    opened.mouse.wheel(0, -1000)
    opened.wait_for_function("document.querySelector('#ov-options').scrollLeft === 0")
    last.click()
    wait_for(opened, "1 found")
    assert opened.locator("#names .ov-chip").text_content().startswith(name)


@pytest.mark.parametrize("names", [(), ("name", "another")])
def test_find_takes_what_was_typed(opened, model, names):
    for name in names:
        opened.type("#ov-type", f"{name},")
        wait_for(opened, "found")
    opened.type("#ov-type", "do")
    opened.locator("#ov-options li", has_text="dove").wait_for()
    opened.click("#find")
    wait_for(opened, "2 found, 1 below the threshold" if names else "1 found")
    assert not opened.locator("#ov-options").is_visible()
    assert model.asked[-1][0] == (*names, "do")


def test_a_button_that_moves_while_it_is_pressed_acts(tab):
    for name in ("name", "another"):
        tab.type("#ov-type", f"{name},")
    tab.type("#ov-type", "do")
    tab.click("#find")
    tab.get_by_text("drop a picture first").wait_for()


def test_typed_lists_are_split_and_stripped(opened):
    opened.type("#ov-type", " truck, mouse")
    opened.press("#ov-type", "Enter")
    wait_for(opened, "2 found")
    opened.fill("#ov-type", " a cat ")
    opened.click(".ov-head h1")
    wait_for(opened, "2 found, 1 below the threshold")
    categories = json.loads(save(opened, "#json")[1])["categories"]
    assert [one["name"] for one in categories] == ["truck", "mouse", "a cat"]


def test_the_threshold_moves_with_the_model_alone(tab):
    tab.click("#model input")
    tab.get_by_role("option", name="second").click()
    tab.wait_for_function("document.querySelector('#least input').value === '0.5'")
    tab.click("#model input")
    tab.keyboard.press("Escape")
    tab.click("#least input[type=number]")
    tab.keyboard.press("Control+A")
    tab.keyboard.type("0.7", delay=80)
    tab.wait_for_timeout(500)  # in which a reset would come
    assert tab.locator("#least input[type=number]").input_value() == "0.7"


def test_the_page_says_how_other_models_come(tab):
    tab.get_by_text("ovdet app --model NAME").wait_for()


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range(port):
    with pytest.raises(InputError, match="port must lie in 1 to 65535, got"):
        start(None, "127.0.0.1", port)


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen at 127.0.0.1:{port}: Address already"):
            start(None, "127.0.0.1", port)


def test_a_host_of_somebody_else():
    with pytest.raises(InputError, match=r"cannot listen at 192\.0\.2\.1:7860"):
        start(None, "192.0.2.1", 7860)


def test_without_gradio_the_extra_is_named(monkeypatch, shelf):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=r'pip install "ovdet\[app\]"'):
        build(shelf)


def test_a_first_model_that_cannot_be_loaded_opens_no_page():
    def load(name):
        raise InputError(f"{name} is not here")

    with pytest.raises(InputError, match="big is not here"):
        build(Shelf(load, "big"))


def test_gradio_is_told_to_tell_nobody(monkeypatch):
    gradio = pytest.importorskip("gradio")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    parts.import_gradio()
    assert not gradio.analytics.analytics_enabled()


def test_the_fonts_are_the_visitors_own():
    pytest.importorskip("gradio")
    looks = parts.looks()
    assert looks["theme"]._stylesheets == []
    assert "http" not in looks["css"]
