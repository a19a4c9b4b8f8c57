//! The protocol around the tools: both of its eras, lists, prompts, resources, errors.

use serde_json::{Value, json};

use super::client::Place;

const TOOLS: [&str; 13] = [
    "ipfs_add",
    "ipfs_cat",
    "ipfs_ls",
    "parquet_store_dataframe",
    "parquet_retrieve_dataframe",
    "parquet_query_datasets",
    "parquet_list_datasets",
    "vfs_ls",
    "vfs_cat",
    "vfs_info",
    "system_health",
    "cache_stats",
    "wal_status",
];

/// What every request of the newer era carries.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_client_may_look_and_leave() {
    let place = Place::new();
    let mut client = place.start(&[]);
    let answer = client.request("server/discover", json!({"_meta": meta()}));
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete", "{answer}");
    assert!(result["ttlMs"].as_u64().unwrap() > 0 && result["cacheScope"] == "public", "{answer}");
    assert!(result["instructions"].as_str().unwrap().contains("parquet_query_datasets"));
    let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!((&server["name"], &server["title"]), (&json!("cidlake"), &json!("cidlake")));
    assert_eq!(client.close(), "", "nothing but the protocol is written");
    assert_eq!(place.start(&[]).close(), "");
}

#[test]
fn both_eras_are_served() {
    let place = Place::new();
    let mut newer = place.start(&["--allow-write"]);
    let list = newer.request("tools/list", json!({"_meta": meta()}));
    assert_eq!(names(&list["result"]["tools"]), TOOLS, "{list}");
    assert!(list["result"]["ttlMs"].as_u64().unwrap() > 0);
    let call = json!({"name": "cache_stats", "arguments": {}, "_meta": meta()});
    let answer = newer.request("tools/call", call);
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["success"], true);
    newer.close();

    let mut older = place.serve(&["--allow-write"]);
    let list = older.request("tools/list", json!({}));
    assert_eq!(names(&list["result"]["tools"]), TOOLS, "{list}");
    for tool in list["result"]["tools"].as_array().unwrap() {
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
        assert!(tool["title"].is_string() && tool["annotations"]["readOnlyHint"].is_boolean());
    }
    older.close();
}

#[test]
fn readers_are_not_offered_what_writes() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let list = client.request("tools/list", json!({}));
    let offered = names(&list["result"]["tools"]);
    assert_eq!(offered.len(), 11);
    for (tool, arguments) in [
        ("ipfs_add", json!({"content": "x"})),
        ("parquet_store_dataframe", json!({"data": "[]", "format": "json"})),
    ] {
        assert!(!offered.iter().any(|name| name == tool));
        let (failed, answer) = client.call(tool, arguments);
        assert!(failed && answer["hint"].as_str().unwrap().contains("--allow-write"), "{answer}");
    }
    let health = client.good("system_health", json!({}));
    assert_eq!(health["health"]["writes_allowed"], false);
    client.close();
}

#[test]
fn what_is_not_there_is_an_error_of_the_protocol() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let table = [
        ("tools/call", json!({"name": "vfs_init", "arguments": {}}), "Unknown tool: vfs_init"),
        ("tools/call", json!({"name": "VFS_LS", "arguments": {}}), "Unknown tool: VFS_LS"),
        ("prompts/get", json!({"name": "nosuch"}), "Unknown prompt: nosuch"),
        ("prompts/get", json!({"name": "write_sql"}), "the prompt needs the text question"),
        ("resources/read", json!({"uri": "file:///etc/passwd"}), "file:///etc/passwd is not"),
        ("resources/list", json!({"cursor": "x"}), "the cursor is none of ours"),
    ];
    for (method, params, expected) in table {
        let answer = client.request(method, params);
        assert!(answer["result"].is_null() && answer["error"]["code"].is_i64(), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(expected), "{message}");
    }
    let absent = json!({"uri": "cidlake:///datasets/nosuch"});
    let answer = client.request("resources/read", absent);
    assert_eq!(answer["error"]["data"]["uri"], "cidlake:///datasets/nosuch", "{answer}");
    client.close();
}

#[test]
fn prompts_say_what_the_lake_knows() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let list = client.request("prompts/list", json!({}));
    let prompts = names(&list["result"]["prompts"]);
    assert_eq!(prompts, ["explore_dataset", "profile_dataset", "write_sql"]);
    for prompt in prompts {
        let arguments = match prompt.as_str() {
            "write_sql" => json!({"question": "who scored most?"}),
            _ => json!({"name": "seed"}),
        };
        let answer = client.request("prompts/get", json!({"name": prompt, "arguments": arguments}));
        let text = answer["result"]["messages"][0]["content"]["text"].as_str().unwrap();
        for known in ["Table seed, 3 rows", "- score Float64, 1.5 to 2.25, 1 null"] {
            assert!(text.contains(known), "{prompt}: {text}");
        }
    }
    client.close();
}

#[test]
fn datasets_are_resources() {
    let place = Place::new();
    let mut client = place.serve(&[]);
    let list = client.request("resources/list", json!({}));
    let uri = "cidlake:///datasets/seed";
    assert_eq!(list["result"]["resources"][0]["uri"], uri, "{list}");
    let templates = client.request("resources/templates/list", json!({}));
    let template = &templates["result"]["resourceTemplates"][0]["uriTemplate"];
    assert_eq!(template, "cidlake:///datasets/{name}");

    let answer = client.request("resources/read", json!({"uri": uri}));
    let text = answer["result"]["contents"][0]["text"].as_str().unwrap();
    let shown: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&shown["rows"], &shown["columns"][1]["name"]), (&json!(3), &json!("name")));
    assert_eq!(answer["result"]["cacheScope"], "private", "anybody may change a name: {answer}");

    let commit = shown["commit"].as_str().unwrap();
    let by_cid = json!({"uri": format!("cidlake:///datasets/{commit}")});
    let answer = client.request("resources/read", by_cid);
    assert_eq!(answer["result"]["cacheScope"], "public", "nobody can change a CID: {answer}");
    client.close();
}

#[test]
fn a_long_query_delays_nobody_and_can_be_stopped() {
    let place = Place::new();
    let mut client = place.serve(&["--allow-write"]);
    let rows: Value = (0..2_000).map(|n| json!({"n": n})).collect();
    client.store("numbers", &rows);
    // Eight thousand million rows: nobody waits for these.
    let sql = "SELECT sum(a.n * b.n + c.n) FROM numbers a, numbers b, numbers c";

    let late = json!({"sql": sql, "timeout_ms": 100});
    assert_eq!(client.bad("parquet_query_datasets", late), "unavailable");

    let call = json!({"name": "parquet_query_datasets", "arguments": {"sql": sql}});
    let slow = client.send("tools/call", call);
    let quick = client.send("tools/call", json!({"name": "cache_stats", "arguments": {}}));
    assert_eq!(client.read()["id"], quick);
    client.notify("notifications/cancelled", json!({"requestId": slow, "reason": "enough"}));
    client.good("wal_status", json!({}));
    client.close();
}
