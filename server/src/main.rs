//! The `uninlu-server` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    uninlu_server::cli::main()
}
