"""Self-study exercises: `check` names the mistake, not only that there is one.

NumPy and the standard library are all that is needed, and no thread, process or signal
is used, so that checks can run inside a web page.
"""

from bnlearn.exercises.check import check, hint, solution
from bnlearn.exercises.progress import progress

__all__ = ["check", "hint", "progress", "solution"]
