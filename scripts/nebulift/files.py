"""Writing files so that a killed program never leaves half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX = ".writing-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; on success it is flushed to disk and renamed to `path`.

    On an error the temporary file is removed and what stood at `path` stays. Folders are made as needed. An OSError
    that names no file, as that of a full disk does, is raised again with `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX, suffix=path.suffix[-16:])
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, name):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def read_exactly(path: Path, encoding: str = "utf-8") -> str:
    """Read text with its line ends as they are; bytes that are no text come back as lone surrogates."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        return file.read()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path` atomically, line ends as given."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def _umask() -> int:
    """Return the process's umask; the only portable way to read it is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
