#!/usr/bin/env bash
# The slow tier: what other people's programs say of ours, and what takes long. .ci/run does not do it; before a release, do.
# Usage: tools/slow.sh [clients] [exports] [kills] [campaign] [night] [package] [real]; all of them where none is named. Logs and Python environments lie in target/slow.
# real needs MODELS, folders of Hugging Face models with a space between them, and takes hours without a GPU. PROFILE=dev takes the programs of `cargo build`, which compile faster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
slow=$PWD/target/slow
mkdir -p "$slow"
python=${PYTHON:-python3.11}
port=7327
profile=${PROFILE:-release}
bin=target/$([ "$profile" = dev ] && echo debug || echo "$profile")
wanted=${*:-clients exports kills campaign night package real}

say() { printf '\n== [%4d s] %s\n' "$SECONDS" "$*"; }

# venv NAME REQUIREMENTS: the environment's Python, made once for each list of packages.
venv() {
  local place=$slow/venv-$1-$(sha256sum "$2" | cut -c1-12)
  if [ ! -e "$place/made" ]; then
    "$python" -m venv "$place" && "$place/bin/pip" install -q -r "$2" && touch "$place/made"
  fi
  echo "$place/bin/python"
}

# until_answered ROOT LOG VERB: until the daemon takes this verb, or has ended.
until_answered() {
  until "$bin/sealctl" --root "$1" "$3" > /dev/null 2>&1; do
    kill -0 "$daemon" || { cat "$2"; exit 1; }
    sleep 0.2
  done
}

# A daemon on a root of its own that has learned one of the shipped documents, with a port.
start() {
  cargo build --profile "$profile" --locked --bins
  root=$slow/root
  rm -rf "$root" && mkdir -p "$root"
  head -c 24 /dev/urandom | base64 > "$root/token" && chmod 600 "$root/token"
  printf 'dtype = "f32"\n[api]\nlisten = "127.0.0.1:%s"\ntoken_file = "token"\n' "$port" > "$root/seald.toml"
  "$bin/seald" once --root "$root" examples/inbox/drelpolford.txt
  "$bin/seald" --root "$root" 2> "$slow/daemon.log" &
  daemon=$!
  trap 'kill "$daemon" 2> /dev/null || true' EXIT
  until_answered "$root" "$slow/daemon.log" pause
}

clients() {
  local openai
  openai=$(venv openai tools/openai/requirements.txt)
  "$openai" tools/openai/conformance.py --url "http://127.0.0.1:$port/v1" --token-file "$root/token" \
    --socket "$root/state/seald.sock" --model live
}

exports() {
  local torch llama
  torch=$(venv torch tools/export/requirements.txt)
  llama=$(venv llama tools/export/llama-requirements.txt)
  "$llama" tools/bench/to_gguf.py models/nano/weights "$slow/nano-bf16.gguf"
  "$llama" tools/export/widen.py "$slow/nano-bf16.gguf" "$slow/nano-f32.gguf"
  "$torch" tools/export/check.py --root "$root" --programs "$bin" --base-gguf "$slow/nano-f32.gguf" --llama-python "$llama"
  SEALD_PYTHON=$torch cargo test --profile "$profile" --locked -p seald-engine --test main -- --ignored real_peft
}

# Each model learns three documents as a new user would let it, then answers, and says what taught it. A document may be rejected; it must say why.
real() {
  [ -n "${MODELS:-}" ] || { echo "skipped: MODELS names no folder of a model"; return; }
  cargo build --profile "$profile" --locked --bins
  local model place
  for model in $MODELS; do
    place=$slow/real-$(basename "$model")
    mkdir -p "$place/documents"
    "$python" - examples/method/documents.json "$place/documents" << 'END'
import json, pathlib, sys
for number, document in enumerate(json.load(open(sys.argv[1]))):
    text = f"# {document['title']}\n\n{document['context']}\n"
    (pathlib.Path(sys.argv[2]) / f"{number}.md").write_text(text)
END
    "$bin/seald" once --root "$place/root" --model "$model" --json "$place/once.json" "$place/documents"
    printf 'model = "%s"\n' "$(realpath "$model")" > "$place/root/seald.toml"
    "$bin/seald" --root "$place/root" 2> "$place/daemon.log" &
    daemon=$!
    trap 'kill "$daemon" 2> /dev/null || true' EXIT
    until_answered "$place/root" "$place/daemon.log" status
    "$bin/sealctl" --root "$place/root" ask --compare "How much did the new shed of the Harrow Lane garden committee cost?"
    "$bin/sealctl" --root "$place/root" why --json "How much did the new shed of the Harrow Lane garden committee cost?" > "$place/why.json"
    kill "$daemon" && wait "$daemon" || true
    "$python" tools/real/check.py "$place/once.json" "$place/why.json"
  done
}

case " $wanted " in *" clients "* | *" exports "*) say "a daemon that has learned something" && start ;; esac
for one in $wanted; do
  case $one in
    clients) say "OpenAI's own client, and curl" && clients ;;
    exports) say "exports in PEFT, transformers and llama.cpp" && exports ;;
    kills) say "200 rounds of kill -9" && cargo test --profile "$profile" --locked -p seald --test main -- --ignored --nocapture daemon::killed ;;
    campaign)
      say "20 seeds of the fault campaign" && cargo build --profile "$profile" --locked --bins --example campaign &&
        "$bin/examples/campaign" --seeds 20 --again --out "$slow/campaign.jsonl" --dir "$slow/campaign"
      ;;
    night) say "a night alone" && cargo test --profile "$profile" --locked -p seald --test main -- --ignored --nocapture daemon::overnight ;;
    real) say "models that people have" && real ;;
    package) say "the package under systemd" && tools/package/build.sh && tools/package/try.sh ;;
    *) echo "tools/slow.sh: no part is called $one: clients, exports, kills, campaign, night, package, real" >&2 && exit 2 ;;
  esac
done
say "done: $wanted"
