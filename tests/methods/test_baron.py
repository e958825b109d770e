import math

import pytest
import torch
from torch import nn

from ovdet.heads import RoiEmbedder
from ovdet.losses import GroupedInfoNce, PairedInfoNce
from ovdet.methods.baron import (
    BaronBags,
    BaronCaptions,
    BaronCentres,
    BaronEmbedder,
    BaronNeighbours,
    BaronPositions,
)
from ovdet.methods.baron.bags import BaronSettings, tell
from ovdet.ops import unit_norm
from ovdet.structures import Flow, InputError, Regions, Sample, Vocabulary
from ovdet.text import TinyTextTransformer
from ovdet.text.tokenizer import END, START

WORDS, WIDTH, DIM = 3, 16, 8


def tower():
    torch.manual_seed(0)
    return TinyTextTransformer(dim=DIM, width=WIDTH, layers=2, heads=2, embed_width=8, context=40)


def embedder(dropout=0.5, encoder=None):
    encoder = encoder or tower()
    torch.manual_seed(1)
    regions = RoiEmbedder(4, WORDS * WIDTH, hidden=12, convs=0, size=2)
    return BaronEmbedder(regions, encoder, words=WORDS, dropout=dropout)


def test_the_words_of_a_name_are_read_as_the_name():
    """Pseudo words live in the token table's space: real tokens give the class's own embedding."""
    encoder = tower()
    ids = encoder.tokenizer(["a small dog"])
    found = embedder(encoder=encoder).eval().speak(encoder.embed_ids(ids[:, 1:4]))
    torch.testing.assert_close(found, encoder(ids))


def test_words_that_are_left_out_close_ranks():
    model = embedder()
    encoder = model.encoder
    words = torch.randn(3, 4, WIDTH)
    kept = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]]).bool()
    marks = encoder.embed_ids(torch.tensor([[START, END]]))[0]
    for row, found in enumerate(model.read(words, kept)):
        alone = torch.cat([marks[:1], words[row][kept[row]], marks[1:]])[None]
        expected = encoder.read(alone, torch.tensor([alone.shape[1] - 1]))[0]
        torch.testing.assert_close(found, unit_norm(expected))


def test_one_word_always_stays():
    torch.manual_seed(0)
    kept = embedder(dropout=0.9).train().keep((500, WORDS), "cpu")
    assert kept.any(dim=1).all()
    alone = kept.sum(dim=1) == 1
    assert kept[alone, 0].float().mean() > 0.5  # the first word steps in for all
    assert kept[:, 1].float().mean().item() == pytest.approx(0.1, abs=0.05)
    assert embedder(dropout=0.9).eval().keep((5, WORDS), "cpu").all()


def test_gradients_pass_through_the_tower_and_stop_at_it():
    model = embedder().train()
    levels = [torch.randn(1, 4, 8, 8), torch.randn(1, 4, 4, 4)]
    boxes = torch.tensor([[0.0, 0, 20, 20], [4, 4, 30, 30]])
    found = model(levels, Regions(boxes, torch.zeros(2, dtype=torch.int64)), 32)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    (found * torch.randn(2, DIM)).sum().backward()
    assert model.regions.project.weight.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in model.encoder.parameters())
    assert not model.encoder.training


def test_no_region_says_nothing():
    model = embedder().train()
    hidden = torch.zeros(0, 12, requires_grad=True)
    found = model.embed(hidden)
    assert found.shape == (0, DIM)
    found.sum().backward()
    assert hidden.grad is not None


def test_what_an_embedder_cannot_be():
    regions = RoiEmbedder(4, WORDS * WIDTH, hidden=12, convs=0, size=2)
    with pytest.raises(InputError, match=r"must give 2 words x 16 = 32 values, got 48"):
        BaronEmbedder(regions, tower(), words=2)
    with pytest.raises(InputError, match=r"dropout must lie in \[0, 1\), got 1"):
        BaronEmbedder(regions, tower(), words=WORDS, dropout=1)
    whole = tower()
    whole.causal = False
    with pytest.raises(InputError, match="must be causal"):
        BaronEmbedder(regions, whole, words=WORDS)
    with pytest.raises(InputError, match="at most 38 words, got 39"):
        embedder().read(torch.zeros(1, 39, WIDTH), torch.ones(1, 39, dtype=torch.bool))


