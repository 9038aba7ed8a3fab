"""CD images with modules on them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from msgport_vm.machine import MachineError

LABEL = "MODULES"


def write_disc(disc: Path, files: Iterable[Path], size: int = 0) -> None:
    """Write a CD image that holds the files at its root under their own names (Rock Ridge).

    ``size`` is in bytes: the image is filled up to it; 0 leaves it as short as it is. Raises MachineError when the
    files do not fit or cannot be read.
    """
    image = pycdlib.PyCdlib()
    try:
        image.new(interchange_level=3, rock_ridge="1.09", vol_ident=LABEL)
        for number, file in enumerate(files):
            image.add_file(str(file), iso_path=f"/M{number:07d}.KO;1", rr_name=file.name)
        # pycdlib leaves out what is to be zeros: written over an older image it would mix with that.
        content = io.BytesIO()
        image.write_fp(content)
        length = len(content.getvalue())
        if size and length > size:
            raise MachineError(f"the modules take {length} bytes, their disc has {size}")
        # In place: a guest's drive has this very file open.
        with disc.open("r+b" if disc.exists() else "w+b") as target:
            target.write(content.getvalue().ljust(size, b"\0"))
            target.truncate()
    except (OSError, PyCdlibException) as error:
        raise MachineError(f"cannot write the modules' disc {disc}: {error}") from error
    finally:
        image.close()
