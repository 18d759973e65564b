"""What may be published: the checkpoint's own export, in bf16, with a provenance that fits."""

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from make_tokenizer import build  # noqa: E402
from model import Nano, Shape  # noqa: E402
from publish import FILES, recipe_hash, sha256, stage  # noqa: E402

RECIPE = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tokenizer():
    return build(2048)


@pytest.fixture
def export(tokenizer, tmp_path):
    """A run's export with last.pt beside it, a stray file in it."""
    torch.manual_seed(0)
    folder, model = tmp_path / "run" / "export", Nano(Shape(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, feed_forward=48))
    model.save(folder, [2, 0])
    tokenizer.save(str(folder / "tokenizer.json"))
    for name in ("tokenizer_config.json", "chat_template.jinja", "notes.txt"):
        (folder / name).write_text("{}")
    torch.save({"model": model.state_dict(), "step": 7}, folder.parent / "last.pt")
    return folder


@pytest.fixture
def to(tmp_path):
    folder = tmp_path / "staged"
    folder.mkdir()
    return folder


def test_the_provenance_fits_the_files_and_strays_stay_behind(export, to):
    provenance = stage(export, to, RECIPE, seed=3, batch=1024)
    assert {path.name for path in to.iterdir()} == {*FILES, "provenance.json"}
    assert json.loads((to / "provenance.json").read_text()) == provenance
    assert (provenance["tokens"], provenance["steps"], provenance["seed"]) == (7 * 1024, 7, 3)
    assert provenance["files"] == {name: sha256(export / name) for name in FILES}


def test_what_is_not_the_checkpoint_in_bf16_is_refused(export, to):
    path = export / "model.safetensors"
    tensors = load_file(path)
    save_file({name: tensor.float() for name, tensor in tensors.items()}, path)
    with pytest.raises(SystemExit, match="bf16"):
        stage(export, to, RECIPE, 1, 1)
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, path)
    with pytest.raises(SystemExit, match="last.pt"):
        stage(export, to, RECIPE, 1, 1)
    (export / "chat_template.jinja").unlink()
    (to / "chat_template.jinja").unlink()
    with pytest.raises(SystemExit, match="lacks chat_template.jinja"):
        stage(export, to, RECIPE, 1, 1)


def test_the_recipe_hash_changes_with_what_decides_the_weights(tmp_path):
    copy = tmp_path / "recipe"
    shutil.copytree(RECIPE, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    assert recipe_hash(copy) == recipe_hash(RECIPE)
    (copy / "evaluate.py").write_text("")
    assert recipe_hash(copy) == recipe_hash(RECIPE)
    (copy / "language" / "tables" / "ship.txt").write_text("")
    assert recipe_hash(copy) != recipe_hash(RECIPE)
