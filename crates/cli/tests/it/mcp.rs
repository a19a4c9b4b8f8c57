//! The MCP server from outside: the built program, spoken to over its pipes by hand, so that what
//! is tested is the protocol and not a client library's reading of it.

mod answers;
mod client;
mod protocol;
mod safety;
mod tools;
