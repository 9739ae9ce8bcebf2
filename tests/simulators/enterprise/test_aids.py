"""The file of AIDs that an enterprise holds."""

from pathlib import Path

from simulators.enterprise.aids import AidBook

A, B, C = "888132341582397708", "888132341582397716", "888132341582397724"


def test_the_file_is_there_with_its_header_from_the_start_and_grows(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "aids.csv"
    book = AidBook(file)
    assert file.read_text() == "aid\n"
    book.add([A, B, A])
    book.add([B, C])
    assert file.read_text().split() == ["aid", A, B, C]
    assert AidBook(file).all() == [A, B, C]


def test_what_is_over_leaves_the_file_and_nothing_else_does(tmp_path: Path) -> None:
    file = tmp_path / "aids.csv"
    book = AidBook(file)
    book.add([A, B])
    book.drop([C])
    assert file.read_text().split() == ["aid", A, B]
    book.drop([A, C])
    assert (file.read_text().split(), book.all()) == (["aid", B], [B])
    book.add([C])
    assert AidBook(file).all() == [B, C]
