//! What a person sees: the tool on a terminal of 80 columns, over an API server that answers from a list.

mod api;
mod init;
mod terminal;
