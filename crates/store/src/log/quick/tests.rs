//! The quick reading against the strict one.

use cidlake_block::parse_cid;
use proptest::prelude::*;

use super::*;
use crate::log::record::{Draft, strict};

fn drafts() -> impl Strategy<Value = Draft> {
    let cid = prop::sample::select(vec![
        "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
        "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        "bafkqaaa",
    ])
    .prop_map(|text| parse_cid(text).unwrap());
    let name = prop::option::of("[a-zé]{0,300}");
    let extent = (any::<u128>(), any::<u64>(), any::<u32>(), 0_u32..64, 0_u32..32).prop_map(
        |(pack, len, crc, fewer, less)| Extent {
            pack: PackId::parse(&format!("{pack:032x}")).unwrap(),
            len: len >> fewer,
            prefix_crc: crc >> less,
        },
    );
    (cid, name, 0..4, prop::collection::vec(extent, 0..30)).prop_map(
        |(cid, name, kind, extents)| {
            let body = match kind {
                0 => Body::Nothing,
                1 => Body::Payload(Payload::Delta { delta: cid }),
                2 => Body::Payload(Payload::Pin { cid, name }),
                _ => Body::Payload(Payload::Unpin { cid }),
            };
            Draft::new(&body, &extents, false).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_without_the_strict_decoder(draft in drafts()) {
        let quick = decode(draft.kind, &draft.payload);
        prop_assert!(quick.is_some());
        prop_assert_eq!(quick, strict(draft.kind, &draft.payload).ok());
    }

    #[test]
    fn nothing_is_read_that_the_strict_decoder_refuses(
        draft in drafts(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        change in 0..3,
    ) {
        let mut payload = draft.payload.to_vec();
        let at = at.index(payload.len());
        match change {
            0 => payload[at] = byte,
            1 => payload.insert(at, byte),
            _ => drop(payload.remove(at)),
        }
        let payload = Bytes::from(payload);
        if let Some(quick) = decode(draft.kind, &payload) {
            prop_assert_eq!(Some(quick), strict(draft.kind, &payload).ok());
        }
    }
}
