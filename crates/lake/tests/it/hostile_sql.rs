//! Statements that mean harm: each is refused and says why, or is stopped within its bounds, and
//! the lake goes on. What honest statements answer is in the files of `tests/slt`.

mod open;
mod shape;
mod size;
mod time;

use cidlake::{Error, ErrorKind, Lake, Open, Settings, SqlOptions};

use crate::{Place, store, text};

/// Working memory of all statements: little, so that it is used up soon.
const MEMORY_BYTES: usize = 64 << 20;
/// Time of one statement.
const TIMEOUT_MS: u64 = 500;
/// Time of one that is honest work, and much of it.
const PATIENCE_MS: u64 = 60_000;
/// What no answer and no error may show.
const SECRET: &str = "hush-hush-4711";

/// A lake with the datasets `t` of three rows and `many` of 20 000, beside a file that is none of
/// its business.
struct Target {
    place: Place,
    lake: Lake,
}

impl Target {
    async fn new() -> Self {
        Self::with_time(TIMEOUT_MS).await
    }

    async fn patient() -> Self {
        Self::with_time(PATIENCE_MS).await
    }

    async fn with_time(query_timeout_ms: u64) -> Self {
        let place = Place::new();
        let settings =
            Settings { memory_bytes_max: MEMORY_BYTES, query_timeout_ms, ..place.settings() };
        let lake = Lake::open(settings, Open::Create).await.unwrap();
        store(&lake, "t", "n,s\n1,a\n2,b\n3,c\n").await;
        let numbers: String = (0..20_000).map(|number| format!("{number},1\n")).collect();
        store(&lake, "many", &format!("n,k\n{numbers}")).await;
        std::fs::write(place.path().join("secret.csv"), format!("a\n{SECRET}\n")).unwrap();
        Self { place, lake }
    }

    fn path(&self, file: &str) -> String {
        self.place.path().join(file).display().to_string()
    }

    /// Runs a statement that may write, so that nothing but the statement itself is refused.
    async fn ask(&self, sql: &str) -> Result<String, Error> {
        let options = SqlOptions { write: true, ..SqlOptions::default() };
        let rows = self.lake.sql(sql, options).await?;
        Ok(text(&rows.collect().await?))
    }

    /// Runs a statement that must fail in one of several ways, and a plain one after it.
    async fn refused(&self, sql: &str, kinds: &[ErrorKind]) -> Error {
        let said = beginning(sql);
        let error = match self.ask(sql).await {
            Ok(answer) => panic!("{said} gave {}", beginning(&answer)),
            Err(error) => error,
        };
        assert!(kinds.contains(&error.kind()), "{said}: {:?}, {error}", error.kind());
        let told = format!("{error} {error:?}");
        assert!(!told.contains(SECRET), "{said}: {told}");
        assert!(!told.trim().is_empty() && !told.contains("panicked"), "{said}: {told}");
        self.goes_on(sql).await;
        error
    }

    /// Runs a statement that may be answered or refused, but not by a defect.
    async fn bounded(&self, sql: &str) {
        if let Err(error) = self.ask(sql).await {
            let kinds = [ErrorKind::Invalid, ErrorKind::Unavailable];
            assert!(
                kinds.contains(&error.kind()),
                "{}: {:?}, {error}",
                beginning(sql),
                error.kind()
            );
        }
        self.goes_on(sql).await;
    }

    /// The lake answers as before, and nothing has been written.
    async fn goes_on(&self, after: &str) {
        let plain =
            "SELECT sum(n), count(*), (SELECT count(*) FROM history('t')) AS versions FROM t";
        assert_eq!(self.ask(plain).await.unwrap(), "6,3,1", "after {}", beginning(after));
        let names = "SELECT name FROM datasets ORDER BY name";
        assert_eq!(self.ask(names).await.unwrap(), "many;t");
    }
}

/// The beginning of a text that may be megabytes long.
fn beginning(text: &str) -> String {
    text.chars().take(120).collect()
}
