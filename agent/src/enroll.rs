//! A token becomes an identity: once, and safe to repeat.
//!
//! Order matters: the agent's key is on disk before anything is sent, the server proves that it is the one the token
//! was made for before anything derived from the token is sent, and the identity is on disk before success is told.

use std::path::PathBuf;

use protocol::handshake::{self, HandshakeError};
use protocol::http::{Code, PATH_ENROLL, PATH_SERVER};
use protocol::keys::fingerprint;
use protocol::session::to_base64;
use protocol::token::EnrollmentToken;
use protocol::v1::enroll::EnrollRequest;

use crate::client::{Answer, Client};
use crate::collect::{Roots, boot_id, hostname};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::identity::{Identity, StateFolder};
use crate::log;
use crate::random;

/// What a person asked for.
#[derive(Debug)]
pub struct Request {
    /// The token, unless the agent may be enrolled already.
    pub token: Option<String>,
    /// Authority of the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// Plain http beyond this machine is accepted.
    pub insecure_http: bool,
    /// Take over this node.
    pub replace: Option<String>,
}

/// Enrolls; gives the node id.
///
/// # Errors
/// With the exit code that the contract gives.
pub fn enroll(config: &Config, folder: &StateFolder, request: &Request) -> Result<String, Failure> {
    let Some(server) = &config.server else {
        return Err(Failure::usage(
            "no server is named: give --server URL (or OPSCENTER_SERVER, or `server` in agent.toml)",
        ));
    };
    let token = request
        .token
        .as_deref()
        .map(EnrollmentToken::parse)
        .transpose()
        .map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(identity) = folder.identity()? {
        return already_enrolled(&identity, token.as_ref(), &server.to_string());
    }
    let token = token.ok_or_else(|| {
        Failure::usage("no token is given: use --token-file FILE, OPSCENTER_TOKEN or --token TOKEN")
    })?;
    if let Some(node) = &request.replace {
        domain::id::NodeId::parse(node)
            .map_err(|error| Failure::usage(format!("--replace: {error}")))?;
    }
    let ca_file = request.ca_file.clone().or_else(|| config.ca_file.clone());
    let client = Client::new(
        server,
        ca_file.as_deref(),
        request.insecure_http,
        config.interval_ms,
    )?;
    folder.create()?;
    let _lock = folder.lock()?;
    // Another process may have enrolled between the first look and the lock.
    if let Some(identity) = folder.identity()? {
        return already_enrolled(&identity, Some(&token), &server.to_string());
    }
    let key = folder.key_or_new()?;
    let server_key = prove(&client, &token.server_fingerprint)?;
    let roots = Roots::default();
    let body = handshake::enroll_request(
        &token,
        &key,
        &server_key,
        &EnrollRequest {
            protocol: protocol::CURRENT,
            token_id: token.id,
            agent_key: key.public(),
            hostname: hostname(&roots),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            replace: request.replace.clone(),
            interval_s: u32::try_from(config.interval_ms / 1000).unwrap_or(u32::MAX),
            name: config.name.clone(),
        },
    );
    let answer = client.post(PATH_ENROLL, None, &body)?;
    if !(200..300).contains(&answer.status) {
        return Err(refused(&answer));
    }
    let told =
        handshake::open_enroll_answer(&server_key, &body, &answer.body).map_err(wrong_server)?;
    let identity = Identity {
        server: server.to_string(),
        server_key: data_encoding::HEXLOWER.encode(&server_key),
        host_id: told.host_id,
        node_id: told.node_id,
        ca_file: ca_file.map(|file| std::path::absolute(&file).unwrap_or(file)),
        insecure_http: request.insecure_http,
    };
    folder.save_identity(&identity)?;
    folder.open_cursor(boot_id(&roots))?.sync()?;
    if told.pending_review {
        log::info("enrolled; an administrator still has to accept this node in the console");
    }
    Ok(identity.node_id)
}

