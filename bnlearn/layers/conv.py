"""Convolution and pooling of images (N, C, H, W), and the way to flat features."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

from bnlearn.layers.base import Layer, affine_parameters, check_dout, check_float

__all__ = ["AvgPool2d", "Conv2d", "Flatten"]


class _Windows(Layer):
    """What convolution and pooling share: windows that slide over padded images."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int],
        padding: int | tuple[int, int],
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = _pair(name, "kernel_size", kernel_size, least=1)
        self.stride = _pair(name, "stride", stride, least=1)
        self.padding = _pair(name, "padding", padding, least=0)

    def _padded_size(self, x: NDArray) -> tuple[int, int]:
        (height, width), (top, left) = x.shape[2:], self.padding
        return height + 2 * top, width + 2 * left

    def _check_images(self, x: NDArray) -> None:
        name = type(self).__name__
        check_float(name, x)
        if x.ndim != 4 or min(x.shape[1:]) < 1:
            raise ValueError(
                f"{name}: expected x of shape (N, C, H, W) with at least one channel "
                f"and one pixel, got {x.shape}"
            )
        size = self._padded_size(x)
        if self.kernel_size[0] > size[0] or self.kernel_size[1] > size[1]:
            raise ValueError(
                f"{name}: expected a kernel that fits into the padded image of {size} "
                f"pixels, got kernel_size {self.kernel_size}"
            )

    def _windows(self, x: NDArray) -> NDArray:
        """Show padded x through all windows: a view (N, C, H_out, W_out, k_h, k_w)."""
        (top, left), (down, right) = self.padding, self.stride
        padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
        windows = sliding_window_view(padded, self.kernel_size, axis=(2, 3))
        return windows[:, :, ::down, ::right]

    def _add_windows(self, parts: NDArray) -> NDArray:
        """Add what each window holds to the pixels it came from: _windows transposed.

        Pixels that no window covers get 0, and what falls on the padding is dropped.
        """
        (top, left), (down, right) = self.padding, self.stride
        n, channels, height, width = self._x.shape
        n_down, n_right = parts.shape[2:4]
        padded = np.zeros((n, channels, *self._padded_size(self._x)), parts.dtype)
        # Windows overlap, but the pixels under one place (i, j) of the kernel, one for
        # each window, are all different: += loses none.
        for i, j in np.ndindex(self.kernel_size):
            rows, columns = slice(i, None, down), slice(j, None, right)
            places = padded[:, :, rows, columns][:, :, :n_down, :n_right]
            places += parts[..., i, j]
        inside = padded[:, :, top : top + height, left : left + width]
        return np.ascontiguousarray(inside)


