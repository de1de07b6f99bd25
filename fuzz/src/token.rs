//! Text that names or proves: enrollment tokens as people paste them, and the header over every report.

use protocol::session::AuthHeader;
use protocol::token::EnrollmentToken;

use crate::seeds;

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = seeds::golden()
        .into_iter()
        .filter_map(|(_, _, auth)| auth.map(String::into_bytes))
        .collect();
    let token = EnrollmentToken::new([1; 10], [2; 20], [3; 16]).reveal();
    seeds.push(format!(" {}\n", token.to_uppercase()).into_bytes());
    seeds.push(token.into_bytes());
    seeds.push(b"oca_".to_vec());
    seeds
}

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match EnrollmentToken::parse(text) {
        Ok(token) => assert_eq!(EnrollmentToken::parse(&token.reveal()), Ok(token)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(header) = AuthHeader::parse(text) {
        assert_eq!(AuthHeader::parse(&header.format()), Ok(header));
    }
}
