//! Ways out of the lake and ways into it: files, URLs, other statements behind or within the first,
//! values that want to be SQL.

use cidlake::ErrorKind::{Invalid, NotFound, Usage};
use cidlake::{Param, Params, SqlOptions};

use super::{SECRET, Target};
use crate::{run, text};

#[test]
fn no_statement_reads_a_file() {
    run(async {
        let target = Target::new().await;
        let secret = target.path("secret.csv");
        let mut places = vec![secret.clone(), format!("file://{secret}"), format!("file:{secret}")];
        places.extend(["/etc/passwd", "../secret.csv", "secret.csv", "*.csv"].map(String::from));
        places.extend(["https://127.0.0.1:9/x.csv", "s3://x/y", "~/x.csv"].map(String::from));
        for place in &places {
            for sql in [
                format!("SELECT * FROM '{place}'"),
                format!("SELECT * FROM \"{place}\""),
                format!("SELECT * FROM main.\"{place}\""),
                format!("SELECT * FROM read_csv('{place}')"),
                format!("SELECT * FROM read_parquet('{place}')"),
                format!("SELECT * FROM read_json_auto('{place}')"),
                format!("SELECT * FROM LATERAL read_text('{place}')"),
                format!("SELECT * FROM glob('{place}')"),
                format!("SELECT * FROM at('{place}', '~0')"),
                format!("SELECT * FROM history('{place}')"),
                format!("SELECT (SELECT max(a) FROM '{place}')"),
                format!("CREATE TABLE u AS SELECT * FROM '{place}'"),
                format!("INSERT INTO t SELECT 1, * FROM read_csv('{place}')"),
                format!("CREATE EXTERNAL TABLE u STORED AS CSV LOCATION '{place}'"),
                format!("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{place}'"),
                format!("COPY t FROM '{place}'"),
                format!("LOAD DATA INPATH '{place}' INTO TABLE t"),
                format!("ATTACH '{place}' AS u"),
                format!("CREATE FUNCTION f() RETURNS INT AS '{place}'"),
                format!("SELECT read_text('{place}')"),
                format!("SELECT pg_read_file('{place}')"),
                format!("SELECT load_file('{place}')"),
            ] {
                target.refused(&sql, &[Invalid, NotFound, Usage]).await;
            }
        }
    });
}

#[test]
fn no_statement_writes_a_file() {
    run(async {
        let target = Target::new().await;
        let out = target.path("out");
        for sql in [
            format!("COPY t TO '{out}'"),
            format!("COPY t TO '{out}' STORED AS PARQUET"),
            format!("COPY (SELECT * FROM t) TO '{out}.csv' OPTIONS ('format.delimiter' ';')"),
            format!("COPY t TO 'file://{out}/' PARTITIONED BY (s) STORED AS PARQUET"),
            format!("CREATE EXTERNAL TABLE u (n INT) STORED AS CSV LOCATION '{out}'"),
            format!("CREATE UNBOUNDED EXTERNAL TABLE u (n INT) STORED AS CSV LOCATION '{out}'"),
            format!("INSERT INTO '{out}' SELECT * FROM t"),
            format!("INSERT INTO \"{out}\" SELECT * FROM t"),
            format!("INSERT OVERWRITE DIRECTORY '{out}' SELECT * FROM t"),
            format!("INSERT OVERWRITE LOCAL DIRECTORY '{out}' SELECT * FROM t"),
            format!("CREATE TABLE \"{out}\" AS SELECT 1 AS n"),
            format!("CREATE TABLE u LOCATION '{out}' AS SELECT 1 AS n"),
            format!("CREATE TABLE u WITH (path = '{out}') AS SELECT 1 AS n"),
            format!("SELECT * INTO OUTFILE '{out}' FROM t"),
            format!("UNLOAD (SELECT 1) TO '{out}'"),
            format!("EXPORT DATABASE '{out}'"),
            format!("SET datafusion.runtime.temp_directory = '{out}'"),
        ] {
            target.refused(&sql, &[Invalid, NotFound, Usage]).await;
        }
        let entries = std::fs::read_dir(target.place.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["key", "lake", "secret.csv"]);
    });
}

#[test]
fn nothing_stands_behind_a_statement() {
    run(async {
        let target = Target::new().await;
        for sql in [
            "SELECT 1; DELETE FROM t WHERE true",
            "SELECT 1;DELETE FROM t WHERE true;",
            "SELECT 1;;; DELETE FROM t WHERE true",
            "; DELETE FROM t WHERE true; SELECT 1",
            "SELECT 1 /* ; */ ; DELETE FROM t WHERE true --",
            "SELECT ';' ; DELETE FROM t WHERE true",
            "SELECT 1\u{0}; DELETE FROM t WHERE true",
            "SELECT 1 -- \n; DELETE FROM t WHERE true",
            "INSERT INTO t VALUES (4, 'd'); SELECT 1",
            "EXPLAIN SELECT 1; DELETE FROM t WHERE true",
            "DELETE FROM t WHERE n = 1; DELETE FROM t WHERE n = 2",
            "BEGIN; DELETE FROM t WHERE true; COMMIT",
            "BEGIN DELETE FROM t WHERE true; END",
            "IF true THEN DELETE FROM t WHERE true; END IF",
        ] {
            target.refused(sql, &[Invalid]).await;
        }
    });
}

