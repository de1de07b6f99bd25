//! Certificate and key, read as they are served: what `config check` lets pass, `serve` can use.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What TLS is served with.
///
/// # Errors
/// Every problem, with its field, file and way out.
pub fn read(cert: &Path, key: &Path) -> Result<ServerConfig, Vec<String>> {
    let (chain, secret) = match (read_chain(cert), read_key(key)) {
        (Ok(chain), Ok(secret)) => (chain, secret),
        (chain, secret) => return Err(chain.err().into_iter().chain(secret.err()).collect()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        });
    let mut config = config.map_err(|error| {
        vec![format!(
            "tls_key: {} does not go with the certificate {}: {error}; give the key that the first certificate of the chain was made for",
            key.display(),
            cert.display()
        )]
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The chain of a certificate.
///
/// # Errors
/// The problem, as above.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|error| problem("tls_cert", path, &error))?;
    if chain.is_empty() {
        return Err(problem("tls_cert", path, &pem::Error::NoItemsFound));
    }
    Ok(chain)
}

/// A private key.
///
/// # Errors
/// The problem, as above.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| problem("tls_key", path, &error))
}

fn problem(field: &str, path: &Path, error: &pem::Error) -> String {
    let path = path.display();
    match error {
        pem::Error::Io(error) => format!("{field}: {path} cannot be read: {error}"),
        pem::Error::NoItemsFound => format!(
            "{field}: {path} holds none; give a PEM file with `-----BEGIN {}-----`",
            match field {
                "tls_cert" => "CERTIFICATE",
                _ => "PRIVATE KEY",
            }
        ),
        error => format!("{field}: {path} is no PEM file: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_cannot_be_served_is_told_by_field() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (ours, other) = (made(), made());
        let cert = file("cert", &ours.cert.pem());
        let key = file("key", &ours.signing_key.serialize_pem());
        let foreign = file("foreign", &other.signing_key.serialize_pem());
        let junk = file("junk", "junk");
        let cut = file("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        let gone = folder.path().join("gone");
        assert!(read(&cert, &key).is_ok());
        for (cert, key, told) in [
            (&cert, &foreign, vec!["tls_key: "]),
            (&junk, &key, vec!["tls_cert: "]),
            (&cut, &key, vec!["tls_cert: "]),
            (&gone, &junk, vec!["tls_cert: ", "tls_key: "]),
            (&key, &cert, vec!["tls_cert: ", "tls_key: "]),
        ] {
            let problems = read(cert, key).unwrap_err();
            assert_eq!(problems.len(), told.len(), "{problems:?}");
            for (problem, field) in problems.iter().zip(told) {
                assert!(problem.starts_with(field), "{problem}");
            }
        }
    }
}
