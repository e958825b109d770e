import pytest

from ovdet.structures import InputError, PhraseVocabulary

WORDINGS = [("", "the car", " left of the dog"), ("", "the car", ""), ("a ", "kite", "")]
ASKED = [[True, False, True], [False, True, False]]


def test_the_same_words_in_another_sentence_are_another_class():
    vocabulary = PhraseVocabulary.of_wordings(WORDINGS)
    assert vocabulary.names == ("[the car] left of the dog", "the car", "a [kite]")


def test_picking_takes_along_who_asks():
    picked = PhraseVocabulary.of_wordings(WORDINGS, ASKED).pick([2, 0])
    assert picked.names == ("a [kite]", "[the car] left of the dog")
    assert picked.wordings == (WORDINGS[2], WORDINGS[0])
    assert picked.asked == ((True, True), (False, False))


def test_each_class_has_a_wording():
    with pytest.raises(InputError, match="got 1 for 2 classes"):
        PhraseVocabulary(("a", "b"), wordings=(("", "a", ""),))


def test_each_image_says_what_it_asks():
    with pytest.raises(InputError, match="got 1 for 3 classes in image 1"):
        PhraseVocabulary.of_wordings(WORDINGS, [[True] * 3, [True]])