def test_positions_are_waves_of_place_and_size():
    model = BaronPositions(WORDS, WIDTH, hidden=32)
    box, span = [6.0, 10, 16, 30], [4.0, 0, 24, 40]
    places = [(11 - 4) / 20, (20 - 0) / 40, 10 / 20, 20 / 40]
    waves = []
    for place in places:
        for i in range(128):
            angle = 2 * math.pi * place * 1.2 ** (i // 2 - 32)
            waves.append(math.cos(angle) if i % 2 else math.sin(angle))
    expected = model.layers(torch.tensor(waves)).view(WORDS, WIDTH)
    torch.testing.assert_close(
        model(torch.tensor(box), torch.tensor(span)), expected, atol=1e-4, rtol=1e-4
    )


def test_cells_by_hand():
    cells = BaronNeighbours(overlap=0.1).cells(torch.tensor([[100.0, 200, 110, 240]]))[0]
    assert cells[4].tolist() == [100, 200, 110, 240]
    assert cells[0].tolist() == [91, 164, 101, 204]  # up and left by 0.9 of width and height
    assert cells[5].tolist() == [109, 200, 119, 240]


def test_chances_by_hand():
    sampler = BaronNeighbours(chance=0.3, shape=3.0, overlap=0.1, inside=0.3)
    size = torch.tensor([[100.0, 100]])
    square = sampler.chances(torch.tensor([[40.0, 40, 50, 50]]), size)[0]
    expected = torch.full((9,), 0.3)
    expected[4] = 1
    torch.testing.assert_close(square, expected)
    flat = sampler.chances(torch.tensor([[30.0, 40, 70, 60]]), size)[0].view(3, 3)
    across, corner = 0.3 / 8, (0.3 * 0.3 / 8) ** 0.5  # half as high as wide: (1 / 2) ** 3
    expected = [[corner, 0.3, corner], [across, 1, across], [corner, 0.3, corner]]
    torch.testing.assert_close(flat, torch.tensor(expected))


def test_a_neighbour_must_lie_inside_by_a_part():
    sampler = BaronNeighbours(overlap=0.1, inside=0.3)
    size = torch.tensor([[100.0, 100]] * 2)
    # The left neighbour of a box from x = 2 to 12 ends at 3: three tenths of it lie inside. From
    # 1.9 to 11.9 it is less.
    near = torch.tensor([[2.001, 40, 12.001, 50], [1.9, 40, 11.9, 50]])
    chances = sampler.chances(near, size).view(2, 3, 3)
    assert chances[0].min() > 0
    assert chances[1, :, 0].tolist() == [0, 0, 0]
    assert chances[1, :, 1:].min() > 0


def test_boards_are_drawn_by_their_probabilities():
    """One bag a centre: each neighbour is there as often as its chance says, all independent."""
    torch.manual_seed(0)
    sampler = BaronNeighbours(bags=1)
    centre = torch.tensor([[30.0, 40, 70, 75]]).expand(20_000, 4)
    _, bags = sampler(centre, torch.tensor([[100.0, 100]]).expand(20_000, 2))
    rate = bags[:, 0].float()
    chances = sampler.chances(centre[:1], torch.tensor([[100.0, 100]]))[0]
    torch.testing.assert_close(rate.mean(dim=0), chances, atol=0.015, rtol=0)
    both = (rate[:, 1] * rate[:, 7]).mean()
    torch.testing.assert_close(both, chances[1] * chances[7], atol=0.015, rtol=0)


def test_several_bags_are_those_of_drawing_until_they_differ():
    """The share of draws that hold the empty board, against drawing with rejection."""
    torch.manual_seed(0)
    sampler = BaronNeighbours(bags=2, chance=0.3)
    count, size = 20_000, torch.tensor([[100.0, 100]])
    centre = torch.tensor([[40.0, 40, 50, 50]])
    _, bags = sampler(centre.expand(count, 4), size.expand(count, 2))
    assert (bags[:, 0] != bags[:, 1]).any(dim=1).all()
    alone = (bags.sum(dim=-1) == 1).any(dim=1).float().mean().item()
    count_of = torch.tensor([b.bit_count() for b in range(256)])
    weight = 0.3**count_of * 0.7 ** (8 - count_of)
    first = weight[0]
    second = (weight[1:] * first / (1 - weight[1:])).sum()  # another first, then the empty one
    assert alone == pytest.approx((first + second).item(), abs=0.01)


def test_where_few_boards_are_possible_fewer_bags_are_drawn():
    sampler = BaronNeighbours(bags=3)
    size = torch.tensor([[40.0, 40]] * 2)
    _, bags = sampler(torch.tensor([[0.0, 0, 40, 40], [0, 0, 40, 18]]), size)
    assert bags.any(dim=-1).sum(dim=1).tolist() == [1, 2]  # alone; alone and with the one below
    cells, bags = sampler(torch.zeros(0, 4), torch.zeros(0, 2))
    assert (cells.shape, bags.shape) == ((0, 9, 4), (0, 3, 9))


def test_centres_are_likely_large_square_and_apart():
    boxes = torch.tensor(
        [
            [0.0, 0, 30, 30],
            [50, 50, 58, 58],  # 64 of 10,000 px, below a hundredth
            [0, 60, 50, 70],  # five times as wide as high
            [60, 0, 90, 30],
            [62, 2, 92, 32],  # over the one before
            [10, 70, 30, 90],
        ]
    )
    scores = torch.tensor([0.9, 0.99, 0.99, 0.95, 0.97, 0.5])
    given = Regions(boxes, torch.zeros(6, dtype=torch.int64), scores)
    assert BaronCentres()(given, 100, 100).boxes.tolist() == boxes[[4, 0]].tolist()
    best = BaronCentres(objectness=0.999)(given, 100, 100)  # none is good: the likeliest stays
    assert best.boxes.tolist() == boxes[[1]].tolist()
    assert len(BaronCentres()(given[:0], 100, 100)) == 0


def test_each_sentence_tells_its_bag():
    torch.manual_seed(0)
    sampler = BaronNeighbours(bags=3)
    centres = torch.tensor([[40.0, 40, 50, 60], [0, 0, 20, 20], [10, 0, 90, 100]])
    cells, bags = sampler(centres, torch.tensor([[100.0, 100]] * 3))
    told = tell(cells, bags, torch.tensor([0, 1, 1]), orders=2)
    members = [
        {tuple(cells[k, i].tolist()) for i in bags[k, g].nonzero().flatten()}
        for k, g in bags.any(dim=-1).nonzero().tolist()
    ]
    assert set(told.bags.tolist()) == set(range(len(members)))
    for row, there, span, bag, owner in zip(
        told.rows, told.there, told.spans, told.bags.tolist(), told.owner, strict=True
    ):
        boxes = told.regions.boxes[row[there]]
        assert sorted(map(tuple, boxes.tolist())) == sorted(members[bag])
        assert torch.equal(span, torch.cat([boxes[:, :2].amin(0), boxes[:, 2:].amax(0)]))
        assert (told.regions.owner[row[there]] == owner).all()
    orders = [told.bags.tolist().count(bag) for bag in range(len(members))]
    assert orders == [min(len(one), 2) for one in members]
    every = bags.any(dim=1).sum()
    assert len(told.regions) == every


class MeanColour(nn.Module):
    def forward(self, images, regions):
        rows = [
            images[o, :, int(y1) : int(y2) + 1, int(x1) : int(x2) + 1].mean(dim=(1, 2))
            for o, (x1, y1, x2, y2) in zip(regions.owner, regions.boxes.tolist(), strict=True)
        ]
        colours = torch.stack(rows) if rows else torch.zeros(0, 3)
        return unit_norm(torch.nn.functional.pad(colours, (0, DIM - 3)))


def flow(model, captions=((), ("a dog", "a cat"))):
    torch.manual_seed(3)
    samples = [
        Sample(torch.rand(3, 64, 64), image_id=2**40 + i, captions=said)
        for i, said in enumerate(captions)
    ]
    box = torch.tensor([[20.0, 20, 36, 36]])
    samples[0].truth = Regions(box, torch.zeros(1, dtype=torch.int64), labels=torch.tensor([0]))
    proposals = Regions(
        torch.tensor([[4.0, 4, 20, 24], [30, 30, 50, 50], [10, 10, 26, 26]]),
        torch.tensor([0, 1, 1]),
        torch.tensor([0.9, 0.95, 0.2]),
    )
    record = Flow(torch.stack([s.image for s in samples]), samples, Vocabulary.of(["dog"]))
    record.proposals = proposals
    record.features = [torch.randn(2, 4, 16, 16, requires_grad=True)]
    record.embedders = [model]
    return record


def bags(**options):
    return BaronBags(MeanColour(), BaronCentres(), BaronNeighbours(), **options)


def test_bags_and_singles_are_compared_with_the_teachers_view():
    """Forward again by hand: words, positions, sentences, the view of the box around them."""
    model = embedder(dropout=0.0)
    positions = BaronPositions(WORDS, WIDTH)
    objective = bags(
        positions=positions,
        bags=PairedInfoNce(DIM, scale=30.0),
        singles=PairedInfoNce(DIM, scale=50.0),
        settings=BaronSettings(bag_weight=2.0, single_weight=0.5),
    ).eval()
    record = flow(model)
    told = objective.draw(record)
    # the annotated object and the likely proposal of image 0, the likely one of image 1
    centres = torch.tensor([[20.0, 20, 36, 36], [4, 4, 20, 24], [30, 30, 50, 50]])
    assert all((told.regions.boxes == c).all(dim=1).any() for c in centres)
    objective.draw = lambda _: told
    losses = objective(record)
    words = model.words(model.hidden(record.features, told.regions, 64))
    students = []
    for row, there, span in zip(told.rows, told.there, told.spans, strict=True):
        own = row[there]
        parts = words[own] + positions(told.regions.boxes[own], span.expand(len(own), 4))
        every = torch.ones(1, WORDS * len(own), dtype=torch.bool)
        students.append(model.read(parts.flatten(0, 1)[None], every)[0])
    views = MeanColour()(record.images, Regions(told.spans, told.owner))
    images = 2**40 + told.owner
    expected = PairedInfoNce(DIM, scale=30.0)(torch.stack(students), views, told.bags, images)
    torch.testing.assert_close(losses["loss_bags"], 2.0 * expected)
    views = MeanColour()(record.images, told.regions)
    one = torch.arange(len(told.regions))
    expected = PairedInfoNce(DIM, scale=50.0)(model.speak(words), views, one, one)
    torch.testing.assert_close(losses["loss_singles"], 0.5 * expected)


def test_each_contrast_fills_its_own_queues():
    model = embedder().train()
    for only in ("bags", "singles"):
        contrast = PairedInfoNce(DIM, length=512)
        objective = bags(positions=BaronPositions(WORDS, WIDTH), **{only: contrast}).train()
        losses = objective(flow(model))
        assert list(losses) == [f"loss_{only}"]
        held = [queue() for queue in contrast.queues]
        assert len(held[0][0]) == len(held[1][0]) > 0
        assert set(held[0][1].tolist()) == {2**40, 2**40 + 1}  # ids keep all their bits


def test_no_region_at_all_is_no_loss_but_a_graph():
    model = embedder().train()
    record = flow(model)
    record.proposals = record.proposals[:0]
    record.samples[0].truth = Regions.empty()
    contrasts = {"bags": PairedInfoNce(DIM), "singles": PairedInfoNce(DIM)}
    losses = bags(positions=BaronPositions(WORDS, WIDTH), **contrasts).train()(record)
    sum(losses.values()).backward()
    assert [loss.item() for loss in losses.values()] == [0, 0]
    assert record.features[0].grad is not None


def captions(**options):
    positions = BaronPositions(WORDS, WIDTH)
    return BaronCaptions(BaronCentres(nms=0.2), positions, GroupedInfoNce(DIM), **options)


def test_a_picture_is_told_with_itself_and_compared_with_its_captions():
    model = embedder(dropout=0.0)
    objective = captions(orders=3, weight=10.0).eval()
    record = flow(model, captions=(("a red square",), ("a dog", "a cat")))
    told = objective.draw(record)
    assert told.owner.tolist() == [0, 0, 0, 1, 1, 1]
    for row, there, owner in zip(told.rows, told.there, told.owner, strict=True):
        boxes = told.regions.boxes[row[there]].tolist()
        own = [4.0, 4, 20, 24] if owner == 0 else [30.0, 30, 50, 50]
        assert sorted(boxes) == sorted([own, [0, 0, 64, 64]])
    assert told.spans.tolist() == [[0, 0, 64, 64]] * 6
    objective.draw = lambda _: told
    loss = objective(record)["loss_captions"]
    students = told.read(model, told.words(model, record), objective.positions)
    said = model.encoder.encode(["a red square", "a dog", "a cat"])
    expected = GroupedInfoNce(DIM)(students, said, told.owner, torch.tensor([0, 1, 1]))
    torch.testing.assert_close(loss, 10 * expected)
    loss.backward()
    assert model.regions.project.weight.grad.abs().sum() > 0


def test_pictures_without_captions_are_left_out():
    model = embedder().train()
    told = captions().draw(flow(model))
    assert set(told.owner.tolist()) == {1}
    record = flow(model, captions=((), ()))
    loss = captions().train()(record)["loss_captions"]
    loss.backward()
    assert loss.item() == 0
    assert record.features[0].grad is not None


def test_half_precision_stays_finite():
    model = embedder().train()
    record = flow(model, captions=(("a red square",), ("a dog", "a cat")))
    objective = bags(
        positions=BaronPositions(WORDS, WIDTH), bags=PairedInfoNce(DIM), singles=PairedInfoNce(DIM)
    ).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = objective(record) | captions().train()(record)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert torch.isfinite(model.regions.project.weight.grad).all()


def test_state_goes_round():
    objective = bags(positions=BaronPositions(WORDS, WIDTH), bags=PairedInfoNce(DIM)).train()
    objective(flow(embedder().train()))
    other = bags(positions=BaronPositions(WORDS, WIDTH), bags=PairedInfoNce(DIM))
    other.load_state_dict(objective.state_dict())
    assert len(other.bags.queues[0]) == len(objective.bags.queues[0]) > 0


def test_what_is_missing_is_told():
    with pytest.raises(ValueError, match="must be a contrast"):
        bags()
    with pytest.raises(ValueError, match="bags need positions"):
        bags(bags=PairedInfoNce(DIM))
    record = flow(nn.Identity())
    with pytest.raises(InputError, match=r"branch 0 must have a BaronEmbedder, .*'Identity'"):
        bags(singles=PairedInfoNce(DIM))(record)
    with pytest.raises(ValueError, match=r"chance must lie in \[0, 1\], got 2"):
        BaronNeighbours(chance=2)
    with pytest.raises(ValueError, match="bags must be 1 to 256, got 0"):
        BaronNeighbours(bags=0)
