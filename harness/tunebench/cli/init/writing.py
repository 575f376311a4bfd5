"""Writing of the files of a new experiment."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from tunebench.cli.commands import refuse_existing
from tunebench.cli.init.experiment_files import ATTRIBUTES, IGNORE
from tunebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


def with_lines(path: Path, lines: Sequence[str]) -> str | None:
    """A file's text with the lines that it lacks at its end; None if it has them all."""
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise UsageError(
            f"the file cannot be read ({error.strerror})", where=path, hint="nothing was written"
        ) from None
    end = "\r\n" if "\r\n" in text else "\n"
    missing = "".join(line + end for line in lines if line not in text.splitlines())
    if text and not text.endswith("\n"):
        text += end
    return text + missing if missing else None


def write(contents: dict[Path, str], *, force: bool) -> None:
    """Write all files of a new experiment, or none.

    Raises:
        UsageError: a file exists and may not be overwritten, or one cannot be written.
    """
    from tunebench.files import whole_files

    taken = [path for path in contents if path.exists()]
    lengthened = (ATTRIBUTES.name, IGNORE.name)
    refuse_existing((path for path in taken if path.name not in lengthened), force, "--name")
    for path in contents:
        twins = [p for p in path.parent.parent.glob(f"*/{path.name}") if p != path]
        if path.name.startswith("test_") and twins:
            raise UsageError(
                "a test file of this name exists, and pytest wants another for each experiment",
                where=twins[0],
                hint="give another --name",
            )
    before = {path: path.read_bytes() for path in taken if path.is_file()}
    with _made_folders(contents), ExitStack() as stack:
        stack.enter_context(_restored(before))
        new = [path for path in contents if path not in taken]
        for paths, overwrite in [(new, False), *(([path], True) for path in taken)]:
            if paths:
                opened = stack.enter_context(whole_files(paths, overwrite=overwrite))
                for path, file in zip(paths, opened, strict=True):
                    file.write(contents[path].encode(errors="surrogateescape"))


@contextmanager
def _made_folders(paths: Iterable[Path]) -> Iterator[None]:
    """Make the folders of files; after an error, remove those that were made."""
    made: list[Path] = []
    try:
        for path in paths:
            missing = [folder for folder in path.parents if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir()
                made.append(folder)
        yield
    except BaseException as error:
        for folder in reversed(made):
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        if isinstance(error, OSError):
            raise UsageError(
                f"the folder cannot be made ({error.strerror})",
                where=error.filename,
                hint="nothing was written",
            ) from None
        raise


@contextmanager
def _restored(before: Mapping[Path, bytes]) -> Iterator[None]:
    """Give files back the content they had, after an error."""
    try:
        yield
    except BaseException:
        for path, content in before.items():
            if path.read_bytes() != content:
                path.write_bytes(content)
        raise
