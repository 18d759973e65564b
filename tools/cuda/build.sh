#!/usr/bin/env bash
# Builds seald with the feature `cuda` on a machine without a CUDA toolkit: assembles one from PyPI wheels, then runs cargo.
#
#   tools/cuda/build.sh toolkit           only the toolkit folder
#   tools/cuda/build.sh check             cargo check --features cuda (the default)
#   tools/cuda/build.sh release           cargo build --release --features cuda
#   tools/cuda/build.sh cargo ARGS...     any cargo command in the same environment
#
# Environment: CUDA_TOOLKIT_DIR (default target/cuda-toolkit), CUDA_COMPUTE_CAP (default 90, the H100 and H200),
# CARGO_TARGET_DIR (default target/cuda), CUDAFORGE_THREADS (nvcc processes at once), PYTHON (default python3).
set -euo pipefail
cd "$(dirname "$0")/../.."

toolkit=${CUDA_TOOLKIT_DIR:-$PWD/target/cuda-toolkit}
python=${PYTHON:-python3}
# One pinned set: nvcc, its back end and the headers must be of the same release, or the first kernel fails to compile.
wheels=(
  nvidia-cuda-nvcc==13.0.88
  nvidia-nvvm==13.0.88
  nvidia-cuda-crt==13.0.88
  nvidia-cuda-runtime==13.0.96
  nvidia-cuda-cccl==13.0.85
  nvidia-cublas==13.0.2.14
  nvidia-cuda-nvrtc==13.0.88
  nvidia-curand==10.4.5.25
)

# Links every libX.so.N in $1 as libX.so, the name the linker looks for; the wheels carry only the versioned one.
link_unversioned() {
  local lib
  for lib in "$1"/lib*.so.*; do
    # libnvrtc.alt.so.13 is a second build of the same library under the same SONAME: nobody links it.
    case $lib in *.alt.so.*) continue ;; esac
    ln -sfn "$(basename "$lib")" "${lib%%.so.*}.so"
  done
}

# A libcuda.so to link against; the real one comes with the GPU's driver. Every cu* name in the driver's header is
# defined as an empty function, so the linker is satisfied. At run time the driver's libcuda.so.1 is found, because
# the stub has that SONAME and its folder is on no run-time path.
make_driver_stub() {
  local stubs=$1/lib/stubs
  mkdir -p "$stubs"
  {
    echo '/* Names of the CUDA driver API, for the linker only. */'
    cat "$1"/include/cuda*.h | grep -oE '\bcu[A-Z][A-Za-z0-9_]*' | sort -u | sed 's/.*/void &(void) {}/'
  } > "$stubs/cuda_stub.c"
  "${CC:-cc}" -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$stubs/libcuda.so" "$stubs/cuda_stub.c"
  # Of the two folders a build script may search, lib and lib/stubs, every one searches lib.
  ln -sfn stubs/libcuda.so "$1/lib/libcuda.so"
}

make_toolkit() {
  local stamp="$toolkit/.complete"
  if [[ -f $stamp ]] && [[ $(cat "$stamp") == "${wheels[*]}" ]]; then return; fi
  echo "assembling the CUDA toolkit in $toolkit (about 680 MB of wheels)" >&2
  local staging="$toolkit.staging"
  rm -rf "$staging" "$toolkit"
  mkdir -p "$staging"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --target "$staging" "${wheels[@]}"
  mkdir -p "$(dirname "$toolkit")"
  mv "$staging/nvidia/cu13" "$toolkit"
  rm -rf "$staging"
  chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
  ln -sfn lib "$toolkit/lib64"
  link_unversioned "$toolkit/lib"
  make_driver_stub "$toolkit"
  echo "${wheels[*]}" > "$stamp"
}

make_toolkit
export CUDA_HOME=$toolkit CUDA_PATH=$toolkit CUDA_ROOT=$toolkit CUDA_TOOLKIT_ROOT_DIR=$toolkit
export NVCC=$toolkit/bin/nvcc
export PATH="$toolkit/bin:$PATH"
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90}
# Cargo builds of the two kinds must not share a folder: each would rebuild the other's candle.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/cuda}
export LIBRARY_PATH="$toolkit/lib${LIBRARY_PATH:+:$LIBRARY_PATH}"

case ${1:-check} in
  toolkit) "$NVCC" --version | tail -n 2 ;;
  check) cargo check --features cuda ;;
  release) cargo build --release --features cuda ;;
  cargo) shift; cargo "$@" ;;
  *) echo "usage: tools/cuda/build.sh [toolkit|check|release|cargo ARGS...]" >&2; exit 2 ;;
esac
