//! The lake for agents: a Model Context Protocol server on standard input and output.
//!
//! [`serve`] speaks both eras of the protocol, as `rmcp` does: with and without `initialize`.
//! Every tool parses its arguments, calls the lake and shapes the answer; no logic of the lake is
//! here. Nothing but the protocol is written to standard output, and no settings are read.

mod arguments;
mod base64;
mod caps;
mod folders;
mod prompts;
mod resources;
mod server;
mod tools;
mod wire;

use std::path::PathBuf;

use cidlake::{Error, ErrorKind, Lake};
use rmcp::RoleServer;
use rmcp::service::{QuitReason, ServerInitializeError};
use rmcp::transport::async_rw::AsyncRwTransport;

use self::folders::Folders;
use self::server::{Context, Server};

/// The longest message that is read, in bytes: a table comes in as one argument of a call.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What a client of this server may do beyond reading the lake.
#[derive(Clone, Debug, Default)]
pub(crate) struct McpOptions {
    /// Whether tools that write are offered.
    pub(crate) allow_write: bool,
    /// Folders beneath which `ipfs_add` may read files; none means that it reads none.
    pub(crate) allow_path: Vec<PathBuf>,
}

/// Serves `lake` until the client closes standard input.
///
/// # Errors
/// `NotFound` or `Invalid` for an allowed path that is no folder, `Invalid` for a client that
/// does not speak the protocol.
pub(crate) async fn serve(lake: Lake, options: McpOptions) -> Result<(), Error> {
    let McpOptions { allow_write, allow_path } = options;
    let folders = Folders::resolve(&allow_path)?;
    let server = Server::new(Context { lake, allow_write, folders });
    let (input, output) = rmcp::transport::stdio();
    let transport = AsyncRwTransport::<RoleServer, _, _>::new(input, output)
        .with_max_line_length(MESSAGE_BYTES_MAX);
    let running = match rmcp::serve_server(server, transport).await {
        Ok(running) => running,
        // A client may ask what this server is and leave: that is a whole conversation.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            return Ok(());
        }
        Err(error) => return Err(no_conversation(&error)),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => {
            Err(Error::new(ErrorKind::Internal, format!("the server stopped: {error}")))
        }
        Ok(_) => Ok(()),
    }
}

/// Says why no conversation began, without repeating what the client sent.
fn no_conversation(error: &ServerInitializeError) -> Error {
    let hint = "an MCP client starts this command and speaks JSON-RPC with it, a message a line";
    let why = match error {
        ServerInitializeError::ExpectedInitializeRequest(_) => {
            return Error::new(ErrorKind::Invalid, "the client's first message is no request")
                .with_hint(hint);
        }
        ServerInitializeError::InitializeFailed(error) => error.message.to_string(),
        ServerInitializeError::TransportError { error, .. } => error.to_string(),
        _ => "it was answered in an unexpected way".to_owned(),
    };
    Error::new(ErrorKind::Unavailable, format!("no conversation with the client began: {why}"))
        .with_hint(hint)
}
