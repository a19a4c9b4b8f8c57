//! History: versions found by number, time, commit and tag; the log; tags that go where the dataset
//! goes; old versions that become the newest.

use cidlake::{
    ErrorKind, FsckLevel, GcRequest, Keep, Lake, LogEnd, LogOptions, StoreMode, StoreRequest,
    TagRequest, no_progress,
};

use crate::{Place, get, metadata, named, run, store};

/// Makes so many versions of `t`, of one row each, and returns their commits, oldest first.
async fn grow(lake: &Lake, versions: u32) -> Vec<cidlake::Cid> {
    let mut commits = Vec::new();
    for number in 0..versions {
        commits.push(store(lake, "t", &format!("n\n{number}\n")).await.commit);
    }
    commits
}

fn tag(word: &str, version: &str) -> TagRequest {
    let version = (!version.is_empty()).then(|| version.to_owned());
    TagRequest { tag: word.to_owned(), version, force: false }
}

#[test]
fn versions_are_found_by_number_and_by_commit() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let commits = grow(&lake, 20).await;
        for (number, commit) in commits.iter().enumerate() {
            let back = commits.len() - 1 - number;
            assert_eq!(get(&lake, &format!("t~{back}")).await.unwrap(), number.to_string());
            assert_eq!(get(&lake, &format!("t@{commit}")).await.unwrap(), number.to_string());
        }
        assert_eq!(get(&lake, "t~20").await.unwrap_err().kind(), ErrorKind::NotFound);
        // A commit of another dataset is none of this one's.
        let other = store(&lake, "u", "n\n1\n").await.commit;
        let error = get(&lake, &format!("t@{other}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        // What has expired is refused by every way to it, before and after it is collected.
        lake.expire("t", Keep::parse("5").unwrap(), false).await.unwrap();
        for _ in 0..2 {
            assert_eq!(get(&lake, "t~4").await.unwrap(), "15");
            let old = commits[14];
            for reference in ["t~5".to_owned(), format!("t@{old}"), "t@2001-01-01".to_owned()] {
                let error = get(&lake, &reference).await.unwrap_err();
                assert!(error.to_string().contains("expired"), "{reference}: {error}");
            }
            lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        }
        // History goes on from the boundary.
        grow(&lake, 1).await;
        assert_eq!(get(&lake, "t~5").await.unwrap(), "15");
    });
}

#[test]
fn a_log_shows_pages_and_what_each_version_changed() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let mut commits = vec![store(&lake, "t", "n\n1\n2\n").await.commit];
        let append = StoreRequest {
            mode: StoreMode::Append,
            message: Some("one more".into()),
            metadata: metadata(&[("source", "b")]),
            ..named("t", "n\n3\n")
        };
        commits.push(lake.store(append, no_progress()).await.unwrap().commit);
        commits.push(store(&lake, "t", "n\n9\n").await.commit);
        lake.tag("t", tag("v1", "~1")).await.unwrap();

        let log = lake.log("t", LogOptions::default()).await.unwrap();
        assert_eq!((log.name.as_deref(), log.end), (Some("t"), LogEnd::First));
        let shown: Vec<_> = log
            .entries
            .iter()
            .map(|entry| (entry.commit, entry.depth, entry.back, entry.rows, entry.rows_before))
            .collect();
        let expected = [
            (commits[2], 2, Some(0), 1, Some(3)),
            (commits[1], 1, Some(1), 3, Some(2)),
            (commits[0], 0, Some(2), 2, None),
        ];
        assert_eq!(shown, expected);
        let append = &log.entries[1];
        assert_eq!(
            (append.operation.as_str(), append.message.as_deref()),
            ("append", Some("one more"))
        );
        assert!(append.metadata_changed && !log.entries[2].metadata_changed);
        assert_eq!((append.tags.clone(), append.parts), (vec!["v1".to_owned()], 2));

        // In pages, each of which says where the next begins.
        let page = |from: Option<String>| lake.log("t", LogOptions { limit: 1, from });
        let mut from = None;
        for (number, commit) in commits.iter().rev().enumerate() {
            let log = page(from).await.unwrap();
            assert_eq!((log.entries.len(), log.entries[0].commit), (1, *commit));
            from = match log.end {
                LogEnd::More(next) => Some(next.to_string()),
                end => {
                    assert_eq!((number, end), (2, LogEnd::First));
                    None
                }
            };
        }
        for from in ["~1", "@v1", "t~1", "t@v1"] {
            assert_eq!(
                page(Some(from.into())).await.unwrap().entries[0].commit,
                commits[1],
                "{from}"
            );
        }
        let other = page(Some("u~1".into())).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Usage);

        lake.expire("t", Keep::parse("2").unwrap(), false).await.unwrap();
        let log = lake.log("t", LogOptions::default()).await.unwrap();
        assert_eq!((log.entries.len(), log.end), (2, LogEnd::Expired));
        assert_eq!(log.entries[1].rows_before, None);
    });
}

