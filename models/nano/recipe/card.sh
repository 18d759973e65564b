#!/usr/bin/env bash
# All figures of the model card: recall, reading and writing by PyTorch, then what trainings teach and destroy by the program's own engine.
# Usage: card.sh [FOLDER of the weights] [more options of the second, such as --threads 2]; three quarters of an hour on two cores.
set -euo pipefail
weights=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../weights}")
shift || true
cd "$(dirname "${BASH_SOURCE[0]}")"
"${PYTHON:-python}" evaluate.py --model "$weights" --documents 240 --seed 20261127
cd ../../..
cargo run --release --example method -- --model "$weights" learning --documents 40 --steps 160 --samples 3 --rate 0.004 \
  --only "passage only" --only implications --only rewrite --only self_qa --only key_facts --only study_note --only union "$@"
