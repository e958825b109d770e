"""Labels of pixels from logits of words, by hand: two pixels side by side."""

import pytest
import torch

from ovdet.segmentors import PixelAnswers
from ovdet.structures import IGNORED, InputError, Vocabulary

PLAIN = Vocabulary(("cat", "dog"), novel=(False, True))
GROUND = Vocabulary(("background", "cat", "dog"), synonyms=((), ("kitten",), ()))


def label(answers, vocabulary, columns):
    """Return the labels of two pixels; ``columns`` are their logits, one list each."""
    logits = torch.tensor(columns).T[:, None]  # [Q, 1, 2]
    return answers.label(logits, answers.ask(vocabulary), vocabulary, (1, 2))[0].tolist()


def test_the_best_class_wins():
    assert label(PixelAnswers(), PLAIN, [[1.0, 2], [3, 2]]) == [1, 0]


def test_below_the_threshold_is_no_class():
    # softmax of (0, 2): 0.88; of (3, 2.5): 0.62
    columns = [[0.0, 2], [3, 2.5]]
    assert label(PixelAnswers(reject=0.6), PLAIN, columns) == [1, 0]
    assert label(PixelAnswers(reject=0.7), PLAIN, columns) == [1, IGNORED]
    assert label(PixelAnswers(reject=1.0), PLAIN, columns) == [IGNORED, IGNORED]
    # of their own: sigmoid(2) = 0.88, sigmoid(3) = 0.95
    assert label(PixelAnswers(reject=0.9, sigmoid=True), PLAIN, columns) == [IGNORED, 0]


def test_the_unsure_are_background_where_there_is_one():
    answers = PixelAnswers(reject=0.7, background="background")
    assert label(answers, GROUND, [[0.0, 2, 2.5], [0, 9, 1]]) == [0, 1]
    assert label(answers, PLAIN, [[2, 2.5], [9, 1]]) == [IGNORED, 0]


def test_words_of_a_background():
    answers = PixelAnswers(background="background", background_words=("sky", "wall"))
    asked = answers.ask(GROUND)
    assert asked.words.names == ("sky", "wall", "cat", "dog")
    assert asked.owners.tolist() == [0, 0, 1, 2]
    assert label(answers, GROUND, [[0.0, 5, 4, 1], [0, 1, 2, 9]]) == [0, 2]


def test_words_of_a_background_that_is_no_class():
    answers = PixelAnswers(background_words=("sky",))
    asked = answers.ask(PLAIN)
    assert asked.words.names == ("cat", "dog", "sky")
    assert asked.owners.tolist() == [0, 1, IGNORED]
    assert label(answers, PLAIN, [[0.0, 2, 5], [5, 2, 0]]) == [IGNORED, 0]


def test_synonyms_stand_each_for_itself_and_a_word_may_stand_twice():
    both = Vocabulary(("cat", "dog"), synonyms=(("pet",), ("pet", "puppy")))
    answers = PixelAnswers(synonyms=True)
    asked = answers.ask(both)
    assert asked.words.names == ("cat", "pet", "dog", "puppy")
    assert asked.rows.tolist() == [0, 1, 2, 1, 3]
    assert asked.owners.tolist() == [0, 0, 1, 1, 1]
    assert label(answers, both, [[0.0, 1, 2, 1, 3], [0, 4, 0, 4, 1]]) == [1, 0]
    # the share of the best word among all words, not the class's sum
    unsure = PixelAnswers(synonyms=True, reject=0.6)
    assert label(unsure, both, [[0.0, 0, 9, 0, 9], [0, 9, 0, 0, 0]]) == [IGNORED, 0]


def test_seen_classes_pay_a_bias():
    columns = [[2.0, 1], [4, 1]]
    assert label(PixelAnswers(seen_bias=1.5), PLAIN, columns) == [1, 0]
    assert label(PixelAnswers(seen_bias=1.5), Vocabulary.of(PLAIN.names), columns) == [0, 0]
    # a background word is no seen class
    ground = PixelAnswers(seen_bias=1.5, background_words=("sky",))
    assert label(ground, PLAIN, [[2.0, 0, 1], [4, 0, 1]]) == [IGNORED, 0]


def test_arguments_are_checked():
    with pytest.raises(InputError, match=r"reject must be 0 to 1, a probability, got 1.5"):
        PixelAnswers(reject=1.5)
    with pytest.raises(InputError, match="must be a list, got the bare string 'sky'"):
        PixelAnswers(background_words="sky")
