import concurrent.futures
import time

import pytest
import torch
from colour_server import ColourDetector, encoded, make, picture
from colours import ColourSegmentor

from ovdet.apis.coco import decode_mask
from ovdet.serving import create_app
from ovdet.structures import InputError

PATCHED = picture("red", patch=("blue", (3, 2, 9, 7)))
NAMES = [" blue", "red", "green"]


def wait_until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_detect(client):
    answer = client.post("/detect", json={"image": encoded(PATCHED), "names": NAMES})
    assert answer.status_code == 200
    assert answer.json() == {
        "width": 20,
        "height": 12,
        "objects": [
            {"label": " blue", "score": 0.8, "box": [3, 2, 9, 7]},
            {"label": "red", "score": 0.4, "box": [0, 0, 20, 12]},
        ],
    }


def test_threshold_and_top_k(client):
    asked = {"image": encoded(PATCHED), "names": NAMES}

    def labels(**more):
        found = client.post("/detect", json=asked | more).json()["objects"]
        return [one["label"] for one in found]

    assert labels(threshold=0.5) == labels(top_k=1) == [" blue"]
    assert labels(top_k=1.0) == [" blue"]  # in JSON that is a whole number
    assert labels(threshold=1) == []
    assert labels(threshold=None) == [" blue", "red"]


@pytest.mark.parametrize("task", ["instance", None, "semantic", "panoptic"])
def test_segment(client_of, task):
    client = client_of(ColourSegmentor("instance"))
    asked = {"image": encoded(PATCHED), "names": NAMES, "task": task}
    answer = client.post("/segment", json=asked)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["width"], found["height"]) == (20, 12)
    segments = {one["label"]: one for one in found["segments"]}
    assert segments[" blue"]["area"] == 30
    assert segments["red"]["area"] == 240 - 30
    assert segments[" blue"]["box"] == [3, 2, 9, 7]
    scores = [0.8, 0.4] if task in {None, "instance"} else [None, None]
    assert [segments[name]["score"] for name in (" blue", "red")] == scores
    mask = decode_mask(segments[" blue"]["mask"])
    assert mask.shape == (12, 20)
    assert mask[2:7, 3:9].all()
    assert mask.sum() == 30


def test_embed(client):
    answer = client.post("/embed", json={"names": ["abc", "a"]})
    assert answer.status_code == 200
    first, second = answer.json()["vectors"]
    assert first == pytest.approx([3 / 10**0.5, 1 / 10**0.5], abs=1e-7)
    assert second == pytest.approx([0.5**0.5] * 2, abs=1e-7)


IMAGE = encoded(picture())


