//! What a client may not do is refused, said, and leaves nothing behind.

use serde_json::json;

use super::client::{Place, text};

#[test]
fn sql_reads_the_lake_and_does_nothing_else() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let secret = place.at("secret.csv");
    std::fs::write(&secret, "word\nhidden\n").unwrap();
    let secret = text(&secret);
    let out = place.at("out.csv");
    let statements = [
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM \"{secret}\""),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{secret}'"),
        format!("COPY (SELECT 1) TO '{}'", text(&out)),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW t AS SELECT 1".to_owned(),
        "DROP TABLE seed".to_owned(),
        "INSERT INTO seed VALUES (4, 'Dan', 1.0)".to_owned(),
        "DELETE FROM seed".to_owned(),
        "UPDATE seed SET id = 1".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "SELECT 1; DROP TABLE seed".to_owned(),
        "/* harmless */ DROP TABLE seed".to_owned(),
        "SELECT nosuch FROM seed".to_owned(),
        "SELECT * FROM nosuch".to_owned(),
        "SELECT nosuchcol FROM nosuchtable WHERE !!!".to_owned(),
        String::new(),
    ];
    for sql in statements {
        let (failed, answer) = client.call("parquet_query_datasets", json!({"sql": sql}));
        assert!(failed, "{sql}: {answer}");
        let kind = answer["error_type"].as_str().unwrap();
        assert!(["invalid", "not_found"].contains(&kind), "{sql}: {answer}");
        assert!(!answer.to_string().contains("hidden"), "{answer}");
    }
    assert!(!out.exists());
    let count = client.good("parquet_query_datasets", json!({"sql": "SELECT id FROM seed"}));
    assert_eq!(count["num_rows"], 3);
    client.close();
}

#[test]
fn sql_writes_commits_where_the_server_may_and_nothing_else() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let query = |sql: &str| json!({"sql": sql});
    let arguments = json!({
        "sql": "CREATE TABLE made AS SELECT id FROM seed WHERE id > $1",
        "params": [1],
    });
    let made = client.good("parquet_query_datasets", arguments);
    assert_eq!(made["data"][0]["rows_affected"], 2);
    let named = json!({"sql": "DELETE FROM made WHERE id = $id", "params": {"id": 2}});
    let gone = client.good("parquet_query_datasets", named);
    assert_eq!(gone["data"][0]["operation"], "delete");
    let out = place.at("out.csv");
    for sql in [
        format!("COPY (SELECT 1) TO '{}'", text(&out)),
        "DROP TABLE made".to_owned(),
        "UPDATE made SET id = 1".to_owned(),
        "DELETE FROM made".to_owned(),
        "INSERT INTO made VALUES (9); SELECT 1".to_owned(),
    ] {
        assert_eq!(client.bad("parquet_query_datasets", query(&sql)), "invalid", "{sql}");
    }
    assert!(!out.exists());
    let left = client.good("parquet_query_datasets", query("SELECT id FROM made"));
    assert_eq!(left["num_rows"], 1);
    client.close();
}

#[test]
fn a_name_is_a_name_and_no_path() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let long = "x".repeat(300);
    let names =
        ["../../evil", "/evil", "a/evil", "evil\0", "evil name", "évil", "datasets", "", &long];
    for name in names {
        let arguments = json!({"data": "[{\"a\": 1}]", "format": "json", "name": name});
        assert_eq!(client.bad("parquet_store_dataframe", arguments), "usage", "{name:?}");
    }
    let evil: Vec<_> =
        place.files().into_iter().filter(|path| path.to_string_lossy().contains("evil")).collect();
    assert!(evil.is_empty() && !place.at("../evil").exists(), "{evil:?}");
    let list = client.good("parquet_list_datasets", json!({}));
    assert_eq!(list["count"], 1, "nothing half stored is listed");
    client.close();
}

