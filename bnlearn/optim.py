"""Optimisers: SGD with momentum, and Adam, with PyTorch's formulas and defaults."""

import numpy as np
from numpy.typing import NDArray

from bnlearn.layers import Layer

__all__ = ["SGD", "Adam", "Together"]


class Optimizer:
    """Base: walks over the parameters that have a gradient.

    Parameters
    ----------
    model : Layer
        Its parameters are changed in place by :meth:`step`.
    lr : float
        Learning rate, positive.
    weight_decay : float
        Multiple of the parameter that is added to its gradient.
    only : tuple of str, optional
        Names of the parameters to train; all by default.
    """

    def __init__(
        self,
        model: Layer,
        lr: float,
        *,
        weight_decay: float = 0.0,
        only: tuple[str, ...] | None = None,
    ) -> None:
        name = type(self).__name__
        if not lr > 0:
            raise ValueError(f"{name}: expected lr > 0, got {lr}")
        if not weight_decay >= 0:
            raise ValueError(f"{name}: expected weight_decay >= 0, got {weight_decay}")
        if isinstance(only, str):
            raise TypeError(f"{name}: expected only to be a tuple, got {only!r}")
        unknown = sorted(set(only or ()) - set(model.parameters()))
        if unknown:
            raise ValueError(f"{name}: the model has no parameters {unknown}")
        self.model = model
        self.lr = lr
        self.weight_decay = weight_decay
        self.only = tuple(model.parameters()) if only is None else only

    def step(self) -> None:
        """Change every parameter by its gradient of the last backward pass.

        One that has no gradient yet stays as it is.
        """
        parameters, gradients = self.model.parameters(), self.model.gradients()
        for name in self.only:
            if name not in gradients:
                continue
            value, gradient = parameters[name], gradients[name]
            if self.weight_decay:
                gradient = gradient + self.weight_decay * value
            value -= self.lr * self._direction(name, gradient)

    def _direction(self, name: str, gradient: NDArray) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} defines no direction")


class SGD(Optimizer):
    r"""Stochastic gradient descent with momentum.

    .. math::

        u \leftarrow \text{momentum} \cdot u + g, \qquad
        w \leftarrow w - \text{lr} \cdot u

    Parameters
    ----------
    model : Layer
        What to train.
    lr : float
        Learning rate.
    momentum : float
        From 0 (none) to below 1. Not the momentum of batch normalization.
    weight_decay : float
        Multiple of w added to g.
    only : tuple of str, optional
        Names of the parameters to train; all by default.
    """

    def __init__(
        self,
        model: Layer,
        lr: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        only: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(model, lr, weight_decay=weight_decay, only=only)
        if not 0 <= momentum < 1:
            raise ValueError(f"SGD: expected momentum in [0, 1), got {momentum}")
        self.momentum = momentum
        self._velocity: dict[str, NDArray] = {}

    def _direction(self, name: str, gradient: NDArray) -> NDArray:
        if not self.momentum:
            return gradient
        velocity = self.momentum * self._velocity.get(name, 0.0) + gradient
        self._velocity[name] = velocity
        return velocity


class Adam(Optimizer):
    r"""Adam: steps scaled by running moments of each parameter's gradient.

    .. math::

        w \leftarrow w - \text{lr} \cdot
        \frac{\hat m}{\sqrt{\hat s} + \epsilon}

    with :math:`\hat m` and :math:`\hat s` the bias-corrected averages of g and g².

    Parameters
    ----------
    model : Layer
        What to train.
    lr : float
        Learning rate.
    betas : tuple of float
        Weights of the old averages of g and g².
    eps : float
        Outside the root, as in the paper and in PyTorch.
    weight_decay : float
        Multiple of w added to g.
    only : tuple of str, optional
        Names of the parameters to train; all by default.

    References
    ----------
    D. P. Kingma, J. Ba. Adam: A Method for Stochastic Optimization. ICLR 2015.
    """

    def __init__(
        self,
        model: Layer,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        only: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(model, lr, weight_decay=weight_decay, only=only)
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"Adam: expected betas in [0, 1), got {betas}")
        if not eps >= 0:
            raise ValueError(f"Adam: expected eps >= 0, got {eps}")
        self.betas = betas
        self.eps = eps
        self._moments: dict[str, tuple[int, NDArray, NDArray]] = {}

    def _direction(self, name: str, gradient: NDArray) -> NDArray:
        zeros = np.zeros_like(gradient)
        step, first, second = self._moments.get(name, (0, zeros, zeros))
        b1, b2 = self.betas
        step += 1
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient**2
        self._moments[name] = (step, first, second)
        root = np.sqrt(second / (1 - b2**step))
        return first / (1 - b1**step) / (root + self.eps)


class Together:
    """Several optimisers that step at once, each on its own parameters of one model.

    Parameters
    ----------
    *parts : Optimizer
        Most often with different `only`.

    Raises
    ------
    ValueError
        If there are none, if they train different models, or if two of them have a
        parameter in common.

    Examples
    --------
    >>> from bnlearn.layers import Linear
    >>> net = Linear(3, 2)
    >>> fast, slow = SGD(net, 1.0, only=("weight",)), SGD(net, 0.1, only=("bias",))
    >>> Together(fast, slow).step()
    """

    def __init__(self, *parts: Optimizer) -> None:
        if not parts or any(part.model is not parts[0].model for part in parts):
            raise ValueError("Together: expected one or more optimizers of one model")
        names = [name for part in parts for name in part.only]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Together: more than one optimizer has {twice}")
        self.parts = parts
        self.model = parts[0].model

    def step(self) -> None:
        """Let every part make its step."""
        for part in self.parts:
            part.step()