fn already_enrolled(
    identity: &Identity,
    token: Option<&EnrollmentToken>,
    url: &str,
) -> Result<String, Failure> {
    let is_same = match token {
        Some(token) => fingerprint(&identity.server_key()?) == token.server_fingerprint,
        None => identity.server == url,
    };
    if is_same {
        log::info(format!(
            "already enrolled with this server as {}; nothing was changed",
            identity.node_id
        ));
        Ok(identity.node_id.clone())
    } else {
        Err(Failure::usage(format!(
            "this state folder is enrolled with another server ({}) as {}; use another folder with --state, or move this one away to leave that server",
            identity.server, identity.node_id
        )))
    }
}

/// Asks the server to prove the key with this fingerprint; gives the key.
///
/// # Errors
/// Nobody, something else, or another server answered.
pub fn prove(
    client: &Client,
    trusted: &[u8; protocol::keys::FINGERPRINT_BYTES],
) -> Result<[u8; 32], Failure> {
    let nonce: [u8; 32] = random::bytes()?;
    let answer = client.get(&format!("{PATH_SERVER}?nonce={}", to_base64(&nonce)))?;
    if answer.status != 200 {
        let (_, words) = answer.problem();
        return Err(Failure::new(
            Exit::Unreachable,
            format!(
                "what answers there is no operations center, or not a healthy one ({words}); check the address"
            ),
        ));
    }
    handshake::check_server(&answer.body, &nonce, trusted).map_err(wrong_server)
}

fn wrong_server(error: HandshakeError) -> Failure {
    match error {
        HandshakeError::Wire(error) => Failure::new(
            Exit::Unreachable,
            format!("what answers there is no operations center ({error}); check the address"),
        ),
        other => Failure::new(Exit::WrongServer, other.to_string()),
    }
}

fn refused(answer: &Answer) -> Failure {
    let (code, words) = answer.problem();
    let (exit, way_out) = match code {
        Some(Code::TokenUnknown) => (Exit::Refused, "make a new token on that server"),
        Some(Code::TokenExpired) => (
            Exit::Refused,
            "make a new token; its time is set with --ttl",
        ),
        Some(Code::TokenUsed) => (
            Exit::Refused,
            "make a new token; how often it may be used is set with --uses",
        ),
        Some(Code::TokenRevoked) => (
            Exit::Refused,
            "an administrator took the token back; ask for a new one",
        ),
        Some(Code::ReplaceRefused) => (
            Exit::Refused,
            "stop the other agent and wait until its node shows no data, or leave out --replace",
        ),
        Some(Code::AgentRevoked | Code::AgentQuarantined) => (
            Exit::Refused,
            "an administrator took this agent's identity back; move the state folder away and enroll with a new token",
        ),
        Some(Code::SignatureInvalid) => (
            Exit::Refused,
            "the token is damaged or from elsewhere; copy it whole",
        ),
        Some(Code::ProtocolUnsupported) => (
            Exit::Refused,
            "agent and server are too far apart; update the older one",
        ),
        Some(Code::Overloaded | Code::StorageUnavailable) => {
            (Exit::Unreachable, "try again in a moment")
        }
        Some(
            Code::SessionUnknown
            | Code::MacInvalid
            | Code::AgentUnknown
            | Code::SequenceForked
            | Code::Malformed,
        )
        | None => match answer.status {
            401 | 403 | 409 | 410 => (Exit::Refused, "see the server's log for more"),
            429 | 502..=504 => (Exit::Unreachable, "try again in a moment"),
            _ => (Exit::Finding, "see the server's log for more"),
        },
    };
    Failure::new(
        exit,
        format!("the server did not enroll this host ({words}); {way_out}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_exit_code() {
        let exit = |status, code: &str| {
            refused(&Answer {
                status,
                auth: None,
                retry_after_ms: None,
                date: None,
                body: format!("{{\"code\":\"{code}\"}}").into_bytes(),
            })
            .exit
        };
        for code in [
            "token_unknown",
            "token_expired",
            "token_used",
            "token_revoked",
            "replace_refused",
            "agent_revoked",
        ] {
            assert_eq!(exit(403, code), Exit::Refused, "{code}");
        }
        assert_eq!(exit(503, "storage_unavailable"), Exit::Unreachable);
        assert_eq!(exit(403, "something_new"), Exit::Refused);
        assert_eq!(exit(500, ""), Exit::Finding);
    }
}
