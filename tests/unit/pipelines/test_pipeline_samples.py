"""Every sample of every shipped pipeline becomes the documents it says."""

from pathlib import Path

import pytest

from logship.data import data_path
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import check
from logship.pipeline.spec import Pipelines, Sample

PIPELINES = Pipelines.load([data_path("pipelines")])
REDACTOR = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)
SAMPLES = [(name, sample) for name, spec in sorted(PIPELINES.specs.items()) for sample in spec.samples]


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}: {sample.name}" for name, sample in SAMPLES])
def test_a_sample_becomes_what_it_says(name: str, sample: Sample):
    """Number of documents and every named field are as expected; null stands for a field that is absent."""
    assert [] == check(PIPELINES.specs[name], sample, REDACTOR)


@pytest.mark.parametrize("name", sorted(PIPELINES.specs))
def test_each_pipeline_has_a_dozen_samples(name: str):
    """A pipeline shows each of its formats, a broken and a foreign line."""
    assert len(PIPELINES.specs[name].samples) >= 12


def test_every_pipeline_file_is_read():
    """No file of the folder is left out."""
    files = {path.stem for path in Path(data_path("pipelines")).glob("*.yaml")} - {"redaction", "audit"}
    assert files == set(PIPELINES.specs)
