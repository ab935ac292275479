from __future__ import annotations

import pytest

from models.tables import Column, cells, columns, markdown, number, used

ROW = {"name": "ridge", "error": 12.345, "share": 0.01234, "count": 3, "nothing": None}


@pytest.mark.parametrize(
    ("value", "text"), [(12.345, "12.35"), (0.01234, "0.0123"), (-0.5, "-0.5"), (3, "3"), ("a", "a"), (None, "")]
)
def test_a_number_is_as_long_as_a_reader_needs(value: object, text: str) -> None:
    assert number(value) == text


def test_what_is_no_figure_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a number"):
        number([1.0])


def test_columns_without_figures_are_left_out_and_missing_ones_marked() -> None:
    shown = used(columns(name="learner", error="mm", nothing="never"), [ROW, {"name": "mean pose"}])
    assert [column.title for column in shown] == ["learner", "mm"]
    assert cells(ROW, shown) == ["ridge", "12.35"]
    assert cells({"name": "mean pose"}, shown, missing="–") == ["mean pose", "–"]


def test_a_column_writes_its_figure_its_own_way() -> None:
    assert cells(ROW, [Column("error", "mm", "{:.1f}".format), Column("name", "", "{:.1f}".format)]) == [
        "12.3",
        "ridge",
    ]


def test_markdown_has_a_line_for_the_titles_and_one_for_each_row() -> None:
    assert markdown(["", "mm"], [["ridge", "12.35"], ["trees", ""]]) == [
        "| | mm |",
        "|---|---|",
        "| ridge | 12.35 |",
        "| trees |  |",
    ]
