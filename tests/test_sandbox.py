"""The sandbox ends what never ends, changes nothing, and stays out of the way."""

import ast
import builtins
import decimal
import faulthandler
import functools
import gc
import inspect
import itertools
import linecache
import locale
import math
import os
import random
import sys
import textwrap
import threading
import time
import traceback
import types
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnlearn.norms
from bnlearn.exercises.compare import as_array
from bnlearn.exercises.sandbox import (
    OutOfTime,
    Run,
    Submission,
    explain,
    remember,
    shield,
)

BUDGET = 0.3  # seconds for what never ends
numbers = itertools.count(1)


def define(source):
    """Run a program as a notebook runs a cell, and give its namespace."""
    name, source = f"<cell {next(numbers)}>", textwrap.dedent(source)
    remember(source, name)
    space = {"__name__": "__main__"}
    exec(compile(source, name, "exec", dont_inherit=True), space)  # noqa: S102
    return space


def submit(source, **options):
    return Submission(define(source)["f"], **options)


@pytest.fixture
def limited(monkeypatch):
    # Should the sandbox fail, then the whole test run ends here, and says where.
    faulthandler.dump_traceback_later(60, exit=True)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    before = threading.enumerate()  # a web server of other tests, perhaps
    yield
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(5)
    faulthandler.cancel_dump_traceback_later()


# What never ends ----------------------------------------------------------------------

ENDLESS = {
    "one line": "def f(x):\n    while 1: pass",
    "lambda": "f = lambda x: [0 for _ in iter(int, 1)]",
    "for": """
        import itertools
        def f(x):
            for _ in itertools.count(): x = x + 1
        """,
    "condition": """
        def f(x):
            while not x.sum() > 1e9 or True: continue
        """,
    "bare except": """
        def f(x):
            while True:
                try:
                    while True: pass
                except: pass
        """,
    "BaseException": """
        def f(x):
            while True:
                try:
                    x = x + 1
                except BaseException: x = 0
        """,
    "finally continue": """
        def f(x):
            while True:
                try:
                    g(x)
                finally:
                    continue
        def g(x):
            while True: x = x
        """,
    "finally return": """
        def f(x):
            try:
                while True: pass
            finally:
                return x
        """,
    "suppress": """
        import contextlib
        def f(x):
            while True:
                with contextlib.suppress(BaseException):
                    while True: pass
        """,
    "suppress once": """
        import contextlib
        def f(x):
            with contextlib.suppress(BaseException):
                while True: pass
            return x
        """,
    "exit of a context swallows": """
        class Swallow:
            def __enter__(self): return self
            def __exit__(self, *error): return True
        def f(x):
            while True:
                with Swallow(), Swallow():
                    while True: pass
        """,
    "recursion in the handler": """
        def f(x):
            try:
                while True: pass
            except BaseException:
                return f(x)
        """,
    "recursion that catches": """
        def f(x):
            while True:
                try:
                    return f(x)
                except RecursionError: pass
        """,
    "recursion that doubles": """
        def f(x):
            try: f(x)
            except BaseException: pass
            f(x)
        """,
    "mutual recursion": """
        def f(x):
            try: return g(x)
            except RecursionError: return g(x)
        def g(x):
            try: return f(x)
            except RecursionError: return f(x)
        """,
    "recursive lambda": """
        g = lambda n: 0 if n == 0 else g(n - 1) + g(n - 1)
        def f(x): return g(60)
        """,
    "recursive doubling with finally": """
        def f(x, n=60):
            try:
                if n: f(x, n - 1)
            finally:
                if n: f(x, n - 1)
        """,
    "deleted object": """
        class Zombie:
            def __del__(self):
                while True: pass
        def f(x):
            Zombie()
            return x
        """,
    "object that comes back": """
        class Zombie:
            def __del__(self): Zombie()
        def f(x):
            Zombie()
            while True: Zombie()
        """,
    "generator": """
        def g():
            while True: yield 1
        def f(x): return sum(g())
        """,
    "generator that will not close": """
        def g():
            while True:
                try: yield 1
                except BaseException: pass
        def f(x):
            for one in g(): pass
        """,
    "generator expression": """
        import itertools
        def f(x): return any(n < 0 for n in itertools.count())
        """,
    "comprehension": """
        import itertools
        def f(x): return {a for a in [1, 2] for b in itertools.count() if b < 0}
        """,
    "empty inner loop": """
        import itertools
        def f(x): return [0 for a in itertools.count() for b in ()]
        """,
    "dict comprehension": """
        import itertools
        def f(x): return {n: n for n in itertools.repeat(1)}
        """,
    "yield from": """
        def g():
            while True: yield from ()
        def f(x): return list(g())
        """,
    "map": """
        import itertools
        def f(x): return list(map(lambda n: None, itertools.count())) 
        """,
    "key of sort": """
        def slow(n):
            for i in range(n * 10**9): i * i
        def f(x): return sorted([1, 2, 3], key=slow)
        """,
    "helper": """
        def helper(x):
            while True: x = x + 0
        def f(x): return helper(x)
        """,
    "helper's helper found by text": """
        def a_b():
            while True: pass
        def f(x): return globals()["_".join("ab")]()
        """,
    "method": """
        class Layer:
            def forward(self, x):
                while True: self.x = x
        def f(x): return Layer().forward(x)
        """,
    "inherited and overridden": """
        class Base:
            def forward(self, x):
                while self.more: pass
        class Layer(Base):
            @property
            def more(self): return True
            def forward(self, x): return super().forward(x)
        def f(x): return Layer().forward(x)
        """,
    "instance in the namespace": """
        class Layer:
            def __call__(self, x):
                while True: pass
        f = Layer()
        """,
    "closure": """
        def make():
            def inner(x):
                while True: pass
            return lambda x: inner(x)
        f = make()
        """,
    "nested function": """
        def f(x):
            def g():
                while True: pass
            try: g()
            except: g()
        """,
    "decorated": """
        import functools
        def twice(g):
            @functools.wraps(g)
            def wrapper(*args):
                return g(*args) + g(*args)
            return wrapper
        @twice
        def f(x):
            while True: pass
        """,
    "decorator without wraps": """
        def often(g):
            def wrapper(*args):
                while True: g(*args)
            return wrapper
        @often
        def f(x): return x
        """,
    "cached": """
        import functools
        @functools.lru_cache
        def g(n):
            while True: pass
        def f(x): return g(1)
        """,
    "partial": """
        import functools
        def g(n, x):
            while n: pass
        f = functools.partial(g, 1)
        """,
    "single dispatch": """
        import functools
        @functools.singledispatch
        def f(x): pass
        @f.register
        def _(x: list): pass
        @f.register(object)
        def _(x):
            while True: pass
        """,
    "static and class methods": """
        class A:
            @staticmethod
            def s():
                while True: pass
            @classmethod
            def c(cls): return cls.s()
        def f(x): return A.c()
        """,
    "class": """
        class f:
            def __init__(self, x):
                while True: pass
        """,
    "attribute access": """
        class A:
            def __getattr__(self, name): return getattr(self, name + "_")
        def f(x):
            while True:
                try: A().x
                except RecursionError: pass
        """,
    "default": """
        def wait():
            while True: pass
        def f(x, wait=wait): return wait()
        """,
    "in a dictionary": """
        def wait():
            while True: pass
        steps = {"wait": [wait]}
        def f(x): return steps["wait"][0]()
        """,
    "vectorize": """
        import numpy as np
        def wait(n):
            while True: pass
        f = np.vectorize(wait, otypes=[float])
        """,
    "frompyfunc": """
        import numpy as np
        def wait(n):
            while True: pass
        wait = np.frompyfunc(wait, 1, 1)
        def f(x): return wait(x)
        """,
    "slow body": """
        import numpy as np
        def f(x):
            while True: np.linalg.svd(np.ones((150, 150)))
        """,
    "trace function": """
        import sys
        def trace(frame, event, arg):
            while True: pass
        def f(x):
            sys.settrace(trace)
            (lambda: 0)()
            while True: pass
        """,
    "profile function": """
        import sys
        def profile(frame, event, arg):
            while frame.f_code.co_name != "f": pass
        def f(x):
            sys.setprofile(profile)
            while True: len([])
        """,
    "error that cannot be shown": """
        class Odd(Exception):
            def __str__(self):
                while True: pass
        def f(x): raise Odd
        """,
    "held by an error": """
        class Zombie:
            def __del__(self):
                while True: pass
        def f(x):
            zombie = Zombie()
            raise ValueError
        """,
    "async inside": """
        def f(x):
            async def g():
                while True: pass
            try: g().send(None)
            except StopIteration: pass
        """,
    "match": """
        def f(x):
            n = 0
            while True:
                match n:
                    case 0: n = 1
                    case _: n = 0
        """,
    "prints": """
        def f(x):
            while True: print("x" * 100)
        """,
    "warns": """
        import warnings
        def f(x):
            while True: warnings.warn(f"number {id(object())}")
        """,
    "thread": """
        import threading
        def wait():
            while True: pass
        def f(x):
            thread = threading.Thread(target=wait)
            thread.start()
            while thread.is_alive(): pass
        """,
}
# The error comes first, and only looking at it never ends.
RAISED_FIRST = {"error that cannot be shown": "Odd", "held by an error": "ValueError"}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # `finally: return`, Python 3.14
def test_endless_loop_ends(source, limited):
    submission = submit(source, seconds=BUDGET)
    start = time.perf_counter()
    run = submission.run(np.arange(3.0))
    assert time.perf_counter() - start < 10 * BUDGET  # other programs may be busy
    assert run.value is None
    assert run.timed_out
    assert isinstance(run.error, OutOfTime)
    assert run.error.__traceback__ is None or "line" in explain(run.error)


