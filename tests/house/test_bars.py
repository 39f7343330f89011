"""The bars that every module of agg2exp keeps, so that a reader can take in one at a time."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import networkx as nx

import agg2exp

PACKAGE = Path(agg2exp.__file__).parent
LONGEST_MODULE, MEDIAN_MODULE, LONGEST_EXPLANATION_MODULE = 250, 90, 120  # lines
MOST_PARAMETERS = 7
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules(package: Path = PACKAGE) -> dict[str, ast.Module]:
    """Each module by its path within the package."""
    paths = sorted(package.rglob("*.py"))
    return {path.relative_to(package).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def lines(package: Path = PACKAGE) -> dict[str, int]:
    """Lines of each module that has code."""
    texts = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "__init__.py"}
    return {path.relative_to(package).as_posix(): text.count("\n") for path, text in texts.items()}


def parameters(function: Function) -> list[str]:
    """Names that a caller can give; `self` and `cls` are not given."""
    of = function.args
    named = [argument.arg for argument in (*of.posonlyargs, *of.args, *of.kwonlyargs)]
    return [name for name in named if name not in ("self", "cls")] + [
        rest.arg for rest in (of.vararg, of.kwarg) if rest
    ]


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method but constructors."""
    yield from (n for n in ast.walk(tree) if isinstance(n, Function) and n.name != "__init__")


def imported(module: str, tree: ast.Module, known: set[str]) -> Iterator[str]:
    """The modules of the package that a module imports anywhere, for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                yield name if name in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circles(trees: dict[str, ast.Module]) -> set[str]:
    """Groups of modules that import each other, each as its sorted names.

    The package itself is no module of it: it has its version, and imports what it is asked for when it is asked.
    """
    named = {f"agg2exp/{path}".removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree
             for path, tree in trees.items() if path != "__init__.py"}  # fmt: skip
    arrows = [(name, other) for name, tree in named.items() for other in imported(name, tree, {*named})]
    graph = nx.DiGraph((one, other) for one, other in arrows if one != other and other in named)
    return {", ".join(sorted(group)) for group in nx.strongly_connected_components(graph) if len(group) > 1}


def constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Constants of a module with their values."""
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name.isupper() and not name.startswith("__") and name != "T":
                yield name, value


def tells(value: ast.expr) -> bool:
    """Whether two constants of this value are hardly by chance the same: a text or several values, not a number."""
    several = isinstance(value, ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Call)
    return len(ast.unparse(value)) >= 12 and (several or isinstance(value, ast.Constant))


def twice(trees: dict[str, ast.Module]) -> set[str]:
    """Constants of several modules with the same value that have the same name, or a value that tells."""
    places: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    for path, tree in trees.items():
        for name, value in constants(tree):
            places[ast.dump(value)].append((name, path, tells(value)))
    found = set()
    for same in places.values():
        names = sorted({name for name, _, telling in same if telling or [n for n, *_ in same].count(name) > 1})
        where = {name: ", ".join(path for n, path, _ in same if n == name) for name in names}
        if len([path for n, path, _ in same if n in where]) > 1:
            found.add(", ".join(f"{name}: {paths}" for name, paths in where.items()))
    return found


def test_no_module_is_longer_than_a_reader_holds():
    assert not {path: n for path, n in lines().items() if n > LONGEST_MODULE}


def test_half_of_the_modules_fit_on_a_page():
    assert median(lines().values()) <= MEDIAN_MODULE


def test_no_function_wants_more_arguments_than_a_reader_holds():
    many = {f"{path}: {function.name}" for path, tree in modules().items() for function in functions(tree)
            if len(parameters(function)) > MOST_PARAMETERS}  # fmt: skip
    assert not many


def test_the_explanation_module_is_thin():
    (module,) = [node for node in modules()["run/module.py"].body
                 if isinstance(node, ast.ClassDef) and node.name == "ExplanationModule"]  # fmt: skip
    n = module.end_lineno - module.lineno + 1
    assert n <= LONGEST_EXPLANATION_MODULE


def test_imports_run_in_no_circle():
    assert not circles(modules())


def test_every_module_says_what_it_is_for():
    assert not [path for path, tree in modules().items() if not ast.get_docstring(tree)]


def test_every_constant_stands_once():
    assert not twice(modules())


def test_the_bars_find_what_they_look_for():
    circle = {"a.py": "from agg2exp.b import x", "b.py": "import agg2exp.c", "c.py": "def f():\n from agg2exp import a"}
    assert circles({path: ast.parse(text) for path, text in circle.items()}) == {"agg2exp.a, agg2exp.b, agg2exp.c"}
    (many,) = functions(ast.parse("class A:\n def __init__(self, a): ...\n def f(self, a, /, b, *c, d, **e): ..."))
    assert parameters(many) == ["a", "b", "d", "c", "e"]
    same = {
        "one.py": "FEWEST = 5\nMOST = 7\nTITLE = 'a text that tells'",
        "other.py": "FEWEST: int = 5\nLEAST = 7\nNAME = 'a text that tells'",
    }
    found = twice({path: ast.parse(text) for path, text in same.items()})
    assert found == {"FEWEST: one.py, other.py", "NAME: other.py, TITLE: one.py"}
