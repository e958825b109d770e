import math
import subprocess
import sys
import textwrap

import pytest
import torch

from ovdet.losses import GroupedInfoNce, InfoNce, PairedInfoNce, masked_infonce
from ovdet.ops import unit_norm


def pairs(count, dim=8, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, count, dim, generator=generator, dtype=torch.float64)
    return unit_norm(drawn).to(dtype).unbind()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_directions_by_hand(dtype):
    images, texts = pairs(5, dtype=dtype)
    logits = 7.0 * images @ texts.T
    by_image = (logits.exp().sum(dim=1).log() - logits.diag()).mean()
    by_text = (logits.exp().sum(dim=0).log() - logits.diag()).mean()
    loss = InfoNce()(images, texts, torch.tensor(7.0, dtype=dtype))
    torch.testing.assert_close(loss, (by_image + by_text) / 2)


def test_one_pair_is_certain():
    images, texts = pairs(1)
    assert InfoNce()(images, texts, torch.tensor(9.0)).item() == 0


def test_unrelated_pairs_cost_the_logarithm_of_the_batch():
    same = torch.ones(6, 4) / 2
    loss = InfoNce()(same, same, torch.tensor(10.0))
    torch.testing.assert_close(loss, torch.tensor(6.0).log())


def test_the_scale_learns():
    images, texts = pairs(4)
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    InfoNce()(images, texts, scale).backward()
    assert scale.grad != 0


def test_autocast_takes_no_bits_from_the_scores():
    halves = [rows.bfloat16() for rows in pairs(6)]
    scale = torch.tensor(100.0)
    expected = InfoNce()(*(rows.float() for rows in halves), scale)
    with torch.autocast("cpu", torch.bfloat16):
        loss = InfoNce()(*halves, scale)
    assert loss.dtype is torch.float32
    assert torch.equal(loss, expected)


def test_two_processes_are_one_big_batch(tmp_path):
    """Each of two processes holds half; the mean of their gradients is that of the whole."""
    images, texts = pairs(6)
    weight = torch.eye(8, dtype=torch.float64).requires_grad_()
    loss = InfoNce()(unit_norm(images @ weight), texts, torch.tensor(5.0))
    loss.backward()
    torch.save((images, texts), tmp_path / "pairs.pt")
    script = textwrap.dedent(f"""
        import os, sys, time, torch
        from ovdet.losses import GroupedInfoNce, InfoNce, PairedInfoNce, masked_infonce
        from ovdet.ops import unit_norm
        rank, folder = int(sys.argv[1]), {str(tmp_path)!r}
        store = torch.distributed.FileStore(folder + "/store", 2)
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
        images, texts = (x[3 * rank : 3 * rank + 3] for x in torch.load(folder + "/pairs.pt"))
        weight = torch.eye(8, dtype=torch.float64).requires_grad_()
        loss = InfoNce()(unit_norm(images @ weight), texts, torch.tensor(5.0))
        loss.backward()
        torch.save((loss.detach(), weight.grad), folder + f"/{{rank}}.pt")
        open(folder + f"/{{rank}}.done", "w").close()
        while not os.path.exists(folder + f"/{{1 - rank}}.done"):
            time.sleep(0.01)
        os._exit(0)  # gloo's threads abort now and then when they are taken down
    """)
    started = [subprocess.Popen([sys.executable, "-c", script, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    (first, one), (second, other) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    torch.testing.assert_close((first + second) / 2, loss.detach())
    torch.testing.assert_close((one + other) / 2, weight.grad)


def softmax_cost(query, keys, right, left_out, scale):
    """One query against a list of keys, as a sum over its positives."""
    scores = {i: scale * float(query @ key) for i, key in enumerate(keys) if i not in left_out}
    total = math.log(sum(math.exp(score) for score in scores.values()))
    return sum(total - scores[i] for i in right) / len(right)


def test_a_masked_contrast_by_hand():
    queries, keys = pairs(4)
    positive = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]).bool()
    ignored = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0]]).bool()
    costs = [
        softmax_cost(queries[0], keys, [0], [1], 5.0),
        softmax_cost(queries[1], keys, [1, 2], [], 5.0),  # a positive is never ignored
        softmax_cost(queries[3], keys, [3], [0, 1, 2], 5.0),  # alone: nothing to confuse it with
    ]
    loss = masked_infonce(queries, keys, positive, ignored, 5.0)
    assert loss.item() == pytest.approx(sum(costs) / 3)
    assert costs[2] == pytest.approx(0)