ODD = {
    "class": """
        class f:
            @property
            def __class__(self):
                while True: pass
            def __call__(self, x): return 1
        f = f()
        """,
    "attributes": """
        class f:
            def __getattribute__(self, name):
                while True: pass
            def __call__(self, x): return 1
        f = f()
        """,
    "module": """
        class f:
            __module__ = property(lambda self: 1)
            def __init__(self, x): pass
        """,
    "comparisons": """
        class A:
            def __eq__(self, other):
                while True: pass
            def __hash__(self): return 1
        held, kept = {A()}, {A(): 1}
        def f(x):
            held.add(3); held.discard(3); kept[3] = 1; del kept[3]
            return 1
        """,
}


@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
def test_odd_object_is_looked_at_without_running_it(source, limited):
    submission = submit(source, seconds=BUDGET)
    submission.is_stub()
    submission.returns_nothing()
    start = time.perf_counter()
    run = submission.run(2)
    as_array(run.value)
    assert run.timed_out or run.error is None
    assert time.perf_counter() - start < 10 * BUDGET  # other programs may be busy


def test_budget_is_shared_by_all_runs(limited):
    submission = submit("def f(n):\n    for i in range(n): pass", seconds=BUDGET)
    assert submission.run(10).error is None
    assert submission.run(10**12).timed_out
    start = time.perf_counter()
    assert submission.run(10).timed_out
    assert time.perf_counter() - start < 0.1


def test_nothing_is_called_once_the_time_is_over(limited):
    submission = submit("def f():\n    while True: pass", seconds=0.05)
    calls = []
    assert submission.run().timed_out
    assert submission.use(calls.append, 1).timed_out
    assert calls == []
    assert not issubclass(OutOfTime, Exception)  # submissions catch those


def test_statements_that_were_compiled_one_by_one(limited):
    # As notebooks do it. What is imported then counts as any other name.
    source = "import itertools\ndef f(x):\n    for _ in itertools.count(): pass\n"
    name, space = f"<cell {next(numbers)}>", {}
    remember(source, name)
    for node in ast.parse(source).body:
        exec(compile(ast.Module([node], []), name, "exec"), space)  # noqa: S102
    assert Submission(space["f"], seconds=0.05).run(1).timed_out


def test_another_submission_has_its_own_budget(limited):
    space = define("def f(n):\n    for i in range(n): pass")
    assert Submission(space["f"], seconds=0.05).run(10**12).timed_out
    assert Submission(space["f"]).run(10).error is None


def test_what_is_left_behind_still_ends(limited):
    submission = submit(
        """
        class Odd:
            def __array__(self, dtype=None, copy=None):
                while True: pass
        def endless():
            while True: yield 1
        def f(which): return Odd() if which else endless()
        """,
        seconds=BUDGET,
    )
    odd, generator = submission.run(1).value, submission.run(0).value
    assert as_array(odd) is None and as_array(generator) is None
    submission._clock.deadline = 0.0  # as if the caller had worked for a long time
    with pytest.raises(OutOfTime):
        sum(generator)
    assert not submission.run(1).timed_out
    assert submission.use(np.asarray, odd).timed_out


