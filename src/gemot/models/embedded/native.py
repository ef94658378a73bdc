"""llama.cpp as the pinned engine wheel carries it, spoken to through ctypes, and checked before it is trusted.

The wheel's own Python door opens a listening port for every completion and hides the log-probabilities; the shared
library inside it exports the C functions, which do neither. What we don't like: C structures have no version. So
the layouts below belong to one pinned release, and :func:`load` compares the defaults the library fills in with
the values that this release is known to fill in, before anything is computed. Parameter structures are passed larger
than the library's own: the callee reads the part it knows.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_void_p
from pathlib import Path

PACKAGE = "xllamacpp"
VERSION = "2026.10.11549"
HOW_TO = "pip install 'gemot[local]'"


class Missing(Exception):
    """The engine, or something it needs, is not on this computer. The message says how to get it."""


class Mismatch(Exception):
    """The engine is there but is not the one this code was written for. Nothing was computed with it."""


class ContextParams(ctypes.Structure):
    """The beginning of ``llama_context_params``, and room for the rest."""

    _fields_ = (
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_unnamed", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int32),
        ("rope_scaling_type", c_int32),
        ("pooling_type", c_int32),
        ("attention_type", c_int32),
        ("flash_attn_type", c_int32),
        ("rope", c_float * 8),
        ("callback", c_void_p * 2),
        ("type_k", c_int32),
        ("type_v", c_int32),
        ("abort", c_void_p * 2),
        ("unnamed", c_void_p),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("room", c_uint8 * 358),
    )


class ModelParams(ctypes.Structure):
    """``llama_model_params``, of which only the defaults are used."""

    _fields_ = (("devices", c_void_p), ("overrides", c_void_p), ("n_gpu_layers", c_int32), ("room", c_uint8 * 492))


class Batch(ctypes.Structure):
    """``llama_batch``: tokens, where each stands, in which sequences, and whether its logits are wanted."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    )


_LOG = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)

_SIGNATURES: dict[str, tuple[object, tuple[object, ...]]] = {
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (_LOG, c_void_p)),
    "llama_model_default_params": (ModelParams, ()),
    "llama_context_default_params": (ContextParams, ()),
    "llama_model_load_from_file": (c_void_p, (c_char_p, ModelParams)),
    "llama_init_from_model": (c_void_p, (c_void_p, ContextParams)),
    "llama_set_n_threads": (None, (c_void_p, c_int32, c_int32)),
    "llama_n_ctx": (c_uint32, (c_void_p,)),
    "llama_n_ctx_seq": (c_uint32, (c_void_p,)),
    "llama_n_seq_max": (c_uint32, (c_void_p,)),
    "llama_get_memory": (c_void_p, (c_void_p,)),
    "llama_memory_clear": (None, (c_void_p, c_bool)),
    "llama_model_get_vocab": (c_void_p, (c_void_p,)),
    "llama_vocab_n_tokens": (c_int32, (c_void_p,)),
    "llama_vocab_is_eog": (c_bool, (c_void_p, c_int32)),
    "llama_tokenize": (c_int32, (c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool)),
    "llama_token_to_piece": (c_int32, (c_void_p, c_int32, ctypes.c_void_p, c_int32, c_int32, c_bool)),
    "llama_batch_init": (Batch, (c_int32, c_int32, c_int32)),
    "llama_decode": (c_int32, (c_void_p, Batch)),
    "llama_get_logits_ith": (c_void_p, (c_void_p, c_int32)),
    "ggml_vec_soft_max_f32": (ctypes.c_double, (c_int32, c_void_p, c_void_p, c_float)),
    "dequantize_row_q4_1": (None, (c_void_p, c_void_p, c_int64)),
    "quantize_row_q8_0_ref": (None, (c_void_p, c_void_p, c_int64)),
    "ggml_row_size": (c_size_t, (c_int32, c_int64)),
}

_SIGNATURES_TO_SHARE: dict[str, tuple[object, tuple[object, ...]]] = {
    "llama_memory_seq_cp": (None, (c_void_p, c_int32, c_int32, c_int32, c_int32)),
    "llama_memory_seq_rm": (c_bool, (c_void_p, c_int32, c_int32, c_int32)),
}
"""Without these, all works; only nothing that was computed is used twice."""


@_LOG
def _hush(level: int, text: bytes, data: object) -> None:
    """llama.cpp talks a great deal; what matters of it comes back as a return code."""


def library_path() -> Path:
    """Where the engine's shared library is. Raises :class:`Missing` or, for another release, :class:`Mismatch`."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Missing(f"the embedded model's engine is not installed: {HOW_TO} (or name another model with --model)")
    version = importlib.metadata.version(PACKAGE)
    if version != VERSION:
        raise Mismatch(f"the embedded model needs {PACKAGE} {VERSION}, and {version} is installed: {HOW_TO}")
    found = sorted(Path(spec.origin).parent.glob(f"{PACKAGE}*.so"))
    if not found:
        raise Mismatch(f"{PACKAGE} {version} is installed without its shared library (*.so); reinstall: {HOW_TO}")
    return found[0]


def load() -> ctypes.CDLL:
    """The library with typed functions, its layouts checked. Raises :class:`Missing` or :class:`Mismatch`."""
    path = library_path()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise Mismatch(f"{PACKAGE} {VERSION} does not load on this computer: {error}") from error
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name, None)
        if function is None:
            raise Mismatch(f"{PACKAGE} {VERSION} does not export {name}; reinstall it: {HOW_TO}")
        function.restype, function.argtypes = result, arguments
    for name in _SIGNATURES_TO_SHARE.keys() - missing_to_share(library):
        getattr(library, name).restype, getattr(library, name).argtypes = _SIGNATURES_TO_SHARE[name]
    _check_defaults(library)
    return library


def missing_to_share(library: ctypes.CDLL) -> list[str]:
    """The functions that sequences need to share what was computed and that the library does not export."""
    return [name for name in _SIGNATURES_TO_SHARE if getattr(library, name, None) is None]


def _check_defaults(library: ctypes.CDLL) -> None:
    context: ContextParams = library.llama_context_default_params()
    model: ModelParams = library.llama_model_default_params()
    seen = (
        (context.n_ctx, context.n_batch, context.n_ubatch, context.n_seq_max),
        (context.n_threads, context.n_threads_batch, context.ctx_type),
        (context.rope_scaling_type, context.pooling_type, context.attention_type, context.flash_attn_type),
        (context.type_k, context.type_v),
        (context.embeddings, context.offload_kqv, context.no_perf, context.swa_full, context.kv_unified),
        (model.n_gpu_layers,),
    )
    known = ((512, 2048, 512, 1), (4, 4, 0), (-1, -1, -1, -1), (1, 1), (False, True, True, True, False), (-1,))
    if seen != known:
        raise Mismatch(
            f"{PACKAGE} says it is {VERSION}, but its structures are laid out differently on this computer "
            f"(defaults {seen}, expected {known}); nothing was computed. Name another model with --model"
        )


def quieten(library: ctypes.CDLL) -> None:
    library.llama_log_set(_hush, None)
