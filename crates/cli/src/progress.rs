//! Progress of long work, drawn on standard error: on a terminal only, and never when asked for
//! quiet or in continuous integration.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cidlake::{Progress, ProgressEvent, Unit, no_progress};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::output::plural;

/// What a sign of life looks like.
const SPINNER: &str = "{spinner} {msg}";

/// One bar on standard error, taken away when this is dropped.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    what: String,
}

/// What the bar looks like depends on these; set again only when they change.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    phase: &'static str,
    unit: Unit,
    total: bool,
}

impl Meter {
    /// Makes a bar; one that is not `visible` draws nothing. `what` stands behind the phase and
    /// says what is stored, checked and so on; it may be empty.
    pub(crate) fn new(visible: bool, what: &str) -> Self {
        let bar = visible.then(ProgressBar::no_length);
        Self { bar, what: what.to_owned() }
    }

    /// Returns a listener that moves the bar.
    pub(crate) fn listener(&self) -> Progress {
        let Some(bar) = self.bar.clone() else {
            return no_progress();
        };
        let what = self.what.clone();
        // Held for as long as a comparison takes; listeners are called from worker threads.
        let look = Mutex::new(None);
        Arc::new(move |event: ProgressEvent| {
            let wanted =
                Look { phase: event.phase, unit: event.unit, total: event.total.is_some() };
            let mut look = look.lock().unwrap_or_else(PoisonError::into_inner);
            if look.replace(wanted) != Some(wanted) {
                bar.set_style(style(wanted));
                bar.set_message(format!("{} {what}", wanted.phase).trim_end().to_owned());
            }
            drop(look);
            if let Some(total) = event.total {
                bar.set_length(total);
            }
            bar.set_position(event.done);
        })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(look: Look) -> ProgressStyle {
    // The templates are tested to be good; a plain bar is no reason to fail work.
    ProgressStyle::with_template(template(look))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn template(look: Look) -> &'static str {
    match (look.unit, look.total) {
        (Unit::Bytes, true) => {
            "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
        }
        (Unit::Bytes, false) => "{spinner} {msg} {binary_bytes} {binary_bytes_per_sec}",
        (Unit::Rows, true) => "{msg} [{bar:30}] {human_pos}/{human_len} rows {eta}",
        (Unit::Rows, false) => "{spinner} {msg} {human_pos} rows {per_sec}",
        (Unit::Blocks, true) => "{msg} [{bar:30}] {human_pos}/{human_len} blocks {eta}",
        (Unit::Blocks, false) => "{spinner} {msg} {human_pos} blocks {per_sec}",
    }
}

/// A sign of life of a statement, of which nobody knows how long it takes: what it has taken, and how
/// many rows there are so far. Drawn from the first tick on.
pub(crate) struct Spinner {
    visible: bool,
    started: Instant,
    rows: AtomicU64,
    /// Held while the bar is drawn or taken away, so that it is not drawn into an answer.
    shown: Mutex<Shown>,
}

enum Shown {
    NotYet,
    Bar(ProgressBar),
    NoMore,
}

impl Spinner {
    /// Begins to count the time; one that is not `visible` draws nothing.
    pub(crate) fn new(visible: bool) -> Arc<Self> {
        let shown = Mutex::new(Shown::NotYet);
        Arc::new(Self { visible, started: Instant::now(), rows: AtomicU64::new(0), shown })
    }

    /// Says how many rows there are so far.
    pub(crate) fn rows(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
    }

    /// Draws it as it is now.
    pub(crate) fn tick(&self) {
        if !self.visible {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*shown, Shown::NotYet) {
            let style = ProgressStyle::with_template(SPINNER);
            // The template is tested to be good, as the others are.
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            *shown = Shown::Bar(ProgressBar::no_length().with_style(style));
        }
        if let Shown::Bar(bar) = &*shown {
            let rows = plural(self.rows.load(Ordering::Relaxed), "row");
            let seconds = self.started.elapsed().as_secs();
            bar.set_message(format!("{seconds} s, {rows} so far (Ctrl-C stops)"));
            bar.tick();
        }
    }

    /// Takes it away for good.
    pub(crate) fn clear(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Shown::Bar(bar) = std::mem::replace(&mut *shown, Shown::NoMore) {
            bar.finish_and_clear();
        }
    }

    /// Returns `out` so that this is gone before anything is written to it.
    pub(crate) fn before<W: Write>(self: &Arc<Self>, out: W) -> impl Write + use<W> {
        Behind { spinner: Arc::clone(self), out }
    }
}

/// A sink that is written to when the spinner is gone.
struct Behind<W> {
    spinner: Arc<Spinner>,
    out: W,
}

impl<W: Write> Write for Behind<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spinner.clear();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use cidlake::{ProgressEvent, Unit};
    use indicatif::ProgressStyle;

    use super::{Look, Meter, SPINNER, Shown, Spinner, template};

    #[test]
    fn a_spinner_is_gone_before_the_answer_and_stays_away() {
        let spinner = Spinner::new(true);
        let shown = |wanted: fn(&Shown) -> bool| wanted(&spinner.shown.lock().unwrap());
        assert!(shown(|shown| matches!(shown, Shown::NotYet)));
        spinner.rows(3);
        spinner.tick();
        assert!(shown(
            |shown| matches!(shown, Shown::Bar(bar) if bar.message().contains("3 rows"))
        ));
        let mut out = Vec::new();
        spinner.before(&mut out).write_all(b"x").unwrap();
        spinner.tick();
        assert!(shown(|shown| matches!(shown, Shown::NoMore)));
        assert_eq!(out, b"x");
    }

    #[test]
    fn every_template_is_good() {
        for unit in [Unit::Bytes, Unit::Rows, Unit::Blocks] {
            for total in [false, true] {
                let text = template(Look { phase: "storing", unit, total });
                assert!(ProgressStyle::with_template(text).is_ok(), "{text}");
            }
        }
        assert!(ProgressStyle::with_template(SPINNER).is_ok());
    }

    #[test]
    fn a_bar_follows_its_events() {
        let meter = Meter::new(true, "lineitem");
        let listener = meter.listener();
        let bar = meter.bar.as_ref().expect("a visible meter has a bar");
        listener(ProgressEvent { phase: "storing", done: 3, total: Some(9), unit: Unit::Rows });
        assert_eq!((bar.position(), bar.length()), (3, Some(9)));
        assert_eq!(bar.message(), "storing lineitem");
        listener(ProgressEvent { phase: "checking", done: 4, total: Some(8), unit: Unit::Bytes });
        assert_eq!(bar.message(), "checking lineitem");
        assert_eq!(bar.position(), 4);
    }
}
