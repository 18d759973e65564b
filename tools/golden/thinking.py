"""Builds tests/golden/chat/qwen3 and thinking.json: the tokenizer of `qwen` with Qwen3's think tokens, a template that
behaves as Qwen3's does (for messages; without its descriptions of tools), and what transformers makes of chats with
thinking switched off.

Made with transformers 5.24.0, tokenizers 0.23.3, jinja2 3.1.6. Deterministic: no randomness, no network.
Run after chat_templates.py: python thinking.py        (writes into tests/golden/chat)
"""

import json
from pathlib import Path

import jinja2
import tokenizers
import transformers
from transformers import PreTrainedTokenizerFast

VERSIONS = {"transformers": "5.24.0", "tokenizers": "0.23.3", "jinja2": "3.1.6"}
OUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "chat"
THINK = ["<think>", "</think>"]

QWEN3 = """\
{#- The block stands before what the assistant says after the user's last words, there alone. -#}
{%- set asked = namespace(at=messages | length - 1) -%}
{%- for message in messages -%}
    {%- set is_result = message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>') -%}
    {%- if message.role == 'user' and not is_result -%}
        {%- set asked.at = loop.index0 -%}
    {%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {%- if message.role == 'assistant' -%}
        {%- set parts = message.content.split('</think>') -%}
        {%- set thought = parts[0].split('<think>')[-1].strip('\\n') if parts | length > 1 else '' -%}
        {%- set said = parts[-1].lstrip('\\n') if parts | length > 1 else message.content -%}
        {{- '<|im_start|>assistant\\n' -}}
        {%- if loop.index0 > asked.at and (loop.last or thought) -%}
            {{- '<think>\\n' + thought + '\\n</think>\\n\\n' + said.lstrip('\\n') -}}
        {%- else -%}
            {{- said -}}
        {%- endif -%}
        {{- '<|im_end|>\\n' -}}
    {%- elif message.role == 'tool' -%}
        {{- '<|im_start|>user' if loop.first or loop.previtem.role != 'tool' -}}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' -}}
        {{- '<|im_end|>\\n' if loop.last or loop.nextitem.role != 'tool' -}}
    {%- else -%}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
    {%- if enable_thinking is defined and enable_thinking is false -%}
        {{- '<think>\\n\\n</think>\\n\\n' -}}
    {%- endif -%}
{%- endif -%}
"""


def conversations():
    turns = lambda *turns: [{"role": role, "content": content} for role, content in turns]
    yield "one turn", turns(("user", "Who keeps the ships?"), ("assistant", "The keeper counted 42."))
    yield "system", turns(("system", "Be brief."), ("user", "How many?"), ("assistant", "740 people."))
    yield "three turns", turns(
        ("user", "a"), ("assistant", "b"), ("user", "Größe?"), ("assistant", "日本語"), ("user", "c"), ("assistant", "1999 ships"))
    yield "without an answer", turns(("user", "a"), ("assistant", "b"), ("user", "c"))
    yield "line breaks", turns(("user", "a\n"), ("assistant", "\n\nb\n\nc\n"))
    yield "thought", turns(("user", "a"), ("assistant", "<think>\nso\n</think>\n\nb"))
    yield "empty thought", turns(("user", "a"), ("assistant", "<think>\n\n</think>\n\nb"))
    yield "earlier thought", turns(("user", "a"), ("assistant", "<think>so</think>b"), ("user", "c"), ("assistant", "d"))
    yield "tools", turns(("user", "a"), ("assistant", "b"), ("tool", "c"), ("tool", "d"), ("assistant", "e"))


def build_directory():
    source = json.loads((OUT / "qwen/tokenizer.json").read_text(encoding="utf-8"))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    for token in THINK:
        # As Qwen3 has them: added, but not special.
        source["added_tokens"].append({"id": source["added_tokens"][-1]["id"] + 1, "content": token} | flags)
    out = OUT / "qwen3"
    out.mkdir(exist_ok=True)
    (out / "tokenizer.json").write_text(json.dumps(source, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    config = json.loads((OUT / "qwen/tokenizer_config.json").read_text(encoding="utf-8")) | {"chat_template": QWEN3}
    (out / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (out / "generation_config.json").write_bytes((OUT / "qwen/generation_config.json").read_bytes())


def main():
    have = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "jinja2": jinja2.__version__}
    assert have == VERSIONS, f"these goldens need {VERSIONS}, found {have}"
    build_directory()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(OUT / "qwen3")
    cases = []
    for name, messages in conversations():
        for generation in [False, True]:
            options = {"add_generation_prompt": generation, "enable_thinking": False}
            text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
            ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **options)
            cases.append({"tokenizer": "qwen3", "name": name, "messages": messages, "add_generation_prompt": generation,
                          "ordinary": True, "text": text, "ids": ids})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (OUT / "thinking.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