def test_deep_recursion_is_an_ordinary_error():
    run = submit("def f(n): return f(n + 1) + 1").run(0)
    assert isinstance(run.error, RecursionError)
    assert not run.timed_out
    assert "def f(n): return f(n + 1) + 1" in explain(run.error)


def test_recursion_limit_cannot_be_raised_without_end(limited):
    run = submit(
        """
        import sys
        def f(n):
            sys.setrecursionlimit(10**9)
            return g(n)
        def g(n): return g(n + 1) + 1
        """
    ).run(0)
    assert isinstance(run.error, RecursionError)


def test_recursion_is_shorter_in_a_page(monkeypatch):
    submission = submit("def f(n): return n and 1 + f(n - 1)")
    assert submission.run(300).value == 300
    monkeypatch.setattr(shield, "IN_PAGE", True)
    assert submission.run(150).value == 150
    assert isinstance(submission.run(300).error, RecursionError)
    assert sys.getrecursionlimit() > 300


# What it refuses and what it reports --------------------------------------------------


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def f(x): raise ValueError('no')", ValueError),
        ("def f(x): return 1 / 0", ZeroDivisionError),
        ("import sys\ndef f(x): sys.exit(3)", SystemExit),
        ("def f(x): exit()", SystemExit),
        ("def f(x): quit()", SystemExit),
        ("import os\ndef f(x): os._exit(3)", SystemExit),
        ("def f(x): raise GeneratorExit", GeneratorExit),
        ("class E(BaseException): pass\ndef f(x): raise E", BaseException),
        ("def f(x): input()", EOFError),
        ("import sys\ndef f(x): return sys.stdin.read()[0]", IndexError),
        ("async def f(x): return x", TypeError),
        ("async def f(x): yield x", TypeError),
        ("def f(): return 1", TypeError),
        ("f = 3", TypeError),
        ("f = None", TypeError),
    ],
)
def test_error_is_reported(source, kind):
    run = submit(source).run(3)
    assert run.value is None
    assert isinstance(run.error, kind)
    assert type(run.error).__name__ in explain(run.error)
    assert not run.timed_out


def test_interrupt_of_the_user_is_passed_on():
    space = define(
        """
        import sys
        import numpy as np
        state = [0]
        def f(x):
            np.allclose = None
            sys.stdout = None
            state.append(x)
            raise KeyboardInterrupt
        """
    )
    code, out = space["f"].__code__, sys.stdout
    with pytest.raises(KeyboardInterrupt):
        Submission(space["f"]).run(1)
    assert np.allclose(1, 1)
    assert sys.stdout is out
    assert space["f"].__code__ is code
    assert space["state"] == [0]


def test_exit_of_a_notebook_does_not_end_it():
    space = define("def f(x): exit()")
    ended = []

    class Autocall:
        def __call__(self):
            ended.append(1)

    Autocall.__module__ = "IPython.core.autocall"
    space["exit"] = Autocall()
    assert isinstance(Submission(space["f"]).run(1).error, SystemExit)
    assert ended == []
    space["exit"]()
    assert ended == [1]


def test_breakpoint_does_not_wait():
    assert submit("def f(x):\n    breakpoint()\n    return x").run(2).value == 2


def test_explain_shows_the_line_of_the_reader():
    run = submit(
        """
        import numpy as np
        def helper(x):
            return x @ np.ones(
                7)
        def f(x):
            return helper(x)
        """
    ).run(np.ones(3))
    kind, place, line = explain(run.error).splitlines()
    assert kind.startswith("ValueError: matmul: ")
    assert place.startswith('  File "<cell ')
    assert place.endswith('>", line 4, in helper')
    assert line == "    return x @ np.ones("
    assert "sandbox" not in explain(run.error)


def test_explain_stays_with_the_reader_when_numpy_raises():
    run = submit(
        "import numpy as np\ndef f(x):\n    return np.linalg.inv(np.zeros((2, 2)))"
    ).run(1)
    assert (
        explain(run.error).splitlines()[2]
        == "    return np.linalg.inv(np.zeros((2, 2)))"
    )


def test_explain_knows_cells(monkeypatch):
    class Compiler:
        def format_code_name(self, name):
            return ("Cell", "In[7]") if name.startswith("<cell") else None

    shell = types.SimpleNamespace(compile=Compiler())
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    run = submit("def f(x): return 1 / 0").run(1)
    assert explain(run.error).splitlines()[1] == "  Cell In[7], line 1, in f"
    assert explain(ValueError("x")) == "ValueError: x"


def test_explain_cuts_long_messages():
    run = submit("def f(x): raise ValueError('x' * 10**6)").run(1)
    assert len(explain(run.error)) < 1000


def test_explain_survives_a_message_that_raises():
    run = submit(
        "class E(Exception):\n    def __str__(self): return 1\ndef f(x): raise E"
    ).run(1)
    assert "cannot be shown" in explain(run.error)


def test_traceback_has_no_frames_of_the_sandbox():
    run = submit("def f(x):\n    return [1 / 0 for _ in x]").run([1])
    trace = run.error.__traceback__
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(trace)]
    assert files
    assert all(name.startswith("<cell") for name in files)


def test_functions_of_a_file_keep_their_lines():
    run = Submission(raises_here).run(0)
    name, number = __file__, inspect.getsourcelines(raises_here)[1] + 1
    assert f'"{name}", line {number}, in raises_here' in explain(run.error)
    assert explain(run.error).endswith("    return 1 / x")


def raises_here(x):
    return 1 / x


def test_prints_are_captured_and_cut(capsys):
    run = submit(
        """
        import sys
        def f(x):
            print("hello")
            print("error", file=sys.stderr)
            for i in range(100): print("x" * 10**5)
            sys.stdout.buffer.write(b"bytes")
        """
    ).run(1)
    assert run.printed.startswith("hello\nerror\nxxx")
    assert len(run.printed) < 20_000
    assert run.printed.endswith("more bytes)")
    assert run.error is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("how", ["sys.stdout.close()", "sys.stdout = None"])
def test_lost_stdout_is_put_back(how, capsys):
    submit(f"import sys\ndef f(x):\n    print('a')\n    {how}").run(1)
    print("b")
    assert capsys.readouterr().out == "b\n"


