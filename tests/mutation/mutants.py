"""Every small change of a module that could let something through, as a tree that can be compiled.

Left alone: annotations, what stands in classes, conversions (``tuple(x)``), docstrings, and prose (texts with a space in them
or with values put in): what a person or a model is told is tested elsewhere, for what it says and not for its letters.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SWAPS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}
SUMS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Mult: ast.Add,
}
NAMES = {"all": "any", "any": "all", "min": "max", "max": "min"}
DROPPED = (ast.Return, ast.Raise, ast.Continue, ast.Break, ast.AugAssign, ast.Expr, ast.Assign)
NOT_CODE = ("annotation", "returns", "type_comment", "decorator_list")


@dataclass
class Mutant:
    """One change. ``key`` names it as long as the function that it is in says the same."""

    path: Path
    lines: range
    inside: str
    change: str
    key: str = ""
    _at: tuple[Any, str, int | None, ast.AST] = field(repr=False, default=(None, "", None, ast.Pass()))

    def code(self, whole: ast.Module) -> Any:
        """The changed module; ``whole`` is spoiled by this."""
        holder, name, index, new = self._at
        if index is None:
            setattr(holder, name, new)
        else:
            getattr(holder, name)[index] = new
        return compile(ast.fix_missing_locations(whole), str(self.path), "exec")


def mutants_of(path: Path) -> tuple[ast.Module, list[Mutant]]:
    whole = ast.parse(path.read_text(encoding="utf-8"))
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for holder, name, index, node, inside, lines in _nodes(whole, "", range(0)):
        for new, before, after in _changes(node, holder, name):
            key = f"{path.name}:{inside}: {before} -> {after}"
            seen[key] += 1
            key += f" ({seen[key]})" if seen[key] > 1 else ""
            change = f"{before} -> {after}"
            found.append(Mutant(path, lines, inside, change, key, (holder, name, index, new)))
    return whole, found


Found = tuple[ast.AST, str, int | None, ast.AST, str, range]


def _nodes(holder: ast.AST, inside: str, lines: range) -> Iterator[Found]:
    """Every node that is code, with its place in the tree, the function that it stands in and the lines that run it."""
    if isinstance(holder, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.ClassDef):
        return
    if isinstance(holder, ast.FunctionDef):
        inside = f"{inside}.{holder.name}".lstrip(".")
    for name, value in ast.iter_fields(holder):
        if name in NOT_CODE or (name == "args" and isinstance(holder, ast.Call) and ast.unparse(holder.func) == "cast"):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(node, ast.AST) and not _is_for_readers(node, inside):
                first = node.lineno if isinstance(node, ast.stmt) else lines.start
                here = range(first, getattr(node, "end_lineno", lines.stop - 1) + 1)
                yield holder, name, index, node, inside, here
                yield from _nodes(node, inside, here)


def _is_for_readers(node: ast.AST, inside: str) -> bool:
    """A docstring, an if that is for type checkers only, or a type that is given a name."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and not inside and isinstance(node.value, ast.Subscript):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST, holder: ast.AST, name: str) -> Iterator[tuple[ast.AST, str, str]]:
    """What one node may be changed to."""
    before = ast.unparse(node)
    for new in _others(node):
        yield new, before, ast.unparse(new)
    asked = name == "test" or (name == "ifs" and isinstance(holder, ast.comprehension)) or name == "guard"
    if asked and isinstance(node, ast.expr):
        if not isinstance(node, ast.Compare | ast.UnaryOp):  # those are turned round anyway
            yield ast.UnaryOp(ast.Not(), node), f"if {before}", f"if not ({before})"
        if name != "test":
            yield ast.Constant(True), f"if {before}", "if True"
    if isinstance(node, DROPPED) and not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
        yield ast.Pass(), before, "pass"


def _others(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=value):
            yield from _constants(value)
        case ast.Compare(left, ops, comparators):
            for index, op in enumerate(ops):
                for swap in SWAPS[type(op)]:
                    yield ast.Compare(left, [*ops[:index], swap(), *ops[index + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1 :]]
                yield ast.BoolOp(op, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in SUMS:
            yield ast.BinOp(left, SUMS[type(op)](), right)
            yield left
        case ast.Tuple(elements, ast.Load()) | ast.List(elements, ast.Load()) | ast.Set(elements) if len(elements) > 1:
            for index in range(len(elements)):
                rest = [*elements[:index], *elements[index + 1 :]]
                yield ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load())
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.Slice(lower, upper) if lower is not None or upper is not None:
            yield ast.Slice(None, None)
        case ast.Call():
            yield from _calls(node)
        case _:
            pass


def _constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case str() if " " not in value:
            yield ast.Constant("" if value else "mutant")
        case _:
            pass


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    named = node.func.id if isinstance(node.func, ast.Name) else ""
    if named in NAMES:
        yield ast.Call(ast.Name(NAMES[named], ast.Load()), node.args, node.keywords)
    if named in ("cast", "Refused", "tuple", "list", "dict", "str", "bool", "isinstance"):
        return
    if node.args and not isinstance(node.args[0], ast.Starred):
        yield node.args[0]
    if isinstance(node.func, ast.Attribute):
        yield node.func.value
    if len(node.args) > 1:
        yield ast.Call(node.func, node.args[:-1], node.keywords)
    for index in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, [*node.keywords[:index], *node.keywords[index + 1 :]])
