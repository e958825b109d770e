from ovdet.data.stickers.series import numbered


def draws(*arguments):
    return [(name, rng.random()) for name, rng in numbered("stickers-x", *arguments)]


def test_a_picture_depends_on_seed_split_and_number_alone():
    four = draws("train", 3, 4)
    assert [name for name, _ in four] == ["000000.png", "000001.png", "000002.png", "000003.png"]
    assert draws("train", 3, 2) == four[:2]
    values = {value for _, value in four + draws("val", 3, 4) + draws("train", 4, 4)}
    assert len(values) == 12