#[test]
fn a_tag_keeps_its_version_when_older_ones_expire() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let commits = grow(&lake, 6).await;
        let tagged = lake.tag("t", tag("good", "~3")).await.unwrap();
        assert_eq!((tagged.commit, tagged.before, tagged.unchanged), (commits[2], None, false));
        assert!(lake.tag("t", tag("good", "t~3")).await.unwrap().unchanged);
        let taken = lake.tag("t", tag("good", "")).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Conflict);

        let expired = lake.expire("t", Keep::parse("1").unwrap(), false).await.unwrap();
        assert_eq!((expired.versions_expired, expired.versions_tagged), (5, 1));
        lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        assert_eq!(get(&lake, "t@good").await.unwrap(), "2");
        assert_eq!(get(&lake, "t~3").await.unwrap_err().kind(), ErrorKind::NotFound);
        let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
        assert_eq!(report.damage.len(), 0, "{report:?}");
        // It is not in the history of the newest any more, and its own log has it alone.
        let options = LogOptions { from: Some("@good".into()), ..LogOptions::default() };
        let log = lake.log("t", options).await.unwrap();
        assert_eq!((log.entries.len(), log.end), (1, LogEnd::Expired));

        let restored = lake.restore("t", "@good", None).await.unwrap();
        assert_eq!((restored.from, restored.rows), (commits[2], 1));
        assert_eq!(get(&lake, "t").await.unwrap(), "2");
        let force = TagRequest { force: true, ..tag("good", "") };
        let moved = lake.tag("t", force).await.unwrap();
        assert_eq!((moved.commit, moved.before), (restored.commit, Some(commits[2])));
        assert_eq!(lake.untag("t", "good").await.unwrap().commit, restored.commit);
        assert_eq!(lake.untag("t", "good").await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn tags_go_where_their_dataset_goes() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        grow(&lake, 3).await;
        lake.tag("t", tag("v1", "~2")).await.unwrap();
        lake.tag("t", tag("v2", "~1")).await.unwrap();
        let renamed = lake.rename("t", "s.t").await.unwrap();
        assert_eq!(renamed.tags, ["v1", "v2"]);
        assert_eq!(get(&lake, "s.t@v1").await.unwrap(), "0");
        assert_eq!(lake.tags("t").await.unwrap_err().kind(), ErrorKind::NotFound);
        lake.close().await.unwrap();
        drop(lake);

        // Also through a checkpoint, and for another process.
        let lake = place.open().await;
        let tags = lake.tags("s.t").await.unwrap();
        let words: Vec<&str> = tags.iter().map(|tag| tag.tag.as_str()).collect();
        assert_eq!((words, tags[0].rows), (vec!["v1", "v2"], Some(1)));
        assert_eq!(lake.drop_dataset("s.t").await.unwrap().tags, ["v1", "v2"]);
        store(&lake, "s.t", "n\n7\n").await;
        assert!(lake.tags("s.t").await.unwrap().is_empty());
    });
}

#[test]
fn a_restored_version_has_the_content_of_the_old_one() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let first =
            StoreRequest { metadata: metadata(&[("source", "a")]), ..named("t", "n\n1\n2\n") };
        let first = lake.store(first, no_progress()).await.unwrap();
        store(&lake, "t", "a,b\nx,2\n").await;
        let restored = lake.restore("t", "~1", Some("back".into())).await.unwrap();
        assert_eq!((restored.cid, restored.from), (first.cid, first.commit));
        assert_eq!((restored.rows, restored.rows_before, restored.unchanged), (2, 1, false));
        let shown = lake.show("t").await.unwrap();
        assert_eq!(
            (shown.operation.as_deref(), shown.message.as_deref()),
            (Some("restore"), Some("back"))
        );
        assert_eq!(shown.metadata, metadata(&[("source", "a")]));
        assert_eq!(get(&lake, "t").await.unwrap(), "1;2");
        assert_eq!(get(&lake, "t~1").await.unwrap(), "x,2");
        // What is the newest already is nothing new.
        let again = lake.restore("t", &first.commit.to_string(), None).await.unwrap();
        assert_eq!((again.unchanged, again.commit), (true, restored.commit));
        for (version, kind) in [
            ("~9", ErrorKind::NotFound),
            ("@nosuch", ErrorKind::NotFound),
            ("u~1", ErrorKind::Usage),
            ("not a version", ErrorKind::Usage),
        ] {
            let error = lake.restore("t", version, None).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{version}: {error}");
        }
        assert_eq!(lake.restore("u", "~1", None).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn an_archive_of_a_history_has_its_jumps() {
    run(async {
        let place = Place::new();
        let lake = place.open().await;
        let commits = grow(&lake, 20).await;
        lake.expire("t", Keep::parse("12").unwrap(), false).await.unwrap();
        let car = place.path().join("t.car");
        lake.export("t", car.clone(), true, no_progress()).await.unwrap();

        let other = Place::new();
        let lake = other.open().await;
        lake.import(car, Some("t".into()), no_progress()).await.unwrap();
        // The first of these versions jump to some that are not in the archive.
        for back in 0..12_usize {
            let expected = (19 - back).to_string();
            assert_eq!(get(&lake, &format!("t~{back}")).await.unwrap(), expected);
            let commit = commits[19 - back];
            assert_eq!(get(&lake, &format!("t@{commit}")).await.unwrap(), expected);
        }
        let error = get(&lake, "t~12").await.unwrap_err();
        assert!(error.hint().unwrap().contains("not in this lake"), "{error}");
        let log = lake.log("t", LogOptions { limit: 99, from: None }).await.unwrap();
        assert_eq!((log.entries.len(), log.end), (12, LogEnd::Missing));
        lake.gc(GcRequest::default(), no_progress()).await.unwrap();
        let report = lake.fsck(FsckLevel::Full, no_progress()).await.unwrap();
        assert_eq!(report.damage.len(), 0, "{report:?}");
        // And goes on.
        grow(&lake, 3).await;
        assert_eq!(get(&lake, "t~14").await.unwrap(), "8");
    });
}
