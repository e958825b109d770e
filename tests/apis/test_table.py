import numpy as np

from ovdet.apis.table import named_rows, percent, printable, table


def lines(labels):
    count = len(labels)
    boxes = np.tile(np.array([[1, 2, 30, 40.6]], np.float32), (count, 1))
    return table(labels, np.full(count, 0.5, np.float32), boxes).splitlines()


def test_columns_line_up():
    assert lines(["cat", "red car"]) == [
        "class    score     x1     y1     x2     y2",
        "cat       0.50      1      2     30     41",
        "red car   0.50      1      2     30     41",
    ]


def test_wide_characters_take_two_columns():
    assert lines(["猫", "cat"])[1:] == [
        "猫      0.50      1      2     30     41",
        "cat     0.50      1      2     30     41",
    ]


def test_long_names_are_cut_and_nothing_is_said():
    assert max(len(line) for line in lines(["word " * 50])) <= 90
    assert lines([]) == ["nothing found"]


def test_a_name_cannot_steer_the_terminal():
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert printable("\udcff") == "\\udcff"


def test_other_columns():
    assert named_rows(["a", "猫猫猫"], "n", ["1", "2"]).splitlines() == [
        "class   n",
        "a       1",
        "猫猫猫  2",
    ]


def test_shares():
    shares = [0, 0.0001, 0.0049, 0.0051, 0.124, 1]
    assert [percent(share) for share in shares] == ["0 %", "<1 %", "<1 %", "1 %", "12 %", "100 %"]
