"""Copies a GGUF model with all its bf16 tensors as f32, which changes no value: llama.cpp rounds what it multiplies with
bf16 weights to bf16 too, and with f32 weights it does not, so that the comparison shows the export and not that.

    /opt/venv-llama/bin/python tools/export/widen.py IN.gguf OUT.gguf
"""
import sys

import gguf
import numpy as np


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    writer = gguf.GGUFWriter(sys.argv[2], reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        # The first three are the file's own head.
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], inner)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        if tensor.tensor_type == gguf.GGMLQuantizationType.BF16:
            bits = tensor.data.view(np.uint16).astype(np.uint32) << 16
            writer.add_tensor(tensor.name, bits.view(np.float32).reshape(shape))
        elif tensor.tensor_type == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(tensor.name, np.array(tensor.data).reshape(shape))
        else:
            sys.exit(f"{tensor.name} is {tensor.tensor_type.name}: only bf16 and f32 are copied")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