@pytest.mark.parametrize(
    ("path", "asked", "status", "told"),
    [
        ("/detect", {"names": ["a"]}, 422, "image: must be given"),
        ("/detect", {"image": IMAGE}, 422, "colours finds what it is asked for: give it classes"),
        ("/detect", {"image": IMAGE, "names": []}, 422, "names: List should have at least 1 item"),
        ("/detect", {"image": IMAGE, "names": ["a", " "]}, 422, "class 1 must not be blank"),
        ("/detect", {"image": IMAGE, "names": ["a", "a"]}, 422, "must be distinct, got 'a' twice"),
        ("/detect", {"image": IMAGE, "names": "cat"}, 422, "names: Input should be a valid list"),
        ("/detect", {"image": IMAGE, "names": [1]}, 422, "names[0]: Input should be a valid str"),
        ("/detect", {"image": IMAGE, "names": ["x" * 257]}, 422, "names[0]: must have at most 256"),
        ("/detect", {"image": IMAGE, "names": [str(i) for i in range(1001)]}, 422, "at most 1000"),
        ("/detect", {"image": "", "names": ["a"]}, 422, "image: String should have at least 1"),
        ("/detect", {"image": "?", "names": ["a"]}, 422, "image: must be base64"),
        ("/detect", {"image": "AAAA", "names": ["a"]}, 422, "image: is not a picture"),
        ("/detect", {"image": IMAGE, "names": ["a"], "treshold": 1}, 422, "no such field"),
        ("/detect", {"image": IMAGE, "names": ["a"], "threshold": 1.5}, 422, "threshold: Input"),
        ("/detect", {"image": IMAGE, "names": ["a"], "threshold": True}, 422, "threshold: Input"),
        ("/detect", {"image": IMAGE, "names": ["a"], "top_k": 0}, 422, "top_k: Input should be"),
        ("/detect", {"image": IMAGE, "names": ["a"], "top_k": 1.5}, 422, "top_k: Input should be"),
        ("/detect", [], 422, "the body must be a JSON object"),
        ("/segment", {"image": IMAGE, "names": ["a"], "task": "x"}, 422, "task: Input should be"),
        ("/segment", {"image": IMAGE, "names": ["a"], "task": "semantic"}, 422, "is a detector"),
        ("/embed", {"names": [""]}, 422, "names[0]: String should have at least 1 char"),
        ("/nothing", {}, 404, "/nothing: there is no such thing here"),
    ],
)
def test_what_is_wrong_is_one_line(client, path, asked, status, told):
    answer = client.post(path, json=asked)
    assert answer.status_code == status
    (said,) = answer.json().values()
    assert told in said
    assert "\n" not in said


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        (b"", JSON, 422, "the body must be a JSON object"),
        (b"{", JSON, 400, "the body must be JSON: "),
        (b"\xff\xfe\x00", JSON, 400, "must be JSON"),
        (b'{"names": ["' + b"\\ud800" + b'"]}', JSON, 422, "image: must be given"),
        (b'{"image": "AAAA", "names": ["\\ud800"]}', JSON, 422, "names[0]: "),
        (b'{"image": "AAAA", "names": ["a"], "threshold": NaN}', JSON, 422, "threshold: Input"),
        (b'{"image": "AAAA", "names": ["a"], "threshold": 1e999}', JSON, 422, "threshold: Input"),
        (b'{"top_k": ' + b"9" * 5000 + b"}", JSON, 400, "must be JSON"),
        (b"[" * 100_000, JSON, 400, "must be JSON"),
        (b'{"\\ud800": 1, "image": "AAAA", "names": ["a"]}', JSON, 422, "the body must be"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "must be application/json, got text/plain"),
        (b"{}", {}, 415, "must be application/json, got none"),
        (b"{}", {"Content-Type": "application/json; charset=utf-8"}, 422, "image: must be given"),
    ],
)
def test_odd_bodies(client, body, headers, status, told):
    answer = client.post("/detect", content=body, headers=headers)
    assert (answer.status_code, told in answer.json()["error"]) == (status, True), answer.text


def test_another_method(client):
    answer = client.get("/detect")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json() == {"error": "/detect takes POST, got GET"}


def test_a_long_message_is_cut(client):
    asked = {"image": IMAGE, "names": ["\n" * 200, "x"], "y" * 1000: 1}
    said = client.post("/detect", json=asked).json()["error"]
    assert len(said) == 300
    assert said.endswith("...")


def test_a_closed_model_needs_no_names(client_of, detector):
    detector.own = make(detector)._vocabulary(["red", "blue"])
    found = client_of(detector).post("/detect", json={"image": IMAGE}).json()["objects"]
    assert [one["label"] for one in found] == ["red"]


def test_no_page_from_elsewhere(client):
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/detect", headers=asked)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok", "model": "colours", "task": "detect"}
    client.app.state.door.stop()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "stopping")


def test_metrics(client):
    client.post("/detect", json={"image": IMAGE, "names": ["red"]})
    client.post("/detect", json={"image": "?", "names": ["red"]})
    client.post("/detect", content=b"{}")
    client.get("/made/up")
    text = client.get("/metrics").text
    for line in (
        'ovdet_requests_total{path="/detect",status="200"} 1.0',
        'ovdet_requests_total{path="/detect",status="422"} 1.0',
        'ovdet_requests_total{path="/detect",status="415"} 1.0',
        'ovdet_requests_total{path="other",status="404"} 1.0',
        'ovdet_request_seconds_count{path="/detect"} 3.0',
        'ovdet_batch_size_bucket{le="1.0"} 1.0',
        "ovdet_model_seconds_count 1.0",
        "ovdet_requests_inside 0.0",
    ):
        assert line in text.splitlines()
    assert "process_resident_memory_bytes" in text


