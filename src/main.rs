//! The `uninlu` binary.

fn main() -> std::process::ExitCode {
    uninlu::cli::main()
}
