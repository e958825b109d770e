import pytest

from ovdet.structures import InputError
from ovdet.text import clean_names, fill, load_templates


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("traffic_light", "traffic light"),
        ("Moniter/TV", "moniter or tv"),
        ("  Wild Bird ", "wild bird"),
        ("speaker_(stero_equipment)", "speaker"),
        ("T-shirt.", "t-shirt"),
        ("(both)", "both"),
        ("___", "___"),
        ("...", "..."),
        ("café", "café"),
    ],
)
def test_cleaning(raw, words):
    assert clean_names([raw]) == [words]


def test_names_that_would_read_the_same_keep_their_qualifier():
    names = ["bow_(weapon)", "bow_(decorative_ribbons)", "pan_(for_cooking)", "pan", "fan_(cooler)"]
    expected = ["bow weapon", "bow decorative ribbons", "pan for cooking", "pan", "fan"]
    assert clean_names(names) == expected


def test_the_same_name_twice_is_no_collision():
    assert clean_names(["fan_(cooler)", "fan_(cooler)"]) == ["fan", "fan"]


def test_article_follows_the_first_letter():
    template = ["{article} {}."]
    assert fill(template, "apple") == ["an apple."]
    assert fill(template, "pear") == ["a pear."]
    assert fill(template, "hour") == ["a hour."]


def test_braces_in_a_name_are_plain():
    assert fill(["the {}."], "{article} {0}") == ["the {article} {0}."]


def test_sets_are_those_of_their_papers():
    sizes = {"single": 1, "vild63": 63, "clip80": 80, "clip7": 7, "detic": 1, "none": 1}
    for name, size in sizes.items():
        templates = load_templates(name)
        assert len(set(templates)) == len(templates) == size
    assert fill(load_templates("single"), "cat") == ["a photo of a cat."]
    assert fill(load_templates("detic"), "cat") == ["a cat"]
    assert fill(load_templates("none"), "cat") == ["cat"]


def test_clip80_is_open_clips():
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    expected = [template("red fox") for template in OPENAI_IMAGENET_TEMPLATES]
    assert fill(load_templates("clip80"), "red fox") == expected


def test_vild63_leads_in_by_this_is():
    sentences = fill(load_templates("vild63"), "apple")
    assert "This is a photo of an apple." in sentences
    assert "This is the plastic apple." in sentences
    assert "There is an apple in the scene." in sentences
    assert "itap of my apple." in sentences
    assert not any(s.startswith(("a", "the")) for s in sentences)


def test_own_templates():
    assert load_templates(["my {}"]) == ("my {}",)


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("vild36", "did you mean 'vild63'"),
        ("zzz", "known: "),
        ([], "at least one"),
        (["a {}", "a cat"], "template 1 must be text with a {} in it, got 'a cat'"),
    ],
)
def test_unusable_templates_are_refused(templates, message):
    with pytest.raises(InputError, match=message.replace("{", r"\{")):
        load_templates(templates)
