"""Arrays by their content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor


def of_array(value: Tensor | np.ndarray[Any, Any], inside: Any) -> str:
    """Class, type, shape and digest of a tensor or array; `inside` describes what one of objects holds."""
    if isinstance(value, Tensor):
        dense = value.detach().cpu()
        dense = (dense if dense.layout is torch.strided else dense.to_dense()).resolve_conj().resolve_neg()
        content, dtype = dense.contiguous().flatten().view(torch.uint8).numpy().tobytes(), str(dense.dtype)
    elif isinstance(value, np.ma.MaskedArray):
        return f"masked({inside(value.data)}, {inside(np.ma.getmaskarray(value))})"
    elif value.dtype.hasobject:
        return f"array({inside(value.tolist())})"
    else:
        content, dtype = np.ascontiguousarray(value).tobytes(), str(value.dtype)
    return f"{type(value).__name__}({dtype.removeprefix('torch.')}, {tuple(value.shape)}, {sha256_of(content)})"


def sha256_of(*contents: bytes) -> str:
    """16 hexadecimal digits; where one content ends and the next begins counts too."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(f"{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
