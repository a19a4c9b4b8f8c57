//! The handler: what each request of the protocol is answered with.
//!
//! A call runs as a task of its own, so that a long query delays nobody, a cancelled one stops,
//! and a defect in one ends that one alone. What the tools do is in `tools`.

use std::sync::Arc;

use cidlake::{Error, ErrorKind, Lake};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, DiscoverResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::folders::Folders;
use super::tools::Tool;
use super::{prompts, resources, tools, wire};

/// How long a client may keep what cannot change while this process runs.
const FIXED_TTL_MS: u64 = 3_600_000;

const INSTRUCTIONS: &str = "\
A lake of tables, each with a content address (CID). \
parquet_list_datasets says what there is; parquet_query_datasets runs one SQL SELECT over it. \
In SQL a dataset is a table under its name (namespace.name where it has one); a version or a CID \
goes in double quotes (\"users~1\", \"bafkrei…\"), and the table datasets lists all datasets; \
system.commits, system.columns, system.parts and others say what is known of all versions, of the \
log and of the server. \
Answers are cut at 100 rows or 32 KiB unless limit says otherwise, and say truncated when they \
are. Whole numbers beyond 2^53, decimals, dates, NaN and Infinity arrive as strings; columns has \
the types.";

/// What the handlers work on.
#[derive(Debug)]
pub(super) struct Context {
    /// The lake.
    pub(super) lake: Lake,
    /// Whether tools that write may be called.
    pub(super) allow_write: bool,
    /// Where `ipfs_add` may read files.
    pub(super) folders: Folders,
}

/// The lake as an MCP server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    context: Arc<Context>,
}

impl Server {
    /// Makes the server.
    pub(super) fn new(context: Context) -> Self {
        Self { context: Arc::new(context) }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_prompts()
            .enable_resources()
            .enable_tools()
            .build();
        let server = Implementation::new("cidlake", env!("CARGO_PKG_VERSION"))
            .with_title("cidlake")
            .with_description("A content-addressed lake of tables, with SQL");
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn discover(
        &self,
        _context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info())
            .with_ttl_ms(FIXED_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::offered(self.context.allow_write))
            .with_ttl_ms(FIXED_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = Tool::parse(&request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None));
        };
        let ours = Arc::clone(&self.context);
        let work = tokio::spawn(async move { tools::call(&ours, tool, request.arguments).await });
        let stop = work.abort_handle();
        let outcome = match context.ct.run_until_cancelled(work).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => {
                Err(Error::new(ErrorKind::Internal, format!("{} broke off", tool.name())))
            }
            None => {
                stop.abort();
                Err(Error::new(ErrorKind::Unavailable, "the call was cancelled"))
            }
        };
        Ok(wire::tool_result(outcome).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::all())
            .with_ttl_ms(FIXED_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        Ok(prompts::get(&self.context.lake, &request.name, &arguments).await?.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        resources::list(&self.context.lake, cursor.as_deref()).await
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates())
            .with_ttl_ms(FIXED_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resources::read(&self.context.lake, &request.uri).await?.into())
    }
}
