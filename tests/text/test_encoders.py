import torch

from ovdet.text import TinyTextTransformer

SHORT = {"dim": 8, "width": 16, "layers": 2, "heads": 2, "embed_width": 8}


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    return TinyTextTransformer(**{**SHORT, **changes})


def test_cropped_equals_full_and_keeps_the_order():
    encoder = tiny()
    texts = ["a red car", "a", "a very long and winding name of a thing", "!", "! ! !"] * 3
    full = encoder(encoder.tokenizer(texts))
    torch.testing.assert_close(encoder.encode(texts, batch=2), full, atol=1e-5, rtol=0)
    torch.testing.assert_close(full.norm(dim=1), torch.ones(15))


def test_equal_texts_pass_the_tower_once():
    encoder = tiny()
    seen = []
    encoder.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    vectors = encoder.encode(["cat", "dog", "cat", "cat"], batch=2)
    assert sum(seen) == 2
    assert torch.equal(vectors[0], vectors[3])
    assert not vectors.requires_grad


def test_no_texts_give_no_vectors():
    assert tiny().encode([]).shape == (0, 8)


def test_tokens_are_read_up_to_the_end():
    encoder = tiny()
    ids = encoder.tokenizer(["a red car", "dog"])
    tokens = encoder.encode_tokens(ids[:, :7])
    assert tokens.mask.sum(dim=1).tolist() == [5, 3]
    states = encoder.read(encoder.embed_ids(ids))
    assert torch.allclose(tokens.vectors.norm(dim=2), torch.ones(2, 7))
    torch.testing.assert_close(tokens.vectors, torch.nn.functional.normalize(states, dim=2)[:, :7])
    torch.testing.assert_close(tokens.vectors[[0, 1], [4, 2]], encoder(ids))
    tokens.vectors[tokens.mask].sum().backward()
    assert encoder.tokens.weight.grad is not None


def test_fingerprint_follows_the_weights():
    encoder, same, other = tiny(), tiny(), tiny(seed=1)
    first = encoder.fingerprint()
    assert len(first) == 64
    assert same.fingerprint() == first
    assert other.fingerprint() != first
    encoder.load_state_dict(other.state_dict())
    assert encoder.fingerprint() == other.fingerprint()
    with torch.no_grad():
        encoder.positions.add_(1)
    assert encoder.fingerprint() != other.fingerprint()


def test_fingerprint_follows_a_fused_optimizer():
    # It writes without counting a version: a training that measures now and then would otherwise
    # go on being judged by its first text embeddings.
    tower = TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=4)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=1e-3, fused=True)
    before = tower.fingerprint()
    tower(tower.tokenizer(["cat"])).sum().backward()
    optimizer.step()
    assert tower.fingerprint() != before


def test_fingerprint_tells_towers_of_equal_weights_apart():
    assert tiny(heads=2).fingerprint() != tiny(heads=4).fingerprint()


def test_fingerprint_of_weights_made_in_inference_mode():
    with torch.inference_mode():
        encoder = tiny()
    assert encoder.fingerprint() == tiny().fingerprint()
