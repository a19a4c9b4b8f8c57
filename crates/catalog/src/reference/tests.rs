//! Tests of references.

use cidlake_block::{Base, Codec, cid_of, format_cid};

use super::*;

fn dataset(name: &str, at: At) -> Reference {
    Reference::Dataset { name: Name::parse(name).unwrap(), at }
}

#[test]
fn each_form_is_understood() {
    let cid = cid_of(Codec::DagCbor, b"a commit");
    for (text, expected) in [
        ("users".to_owned(), dataset("users", At::Head)),
        ("sales.orders".to_owned(), dataset("sales.orders", At::Head)),
        ("users~0".to_owned(), dataset("users", At::Back(0))),
        ("sales.orders~2".to_owned(), dataset("sales.orders", At::Back(2))),
        ("users~4294967295".to_owned(), dataset("users", At::Back(u32::MAX))),
        (format!("users@{cid}"), dataset("users", At::Commit(cid))),
        ("users@2026-01-31".to_owned(), dataset("users", At::Time { unix_ms: 1_769_817_600_000 })),
        (
            "a.b@2026-01-31T14:00:00.250+02:00".to_owned(),
            dataset("a.b", At::Time { unix_ms: 1_769_860_800_250 }),
        ),
        ("users@v1.2".to_owned(), dataset("users", At::Tag(Tag::parse("v1.2").unwrap()))),
        ("users@main".to_owned(), dataset("users", At::Tag(Tag::parse("main").unwrap()))),
        (cid.to_string(), Reference::Cid(cid)),
        (format!("/ipfs/{cid}"), Reference::Cid(cid)),
        (format!("ipfs://{cid}"), Reference::Cid(cid)),
    ] {
        assert_eq!(Reference::parse(&text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_cid_is_one_in_every_base() {
    for codec in [Codec::Raw, Codec::DagPb, Codec::DagCbor] {
        let cid = cid_of(codec, b"rows");
        for base in [Base::B32, Base::B36, Base::B58] {
            let text = format_cid(&cid, base).unwrap();
            assert_eq!(Reference::parse(&text).unwrap(), Reference::Cid(cid), "{text}");
            let version = format!("users@{text}");
            assert_eq!(Reference::parse(&version).unwrap(), dataset("users", At::Commit(cid)));
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let cid = cid_of(Codec::DagCbor, b"a commit");
    let check = |text: &str, right: fn(&ReferenceError) -> bool| {
        let error = Reference::parse(text).unwrap_err();
        assert!(right(&error), "{text:?}: {error:?}");
    };
    for text in ["", "Users", "../../x", "a.b.c", "@2026-01-31", "~1", "us ers@2026-01-31", "1x"] {
        check(text, |error| matches!(error, ReferenceError::Name(_)));
    }
    for text in ["bafkreinonsense", "/ipfs/", "ipfs://users", "Qmnonsense", "users@bafy", "a@Qmx"] {
        check(text, |error| matches!(error, ReferenceError::Cid(_)));
    }
    for text in ["users@Main", "a@@b", "users@head", "users@v1~2", "users@v 1", "users@-"] {
        check(text, |error| matches!(error, ReferenceError::Tag(_)));
    }
    for text in
        ["users@2026", "users@2026-02-30", "users@2026-01-31T12:00:00", "users@2026-01-31~2"]
    {
        check(text, |error| matches!(error, ReferenceError::Time(_)));
    }
    for text in ["users~", "users~x", "users~-1", "users~+1", "users~ 1", "users~4294967296"] {
        check(text, |error| matches!(error, ReferenceError::BadCount { .. }));
    }
    check("users~1@2026-01-31", |error| matches!(error, ReferenceError::BadCount { .. }));
    check("users@", |error| matches!(error, ReferenceError::NoVersion));
    check(&format!("{cid}~1"), |error| matches!(error, ReferenceError::VersionOfCid));
    check(&format!("{cid}@{cid}"), |error| matches!(error, ReferenceError::VersionOfCid));
    check(&"x".repeat(1_025), |error| matches!(error, ReferenceError::TooLong { bytes: 1_025 }));
}

proptest::proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,60}|[a-z.]{1,9}[@~]\\PC{0,40}") {
        drop(Reference::parse(&text));
    }
}