#[test]
fn nothing_is_written_from_within_a_query() {
    run(async {
        let target = Target::new().await;
        for sql in [
            "EXPLAIN INSERT INTO t VALUES (4, 'd')",
            "EXPLAIN ANALYZE INSERT INTO t VALUES (4, 'd')",
            "EXPLAIN ANALYZE VERBOSE DELETE FROM t WHERE true",
            "EXPLAIN ANALYZE CREATE TABLE u AS SELECT 1 AS n",
            "EXPLAIN EXPLAIN ANALYZE DELETE FROM t WHERE true",
            "EXPLAIN ANALYZE COPY t TO 'out.csv'",
            "EXPLAIN CREATE EXTERNAL TABLE u STORED AS CSV LOCATION '/etc/passwd'",
            "EXPLAIN SET datafusion.execution.batch_size = 1",
            "WITH x AS (DELETE FROM t WHERE true) SELECT 1",
            "WITH x AS (DELETE FROM t WHERE true RETURNING *) SELECT * FROM x",
            "WITH x AS (INSERT INTO t VALUES (4, 'd')) SELECT 1",
            "WITH x AS (UPDATE t SET n = 0) SELECT 1",
            "WITH x AS (SELECT 1) DELETE FROM t WHERE true",
            "WITH x AS (SELECT 4 AS n, 'd' AS s) INSERT INTO t SELECT * FROM x",
            "SELECT * FROM (DELETE FROM t WHERE true)",
            "SELECT (DELETE FROM t WHERE true)",
            "SELECT * FROM t WHERE EXISTS (DELETE FROM t WHERE true)",
            "INSERT INTO t SELECT * FROM (INSERT INTO t VALUES (4, 'd'))",
            "CREATE TABLE u AS DELETE FROM t WHERE true",
            "CREATE TABLE u AS INSERT INTO t VALUES (4, 'd')",
            "SELECT * INTO u FROM t",
            "TABLE t UNION ALL DELETE FROM t WHERE true",
            "PREPARE p AS DELETE FROM t WHERE true",
            "EXECUTE IMMEDIATE 'DELETE FROM t WHERE true'",
            "CALL system.delete('t')",
            "DESCRIBE DELETE FROM t WHERE true",
            "SHOW TABLES; DROP TABLE t",
            "/**/D/**/ELETE FROM t WHERE true",
        ] {
            target.refused(sql, &[Invalid, NotFound, Usage]).await;
        }
    });
}

#[test]
fn values_stay_values() {
    run(async {
        let target = Target::new().await;
        for value in [
            "' OR '1'='1",
            "'; DELETE FROM t WHERE true; --",
            "\\'; DELETE FROM t WHERE true; --",
            "a' UNION SELECT s FROM t --",
            "$1",
            "$$; DELETE FROM t WHERE true; $$",
            "\u{2019} OR 1=1 --",
            "\0",
            "%",
            "_",
            "",
            "NULL",
            "(SELECT max(s) FROM t)",
            "\u{202e}a",
        ] {
            let params =
                Params { positional: vec![Param::Text(value.into())], ..Params::default() };
            for (sql, expected) in [
                ("SELECT count(*) FROM t WHERE s = $1", "0"),
                ("SELECT count(*) FROM t WHERE s IN ($1)", "0"),
                ("SELECT count(*) FROM t WHERE $1 = $1", "3"),
                ("SELECT $1", value),
                ("SELECT length(concat($1, '')) - length($1)", "0"),
            ] {
                let options = SqlOptions { params: params.clone(), ..SqlOptions::default() };
                let rows = target.lake.sql(sql, options).await.unwrap();
                assert_eq!(text(&rows.collect().await.unwrap()), expected, "{sql}: {value:?}");
            }
            for sql in [
                "SELECT * FROM $1",
                "SELECT * FROM \"$1\"",
                "SELECT * FROM at($1, '~0')",
                "SELECT s AS $1 FROM t",
                "SELECT '$1'",
                "SELECT 1 -- $1",
                "$1",
            ] {
                let options = SqlOptions { params: params.clone(), ..SqlOptions::default() };
                assert!(target.lake.sql(sql, options).await.is_err(), "{sql}: {value:?}");
            }
            target.goes_on(value).await;
        }
    });
}

#[test]
fn what_looks_like_sql_is_not_taken_for_it() {
    run(async {
        let target = Target::new().await;
        for sql in [
            // Letters that look like others, blanks that are none, marks that turn the direction.
            "SEL\u{0415}CT 1",
            "\u{ff33}\u{ff25}\u{ff2c}\u{ff25}\u{ff23}\u{ff34} 1",
            "SELECT\u{200b}1",
            "SELECT 1\u{202e}; DELETE FROM t WHERE true",
            "\u{feff}DELETE FROM t",
            "SELECT * FROM t WHERE s = \u{2018}a\u{2019}",
            "SELECT * FROM \u{0442}",
            "SELECT n\u{0301} FROM t",
            "SELECT 1 \u{ff1b} DELETE FROM t WHERE true",
        ] {
            target.refused(sql, &[Invalid, NotFound]).await;
        }
        let comments = "SELECT /* a /* b */ '; DELETE FROM t WHERE true' */ 1";
        assert_eq!(target.ask(comments).await.unwrap(), "1");
        let quoted = format!("SELECT '{SECRET}' AS \"'; DELETE FROM t WHERE true; --\"");
        assert_eq!(target.ask(&quoted).await.unwrap(), SECRET);
        target.goes_on(&quoted).await;
    });
}
