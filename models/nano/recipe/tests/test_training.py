"""Rows for pre-training: whole samples, loss in the right places, the same for the same seed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from data import LENGTH, Stream  # noqa: E402
from make_tokenizer import build  # noqa: E402
from model import Nano, Shape, load  # noqa: E402
from muon import orthogonal  # noqa: E402


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    build(2048).save(str(path))
    return Stream(path)


@pytest.fixture(scope="module")
def shard(stream):
    return stream.shard(0)


def test_a_name_has_the_same_tokens_wherever_it_stands(stream):
    alone = stream.tokenizer.encode("Vokdale").ids
    inside = stream.tokenizer.encode("It is in Vokdale.").ids
    assert any(inside[at:at + len(alone)] == alone for at in range(len(inside)))


def test_shards_are_deterministic_and_differ(stream, shard):
    assert np.array_equal(stream.shard(0).ids, shard.ids)
    assert not np.array_equal(stream.shard(1).ids, shard.ids)


def test_rows_hold_whole_samples(stream, shard):
    assert (shard.segment == 0).mean() < 0.05
    for row in range(50):
        for number in range(1, shard.segment[row].max() + 1):
            ids = shard.ids[row][shard.segment[row] == number]
            assert ids[-1] == stream.end and list(shard.position[row][shard.segment[row] == number]) == list(range(len(ids)))


def test_loss_covers_answers_and_not_passages(stream, shard):
    tokenizer = stream.tokenizer
    for row in range(100):
        for number in range(1, shard.segment[row].max() + 1):
            mine = shard.segment[row] == number
            text = tokenizer.decode(shard.ids[row][mine].tolist(), skip_special_tokens=False)
            if "Read the passage" not in text:
                continue
            shown = tokenizer.decode(shard.ids[row][mine & shard.loss[row]].tolist(), skip_special_tokens=False)
            assert shown == text.rsplit("<|im_start|>assistant\n", 1)[1]


def test_a_saved_model_loads_and_hugging_face_agrees(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    Nano(Shape(vocab_size=300, hidden=32, layers=2, heads=4, kv_heads=2, head_dim=8, feed_forward=48)).save(tmp_path, [2, 0])
    ours, theirs = load(tmp_path), transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.randint(0, 300, (2, 40))
    with torch.no_grad():
        assert torch.allclose(ours.head(ours.hidden(ids)), theirs(ids).logits, atol=1e-4)


def test_segments_do_not_see_each_other():
    torch.manual_seed(0)
    model = Nano(Shape(vocab_size=300, hidden=32, layers=2, heads=4, kv_heads=2, head_dim=8, feed_forward=48))
    one, two = torch.randint(0, 300, (1, 20)), torch.randint(0, 300, (1, 12))
    segment = torch.tensor([[1] * 20 + [2] * 12])
    mask = ((segment[:, :, None] == segment[:, None]) & torch.ones(32, 32, dtype=torch.bool).tril())[:, None]
    position = torch.cat([torch.arange(20), torch.arange(12)])[None]
    with torch.no_grad():
        packed = model.hidden(torch.cat([one, two], 1), position, mask)
        assert torch.allclose(packed[:, 20:], model.hidden(two), atol=1e-5)


def test_muon_directions_are_nearly_orthogonal():
    torch.manual_seed(0)
    for shape in [(2, 32, 64), (2, 64, 32)]:
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.3 and values.max() < 1.6


def test_row_length_fits_the_model():
    assert LENGTH <= Shape().positions
