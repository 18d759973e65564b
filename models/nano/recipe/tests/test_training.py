"""Rows for pre-training: whole samples, loss in the right places, the same for the same seed."""

from argparse import Namespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from data import LENGTHS, Stream  # noqa: E402
from generate import Writer  # noqa: E402
from grade import same, wilson  # noqa: E402
from make_tokenizer import build  # noqa: E402
from model import Cached, Nano, Rows, Shape, load  # noqa: E402
from muon import orthogonal  # noqa: E402
from pretrain import Trainer, factor  # noqa: E402


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    build(2048).save(str(path))
    return Stream(path, 1, 8192)


@pytest.fixture(scope="module")
def batches(stream):
    return [stream[index] for index in range(4)]


def pieces(batch):
    """Ids, loss and positions of every sample."""
    start = 0
    for count, length in batch.rows:
        for row in range(count):
            own = np.s_[start + row * length:start + (row + 1) * length]
            for number in range(1, batch.segment[own].max() + 1):
                mine = batch.segment[own] == number
                yield batch.ids[own][mine], batch.loss[own][mine], batch.position[own][mine]
        start += count * length


def test_a_name_has_the_same_tokens_wherever_it_stands(stream):
    alone = stream.tokenizer.encode("Vokdale").ids
    inside = stream.tokenizer.encode("It is in Vokdale.").ids
    assert any(inside[at:at + len(alone)] == alone for at in range(len(inside)))


def test_batches_are_deterministic_and_differ(stream, batches):
    assert np.array_equal(stream[1].ids, batches[1].ids)
    assert not np.array_equal(batches[0].ids, batches[1].ids)


def test_batches_made_ahead_are_the_same_in_the_same_order(stream, batches):
    ahead = list(stream.batches(1, 4, workers=2))
    assert len(ahead) == 3
    for mine, theirs in zip(ahead, batches[1:], strict=True):
        assert mine.rows == theirs.rows and np.array_equal(mine.ids, theirs.ids) and np.array_equal(mine.loss, theirs.loss)


def test_rows_hold_whole_samples(stream, batches):
    for batch in batches:
        assert sum(count * length for count, length in batch.rows) == len(batch.ids)
        assert (batch.segment == 0).mean() < 0.08
        for ids, loss, position in pieces(batch):
            assert ids[-1] == stream.end and not loss[-1] and list(position) == list(range(len(ids)))


def test_loss_covers_answers_and_not_passages(stream, batches):
    for ids, loss, _ in (piece for batch in batches for piece in pieces(batch)):
        text = stream.tokenizer.decode(ids.tolist(), skip_special_tokens=False)
        if "Read the passage" in text:
            shown = stream.tokenizer.decode(ids[1:][loss[:-1]].tolist(), skip_special_tokens=False)
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
    segment = torch.tensor([1] * 20 + [2] * 12)
    position = torch.cat([torch.arange(20), torch.arange(12)])[None]
    with torch.no_grad():
        packed = model.hidden(torch.cat([one, two], 1), position, Rows([(1, 32)], segment, torch.float32))
        assert torch.allclose(packed[:, 20:], model.hidden(two), atol=1e-5)
        assert torch.allclose(packed[:, :20], model.hidden(one), atol=1e-5)


def test_one_token_at_a_time_equals_one_pass():
    torch.manual_seed(0)
    model = Nano(Shape(vocab_size=300, hidden=32, layers=2, heads=4, kv_heads=2, head_dim=8, feed_forward=48))
    ids, attend = torch.randint(0, 300, (2, 9)), Cached(2)
    with torch.no_grad():
        steps = [model.hidden(ids[:, at:at + 1], torch.tensor([[at]]), attend) for at in range(9)]
        assert torch.allclose(torch.cat(steps, 1), model.hidden(ids), atol=1e-5)


def test_muon_directions_are_nearly_orthogonal():
    torch.manual_seed(0)
    for shape in [(2, 32, 64), (2, 64, 32)]:
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.3 and values.max() < 1.6