def paired_by_hand(first, second, groups, images, queues, scale):
    total = 0.0
    for ours, theirs, (queued, owners) in (
        (first, second, queues[1]),
        (second, first, queues[0]),
    ):
        keys = torch.cat([theirs, queued])
        for i, query in enumerate(ours):
            same = {j for j, group in enumerate(groups) if group == groups[i] and j != i}
            old = {len(ours) + j for j, owner in enumerate(owners) if owner == images[i]}
            total += softmax_cost(query, keys, [i], same | old, scale) / len(ours) / 2
    return total


def test_pairs_with_queues_by_hand():
    contrast = PairedInfoNce(8, length=6, scale=4.0).double()
    first, second = pairs(5)
    groups, images = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([7, 7, 7, 9, 9])
    nothing = (torch.zeros(0, 8, dtype=torch.float64), [])
    expected = paired_by_hand(first, second, groups, images, [nothing] * 2, 4.0)
    assert contrast(first, second, groups, images).item() == pytest.approx(expected)
    # The second step finds the first one's rows: those of image 7 may be its own things.
    later = (second.flip(0), first.flip(0))
    images, seen = torch.tensor([7, 8, 8, 8, 7]), [7, 7, 7, 9, 9]
    queues = [(first, seen), (second, seen)]
    expected = paired_by_hand(*later, groups, images, queues, 4.0)
    assert contrast(*later, groups, images).item() == pytest.approx(expected)


def test_the_same_bags_other_orders_are_not_wrong():
    """Two views of one thing, nothing else: each is certain of its own."""
    same = torch.ones(2, 4) / 2
    zero = torch.zeros(2, dtype=torch.int64)
    assert PairedInfoNce(4)(same, same, zero, zero).item() == 0


def test_measuring_leaves_the_queues_alone():
    contrast = PairedInfoNce(8).double().eval()
    zero = torch.zeros(3, dtype=torch.int64)
    contrast(*pairs(3), zero, zero)
    assert [len(queue) for queue in contrast.queues] == [0, 0]


def test_grouped_pairs_with_queues_by_hand():
    contrast = GroupedInfoNce(8, length=9, scale=4.0).double()
    first, second = pairs(6)
    mine, yours = [3, 3, 5], [5, 3, 3, 5, 5, 4]  # image 4 has a caption and nothing else
    contrast(first[:3], second, torch.tensor(mine), torch.tensor(yours))
    rows = [torch.cat([first[3:5], first[:3]]), torch.cat([second[:2], second])]
    ids = [[3, 8, *mine], [8, 3, *yours]]
    expected = 0.0
    for a, b in ((0, 1), (1, 0)):
        costs = [
            softmax_cost(
                row, rows[b], [j for j, other in enumerate(ids[b]) if other == own], [], 4.0
            )
            for row, own in zip(rows[a], ids[a], strict=True)
            if own in ids[b]
        ]
        expected += sum(costs) / len(costs) / 2
    now = (torch.tensor(ids[0][:2]), torch.tensor(ids[1][:2]))
    assert contrast(first[3:5], second[:2], *now).item() == pytest.approx(expected)


@pytest.mark.parametrize("length", [0, 16])
def test_no_pair_is_no_loss_but_a_graph(length):
    empty = torch.zeros(0, 8, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    for contrast in (PairedInfoNce(8, length=length), GroupedInfoNce(8, length=length)):
        for _ in range(2):
            loss = contrast(empty * 1, empty * 1, none, none)
            loss.backward()
            assert loss.item() == 0
        assert empty.grad is not None


def test_halves_do_not_turn_into_nothing():
    first, second = (rows.bfloat16().requires_grad_() for rows in pairs(4))
    one = torch.arange(4)
    with torch.autocast("cpu", torch.bfloat16):
        loss = PairedInfoNce(8, scale=50.0)(first, second, one, one)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(first.grad).all()
