"""Call a reader's code so that it ends, disturbs nothing, and its errors can be read.

Ticks are put into the syntax tree of the submission: into the body of every loop and
comprehension, and where every function and lambda is entered. A tick reads the clock. Once
the time is over, every further tick raises `OutOfTime`, so that code which catches the
first one meets the next one at its next step. No thread, process or signal takes part,
so all of this also works inside a web page.

While a run lasts, the functions of the reader execute a compiled twin of their own code:
the same file name, the same lines, the same closures. The function objects stay who they
are, so classes, decorators and caches keep working. After the run they get their code
back, and so do the reader's names, the contents of the reader's lists, dictionaries and
arrays, and what is global in the interpreter, patches of NumPy included. So every run
starts from the namespace that the reader sees: functions that share a global belong in
one run, by `Submission.use`.

What this cannot do:

- end one endless call into C, such as ``sum(itertools.count())`` or ``time.sleep(1e9)``;
- put ticks into what other modules define, or into text given to ``exec``;
- put ticks into functions without source lines, such as those of a cell under ``%%time``
  (`remember` makes lines known). They are traced, which ends them if they do not also
  catch every exception;
- put back what lies deeper than names, contents and attributes: slots of objects, arrays
  above 1 MB, the code and defaults of functions inside NumPy, files;
- hold back code that means harm: it shares the process.
"""

from bnlearn.exercises.sandbox.errors import explain
from bnlearn.exercises.sandbox.submission import Run, Submission
from bnlearn.exercises.sandbox.ticks import OutOfTime, remember

__all__ = ["OutOfTime", "Run", "Submission", "explain", "remember"]
