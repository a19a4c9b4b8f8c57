//! Resources: each dataset's schema and statistics as a JSON document, under
//! `cidlake:///datasets/NAME`; a version or a CID in place of the name will do as well.

use cidlake::{Lake, parse_cid};
use rmcp::model::{
    CacheScope, ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::json;

use super::wire;

const PREFIX: &str = "cidlake:///datasets/";
const MIME_TYPE: &str = "application/json";
/// Resources in one answer; the cursor to the next is how many came before.
const PAGE: usize = 200;
/// How long a client may keep what a name means; anybody may change it.
const NAME_TTL_MS: u64 = 5_000;
/// How long a client may keep what a CID means: it never changes. A year.
const CID_TTL_MS: u64 = 31_536_000_000;

/// Returns the templates by which clients make the address of a resource.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{PREFIX}{{name}}"), "dataset")
            .with_title("A dataset's schema")
            .with_description("Columns, types, bounds and metadata of a dataset, version or CID")
            .with_mime_type(MIME_TYPE),
    ]
}

/// Lists the datasets.
pub(super) async fn list(
    lake: &Lake,
    cursor: Option<&str>,
) -> Result<ListResourcesResult, ErrorData> {
    let from = match cursor.map(str::parse::<usize>) {
        None => 0,
        Some(Ok(from)) => from,
        Some(Err(_)) => return Err(ErrorData::invalid_params("the cursor is none of ours", None)),
    };
    let all = lake.datasets().await.map_err(|error| wire::error_data(&error))?;
    let page = all.iter().skip(from).take(PAGE);
    let page = page.map(|info| {
        Resource::new(format!("{PREFIX}{}", info.name), info.name.clone())
            .with_description(format!("{} rows, {} columns", info.rows, info.columns))
            .with_mime_type(MIME_TYPE)
    });
    let mut result = ListResourcesResult::with_all_items(page.collect())
        .with_ttl_ms(NAME_TTL_MS)
        .with_cache_scope(CacheScope::Private);
    let next = from.saturating_add(PAGE);
    result.next_cursor = (next < all.len()).then(|| next.to_string());
    Ok(result)
}

/// Reads what is at `uri`.
pub(super) async fn read(lake: &Lake, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let not_found = |why: String| ErrorData::resource_not_found(why, Some(json!({"uri": uri})));
    let Some(reference) = uri.strip_prefix(PREFIX) else {
        return Err(not_found(format!("{uri} is not beneath {PREFIX}")));
    };
    let shown = match lake.describe(reference).await {
        Ok(shown) => shown,
        Err(error) => {
            let error = wire::error_data(&error);
            // What was asked for is an address, so that being wrong is not being there.
            return Err(match error.code {
                rmcp::model::ErrorCode::INVALID_PARAMS => not_found(error.message.into_owned()),
                _ => error,
            });
        }
    };
    let text = format!("{:#}", wire::described(&shown));
    let contents = ResourceContents::text(text, uri).with_mime_type(MIME_TYPE);
    let result = ReadResourceResult::new(vec![contents]);
    // Of a CID that is no commit, the newest commit with that content is shown.
    let is_fixed = parse_cid(reference).is_ok_and(|cid| shown.commit == Some(cid));
    Ok(if is_fixed {
        result.with_ttl_ms(CID_TTL_MS).with_cache_scope(CacheScope::Public)
    } else {
        result.with_ttl_ms(NAME_TTL_MS).with_cache_scope(CacheScope::Private)
    })
}
