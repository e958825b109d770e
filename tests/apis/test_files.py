import pytest

from ovdet.apis.files import FreeNames, find_images, read_classes
from ovdet.structures import InputError, Vocabulary


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_gives_its_pictures_in_order(tmp_path):
    touch(tmp_path, "b.PNG", "a.jpg", "notes.txt", ".hidden.png")
    (tmp_path / "deeper.png").mkdir()
    assert [path.name for path in find_images([str(tmp_path)])] == ["a.jpg", "b.PNG"]


def test_files_patterns_and_folders_each_once(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c[1].png")
    one, pattern = str(tmp_path / "b.png"), str(tmp_path / "*.png")
    names = [path.name for path in find_images([one, pattern, str(tmp_path), one])]
    assert names == ["b.png", "a.png", "c[1].png"]
    assert [p.name for p in find_images([str(tmp_path / "c[1].png")])] == ["c[1].png"]
    touch(tmp_path / "in" / "deep", "d.png")
    assert [p.name for p in find_images([str(tmp_path / "**" / "d.png")])] == ["d.png"]


@pytest.mark.parametrize("source", ["", "*.png"])
def test_nothing_there(tmp_path, source):
    with pytest.raises(InputError, match="no pictures there"):
        find_images([str(tmp_path / source)])


def test_no_two_pictures_share_a_name(tmp_path):
    inputs = [
        tmp_path / name for name in ("x/a.png", "y/a.png", "z/A.png", "x/a.jpg", "q.gif", "n")
    ]
    names = FreeNames(tmp_path / "out", inputs)
    given = [names.give(path).name for path in inputs]
    assert given == ["a.png", "a_2.png", "A_3.png", "a.jpg", "q.gif.png", "n.png"]


def test_an_input_is_never_written_over(tmp_path):
    inputs = [tmp_path / "a.png", tmp_path / "a_2.png"]
    names = FreeNames(tmp_path, inputs)
    assert [names.give(path).name for path in inputs] == ["a_3.png", "a_2_2.png"]


def test_one_suffix_for_all(tmp_path):
    inputs = [tmp_path / name for name in ("x/a.jpg", "y/a.png", "b.gif", "out/b.png")]
    names = FreeNames(tmp_path / "out", inputs, ".png")
    assert [names.give(path).name for path in inputs[:3]] == ["a.png", "a_2.png", "b_2.png"]


def test_classes_from_the_command_line_and_from_files(tmp_path):
    assert read_classes(["cat", "Red  Car "], None).names == ("cat", "Red  Car ")
    text = tmp_path / "names.txt"
    text.write_bytes("\ufeffcat\r\n\r\n  日本 猫 \n".encode())
    assert read_classes(None, text).names == ("cat", "日本 猫")
    Vocabulary(("a", "b"), ids=(7, 9)).save(tmp_path / "v.json")
    assert read_classes(None, tmp_path / "v.json").ids == (7, 9)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"caf\xe9\n", "names.txt: must be UTF-8 text, byte 3 is not"),
        (b"\n  \n", "names.txt: must hold at least one class name"),
        (b"cat\ncat\n", "names.txt: classes must be distinct, got 'cat' twice"),
        (None, "names.txt: cannot be read: No such file"),
    ],
)
def test_bad_class_files(tmp_path, data, message):
    path = tmp_path / "names.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_classes(None, path)


def test_classes_may_be_a_published_vocabulary():
    assert len(read_classes(["@coco-ov"], None)) == 65
    with pytest.raises(InputError, match="unknown vocabulary 'coco-vo'; did you mean 'coco-ov'"):
        read_classes(["@coco-vo"], None)
    with pytest.raises(InputError, match="@coco names all classes of a vocabulary and must stand"):
        read_classes(["cat", "@coco"], None)


def test_classes_must_be_given_once(tmp_path):
    for names, path in [(None, None), (["cat"], tmp_path / "names.txt")]:
        with pytest.raises(InputError, match="either --classes"):
            read_classes(names, path)
