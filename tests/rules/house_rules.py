"""The house's rules, checked over the tracked files: who may include whom, what the top level holds, how
files begin and how long they may be. Run as a script it checks the tree it lies in; house_rules_test.py
proves that each rule can fail."""

import pathlib
import re
import subprocess
import sys

TOP_LEVEL = {
    "server", "client", "search", "supernet", "proto", "tests", "deploy", "CMakeLists.txt", "README.md",
    "CMakePresets.json", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md",
}

# Room (longest prefix wins) -> project prefixes it may include besides itself.
ROOMS = {
    "supernet/formats/": [],
    "supernet/graph/": ["supernet/formats/"],
    "supernet/quantizers/": ["supernet/formats/"],
    "supernet/data/": ["supernet/graph/dataset_info.h", "supernet/graph/data_options.h",
                       "supernet/formats/did_you_mean.h"],
    "supernet/execution/": ["supernet/graph/", "supernet/formats/", "supernet/quantizers/", "supernet/data/"],
    "search/": ["supernet/graph/", "supernet/formats/"],
    "server/store/": ["search/", "supernet/graph/", "supernet/formats/"],
    "server/export/": ["search/", "supernet/graph/", "supernet/formats/"],
    "server/launcher/": [],
    "server/worker/": ["server/", "search/", "supernet/graph/", "supernet/formats/", "supernet/data/dataset.h",
                       "supernet/execution/oracle_factory.h", "precis/v1/"],
    "server/": ["search/", "supernet/graph/", "supernet/formats/", "supernet/data/dataset.h", "precis/v1/"],
    "client/": ["supernet/formats/", "precis/v1/"],
    "tests/": ["supernet/", "search/", "server/", "client/", "tests/", "precis/v1/"],
}
# A room may not reach into rooms nested below it unless they are listed or named here.
NESTED = {"server/": ["server/store/", "server/export/", "server/launcher/"]}
# server/worker/ builds on the server's shared pieces, not on what serves.
WORKER_MAY = {"server/convert", "server/data_roots.h", "server/digest.h", "server/model_file.h", "server/worker/"}

# Every room may stop on its own bugs.
EVERYWHERE = {"supernet/formats/check.h"}

PROJECT = ("supernet/", "search/", "server/", "client/", "tests/", "proto/", "precis/v1/")

FOREIGN = {
    "torch": re.compile(r"^(torch|ATen|c10)/"),
    "proto": re.compile(r"^(google/protobuf|grpcpp|grpc|precis/v1)/"),
    "sqlite": re.compile(r"^sqlite3(ext)?\.h$"),
    "onnx": re.compile(r"^onnx/"),
}
FOREIGN_ALLOWED = {
    "torch": ("supernet/quantizers/", "supernet/execution/", "tests/"),
    "proto": ("server/", "client/", "tests/"),
    "sqlite": ("server/store/", "tests/"),
    "onnx": ("supernet/graph/onnx_", "server/export/", "tests/"),
}
FOREIGN_DENIED = {"proto": ("server/store/", "server/export/", "server/launcher/")}

SOURCE = (".h", ".cc")
COMMENTED = {".h": "//", ".cc": "//", ".proto": "//", ".sh": "#", ".py": ('"""', "#"), ".yaml": "#"}
MAX_LINES = 500
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def room_of(path):
    best = ""
    for room in ROOMS:
        if path.startswith(room) and len(room) > len(best):
            best = room
    return best


def may_include(path, include):
    """Whether a file at `path` may include the project header `include`."""
    room = room_of(path)
    if not room:
        return False
    if room == "server/worker/" and include.startswith("server/"):
        return any(include.startswith(p) for p in WORKER_MAY)
    target = room_of(include)
    if target == room:
        return True
    allowed = ROOMS[room] + NESTED.get(room, [])
    return any(include.startswith(p) and (target != room) for p in allowed)


def check_includes(path, text):
    faults = []
    for include in INCLUDE.findall(text):
        if include.startswith(PROJECT) and include not in EVERYWHERE and not may_include(path, include):
            faults.append(f"{path}: {room_of(path) or 'this folder'} may not include {include}")
        for kind, pattern in FOREIGN.items():
            if not pattern.match(include) or (include.startswith("precis/v1/") and kind != "proto"):
                continue
            allowed = path.startswith(FOREIGN_ALLOWED[kind]) and not path.startswith(FOREIGN_DENIED.get(kind, ("\0",)))
            if not allowed:
                faults.append(f"{path}: may not include {kind} ({include})")
    return faults


def check_opening(path, text):
    """A file says what it is for before anything else; headers guard themselves with #pragma once."""
    suffix = pathlib.PurePosixPath(path).suffix
    opening = "#" if path.endswith("CMakeLists.txt") else COMMENTED.get(suffix)
    if opening is None:
        return []
    lines = text.split("\n")
    if lines[0].startswith("#!"):
        lines = lines[1:]
    faults = []
    if not lines or not lines[0].startswith(opening):
        faults.append(f"{path}: does not open with a comment that says what it is for")
    if suffix == ".h" and "#pragma once" not in text:
        faults.append(f"{path}: has no #pragma once")
    return faults


def check_length(path, text):
    lines = text.count("\n")
    if path.endswith(SOURCE) and lines > MAX_LINES:
        return [f"{path}: {lines} lines; split it (at most {MAX_LINES})"]
    return []


def check_top_level(paths):
    top = {p.split("/")[0] for p in paths}
    return [f"{name}: the top level does not list this" for name in sorted(top) if name not in TOP_LEVEL and name[0] != "."]


def check_file(path, text):
    faults = check_opening(path, text) + check_length(path, text)
    if path.endswith(SOURCE):
        faults += check_includes(path, text)
    return faults


def check_tree(root):
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                             check=True, capture_output=True).stdout.decode()
    paths = [p for p in listing.split("\0") if p and (root / p).is_file()]
    faults = check_top_level(paths)
    for path in paths:
        if path.endswith(tuple(COMMENTED)) or path.endswith("CMakeLists.txt"):
            faults += check_file(path, (root / path).read_text(encoding="utf-8"))
    return paths, faults


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    paths, faults = check_tree(root)
    for fault in faults:
        print(fault)
    print(f"{len(paths)} files, {len(faults)} faults")
    if len(paths) < 50:
        print("too few files were found to believe this")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
