//! The program: reads the command line, hands over, exits with the code the contract gives.

fn main() -> std::process::ExitCode {
    agent::cli::main().into()
}
