"""Solution marks: from the lines of an exercise's cell to its blank and its complete form.

# BEGIN SOLUTION … # END SOLUTION       the blank has one line instead, `...  # your code here`
# BEGIN STUB … # END STUB               directly after it: these lines, uncommented, instead
name = value  # SOLUTION                the blank has `name = ...`
"""

import ast
import re
from dataclasses import dataclass, replace

PLACEHOLDER = "...  # your code here"


@dataclass(frozen=True)
class Line:
    """One line of a lesson's script and where it stands."""

    script: str
    number: int
    text: str


class ScriptError(Exception):
    """A lesson's script breaks a rule; the text begins with the script and the line."""

    def __init__(self, line: Line, message: str) -> None:
        super().__init__(f"{line.script}:{line.number}: {message}")


@dataclass(frozen=True)
class Forms:
    """A cell as the lesson has it, as the solution has it, and the solution's own lines."""

    blank: list[Line]
    complete: list[Line]
    solution: list[Line]


def apply_marks(lines: list[Line]) -> Forms:
    """Read the marks of one cell. Raises ScriptError for marks that are unclosed, nested, …"""
    forms = Forms([], [], [])
    opened: Line | None = None
    body: list[Line] = []
    stub_may_follow = False
    for line in lines:
        mark = _read_mark(line)
        if opened:
            if mark is None:
                body.append(line)
            elif mark == _read_mark(opened).replace("BEGIN", "END"):
                _close(opened, body, forms)
                stub_may_follow = mark == "END SOLUTION"
                opened = None
            else:
                raise ScriptError(
                    line,
                    f"`# {mark}` within the block that line {opened.number} "
                    f"opens with `{opened.text.strip()}`; marks do not nest",
                )
        elif mark in ("BEGIN SOLUTION", "BEGIN STUB"):
            if mark == "BEGIN STUB" and not stub_may_follow:
                raise ScriptError(line, "a stub must stand directly after `# END SOLUTION`")
            opened, body = line, []
        elif mark in ("END SOLUTION", "END STUB"):
            raise ScriptError(line, f"`# {mark}` closes nothing: no block is open")
        else:
            stub_may_follow = stub_may_follow and not line.text.strip()
            _add_line(line, mark, forms)
    if opened:
        raise ScriptError(opened, f"`{opened.text.strip()}` is never closed in its cell")
    return forms


def require_no_marks(lines: list[Line]) -> None:
    """Raise ScriptError for a mark in a cell of text, which learners would read as it stands."""
    for line in lines:
        # jupytext has taken a comment sign away; a heading such as "# Solution" is no mark.
        if re.fullmatch(
            r"[\s#]*(begin|end)[\s_-]*(solution|stub)\s*", line.text, re.IGNORECASE
        ) or re.search(r"\S.*# SOLUTION\s*$", line.text):
            raise ScriptError(
                line,
                f"`{line.text.strip()}` in a [markdown] cell: a solution mark belongs to the code "
                "cell of an exercise",
            )


def _read_mark(line: Line) -> str | None:
    """The mark that a line carries ("BEGIN SOLUTION", …, "SOLUTION" for one line), or None."""
    found = re.fullmatch(r"\s*# (BEGIN|END) (SOLUTION|STUB)\s*", line.text)
    if found:
        return " ".join(found.groups())
    if re.search(r"\S.*# SOLUTION\s*$", line.text):
        return "SOLUTION"
    if re.match(
        r"\s*#+\s*(begin|end)[\s_-]*(solution|stub)", line.text, re.IGNORECASE
    ) or re.search(r"#\s*solution\s*$", line.text, re.IGNORECASE):
        raise ScriptError(
            line,
            f"`{line.text.strip()}` looks like a mark but is not one; write "
            "`# BEGIN SOLUTION`, `# END SOLUTION`, `# BEGIN STUB`, "
            "`# END STUB`, or `# SOLUTION` after a statement",
        )
    return None


def _add_line(line: Line, mark: str | None, forms: Forms) -> None:
    if mark is None:
        forms.blank.append(line)
        forms.complete.append(line)
        return
    code = replace(line, text=re.sub(r"\s*# SOLUTION\s*$", "", line.text))
    forms.blank.append(replace(line, text=_blank_statement(code)))
    forms.complete.append(code)
    forms.solution.append(code)


def _close(opened: Line, body: list[Line], forms: Forms) -> None:
    """Put a finished block into the three forms."""
    if not any(line.text.strip() for line in body):
        raise ScriptError(opened, f"`{opened.text.strip()}` opens an empty block")
    if opened.text.strip() == "# BEGIN SOLUTION":
        if all(re.match(r"\s*(#|$)", line.text) for line in body):
            raise ScriptError(opened, "this solution is only a comment; it needs a statement")
        indent = opened.text[: opened.text.index("#")]
        forms.blank.append(replace(opened, text=indent + PLACEHOLDER))
        forms.complete.extend(body)
        forms.solution.extend(body)
    else:
        while forms.blank.pop().text.strip() != PLACEHOLDER:
            pass  # blank lines between the solution and its stub
        forms.blank.extend(_uncomment(line) for line in body)


def _uncomment(line: Line) -> Line:
    """A stub's line without its comment sign: `    # x = ...` becomes `    x = ...`."""
    found = re.fullmatch(r"(\s*)#(?: (.*))?", line.text)
    if line.text.strip() and not found:
        raise ScriptError(line, f"every line of a stub is a comment; this is `{line.text.strip()}`")
    return replace(line, text=f"{found[1]}{found[2] or ''}".rstrip() if found else "")


def _blank_statement(line: Line) -> str:
    """The blank of a one-line solution: its target stays, its value becomes `...`."""
    code = line.text.strip()
    indent = line.text[: len(line.text) - len(line.text.lstrip())]
    try:
        (statement,) = ast.parse(f"def f():\n {code}").body[0].body
    except (SyntaxError, ValueError):
        statement = None
    match statement:
        case ast.Expr():
            return f"{indent}..."
        case ast.Return():
            return f"{indent}return ..."
        case ast.AnnAssign(value=ast.expr()):
            before = f"{ast.unparse(statement.target)}: {ast.unparse(statement.annotation)}"
            return f"{indent}{before} = ..."
        case ast.Assign(targets=[ast.Tuple(elts=names) | ast.List(elts=names)]) if not any(
            isinstance(name, ast.Tuple | ast.List | ast.Starred) for name in names
        ):
            # One `...` a name, since `a, b = ...` could not run.
            listed = ", ".join(ast.unparse(name) for name in names)
            return f"{indent}{listed} = {', '.join(['...'] * len(names))}"
        case ast.Assign(targets=[ast.Name() | ast.Attribute() | ast.Subscript() as target]):
            return f"{indent}{ast.unparse(target)} = ..."
    raise ScriptError(
        line,
        "`# SOLUTION` follows one whole statement on one line: `name = value`, `return value` or "
        "an expression. Put anything else between `# BEGIN SOLUTION` and `# END SOLUTION`",
    )