#[test]
fn files_are_read_only_where_that_was_allowed() {
    let place = Place::new();
    for folder in ["open", "open-not"] {
        std::fs::create_dir(place.at(folder)).unwrap();
    }
    for file in ["open/a.txt", "open-not/b.txt", "secret.txt"] {
        std::fs::write(place.at(file), file).unwrap();
    }
    let open = place.at("open");
    let mut client = place.serve(&["--allow-write", "--allow-path", text(&open)]);
    let add = |path: &str| json!({"file_path": text(&place.at(path))});

    let added = client.good("ipfs_add", add("open/a.txt"));
    assert_eq!(added["result"]["name"], "a.txt");
    let read = client.good("ipfs_cat", json!({"cid": added["cid"]}));
    assert_eq!(read["content"], "open/a.txt");

    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.at("secret.txt"), place.at("open/link.txt")).unwrap();
        std::os::unix::fs::symlink(place.at(""), place.at("open/up")).unwrap();
        for path in ["open/link.txt", "open/up/secret.txt"] {
            assert_eq!(client.bad("ipfs_add", add(path)), "invalid", "{path}");
        }
    }
    let refused = [
        ("secret.txt", "invalid"),
        ("open/../secret.txt", "invalid"),
        ("open-not/b.txt", "invalid"),
        ("nosuch.txt", "invalid"),
        ("open/nosuch.txt", "not_found"),
        ("open", "invalid"),
    ];
    for (path, kind) in refused {
        assert_eq!(client.bad("ipfs_add", add(path)), kind, "{path}");
    }
    client.close();

    let mut client = place.serve(&["--allow-write"]);
    let (failed, answer) = client.call("ipfs_add", add("open/a.txt"));
    assert!(failed && answer["hint"].as_str().unwrap().contains("--allow-path"), "{answer}");
    client.close();
}

#[test]
fn whatever_is_wrong_is_a_failure_of_its_kind() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let retrieve = "parquet_retrieve_dataframe";
    let store = "parquet_store_dataframe";
    let table = [
        ("ipfs_add", json!({}), "usage"),
        ("ipfs_add", json!({"content": "x", "file_path": "/x"}), "usage"),
        ("ipfs_cat", json!({"cid": absent}), "not_found"),
        ("ipfs_cat", json!({"cid": "no cid!"}), "usage"),
        ("ipfs_cat", json!({}), "usage"),
        ("ipfs_cat", json!({"cid": absent, "length": 0}), "usage"),
        ("ipfs_ls", json!({"path": absent}), "not_found"),
        ("ipfs_ls", json!({"path": absent, "depth": 1}), "usage"),
        (store, json!({"data": "[{", "format": "json"}), "invalid"),
        (store, json!({"data": 1, "format": "json"}), "usage"),
        (store, json!({"data": [{"a": 1}], "format": "csv"}), "usage"),
        (store, json!({"data": "[]", "format": "xml"}), "usage"),
        (store, json!({"data": "[{\"a\": 1}]"}), "usage"),
        (
            store,
            json!({"data": "a\n1\n", "format": "csv", "name": "nosuch", "append": true}),
            "not_found",
        ),
        (store, json!({"data": "a\n1\n", "format": "csv", "partition": "a"}), "usage"),
        (retrieve, json!({"cid": absent}), "not_found"),
        (retrieve, json!({"cid": "nosuch"}), "not_found"),
        (retrieve, json!({"cid": "no such"}), "usage"),
        (retrieve, json!({"cid": "seed", "columns": ["nosuch"]}), "invalid"),
        (retrieve, json!({"cid": "seed", "columns": "id"}), "usage"),
        (retrieve, json!({"cid": "seed", "filters": [["id", "~", 1]]}), "invalid"),
        (retrieve, json!({"cid": "seed", "filters": "id > 1"}), "invalid"),
        (retrieve, json!({"cid": "seed", "limit": 10_001}), "usage"),
        ("parquet_query_datasets", json!({"query": "SELECT 1"}), "usage"),
        ("parquet_query_datasets", json!({"sql": "SELECT 1", "format": "parquet"}), "usage"),
        ("vfs_ls", json!({"path": "/nowhere"}), "not_found"),
        ("vfs_cat", json!({"path": "/datasets/../../etc/passwd"}), "usage"),
        ("vfs_cat", json!({"path": "/datasets"}), "invalid"),
        ("vfs_info", json!({"path": format!("/datasets/{absent}")}), "not_found"),
    ];
    for (tool, arguments, kind) in table {
        let found = client.bad(tool, arguments.clone());
        assert_eq!(found, kind, "{tool} {arguments}");
    }
    for tool in ["system_health", "cache_stats", "wal_status"] {
        assert_eq!(client.bad(tool, json!({"verbose": true})), "usage", "{tool}");
    }
    client.close();
}
