"""Text that users gave stays text in every format: nothing in it is a command to a terminal or a renderer."""

from __future__ import annotations

import re
import unicodedata

CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of pairs, separators of lines and paragraphs
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn what follows
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
MARKDOWN = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore within a word is none of emphasis
BLOCK_MARK = re.compile(r"^(#{1,6}|[-+=]+|\d+[.)])(?=\s|$)")  # begins a heading or a list
LINK = re.compile(r"(?<=\w)(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)  # of itself
LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
})  # fmt: skip
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
FORMULA = re.compile(rf"(?!{NUMBER}( ± {NUMBER})?$)[=+\-@\t\r\n]")


def visible(text: str, keep: str = "") -> str:
    """With control characters and changes of direction as escapes such as x1b, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter in keep or (unicodedata.category(letter) not in CONTROLS and letter not in DIRECTIONS)
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def markdown(text: str) -> str:
    """As it reads in a paragraph, heading or table cell of Markdown (CommonMark and GitHub's), HTML included."""
    escaped = MARKDOWN.sub(r"\\\1", visible(text).translate(ENTITIES))
    escaped = BLOCK_MARK.sub(lambda found: f"{found[1][:-1]}\\{found[1][-1]}", escaped)
    return LINK.sub(lambda found: f"&#{ord(found[0])};", escaped)


def latex(text: str) -> str:
    """As it reads in the text of a LaTeX document."""
    return visible(text).translate(LATEX)


def mathtext(text: str) -> str:
    """As it reads in a picture of matplotlib, which takes what stands between two `$` for a formula."""
    return visible(text).replace("$", r"\$")


def cell(text: str) -> str:
    """As a spreadsheet shows it from a CSV; what it would compute (`=…`) begins with an apostrophe."""
    return f"'{text}" if FORMULA.match(text) else text
