//! Every tool, called through the protocol as existing clients call it.

use serde_json::{Value, json};

use super::client::Place;

/// The example that the tool's documentation has always had.
fn users() -> Value {
    json!({
        "data": "[{\"id\": 1, \"name\": \"Alice\"}, {\"id\": 2, \"name\": \"Bob\"}]",
        "format": "json",
        "name": "users",
        "metadata": {"source": "user_db", "rows": 2},
    })
}

#[test]
fn a_table_goes_in_and_comes_back() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let stored = client.good("parquet_store_dataframe", users());
    let cid = stored["cid"].as_str().unwrap().to_owned();
    assert!(cid.starts_with("bafkrei"), "{cid}");
    assert_eq!(stored["storage_path"], format!("/datasets/{cid}"));
    assert_eq!(stored["is_partitioned"], false);
    assert_eq!(stored["metadata"]["name"], "users");
    let words = json!({"source": "user_db", "rows": "2"});
    assert_eq!(stored["metadata"]["original_metadata"], words);
    assert!(stored["size_bytes"].as_u64().unwrap() > 0);
    assert!(stored["new_bytes"].as_u64().unwrap() > 0);

    let again = client.good("parquet_store_dataframe", users());
    assert_eq!((&again["cid"], &again["new_bytes"]), (&stored["cid"], &json!(0)), "{again}");
    let mut renamed = users();
    renamed["name"] = "people".into();
    renamed["data"] = json!([{"id": 1, "name": "Alice"}, {"id": 2, "name": "Bob"}]);
    let renamed = client.good("parquet_store_dataframe", renamed);
    assert_eq!(renamed["cid"], stored["cid"], "neither name nor form is in the address");

    let csv = json!({"data": "id,name\n3,Cy\n", "format": "csv", "name": "users", "append": true});
    let appended = client.good("parquet_store_dataframe", csv);
    assert_eq!((&appended["num_rows"], &appended["unchanged"]), (&json!(3), &json!(false)));

    for reference in [cid.as_str(), "users~1", "people", stored["commit"].as_str().unwrap()] {
        let answer = client.good("parquet_retrieve_dataframe", json!({"cid": reference}));
        let data = json!([{"id": 1, "name": "Alice"}, {"id": 2, "name": "Bob"}]);
        assert_eq!((&answer["data"], &answer["num_rows"]), (&data, &json!(2)), "{reference}");
        assert_eq!((&answer["cid"], &answer["truncated"]), (&stored["cid"], &json!(false)));
    }
    client.close();
}

#[test]
fn a_read_takes_columns_filters_and_formats() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let tool = "parquet_retrieve_dataframe";
    let all = json!([
        {"id": 1, "name": "Ada", "score": 1.5},
        {"id": 2, "name": "Bob", "score": null},
        {"id": 3, "name": "Cleo", "score": 2.25},
    ]);
    let table = [
        (json!({}), all),
        (
            json!({"columns": ["name"], "filters": [["id", ">", 1]]}),
            json!([{"name": "Bob"}, {"name": "Cleo"}]),
        ),
        (json!({"columns": ["id"], "filters": [["score", "is_null"]]}), json!([{"id": 2}])),
        (
            json!({"columns": ["id"], "filters": [[["id", "=", 1]], [["name", "in", ["Cleo"]]]]}),
            json!([{"id": 1}, {"id": 3}]),
        ),
        (json!({"columns": ["id"], "limit": 1, "offset": 1}), json!([{"id": 2}])),
        (json!({"columns": ["id"], "offset": 7}), json!([])),
        (
            json!({"columns": ["id", "name"], "format": "csv", "limit": 1}),
            json!("id,name\n1,Ada\n"),
        ),
    ];
    for (mut arguments, data) in table {
        arguments["cid"] = "seed".into();
        let answer = client.good(tool, arguments.clone());
        assert_eq!(answer["data"], data, "{arguments}");
        assert_eq!(answer["metadata"]["num_rows"], 3);
    }
    let parquet = client.good(tool, json!({"cid": "seed", "format": "parquet"}));
    assert!(parquet["data"].as_str().unwrap().starts_with("UEFSM"), "PAR1 in base64");
    assert!(parquet["note"].as_str().unwrap().contains("base64"));

    let columns = client.good(tool, json!({"cid": "seed"}))["columns"].clone();
    let types: Vec<&str> =
        columns.as_array().unwrap().iter().map(|column| column["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Int64", "Utf8", "Float64"]);
    client.close();
}

