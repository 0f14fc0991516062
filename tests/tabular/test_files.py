"""Files of people: many formats, encodings and delimiters are one table, and what is none is refused in a sentence."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from planhat_orm.errors import ConfigurationError, PlanhatError, ValidationError
from planhat_orm.tabular.cells import Unreadable
from planhat_orm.tabular.sources import FileOptions, read

ROWS: list[dict[str, Any]] = [
    {"source_id": "crm-1", "name": "Åkerlund, Öst & Cie", "phase": "Live"},
    {"source_id": "crm-2", "name": 'The "Tidewater"', "phase": "Onboarding"},
]


def delimited(delimiter: str = ",", end: str = "\r\n") -> str:
    quoted = [[cell.replace('"', '""') for cell in row] for row in ([*ROWS[0]], *([*row.values()] for row in ROWS))]
    return "".join(delimiter.join(f'"{cell}"' for cell in row) + end for row in quoted)


def workbook(rows: list[list[Any]], sheet: str = "Accounts") -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                page.write(number, column, cell)
    return stream.getvalue()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


FILES: dict[str, tuple[str, bytes]] = {
    "commas": ("a.csv", delimited().encode()),
    "semicolons": ("a.csv", delimited(";").encode()),
    "tabs": ("a.tsv", delimited("\t").encode()),
    "tabs in a .txt": ("a.txt", delimited("\t").encode()),
    "bars": ("a.csv", delimited("|").encode()),
    "a separator line of Excel": ("a.csv", b"sep=;\r\n" + delimited(";").encode()),
    "lines of old Macs": ("a.csv", delimited(end="\r").encode()),
    "no name": ("accounts", delimited().encode()),
    "a capital suffix": ("A.CSV", delimited().encode()),
    "UTF-8 with its mark": ("a.csv", delimited().encode("utf-8-sig")),
    "UTF-16 with its mark": ("a.csv", delimited("\t").encode("utf-16")),
    "UTF-16 without": ("a.csv", delimited("\t").encode("utf-16-le")),
    "UTF-16, big end first": ("a.csv", delimited().encode("utf-16-be")),
    "Windows": ("a.csv", delimited(";").encode("cp1252")),
    "a workbook": ("a.xlsx", workbook([[*ROWS[0]], *([*row.values()] for row in ROWS)])),
    "Parquet": ("a.parquet", parquet(ROWS)),
    "JSON": ("a.json", msgspec.json.encode(ROWS)),
    "JSON with an envelope": ("a.json", msgspec.json.encode({"totalSize": 2, "done": True, "records": ROWS})),
    "JSON Lines": ("a.jsonl", b"\n\n".join(map(msgspec.json.encode, ROWS))),
    "JSON Lines by another name": ("a.ndjson", b"\r\n".join(map(msgspec.json.encode, ROWS))),
    "JSON Lines that are called JSON": ("a.json", b"\n".join(map(msgspec.json.encode, ROWS))),
    "JSON with a mark": ("a.json", b"\xef\xbb\xbf" + msgspec.json.encode(ROWS)),
}


@pytest.mark.parametrize("case", FILES)
def test_a_table_is_the_same_in_every_form(case: str, tmp_path: Path) -> None:
    name, data = FILES[case]
    (tmp_path / name).write_bytes(data)
    table = read(tmp_path / name)
    assert table.rows == ROWS and table.columns == ("source_id", "name", "phase")


@pytest.mark.parametrize("case", ["commas", "Windows", "a workbook", "Parquet", "JSON", "JSON Lines"])
def test_standard_input_and_open_files_are_known_by_what_they_hold(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, data = FILES[case]
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert read("-").rows == ROWS
    with (tmp_path / name).open("rb") as stream:
        assert read(stream).rows == ROWS


def test_an_open_text_file_is_read(tmp_path: Path) -> None:
    assert read(io.StringIO(delimited())).rows == ROWS


def test_a_table_of_a_duckdb_file(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE TABLE company AS SELECT 'crm-1' AS source_id, 5 AS seats")
    assert read(tmp_path / "a.duckdb", FileOptions(table="company")).rows == [{"source_id": "crm-1", "seats": 5}]
    with pytest.raises(ValidationError, match=r"a.duckdb has no table 'compani'. Did you mean 'company'"):
        read(tmp_path / "a.duckdb", FileOptions(table="compani"))


def test_a_workbook_keeps_numbers_days_and_truths_and_its_lines(tmp_path: Path) -> None:
    rows = [["key", "n", "day", "ok", None], ["a", 1.5, date(2026, 3, 1), True, None], [], ["b", 2, None, False]]
    (tmp_path / "a.xlsx").write_bytes(workbook(rows))  # type: ignore[arg-type]
    table = read(tmp_path / "a.xlsx")
    assert table.rows == [
        {"key": "a", "n": 1.5, "day": datetime(2026, 3, 1), "ok": True},
        {"key": "b", "n": 2.0, "day": None, "ok": False},
    ]
    assert [table.label(0), table.label(1)] == ["line 2", "line 4"]


def test_a_sheet_is_chosen_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook([["a"], ["b"]], sheet="Accounts"))
    assert read(tmp_path / "a.xlsx", FileOptions(sheet="Accounts")).rows == [{"a": "b"}]
    with pytest.raises(ValidationError, match=r"a.xlsx has no sheet 'Acounts'. Did you mean 'Accounts'"):
        read(tmp_path / "a.xlsx", FileOptions(sheet="Acounts"))


def test_lines_are_counted_as_the_file_has_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('key,note\n\na,"two\nlines"\n , \nb,\n', "utf-8", newline="")
    table = read(tmp_path / "a.csv")
    assert [(row["key"], table.label(number)) for number, row in enumerate(table.rows)] == [
        ("a", "line 3"), ("b", "line 6"),
    ]  # fmt: skip


def test_columns_without_a_name_are_left_out_as_long_as_they_are_empty(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("key,,\na,,\nb, ,\n", "utf-8")
    assert read(tmp_path / "a.csv").rows == [{"key": "a"}, {"key": "b"}]
    (tmp_path / "a.csv").write_text("key,,\na,,\nb,,x\n", "utf-8")
    with pytest.raises(ValidationError, match="a.csv, line 3: column 3 has no name in the first line"):
        read(tmp_path / "a.csv")


def csv_of(text: str) -> tuple[str, bytes]:
    return "a.csv", text.encode()


REFUSED: dict[str, tuple[tuple[str, bytes], str]] = {
    "a cell too many": (csv_of("key,name\na,Acme, Inc\n"), "a.csv, line 2 has 3 cells, and the first line 2 names"),
    "a cell too few": (csv_of("key,name\na,b\nc\n"), "a.csv, line 3 has 1 cells, and the first line 2 names"),
    "two columns of one name": (csv_of("key,name,key\na,b,c\n"), "a.csv: columns 1 and 3 are both called 'key'"),
    "the same in a workbook": (
        ("a.xlsx", workbook([["key", "name", "key"], ["a", "b", "c"]])), "a.xlsx: columns 1 and 3 are both called 'key'"
    ),
    "a quote that is left open": (csv_of('key,name\na,"b\n'), "a.csv, line 2: unexpected end of data"),
    "nothing": (csv_of(""), "a.csv is empty"),
    "blanks": (csv_of("\n \n"), "a.csv is empty"),
    "an empty workbook": (("a.xlsx", workbook([])), "a.xlsx is empty"),
    "no text": (csv_of("key\n\x81\x8d\x00\x00\x01"), "a.csv is no text in UTF-8, UTF-16 or cp1252"),
    "gzip": (("a.csv.gz", gzip.compress(b"key\na\n")), "a.csv.gz is compressed by gzip"),
    "a web page": (csv_of("<!DOCTYPE html><html>Sign in</html>"), "a.csv is a web page"),
    "a PDF": (("a.pdf", b"%PDF-1.7"), "a.pdf is a PDF"),
    "a zip that is no workbook": (("a.xlsx", b"PK\x03\x04" + bytes(40)), "a.xlsx cannot be read as a workbook"),
    "text that is called a workbook": (("a.xlsx", b"key,name\na,b\n"), "a.xlsx is no .xlsx file inside"),
    "half a Parquet file": (("a.parquet", parquet(ROWS)[:60]), "a.parquet cannot be read as Parquet"),
    "half a JSON file": (("a.json", b'[{"key": 1}, {"k'), "a.json is no JSON"),
    "JSON of numbers": (("a.json", b"[1, 2]"), "a.json: row 0 is no object"),
    "a JSON number": (("a.json", b"5"), "a.json holds no list of objects"),
    "JSON with two lists": (
        ("a.json", b'{"a": [{"k": 1}], "b": [{"k": 1}]}'), "a.json holds an object with 2 lists of objects"
    ),
    "a line that is no object": (("a.jsonl", b'{"key": 1}\n\n[1]\n'), "a.jsonl, line 3 holds no JSON object"),
    "a line that is no JSON": (("a.jsonl", b'{"key": 1}\n{"key"\n'), "a.jsonl, line 2 is no JSON"),
    "another kind": (("a.docx2", b"whatever"), "a.docx2 is no CSV, JSON, JSON Lines, Excel, Parquet or DuckDB file"),
    "a DuckDB file that is none": (("a.duckdb", b"key,name"), "a.duckdb cannot be read as a DuckDB file"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    (name, data), sentence = REFUSED[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValidationError) as refused:
        read(tmp_path / name)
    assert str(refused.value).startswith(sentence) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "given", [Path("no/such.csv"), Path(), 5, b"key", {"key": 1}, ["a"], [{1: 2}]], ids=lambda given: repr(given)
)
def test_what_is_not_there_or_no_rows_is_refused_by_name(given: Any) -> None:
    with pytest.raises((ValidationError, ConfigurationError)):
        read(given)


def test_an_encoding_is_used_as_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("key\nÅsa\n".encode("mac-roman"))
    assert read(tmp_path / "a.csv", FileOptions("mac-roman")).rows == [{"key": "Åsa"}]
    with pytest.raises(ValidationError, match=r"a.csv is no text in ascii"):
        read(tmp_path / "a.csv", FileOptions("ascii"))
    with pytest.raises(ConfigurationError, match="There is no encoding 'utf-9'"):
        read(tmp_path / "a.csv", FileOptions("utf-9"))


@pytest.mark.parametrize("make", [lambda data, n: data[: len(data) - n], lambda data, n: data[n:]], ids=["end", "head"])
@pytest.mark.parametrize("case", FILES)
def test_no_torn_file_ends_in_another_error_than_ours(
    case: str, make: Callable[[bytes, int], bytes], tmp_path: Path
) -> None:
    name, data = FILES[case]
    for cut in range(1, len(data), max(1, len(data) // 25)):
        (tmp_path / name).write_bytes(make(data, cut))
        try:
            read(tmp_path / name)
        except PlanhatError:
            continue


def test_a_moment_of_parquet_keeps_its_zone(tmp_path: Path) -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    (tmp_path / "a.parquet").write_bytes(parquet([{"key": "a", "at": moment}]))
    assert read(tmp_path / "a.parquet").rows == [{"key": "a", "at": moment}]


# --- workbooks as people make them ----------------------------------------------------------------------


def drawn(draw: Callable[[Any, Any], None], **options: Any) -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True, **options}) as book:
        draw(book, book.add_worksheet("Accounts"))
    return stream.getvalue()


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (0, 1), (3, 2), (60, 0)])
def test_lines_are_those_of_the_workbook_wherever_its_table_begins(tmp_path: Path, down: int, right: int) -> None:
    rows: list[list[Any]] = [["key", "n"], ["a", 1], ["b", 2], [], ["c", 4]]
    (tmp_path / "a.xlsx").write_bytes(workbook([*[[]] * down, *([*[None] * right, *row] for row in rows)]))
    table = read(tmp_path / "a.xlsx")
    assert table.columns == ("key", "n")
    assert [(row["key"], row["n"], table.label(number)) for number, row in enumerate(table.rows)] == [
        (key, value, f"line {down + value + 1}") for key, value in (("a", 1), ("b", 2), ("c", 4))
    ]


def test_a_title_above_the_table_is_told_by_the_line_of_the_first_cell_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook([["Accounts of 2026"], [], ["key", "n"], ["a", 1]]))
    with pytest.raises(ValidationError, match=r"a.xlsx, line 3: column 2 has no name in the first line"):
        read(tmp_path / "a.xlsx")


def test_the_error_of_a_formula_is_no_empty_cell(tmp_path: Path) -> None:
    def draw(_: Any, page: Any) -> None:
        page.write_row(1, 0, ["key", "n", "note", "sum"])
        page.write_row(2, 0, ["a", 1, "x"])
        page.write_formula(2, 3, "=B3+1", value=2)
        page.write(3, 0, "b")
        page.write_formula(3, 1, "=1/0", value="#DIV/0!")
        page.write_formula(3, 2, "=NA()", value="#N/A")
        page.write(3, 3, 5)

    (tmp_path / "a.xlsx").write_bytes(drawn(draw))
    rows = read(tmp_path / "a.xlsx").rows
    assert rows[0] == {"key": "a", "n": 1, "note": "x", "sum": 2}
    assert rows[1] == {"key": "b", "n": Unreadable("the error of a formula"), "note": Unreadable("the error of a formula"), "sum": 5}  # fmt: skip


def test_a_column_of_durations_and_numbers_has_no_values_and_others_are_read(tmp_path: Path) -> None:
    def draw(book: Any, page: Any) -> None:
        page.write_row(0, 0, ["key", "spent", "at"])
        page.write(1, 0, "a")
        page.write_number(1, 1, 1.5, book.add_format({"num_format": "[h]:mm"}))
        page.write_number(1, 2, 0.5, book.add_format({"num_format": "hh:mm"}))
        page.write_row(2, 0, [1001, 3, "noon"])
        page.write(3, 0, "c")

    (tmp_path / "a.xlsx").write_bytes(drawn(draw))
    rows = read(tmp_path / "a.xlsx").rows
    assert [row["key"] for row in rows] == ["a", "1001", "c"]
    assert [type(row["spent"]) for row in rows] == [Unreadable, Unreadable, type(None)]
    assert [row["at"] for row in rows] == [Unreadable("a time without a day"), "noon", None]


def test_a_merged_cell_is_the_first_of_those_that_it_covers(tmp_path: Path) -> None:
    def draw(_: Any, page: Any) -> None:
        page.write_row(0, 0, ["key", "phase"])
        page.merge_range(1, 1, 2, 1, "Live")
        page.write_column(1, 0, ["a", "b"])

    (tmp_path / "a.xlsx").write_bytes(drawn(draw))
    assert read(tmp_path / "a.xlsx").rows == [{"key": "a", "phase": "Live"}, {"key": "b", "phase": None}]


def test_reading_a_workbook_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook([["key", "empty"], ["a", None]]))
    code = f"from planhat_orm.tabular.sources import read; read({str(tmp_path / 'a.xlsx')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_one_object_is_one_row_and_the_list_of_an_answer_may_be_its_only_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = msgspec.json.encode(ROWS[0])
    (tmp_path / "a.json").write_bytes(line)
    assert read(tmp_path / "a.json").rows == ROWS[:1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line + b"\n")))
    assert read("-").rows == ROWS[:1]
