"""What the syntax of a submission says: a stub, or nothing that is returned."""

import ast
import dis
import types
from collections.abc import Iterator

from bnlearn.exercises.sandbox.ticks import source_of

__all__ = ["code_of", "definition", "gives", "is_stub", "own_nodes"]


def code_of(obj) -> types.CodeType | None:
    """Give the code of a function; None for anything else."""
    return obj.__code__ if type(obj) is types.FunctionType else None


def definition(code: types.CodeType | None):
    """Find the function or lambda that was compiled to `code`."""
    found = source_of(code) if code is not None else None
    for node in ast.walk(ast.parse(found[0] if found else "")):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            name = getattr(node, "name", "<lambda>")
            parts = [node, *getattr(node, "decorator_list", [])]
            first = min(part.lineno for part in parts)
            if (name, first) == (code.co_name, code.co_firstlineno):
                return node
    return None


def own_nodes(node) -> Iterator[ast.AST]:
    """Walk through the body of a function, but not into functions inside it."""
    waiting = [*node.body]
    while waiting:
        part = waiting.pop()
        yield part
        scope = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        if not isinstance(part, scope):
            waiting += ast.iter_child_nodes(part)


def gives(node) -> bool:
    """Tell whether a statement hands a value to the caller."""
    if isinstance(node, ast.Return):
        nothing = ast.Constant(None)
        return ast.dump(node.value or nothing) != ast.dump(nothing)
    return isinstance(node, (ast.Yield, ast.YieldFrom))


def _is_empty(node) -> bool:
    """Tell whether a statement of a stub does nothing."""
    if isinstance(node, ast.Raise):
        raised = node.exc
        raised = raised.func if isinstance(raised, ast.Call) else raised
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    idle = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return idle or isinstance(node, ast.Pass)


def is_stub(code: types.CodeType) -> bool:
    """Tell whether a function does nothing but what a stub does."""
    node = definition(code)
    if node is None:
        return _looks_like_stub(code)
    if isinstance(node, ast.Lambda):
        return isinstance(node.body, ast.Constant) and node.body.value is ...
    return all(map(_is_empty, node.body))


def _looks_like_stub(code: types.CodeType) -> bool:
    """Judge a function without source by what it loads, and what it does with it."""
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    constants = [
        value for name, value in steps if name in ("LOAD_CONST", "RETURN_CONST")
    ]
    idle = "LOAD_CONST RETURN_CONST RETURN_VALUE RESUME NOP "
    if any(name == "RAISE_VARARGS" for name, _ in steps):
        idle += "RAISE_VARARGS LOAD_GLOBAL LOAD_COMMON_CONSTANT PRECALL CALL PUSH_NULL"
        constants = [None]  # the message
    mentioned = set(code.co_names) <= {"NotImplementedError"}
    return mentioned and constants == [None] and {*dict(steps)} <= {*idle.split()}
