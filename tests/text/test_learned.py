import pytest
import torch

from ovdet.ops import unit_norm
from ovdet.structures import InputError, Vocabulary
from ovdet.text import LearnedPrompts, TinyTextTransformer, TransformersText

NAMES = Vocabulary(("cat", "Fire_hydrant", "bow_(weapon)"), synonyms=(("kitty",), (), ("Cat",)))


def tower(context=77):
    torch.manual_seed(0)
    return TinyTextTransformer(
        dim=8, width=16, layers=2, heads=2, embed_width=8, context=context
    ).double()


def prompts(**options):
    encoder = tower()
    torch.manual_seed(1)
    return LearnedPrompts(encoder, **options).double()


def by_hand(slot, name, context, split):
    """Put one prompt together as a list of rows and read it alone."""
    encoder = slot.encoder
    start, *inner, end = [int(i) for i in encoder.tokenizer([name])[0] if i]
    (stop,) = [int(i) for i in encoder.tokenizer(["."])[0] if i][1:-1]

    def rows(ids):
        return encoder.embed_ids(torch.tensor([ids]))[0]

    parts = [rows([start]), context[:split], rows(inner), context[split:], rows([stop, end])]
    whole = torch.cat(parts)[None]
    return unit_norm(encoder.read(whole, torch.tensor([whole.shape[1] - 1])))[0]


@pytest.mark.parametrize(("position", "split"), [("end", 4), ("middle", 2), ("front", 0)])
def test_a_prompt_is_put_together_as_by_hand(position, split):
    slot = prompts(length=4, count=2, position=position)
    names = ["cat", "fire hydrant", "a very small dog"]  # of different lengths, in one batch
    text = slot(Vocabulary.of(names))
    for row, name in enumerate(names):
        each = torch.stack([by_hand(slot, name, context, split) for context in slot.contexts])
        torch.testing.assert_close(text.tokens[row], each)
        torch.testing.assert_close(text.classes[row], unit_norm(each.sum(dim=0)))
    assert text.token_mask.tolist() == [[True, True]] * 3


def test_a_tower_that_reads_whole_rows_gets_them():
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    encoder = TransformersText(config=size | {"num_attention_heads": 2, "projection_dim": 8})
    slot = LearnedPrompts(encoder, length=3).eval()
    expected = slot(Vocabulary.of(["cat"])).classes
    encoder.causal = False  # the causal tower must not care
    encoder._known = None
    slot._known.clear()
    torch.testing.assert_close(slot(Vocabulary.of(["cat"])).classes, expected)


def test_synonyms_are_averaged_and_equal_words_counted_once():
    slot = prompts(length=2, count=2)
    found = slot(NAMES).tokens
    one = slot(Vocabulary.of(["cat", "kitty", "fire hydrant", "bow"])).tokens
    torch.testing.assert_close(found[0], unit_norm(one[0] + one[1]))
    torch.testing.assert_close(found[1], one[2])
    torch.testing.assert_close(found[2], unit_norm(one[3] + one[0]))


def test_only_the_contexts_learn():
    slot = prompts(length=3, count=2).train()
    weights = torch.randn(3, 8, dtype=torch.float64)
    (slot(NAMES).classes * weights).sum().backward()
    assert (slot.contexts.grad.abs().sum(dim=-1) > 0).all()
    assert all(p.grad is None and not p.requires_grad for p in slot.encoder.parameters())
    assert not slot.encoder.training


def test_the_gradient_is_that_of_the_tower():
    slot = prompts(length=2).train()

    def classes(contexts):
        slot.contexts.data = contexts.detach()
        return torch.func.functional_call(slot, {"contexts": contexts}, (Vocabulary.of(["cat"]),))

    def read(contexts):
        return classes(contexts).classes

    start = slot.contexts.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(read, (start,))


def test_classes_are_kept_until_contexts_or_tower_change():
    slot = prompts(length=2).eval()
    first = slot(NAMES)
    assert slot(NAMES) is first
    assert not first.classes.requires_grad
    with torch.no_grad():
        slot.contexts[0, 0, 0] += 1
    second = slot(NAMES)
    assert not torch.equal(second.classes, first.classes)
    with torch.no_grad():
        slot.encoder.project.weight.mul_(torch.linspace(0.5, 2, 8)[:, None])
    assert not torch.equal(slot(NAMES).classes, second.classes)


def test_learning_and_kept_classes_are_the_same():
    slot = prompts(length=2, count=3)
    kept = slot.eval()(NAMES)
    learning = slot.train()(NAMES)
    assert learning.classes.requires_grad
    torch.testing.assert_close(learning.classes.detach(), kept.classes)


def test_frozen_prompts_keep_their_classes_in_training():
    slot = prompts(length=2, frozen=True).train()
    assert slot(NAMES) is slot(NAMES)
    assert not any(p.requires_grad for p in slot.parameters())


def test_vectors_made_in_inference_mode_can_be_learnt_with_later():
    slot = prompts(length=2, frozen=True)
    with torch.inference_mode():
        slot(NAMES)
    gain = torch.ones(8, dtype=torch.float64, requires_grad=True)
    (slot(NAMES).classes * gain).sum().backward()
    assert gain.grad.abs().sum() > 0


def test_words_go_through_the_same_contexts():
    slot = prompts(length=2, count=2).eval()
    classes = slot(Vocabulary.of(["cat", "fire hydrant"])).classes
    torch.testing.assert_close(
        slot.encode_words(["Fire_hydrant", "cat", "cat"]), classes[[1, 0, 0]]
    )
    assert slot.encode_words([]).shape == (0, 8)


def test_a_long_name_is_cut_to_what_the_vectors_leave():
    slot = LearnedPrompts(tower(context=12).float(), length=6)
    classes = slot(Vocabulary.of(["one two three four five six seven", "cat"])).classes
    assert torch.isfinite(classes).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length and count must be at least 1, got 0 and 1"),
        ({"count": 0}, "at least 1, got 8 and 0"),
        ({"position": "back"}, "position must be one of .* got 'back'"),
        ({"length": 75}, "context must be at least 3 tokens, got 2"),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        LearnedPrompts(tower(), **options)


def test_state_goes_round():
    first, second = prompts(count=2, length=2), LearnedPrompts(tower(), count=2, length=2).double()
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.eval()(NAMES).classes, first.eval()(NAMES).classes)
