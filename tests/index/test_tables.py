import datetime

import pytest
from openpyxl import Workbook

from index.loaders import SourceFile, load_document
from tests.formats import saved


@pytest.fixture
def workbook():
    return Workbook()


def text(data, name="a.xlsx"):
    return load_document(SourceFile(name, data if isinstance(data, bytes) else data.encode())).text


def test_visible_sheets_are_read_row_by_row_with_their_names(workbook):
    first = workbook.active
    first.append(["이름", "전화"])
    first.append(["김\n과장", "010\t1"])
    workbook.create_sheet("연락처").append(["부서", "위치"])
    workbook.create_sheet("비밀").append(["숨은", "글"])
    workbook["비밀"].sheet_state = "hidden"
    document = load_document(SourceFile("직원.xlsx", saved(workbook)))
    assert document.text == "이름\t전화\n김 과장\t010 1\n\n연락처\n\n부서\t위치"
    assert [block.place for block in document.blocks] == ["Sheet, row 1", "Sheet, row 2", "연락처", "연락처, row 1"]


def test_numbers_and_dates_are_written_as_the_sheet_shows_them(workbook):
    sheet = workbook.active
    values = {
        "A1": (1234567, "#,##0"), "B1": (0.153, "0.0%"), "C1": (0.5, "0%"), "D1": (3.14159, "0.00"),
        "E1": (7.0, "General"), "F1": (datetime.datetime(2025, 10, 29), "yyyy-mm-dd"),
        "G1": (datetime.datetime(2025, 10, 29, 9, 30), "yyyy-mm-dd h:mm"), "H1": (True, "General"),
        "I1": (0.1 + 0.2, "General"), "J1": (1234.5, "#,##0.00"),
    }  # fmt: skip
    for place, (value, form) in values.items():
        sheet[place] = value
        sheet[place].number_format = form
    shown = ["1,234,567", "15.3%", "50%", "3.14", "7", "2025-10-29", "2025-10-29 09:30", "True", "0.3", "1,234.50"]
    assert text(saved(workbook)) == "\t".join(shown)


def test_empty_rows_are_between_tables_and_empty_columns_are_left_out(workbook):
    sheet = workbook.active
    sheet["B2"], sheet["D2"], sheet["B3"], sheet["D3"] = "이름", "전화", "김", "010"
    sheet["B6"], sheet["C6"] = "부서", "위치"
    assert text(saved(workbook)) == "이름\t전화\n김\t010\n\n부서\t위치"


def test_a_sheet_with_a_cell_in_its_last_corner_is_read(workbook):
    workbook.active["A1"], workbook.active["XFD2"] = "처음", "마지막"
    assert text(saved(workbook)) == "처음\t\n\t마지막"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_a_csv_file_of_any_dialect_is_read(delimiter, encoding):
    rows = [
        ["이름", "전화", "비고"],
        ["김", "010", f'"따옴표{delimiter} 안"'],
        ["이", "", "둘째"],
        ["박", "012", "셋째"],
    ]
    data = "\r\n".join(delimiter.join(row) for row in rows).encode(encoding)
    inside = "따옴표 안" if delimiter == "\t" else f"따옴표{delimiter} 안"
    assert text(data, "a.csv") == f"이름\t전화\t비고\n김\t010\t{inside}\n이\t\t둘째\n박\t012\t셋째"


def test_a_row_of_a_csv_file_is_found_by_its_line():
    document = load_document(SourceFile("a.csv", b'a,b\n"c\nd",e\nf,g\n'))
    assert [block.place for block in document.blocks] == ["row 1", "row 3", "row 4"]


def test_a_table_of_ten_thousand_rows_is_read_row_by_row():
    data = "번호,이름\n" + "\n".join(f"{n},이름 {n}" for n in range(10_000))
    document = load_document(SourceFile("a.csv", data.encode()))
    assert len(document.blocks) == 10_001
    assert document.text.endswith("9999\t이름 9999")
