import numpy as np
import pytest

from ovdet.data.stickers.names import NAMES
from ovdet.data.stickers.scenes import Canvas, SceneSpec, random_corner, render_scene, tight_box
from ovdet.structures import InputError


def square(side, red):
    patch = np.zeros((side, side, 4), np.float32)
    patch[..., 0] = red
    patch[..., 3] = 1
    return patch


def finished(canvas):
    return canvas.finish(np.random.default_rng(0), 0.0, ("sky",))


def test_masks_are_the_pixels_that_show_the_object():
    canvas = Canvas(np.zeros((20, 30, 3), np.float32), occlusion=0.5)
    assert canvas.paste(square(10, 1.0), (2, 3), ("kite", "red"))
    assert canvas.paste(square(10, 0.6), (8, 3), ("dog", None))
    scene = finished(canvas)
    kite, dog = scene.objects
    assert np.array_equal(kite.mask, scene.image[..., 0] == 255)
    assert np.array_equal(dog.mask, scene.image[..., 0] == 153)
    assert kite.box == (2, 3, 8, 13)
    assert dog.box == (8, 3, 18, 13)
    assert kite.occluded == pytest.approx(0.4)
    assert (kite.name, kite.colour, dog.colour) == ("kite", "red", None)


def test_a_patch_that_would_hide_too_much_is_refused_and_leaves_no_trace():
    canvas = Canvas(np.zeros((20, 30, 3), np.float32), occlusion=0.5)
    canvas.paste(square(10, 1.0), (2, 3), ("kite", None))
    before = canvas.picture.copy()
    assert not canvas.paste(square(10, 0.6), (6, 3), None)
    assert np.array_equal(canvas.picture, before)
    assert canvas.paste(square(10, 0.6), (7, 3), None)
    # what two things cover adds up
    assert not canvas.paste(square(1, 0.6), (3, 4), None)
    assert finished(canvas).objects[0].occluded == pytest.approx(0.5)


def test_patches_are_cut_at_the_border_and_may_be_too_small():
    canvas = Canvas(np.zeros((20, 30, 3), np.float32), occlusion=0.5)
    assert canvas.paste(square(10, 1.0), (-4, 15), ("kite", None))
    assert finished(canvas).objects[0].box == (0, 15, 6, 20)
    assert not canvas.paste(square(10, 1.0), (40, 0), None)
    assert not canvas.paste(square(4, 1.0), (10, 0), ("dog", None), min_area=17)
    assert not canvas.paste(square(4, 1.0)[:0], (10, 0), None)


def test_forgotten_things_are_background():
    canvas = Canvas(np.zeros((20, 30, 3), np.float32), occlusion=0.5)
    canvas.paste(square(10, 1.0), (2, 3), ("kite", None))
    canvas.forget()
    assert canvas.paste(square(10, 0.6), (2, 3), ("dog", None))
    assert [thing.name for thing in finished(canvas).objects] == ["dog"]


def test_random_corner_keeps_the_overhang():
    rng = np.random.default_rng(0)
    corners = np.array([random_corner(rng, square(10, 1), (40, 30), 0.2) for _ in range(500)])
    assert corners.min(axis=0).tolist() == [-2, -2]
    assert corners.max(axis=0).tolist() == [22, 32]
    assert random_corner(rng, square(50, 1), (40, 30), 0.0) == (-10, -5)


def test_tight_box_of_nothing():
    with pytest.raises(ValueError, match="empty mask"):
        tight_box(np.zeros((3, 3), bool))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 8}, "side must be at least 16 px, got 8"),
        ({"objects": (3, 1)}, r"objects must be \(low, high\)"),
        ({"occlusion": 1.5}, r"occlusion must be in \[0, 1\], got 1.5"),
    ],
)
def test_spec_refuses(options, message):
    with pytest.raises(InputError, match=message):
        SceneSpec(**options)


@pytest.mark.usefixtures("font")
def test_scenes_keep_their_promises():
    spec = SceneSpec(side=96, objects=(4, 8), occlusion=0.3)
    for seed in range(25):
        scene = render_scene(np.random.default_rng(seed), spec, NAMES)
        assert scene.image.shape == (96, 96, 3)
        assert scene.image.dtype == np.uint8
        assert sum(thing.mask.astype(int) for thing in scene.objects).max() == 1
        for thing in scene.objects:
            x1, y1, x2, y2 = thing.box
            assert thing.mask[y1:y2, x1:x2].sum() == thing.mask.sum() > 0
            inside = thing.mask[y1:y2, x1:x2]
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()
            assert 0 <= thing.occluded <= 0.3 + 1e-9


@pytest.mark.usefixtures("font")
def test_one_seed_gives_one_scene():
    first, again, other = (
        render_scene(np.random.default_rng(seed), SceneSpec(), ("dog", "kite"))
        for seed in (5, 5, 6)
    )
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    assert {thing.name for thing in first.objects} <= {"dog", "kite"}
