//! Values beside a statement.

use cidlake::{ErrorKind, Param, Params, SqlOptions};

use super::with_params;
use crate::{Place, run, store, text};

const ROWS: &str = "id,name,born,price\n1,ada,1990-01-31,1.50\n2,it's,2000-02-29,2.25\n";

#[test]
fn values_stand_where_they_are_written() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "p", ROWS).await;
        for (query, values, rows) in [
            ("SELECT name FROM p WHERE id = $1", &["1"][..], "ada"),
            ("SELECT id FROM p WHERE name = ?", &["it's"], "2"),
            ("SELECT id FROM p WHERE name = $name AND id < $1", &["name=ada", "9"], "1"),
            ("SELECT id FROM p WHERE born >= $1", &["2000-01-01"], "2"),
            ("SELECT id FROM p WHERE id IN ($1, $2) ORDER BY id LIMIT $3", &["2", "1", "1"], "1"),
            ("SELECT id FROM p WHERE name LIKE $1", &["a%"], "1"),
            ("SELECT count(*) FROM p WHERE name = $1", &["' OR '1'='1"], "0"),
            (
                "SELECT count(*) FROM p WHERE (SELECT max(id) FROM p WHERE id < $1) = id",
                &["2"],
                "1",
            ),
            ("SELECT $1", &["x; DROP TABLE p"], "x; DROP TABLE p"),
            ("SELECT count(*) FROM p WHERE id = $1", &["null"], "0"),
            (
                "WITH q AS (SELECT * FROM at('p', '~0') WHERE id = $1) SELECT name FROM q",
                &["1"],
                "ada",
            ),
        ] {
            assert_eq!(
                with_params(&lake, query, values).await.unwrap(),
                rows,
                "{query} {values:?}"
            );
        }
        let params = Params {
            positional: vec![Param::Date("1990-01-31".into()), Param::Decimal("1.50".into())],
            ..Params::default()
        };
        let options = SqlOptions { params, ..SqlOptions::default() };
        let query = "SELECT id FROM p WHERE born = $1 AND CAST(price AS DECIMAL(10, 2)) = $2";
        let rows = lake.sql(query, options).await.unwrap();
        assert_eq!(text(&rows.collect().await.unwrap()), "1");
    });
}

#[test]
fn wrong_values_are_named() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        store(&lake, "p", ROWS).await;
        for (query, values, said) in [
            ("SELECT * FROM p WHERE id = $1", &[][..], "$1"),
            ("SELECT * FROM p WHERE id = $who", &["1"], "$who"),
            ("SELECT * FROM p WHERE id = $1", &["1", "2"], "$2"),
            ("SELECT * FROM p", &["who=1"], "$who"),
            ("SELECT * FROM p WHERE id = $1", &["abc"], "$1"),
            ("SELECT * FROM p WHERE id = $1", &["1.5"], "$1"),
            ("SELECT * FROM p WHERE name = $1", &["5"], "$1"),
            ("SELECT * FROM p WHERE born = $day", &["day=tomorrow"], "$day"),
            ("SELECT * FROM p WHERE id = ? AND name = ?", &["1"], "? number 2"),
            ("SELECT * FROM p WHERE id = ? AND id = $1", &["1"], "?"),
        ] {
            let error = with_params(&lake, query, values).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{query}: {error}");
            assert!(error.to_string().contains(said), "{query}: {error}");
        }
        for query in ["SELECT * FROM $1", "SELECT $1.x FROM p", "SELECT * FROM p AS $1"] {
            assert!(with_params(&lake, query, &["p"]).await.is_err(), "{query}");
        }
    });
}
