import pytest
import torch

from ovdet.heads.queries import (
    BoxMover,
    DecoderLayer,
    DeformableAttention,
    Memory,
    Queries,
    QueryDecoder,
    QueryEncoder,
    inverse_sigmoid,
    to_parts,
    to_pixels,
)

SHAPES = [(8, 8), (4, 4)]
CELLS = 80
WIDTH = 16
SIZES = {"heads": 2, "levels": 2, "points": 3}


def memory(batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Memory(torch.randn(batch, CELLS, WIDTH, generator=generator), SHAPES)


def queries(batch=2, count=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    content = torch.randn(batch, count, WIDTH, generator=generator)
    place = torch.randn(batch, count, WIDTH, generator=generator)
    boxes = 0.2 + 0.5 * torch.rand(batch, count, 4, generator=generator)
    return Queries(content, place, boxes)


def test_parts_by_hand_and_back():
    boxes = torch.tensor([[10.0, 20, 30, 60]])
    parts = to_parts(boxes, 80, 40)
    torch.testing.assert_close(parts, torch.tensor([[0.5, 0.5, 0.5, 0.5]]))
    torch.testing.assert_close(to_pixels(parts, 80, 40), boxes)


def test_the_inverse_of_the_sigmoid():
    x = torch.linspace(-4, 4, 9, dtype=torch.float64)
    torch.testing.assert_close(inverse_sigmoid(x.sigmoid()), x)
    assert torch.isfinite(inverse_sigmoid(torch.tensor([0.0, 1.0]))).all()


def test_an_untrained_mover_leaves_boxes_where_they_are():
    boxes = 0.1 + 0.8 * torch.rand(3, 5, 4)
    torch.testing.assert_close(BoxMover(WIDTH)(torch.randn(3, 5, WIDTH), boxes), boxes)


def test_centres_by_hand():
    small = Memory(torch.zeros(1, 3, 4), [(1, 2), (1, 1)])
    expected = torch.tensor([[0.25, 0.5], [0.75, 0.5], [0.5, 0.5]])
    torch.testing.assert_close(small.centres(), expected)


def test_untrained_attention_reads_whole_cells_about_the_place():
    """In a map that is x itself, points left and right of a query cancel out."""
    look = DeformableAttention(4, heads=4, levels=1, points=2)
    with torch.no_grad():
        look.values.weight.copy_(torch.eye(4))
        look.project.weight.copy_(torch.eye(4))
    x = torch.arange(9.0).repeat(9, 1).flatten()
    ramp = Memory(x[None, :, None].expand(1, 81, 4), [(9, 9)])
    centre = torch.tensor([[[0.5, 0.5]]])  # column 4
    seen = look(torch.zeros(1, 1, 4), centre, ramp)[0, 0]
    # heads look right, down, left, up, one cell and two cells far
    torch.testing.assert_close(seen, torch.tensor([5.5, 4, 2.5, 4]))


def test_in_a_box_the_farthest_point_lies_on_its_edge():
    look = DeformableAttention(4, heads=4, levels=1, points=1)
    with torch.no_grad():
        look.values.weight.copy_(torch.eye(4))
        look.project.weight.copy_(torch.eye(4))
    x = torch.arange(8.0).repeat(8, 1).flatten() + 0.5
    ramp = Memory(x[None, :, None].expand(1, 64, 4), [(8, 8)])
    box = torch.tensor([[[0.5, 0.5, 0.5, 0.25]]])  # x from 2 to 6 of 8
    seen = look(torch.zeros(1, 1, 4), box, ramp)[0, 0]
    torch.testing.assert_close(seen, torch.tensor([6.0, 4, 2, 4]))


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide width, got 3 heads for width 16"):
        DeformableAttention(16, heads=3, levels=1, points=1)


@pytest.mark.parametrize("layers", [0, 2])
def test_the_encoder_adds_coarser_levels(layers):
    encoder = QueryEncoder((3, 5), WIDTH, extra=2, layers=layers, heads=2, points=2, hidden=8)
    levels = [torch.randn(2, 3, 12, 16), torch.randn(2, 5, 6, 8)]
    encoded = encoder(levels)
    assert encoded.shapes == [(12, 16), (6, 8), (3, 4), (2, 2)]
    assert encoded.tokens.shape == (2, 12 * 16 + 6 * 8 + 3 * 4 + 2 * 2, WIDTH)
    encoded.tokens.square().sum().backward()
    assert not [name for name, p in encoder.named_parameters() if p.grad is None]
    finer = [torch.randn(2, 7, 24, 32), *levels]
    torch.testing.assert_close(encoder(finer).tokens, encoded.tokens)


def test_without_layers_a_token_is_its_cell():
    encoder = QueryEncoder((3,), WIDTH, layers=0)
    level = torch.randn(1, 3, 4, 5)
    expected = encoder.bring[0](level)[0, :, 2, 3]
    torch.testing.assert_close(encoder([level]).tokens[0, 2 * 5 + 3], expected)


def test_blocks_are_as_under_a_mask_of_all_queries():
    """The batch of blocks says what one long row with a block-diagonal mask says."""
    torch.manual_seed(0)
    layer = DecoderLayer(WIDTH, 32, **SIZES)
    blocks, count = 3, 5
    content = torch.randn(2, blocks, count, WIDTH)
    place = torch.randn(2, 1, count, WIDTH)
    boxes = 0.2 + 0.5 * torch.rand(2, blocks, count, 4)
    seen = layer(content, place, boxes, memory())

    part = layer.among
    row, address = content.flatten(1, 2), (content + place).flatten(1, 2)
    block = torch.arange(blocks).repeat_interleave(count)
    ask, answer = (part._split(x) for x in part.compare(address).chunk(2, dim=-1))
    scores = ask @ answer.transpose(-2, -1) * (WIDTH / 2) ** -0.5
    scores = scores.masked_fill(block[:, None] != block[None], float("-inf"))
    mixed = scores.softmax(dim=-1) @ part._split(part.values(row))
    own = layer.among_norm(row + part.project(mixed.transpose(1, 2).flatten(2)))
    looked = layer.attend(
        own + place.expand_as(content).flatten(1, 2), boxes.flatten(1, 2), memory()
    )
    expected = layer.forward_part(layer.norm(own + looked)).view_as(content)
    torch.testing.assert_close(seen, expected)


def test_attention_in_a_block_as_torch():
    from ovdet.heads.queries import BlockAttention

    torch.manual_seed(0)
    mine, theirs = BlockAttention(WIDTH, 4), torch.nn.MultiheadAttention(WIDTH, 4, batch_first=True)
    with torch.no_grad():
        for part in (mine.compare, mine.values, mine.project):
            part.bias.normal_()
        rows = torch.cat([mine.compare.weight, mine.values.weight])
        theirs.in_proj_weight.copy_(rows)
        theirs.in_proj_bias.copy_(torch.cat([mine.compare.bias, mine.values.bias]))
        theirs.out_proj.load_state_dict(mine.project.state_dict())
    address, content = torch.randn(3, 6, WIDTH), torch.randn(3, 6, WIDTH)
    expected, _ = theirs(address, address, content)
    torch.testing.assert_close(mine(address, content), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_condition_says_the_same_alone_and_among_others():
    torch.manual_seed(0)
    decoder = QueryDecoder(WIDTH, 2, layers=3, heads=2, points=3, hidden=32)
    for mover in decoder.movers:  # else boxes stay where they are
        mover.layers.last.weight.normal_(std=0.1)
    asked = torch.randn(4, WIDTH)
    together = decoder(memory(), queries(), asked)
    for k in range(4):
        alone = decoder(memory(), queries(), asked[k : k + 1])
        for (hidden, boxes), (own_hidden, own_boxes) in zip(together, alone, strict=True):
            torch.testing.assert_close(hidden[:, k : k + 1], own_hidden, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(boxes[:, k : k + 1], own_boxes, rtol=1e-5, atol=1e-5)
    images = len(together[0][0])
    own = decoder(memory(), queries(), torch.stack([asked.roll(b, 0) for b in range(images)]))
    for b in range(images):
        torch.testing.assert_close(
            own[-1][0][b], together[-1][0][b].roll(b, 0), rtol=1e-5, atol=1e-5
        )


def test_layers_move_boxes_and_answer_for_their_own_step():
    torch.manual_seed(0)
    decoder = QueryDecoder(WIDTH, 2, layers=2, heads=2, points=3, hidden=32)
    start = queries()
    decoded = decoder(memory(), start)
    assert [hidden.shape for hidden, _ in decoded] == [(2, 1, 5, WIDTH)] * 2
    torch.testing.assert_close(decoded[1][1][:, 0], start.boxes)
    decoded[1][1].sum().backward()
    assert decoder.movers[1].layers.last.weight.grad is not None
    assert decoder.movers[0].layers.last.weight.grad is None


def test_one_step_in_half_precision():
    torch.manual_seed(0)
    decoder = QueryDecoder(WIDTH, 2, layers=2, heads=2, points=3, hidden=32)
    with torch.autocast("cpu", torch.bfloat16):
        decoded = decoder(memory(), queries(), torch.randn(3, WIDTH))
    total = sum(hidden.float().square().mean() + boxes.sum() for hidden, boxes in decoded)
    total.backward()
    assert decoded[-1][1].dtype is torch.float32
    assert all(torch.isfinite(p.grad).all() for p in decoder.parameters())
