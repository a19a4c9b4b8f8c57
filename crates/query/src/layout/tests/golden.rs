//! The profile's golden parts: the bytes that rows become, on every machine and in every release.
//! A change here is a new profile with a new name.
//!
//! `fixtures/layout/types.parquet` is the part of one small table with a column of every type;
//! `fixtures/layout/cids.txt` has the CIDs of parts and tables, a name and a CID a line. Where
//! `CIDLAKE_BLESS` is set both are written anew.

use super::profile::table;
use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/layout/");

fn part_of(batch: &RecordBatch) -> EncodedPart {
    encode_part(&whole(batch), 2).unwrap()
}

/// Names with the CIDs that the profile gives them.
fn cids() -> Vec<(String, String)> {
    let mut named = Vec::new();
    let types = batch_of(all_columns());
    for (name, array) in all_columns() {
        named.push((format!("type {name}"), part_of(&batch_of(vec![(name, array)])).part.cid));
    }
    named.push(("all types".to_owned(), part_of(&types).part.cid));
    named.push(("no rows".to_owned(), part_of(&types.slice(0, 0)).part.cid));
    let large = table(0..200_000);
    named.push(("200,000 rows in one part".to_owned(), part_of(&large).part.cid));
    let mut cutter = RowGroups::small(&large.schema(), CutRule::default(), 400_000).unwrap();
    let mut groups = cutter.push(large.clone()).unwrap();
    groups.extend(cutter.finish().unwrap());
    let parts: Vec<Part> = groups.iter().map(|group| encode_part(group, 2).unwrap().part).collect();
    named.push((format!("in {} parts", parts.len()), content_root(&parts).unwrap().root));
    let digest = whole(&large).hash.digest(&large.schema());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut named: Vec<(String, String)> =
        named.into_iter().map(|(name, cid)| (name, cid.to_string())).collect();
    named.push(("logical hash".to_owned(), digest));
    named
}

#[test]
fn golden_parts_do_not_change() {
    let file = file_of(&part_of(&batch_of(all_columns())));
    let lines: String = cids().iter().map(|(name, cid)| format!("{name}: {cid}\n")).collect();
    if std::env::var_os("CIDLAKE_BLESS").is_some() {
        std::fs::create_dir_all(FOLDER).unwrap();
        std::fs::write(format!("{FOLDER}types.parquet"), &file).unwrap();
        std::fs::write(format!("{FOLDER}cids.txt"), &lines).unwrap();
    }
    let golden = std::fs::read_to_string(format!("{FOLDER}cids.txt")).unwrap();
    for (made, golden) in lines.lines().zip(golden.lines()) {
        assert_eq!(made, golden, "the bytes of profile {PROFILE} must not change");
    }
    assert_eq!(lines.lines().count(), golden.lines().count());
    assert!(file == std::fs::read(format!("{FOLDER}types.parquet")).unwrap());
}
