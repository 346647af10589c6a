"""Classes in groups, groups in larger ones: a file of child and parent, cut at one level.

The level of a class is 0, that of a group one above the highest level among its children. Cut at level N, each class
belongs to its highest ancestor that isn't above N, or stays itself: every class is in one group, and a group's total
is that of all classes below it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from softmax_cli.classes.choice import Namer
from softmax_cli.errors import InputError, Location
from softmax_cli.strict_json import decode_utf8
from softmax_cli.text import visible

TOP = "top"
_HEADERS = {("child", "parent"), ("class", "group"), ("class", "parent"), ("label", "group"), ("name", "group")}


@dataclass(frozen=True, slots=True)
class Groups:
    """What a file of groups says.

    parents: of each child. lines: where each child stands in the file.
    """

    path: str
    parents: Mapping[str, str]
    lines: Mapping[str, int]

    def at(self, child: str) -> Location:
        """Where a child stands."""
        return Location(self.path, line=self.lines[child])


def read_groups(path: str) -> Groups:
    """Read a file of child,parent, a line each (.tsv: a tab between them); a header is allowed.

    Raises InputError for a file that can't be read or understood, a child that stands twice, and a circle.
    """
    at = Location(path)
    try:
        text = decode_utf8(Path(path).read_bytes(), at)
    except FileNotFoundError as error:
        raise InputError("not-found", "no such file of groups", at=at) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("unreadable", f"can't be read: {reason.lower()}", at=at) from error
    parents: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, cells in _rows(text, path):
        child, parent = cells
        if child in parents:
            message = f"{visible(child, 60)!r} stands twice, first on line {lines[child]}"
            hint = "a class or group has one parent" if parents[child] != parent else "remove one of the lines"
            raise InputError("bad-groups", message, at=Location(path, line=line), hint=hint)
        parents[child], lines[child] = parent, line
    if not parents:
        raise InputError("bad-groups", "no child and parent in it", at=at)
    groups = Groups(path, parents, lines)
    _check_circles(groups)
    return groups


def _rows(text: str, path: str) -> list[tuple[int, tuple[str, str]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if Path(path).suffix.lower() in (".tsv", ".tab") else ",",
        strict=True,
    )
    rows: list[tuple[int, tuple[str, str]]] = []
    try:
        for cells in reader:
            texts = [cell.strip() for cell in cells]
            if not any(texts):
                continue
            at = Location(path, line=reader.line_num)
            if len(texts) != 2 or not all(texts):
                message = f"{visible(','.join(texts), 60)!r} isn't a child and its parent"
                raise InputError("bad-groups", message, at=at, hint="a name with a comma in it stands in quotes")
            if rows or tuple(text.lower() for text in texts) not in _HEADERS:
                rows.append((reader.line_num, (texts[0], texts[1])))
    except csv.Error as error:
        at = Location(path, line=reader.line_num)
        raise InputError("bad-groups", f"not a table of child and parent ({error})", at=at) from error
    return rows


def _check_circles(groups: Groups) -> None:
    """Refuse groups that are their own ancestors.

    Raises InputError with the way round.
    """
    sound: set[str] = set()
    for child in groups.parents:
        way: dict[str, None] = {}
        node: str | None = child
        while node is not None and node not in sound:
            if node in way:
                names = [*list(way)[list(way).index(node) :], node]
                shown = " → ".join(visible(name, 30) for name in names[:6]) + (" → …" if len(names) > 6 else "")
                raise InputError("bad-groups", f"a circle: {shown}", at=groups.at(node))
            way[node] = None
            node = groups.parents.get(node)
        sound.update(way)


@dataclass(frozen=True, slots=True)
class Cut:
    """Groups at one level.

    group_of: the group of each class. names: of the groups, in the order of their first class. level: the one that
    was cut at, of `levels`. alone: how many classes have no parent.
    """

    group_of: tuple[int, ...]
    names: tuple[str, ...]
    level: int
    levels: int
    alone: int


def cut(groups: Groups, level: str, names: Sequence[str] | None, classes: int, source: str) -> Cut:
    """Cut groups at a level: its number, `top`, or the name of a group for the level that it is at.

    Raises InputError for a child that is neither class nor group, and for a level that isn't there.
    """
    namer = Namer(names, classes, source)
    leaves = _leaves(groups, namer)
    heights = _heights(groups)
    levels = max(heights.values())
    chosen = _level(groups, level, heights, levels)
    labels = [str(place) for place in range(classes)] if names is None else list(names)
    numbers: dict[str | tuple[int], int] = {}
    found: list[str] = []
    group_of = []
    for place in range(classes):
        ancestor = _ancestor(groups, leaves.get(place), heights, chosen)
        key: str | tuple[int] = (place,) if ancestor is None else ancestor
        if key not in numbers:
            numbers[key] = len(found)
            found.append(labels[place] if ancestor is None else ancestor)
        group_of.append(numbers[key])
    return Cut(tuple(group_of), tuple(found), chosen, levels, classes - len(leaves))


def _leaves(groups: Groups, namer: Namer) -> dict[int, str]:
    """The name under which each class that has a parent stands in the file."""
    nodes = set(groups.parents.values())
    leaves: dict[int, str] = {}
    for child in groups.parents:
        found = namer.find(child)
        if found is None:
            if child not in nodes:
                error = namer.unknown(child, groups.at(child), sorted(nodes))
                raise InputError("bad-groups", f"{error.message}, nor a group", at=error.at, hint=error.hint)
            continue
        for place in found:
            if place in leaves:
                message = f"{visible(leaves[place], 40)!r} and {visible(child, 40)!r} are the same class, {place}"
                raise InputError("bad-groups", message, at=groups.at(child))
            leaves[place] = child
    for node in nodes - set(groups.parents):
        for place in namer.find(node) or ():  # a class whose name is that of a group belongs to it
            leaves.setdefault(place, node)
    return leaves


def _heights(groups: Groups) -> dict[str, int]:
    """The level of each group: the most steps down to a child that is no group."""
    heights: dict[str, int] = {}
    for child in groups.parents:
        node: str | None = groups.parents[child]
        height = max(1, heights.get(child, 0) + 1)
        while node is not None and heights.get(node, 0) < height:
            heights[node] = height
            height += 1
            node = groups.parents.get(node)
    return heights


def _level(groups: Groups, level: str, heights: Mapping[str, int], levels: int) -> int:
    if level == TOP:
        return levels
    if level.isascii() and level.isdecimal() and len(level) < 9 and int(level) <= levels:
        return int(level)
    if level in heights:
        return heights[level]
    message = f"no level {visible(level, 60)!r}"
    hint = f"levels are 0 (the classes themselves) to {levels}, top, or the name of a group for the level that it is at"
    raise InputError("bad-groups", message, at=Location(groups.path), hint=hint)


def _ancestor(groups: Groups, node: str | None, heights: Mapping[str, int], level: int) -> str | None:
    """The highest group at or above a class's name that isn't above the level; None where there is none."""
    best = None
    while node is not None and heights.get(node, 0) <= level:
        if node in heights:
            best = node
        node = groups.parents.get(node)
    return best
