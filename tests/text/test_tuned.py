import pytest
import torch

from ovdet.ops import unit_norm
from ovdet.structures import InputError, Vocabulary
from ovdet.text import TinyTextTransformer, TunedTextClasses, load_templates

NAMES = Vocabulary.of(["cat", "traffic_light", "red car"])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path))


def slot(*templates, **options):
    torch.manual_seed(0)
    return TunedTextClasses(TinyTextTransformer(8, 16, 1, 2, 24, 8), *templates, **options)


def test_a_class_is_the_mean_of_its_sentences():
    part = slot("clip7").eval()
    texts = [t.format("traffic light") for t in load_templates("clip7")]
    expected = part.encoder.encode(texts).mean(dim=0)
    found = part(NAMES).classes
    torch.testing.assert_close(found[1], expected)
    assert found[1].norm() < 1 - 1e-4
    torch.testing.assert_close(part.encode_words(["traffic_light"]), expected[None])
    torch.testing.assert_close(slot().eval()(NAMES).classes.norm(dim=1), torch.ones(3))


def test_it_learns_with_one_template_a_name():
    part = slot("single", "clip80", bare=True).train()
    assert len(part.learnt) == 81
    torch.manual_seed(3)
    drawn = torch.randint(81, (3,)).tolist()
    texts = [
        part.learnt[i].replace("{}", name)
        for i, name in zip(drawn, ["cat", "traffic light", "red car"], strict=True)
    ]
    torch.manual_seed(3)
    found = part(NAMES).classes
    torch.testing.assert_close(found, part.encoder.encode(texts))
    found.sum().backward()
    assert part.encoder.project.weight.grad.abs().sum() > 0
    assert part.encode_words(["cat"]).requires_grad


def test_what_it_learnt_shows_at_once():
    part = slot().eval()
    before = part(NAMES).classes
    with torch.no_grad():
        part.encoder.project.weight.add_(torch.randn_like(part.encoder.project.weight))
    after = part(NAMES).classes
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, unit_norm(after))


def test_templates_are_checked():
    with pytest.raises(InputError, match="unknown template set 'clip8'"):
        slot("clip8")