def test_warnings_come_once():
    run = submit(
        """
        import numpy as np
        import warnings
        def f(x):
            for i in range(5):
                np.ones(1) / np.zeros(1)
                warnings.warn("mine")
            return x
        """
    ).run(1)
    first, second = run.warnings
    assert first.startswith("RuntimeWarning: divide by zero")
    assert second == "UserWarning: mine"
    assert run.value == 1


def test_run_is_timed():
    run = submit("import time\ndef f(x): time.sleep(0.05)").run(1)
    assert 0.05 <= run.seconds < 1
    assert Run._fields[-1] == "seconds"


# What is put back ---------------------------------------------------------------------

GLOBAL = {
    "seed": ("np.random.seed(5)", lambda: np.random.get_state()[1].tolist()),
    "draw": ("np.random.normal()", lambda: str(np.random.get_state())),
    "bit generator": (
        "np.random.set_bit_generator(np.random.PCG64(1))",
        np.random.get_bit_generator,
    ),
    "seterr": ("np.seterr(all='ignore')", np.geterr),
    "errstate": ("np.errstate(all='raise').__enter__()", np.geterr),
    "seterrcall": ("np.seterrcall(lambda *a: 0)", np.geterrcall),
    "buffer": ("np.setbufsize(16 * 1024)", np.getbufsize),
    "print options": ("np.set_printoptions(precision=2)", np.get_printoptions),
    "random": ("random.seed(3)", random.getstate),
    "filters": ("warnings.simplefilter('error')", lambda: [*warnings.filters]),
    "filters in place": ("warnings.filters.clear()", lambda: [*warnings.filters]),
    "showwarning": ("warnings.showwarning = 1", lambda: warnings.showwarning),
    "environment": ("os.environ['SANDBOX'] = '1'", lambda: dict(os.environ)),
    "environment cleared": ("os.environ.clear()", lambda: dict(os.environ)),
    "path": ("sys.path.insert(0, 'x')", lambda: [*sys.path]),
    "path replaced": ("sys.path = []", lambda: sys.path),
    "folder": ("os.chdir('/')", os.getcwd),
    "trace": ("sys.settrace(lambda *a: None)", sys.gettrace),
    "profile": ("sys.setprofile(lambda *a: None)", sys.getprofile),
    "recursion limit": ("sys.setrecursionlimit(3000)", sys.getrecursionlimit),
    "stdout": ("sys.stdout = None", lambda: sys.stdout),
    "stderr": ("sys.stderr = None", lambda: sys.stderr),
    "stdin": ("sys.stdin = None", lambda: sys.stdin),
    "locale": (
        "locale.setlocale(locale.LC_ALL, 'C')",
        lambda: locale.setlocale(locale.LC_ALL),
    ),
    "hooks": ("sys.excepthook = sys.displayhook = 1", lambda: sys.excepthook),
    "modules": ("sys.modules.pop('numpy')", lambda: sys.modules["numpy"]),
    "modules replaced": ("sys.modules['math'] = 1", lambda: sys.modules["math"]),
    "garbage collector": ("gc.disable()", gc.isenabled),
    "precision": ("decimal.getcontext().prec = 3", lambda: True),
    # patches
    "allclose": ("np.allclose = lambda *a, **k: True", lambda: np.allclose),
    "asarray": ("np.asarray = lambda x: 0", lambda: np.asarray),
    "deleted": ("del np.abs", lambda: np.abs),
    "inside numpy": (
        "np._core.numeric.isclose = lambda *a, **k: True",
        lambda: np._core.numeric.isclose,
    ),
    "shadow inside numpy": (
        "np._core.numeric.len = lambda x: 0",
        lambda: "len" in vars(np._core.numeric),
    ),
    "linalg": ("np.linalg.norm = lambda *a: 0", lambda: np.linalg.norm),
    "testing": (
        "np.testing.assert_allclose = lambda *a: 0",
        lambda: np.testing.assert_allclose,
    ),
    "random functions": ("np.random.normal = abs", lambda: np.random.normal),
    "math": ("math.sqrt = abs", lambda: math.sqrt),
    "abs": ("builtins.abs = lambda x: 0", lambda: builtins.abs),
    "all builtins": ("vars(builtins).clear()", lambda: len(vars(builtins))),
    "what the sandbox uses": (
        "builtins.len = builtins.any = builtins.map = builtins.dict = None",
        lambda: (builtins.len, builtins.any, builtins.map, builtins.dict),
    ),
    "exceptions": (
        "builtins.BaseException = builtins.KeyboardInterrupt = int",
        lambda: (builtins.BaseException, builtins.KeyboardInterrupt),
    ),
    "bnlearn": (
        "bnlearn.norms.batch_norm_forward = None",
        lambda: bnlearn.norms.batch_norm_forward,
    ),
    "clock": ("time.perf_counter = lambda: 0", lambda: time.perf_counter),
    "class of numpy": (
        "np.errstate.__enter__ = lambda self: 1 / 0",
        lambda: np.errstate.__enter__,
    ),
    "class of bnlearn": (
        "bnlearn.norms.NormCache.__len__ = lambda self: 0",
        lambda: bnlearn.norms.NormCache.__len__,
    ),
    "class of warnings": (
        "warnings.catch_warnings.__exit__ = None",
        lambda: warnings.catch_warnings.__exit__,
    ),
}
ENDINGS = {
    "returns": "return x",
    "raises": "raise ValueError('raised')",
    "runs out of time": "while 1: pass",
}
IMPORTS = """
import builtins, decimal, gc, locale, math, os, random, sys, time, warnings
import numpy as np
import bnlearn.norms
"""


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("change", "read"), GLOBAL.values(), ids=GLOBAL)
def test_global_state_is_put_back(change, read, ending, limited):
    source = f"{IMPORTS}\ndef f(x):\n    {change}\n    "
    submission = submit(source + ENDINGS[ending], seconds=0.05)
    before = read()
    run = submission.run(4)
    after = read()
    assert after is before or after == before
    assert run.timed_out == (ending == "runs out of time")
    if ending == "returns":
        assert (run.value, run.error) == (4, None)


def test_methods_of_arrays_cannot_be_patched():
    run = submit("import numpy as np\ndef f(x): np.ndarray.sum = None").run(1)
    assert isinstance(run.error, TypeError)


def test_wrong_answer_stays_wrong():
    run = submit(
        """
        import numpy as np
        def f(x):
            np.allclose = np.array_equal = lambda *a, **k: True
            np.testing.assert_allclose = lambda *a, **k: None
            return x + 1
        """
    ).run(np.zeros(3))
    assert not np.allclose(run.value, 0)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(run.value, 0)


