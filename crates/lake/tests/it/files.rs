//! Files and folders: add, ls, cat.

use cidlake::{AddSource, ErrorKind, FileKind, Lake, no_progress};
use futures::TryStreamExt as _;

use crate::{Place, run};

async fn cat(lake: &Lake, target: &str, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    let stream = lake.cat(target, range).await.expect("a stream");
    let pieces: Vec<bytes::Bytes> = stream.try_collect().await.expect("every piece");
    pieces.concat()
}

#[test]
fn a_file_of_several_leaves_reads_back_whole_and_in_ranges() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let data: Vec<u8> =
            (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let path = place.path().join("data.bin");
        std::fs::write(&path, &data).unwrap();
        let added = lake.add(AddSource::Path(path.clone()), no_progress()).await.unwrap();
        assert_eq!(added.bytes, 5_000_000);
        assert!(added.cid.to_string().starts_with("bafybei"));
        let target = added.cid.to_string();
        assert_eq!(cat(&lake, &target, None).await, data);
        assert_eq!(
            cat(&lake, &target, Some(1_048_570..1_048_590)).await,
            data[1_048_570..1_048_590]
        );
        assert_eq!(cat(&lake, &target, Some(4_999_999..9_000_000)).await, data[4_999_999..]);
        let again = lake.add(AddSource::Path(path), no_progress()).await.unwrap();
        assert_eq!((again.cid, again.new_bytes), (added.cid, 0));
    });
}

#[test]
fn the_empty_file_and_a_small_one_have_their_well_known_cids() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let cases: [(&'static str, &str); 2] = [
            ("", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
            ("hello world", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
        ];
        for (content, cid) in cases {
            let source = AddSource::Bytes { label: "x".into(), data: content.into() };
            let added = lake.add(source, no_progress()).await.unwrap();
            assert_eq!(added.cid.to_string(), cid);
        }
    });
}

#[test]
fn a_folder_is_listed_and_walked_by_path() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let folder = place.path().join("folder");
        std::fs::create_dir_all(folder.join("deep/er")).unwrap();
        std::fs::write(folder.join("a.txt"), "a").unwrap();
        std::fs::write(folder.join(".hidden"), "h").unwrap();
        std::fs::write(folder.join("deep/er/b.txt"), "bb").unwrap();
        let added = lake.add(AddSource::Path(folder), no_progress()).await.unwrap();
        let root = added.cid.to_string();
        let listed: Vec<(String, FileKind, u64)> =
            lake.ls(&root).await.unwrap().into_iter().map(|e| (e.name, e.kind, e.size)).collect();
        assert_eq!(
            listed,
            [("a.txt".into(), FileKind::File, 1), ("deep".into(), FileKind::Directory, 0)]
        );
        assert_eq!(cat(&lake, &format!("/ipfs/{root}/deep/er/b.txt"), None).await, b"bb");
        let folder = lake.cat(&root, None).await.err().unwrap();
        assert_eq!(folder.kind(), ErrorKind::Invalid);
        let absent = lake.cat(&format!("{root}/no"), None).await.err().unwrap();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        assert_eq!(lake.cat("nonsense!", None).await.err().unwrap().kind(), ErrorKind::Usage);
    });
}
