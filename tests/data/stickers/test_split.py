from ovdet.data.stickers.names import HELD_OUT, NAMES
from ovdet.data.stickers.split import as_vocabulary, ov_categories


def test_split_is_that_of_coco():
    categories = ov_categories()
    novel = {category.id for category in categories if category.novel}
    # COCO ids of the 17 novel classes, as in the public OV-COCO splits
    assert novel == {5, 6, 17, 18, 21, 22, 28, 32, 36, 41, 47, 49, 61, 63, 76, 81, 87}
    assert len(categories) == 65
    assert len({category.name for category in categories}) == 65
    assert {category.name for category in categories} <= set(NAMES)
    assert not {category.name for category in categories} & set(HELD_OUT)


def test_vocabulary_keeps_ids_and_sides():
    vocabulary = as_vocabulary(ov_categories())
    index = vocabulary.names.index("umbrella")
    assert vocabulary.ids[index] == 28
    assert vocabulary.novel[index]
    assert sum(vocabulary.novel) == 17
