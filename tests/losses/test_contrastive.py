import subprocess
import sys
import textwrap

import pytest
import torch

from ovdet.losses import InfoNce
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
        import sys, torch
        from ovdet.losses import InfoNce
        from ovdet.ops import unit_norm
        rank, folder = int(sys.argv[1]), {str(tmp_path)!r}
        store = torch.distributed.FileStore(folder + "/store", 2)
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
        images, texts = (x[3 * rank : 3 * rank + 3] for x in torch.load(folder + "/pairs.pt"))
        weight = torch.eye(8, dtype=torch.float64).requires_grad_()
        loss = InfoNce()(unit_norm(images @ weight), texts, torch.tensor(5.0))
        loss.backward()
        torch.save((loss.detach(), weight.grad), folder + f"/{{rank}}.pt")
        torch.distributed.barrier()
    """)
    started = [subprocess.Popen([sys.executable, "-c", script, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    (first, one), (second, other) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    torch.testing.assert_close((first + second) / 2, loss.detach())
    torch.testing.assert_close((one + other) / 2, weight.grad)
