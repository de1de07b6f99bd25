//! The server itself and its settings.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DataArgs, chain, complain, print, runtime, start_log};
use crate::config::{ConfigErrors, Flags, Settings};
use crate::health::limits::raise_open_files;
use crate::serve;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// Settings file [default: /etc/operations-center/server.toml, if it is there]
    #[arg(long, env = "OPSCENTER_CONFIG")]
    config: Option<PathBuf>,
    /// Address and port; port 0 picks a free one [default: 127.0.0.1:7700]
    #[arg(long, env = "OPSCENTER_LISTEN")]
    listen: Option<String>,
    /// Address under which people and agents reach the server
    #[arg(long, env = "OPSCENTER_PUBLIC_URL")]
    public_url: Option<String>,
    /// Certificate chain (PEM)
    #[arg(long, env = "OPSCENTER_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "OPSCENTER_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Accept plain HTTP beyond this machine
    #[arg(long, env = "OPSCENTER_INSECURE_HTTP", num_args = 0, value_parser = yes_or_no)]
    insecure_http: bool,
    /// Address and port for /metrics without a token; otherwise it is served with one
    #[arg(long, env = "OPSCENTER_METRICS_LISTEN")]
    metrics_listen: Option<String>,
    /// text or json
    #[arg(long, env = "OPSCENTER_LOG")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigAction {
    /// Print `ok`, or every problem
    #[command(after_help = "Example:\n  operations-center config check --config server.toml")]
    Check(SettingsArgs),
}

impl SettingsArgs {
    fn load(&self) -> Result<Settings, ConfigErrors> {
        Settings::load(&Flags {
            config: self.config.clone(),
            listen: self.listen.clone(),
            public_url: self.public_url.clone(),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            insecure_http: self.insecure_http,
            metrics_listen: self.metrics_listen.clone(),
            log: self.log.clone(),
        })
    }
}

/// A flag's value from the environment; whoever sets it to nothing has not set it.
fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

pub(super) fn check_config(args: &SettingsArgs) -> u8 {
    match args.load() {
        Ok(_) => {
            print("ok");
            0
        }
        Err(problems) => {
            for problem in &problems.0 {
                complain(problem);
            }
            2
        }
    }
}

pub(super) fn run_serve(args: &ServeArgs) -> u8 {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in &problems.0 {
                complain(problem);
            }
            return 2;
        }
    };
    let damage = start_log(settings.log, "info");
    tracing::debug!(open_files_max = raise_open_files(), "limits raised");
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    match runtime.block_on(serve::serve(&args.data.data, settings, damage)) {
        Ok(()) => 0,
        Err(error) => {
            complain(&chain(&error));
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_of_the_environment_is_yes_or_no() {
        for (text, wanted) in [
            ("1", Some(true)),
            ("TRUE", Some(true)),
            ("", Some(false)),
            ("off", Some(false)),
            ("maybe", None),
        ] {
            assert_eq!(yes_or_no(text).ok(), wanted, "{text}");
        }
    }
}