def test_row_length_fits_the_model():
    assert LENGTHS[-1] <= Shape().positions


def trainer(tokenizer, run, **changes):
    options = {"tokenizer": tokenizer, "run": run, "tokens": 6 * 1024, "decay": 0.5, "batch": 1024, "seed": 3, "threads": 1, "workers": 0, "minutes": 60,
               "shape": {"hidden": 32, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 16, "feed_forward": 48}, "resume": False, "continue_from": None,
               "bf16": True, "peak": 1.0, "compile": False}
    return Trainer(Namespace(**{**options, **changes}))


def test_a_run_goes_on_from_published_weights_with_a_new_warm_up(stream, tmp_path):
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    stream.tokenizer.save(str(tokenizer / "tokenizer.json"))
    first = trainer(tokenizer, tmp_path / "first", bf16=False)
    first.export()
    weights = tmp_path / "first" / "export"
    (weights / "provenance.json").write_text('{"steps": 4}')
    second = trainer(tokenizer, tmp_path / "second", bf16=False, continue_from=weights)
    assert (second.step, second.fresh, second.steps) == (4, 4, 6)
    for mine, theirs in zip(second.model.parameters(), first.model.parameters(), strict=True):
        assert torch.equal(mine, theirs.to(torch.bfloat16).float())
    assert factor(4, 1000, 0.5, 4) == factor(0, 1000, 0.5) < 0.1
    second.run()
    assert torch.load(tmp_path / "second" / "last.pt", weights_only=True)["step"] == 6


def test_compiled_steps_are_the_same_steps(stream, tmp_path):
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    stream.tokenizer.save(str(tokenizer / "tokenizer.json"))
    plain, fused = (trainer(tokenizer, tmp_path / str(fuse), bf16=False, compile=fuse) for fuse in (False, True))
    for one in (plain, fused):
        one.loss(stream[0]).backward()
    for (name, one), other in zip(plain.model.named_parameters(), fused.model.parameters(), strict=True):
        assert one.grad.norm() > 0 and torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6), name


def test_a_resumed_run_ends_where_an_undisturbed_one_does(stream, tmp_path):
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    stream.tokenizer.save(str(tokenizer / "tokenizer.json"))
    whole = trainer(tokenizer, tmp_path / "whole")
    whole.run()
    # The trunk is the state half-way; going on from it with the same number of tokens must change nothing.
    again = trainer(tokenizer, tmp_path / "again", continue_from=tmp_path / "whole" / "trunk.pt")
    assert again.step == 3
    again.run()
    for (name, one), other in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert (tmp_path / "again" / "export" / "model.safetensors").exists()


def test_the_learning_rate_is_constant_then_falls_to_its_lowest():
    parts = [factor(step, 1000, 0.4) for step in range(1000)]
    assert parts[49:600] == [1.0] * 551 and parts[800] == pytest.approx(0.5) and parts[-1] == pytest.approx(0.03)


def test_intervals_and_agreement():
    assert wilson(10, 10)[0] == pytest.approx(0.7225, abs=1e-4) and wilson(0, 300)[1] == pytest.approx(0.0126, abs=1e-4)
    assert same("An amber owl.", "amber owl") and not same("amber owl", "amber fox")


def test_generation_ends_at_a_stop_and_does_not_depend_on_its_neighbours(stream, tmp_path):
    torch.manual_seed(0)
    Nano(Shape(hidden=32, layers=2, heads=4, kv_heads=2, head_dim=8, feed_forward=48)).save(tmp_path, [2, 0])
    stream.tokenizer.save(str(tmp_path / "tokenizer.json"))
    writer = Writer(tmp_path, "cpu")
    alone = writer.write(["The town"], 12)[0]
    assert writer.write(["It", "The town", "A much longer beginning of a text."], 12)[1] == alone
    assert writer.write(["The town"], 12, 1.0, seed=1) == writer.write(["The town"], 12, 1.0, seed=1)