#[test]
fn a_second_read_comes_from_the_cache() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let mut read = || client.good("parquet_retrieve_dataframe", json!({"cid": "seed"}));
    assert_eq!(read()["from_cache"], false, "a new process has nothing in memory");
    assert_eq!(read()["from_cache"], true);
    let stats = client.good("cache_stats", json!({}))["stats"].clone();
    for figure in ["hits", "misses", "entries", "bytes", "bytes_max"] {
        assert!(stats[figure].as_u64().is_some_and(|count| count > 0), "{figure}: {stats}");
    }
    client.close();
}

#[test]
fn sql_sees_the_lake() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    client.good("parquet_store_dataframe", users());
    let tool = "parquet_query_datasets";
    let sql = "SELECT name, COUNT(*) FROM datasets GROUP BY name";
    let answer = client.good(tool, json!({"sql": sql, "format": "json"}));
    assert_eq!((&answer["query"], &answer["num_rows"]), (&json!(sql), &json!(2)));
    for name in ["seed", "users"] {
        let rows = answer["data"].as_array().unwrap().iter();
        let row: Vec<&Value> = rows.filter(|row| row["name"] == name).collect();
        assert!(row.len() == 1 && row[0].as_object().unwrap().values().any(|count| count == 1));
    }
    let sql = "SELECT s.name, u.name AS other FROM seed s JOIN users u ON s.id = u.id ORDER BY 1";
    let answer = client.good(tool, json!({"sql": sql, "format": "csv"}));
    assert_eq!(answer["data"], "name,other\nAda,Alice\nBob,Bob\n");
    client.close();
}

#[test]
fn the_list_has_every_dataset() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    client.good("parquet_store_dataframe", users());
    let answer = client.good("parquet_list_datasets", json!({}));
    assert_eq!((&answer["count"], &answer["truncated"]), (&json!(2), &json!(false)), "{answer}");
    let users = &answer["datasets"][1];
    assert_eq!((&users["name"], &users["num_rows"]), (&json!("users"), &json!(2)));
    assert_eq!((&users["num_columns"], &users["is_partitioned"]), (&json!(2), &json!(false)));
    assert_eq!(users["metadata"]["source"], "user_db");
    assert!(users["created_at"].as_str().unwrap().ends_with('Z'));
    let first = client.good("parquet_list_datasets", json!({"limit": 1}));
    assert_eq!((&first["truncated"], &first["next_offset"]), (&json!(true), &json!(1)));
    client.close();
}

#[test]
fn files_are_added_read_and_listed() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let added = client.good("ipfs_add", json!({"content": "hello world"}));
    // The address that every IPFS tool computes.
    let cid = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    assert_eq!((&added["cid"], &added["result"]["size"]), (&json!(cid), &json!(11)), "{added}");

    let read = client.good("ipfs_cat", json!({"cid": cid}));
    assert_eq!((&read["content"], &read["encoding"]), (&json!("hello world"), &json!("utf-8")));
    let piece = client.good("ipfs_cat", json!({"cid": cid, "offset": 2, "length": 3}));
    assert_eq!((&piece["content"], &piece["truncated"]), (&json!("llo"), &json!(true)));
    assert_eq!((&piece["size"], &piece["next_offset"]), (&json!(11), &json!(5)));

    let listed = client.good("ipfs_ls", json!({"path": format!("/ipfs/{cid}")}));
    let entry = &listed["contents"][0];
    assert_eq!((&entry["cid"], &entry["type"]), (&json!(cid), &json!("file")), "{listed}");
    assert_eq!(entry["size"], 11);
    client.close();
}

#[test]
fn the_tree_is_listed_and_read() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let root = client.good("vfs_ls", json!({}));
    let folders: Vec<&str> = root["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert!(folders.contains(&"datasets") && folders.contains(&"metadata"), "{root}");

    let datasets = client.good("vfs_ls", json!({"path": "/datasets", "detail": true}));
    let entry = &datasets["entries"][0];
    let cid = entry["cid"].as_str().unwrap();
    assert_eq!((&entry["type"], &entry["metadata"]["name"]), (&json!("file"), &json!("seed")));
    let paths = client.good("vfs_ls", json!({"path": "/metadata", "detail": false}));
    assert_eq!(paths["entries"], json!([format!("/metadata/{cid}.json")]));

    let metadata = client.good("vfs_cat", json!({"path": format!("/metadata/{cid}.json")}));
    let metadata: Value = serde_json::from_str(metadata["content"].as_str().unwrap()).unwrap();
    assert_eq!((&metadata["cid"], &metadata["is_partitioned"]), (&json!(cid), &json!(false)));
    let path = format!("/datasets/{cid}");
    let parquet = client.good("vfs_cat", json!({"path": path, "length": 4, "encoding": "base64"}));
    assert_eq!((&parquet["content"], &parquet["encoding"]), (&json!("UEFSMQ=="), &json!("base64")));
    let whole = client.good("vfs_cat", json!({"path": path}));
    assert_eq!((&whole["encoding"], &whole["size"]), (&json!("base64"), &entry["size"]));

    let info = client.good("vfs_info", json!({"path": path}))["info"].clone();
    assert_eq!((&info["size"], &info["is_partitioned"]), (&entry["size"], &json!(false)), "{info}");
    assert_eq!((&info["metadata"]["name"], &info["type"]), (&json!("seed"), &json!("file")));
    assert_eq!(info["metadata"]["column_names"], json!(["id", "name", "score"]));
    let folder = client.good("vfs_info", json!({"path": "/"}));
    assert_eq!(folder["info"]["type"], "directory");
    client.close();
}

