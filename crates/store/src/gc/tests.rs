//! Tests of collections in a store whose packs are not what the log says.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::disk::MemDisk;
use crate::fsck::DamageKind;
use crate::log::Extent;
use crate::pack::PackId;
use crate::store::{Options, Store};

struct Nothing;

impl Liveness for Nothing {
    type Error = StoreError;

    fn update(&mut self, _: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_live(&self, _: &Cid) -> bool {
        false
    }
}

#[test]
fn a_pack_that_is_gone_may_be_announced_shorter_than_its_head() {
    let options = Options { create: true, ..Options::default() };
    let store = Store::open(Arc::new(MemDisk::new()), Path::new("/lake"), options).unwrap();
    let pack = PackId::parse_file_name(&format!("{}.car", "07".repeat(16))).unwrap();
    let extent = Extent { pack, len: 10, prefix_crc: 0 };
    store.parts().packs.announce(&[extent]);
    let hold = store.hold().unwrap();
    let report = store.gc(&hold, &mut Nothing, GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((report.packs_seen, report.packs_retired, report.bytes_dead), (1, 0, 0));
    assert_eq!(report.damaged[0].kind, DamageKind::Pack);
}
