//! Tests of names: what is one, what is none, and which remedy each mistake is told.

use super::*;

fn parse(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn good_names_keep_their_parts() {
    let longest = "a".repeat(64);
    let both = format!("{longest}.{longest}");
    for (text, namespace, table, shown) in [
        ("users", "main", "users", "users"),
        ("main.users", "main", "users", "users"),
        ("sales.orders", "sales", "orders", "sales.orders"),
        ("_x-1.y_2", "_x-1", "y_2", "_x-1.y_2"),
        ("main", "main", "main", "main"),
        ("dataset", "main", "dataset", "dataset"),
        ("systems.datasets2", "systems", "datasets2", "systems.datasets2"),
        ("ba", "main", "ba", "ba"),
        ("bad", "main", "bad", "bad"),
        ("a", "main", "a", "a"),
        (&longest, "main", &longest, &longest),
        (&both, &longest, &longest, &both),
    ] {
        let name = parse(text);
        assert_eq!((name.namespace(), name.table()), (namespace, table), "{text}");
        assert_eq!(name.to_string(), shown);
        assert_eq!(name.full(), format!("{namespace}.{table}"));
        assert_eq!(parse(&name.to_string()), name);
        assert_eq!(parse(&name.full()), name);
    }
}

#[test]
fn bad_names_say_why() {
    use NamePart::{Namespace, Table};
    let bad = |part, character, position| NameError::BadCharacter { part, character, position };
    let long = "a".repeat(65);
    for (text, error) in [
        ("", NameError::Empty { part: Table }),
        (".users", NameError::Empty { part: Namespace }),
        ("sales.", NameError::Empty { part: Table }),
        (".", NameError::Empty { part: Namespace }),
        ("a.b.c", NameError::TooManyParts { parts: 3 }),
        ("../../x", NameError::TooManyParts { parts: 5 }),
        ("..", NameError::TooManyParts { parts: 3 }),
        ("a/b", bad(Table, '/', 2)),
        ("sales.a\\b", bad(Table, '\\', 2)),
        ("us\0ers", bad(Table, '\0', 3)),
        ("users ", bad(Table, ' ', 6)),
        ("größe", bad(Table, 'ö', 3)),
        ("ｕsers", bad(Table, 'ｕ', 1)),
        ("sa%les.orders", bad(Namespace, '%', 3)),
        ("users@x", bad(Table, '@', 6)),
        ("users~1", bad(Table, '~', 6)),
        ("1users", NameError::BadStart { part: Table, character: '1' }),
        ("-users", NameError::BadStart { part: Table, character: '-' }),
        (&long, NameError::TooLong { part: Table, bytes: 65 }),
        (&format!("{long}.x"), NameError::TooLong { part: Namespace, bytes: 65 }),
        ("datasets", NameError::Reserved { part: Table, word: "datasets" }),
        ("DataSets", NameError::Reserved { part: Table, word: "datasets" }),
        ("sales.datasets", NameError::Reserved { part: Table, word: "datasets" }),
        ("system.x", NameError::Reserved { part: Namespace, word: "system" }),
        ("information_schema", NameError::Reserved { part: Table, word: "information_schema" }),
        ("baf", NameError::LikeCid { part: Table }),
        ("bafkreigh2akiscaildc", NameError::LikeCid { part: Table }),
        ("BAFKREI", NameError::LikeCid { part: Table }),
        ("baffle.x", NameError::LikeCid { part: Namespace }),
        ("f01550000", NameError::LikeCid { part: Table }),
        ("Users", NameError::UpperCase { lower: "users".to_owned() }),
        ("SALES.Orders", NameError::UpperCase { lower: "sales.orders".to_owned() }),
    ] {
        assert_eq!(Name::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn an_upper_case_name_is_told_its_lower_case() {
    let error = Name::parse("Sales.Orders").unwrap_err().to_string();
    assert_eq!(error, "names are lower case, as SQL folds them: write sales.orders");
}

#[test]
fn no_cid_is_a_name() {
    use cidlake_block::{Base, Codec, cid_of, format_cid};
    for codec in [Codec::Raw, Codec::DagPb, Codec::DagCbor] {
        for base in [Base::B32, Base::B36, Base::B58] {
            let text = format_cid(&cid_of(codec, b"rows"), base).unwrap();
            assert!(Name::parse(&text).is_err(), "{text}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn parsing_never_panics_and_round_trips(text in "\\PC{0,80}|[a-zA-Z0-9_.-]{0,140}") {
        if let Ok(name) = Name::parse(&text) {
            proptest::prop_assert_eq!(Name::parse(&name.to_string()), Ok(name));
        }
    }
}
