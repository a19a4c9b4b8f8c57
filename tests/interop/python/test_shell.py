"""The shell of `cidlake sql`, as somebody at a terminal has it."""

import stat

import pytest

from driver import NOT_FOUND, SUCCESS, USAGE, Lake
from terminal import CONTINUATION, CTRL_C, ENTER, PROMPT, TAB, UP, Shell

PEOPLE = "id,name,city\n1,Ada,London\n2,Bob,\n3,Cleo,Oslo\n"
# All in memory, and more than anybody would wait for.
ENDLESS = "SELECT count(*) AS n FROM t a, t b, t c, t d WHERE a.n + b.n + c.n + d.n = 7;"


@pytest.fixture
def people(lake) -> Lake:
    """A lake with people in it, and a table that joins badly."""
    (lake.folder / "people.csv").write_text(PEOPLE)
    lake.store("people.csv", name="people")
    numbers = "".join(f"{number}\n" for number in range(5_000))
    (lake.folder / "t.csv").write_text("n\n" + numbers)
    lake.store("t.csv", name="t")
    return lake


def test_statements_go_over_lines_and_an_error_does_not_end_it(people):
    with Shell(people) as shell:
        shell.type("SELECT count(*) * 111" + ENTER)
        shell.expect(CONTINUATION)
        shell.type("  AS thrice -- not yet;" + ENTER)
        shell.expect(CONTINUATION)
        answer = shell.run("FROM people;", "1 row in ")
        assert "333" in answer
        shell.run("SELECT nosuch FROM people;", "error:", "nosuch")
        shell.run("SELECT 'a;b' AS x; SELECT 6 * 7 AS y;", "a;b", "1 row in ", "42", "1 row in ")
        shell.run("SELECT 6 * 8 AS y; SELECT 1 FROM peopel; SELECT 6 * 9;", "48", "statement 2")
        shell.run("DELETE FROM people WHERE id = 1;", "error:", "cidlake sql --write")
        assert shell.leave() == SUCCESS
    assert people.sql("SELECT * FROM people").num_rows == 3


def test_tab_completes_names_keywords_columns_and_commands(people):
    people.run("rename", "t", "my-numbers")
    with Shell(people) as shell:
        shell.type("SELECT name FROM peo" + TAB)
        shell.expect("FROM people")
        shell.type(" wher" + TAB)
        shell.expect("people where")
        shell.type(" ci" + TAB)
        shell.expect("where city")
        shell.run(" = 'Oslo';", "Cleo", "1 row in ")

        shell.type("SELECT" + ENTER)
        shell.expect(CONTINUATION)
        shell.type("count(*) + 1 AS more FROM my" + TAB)
        shell.expect('FROM "my-numbers"')
        shell.run(";", "5001", "1 row in ")

        shell.type(".ta" + TAB)
        shell.expect(".tables")
        shell.run("", "my-numbers", "people")


def test_commands(people):
    (people.folder / "script.sql").write_text("SELECT 2 * 21 AS a;\nSELECT 2 * 22 AS b;\n")
    with Shell(people) as shell:
        shell.run(".help", ".timeout SECONDS", "Ctrl-D leaves")
        shell.run(".tables", "people", "5,000")
        shell.run(".schema people", "column", "city")
        shell.run(".tabels", "there is no command .tabels", "did you mean .tables?", ".help")
        shell.run(".schema nosuch", "error:", "nosuch")
        shell.run(".mode line")
        one = "SELECT id, name FROM people WHERE id = 1;"
        shell.run(one, "  id = 1", "name = Ada", "1 row in ")
        shell.run(".mode csv")
        shell.run("SELECT id, name FROM people ORDER BY id;", "2,Bob", "3 rows in ")
        shell.run(".mode parquet", "error:", "hint:", "markdown")
        shell.run(".mode table")
        shell.run(".rows 1")
        shell.run("SELECT id FROM people;", "1 of 3 rows (.rows all for more) in ")
        shell.run(".rows all")
        shell.run(".timer off")
        assert " in 0." not in shell.run("SELECT id FROM people;", "3 rows")
        shell.run(".read script.sql", "42", "44")
        shell.run(".read absent.sql", "error:", "absent.sql")
        shell.type(".quit" + ENTER)
        assert shell.end() == SUCCESS


