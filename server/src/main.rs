//! The `uninlu-server` binary.

mod allocator;

fn main() -> std::process::ExitCode {
    uninlu_server::cli::main()
}
