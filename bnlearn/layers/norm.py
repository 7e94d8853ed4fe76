"""The norms as layers: with their parameters and, where they have them, statistics."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bnlearn import norms, running
from bnlearn.checks import (
    check_dtype,
    check_eps,
    check_groups,
    check_normalized_shape,
)
from bnlearn.layers.base import Layer

__all__ = [
    "BatchNorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "Norm",
    "RMSNorm",
]

# Which backward pass belongs to what a forward pass left behind.
BACKWARD = {
    norms.BatchNormCache: norms.batch_norm_backward,
    norms.BatchNormInferenceCache: norms.batch_norm_inference_backward,
    norms.GroupNormCache: norms.group_norm_backward,
    norms.InstanceNormCache: norms.instance_norm_backward,
    norms.LayerNormCache: norms.layer_norm_backward,
    norms.RMSNormCache: norms.rms_norm_backward,
}


class Norm(Layer):
    """Base of the norm layers: gamma and beta as `weight` and `bias`.

    A subclass defines ``_normalise(x, gamma, beta)``, which returns y and a cache.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        eps: float,
        affine: bool,
        bias: bool,
        dtype: DTypeLike,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_eps(name, eps)
        check_dtype(name, "dtype", dtype)
        self.eps = eps
        if affine:
            self._parameters["weight"] = np.ones(shape, dtype)
            if bias:
                self._parameters["bias"] = np.zeros(shape, dtype)

    def forward(self, x: NDArray) -> NDArray:
        """Normalise, then scale and shift."""
        gamma, beta = self._parameters.get("weight"), self._parameters.get("bias")
        y, self._cache = self._normalise(np.asarray(x), gamma, beta)
        return y

    def _normalise(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.NormCache]:
        raise NotImplementedError(f"{type(self).__name__} defines no _normalise")

    def backward(self, dout: NDArray) -> NDArray:
        """Go back through the forward pass that ran last."""
        dx, *gradients = BACKWARD[type(self._cache)](dout, self._cache)
        for name, gradient in zip(("weight", "bias"), gradients, strict=False):
            if gradient is not None:
                self._gradients[name] = gradient
        return dx

    def _check_features(self, x: NDArray, features: int) -> None:
        # As PyTorch, which compares only where there are arrays to compare with.
        if self._state() and x.ndim >= 2 and x.shape[1] != features:
            raise ValueError(
                f"{type(self).__name__}: expected {features} channels on axis 1, "
                f"got x of shape {x.shape}"
            )


class _Tracking(Norm):
    """A norm that can use running statistics in evaluation instead of x's own."""

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: DTypeLike,
    ) -> None:
        super().__init__((num_features,), eps, affine, bias, dtype)
        self.num_features = num_features
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if track_running_stats:
            self._buffers["running_mean"] = np.zeros(num_features, dtype)
            self._buffers["running_var"] = np.ones(num_features, dtype)
            self._buffers["num_batches_tracked"] = np.array(0, np.int64)

    def _normalise(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.NormCache]:
        self._check_features(x, self.num_features)
        if not self.training and self.track_running_stats:
            return norms.batch_norm_inference(
                x, self.running_mean, self.running_var, gamma, beta, eps=self.eps
            )
        y, cache = self._by_own_statistics(x, gamma, beta)
        if self.track_running_stats:
            self._update_running_stats(cache)
        return y, cache

    def _average(self, mean: NDArray, var: NDArray, count: int) -> None:
        """Take the statistics of batch number `count` into the running ones."""
        with np.errstate(invalid="ignore", over="ignore"):  # as norms do with infinity
            for old, new in ((self.running_mean, mean), (self.running_var, var)):
                if self.momentum is None:
                    old[...] = running.cumulative_average(old, new, count)
                else:
                    old[...] = running.exponential_average(old, new, self.momentum)


class BatchNorm(_Tracking):
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
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias, dtype
        )

    def _by_own_statistics(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.BatchNormCache]:
        return norms.batch_norm_forward(x, gamma, beta, eps=self.eps)

    def _update_running_stats(self, cache: norms.BatchNormCache) -> None:
        m = cache.x.size // self.num_features if self.num_features else 0
        self.num_batches_tracked[...] += 1
        if m == 0:  # PyTorch counts an empty batch and learns nothing from it
            return
        count = int(self.num_batches_tracked)
        self._average(cache.mean, running.unbiased(cache.var, m), count)