#[test]
fn diagnostics_tell_the_truth() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let health = client.good("system_health", json!({}))["health"].clone();
    let works = [
        ("server_initialized", true),
        ("ipfs_kit_available", true),
        ("parquet_bridge_available", true),
        ("parquet_vfs_available", true),
        ("cache_manager_available", true),
        ("wal_manager_available", true),
        ("replication_manager_available", false),
        ("metadata_index_available", true),
        ("arrow_available", true),
        ("fsspec_available", false),
        ("ok", true),
        ("writable", true),
    ];
    for (component, expected) in works {
        assert_eq!(health[component], expected, "{component}: {health}");
    }
    assert_eq!(health["datasets"], 1);

    let before = client.good("wal_status", json!({}))["status"].clone();
    client.good("parquet_store_dataframe", users());
    let after = client.good("wal_status", json!({}))["status"].clone();
    let logged = |status: &Value| status["operations_logged"].as_u64().unwrap();
    assert!(logged(&before) > 0 && logged(&after) > logged(&before), "{before} {after}");
    assert_eq!(client.good("system_health", json!({}))["health"]["datasets"], 2);
    client.close();
}

/// Sets a byte of a file of the lake to another.
fn break_byte(path: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_broken_is_said_to_be() {
    let place = Place::new();
    // The mark of a writer that ended in the middle of a commit.
    break_byte(&place.at("lake/wal/lock"), 0);
    let mut client = place.serve(&[]);
    let health = client.good("system_health", json!({}))["health"].clone();
    assert_eq!((&health["ok"], &health["ipfs_kit_available"]), (&json!(false), &json!(false)));
    assert!(health["problems"][0].as_str().unwrap().contains("being written"), "{health}");
    assert_eq!(client.good("wal_status", json!({}))["status"]["dirty"], true);
    client.close();
    // The next writer repairs it.
    place.run(&["wal", "enqueue", "seal"]);

    // The block that says what the dataset is.
    let is_pack = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "car");
    let pack = place.files().into_iter().find(is_pack).expect("a pack");
    let bytes = std::fs::read(&pack).unwrap();
    let at = bytes.windows(9).position(|window| window == b"operation").expect("a commit");
    break_byte(&pack, at);
    let mut client = place.serve(&[]);
    let health = client.good("system_health", json!({}))["health"].clone();
    for (component, expected) in [
        ("metadata_index_available", false),
        ("parquet_vfs_available", false),
        ("arrow_available", true),
        ("wal_manager_available", true),
        ("cache_manager_available", true),
        ("ok", true),
    ] {
        assert_eq!(health[component], expected, "{component}: {health}");
    }
    client.close();
}

#[test]
fn the_queue_is_seen_as_it_goes() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let mut status = || client.good("wal_status", json!({}))["status"].clone();
    let empty = status();
    for figure in ["total_operations", "pending", "failed", "dead", "archives", "abandoned"] {
        assert_eq!(empty[figure], 0, "{figure}: {empty}");
    }
    assert_eq!((&empty["partitions"], &empty["processing_active"]), (&json!(1), &json!(false)));
    assert_eq!((&empty["lag_ms"], &empty["dirty"]), (&Value::Null, &json!(false)));
    place.run(&["wal", "enqueue", "seal"]);
    place.run(&["wal", "enqueue", "gc", "--delay", "3600"]);
    let queued = status();
    assert_eq!((&queued["total_operations"], &queued["pending"]), (&json!(2), &json!(2)));
    assert!(queued["lag_ms"].is_u64(), "{queued}");
    place.run(&["wal", "run", "--no-schedule"]);
    let done = status();
    assert_eq!((&done["completed"], &done["pending"]), (&json!(1), &json!(1)), "{done}");
    assert!(done["checkpoint_lsn"].is_u64() && done["records_behind"].is_u64(), "{done}");
    let health = client.good("system_health", json!({}))["health"].clone();
    assert_eq!((&health["queue"]["pending"], &health["queue"]["dead"]), (&json!(1), &json!(0)));
    client.close();
}
