import pytest

from ovdet.labelling.formats.folders import Stems, fresh_folder, place_picture, shares
from ovdet.labelling.parts import Labelled


def test_names_are_given_once():
    stems = Stems()
    names = ["a/photo.jpg", "b/photo.png", "Photo.png", "photo_2.jpg", "x.tar.gz"]
    assert [stems.give(name) for name in names] == [
        "photo",
        "photo_2",
        "Photo_3",
        "photo_2_2",
        "x.tar",
    ]


def test_a_folder_takes_the_place_of_the_old_one_at_a_clean_end(tmp_path):
    path = tmp_path / "x"
    with fresh_folder(path, "in") as folder:
        (folder / "in" / "one").touch()
    with pytest.raises(KeyError), fresh_folder(path) as folder:
        raise KeyError
    assert (path / "in" / "one").exists()
    with fresh_folder(path) as folder:
        (folder / "two").touch()
    assert [one.name for one in tmp_path.iterdir()] == ["x"]
    assert [one.name for one in path.iterdir()] == ["two"]


def test_pictures_are_linked_or_copied(tmp_path, monkeypatch):
    source = tmp_path / "a.png"
    source.write_bytes(b"1")
    place_picture(source, tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()

    def refuse(*_):
        raise OSError

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    place_picture(source, tmp_path / "copy.png")
    assert not (tmp_path / "copy.png").is_symlink()
    assert (tmp_path / "copy.png").read_bytes() == b"1"


def test_shares_are_cut_to_the_picture():
    picture = Labelled(0, "a", (100, 200), [])
    assert shares(picture, [20, 10, 100, 45]) == pytest.approx((0.1, 0.1, 0.5, 0.45))
    assert shares(picture, [-20, 50, 400, 100]) == (0.0, 0.5, 1.0, 0.5)