class Conv2d(_Windows):
    r"""Convolution of images: one small affine map, applied to every window.

    .. math::

        y_{n, o, i, j} = b_o + \sum_{c, k, l} W_{o, c, k, l}
        \; x_{n,\, c,\, i s_h + k - p_h,\, j s_w + l - p_w}

    with stride s and padding p, and x taken as zero outside the image. As in PyTorch
    the kernel is not flipped. y has the shape (N, out_channels, H_out, W_out) with

    .. math::

        H_{\text{out}} = \lfloor (H + 2 p_h - k_h) / s_h \rfloor + 1

    and the same for the width. Pixels that no window reaches have a gradient of zero.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size : int or (int, int)
        Height and width of a window, in pixels.
    stride : int or (int, int)
        Pixels from one window to the next.
    padding : int or (int, int)
        Rows of zeros above and below, columns of zeros left and right.
    bias : bool
        Whether there is a b.
    init : {"he", "xavier"} or float
        Standard deviation of the initial weights: sqrt(2 / n), sqrt(1 / n), or the
        number itself, where n = in_channels * k_h * k_w is what one output sums over.
        Biases start at zero.
    dtype : dtype
        Of the parameters.
    generator : numpy.random.Generator, optional
        Draws the initial weights; by default :func:`bnlearn.seeds.rng`.

    Raises
    ------
    TypeError
        If a size is not an integer or a pair of them, or `dtype` is not floating.
    ValueError
        If a size is too small, or `init` is unknown.

    Notes
    -----
    `weight` has the shape (out_channels, in_channels, k_h, k_w), as in PyTorch. There
    are no dilation, no groups and no other padding than zeros, and x without the batch
    axis is refused.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
    >>> layer(np.ones((5, 3, 8, 6))).shape
    (5, 8, 4, 3)
    >>> layer.weight.shape
    (8, 3, 3, 3)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        *,
        bias: bool = True,
        init: str | float = "he",
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        if in_channels < 1 or out_channels < 1:
            raise ValueError(
                "Conv2d: expected at least one channel in and out, "
                f"got {in_channels} and {out_channels}"
            )
        shape = out_channels, in_channels, *self.kernel_size
        self._parameters = affine_parameters(
            "Conv2d", shape, bias=bias, init=init, dtype=dtype, generator=generator
        )

    def forward(self, x: NDArray) -> NDArray:
        """Multiply every window by the weights and add the bias."""
        x = np.asarray(x)
        self._check_images(x)
        channels = self.weight.shape[1]
        if x.shape[1] != channels:
            raise ValueError(
                f"Conv2d: expected {channels} channels on axis 1, "
                f"got x of shape {x.shape}"
            )
        self._x = x
        # Sums over C, k_h and k_w: (O, C, k_h, k_w) and (N, C, H_out, W_out, k_h, k_w).
        y = np.tensordot(self.weight, self._windows(x), ((1, 2, 3), (1, 4, 5)))
        if "bias" in self._parameters:
            y += self.bias[:, np.newaxis, np.newaxis, np.newaxis]
        return np.ascontiguousarray(y.swapaxes(0, 1))  # (O, N, ...) to (N, O, ...)

    def backward(self, dout: NDArray) -> NDArray:
        """Return what every window would get, added up where windows overlap."""
        windows = self._windows(self._x)
        n, _, *size, _, _ = windows.shape
        check_dout(self, dout, (n, len(self.weight), *size))
        self._gradients["weight"] = np.tensordot(dout, windows, ((0, 2, 3), (0, 2, 3)))
        if "bias" in self._parameters:
            self._gradients["bias"] = dout.sum(axis=(0, 2, 3))
        # The sum over O leaves (C, k_h, k_w, N, H_out, W_out).
        parts = np.tensordot(self.weight, dout, (0, 1)).transpose(3, 0, 4, 5, 1, 2)
        return self._add_windows(parts)


class AvgPool2d(_Windows):
    r"""Mean of every window, channel by channel.

    .. math::

        y_{n, c, i, j} = \frac{1}{k_h k_w} \sum_{k, l}
        x_{n,\, c,\, i s_h + k - p_h,\, j s_w + l - p_w}

    with x taken as zero outside the image. As in PyTorch the zeros of the padding count
    in the mean, and the output size is that of :class:`Conv2d`.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of a window, in pixels.
    stride : int or (int, int), optional
        Pixels from one window to the next; by default the kernel size.
    padding : int or (int, int)
        Rows of zeros above and below, columns of zeros left and right; at most half
        the kernel.

    Raises
    ------
    TypeError
        If a size is not an integer or a pair of them.
    ValueError
        If a size is too small, or the padding is more than half the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[2.5, 4.5]]]])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__(
            kernel_size, kernel_size if stride is None else stride, padding
        )
        (height, width), (top, left) = self.kernel_size, self.padding
        if 2 * top > height or 2 * left > width:
            raise ValueError(
                f"AvgPool2d: expected padding of at most half the kernel "
                f"{self.kernel_size}, got {self.padding}"
            )

    def forward(self, x: NDArray) -> NDArray:
        """Return the mean of every window."""
        x = np.asarray(x)
        self._check_images(x)
        self._x = x
        return self._windows(x).mean(axis=(4, 5))

    def backward(self, dout: NDArray) -> NDArray:
        """Give every pixel of a window an equal share of the window's gradient."""
        shape = self._windows(self._x).shape
        check_dout(self, dout, shape[:4])
        share = dout / math.prod(self.kernel_size)
        parts = np.broadcast_to(share[..., np.newaxis, np.newaxis], shape)
        return self._add_windows(parts)


class Flatten(Layer):
    """Make one axis of all but the first: (N, C, H, W) becomes (N, C * H * W).

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.ones((5, 8, 4, 3))).shape
    (5, 96)
    """

    def forward(self, x: NDArray) -> NDArray:
        """Return a copy of x of shape (N, features)."""
        x = np.asarray(x)
        if x.ndim < 2:
            raise ValueError(
                f"Flatten: expected x with at least two axes, got shape {x.shape}"
            )
        self._x = x
        return x.reshape(self._flat_shape()).copy()

    def backward(self, dout: NDArray) -> NDArray:
        """Give the gradient the shape of x."""
        check_dout(self, dout, self._flat_shape())
        return dout.reshape(self._x.shape).copy()

    def _flat_shape(self) -> tuple[int, int]:
        n, *others = self._x.shape  # -1 would not do for an empty batch
        return n, math.prod(others)


def _pair(
    name: str, what: str, value: int | tuple[int, int], least: int
) -> tuple[int, int]:
    """Make height and width of one number for both, or of a pair."""
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    whole = [isinstance(n, int | np.integer) and type(n) is not bool for n in pair]
    if whole != [True, True]:
        raise TypeError(
            f"{name}: expected {what} to be an integer or a pair of them, got {value!r}"
        )
    if min(pair) < least:
        raise ValueError(f"{name}: expected {what} of at least {least}, got {value!r}")
    return int(pair[0]), int(pair[1])