def test_what_was_imported_stays_imported():
    for name in [name for name in sys.modules if name.startswith("numpy.polynomial")]:
        del sys.modules[name]
    vars(np).pop("polynomial", None)
    run = submit(
        "def f(x):\n    import numpy.polynomial\n    return numpy.polynomial.Polynomial"
    ).run(1)
    import numpy.polynomial

    assert numpy.polynomial.Polynomial is run.value


READERS = """
    import collections
    import numpy as np
    total, items, table, chosen = 0, [1], {"a": [1]}, {1}
    buffer, text, queue = np.zeros(3), bytearray(b"a"), collections.deque([1])
    generator = np.random.default_rng(0)
    class Layer:
        count = 0
        shared = []
        def __init__(self): self.steps = 0
    layer = Layer()
    def remembering(seen=[], *, known={}):
        seen.append(1); known[1] = 1
    def make():
        count, calls = 0, []
        def step():
            nonlocal count
            count += 1; calls.append(1)
            return count
        return step
    step = make()
    def helper(): pass
    def f(x):
        global total, helper, new
        total += 1; new = 1
        items.append(x); table["b"] = 2; table["a"].append(2); chosen.add(5)
        buffer[:] = x; text.extend(b"b"); queue.append(2)
        generator.normal()
        Layer.count += 1; Layer.new = 1; Layer.shared.append(1)
        layer.steps += 1; layer.new = 1
        remembering(); remembering.calls = 1; f.calls = 2
        helper = None
        return total, step(), len(items), buffer, layer, generator.normal()
    """


def test_namespace_of_the_reader_is_put_back():
    space = define(READERS)
    submission = Submission(space["f"])
    names, codes = [*space], [space[name].__code__ for name in ("f", "step", "helper")]
    runs = [submission.run(5), submission.run(5)]
    assert runs[0].error is None, explain(runs[0].error)
    layer = space["layer"]
    assert [*space] == names
    assert space["total"] == 0
    assert (space["items"], space["table"], space["chosen"]) == ([1], {"a": [1]}, {1})
    assert (space["text"], [*space["queue"]]) == (b"a", [1])
    assert not space["buffer"].any()
    assert (space["Layer"].count, space["Layer"].shared) == (0, [])
    assert not hasattr(space["Layer"], "new")
    assert vars(layer) == {"steps": 0}
    assert space["remembering"].__defaults__ == ([],)
    assert space["remembering"].__kwdefaults__ == {"known": {}}
    assert vars(space["remembering"]) == vars(space["f"]) == {}
    assert codes == [space[name].__code__ for name in ("f", "step", "helper")]
    assert space["step"]() == 1
    # Every run found the same namespace, and what it returned is not put back.
    for run in runs:
        total, count, size, buffer, returned, drawn = run.value
        assert (total, count, size, vars(returned)) == (1, 1, 2, {"steps": 1, "new": 1})
        assert buffer.tolist() == [5, 5, 5]
        assert type(returned) is space["Layer"]
    assert runs[0].value[-1] == runs[1].value[-1]


def test_arguments_are_neither_copied_nor_put_back():
    x = np.zeros(3)
    run = submit(
        "log = []\ndef f(x):\n    x += 1\n    log.append(1)\n    return x"
    ).run(x)
    assert run.value is x
    assert x.tolist() == [1, 1, 1]


def test_functions_are_themselves_again_after_all_endings(limited):
    space = define("def f(x):\n    while x: pass\n    return 1 / x")
    code = space["f"].__code__
    for x in (0, 1):
        Submission(space["f"], seconds=0.05).run(x)
        assert space["f"].__code__ is code


def test_threads_left_behind_end(limited, monkeypatch):
    died = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    submission = submit(
        """
        import threading
        def wait():
            while True:
                try: pass
                except: pass
        def f(x): threading.Thread(target=wait, daemon=True).start()
        """,
        seconds=0.1,
    )
    assert submission.run(1).error is None
    while not died:
        time.sleep(0.01)
    assert died[0].exc_type is OutOfTime


def test_namespace_that_is_emptied_is_put_back():
    space = define("def f(x):\n    globals().clear()\n    return abs(x)")
    names = {*space}
    assert Submission(space["f"]).run(-1).value == 1
    assert {*space} == names


def test_check_inside_a_submission(limited):
    space = define("def f(n): return sub(n).value if n else 1")
    space["sub"] = lambda n: Submission(space["f"]).run(n - 1)
    assert Submission(space["f"]).run(3).value == 1


def test_check_inside_a_submission_keeps_its_own_time(limited):
    space = define(
        """
        def f(n):
            while n: pass
            run = sub()
            return run.timed_out
        """
    )
    space["sub"] = lambda: Submission(space["f"], seconds=0.1).run(1)
    start = time.perf_counter()
    assert Submission(space["f"], seconds=30).run(0).value is True
    assert time.perf_counter() - start < 1


def test_large_arrays_are_not_copied():
    source = "import numpy as np\nbig = np.zeros(10**6)\ndef f(x): big[0] = x"
    space = define(source)
    assert Submission(space["f"]).run(1).error is None
    assert space["big"][0] == 1


# What it does not change --------------------------------------------------------------

