"""The kernel in which `bnlearn grade` runs a notebook, and judges what it defines.

It is IPython's kernel with one request more. The judge has a copy of the package that the
notebook cannot import, and while it works, builtins, NumPy and whatever else it calls are as
they were before the first cell: patches of a notebook do not reach it. What it finds is
sealed, so that nothing that the notebook prints can pass for it. None of this holds back a
program that sets out to deceive: it shares the process.
"""

import ast
import base64
import builtins
import ctypes
import hashlib
import hmac
import json
import signal
import sys
import types
import warnings
from collections.abc import Callable

import numpy as np

from bnlearn.exercises.catalogue import find
from bnlearn.exercises.check import MISSING, judge
from bnlearn.exercises.sandbox import remember

__all__ = ["REQUEST", "opened", "serve"]

REQUEST = "bnlearn judge "  # then JSON; no cell of a notebook starts like that
HEAP_TYPE = 1 << 9  # a class that Python code can change


def serve(connection_file: str) -> None:
    """Be the kernel until it is ended.

    Parameters
    ----------
    connection_file : str
        Where Jupyter's connection file lies.
    """
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp

    die_with_parent()

    class GradingKernel(IPythonKernel):
        """Runs cells as always, and judges on request."""

        async def do_execute(self, code, silent, *args, **kwargs):
            if not code.startswith(REQUEST):
                return await super().do_execute(code, silent, *args, **kwargs)
            answer = in_clean_world(lambda: answered(code, self.shell.user_ns))
            return {"status": "ok", "execution_count": 0, "bnlearn": answer}

    app = IPKernelApp.instance(kernel_class=GradingKernel)
    memory = "--HistoryManager.hist_file=:memory:"
    app.initialize(["-f", connection_file, "--log-level=ERROR", memory])
    with app.shell.builtin_trap:  # what cells find among the builtins
        in_clean_world = CleanWorld()
    for name in [*sys.modules]:
        if name.partition(".")[0] == "bnlearn":
            del sys.modules[name]  # the notebook imports another copy
    app.start()


def die_with_parent() -> None:
    """Have Linux end this process when `bnlearn grade` is killed.

    IPython's kernel looks for its parent as well, but no thread runs during an endless call
    into C.
    """
    if sys.platform == "linux":
        set_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_signal, signal.SIGKILL)


# The judge ----------------------------------------------------------------------------


def answered(code: str, namespace: dict) -> dict:
    """Judge what a request asks for; give the verdict, or what went wrong, sealed."""
    request = json.loads(code.removeprefix(REQUEST))
    try:
        found = judged(request, namespace)
    except Exception as error:  # noqa: BLE001 - an answer, whatever the notebook did
        found = {"problem": f"the judge stops with {type(error).__name__}: {error}"}
    # In base64: the message is put together when the notebook's patches are back.
    text = base64.b64encode(json.dumps(found).encode()).decode()
    return {"text": text, "seal": seal(text, request["secret"])}


def judged(request: dict, namespace: dict) -> dict:
    """Give the verdict as data."""
    exercise = find(request["exercise"])
    answer = namespace.get(exercise.function, MISSING)
    if request["expression"]:
        answer = argument(request["expression"], namespace, answer)
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("ignore")
        return judge(exercise, answer, request["seed"]).to_dict()


def argument(expression: str, namespace: dict, otherwise: object) -> object:
    """Evaluate the second argument of `check`; it may be known only inside a function."""
    filename = f"<argument of check: {expression}>"
    remember(expression, filename)
    try:
        tree = ast.parse(expression, filename, "eval")
        return eval(compile(tree, filename, "eval"), namespace)
    except BaseException:  # noqa: BLE001 - it is the reader's, an exit() perhaps
        return otherwise


def seal(text: str, secret: str) -> str:
    """Sign a verdict with what was sent along with the request."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def opened(answer: dict, secret: str) -> dict | None:
    """Give what the judge has sealed; None if it was not the judge.

    Parameters
    ----------
    answer : dict
        What came from the kernel.
    secret : str
        What was sent along with the request.

    Returns
    -------
    dict or None
        A verdict as data, or `problem` alone.

    Examples
    --------
    >>> text = base64.b64encode(b'{"status": "passed"}').decode()
    >>> opened({"text": text, "seal": seal(text, "xyz")}, "xyz")
    {'status': 'passed'}
    >>> opened({"text": text, "seal": seal(text, "abc")}, "xyz")
    """
    try:
        if hmac.compare_digest(answer["seal"], seal(answer["text"], secret)):
            return json.loads(base64.b64decode(answer["text"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return None


# What a notebook may have patched ------------------------------------------------------


class CleanWorld:
    """What the judge calls, as it is when this is made.

    Examples
    --------
    >>> call_clean = CleanWorld()
    >>> json.dumps, dumps = str, json.dumps
    >>> call_clean(lambda: json.dumps is dumps), json.dumps is str
    (True, True)
    >>> json.dumps = dumps
    """

    def __init__(self):
        self.builtins = vars(builtins)
        self.clean_builtins = self.builtins.copy()
        self.spaces = namespaces()
        self.parts = parts(self.spaces)
        self.clean = self.now()

    def now(self) -> list[tuple]:
        """Read names, the insides of functions and the attributes of classes."""
        state = [(space.update, space.copy()) for space in self.spaces]
        for part in self.parts:
            if type(part) is types.FunctionType:
                inner = part.__code__, part.__defaults__, part.__kwdefaults__
            else:
                inner = dict(vars(part))
            state.append((writer(part), inner))
        return state

    def __call__(self, call: Callable):
        """Call something as if nothing had been patched; then the patches return."""
        # Builtins first: until then, no name of theirs may be used here.
        patched = self.builtins.copy()
        self.builtins.update(self.clean_builtins)
        before = self.now()
        try:
            restore(self.clean)
            return call()
        finally:
            restore(before)
            self.builtins.update(patched)


def namespaces() -> list[dict]:
    """List the names of NumPy and of the modules that this package works with."""
    found = {name: m for name, m in sys.modules.items() if name.startswith("numpy")}
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] == "bnlearn":
            named = vars(module).values()
            found |= {m.__name__: m for m in named if type(m) is types.ModuleType}
    return [vars(module) for module in found.values() if module is not builtins]


def parts(spaces: list[dict]) -> list:
    """List the functions and classes of Python code among those names, each once."""
    found = {}
    for space in spaces:
        for thing in space.values():
            is_class = isinstance(thing, type) and thing.__flags__ & HEAP_TYPE
            if type(thing) is types.FunctionType or is_class:
                found[id(thing)] = thing
    return [*found.values()]


def writer(part: object) -> Callable:
    """Give the function that writes back what was inside a function or class."""

    def write_function(inner):
        if part.__code__ is not inner[0]:
            part.__code__ = inner[0]
        part.__defaults__, part.__kwdefaults__ = inner[1:]

    def write_class(attributes):
        for name, value in attributes.items():
            if vars(part).get(name) is not value:
                setattr(part, name, value)

    return write_function if type(part) is types.FunctionType else write_class


def restore(state: list[tuple]) -> None:
    """Write everything back that can be."""
    for write, then in state:
        try:
            write(then)
        except (AttributeError, TypeError, ValueError):  # the rest all the same
            continue
