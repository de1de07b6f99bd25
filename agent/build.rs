//! The unwinder, which only a panic's backtrace needs, comes along instead of from a library: 100 KB less in memory.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        println!("cargo:rustc-link-arg-bins=-static-libgcc");
    }
}
