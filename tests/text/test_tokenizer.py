import logging
import random
import subprocess
import sys
import unicodedata

import pytest
import torch

from ovdet.structures import InputError
from ovdet.text import ClipTokenizer

HARD = [
    "",
    "a photo of a cat.",
    "bow_(weapon)",
    "don't I'LL it's WE'VE",
    "naïve café, ﬁne “quotes”",
    "🐱 dog 👨‍👩‍👧",
    "&lt;b&gt; &amp;amp; &nbsp;x&#39;s",
    "a\x1b[31mred \x00abc \u200b\ufeff x",
    "tab\tline\nend  ",
    "schÃ¶n",
    "'\u017f k\u212a İstanbul ẞ",
    "\uff11\uff12 ½ ٣ 2024",
    "日本語テキスト",
    "hello!!! ..??",
    "word " * 100,
    "a" * 400,
]


def gibberish(count, seed):
    draw = random.Random(seed)
    letters = [chr(draw.randrange(0x80, 0x30000)) for _ in range(2000)]
    letters = [c for c in letters if unicodedata.category(c) != "Cs"]
    letters += list("abcdeXYZ '&;#<>!_-  .19") * 40
    return ["".join(draw.choices(letters, k=draw.randrange(1, 40))) for _ in range(count)]


@pytest.mark.parametrize("context", [77, 16])
def test_ids_are_those_of_open_clip(context):
    from open_clip.tokenizer import tokenize

    texts = HARD + gibberish(1000, seed=context)
    assert torch.equal(ClipTokenizer(context)(texts), tokenize(texts, context))


def test_a_row_is_start_text_end_pad():
    ids = ClipTokenizer(6)(["!"])
    assert ids.dtype == torch.int64
    assert ids.tolist() == [[49406, 256, 49407, 0, 0, 0]]


def test_no_texts_give_no_rows():
    assert ClipTokenizer()([]).shape == (0, 77)


def test_a_marker_in_a_text_is_plain_characters():
    ids = ClipTokenizer()(["a <end_of_text> b"])
    assert (ids == 49407).sum() == 1


def test_too_long_is_cut_and_quoted_once(caplog):
    tokenizer = ClipTokenizer(8)
    with caplog.at_level(logging.WARNING):
        ids = tokenizer(["red " * 20, "red " * 20, "red"])
        tokenizer(["red " * 20])
    assert ids[0, -1] == 49407
    assert len(caplog.messages) == 1
    assert "20 tokens" in caplog.messages[0]
    assert "red red" in caplog.messages[0]


def test_a_warning_uses_the_name_given_for_the_texts(caplog):
    tokenizer = ClipTokenizer(8)
    with caplog.at_level(logging.WARNING):
        tokenizer(["a " + "red " * 20, "the " + "red " * 20], names=["red things"] * 2)
    assert len(caplog.messages) == 1
    assert "'red things'" in caplog.messages[0]


def test_a_context_without_room_is_refused():
    with pytest.raises(InputError, match="at least 3 tokens, got 2"):
        ClipTokenizer(2)


def test_the_vocabulary_is_found_without_importing_open_clip():
    code = (
        "import sys, ovdet.text; ovdet.text.ClipTokenizer()(['a dog']);"
        "sys.exit(bool({'open_clip', 'transformers', 'torchvision'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