class InstanceNorm(_Tracking):
    r"""Instance normalization over the positions of one channel of one example.

    Parameters
    ----------
    num_features : int
        Channels C of x with shape (N, C, \*spatial).
    eps : float
        Positive; added to the variance inside the root.
    momentum : float or None
        Weight of the newest batch in the running statistics, if there are any; None
        leaves them as they are.
    affine : bool
        Whether there are gamma (`weight`) and beta (`bias`).
    track_running_stats : bool
        If True, evaluation uses running statistics: the average over the examples of
        a batch of each one's mean and unbiased variance.
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
    As in PyTorch, ``num_batches_tracked`` stays 0. Unlike PyTorch's layers, which know
    how many axes to expect, this one takes no single example without a batch axis.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias, dtype
        )

    def _by_own_statistics(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.InstanceNormCache]:
        return norms.instance_norm_forward(x, gamma, beta, eps=self.eps)

    def _update_running_stats(self, cache: norms.InstanceNormCache) -> None:
        m = cache.layout.view[2]
        if cache.x.size and self.momentum is not None:
            var = running.unbiased(cache.var.mean(axis=0), m)
            self._average(cache.mean.mean(axis=0), var, 1)


class LayerNorm(Norm):
    r"""Layer normalization over the last axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last axes of x.
    eps : float
        Positive; added to the variance inside the root.
    elementwise_affine : bool
        Whether there are gamma (`weight`) and beta (`bias`), one value for each
        element of `normalized_shape`.
    bias : bool
        If False, an affine layer has no beta.
    dtype : dtype
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        If `normalized_shape` is no shape, or `eps` is not positive.
    """

    def __init__(
        self,
        normalized_shape: Sequence[int] | int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        sizes = check_normalized_shape("LayerNorm", normalized_shape)
        super().__init__(sizes, eps, elementwise_affine, bias, dtype)
        self.normalized_shape = sizes

    def _normalise(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.LayerNormCache]:
        return norms.layer_norm_forward(
            x, self.normalized_shape, gamma, beta, eps=self.eps
        )


class GroupNorm(Norm):
    r"""Group normalization: statistics of groups of channels of one example.

    Parameters
    ----------
    num_groups : int
        Number of groups; divides `num_channels`.
    num_channels : int
        Channels C of x with shape (N, C) or (N, C, \*spatial).
    eps : float
        Positive; added to the variance inside the root.
    affine : bool
        Whether there are gamma (`weight`) and beta (`bias`), one value per *channel*.
    bias : bool
        If False, an affine layer has no beta.
    dtype : dtype
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        If `num_groups` does not divide `num_channels`, or `eps` is not positive.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_groups("GroupNorm", num_groups, num_channels)
        super().__init__((num_channels,), eps, affine, bias, dtype)
        self.num_groups = num_groups
        self.num_channels = num_channels

    def _normalise(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.GroupNormCache]:
        self._check_features(x, self.num_channels)
        return norms.group_norm_forward(x, self.num_groups, gamma, beta, eps=self.eps)


class RMSNorm(Norm):
    r"""Root mean square normalization over the last axes: nothing is subtracted.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last axes of x.
    eps : float, optional
        Positive; added to the mean square inside the root. None stands for the
        machine epsilon of the dtype computed in.
    elementwise_affine : bool
        Whether there is gamma (`weight`), one value for each element of
        `normalized_shape`. There is no beta.
    dtype : dtype
        Of the parameter.

    Raises
    ------
    TypeError, ValueError
        If `normalized_shape` is no shape, or `eps` is not positive.
    """

    def __init__(
        self,
        normalized_shape: Sequence[int] | int,
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        sizes = check_normalized_shape("RMSNorm", normalized_shape)
        given = 1.0 if eps is None else eps
        super().__init__(sizes, given, elementwise_affine, False, dtype)
        self.eps = eps
        self.normalized_shape = sizes

    def _normalise(
        self, x: NDArray, gamma: NDArray | None, beta: NDArray | None
    ) -> tuple[NDArray, norms.RMSNormCache]:
        return norms.rms_norm_forward(x, self.normalized_shape, gamma, eps=self.eps)
