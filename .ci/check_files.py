"""File hygiene of the repository: what no language's own linter looks at.

Usage: python .ci/check_files.py [FILE]...   (default: every file that git tracks or would add)

Prints one line a finding, `file:line: what`, and exits 1 if there is any.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

LARGEST = 1_000_000  # bytes; the sample month's largest file is far below
BINARY = {".parquet", ".gz", ".zst", ".png", ".duckdb", ".sqlite"}
# Bytes of landing files and fixtures are what is tested: left as they are.
KEPT_AS_IS = ("data/sample/",)
SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a live Stripe key": re.compile(r"\b[rs]k_live_[0-9A-Za-z]{16,}"),
    "a cloud access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
}


def tracked_files() -> list[Path]:
    """Every file that git tracks or would add, relative to the current folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [Path(name) for name in listed.stdout.split("\0") if name]


def findings(path: Path) -> Iterator[str]:
    """What is wrong with one file, as `line: what`."""
    if path.stat().st_size > LARGEST:
        yield f"1: larger than {LARGEST} bytes: make it in a test or a generator instead"
    if path.suffix in BINARY:
        return
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        yield f"1: not UTF-8 at byte {error.start}"
        return
    for number, line in enumerate(text.split("\n"), start=1):
        for what, pattern in SECRETS.items():
            if pattern.search(line):
                yield f"{number}: looks like {what}"
        if path.as_posix().startswith(KEPT_AS_IS) or "fixtures" in path.parts:
            continue
        if line != line.rstrip():
            yield f"{number}: white space at the end of the line"
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            yield f"{number}: merge conflict"
    if text and not text.endswith("\n") and not path.as_posix().startswith(KEPT_AS_IS):
        yield f"{text.count(chr(10)) + 1}: no line end at the end of the file"
    if path.suffix in {".yml", ".yaml"} and "fixtures" not in path.parts:
        try:
            list(yaml.compose_all(text))
        except yaml.MarkedYAMLError as error:
            line_number = error.problem_mark.line + 1 if error.problem_mark else 1
            yield f"{line_number}: not YAML: {error.problem}"


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments] or tracked_files()
    found = [
        f"{path}:{finding}"
        for path in paths
        if path.is_file() and not path.is_symlink()
        for finding in findings(path)
    ]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
