//! Tests of which packs a set knows.

use super::*;
use crate::disk::MemDisk;

#[test]
fn a_pack_is_known_once() {
    let packs = PackSet::new(Arc::new(MemDisk::new()), PathBuf::from("/lake/packs"));
    let id = PackId::derive([7; 16], 0);
    let pack = || Arc::new(Pack::new(id, &packs.folder, Index::Open(OpenIndex::default())));
    let first = pack();
    assert!(packs.add(Arc::clone(&first)));
    assert!(!packs.add(pack()));
    assert!(matches!(&packs.all()[..], [known] if Arc::ptr_eq(known, &first)));
}
