//! `cidlake wal enqueue`: queues an operation.

use cidlake::{Error, Open, OperationRequest, Queued};
use serde_json::Value;

use crate::cmd::Context;
use crate::cmd::sql::milliseconds;
use crate::output::object;
use crate::wire::QueuedWire;

/// Queue an operation; when this returns it is durable
///
/// It is done by whoever runs `cidlake wal run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Kinds:
  verify   checks what is stored; with full=true every block
  compact  writes many small parts as few: of the dataset name=NAME, or of all that need it
  gc       gives back the room of what nothing keeps
  seal     makes a checkpoint, indexes, and copies of the log that can be queried

Examples:
  cidlake wal enqueue verify full=true
  cidlake wal enqueue compact name=sales.orders --delay 3600
  cidlake wal enqueue gc --key nightly-2026-01-31 --attempts 3")]
pub(super) struct EnqueueArgs {
    /// What is to be done: verify, compact, gc or seal
    #[arg(value_name = "KIND")]
    kind: String,
    /// With what; a value is read as JSON where it is some, else as text
    #[arg(value_name = "NAME=VALUE", value_parser = parameter)]
    params: Vec<(String, Value)>,
    /// What tells it from others that mean the same: while one with this key is known, it is not
    /// queued again
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// How often it is tried before it is given up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// Wait at least so long before the first attempt
    #[arg(long, value_name = "SECONDS", value_parser = milliseconds)]
    delay: Option<u64>,
}

pub(super) async fn run(context: &Context, args: EnqueueArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let request = OperationRequest {
        kind: args.kind,
        params: args.params.into_iter().collect(),
        key: args.key,
        attempts_max: args.attempts,
        delay_ms: args.delay.unwrap_or(0),
    };
    let queued = lake.enqueue(request).await?;
    lake.close().await?;
    let wire = QueuedWire::from(&queued);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&queued))?;
    context.suggest(&output, "wal run");
    Ok(())
}

/// Reads `NAME=VALUE`.
fn parameter(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let json = serde_json::from_str(value);
            Ok((name.to_owned(), json.unwrap_or_else(|_| Value::from(value))))
        }
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn people(queued: &Queued) -> String {
    let info = &queued.info;
    let (id, kind) = (&info.id, &info.kind);
    match (&info.key, queued.is_new) {
        (Some(key), false) => {
            format!("operation {id} ({kind}) has the key {key:?} already; it is {}\n", info.status)
        }
        _ => format!("operation {id} ({kind}) is queued\n"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parameter;

    #[test]
    fn a_value_is_json_where_it_is_some() {
        for (text, name, value) in [
            ("full=true", "full", json!(true)),
            ("n=7", "n", json!(7)),
            ("n=1.5", "n", json!(1.5)),
            ("n=\"7\"", "n", json!("7")),
            ("name=sales.orders", "name", json!("sales.orders")),
            ("a=b=c", "a", json!("b=c")),
            ("a=", "a", json!("")),
            ("a=[1", "a", json!("[1")),
        ] {
            assert_eq!(parameter(text), Ok((name.to_owned(), value)), "{text}");
        }
        assert!(parameter("full").is_err() && parameter("=true").is_err());
    }
}
