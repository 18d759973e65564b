"""Makes the tokenizer: byte-level BPE over the language, in Hugging Face's layout.

    python make_tokenizer.py --out FOLDER [--vocab 2048]

A capitalised word never carries the space before it: a name has the same tokens wherever it stands, which makes it easy to copy
and to recall. Digits stand alone."""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from language.mixture import END, Mixture

SPECIAL = [END, "<|im_start|>", "<|im_end|>"]
PATTERN = r"\p{Lu}\p{Ll}*| ?\p{Ll}+|\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|[\r\n]+|\s+(?!\S)|\s+"
TEMPLATE = (
    "{% for message in messages %}\n<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\n"
    "{% if add_generation_prompt %}\n{{ '<|im_start|>assistant\\n' }}\n{%- endif %}\n"
)
SAMPLES = 20000


def build(vocab: int, seed: int = 11) -> Tokenizer:
    """Trains the tokenizer on a sample of the training stream."""
    rng, mixture = random.Random(seed), Mixture.without_memory()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                  show_progress=False)
    tokenizer.train_from_iterator(("".join(text for text, _ in mixture.sample(rng)) for _ in range(SAMPLES)), trainer)
    return tokenizer


def main() -> None:
    """Writes `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocab", type=int, default=2048)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    build(options.vocab).save(str(options.out / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, "model_max_length": 1024,
              "eos_token": END, "pad_token": END}
    (options.out / "chat_template.jinja").write_text(TEMPLATE)
    (options.out / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    main()
