from ovdet.checkup import NOTE, Finding
from ovdet.checkup.findings import guarded


def test_what_was_found_before_it_broke_is_kept():
    def look():
        yield Finding("a", "is well")
        raise OSError("two\nlines")

    first, rest = guarded(look, "part")
    assert first == Finding("a", "is well")
    assert rest == Finding("part", "cannot be told: OSError: two lines", NOTE)


def test_an_error_without_words_has_its_name():
    def look():
        raise AssertionError

    assert guarded(look, "part")[0].said == "cannot be told: AssertionError"
