"""The companion package of the book: batch normalization, written to be checked.

Importing it loads NumPy and nothing heavier. The pure functions are here; layers,
optimisers, training, data and figures live in modules of their own.
"""

from bnlearn.norms import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_inference_backward,
)

__version__ = "0.1.0"

__all__ = [
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "batch_norm_inference_backward",
]