ORDINARY = {
    "loops": """
        def f(xs):
            total = 0
            for x in xs:
                if x < 0: continue
                total += x
                if total > 9: break
            else:
                total = -total
            n = 0
            while n < 5: n += 1
            else: n = 7
            return total, n
        """,
    "walrus": """
        def f(xs):
            found = []
            while (n := len(found)) < 3: found.append(n)
            return [y for x in xs if (y := x * x) > 3], found
        """,
    "match": """
        def f(xs):
            match xs:
                case []: return "empty"
                case [x]: return f"one {x}"
                case [x, *rest] if x > 0: return x, rest
                case _: return None
        """,
    "format": """
        def f(xs): return f"{xs!r:>20} {sum(x for x in xs):+05d} {[x for x in xs]}"
        """,
    "decorators": """
        import functools
        def named(name, *, times=1):
            def decorate(g):
                @functools.wraps(g)
                def wrapper(*args, **kwargs):
                    return [name, *(g(*args, **kwargs) for _ in range(times))]
                return wrapper
            return decorate
        @named("a", times=2)
        @named("b")
        def f(xs):
            "Docstring"
            return sum(xs), f.__name__, f.__doc__
        """,
    "comprehensions": """
        def f(xs):
            pairs = [(x, y) for x in xs for y in xs if x < y if y]
            return pairs, {x: [y for y in range(x)] for x in xs}, {x % 2 for x in xs}
        """,
    "generator": """
        def g(xs):
            sent = yield "first"
            while xs:
                x, *xs = xs
                sent = yield x, sent
            return "end"
        def f(xs):
            def outer():
                result = yield from g(xs)
                yield result
            steps = outer()
            out = [next(steps)]
            try:
                while True: out.append(steps.send(len(out)))
            except StopIteration: return out
        """,
    "nonlocal": """
        count = 10
        def f(xs):
            global count
            inner = 0
            def step(x):
                nonlocal inner
                inner += x
                return inner
            before = count
            count += 1
            try: return [step(x) for x in xs], inner, count - before
            finally: count = before
        """,
    "star arguments": """
        def g(a, /, b=2, *args, c, d=4, **rest): return a, b, args, c, d, rest
        def f(xs): return g(1, *xs, c=3, e=5), g(*xs, 1, **{"c": 1})
        """,
    "hints": """
        from __future__ import annotations
        from typing import TypeVar
        T = TypeVar("T")
        def f(xs: list[Unknown]) -> tuple[Nowhere, ...]:
            y: int = 3
            z: Unknown
            return y, sorted(f.__annotations__)
        """,
    "dataclass": """
        from dataclasses import dataclass, field, replace, asdict
        @dataclass(frozen=True, order=True, slots=True)
        class Point:
            x: int
            rest: list = field(default_factory=list)
            @property
            def double(self): return 2 * self.x
            def moved(self, by): return replace(self, x=self.x + by)
        def f(xs):
            points = [Point(x) for x in xs]
            return [asdict(p.moved(1)) for p in sorted(points)], [p.double for p in points]
        """,
    "super": """
        class Base:
            made = []
            def __init_subclass__(cls, **k): cls.made.append(cls.__name__)
            def name(self): return "Base"
            def __repr__(self): return f"<{type(self).__name__}>"
        class Middle(Base):
            def name(self): return "Middle " + super().name()
        class Mixed:
            def name(self): return "Mixed " + super(Mixed, self).name()
        class Last(Mixed, Middle):
            def name(self):
                return [super().name(), __class__.__name__, repr(self)]
        def f(xs): return Last().name(), Base.made, isinstance(Last(), Base)
        """,
    "context managers": """
        import contextlib
        @contextlib.contextmanager
        def logged(log, name):
            log.append("in " + name)
            try: yield log
            except ValueError: log.append("caught")
            finally: log.append("out")
        def f(xs):
            log = []
            with logged(log, "a"), logged(log, "b") as same:
                if xs: raise ValueError
            return log, same is log
        """,
    "finally": """
        def g(x, log):
            try:
                if x < 0: raise ValueError(x)
                return x
            except ValueError as error: return error.args
            else: log.append("else")
            finally: log.append(x)
        def f(xs):
            log = []
            return [g(x, log) for x in xs], log
        """,
    "raised": """
        def f(xs):
            try: return 1 / len(xs) + xs[3]
            except ZeroDivisionError as error: return str(error), error.__traceback__.tb_lineno
            except (IndexError, KeyError) as error: return repr(error)
        """,
    "groups": """
        def f(xs):
            try:
                raise ExceptionGroup("all", [ValueError(1), TypeError(2)])
            except* ValueError as one: a = str(one.exceptions)
            except* TypeError as two: b = str(two.exceptions)
            return a, b
        """,
    "lambdas": """
        from functools import reduce
        add, mul = lambda a, b: a + b, lambda a, b=2: a * b
        def f(xs): return reduce(add, xs, 0), [mul(x) for x in xs], (lambda: 0 or None)()
        """,
    "late binding": """
        def f(xs): return [g() for g in [lambda: x for x in xs]], [
            (lambda x=x: x)() for x in xs]
        """,
    "closures": """
        def make(n):
            data = [n]
            def add(x):
                data.append(x + n)
                return data[-1]
            return add
        one, two = make(1), make(2)
        def f(xs): return [one(x) for x in xs], [two(x) for x in xs]
        """,
    "cached": """
        import functools
        @functools.cache
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        def f(xs): return [fib(abs(x)) for x in xs]
        """,
    "enum": """
        import enum
        class Colour(enum.Enum):
            RED = 1
            BLUE = 2
            @classmethod
            def of(cls, x): return cls.RED if x % 2 else cls.BLUE
            @property
            def other(self): return Colour.RED if self is Colour.BLUE else Colour.BLUE
        def f(xs): return [Colour.of(x).other.name for x in xs], Colour.of(1) is Colour.RED
        """,
    "named tuple": """
        from typing import NamedTuple
        class Stats(NamedTuple):
            low: int
            high: int = 9
            def width(self): return self.high - self.low
        def f(xs): return [Stats(x).width() for x in xs], Stats(1)._asdict()
        """,
    "metaclass": """
        class Meta(type):
            def __call__(cls, *args):
                made = super().__call__(*args)
                made.by = cls.__name__
                return made
            def __iter__(cls): yield from range(3)
        class Thing(metaclass=Meta):
            def __init__(self, x): self.x = x
        def f(xs): return [(Thing(x).x, Thing(x).by) for x in xs], [*Thing]
        """,
    "descriptors": """
        import functools
        class Positive:
            def __set_name__(self, owner, name): self.name = "_" + name
            def __get__(self, obj, cls=None): return getattr(obj, self.name)
            def __set__(self, obj, value): setattr(obj, self.name, abs(value))
        class A:
            __private = 3
            x = Positive()
            def __init__(self, x): self.x = x
            @functools.cached_property
            def squares(self): return [n * n for n in range(self.x)]
            @property
            def secret(self): return self.__private
            @secret.setter
            def secret(self, value): self.__private = value
            @staticmethod
            def s(x): return x + 1
            @classmethod
            def c(cls, x): return cls(x).x
        def f(xs):
            a = A(len(xs)); a.secret = 5
            return a.squares, a.secret, A.s(1), [A.c(x) for x in xs]
        """,
    "operators": """
        class V:
            def __init__(self, *x): self.x = x
            def __add__(self, o): return V(*(a + b for a, b in zip(self.x, o.x)))
            def __eq__(self, o): return self.x == o.x
            def __hash__(self): return hash(self.x)
            def __len__(self): return len(self.x)
            def __getitem__(self, i): return self.x[i]
            def __iter__(self): return iter(self.x)
            def __contains__(self, y): return y in self.x
            def __call__(self, y): return y in self
        def f(xs):
            v = V(*xs)
            return [*(v + v)], v == V(*xs), len({v, V(*xs)}), [*map(v, [1, 2])]
        """,
    "iterator": """
        class Count:
            def __init__(self, n): self.n = n
            def __iter__(self): return self
            def __next__(self):
                if self.n <= 0: raise StopIteration
                self.n -= 1
                return self.n
        def f(xs): return [list(Count(x)) for x in xs]
        """,
    "instances of earlier": """
        class Layer:
            instances = 0
            def __init__(self, scale): self.scale = scale
            def __call__(self, x): return [self.scale * y for y in x]
        layer = Layer(3)
        def f(xs): return layer(xs), isinstance(layer, Layer), type(layer) is Layer
        """,
    "dispatch": """
        import functools
        @functools.singledispatch
        def show(x): return "?"
        @show.register
        def _(x: int): return f"int {x}"
        @show.register(list)
        def _(x): return [show(y) for y in x]
        def f(xs): return show(xs), show(None)
        """,
    "recursion": """
        def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
        def f(xs): return depth(100), [depth(abs(x)) for x in xs]
        """,
    "numpy": """
        import numpy as np
        def f(xs):
            x = np.array([*xs, 1.5])
            out = np.zeros((2, x.size))
            for i, row in enumerate(out): row[:] = x * i
            with np.errstate(divide="ignore"): y = x / 2
            return out.tolist(), y.tolist(), np.vectorize(lambda v: v + 1)(x).tolist()
        """,
    "async": """
        import asyncio
        async def later(x):
            await asyncio.sleep(0)
            return [y async for y in numbers(x)]
        async def numbers(x):
            for i in range(abs(x)): yield i
        def f(xs):
            out = []
            for x in xs:
                step = numbers(x).__anext__()
                try: step.send(None)
                except StopIteration as stop: out.append(stop.value)
                except StopAsyncIteration: out.append("end")
            return out
        """,
    "text given to exec": """
        def f(xs):
            space = {"xs": xs}
            exec("out = [x + 1 for x in xs]", space)
            return space["out"], eval("len(xs)"), sorted(locals()), "f" in globals()
        """,
    "looks at itself": """
        import inspect
        def f(xs):
            "Text."
            return f.__doc__, f.__code__.co_firstlineno, inspect.getsource(f)[:8], (
                inspect.signature(f).parameters.keys() == {"xs"})
        """,
    "docstrings inside": """
        def f(xs):
            def g():
                "Text."
            class A:
                "Class."
                def h(self): "Method."
            return g.__doc__, A.__doc__, A.h.__doc__
        """,
    "docstring alone": 'def f(xs):\n    "Nothing"',
    "conditional definition": """
        if True:
            def f(xs): return "yes"
        else:
            def f(xs): return "no"
        """,
    "redefined": """
        def f(xs): return 1
        g = f
        def f(xs): return 2, g(xs)
        """,
    "semicolons": """
        a = 1; f = lambda xs: (a, [x for x in xs],
            g(2)); g = lambda x: x
        """,
    "deep expression": "def f(xs): return " + "(" * 40 + "len(xs)" + "+1)" * 40,
    "del and chained": """
        def f(xs):
            a = b = [*xs]; del a[:1]
            first, *_, last = 0, *b, 9
            return 0 < len(b) <= 3, a is b, first, last, not a or b[-1]
        """,
    "slots and keyword only": """
        class A:
            __slots__ = ("x", "__dict__")
            def __init__(self, *, x): self.x = x
            def __init_subclass__(cls): pass
        def f(xs): return [A(x=x).x for x in xs]
        """,
    "mutual": """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def f(xs): return [even(abs(x)) for x in xs]
        """,
    "abstract": """
        import abc
        class Shape(abc.ABC):
            @abc.abstractmethod
            def area(self): ...
        class Square(Shape):
            def __init__(self, a): self.a = a
            def area(self): return self.a ** 2
        def f(xs):
            try: Shape()
            except TypeError: return [Square(x).area() for x in xs], issubclass(Square, Shape)
        """,
}
if sys.version_info >= (3, 12):
    ORDINARY["type parameters"] = """
        def first[T](xs: list[T]) -> T | None: return next((x for x in xs), None)
        class Box[T]:
            def __init__(self, x: T): self.x = x
        type Pair[T] = tuple[T, T]
        def f(xs): return first(xs), Box[int](3).x, f"{"".join([f"{x}" for x in xs])}"
        """
