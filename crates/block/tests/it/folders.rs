//! Folders, plain and sharded.

use cidlake_block::unixfs::{
    Dag, Entry, Kind, UnixFsError, directory, kind, link_target, list, resolve, symlink,
};
use cidlake_block::{Block, Blocks, Codec, MemBlocks};

use crate::ready;

fn entries(count: usize) -> (Vec<Entry>, Vec<Block>) {
    let made = (0..count).map(|index| {
        let block = Block::new(Codec::Raw, format!("content {index}").into());
        let tsize = block.len() as u64;
        (Entry { name: format!("name-{index:05}"), cid: *block.cid(), tsize }, block)
    });
    made.unzip()
}

fn stored(count: usize) -> (MemBlocks, Dag, Vec<Entry>) {
    let (entries, leaves) = entries(count);
    let dag = directory(entries.iter().rev().cloned().collect()).unwrap();
    let blocks = MemBlocks::new();
    ready(blocks.put_many(leaves)).unwrap();
    ready(blocks.put_many(dag.nodes.clone())).unwrap();
    (blocks, dag, entries)
}

#[test]
fn folders_of_every_size_list_and_resolve() {
    for count in [0, 1, 3, 1000, 6000, 20_000] {
        let (blocks, dag, entries) = stored(count);
        assert_eq!(dag.nodes.len() > 1, count >= 6000, "{count} entries");
        assert_eq!(ready(list(&blocks, &dag.root)).unwrap(), entries);
        assert_eq!(ready(kind(&blocks, &dag.root)).unwrap(), Kind::Directory);
        for entry in entries.iter().step_by(97) {
            assert_eq!(ready(resolve(&blocks, &dag.root, &entry.name)).unwrap(), entry.cid);
        }
        let absent = ready(resolve(&blocks, &dag.root, "absent")).unwrap_err();
        assert!(matches!(absent, UnixFsError::PathNotFound { .. }), "{absent}");
    }
}

#[test]
fn paths_lead_through_folders_and_not_through_files() {
    let (blocks, inner, entries) = stored(2);
    let outer = vec![Entry { name: "inner".into(), cid: inner.root, tsize: inner.tsize }];
    let outer = directory(outer).unwrap();
    ready(blocks.put_many(outer.nodes)).unwrap();
    let found = ready(resolve(&blocks, &outer.root, "/inner/name-00001/")).unwrap();
    assert_eq!(found, entries[1].cid);
    assert_eq!(ready(resolve(&blocks, &outer.root, "")).unwrap(), outer.root);
    let through = ready(resolve(&blocks, &outer.root, "inner/name-00001/x")).unwrap_err();
    assert!(matches!(through, UnixFsError::NotADirectory { .. }), "{through}");
}

#[test]
fn names_that_cannot_stand_in_a_folder_are_refused() {
    let (entries, _) = entries(1);
    let named = |name: &str| Entry { name: name.into(), ..entries[0].clone() };
    for names in [vec![""], vec!["a/b"], vec!["x", "y", "x"]] {
        let refused = directory(names.iter().map(|name| named(name)).collect());
        assert!(matches!(refused, Err(UnixFsError::BadName { .. })), "{names:?}");
    }
}

#[test]
fn symbolic_links_keep_their_target() {
    let link = symlink("../elsewhere/x");
    // 0a 12 { 08 04, 12 0e "../elsewhere/x" }: type 4 and the target as data, no size.
    assert_eq!(&link.nodes[0].data()[..], b"\x0a\x12\x08\x04\x12\x0e../elsewhere/x");
    let blocks = MemBlocks::new();
    ready(blocks.put_many(link.nodes)).unwrap();
    assert_eq!(ready(kind(&blocks, &link.root)).unwrap(), Kind::Symlink);
    assert_eq!(ready(link_target(&blocks, &link.root)).unwrap(), "../elsewhere/x");
    let (blocks, folder, _) = stored(1);
    assert!(ready(link_target(&blocks, &folder.root)).is_err());
}
