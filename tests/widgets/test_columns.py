from itertools import pairwise

from batchtui.widgets.batch_cells import COLUMNS
from batchtui.widgets.columns import GAP, Column, layout

TABLE = (
    Column("state", "state", 10),
    Column("name", "name", 10, flex=True, least=4),
    Column("cost", "cost", 6, keep=2),
    Column("age", "age", 6, keep=1),
)


def keys(width: int) -> list[str]:
    return [placed.column.key for placed in layout(TABLE, width)]


def test_columns_go_in_the_order_of_their_keep_level() -> None:
    assert keys(38) == ["state", "name", "cost", "age"]
    assert keys(37) == ["state", "name", "age"]
    assert keys(29) == ["state", "name"]
    assert keys(5) == ["state", "name"]


def test_what_is_left_over_goes_to_the_flexible_column() -> None:
    assert [placed.width for placed in layout(TABLE, 50)] == [10, 22, 6, 6]


def test_a_flexible_column_grows_no_further_than_its_most() -> None:
    two = (Column("a", "a", 5, flex=True, most=8), Column("b", "b", 5, flex=True))
    assert [placed.width for placed in layout(two, 14)] == [6, 6]
    assert [placed.width for placed in layout(two, 42)] == [8, 32]


def test_a_column_that_must_stay_shrinks_to_its_least() -> None:
    assert [placed.width for placed in layout(TABLE, 20)] == [10, 8]
    assert [placed.width for placed in layout(TABLE, 3)] == [10, 4]


def test_the_table_of_batches_fits_every_width_from_forty_cells() -> None:
    for width in range(37, 250):
        placed = layout(COLUMNS, width)
        assert {"state", "name", "progress"} <= {each.column.key for each in placed}
        assert placed[-1].x + placed[-1].width <= width
        for one, following in pairwise(placed):
            assert following.x == one.x + one.width + GAP
