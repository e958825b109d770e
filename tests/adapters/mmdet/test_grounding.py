"""GLIP and Grounding DINO of mmdet by name, against mmdet's own reading of the same text."""

import pytest
import torch

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from mmdet_tiny import ASKED, GROUNDING, LEARNT, grounding, sample, write_bert

from ovdet.adapters.mmdet.configs import read_config, without_downloads
from ovdet.adapters.mmdet.packages import part_registry
from ovdet.registry import BuildError
from ovdet.structures import InputError, Vocabulary

MM, _, GLIP = GROUNDING
BATCH = [sample(0), sample(1)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module", params=GROUNDING, ids=lambda name: name.split("/")[0])
def detector(request, bert):
    made = grounding(request.param, bert)
    made.kind = request.param
    return made


def predict(detector, vocabulary, samples=BATCH, **limits):
    with torch.no_grad():
        return detector.eval().predict(samples, vocabulary, **limits)


def with_heads(_, args, options):
    """Give a mask [B, L, L] the axis of heads that transformers 5 wants."""
    mask = options["attention_mask"]
    return args, options | {"attention_mask": mask[:, None] if mask.dim() == 3 else mask}


def test_what_is_found_is_mmdets_own(detector, bert):
    """mmdet writes and reads the text itself; its detector has the weights of ours."""
    from mmdet.structures import DetDataSample
    from mmengine.registry import DefaultScope

    kind = detector.kind
    changed = {f"model.{key}": value for key, value in GROUNDING[kind].items()}
    changed["model.language_model.name"] = str(bert)
    if kind == GLIP:
        changed["model.bbox_head.lang_model_name"] = str(bert)
    model = read_config(f"mmdet::{kind}", changed).model
    without_downloads(model)
    with DefaultScope.overwrite_default_scope("mmdet"):
        other = part_registry().build(model)
    other.load_state_dict(detector.detector.state_dict())
    tokenizer = other.language_model.tokenizer
    if not hasattr(tokenizer, "batch_encode_plus"):  # of transformers 4
        tokenizer.batch_encode_plus = tokenizer.__call__
    bare = other.language_model.language_backbone.body.model
    bare.register_forward_pre_hook(with_heads, with_kwargs=True)
    picture = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(4))
    meta = {"ori_shape": (128, 96), "img_shape": (64, 64), "scale_factor": (64 / 96, 0.5)}
    record = DetDataSample(metainfo=meta | {"text": "car. kite. lamp", "custom_entities": True})
    step = {"inputs": [picture.to(torch.uint8)], "data_samples": [record]}
    with torch.no_grad():
        wanted = other.eval().test_step(step)[0].pred_instances
    one = sample(0)
    one.image = picture.flip(0).float() / 255
    (found,) = predict(detector, Vocabulary.of(["kite", "lamp", "car"]), [one])
    assert len(found) > 5
    torch.testing.assert_close(found.scores, wanted.scores[: len(found)], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.boxes[:3], wanted.bboxes[:3].clamp(min=0), atol=1e-3, rtol=0)
    assert found.labels[:3].tolist() == [(2, 0, 1)[row] for row in wanted.labels[:3].tolist()]


def test_names_in_names_out(detector):
    odd = Vocabulary.of(["fire-extinguisher (red)", "potted_plant", "cat. dog?", "plant flower"])
    for found in predict(detector, odd):
        assert len(found) > 0
        assert set(found.labels.tolist()) <= {0, 1, 2, 3}


def test_order_and_company_of_another_text_change_nothing(detector):
    turned = Vocabulary.of(ASKED.names[::-1])
    assert len(list(detector._naming.ask(ASKED))) > 1  # more than one text
    for a, b in zip(predict(detector, ASKED), predict(detector, turned), strict=True):
        torch.testing.assert_close(a.scores, b.scores)
        torch.testing.assert_close(a.boxes, b.boxes)
        assert [ASKED.names[i] for i in a.labels] == [turned.names[i] for i in b.labels]


def test_each_text_is_read_once(detector):
    names = Vocabulary.of(["boat", "zebra"])
    before = detector._naming.encoded
    first, _ = predict(detector, names)
    again, _ = predict(detector, names)
    assert detector._naming.encoded == before + 1
    torch.testing.assert_close(first.scores, again.scores)
    weight = next(detector.detector.language_model.parameters())
    with torch.no_grad():
        weight.add_(0.1)
    predict(detector, names)
    assert detector._naming.encoded == before + 2
    with torch.no_grad():
        weight.sub_(0.1)


def test_what_names_an_object_is_learnt(detector):
    detector.zero_grad()
    losses = detector.train().loss(BATCH, LEARNT)
    total = sum(loss for key, loss in losses.items() if "loss" in key)
    assert torch.isfinite(total)
    total.backward()
    assert detector.detector.backbone.patch_embed.projection.weight.grad.abs().sum() > 0
    tower = dict(detector.detector.language_model.named_parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in tower.values())
    asked = detector._naming.learn(LEARNT)
    assert asked.place.tolist() == [0, 1, -1]  # "dog" is novel
    spans = detector.detector.get_tokens_and_prompts(asked.text, True)[2]
    words = detector.detector.language_model.tokenizer.convert_ids_to_tokens(asked.text.ids)
    assert [[words[place] for place in span] for span in spans] == [["cat"], ["red", "car"]]
    _, wanted = detector.detector.get_positive_map(asked.text, [spans[1]])
    assert wanted.nonzero()[:, 1].tolist() == spans[1]


def test_what_a_text_cannot_hold_is_told(detector):
    many = Vocabulary.of([f"thing {i}" for i in range(20)])
    with pytest.raises(InputError, match="reads 32 tokens, too few for 20 names at once"):
        detector.loss([sample(0)], many)
    with pytest.raises(InputError, match=r"reads 32 tokens, class 'x+' needs"):
        predict(detector, Vocabulary.of(["x" * 40]))


def test_what_cannot_be_built_is_told(bert):
    with pytest.raises(BuildError, match="a GLIP with early_fuse is built on the inside of BERT"):
        grounding(GLIP, bert, options={"model.bbox_head.early_fuse": True})
    text = {"type": "TextClasses", "encoder": {"type": "TinyTextTransformer", "dim": 8}}
    with pytest.raises(BuildError, match="reads names itself: leave opening out"):
        grounding(MM, bert, opening={"type": "MmdetText", "text": text, "dim": 8})