def test_requests_of_one_kind_are_joined_and_nothing_is_mixed_up(client_of, detector):
    """64 pictures, of two sizes, each with a patch of its own, asked with two lists of names."""
    client = client_of(detector, queue=100)
    detector.open.clear()
    plain = {"image": encoded(picture("black")), "names": ["red"]}
    boxes = [[1 + i % 8, 1 + i // 8, 10 + i % 8, 10 + i // 8] for i in range(64)]
    sizes = [(20, 20), (24, 20)]

    def ask(i):
        image = picture("black", sizes[i % 2], ("green", boxes[i]))
        names = ["green", "red"] if i % 4 < 2 else ["red", "green"]
        answer = client.post("/detect", json={"image": encoded(image), "names": names})
        return answer.json()

    with concurrent.futures.ThreadPoolExecutor(65) as pool:
        first = pool.submit(client.post, "/detect", json=plain)
        assert detector.entered.wait(20)
        answers = [pool.submit(ask, i) for i in range(64)]
        wait_until(lambda: client.app.state.door.inside == 65)
        detector.open.set()
        assert first.result(20).json()["objects"] == []
        for i, answer in enumerate(answers):
            found = answer.result(20)
            assert (found["width"], found["height"]) == sizes[i % 2]
            assert [one["box"] for one in found["objects"]] == [boxes[i]]
            assert found["objects"][0]["label"] == "green"
    assert max(size for size, _ in detector.batches) == 8
    assert len(detector.batches) < 40
    assert len(detector.threads) == 1


def test_a_crash_of_the_model_is_one_line_and_spoils_no_other(client_of, detector, caplog):
    plain = detector.predict

    def predict(samples, vocabulary, **how):
        for kind in (RuntimeError, torch.OutOfMemoryError, InputError):
            if vocabulary.names[0] == kind.__name__:
                raise kind("the model is out of sorts")
        return plain(samples, vocabulary, **how)

    detector.predict = predict
    client = client_of(detector)

    def ask(name):
        answer = client.post("/detect", json={"image": IMAGE, "names": [name]})
        return answer.status_code, answer.json().get("error")

    assert ask("RuntimeError") == (500, "the server failed; its log says how")
    status, told = ask("OutOfMemoryError")
    assert (status, "out of memory" in told) == (503, True)
    assert ask("InputError") == (422, "the model is out of sorts")
    assert ask("red") == (200, None)
    assert "out of memory" in caplog.text


def test_the_schema_names_what_there_is(client):
    schema = client.get("/openapi.json").json()
    paths = {"/detect", "/segment", "/embed", "/healthz", "/metrics"}
    assert set(schema["paths"]) == paths
    codes = {"200", "400", "401", "408", "413", "415", "422", "429", "503"}
    assert set(schema["paths"]["/detect"]["post"]["responses"]) == codes
    assert "security" not in schema["paths"]["/detect"]["post"]
    guarded = create_app(make(ColourDetector()), key="k").openapi()
    assert guarded["paths"]["/embed"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in guarded["paths"]["/healthz"]["get"]


def test_the_answer_is_that_of_the_model(client_of):
    """By the small model that comes along, with pictures in the way a person sends them."""
    import ovdet

    model = ovdet.load("ovdet-tiny", device="cpu")
    image = picture("blue", (96, 96), ("red", (20, 20, 60, 60)))
    asked = {"image": encoded(image), "names": ["red square", "dog"], "threshold": 0.05}
    expected = model.detect(image, asked["names"], threshold=0.05)
    client = client_of(model)
    found = client.post("/detect", json=asked).json()["objects"]
    assert [one["label"] for one in found] == expected.labels
    assert [one["score"] for one in found] == pytest.approx(expected.scores.tolist(), abs=1e-5)
    masks = client.post("/segment", json=asked).json()["segments"]
    assert len(masks) == len(expected)
    assert all(
        (decode_mask(a["mask"]) == b.mask).all() for a, b in zip(masks, expected, strict=True)
    )
