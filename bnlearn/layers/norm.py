"""Norms with their parameters and running statistics."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bnlearn import norms, running
from bnlearn.layers.base import Layer

__all__ = ["BatchNorm"]


class BatchNorm(Layer):
    r"""Batch normalization over axis 1, with running statistics for evaluation.

    In training the batch's own statistics normalise, and the running ones follow:

    .. math::

        r \leftarrow (1 - \text{momentum}) \, r + \text{momentum} \cdot q

    with q the batch mean, or the *unbiased* batch variance :math:`v \, m / (m - 1)`.
    In evaluation the running statistics normalise.

    Parameters
    ----------
    num_features : int
        Channels C of x with shape (N, C) or (N, C, \*spatial).
    eps : float
        Positive; added to the variance inside the root.
    momentum : float or None
        Weight of the newest batch; None for the cumulative average of all batches.
    affine : bool
        Whether there are gamma (`weight`) and beta (`bias`).
    track_running_stats : bool
        If False there are no running statistics and batch statistics are used in
        evaluation as well.
    bias : bool
        If False, an affine layer has no beta.
    dtype : dtype
        Of parameters and running statistics.

    Raises
    ------
    ValueError
        If `eps` is not positive.

    Notes
    -----
    Arguments, defaults and behaviour are PyTorch's, with two exceptions: `eps` must
    be positive, and a batch that is refused leaves ``num_batches_tracked`` as it was.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__()
        norms.check_eps("BatchNorm", eps)
        norms.check_dtype("BatchNorm", "dtype", dtype)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self._parameters["weight"] = np.ones(num_features, dtype)
            if bias:
                self._parameters["bias"] = np.zeros(num_features, dtype)
        if track_running_stats:
            self._buffers["running_mean"] = np.zeros(num_features, dtype)
            self._buffers["running_var"] = np.ones(num_features, dtype)
            self._buffers["num_batches_tracked"] = np.array(0, np.int64)

    def forward(self, x: NDArray) -> NDArray:
        """Normalise by the batch in training, by running statistics otherwise."""
        x = np.asarray(x)
        if x.ndim >= 2 and x.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm: expected {self.num_features} channels on axis 1, "
                f"got x of shape {x.shape}"
            )
        gamma, beta = self._parameters.get("weight"), self._parameters.get("bias")
        if self.training or not self.track_running_stats:
            y, self._cache = norms.batch_norm_forward(x, gamma, beta, eps=self.eps)
            if self.track_running_stats:
                self._update_running_stats()
            return y
        y, self._cache = norms.batch_norm_inference(
            x, self.running_mean, self.running_var, gamma, beta, eps=self.eps
        )
        return y

    def _update_running_stats(self) -> None:
        mean, var, m = self._cache.mean, self._cache.var, self._values_per_channel()
        self.num_batches_tracked[...] += 1
        if m == 0:  # PyTorch counts an empty batch and learns nothing from it
            return
        found = {"running_mean": mean, "running_var": running.unbiased(var, m)}
        count = int(self.num_batches_tracked)
        with np.errstate(invalid="ignore", over="ignore"):  # as norms do with infinity
            for name, new in found.items():
                old = self._buffers[name]
                if self.momentum is None:
                    old[...] = running.cumulative_average(old, new, count)
                else:
                    old[...] = running.exponential_average(old, new, self.momentum)

    def _values_per_channel(self) -> int:
        x = self._cache.x
        return x.size // x.shape[1] if x.shape[1] else 0

    def backward(self, dout: NDArray) -> NDArray:
        """Go back through whichever of the two forward passes ran last."""
        if isinstance(self._cache, norms.BatchNormCache):
            dx, dgamma, dbeta = norms.batch_norm_backward(dout, self._cache)
        else:
            dx, dgamma, dbeta = norms.batch_norm_inference_backward(dout, self._cache)
        if dgamma is not None:
            self._gradients["weight"] = dgamma
        if dbeta is not None:
            self._gradients["bias"] = dbeta
        return dx
