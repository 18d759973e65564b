"""The llama.cpp contestant: greedy decoding through llama-cpp-python's low-level API (tools/bench/README.md)."""
import argparse
import ctypes
import time

import llama_cpp as ll
import numpy as np

import protocol

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("workload", choices=["decode"])
parser.add_argument("--model", required=True, help="GGUF file (tools/bench/to_gguf.py)")
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--batch", type=int, default=1, help="sequences at once")
parser.add_argument("--prompt", type=int, default=32)
parser.add_argument("--new", type=int, default=64)
args = parser.parse_args()


class Decoder:
    """One context with `--batch` sequences."""

    def __init__(self):
        ll.llama_backend_init()
        params = ll.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = ll.llama_model_load_from_file(args.model.encode(), params)
        if not self.model:
            raise RuntimeError(f"llama.cpp could not load {args.model}")
        self.vocab = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(self.model))
        context = ll.llama_context_default_params()
        # One cell more than is written for each sequence; a split cache keeps the sequences' attention apart.
        context.n_ctx = args.batch * (args.prompt + args.new + 32)
        context.n_seq_max = args.batch
        context.n_batch = context.n_ubatch = max(512, args.batch * args.prompt)
        context.n_threads = context.n_threads_batch = args.threads
        self.context = ll.llama_init_from_model(self.model, context)
        self.batch = ll.llama_batch_init(args.batch * args.prompt, 0, 1)

    def run(self, items, outputs):
        """Decodes (token, position, sequence, wants logits) items; returns the greedy next token of each output."""
        b = self.batch
        b.n_tokens = len(items)
        for i, (token, position, sequence, wants) in enumerate(items):
            b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = token, position, 1, wants
            b.seq_id[i][0] = sequence
        status = ll.llama_decode(self.context, b)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")
        pick = [i for i, item in enumerate(items) if item[3]]
        assert len(pick) == outputs
        size = (ctypes.c_float * self.vocab)
        return [int(np.frombuffer(size.from_address(ctypes.addressof(ll.llama_get_logits_ith(self.context, i).contents)),
                                  dtype=np.float32).argmax()) for i in pick]

    def unit(self, index):
        """Greedy decoding of `--new` tokens after the prefill's one."""
        ll.llama_memory_clear(ll.llama_get_memory(self.context), True)
        n, rows = args.prompt, range(args.batch)
        prompt = [(protocol.token_id(index, r, t, self.vocab), t, r, t == n - 1) for r in rows for t in range(n)]
        begin = time.perf_counter()
        tokens = self.run(prompt, args.batch)
        prefilled = time.perf_counter()
        first = [tokens[0]]
        for step in range(args.new):
            tokens = self.run([(tokens[r], n + step, r, True) for r in rows], args.batch)
            first.append(tokens[0])
        end = time.perf_counter()
        return {"seconds": end - prefilled, "tokens": args.batch * args.new, "prefill_seconds": prefilled - begin,
                "first_ids": first[:8]}


def setup():
    decoder = Decoder()
    info = ll.llama_print_system_info().decode()
    return {"versions": {"llama_cpp_python": ll.__version__}, "system": info, **vars(args)}, decoder.unit


if __name__ == "__main__":
    protocol.serve(setup)
