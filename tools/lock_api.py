"""Write down the public surface of the driver API, or check that it is as written down.

The surface is what programs and drivers are written against: fields, enum members, signatures, bases, constants. It is
read from the source without importing it and kept in tests/contract/api-MAJOR.MINOR.json. A change of the surface
without a step of the version is what `--check`, and so `make test`, refuses.
"""

import argparse
import ast
import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OPEN = ("capability", "errors", "events", "compute.aio", "compute.roles", "compute.until", "driver", "model", "toolkit")
"""Modules and packages that are public as a whole; of others only the names that the package exports are."""

STEP = """
The public surface of the driver API differs from {lock}.
 - Not meant? Take the change back.
 - Meant, and it only adds? Step the minor of API_VERSION in nova_virt_api/version.py and say so in CHANGELOG.md.
 - It changes or removes something? That needs the next major, unless the API is still PROVISIONAL.
Then write the surface down: python tools/lock_api.py
"""


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the surface differs")
    parser.add_argument("--package", type=Path, default=ROOT / "nova_virt_api", help="folder of the package")
    parser.add_argument("--locks", type=Path, default=ROOT / "tests/contract", help="folder of the written surfaces")
    arguments = parser.parse_args()
    version = constants(arguments.package / "version.py", "API_VERSION", "PROVISIONAL")
    lock = arguments.locks / "api-{}.{}.json".format(*version["API_VERSION"])
    now = json.dumps(surface(arguments.package), indent=1, ensure_ascii=False) + "\n"
    before = lock.read_text(encoding="utf-8") if lock.exists() else ""
    if now == before:
        return 0
    if arguments.check or (before and not version["PROVISIONAL"]):
        print(*difference(before, now), STEP.format(lock=lock), sep="\n", file=sys.stderr)
        return 1
    lock.write_text(now, encoding="utf-8")
    print(f"wrote {lock}")
    return 0


def difference(before: str, now: str) -> Iterator[str]:
    """What changed, line by line."""
    return difflib.unified_diff(before.splitlines(), now.splitlines(), "written down", "found", lineterm="", n=2)


def surface(package: Path) -> dict[str, dict[str, object]]:
    """The public names of each module, and what each of them promises."""
    homes = constants(package / "__init__.py", "HOMES")["HOMES"]
    found = {}
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        if module in homes or any(module == name or module.startswith(f"{name}.") for name in OPEN):
            names = None if module.startswith(OPEN) else set(homes[module].split())
            found[module] = promises(ast.parse(path.read_text(encoding="utf-8")).body, names)
    return {module: names for module, names in found.items() if names}


def promises(body: list[ast.stmt], names: set[str] | None) -> dict[str, object]:
    """The public names that are defined in a module or class, each with its promise as source text.

    Fields come first and in their order, which may matter to who makes an object; the rest is sorted.
    """
    found: dict[str, list[object]] = {}
    fields: dict[str, list[object]] = {}
    for statement in body:
        for name in defined(statement):
            if (name in names) if names is not None else (not name.startswith("_") or name == "__init__"):
                place = fields if isinstance(statement, ast.AnnAssign) else found
                place.setdefault(name, []).append(promise(statement))
    every = {**fields, **dict(sorted(found.items()))}
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in every.items()}


def defined(statement: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def promise(statement: ast.stmt) -> object:
    """What a definition promises: everything but its documentation and its code."""
    decorators = [f"@{ast.unparse(decorator)}" for decorator in getattr(statement, "decorator_list", [])]
    match statement:
        case ast.ClassDef(name=name, bases=bases, keywords=keywords, body=body):
            head = f"class {name}({', '.join(map(ast.unparse, [*bases, *keywords]))})"
            return {"class": " ".join([*decorators, head]), "has": promises(body, None)}
        case ast.FunctionDef(name=name, args=arguments, returns=returns):
            return " ".join([*decorators, f"def {name}({ast.unparse(arguments)}){arrow(returns)}"])
        case ast.AsyncFunctionDef(name=name, args=arguments, returns=returns):
            return " ".join([*decorators, f"async def {name}({ast.unparse(arguments)}){arrow(returns)}"])
    return ast.unparse(statement)


def arrow(returns: ast.expr | None) -> str:
    """The end of a signature."""
    return f" -> {ast.unparse(returns)}" if returns else ""


def constants(path: Path, *names: str) -> dict[str, Any]:
    """The values of literal constants of a module."""
    found = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in names:
                found[name] = ast.literal_eval(value)
    return found


if __name__ == "__main__":
    sys.exit(main())
