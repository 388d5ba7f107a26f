"""What a file's name says; and nothing is guessed where it says nothing."""

import pytest

from analytics_dagster.ingest.naming import Compression, Container, Naming, UnknownNameError, naming_of, stem_of

NONE, GZIP, ZSTD = Compression.NONE, Compression.GZIP, Compression.ZSTD


@pytest.mark.parametrize(
    ("name", "naming", "stem"),
    [
        ("a.ndjson", Naming("native", Container.NDJSON, NONE), "a"),
        ("a.jsonl.gz", Naming("native", Container.NDJSON, GZIP), "a"),
        ("a.b.NDJSON.ZST", Naming("native", Container.NDJSON, ZSTD), "a.b"),
        ("x.segment.ndjson.gz", Naming("segment", Container.NDJSON, GZIP), "x"),
        ("x.cloudevents.json", Naming("cloudevents", Container.JSON, NONE), "x"),
        ("x.native.csv", Naming("native", Container.CSV, NONE), "x"),
        ("segment.ndjson", Naming("native", Container.NDJSON, NONE), "segment"),
        ("x.parquet", Naming("native", Container.PARQUET, NONE), "x"),
        ("x.csv.gz", Naming("native", Container.CSV, GZIP), "x"),
    ],
)
def test_names(name, naming, stem):
    assert (naming_of(name), stem_of(name)) == (naming, stem)
    assert naming_of(f"y{naming.ending}") == naming


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("readme.txt", "name it as what it is"),
        ("ndjson", "name it as what it is"),
        ("a.gz", "name it as what it is"),
        ("a.ndjson.bz2", "name it as what it is"),
        ("a.segment.csv", "segment comes as .ndjson or .json"),
        ("a.cloudevents.parquet", "cloudevents comes as .ndjson or .json"),
        ("a.parquet.gz", "compressed inside: take .gz"),
    ],
)
def test_names_that_say_nothing_or_what_cannot_be(name, said):
    with pytest.raises(UnknownNameError, match=said):
        naming_of(name)
