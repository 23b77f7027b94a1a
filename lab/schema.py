# SPDX-License-Identifier: GPL-2.0-or-later
"""What miredoctl(8) says of JSON, compared with what is really answered."""
import json
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parent.parent / "doc" / "miredoctl.8"

NAMES = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number",
         float: "number", type(None): "null"}


def documented(answer, page=PAGE):
    """{"client.server.rtt": {"number", "null"}} of an answer's section."""
    section = re.search(rf"^\.Ss JSON of {answer}\n(.*?)^\.S[sh] ", page.read_text(),
                        re.M | re.S)
    assert section, f"{page} has no section JSON of {answer}"
    keys = {}
    for names, types in re.findall(r"^\.It Va (.+) Pq (.+)$", section[1], re.M):
        for name in names.split(" , "):
            keys[name] = set(types.split(" or "))
    # "as in that of status": the same types.
    for names in re.findall(r"^\.It Va ([^\n]*)\nas in that of status", section[1], re.M):
        for name in names.split(" Pq ")[0].split(" , "):
            for path, types in documented("status", page).items():
                if answer != "status" and re.match(rf"{name}(\.|\[|$)", path):
                    keys.setdefault(path, types)
    return keys


def walk(value, path=""):
    """Each value in it, and where it is; not objects in lists, only their keys."""
    if path and not (path.endswith("[]") and isinstance(value, dict)):
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, f"{path}[]")


def complaints(text, answer, page=PAGE):
    """What of this JSON text the page does not say, or says otherwise; and what it
    says that is not there. [] = they agree."""
    keys = documented(answer, page)
    found = []
    seen = set()
    for path, value in walk(json.loads(text)):
        known = path if path in keys else re.sub(r"[^.]+$", "*", path)
        seen |= {path, known}
        if known not in keys:
            found.append(f"{path} is not documented")
        elif NAMES[type(value)] not in keys[known]:
            found.append(f"{path} is {NAMES[type(value)]}, and not "
                         f"{' or '.join(sorted(keys[known]))}")
    for path in keys:
        parent = re.sub(r"(\.[^.]+|\[\])$", "", path)
        # What is in an empty list, or in what is null, need not be there.
        if path not in seen and path[-1] not in "*]" and \
                (parent == path or any(s.startswith(parent + ".") for s in seen)):
            found.append(f"{path} is documented, and missing")
    return found