def test_ctrl_c_stops_a_statement_and_clears_a_line(people):
    with Shell(people) as shell:
        shell.type(ENDLESS + ENTER)
        shell.expect("(Ctrl-C stops)")
        shell.type(CTRL_C)
        shell.expect("stopped")
        shell.expect(PROMPT)
        shell.run("SELECT 6 * 7 AS x;", "42", "1 row in ")

        shell.type("SELECT garbage")
        shell.expect("garbage")
        shell.type(CTRL_C)
        shell.expect(PROMPT)
        shell.run("SELECT 6 * 8 AS x;", "48", "1 row in ")

        shell.type("SELECT" + ENTER)
        shell.expect(CONTINUATION)
        shell.type(CTRL_C)
        shell.expect(PROMPT)
        shell.run("SELECT 6 * 9 AS x;", "54", "1 row in ")
        assert shell.leave() == SUCCESS


def test_a_statement_that_writes_is_stopped_before_it_has_written(people):
    with Shell(people, "--write") as shell:
        shell.type(f"CREATE TABLE never AS {ENDLESS}" + ENTER)
        shell.expect("(Ctrl-C stops)")
        shell.type(CTRL_C)
        shell.expect("stopped")
        shell.expect(PROMPT)
        shell.run("CREATE TABLE few AS SELECT * FROM people WHERE id < 3;", "create", "1 row")
        assert shell.leave() == SUCCESS
    assert people.names() == ["few", "people", "t"]


def test_time_can_be_limited(people):
    with Shell(people, "--timeout", "0.5") as shell:
        shell.run(ENDLESS, "error:", " 500 ms", "hint:")
        shell.run(".timeout 0.001")
        shell.run(ENDLESS, "error:", " 1 ms", "hint:")
        shell.run(".timeout 60")
        shell.run("SELECT 6 * 7 AS x;", "42", "1 row in ")


def test_the_last_result_is_kept(people):
    with Shell(people) as shell:
        shell.run(".save few", "error:", "no statement")
        shell.run("SELECT * FROM people WHERE id < 3;", "2 rows in ")
        shell.run(".save few", "again", "few stored: 2 rows")
        shell.run(".save few", "error:", "few exists already")
        shell.run("SELECT count(*) + 40 AS n FROM few;", "42", "1 row in ")
        assert shell.leave() == SUCCESS
    assert people.sql("SELECT name FROM few ORDER BY id").column(0).to_pylist() == ["Ada", "Bob"]


def test_history_outlives_a_session_and_is_the_users_alone(people):
    with Shell(people) as shell:
        shell.type("SELECT 6 * 7" + ENTER)
        shell.expect(CONTINUATION)
        shell.run(" AS answer;", "42", "1 row in ")
        shell.run(".timer off")
        assert shell.leave() == SUCCESS
    history = people.folder / "state" / "cidlake" / "sql_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with Shell(people) as shell:
        shell.type(UP)
        shell.expect(".timer off")
        # The statement comes back as one, with all its lines.
        shell.type(UP)
        shell.expect("AS answer;")
        shell.run("", "42", "1 row in ")


def test_a_history_that_cannot_be_kept_is_no_error(people):
    (people.folder / "state").write_text("a file, not a folder")
    with Shell(people) as shell:
        shell.run("SELECT 6 * 7 AS x;", "42", "1 row in ")
        assert shell.leave() == SUCCESS


def test_without_a_lake_there_is_no_shell(lake):
    shell = Shell(lake)
    shell.expect("error:")
    shell.expect("hint:")
    assert shell.end() == NOT_FOUND
    shell.close()


def test_what_is_for_a_query_is_refused_without_one(people):
    shell = Shell(people, "--save", "kept")
    shell.expect("--save is for a query")
    assert shell.end() == USAGE
    shell.close()