SPACES = {name: define(source) for name, source in ORDINARY.items()}


@pytest.mark.parametrize("name", ORDINARY)
@given(xs=st.lists(st.integers(-6, 6), max_size=4))
def test_value_is_that_of_the_original(name, xs):
    function = SPACES[name]["f"]
    submission = Submission(function)
    run, again = submission.run([*xs]), submission.run([*xs])
    assert run.error is None, explain(run.error)
    assert run.value == again.value == function([*xs])


@pytest.mark.parametrize("name", ORDINARY)
def test_every_ordinary_function_has_a_twin(name):
    twins = Submission(SPACES[name]["f"])._inside.twins
    assert SPACES[name]["f"].__name__ in {
        function.__name__ for function, _ in twins
    } or (name == "decorators")


@pytest.mark.parametrize(
    ("obj", "args", "value"),
    [
        (abs, (-3,), 3),
        (np.add, (1, 2), 3),
        (len, ([1],), 1),
        ("a-b".split, ("-",), ["a", "b"]),
        (np.mean, ([1.0, 2.0],), 1.5),
        (functools.partial(max, 3), (2,), 3),
        (eval("lambda x: x + 1"), (1,), 2),
        (str.upper, ("a",), "A"),
        (int, ("7",), 7),
        (math.hypot, (3, 4), 5),
        (np.frompyfunc(lambda x: x + 1, 1, 1), (2,), 3),
    ],
)
def test_what_has_no_source_runs_as_it_is(obj, args, value):
    assert Submission(obj).run(*args).value == value


