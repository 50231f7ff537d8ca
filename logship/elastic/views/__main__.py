"""`python -m logship.elastic.views`: write what is made of the descriptions into `elk/`."""

from __future__ import annotations

from logship.data import data_path
from logship.elastic.views.generate import files, write
from logship.elastic.views.model import load

if __name__ == "__main__":
    write(data_path("elk"), files(load()))