def test_reference_of_the_package_runs():
    x = np.arange(12.0).reshape(4, 3)
    run = Submission(bnlearn.norms.batch_norm_forward).run(x, eps=1e-3)
    np.testing.assert_array_equal(
        run.value[0], bnlearn.norms.batch_norm_forward(x, eps=1e-3)[0]
    )


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    while True: pass",
        "def f(x): return f(f(x - 1))",
        "def f(x):\n    return [1 for _ in iter(int, 1)]",
        "f = lambda x: [0 for _ in iter(int, 1)]",
    ],
)
def test_endless_code_without_source_ends(source, limited):
    space = {"__name__": "__main__"}
    exec(compile(source, "<timed exec>", "exec"), space)  # noqa: S102
    before = sys.gettrace()
    run = Submission(space["f"], seconds=BUDGET).run(1)
    assert run.timed_out or isinstance(run.error, RecursionError)
    assert run.seconds < 10 * BUDGET  # other programs may be busy
    assert sys.gettrace() is before


def test_source_that_has_changed_is_not_used(tmp_path):
    path = tmp_path / "edited.py"
    path.write_text("def f(x):\n    return x\n")
    space = {"__name__": "edited"}
    exec(compile(path.read_text(), str(path), "exec"), space)  # noqa: S102
    path.write_text("def f(x):\n    return -1\n")
    linecache.checkcache()
    submission = Submission(space["f"])
    assert submission.run(5).value == 5
    assert submission.returns_nothing() is None


def test_class_is_driven_by_use():
    space = define(
        """
        class f:
            made = 0
            def __init__(self, size):
                self.size = size
                f.made += 1
            def forward(self, x, n=1):
                for _ in range(n): x = x + self.size
                return x
        """
    )
    layer = space["f"]

    def drive(size, x):
        made = layer(size)
        return [made.forward(x), made.forward(x, n=3), layer.made]

    submission = Submission(layer)
    assert submission.run(3).value.forward(1) == 4
    assert submission.use(drive, 2, 10).value == [12, 16, 1]
    assert layer.made == 0
    made = submission.run(3).value
    assert Submission(made.forward).run(1, n=2).value == 7


def test_a_class_that_was_driven_says_where_it_failed(limited):
    space = define("class f:\n    def go(self):\n        while True: pass")
    run = Submission(space["f"], seconds=0.05).use(lambda: space["f"]().go())
    assert explain(run.error).splitlines()[1].endswith("line 3, in go")


# Stubs --------------------------------------------------------------------------------

BODIES = {
    "pass": "pass",
    "...": "...",
    "raise": "raise NotImplementedError",
    "raise with text": "raise NotImplementedError('write me')",
    "raise from": "raise NotImplementedError('write me') from None",
    "docstring": "'''Only a docstring.'''",
    "docstring and raise": "'''Text.'''\n    # TODO\n    raise NotImplementedError()",
    "several": "'''Text.'''\n    ...\n    pass",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("known", [True, False], ids=["with source", "without"])
def test_stub_is_a_stub(body, known):
    source = f"def f(x, y=2):\n    {body}"
    space = {}
    exec(source, space)  # noqa: S102
    function = define(source)["f"] if known else space["f"]
    assert Submission(function).is_stub()


@pytest.mark.parametrize("known", [True, False], ids=["with source", "without"])
@pytest.mark.parametrize(
    "body",
    [
        "return x",
        "x += 1",
        "raise ValueError",
        "print(x)",
        "y = x",
        "raise NotImplementedError(x) if x else ValueError",
        "return NotImplementedError()",
        "x[0] = 1",
        "if x: raise NotImplementedError",
        "yield",
        "def g(): pass",
    ],
)
def test_what_does_something_is_no_stub(body, known):
    source = f"def f(x):\n    {body}"
    space = {}
    exec(source, space)  # noqa: S102
    function = define(source)["f"] if known else space["f"]
    assert not Submission(function).is_stub()


@pytest.mark.parametrize(
    ("source", "stub"),
    [
        ("import functools\n@functools.cache\ndef f(x): ...", True),
        ("class f: pass", True),
        ("class f:\n    x = 1\n    def g(self): pass\n    def h(self): ...", True),
        ("class f:\n    def __init__(self): self.x = 1\n    def h(self): ...", True),
        ("class f:\n    def g(self): pass\n    def h(self): return 1", False),
        ("f = lambda x: ...", True),
        ("f = lambda x: x", False),
        ("f = len", False),
        ("f = 3", False),
    ],
)
def test_stub_of_other_kinds(source, stub):
    assert submit(source).is_stub() is stub


@pytest.mark.parametrize(
    ("source", "nothing"),
    [
        ("def f(x): y = x", True),
        ("def f(x):\n    if x: return\n    return None", True),
        ("def f(x): return x", False),
        ("def f(x):\n    for i in x:\n        if i: return i", False),
        ("def f(x): yield x", False),
        ("def f(x):\n    y = yield\n    print(y)", False),
        ("def f(x): yield from x", False),
        ("def f(x):\n    def g(): return 1\n    g()", True),
        ("def f(x):\n    h = lambda: (yield)", True),
        ("def f(x):\n    class A:\n        def g(self): return 1", True),
        ("def f(x): print(x)", True),
        ("f = lambda x: x", False),
        ("class f: pass", False),
        ("f = len", None),
        ("import functools\n@functools.cache\ndef f(x): x + 1", True),
        ("import functools\ndef g(x): x\nf = functools.partial(g, 1)", True),
        ("class C:\n    def __call__(self, x): return x\nf = C()", False),
        ("class C:\n    def m(self, x): x\nf = C().m", True),
    ],
)
def test_returns_nothing(source, nothing):
    assert submit(source).returns_nothing() is nothing


def test_wrapper_of_a_class_is_looked_through():
    submission = submit(
        """
        import functools
        class Wrapper:
            def __init__(self, g):
                self.g = functools.update_wrapper(self, g)
            def __call__(self, x): return 1
        @Wrapper
        def f(x):
            while x: pass
        """
    )
    assert submission.returns_nothing() is True
    assert submission.run(0).value == 1


# Speed: no comparison with a stopwatch on other machines, only orders of magnitude -----


def best(call, repeats=20):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def test_it_costs_little():
    function = SPACES["descriptors"]["f"]
    submission = Submission(abs)
    assert best(lambda: Submission(function)) < 0.02
    assert best(lambda: submission.run(-1)) < 0.005


def test_context_of_the_caller_stays():
    with decimal.localcontext(prec=5), np.errstate(all="ignore"):
        before = np.geterr()
        run = submit("import numpy as np\ndef f(x): return np.geterr()").run(1)
        assert run.value == before
